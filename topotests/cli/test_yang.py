# SPDX-License-Identifier: GPL-2.0-or-later
"""
The module's YANG model in the stock zebra: transactions that are refused as a whole, the configuration as data, the
operational data, the RPCs, and what the model itself takes. The router and fpmd's stand-in are those of test_cli.py.
"""
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]

from test_cli import (ALL, BLOCK, FRR_VERSION, block, configure, enter, eventually, fresh, peer, r1,  # noqa: E402,F401
                      running, vtysh, without_chatter)

MORE_OPTIONS = "-M " + os.path.join(CONFTEST.BUILD, "tests/.libs/rpc_caller.so")
# Says one command after the other to zebra, as vtysh does, and prints what zebra answers.
TERMINAL = """
import socket, sys
zebra = socket.socket(socket.AF_UNIX)
zebra.connect("/var/run/frr/zebra.vty")
for command in sys.argv[1:]:
    zebra.sendall(command.encode() + bytes(1))
    said = b""
    while said[-4:-1] != bytes(3):
        byte = zebra.recv(1)
        if not byte:
            sys.exit("zebra ended")
        said += byte
    print(said[:-4].decode(), end="")
"""
MODEL = os.path.join(CONFTEST.TOP, "yang/frr-holdfast.yang")


def load_file(router, text):
    """As `vtysh -f` reads it: FRR makes one transaction of each block."""
    path = "/tmp/holdfast_yang.%d.conf" % os.getpid()
    with open(path, "w") as file:
        file.write(text)
    try:
        return without_chatter(vtysh(router, options="-f " + path))
    finally:
        os.unlink(path)


def test_a_bad_line_refuses_the_whole_transaction(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    before = len(fpmd.got("config"))
    said = load_file(r1, "holdfast\n prefix 192.0.2.81/32\n mark stray-bit 3\n pins max 5\nexit\n")
    assert "Error description: stray-bit 0x00000003 is not one bit\n" in said
    if FRR_VERSION < (10, 0):
        assert "-  prefix 192.0.2.81/32\n" in said and "-  pins max 5\n" in said
    assert running(r1) == BLOCK
    # Nothing is left of it: what comes next is taken for itself.
    assert block(r1, "pins max 7") == ""
    assert running(r1) == BLOCK + " pins max 7\n"
    assert eventually(lambda: len(fpmd.got("config")) > before)
    assert [config["pins-max"] for config in fpmd.got("config")[before:]] == [7]


def test_a_file_is_one_transaction_in_any_order(r1):
    lines = ALL.splitlines()
    assert load_file(r1, "\n".join(lines[:1] + lines[:0:-1]) + "\nexit\n") == ""
    assert running(r1) == ALL


def test_a_range_may_go_before_its_member_but_not_come_after(r1):
    enter(r1, BLOCK + " member-range 10.2.0.0/16\n")
    assert block(r1, "no member-range 10.255.0.0/24") == ""
    assert "10.255.0.9 is outside of every member-range" in block(r1, "local-member 10.255.0.9")
    assert block(r1, "no local-member 10.255.0.3") == ""


def configuration(router, options=""):
    shown = vtysh(router, "show configuration running json %s zebra" % options)
    return json.loads(shown[shown.index("{"):]).get("frr-holdfast:holdfast")


def test_the_configuration_as_data(r1, peer):
    assert configuration(r1) is None
    enter(r1, ALL)
    data = configuration(r1)
    assert sorted(data["prefix"]) == ["192.0.2.80/32", "2001:db8::80/128"]
    assert data["local-member"] == {"ipv4": "10.255.0.3"}
    assert data["mark"] == {"owner-mask": "0xff000000", "stray-bit": "0x00000001",
                            "tunnel-bit": "0x00000002", "path-mask": "0x00ff0000"}
    assert data["directory"]["valkey"]["host"] == "10.0.0.7" and data["directory"]["valkey"]["tls"] is True
    assert data["role"] == "director" and data["flows"]["fast-path"] is True
    # The defaults of the model are those that are not written, and those that fpmd gets.
    configure(r1, "no holdfast", "holdfast")
    assert running(r1) == "holdfast\n"
    fpmd = peer()
    assert eventually(lambda: fpmd.got("config"))
    config, data = fpmd.got("config")[-1], configuration(r1, "with-defaults")
    for key, value in (("directory-port", data["directory"]["port"]), ("replicas", data["directory"]["replicas"]),
                       ("ring-members", data["directory"]["ring-members"]),
                       ("record-lifetime", data["directory"]["record-lifetime"]),
                       ("tunnel-port", data["tunnel"]["port"]), ("vni", data["tunnel"]["vni"]),
                       ("owner-mask", int(data["mark"]["owner-mask"], 16)),
                       ("stray-bit", int(data["mark"]["stray-bit"], 16)),
                       ("tunnel-bit", int(data["mark"]["tunnel-bit"], 16)),
                       ("path-mask", int(data["mark"]["path-mask"], 16)), ("queue", data["queue"]),
                       ("pins-max", data["pins"]["max"]), ("pin-check", data["pins"]["check-interval"]),
                       ("flows-max", data["flows"]["max"]), ("flow-lifetime", data["flows"]["lifetime"])):
        assert config[key] == value, key


LINES = {
    "directory/port": "directory port %d", "directory/replicas": "directory replicas %d",
    "directory/ring-members": "directory ring-members %d",
    "directory/record-lifetime": "directory record-lifetime %d",
    "directory/valkey/port": "directory engine valkey h %d", "tunnel/port": "tunnel port %d",
    "tunnel/vni": "tunnel port 65535 vni %d", "queue": "queue %d", "pins/max": "pins max %d",
    "pins/check-interval": "pins check-interval %d", "flows/max": "flows max %d",
    "flows/lifetime": "flows lifetime %d",
}


def model_ranges():
    """Lowest and highest value of each number in the configuration, by its path."""
    yin = "{urn:ietf:params:xml:ns:yang:yin:1}"
    text = subprocess.run(["yanglint", "-f", "yin", MODEL], check=True, stdout=subprocess.PIPE, text=True).stdout
    ranges = {}

    def walk(node, path):
        for child in node:
            name = path + child.get("name", "")
            if child.tag == yin + "container" and name != "state":
                walk(child, name + "/")
            kind = child.find(yin + "type")
            if child.tag == yin + "leaf" and kind.get("name") in ("uint8", "uint16", "uint32", "inet:port-number"):
                limits = kind.find(yin + "range")
                ranges[name] = tuple(map(int, limits.get("value").split(".."))) if limits is not None else (0, 65535)

    walk(ElementTree.fromstring(text).find(yin + "container"), "")
    return ranges


def test_the_commands_take_what_the_model_takes(r1):
    ranges = model_ranges()
    assert set(ranges) == set(LINES)
    taken, refused = [], []
    for leaf, (low, high) in ranges.items():
        taken += [LINES[leaf] % low, LINES[leaf] % high]
        refused += [LINES[leaf] % (high + 1)] + ([LINES[leaf] % (low - 1)] if low else [])
    assert block(r1, *taken) == ""
    data = configuration(r1)
    for leaf, (low, high) in ranges.items():
        at = data
        for name in leaf.split("/"):
            # What is the default is left out.
            at = at.get(name, high)
        assert at == high, leaf
    for line in refused:
        assert block(r1, line) == "%% Unknown command: %s\n" % line


def test_zebra_knows_the_model(r1):
    tree = vtysh(r1, "show yang module frr-holdfast tree zebra")
    assert "+--rw holdfast!" in tree and "|  +--rw key-file?" in tree
    assert "frr-holdfast" in vtysh(r1, "show yang module zebra")


STATE = {
    "summary": {"version": "0.1.0", "state": "running", "uptimeMsec": 1234, "localMember": "10.255.0.3",
                "membersReachable": 2, "isolated": False, "sessions": 5, "pins": 7, "straysWaiting": 0,
                "vips": [{"prefix": "192.0.2.80", "role": "served", "local": True, "sessions": 5},
                         {"prefix": "2001:db8::80", "role": "refused", "refused": "it is translated"}]},
    "members": {"isolated": False, "members": [
        {"address": "10.255.0.3", "local": True, "state": "in ring", "records": 3},
        {"address": "10.255.0.4", "local": False, "state": "silent", "heardMsecAgo": 9000, "records": 0,
         "ownerId": 1, "pins": 7}]},
    "pins": {"count": 7, "max": 1000, "owners": [{"ownerId": 1, "address": "10.255.0.4", "pins": 7}]},
    "paths": {"flows": 9, "probation": 0, "recordsOutliveFpmd": True, "paths": [
        {"id": 3, "family": "ipv4", "interface": "up a", "gateway": "10.1.0.2", "state": "in-use", "members": 1,
         "member": "10.255.0.4", "newFlows": True, "up": True, "flows": 9, "sinceMsec": 12}]},
    "directory": {"engine": "valkey", "running": True,
                  "server": {"state": "connected", "sinceMsec": 5, "cluster": True, "slotsServed": 16384}},
    "counters": {"fpmd": {"strays": 11, "straysTunnelled": 4}, "kernel": {"strays": 12}},
    "of a later version": [1, 2],
}


def operational(router, path=""):
    shown = vtysh(router, "show yang operational-data /frr-holdfast:holdfast/state%s zebra" % path)
    assert shown.startswith("{"), shown
    return json.loads(shown).get("frr-holdfast:holdfast", {}).get("state", {})


@pytest.fixture
def state_file():
    path = "/tmp/holdfast_state.%d.json" % os.getpid()
    with open(path, "w") as file:
        json.dump(STATE, file)
    yield path
    os.unlink(path)


def test_operational_data_are_what_fpmd_told(r1, peer, state_file):
    # What was wrong with the last configuration is there until its end takes effect.
    assert eventually(lambda: json.loads(vtysh(r1, "show yang operational-data /frr-holdfast:holdfast zebra"))
                      in ({}, {"frr-holdfast:holdfast": {"state": {"connected": False}}}))
    peer("--state %s --problem 'no CAP_BPF: start fpmd as root'" % state_file)
    enter(r1, "holdfast\n prefix 192.0.2.80/32\n")
    assert eventually(lambda: "summary" in operational(r1), 8)
    state = operational(r1)
    assert state["connected"] is True and int(state["age"]) < 8000
    assert state["problem"] == ["no member-range is configured", "no local-member is configured",
                                "no directory key-file is configured", "no CAP_BPF: start fpmd as root"]
    assert state["summary"]["vip"][0] == {"prefix": "192.0.2.80", "role": "served", "local": True, "sessions": "5"}
    assert state["summary"]["vip"][1] == {"prefix": "2001:db8::80", "role": "refused", "refused": "it is translated"}
    assert state["summary"]["local-member"] == "10.255.0.3" and state["summary"]["pins"] == "7"
    assert state["members"]["member"][1] == {
        "address": "10.255.0.4", "local": False, "state": "silent", "heard-msec-ago": "9000", "records": "0",
        "owner-id": "1", "pins": "7"}
    assert state["pins"] == {"count": "7", "max": "1000",
                             "owner": [{"owner-id": "1", "address": "10.255.0.4", "pins": "7"}]}
    assert state["paths"]["records-outlive-fpmd"] is True
    assert state["paths"]["path"] == [
        {"id": "3", "family": "ipv4", "interface": "up a", "gateway": "10.1.0.2", "state": "in-use",
         "since-msec": "12", "members": "1", "member": "10.255.0.4", "new-flows": True, "up": True, "flows": "9"}]
    assert state["directory"] == {"engine": "valkey", "running": True, "server": {
        "state": "connected", "since-msec": "5", "cluster": True, "slots-served": "16384"}}
    counters = {(one["group"], one["name"]): int(one["value"]) for one in state["counters"]["counter"]}
    assert counters["fpmd", "straysTunnelled"] == 4 and counters["kernel", "strays"] == 12
    assert counters["module", "connects"] >= 1 and ("module", "queue-overflows") in counters


def test_operational_data_say_how_old_they_are(r1, peer, state_file):
    fpmd = peer("--state " + state_file)
    enter(r1, BLOCK)
    assert eventually(lambda: operational(r1)["connected"] and int(operational(r1).get("age", 1000)) < 1000, 8)
    r1.run("kill " + fpmd.pid)
    assert eventually(lambda: not operational(r1)["connected"])
    assert eventually(lambda: int(operational(r1)["age"]) > 2000)
    assert operational(r1)["summary"]["pins"] == "7"
    # Another fpmd tells too much, and a third one what is no state: the last good one stays.
    for bad in ("--mode huge", "--state /dev/null"):
        fpmd = peer(bad)
        assert eventually(lambda: fpmd.got("state"), 8)
        assert eventually(lambda: operational(r1)["connected"])
        r1.run("kill " + fpmd.pid)
        assert eventually(lambda: not operational(r1)["connected"])
    assert operational(r1)["summary"]["pins"] == "7" and int(operational(r1)["age"]) > 2000


def rpc_of_mgmtd(router, name, *arguments):
    data = {}
    for argument in arguments:
        path, value = argument.split()
        at = data
        for container in path.split("/")[:-1]:
            at = at.setdefault(container, {})
        at[path.split("/")[-1]] = int(value) if value.isdigit() else value
    data = json.dumps({"frr-holdfast:" + name: data}, separators=(",", ":"))
    return configure(router, "mgmt rpc /frr-holdfast:%s json %s" % (name, data))


def terminal(router, command):
    """What zebra's own terminal says to a command of tests/rpc_caller.c."""
    path = "/tmp/holdfast_terminal.%d.py" % os.getpid()
    with open(path, "w") as file:
        file.write(TERMINAL)
    try:
        return router.run("python3 %s enable '%s' 2>&1" % (path, command))
    finally:
        os.unlink(path)


def rpc(router, name, *arguments):
    """mgmtd has a command for RPCs; without it FRR gives none."""
    if CONFTEST.THROUGH_MGMTD:
        return rpc_of_mgmtd(router, name, *arguments)
    return terminal(router, " ".join(("test-rpc", "/frr-holdfast:" + name) + arguments))


def test_an_rpc_drains_and_one_ends_it(r1, peer):
    assert "Holdfast is not configured on this host" in rpc(r1, "drain")
    assert running(r1) == ""
    fpmd = peer()
    enter(r1, BLOCK)
    for _ in range(2):
        assert rpc(r1, "drain") == ""
        assert eventually(lambda: " drain\n" in running(r1))
    assert eventually(lambda: fpmd.got("config") and fpmd.got("config")[-1].get("drain"))
    # What a terminal changes next is changed beside it.
    assert block(r1, "pins max 7") == ""
    assert " drain\n" in running(r1) and " pins max 7\n" in running(r1)
    for _ in range(2):
        assert rpc(r1, "undrain") == ""
        assert eventually(lambda: running(r1) == BLOCK + " pins max 7\n")
    assert eventually(lambda: "drain" not in fpmd.got("config")[-1])


def test_an_rpc_clears_pins(r1, peer):
    assert "fpmd is not connected" in rpc(r1, "clear-pins")
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    flow = ("flow/client 198.51.100.7", "flow/client-port 4000", "flow/vip 192.0.2.80", "flow/vip-port 80")
    # From 9.0 on FRR holds inputs against the model before it calls the module, and its nb_cli_rpc() ends zebra by an
    # assertion where they do not fit. mgmtd refuses them.
    wrong = (("owner 10.255.0",), flow[:3], flow[1:], ("owner 10.255.0.4",) + flow[:3])
    for bad in wrong if FRR_VERSION < (9, 0) or CONFTEST.THROUGH_MGMTD else ():
        said = rpc(r1, "clear-pins", *bad)
        assert "give no input, or owner, or flow with" in said or "Can't parse RPC data" in said, (bad, said)
    assert not [show for show in fpmd.got("show") if show["topic"] == "clear-pins"]
    assert [rpc(r1, "clear-pins"), rpc(r1, "clear-pins", "owner 10.255.0.4"), rpc(r1, "clear-pins", *flow)] == [""] * 3
    clears = lambda: [show for show in fpmd.got("show") if show["topic"] == "clear-pins"]  # noqa: E731
    assert eventually(lambda: len(clears()) == 3), clears()
    asked = {"id": 0, "topic": "clear-pins", "json": False}
    assert clears() == [asked, {**asked, "owner": "10.255.0.4"},
                        {**asked, "flow": ["198.51.100.7", 4000, "192.0.2.80", 80]}]
    # The answers that nobody waits for leave the connection as it is.
    assert vtysh(r1, "show holdfast pins") == "peer: pins\n"


def test_what_is_removed_is_told(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("config") and fpmd.got("config")[-1]["vips"])
    configure(r1, "no holdfast")
    assert eventually(lambda: not fpmd.got("config")[-1]["vips"])
    assert not fpmd.got("config")[-1]["ranges"] and not fpmd.got("config")[-1]["members"]


VALKEY = '"directory": {"valkey": {"host": "h", "port": 6379, %s}}'
DATA = [
    ('"prefix": ["192.0.2.80/32", "2001:db8::80/128"], "member-range": ["10.255.0.0/24"]', ""),
    ('"prefix": ["192.0.2.80/31"]', "a VIP is a host prefix: /32 or /128"),
    ('"prefix": ["2001:db8::/32"]', "a VIP is a host prefix: /32 or /128"),
    ('"local-member": {"ipv4": "2001:db8::3"}', '"2001:db8::3"'),
    ('"directory": {"key-file": "holdfast.key"}', "Unsatisfied pattern"),
    ('"directory": {"valkey": {"host": "h"}}', "Mandatory node \"port\""),
    (VALKEY % '"user": "u"', "add password-file"),
    (VALKEY % '"ca-file": "/a"', "ca-file and certificate are for TLS: add tls"),
    (VALKEY % '"tls": true, "certificate": "/a"', "a certificate and its key go together"),
    (VALKEY % '"tls": true, "certificate": "/a", "key": "/b"', ""),
    ('"mark": {"stray-bit": "1"}', "Unsatisfied pattern"),
    ('"pins": {"max": 0}', "Unsatisfied range"),
    ('"flows": {"lifetime": 86401}', "Unsatisfied range"),
    ('"role": "client"', "Invalid enumeration value"),
]


@pytest.mark.parametrize("data, error", DATA, ids=[str(i) for i in range(len(DATA))])
def test_what_the_model_takes(tmp_path, r1, data, error):
    file = tmp_path / "data.json"
    file.write_text('{"frr-holdfast:holdfast": {%s}}' % data)
    done = subprocess.run(["yanglint", "-t", "config", MODEL, str(file)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert error in done.stdout if error else done.returncode == 0 and not done.stdout, done.stdout
