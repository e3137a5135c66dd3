# SPDX-License-Identifier: GPL-2.0-or-later
"""
The module in the stock zebra, and its commands in the stock vtysh: configuration, its errors, saving
and loading, what fpmd is told, and what happens when fpmd is absent, slow, silent or broken. fpmd is
played by topotests/fpm_peer.py, which writes down what it gets.

    r1: zebra with the module, staticd; VIP 192.0.2.80 and member address 10.255.0.3 on lo; r1-eth0 to s1
"""
import json
import os
import re
import subprocess
import sys
import time

import pytest

from lib.topogen import Topogen, TopoRouter

HERE = os.path.dirname(os.path.realpath(__file__))
CONFTEST = sys.modules["conftest"]
PEER = os.path.join(os.path.dirname(HERE), "fpm_peer.py")
RELOAD = os.path.join(CONFTEST.BUILD, "vtysh/frr-reload")

BLOCK = """holdfast
 prefix 192.0.2.80/32
 prefix 2001:db8::80/128
 member-range 10.255.0.0/24
 local-member 10.255.0.3
 directory key-file /etc/frr/holdfast.key
"""
FRR_VERSION = tuple(map(int, re.search(r"version (\d+)\.(\d+)", subprocess.run(
    ["/usr/lib/frr/zebra", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout).groups()))
ROLE = " role director\n"
ENGINE = """ directory engine valkey 10.0.0.7 6380 user holdfast password-file /etc/frr/valkey.password tls \
ca-file /etc/frr/ca.pem certificate /etc/frr/host.pem key /etc/frr/host.key prefix edge
"""
ALL = BLOCK.replace(" directory key", ROLE + " drain\n directory key") + ENGINE + """ directory port 8000
 directory replicas 2
 directory ring-members 64
 directory record-lifetime 30
 tunnel port 5000 vni 99
 mark owner-mask 0xff000000 stray-bit 0x00000001 tunnel-bit 0x00000002 path-mask 0x00ff0000
 queue 12
 pins max 1000
 pins check-interval 5
 flows max 2000
 flows lifetime 60
 flows fast-path
"""


def build_topo(tgen):
    tgen.add_router("r1")
    tgen.add_switch("s1").add_link(tgen.gears["r1"])


@pytest.fixture(scope="module")
def r1(request):
    tgen = Topogen(build_topo, request.module.__name__)
    tgen.start_topology()
    router = tgen.gears["r1"]
    router.run("ip link set lo up; ip addr add 192.0.2.80/32 dev lo; ip addr add 10.255.0.3/32 dev lo")
    router.run("head -c 32 /dev/urandom >/etc/frr/holdfast.key; chown frr /etc/frr/holdfast.key")
    router.run("cd /etc/frr; for file in valkey.password ca.pem host.pem host.key; do echo x >$file; chown frr $file; done")
    router.run("touch /etc/frr/vtysh.conf")
    # As /etc/frr/daemons has it: with less, zebra itself misses ends of routes in a storm.
    CONFTEST.load_module(router, "-s 90000000 " + getattr(request.module, "MORE_OPTIONS", ""))
    router.load_config(TopoRouter.RD_STATIC, None)
    tgen.start_router()
    router.run("ip link set r1-eth0 up; ip addr add 10.1.0.1/16 dev r1-eth0")
    router.run("ip -6 addr add 2001:db8::80/128 dev lo")
    yield router
    tgen.stop_topology()


def vtysh(router, *commands, options=""):
    arguments = " ".join("-c '%s'" % command for command in commands)
    return router.run("LD_PRELOAD=%s vtysh %s %s 2>&1" % (CONFTEST.VTYSH, options, arguments))


def configure(router, *lines):
    return vtysh(router, "configure", *lines)


def block(router, *lines):
    return configure(router, "holdfast", *lines)


def without_chatter(said):
    """What vtysh says of a file, without that FRR 10 does."""
    return "".join(line + "\n" for line in said.splitlines()
                   if not re.fullmatch(r"\[.*\] (sending configuration|done)|Waiting for children .*", line))


def logged(router, text):
    """In 10.7 zebra's log is mgmtd's affair, and not in a topotest's file."""
    return text in router.run("cat zebra.log") or FRR_VERSION >= (10, 6)


def running(router):
    """The lines of the block in running-config."""
    lines = vtysh(router, "show running-config").splitlines()
    if "holdfast" not in lines:
        return ""
    begin = lines.index("holdfast")
    end = next(i for i in range(begin + 1, len(lines)) if not lines[i].startswith(" "))
    return "\n".join(lines[begin:end]) + "\n"


def eventually(check, seconds=5):
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.05)


class Peer:
    """Plays fpmd in the router's namespaces."""

    def __init__(self, router, options=""):
        self.router = router
        self.out = "/tmp/fpm_peer.%d.%d" % (os.getpid(), time.monotonic_ns())
        self.pid = router.run("python3 %s /var/run/frr/fpmd.sock %s >%s 2>%s.err </dev/null & echo $!"
                              % (PEER, options, self.out, self.out)).strip()

    def messages(self):
        """The last line may be half written yet."""
        written, _, _ = self.router.run("cat " + self.out).rpartition("\n")
        return [json.loads(line) for line in written.splitlines()]

    def got(self, key):
        return [message[key] for message in self.messages() if key in message]

    def routes(self):
        """Next hops by prefix, as fpmd would have them after the last configuration."""
        routes = {}
        for message in self.messages():
            if "config" in message:
                routes = {}
            if "route" in message:
                routes[message["route"]["prefix"]] = message["route"]["hops"]
        return {prefix: hops for prefix, hops in routes.items() if hops}

    def stop(self):
        self.router.run("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done"
                        % (self.pid, self.pid))
        errors = self.router.run("cat %s.err; rm -f %s %s.err" % (self.out, self.out, self.out))
        self.router.run("rm -f /var/run/frr/fpmd.sock")
        assert not errors, errors


@pytest.fixture
def peer(r1):
    peers = []

    def start(options=""):
        peers.append(Peer(r1, options))
        return peers[-1]

    yield start
    for one in peers:
        one.stop()


@pytest.fixture(autouse=True)
def fresh(r1, request):
    """Every test begins without the block, and ends with zebra alive and the same."""
    configure(r1, "no holdfast", "no debug holdfast")
    pid = r1.run("cat /var/run/frr/zebra.pid").strip()
    yield
    if "restart_of_zebra" not in request.node.name:
        assert r1.run("cat /var/run/frr/zebra.pid").strip() == pid
        assert r1.run("kill -0 %s && echo alive" % pid).strip() == "alive"


def enter(router, text):
    assert block(router, *[line.strip() for line in text.splitlines()[1:]]) == ""


def test_only_what_differs_from_the_defaults_is_shown(r1):
    assert running(r1) == ""
    enter(r1, BLOCK)
    assert running(r1) == BLOCK
    block(r1, "directory port 7939", "directory replicas 3", "directory ring-members 48", "directory record-lifetime 600",
          "tunnel port 4790 vni 77", "queue 7939", "pins max 1048576", "pins check-interval 60",
          "mark owner-mask fff stray-bit 0x80000000 tunnel-bit 40000000 path-mask ff00000", "role auto",
          "flows max 1048576", "flows lifetime 900")
    assert running(r1) == BLOCK
    enter(r1, ALL)
    assert running(r1) == ALL
    configure(r1, "no holdfast")
    assert running(r1) == ""


def helped(r1, *lines):
    """What `?` behind the last line offers: {word: help}."""
    text = r1.run("printf '%s ?\\n' | LD_PRELOAD=%s vtysh 2>&1" % ("\\n".join(lines), CONFTEST.VTYSH))
    begin = text.rindex("# " + lines[-1] + " \n  ") + len("# " + lines[-1] + " \n")
    offered = re.findall(r"^  (\S+)(?: +(\S.*?))? *$", text[begin:].split("\n" + "r1", 1)[0], re.MULTILINE)
    return dict(offered)


def test_each_word_is_offered_with_its_help(r1):
    enter(r1, BLOCK)
    offered = {"show holdfast": {"<cr>", "counters", "directory", "flow", "json", "members", "paths", "pins", "sessions",
                                 "vrf"},
               "show holdfast flow": {"A.B.C.D", "X:X::X:X"}, "show holdfast flow 1.1.1.1": {"(0-65535)"},
               "show holdfast flow 1.1.1.1 1 2.2.2.2 2": {"<cr>", "json"}, "clear holdfast": {"pins"},
               "clear holdfast pins": {"<cr>", "all", "flow", "json", "owner"}, "clear holdfast pins owner": {"A.B.C.D", "X:X::X:X"},
               "debug holdfast": {"<cr>", "directory", "fpm", "kernel", "members", "paths", "sessions", "strays"},
               "no debug holdfast": {"<cr>", "directory", "fpm", "kernel", "members", "paths", "sessions", "strays"},
               "generate holdfast key-file": {"PATH"}}
    for line, words in offered.items():
        help_of = helped(r1, line)
        assert set(help_of) == words, (line, help_of)
        assert all(text for word, text in help_of.items() if word != "<cr>"), (line, help_of)
    words = {"directory", "drain", "flows", "local-member", "mark", "member-range", "pins", "prefix", "queue", "role", "tunnel"}
    for line in ("no", "directory", "directory engine valkey 10.0.0.7 6379", "mark", "flows", "pins", "role", "tunnel port 1"):
        help_of = helped(r1, "configure", "holdfast", line)
        assert help_of and all(text for word, text in help_of.items() if word != "<cr>"), (line, help_of)
        assert line != "no" or words <= set(help_of), help_of


def test_every_line_has_a_no_form(r1):
    enter(r1, ALL)
    lines = [line.strip() for line in ALL.splitlines()[1:]]
    for line in lines:
        assert block(r1, "no " + line) == "", line
    assert running(r1) == "holdfast\n"
    enter(r1, ALL)
    assert block(r1, "no directory engine", "no directory port", "no directory replicas", "no directory ring-members", "no directory record-lifetime",
                 "no tunnel", "no mark", "no queue", "no pins max", "no pins check-interval",
                 "no role", "no drain", "no flows max", "no flows lifetime", "no flows fast-path") == ""
    assert running(r1) == BLOCK


# What begins with % is said by the command, the rest by the northbound, or by our module in mgmtd before.
ERRORS = [
    ("prefix 192.0.2.0/24", "192.0.2.0/24 is not a host prefix: a VIP is a /32" if CONFTEST.THROUGH_MGMTD
     else " a VIP is a host prefix: /32 or /128"),
    ("prefix 2001:db8::/64", "2001:db8::/64 is not a host prefix: a VIP is a /128" if CONFTEST.THROUGH_MGMTD
     else "/frr-holdfast:holdfast/prefix[.='2001:db8::/64']"),
    ("prefix 10.255.0.80/32", "member-range 10.255.0.0/24 contains the VIP 10.255.0.80/32"),
    ("prefix 10.255.0.3/32", "10.255.0.3 is a VIP: a member's address is its own"),
    ("member-range 192.0.2.0/24", "member-range 192.0.2.0/24 contains the VIP 192.0.2.80/32"),
    ("member-range 10.255.0.0/25", "member-range 10.255.0.0/25 overlaps member-range 10.255.0.0/24"),
    ("member-range 0.0.0.0/0", "member-range 0.0.0.0/0 is everything: give the prefix that the "
     "members' addresses are in"),
    ("local-member 10.1.0.1", "10.1.0.1 is outside of every member-range"),
    ("local-member 192.0.2.80", "192.0.2.80 is a VIP: a member's address is its own"),
    ("no prefix 192.0.2.81/32", "% prefix 192.0.2.81/32 is not configured"),
    ("no member-range 10.9.0.0/24", "% member-range 10.9.0.0/24 is not configured"),
    ("no local-member 10.255.0.9", "% local-member 10.255.0.9 is not configured"),
    ("directory key-file holdfast.key", "% key-file holdfast.key: give the absolute path"),
    ("mark owner-mask 0xf0f", "owner-mask 0x00000f0f is not a contiguous mask of two bits or more"),
    ("mark stray-bit 3", "stray-bit 0x00000003 is not one bit"),
    ("mark stray-bit 0x800", "stray-bit 0x00000800 overlaps owner-mask 0x00000fff"),
    ("mark tunnel-bit 0x80000000", "stray-bit and tunnel-bit are both 0x80000000"),
    ("mark path-mask 0xf0f00000", "path-mask 0xf0f00000 is not a contiguous mask of two bits or more"),
    ("mark path-mask 0xff0", "path-mask 0x00000ff0 overlaps owner-mask 0x00000fff"),
    ("mark path-mask 0xc0000000", "path-mask 0xc0000000 overlaps stray-bit 0x80000000"),
    ("mark tunnel-bit 0x1000 path-mask 0xff000", "path-mask 0x000ff000 overlaps tunnel-bit 0x00001000"),
    ("mark tunnel-bit hello", "% hello is not a hexadecimal number of 32 bits"),
    ("directory engine valkey 10.0.0.7 0", "% Unknown command: directory engine valkey 10.0.0.7 0"),
    ("directory engine valkey a;b 6379", "% engine valkey a;b: this is no address and no name"),
    ("directory engine valkey h 6379 user u", "% engine valkey: user u has no password: add password-file"),
    ("directory engine valkey h 6379 ca-file /etc/frr/ca.pem", "% engine valkey: ca-file is for TLS: add tls"),
    ("directory engine valkey h 6379 tls ca-file ca.pem", "% ca-file ca.pem: give the absolute path"),
    ("directory engine valkey h 6379 prefix {x}",
     "% engine valkey: prefix {x}: only letters, digits, `.`, `_` and `-` are taken"),
    ("directory engine valkey h 6379 prefix " + 33 * "x", "% prefix: longer than 32 bytes"),
    ("directory replicas 4", "% Unknown command: directory replicas 4"),
    ("flows max 999", "% Unknown command: flows max 999"),
    ("flows lifetime 86401", "% Unknown command: flows lifetime 86401"),
    ("role client", "% Unknown command: role client"),
    ("directory record-lifetime 4", "% Unknown command: directory record-lifetime 4"),
]


# FRR's library splits the names of tests at colons.
@pytest.mark.parametrize("line, error", ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors_name_the_fault_and_change_nothing(r1, line, error):
    enter(r1, BLOCK)
    said = block(r1, line)
    if error.startswith("% "):
        assert said.strip() == error
    else:
        assert said.startswith("% Configuration failed.\n\nError type: validation\n") and error in said
    assert running(r1) == BLOCK


def test_a_warning_keeps_the_line(r1):
    assert (block(r1, "local-member 10.255.0.77").strip()
            == "% warning: local-member 10.255.0.77 is no address of this host (yet)")
    assert running(r1) == "holdfast\n local-member 10.255.0.77\n"


def test_the_default_path_mask_gives_way_with_a_warning(r1, peer):
    """A configuration from before there was one loads as it is; the host is no director then."""
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("config") and fpmd.got("config")[-1]["path-mask"] == 0x0ff00000)
    assert "role" not in fpmd.got("config")[-1]
    warning = ("% warning: the default path-mask 0x0ff00000 overlaps: this host is no director until a path-mask"
               " is given\n")
    assert block(r1, "mark owner-mask 0xff000000 stray-bit 1 tunnel-bit 2", "role server") == warning
    assert eventually(lambda: fpmd.got("config")[-1].get("role") == 1)
    assert "path-mask" not in fpmd.got("config")[-1]
    assert block(r1, "mark path-mask ff0000", "role director", "flows max 2000", "flows lifetime 60",
                 "flows fast-path") == ""
    assert eventually(lambda: fpmd.got("config")[-1].get("role") == 2)
    config = fpmd.got("config")[-1]
    assert (config["path-mask"], config["flows-max"], config["flow-lifetime"]) == (0xff0000, 2000, 60)
    assert config["fast-path"]
    assert block(r1, "no flows fast-path") == ""
    assert eventually(lambda: "fast-path" not in fpmd.got("config")[-1])
    assert block(r1, "drain") == ""
    assert eventually(lambda: fpmd.got("config")[-1].get("drain"))
    assert block(r1, "no drain") == ""
    assert eventually(lambda: "drain" not in fpmd.got("config")[-1])
    assert block(r1, "mark path-mask 0") == ""
    assert " path-mask 0x00000000\n" in running(r1)
    assert eventually(lambda: "path-mask" not in fpmd.got("config")[-1])
    # Together, in one line, in any order; one that is gone does not overlap any more.
    assert block(r1, "no mark", "mark path-mask fff owner-mask ff00000") == ""
    assert eventually(lambda: fpmd.got("config")[-1].get("path-mask") == 0xfff)
    assert block(r1, "no mark owner-mask ff00000 path-mask fff") == ""
    assert running(r1) == BLOCK.replace(" directory key", ROLE + " directory key") + (
        " flows max 2000\n flows lifetime 60\n")


def test_written_to_the_integrated_file_and_loaded_at_boot(r1):
    enter(r1, ALL)
    configure(r1, "debug holdfast strays", "ip route 10.255.0.9/32 10.1.0.9")
    r1.run("rm -f /etc/frr/zebra.conf /etc/frr/staticd.conf; touch /etc/frr/frr.conf")
    r1.run("echo 'service integrated-vtysh-config' >/etc/frr/vtysh.conf")
    assert "[OK]" in vtysh(r1, "write")
    # Each daemon of a topotest has a log of its own, which this file knows nothing of.
    saved = r1.run("sed -i '/^log /d' /etc/frr/frr.conf; cat /etc/frr/frr.conf")
    assert ALL in saved and "debug holdfast strays\n" in saved
    configure(r1, "no holdfast", "no debug holdfast", "no ip route 10.255.0.9/32 10.1.0.9")
    assert running(r1) == ""
    assert without_chatter(vtysh(r1, options="-b")) == ""
    assert running(r1) == ALL
    shown = vtysh(r1, "show running-config")
    assert "debug holdfast strays\n" in shown and "ip route 10.255.0.9/32 10.1.0.9" in shown
    assert vtysh(r1, options="-C -f /etc/frr/frr.conf") == ""
    vtysh(r1, "write")
    assert r1.run("sed '/^log /d' /etc/frr/frr.conf") == saved
    configure(r1, "no ip route 10.255.0.9/32 10.1.0.9")
    r1.run("rm -f /etc/frr/frr.conf; touch /etc/frr/zebra.conf /etc/frr/staticd.conf")
    r1.run(": >/etc/frr/vtysh.conf")


@pytest.mark.skipif(CONFTEST.THROUGH_MGMTD, reason="the block is no part of zebra's file: mgmtd has it")
def test_written_to_zebras_own_file(r1):
    enter(r1, BLOCK)
    r1.run("touch /etc/frr/zebra.conf; chown frr:frr /etc/frr /etc/frr/zebra.conf")
    vtysh(r1, "write")
    assert BLOCK + "!\n" in r1.run("cat /etc/frr/zebra.conf")
    # Who does not know the block (another version of FRR, say) loses nothing that stands behind it.
    said = r1.run("echo 'router bgp 65001' >>/etc/frr/zebra.conf; vtysh -C -f /etc/frr/zebra.conf 2>&1")
    assert " prefix 192.0.2.80/32" in said and "router bgp" not in said and "exit" not in said, said
    r1.run(": >/etc/frr/zebra.conf")


def test_frr_reload_changes_the_block_line_by_line(r1):
    enter(r1, ALL)
    # frr-reload asks for bgpd nothing, but wants the integrated file to be in use.
    r1.run("touch /etc/frr/frr.conf; echo 'service integrated-vtysh-config' >/etc/frr/vtysh.conf")
    programs = "/tmp/bin.%d" % os.getpid()
    r1.run("mkdir -p %s; printf '#!/bin/sh\\nLD_PRELOAD=%s exec vtysh \"$@\"\\n' >%s/vtysh; chmod +x %s/vtysh"
           % (programs, CONFTEST.VTYSH, programs, programs))
    wanted = BLOCK.replace("2001:db8::80", "2001:db8::81") + " mark stray-bit 0x20000000\n"
    with open("/tmp/wanted.%d.conf" % os.getpid(), "w") as file:
        shown = vtysh(r1, "show running-config").partition("!\n")[2]
        file.write(shown.replace(ALL, wanted + "exit\n"))
    out = r1.run("%s --bindir %s --reload %s 2>&1; echo status $?" % (RELOAD, programs, file.name))
    r1.run("rm -rf %s /etc/frr/frr.conf %s" % (programs, file.name))
    r1.run(": >/etc/frr/vtysh.conf")
    assert out.endswith("status 0\n"), out
    assert running(r1) == wanted


def test_the_node_is_left_and_found_again(r1):
    out = vtysh(r1, "configure", "holdfast", "queue 3", "exit", "holdfast", "queue 4", "end",
                "configure", "holdfast", "quit", "ip forwarding", options="-E")
    assert "(config-holdfast)# queue 3" in out
    assert "(config)# ip forwarding" in out and "%" not in out
    assert " queue 4\n" in running(r1)
    # A command of the level above leaves the node.
    block(r1, "queue 5", "ip forwarding", "hostname r1")
    assert " queue 5\n" in running(r1)
    assert "prefix" in vtysh(r1, "configure", "holdfast", "pre?")
    assert "owner-mask" in vtysh(r1, "configure", "holdfast", "mark ?")


def test_the_stock_vtysh_is_not_hurt(r1):
    enter(r1, BLOCK)
    assert BLOCK in r1.vtysh_cmd("show running-config")
    assert "Unknown command" in r1.run("vtysh -c 'show holdfast' 2>&1")
    assert "zebra_holdfast" in r1.vtysh_cmd("show modules")


def test_fpmd_absent(r1):
    out = vtysh(r1, "show holdfast")
    assert out.startswith("% Holdfast is not configured: enter `holdfast` in configuration mode\n")
    enter(r1, BLOCK)
    assert eventually(lambda: "No such file" in vtysh(r1, "show holdfast members"))
    # FRR 10 calls the directory /run/frr.
    socket = re.search(r"socket (\S*/run/frr/fpmd.sock):", vtysh(r1, "show holdfast members")).group(1)
    reason = ("fpmd is not connected (socket %s: No such file or directory): start it, e.g. systemctl start fpmd"
              % socket)
    for topic in ("members", "paths", "pins", "sessions", "directory", "counters"):
        assert vtysh(r1, "show holdfast " + topic) == "% " + reason + "\n"
        answer = json.loads(vtysh(r1, "show holdfast %s json" % topic))
        assert answer["error"] == reason
        assert "queue-overflows" in answer["module"]["counters"]
    out = vtysh(r1, "show holdfast")
    assert out.startswith("% " + reason + "\n")
    assert "\n".join(BLOCK.splitlines()[1:]) in out
    assert "routes-seen" in out
    assert logged(r1, "fpmd is not connected")


def test_fpmd_is_told_everything(r1, peer):
    fpmd = peer()
    configure(r1, "ip route 10.255.0.4/32 10.1.0.2", "ip route 10.255.0.4/32 10.1.0.3 ",
              "ip route 10.254.0.4/32 10.1.0.2", "ip route 10.255.0.0/24 10.1.0.9")
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    config = fpmd.got("config")[-1]
    assert config == {
        "vips": ["192.0.2.80/32", "2001:db8::80/128"], "ranges": ["10.255.0.0/24"],
        "members": ["10.255.0.3"], "key-file": "/etc/frr/holdfast.key", "directory-port": 7939,
        "replicas": 3, "tunnel-port": 4790, "vni": 77, "owner-mask": 0xfff,
        "stray-bit": 1 << 31, "tunnel-bit": 1 << 30, "queue": 7939, "record-lifetime": 600,
        "pin-check": 60, "pins-max": 1048576, "ring-members": 48,
        "path-mask": 0x0ff00000, "flows-max": 1048576, "flow-lifetime": 900}
    routes = fpmd.routes()
    assert sorted(routes) == ["10.255.0.3/32", "10.255.0.4/32", "192.0.2.80/32", "2001:db8::80/128"]
    assert [hop["gateway"] for hop in routes["10.255.0.4/32"]] == ["10.1.0.2", "10.1.0.3"]
    assert [hop["interface"] for hop in routes["10.255.0.4/32"]] == ["r1-eth0"] * 2
    connected = {route["prefix"]: route["connected"] for route in fpmd.got("route")}
    assert connected["192.0.2.80/32"] and not connected["10.255.0.4/32"]

    # One next hop less, a host gone, an address gone, a host new: each as it happens.
    configure(r1, "no ip route 10.255.0.4/32 10.1.0.3")
    assert eventually(lambda: len(fpmd.routes()["10.255.0.4/32"]) == 1)
    configure(r1, "no ip route 10.255.0.4/32 10.1.0.2", "ip route 10.255.0.5/32 10.1.0.2")
    r1.run("ip addr del 192.0.2.80/32 dev lo")
    assert eventually(lambda: sorted(fpmd.routes())
                      == ["10.255.0.3/32", "10.255.0.5/32", "2001:db8::80/128"])
    r1.run("ip addr add 192.0.2.80/32 dev lo")
    assert eventually(lambda: "192.0.2.80/32" in fpmd.routes())

    # Configuration: a new one, and a replay that leaves out what is no member any more.
    replays = len(fpmd.got("replay-end"))
    block(r1, "no member-range 10.255.0.0/24", "pins check-interval 5")
    assert eventually(lambda: len(fpmd.got("replay-end")) > replays)
    assert fpmd.got("config")[-1]["pin-check"] == 5
    assert sorted(fpmd.routes()) == ["192.0.2.80/32", "2001:db8::80/128"]
    configure(r1, "no holdfast", "no ip route 10.255.0.5/32 10.1.0.2",
              "no ip route 10.254.0.4/32 10.1.0.2", "no ip route 10.255.0.0/24 10.1.0.9")
    assert eventually(lambda: fpmd.got("config")[-1]["vips"] == [])


def test_the_engine_is_told(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("config"))
    assert "valkey" not in fpmd.got("config")[-1]
    block(r1, ENGINE.strip())
    assert eventually(lambda: fpmd.got("config")[-1].get("valkey") == {
        "host": "10.0.0.7", "port": 6380, "user": "holdfast", "password-file": "/etc/frr/valkey.password", "tls": 1,
        "ca-file": "/etc/frr/ca.pem", "certificate": "/etc/frr/host.pem", "key": "/etc/frr/host.key", "prefix": "edge"})
    block(r1, "directory engine valkey cache.example.net 6379")
    assert eventually(lambda: fpmd.got("config")[-1].get("valkey") == {
        "host": "cache.example.net", "port": 6379, "prefix": "holdfast"})
    assert " directory engine valkey cache.example.net 6379\n" in running(r1)
    for line in ("directory engine one-hop", "no directory engine", "no directory engine valkey h 1 prefix y"):
        block(r1, "directory engine valkey cache.example.net 6379")
        assert eventually(lambda: "valkey" in fpmd.got("config")[-1])
        assert block(r1, line) == ""
        assert eventually(lambda: "valkey" not in fpmd.got("config")[-1]), line
        assert running(r1) == BLOCK


def test_a_new_fpmd_gets_a_replay(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    time.sleep(2.1)
    fpmd.router.run("kill " + fpmd.pid)
    time.sleep(1)
    again = peer()
    assert eventually(lambda: again.got("replay-end"))
    told = {key: message["t"] for message in again.messages() for key in message}
    assert told["replay-end"] - told["listening"] < 1
    assert again.got("config")[0]["vips"] == ["192.0.2.80/32", "2001:db8::80/128"]
    assert "10.255.0.3/32" in again.routes()


def test_a_file_that_is_read_counts_as_a_whole(r1, peer):
    fpmd = peer()
    enter(r1, "holdfast\n")
    assert eventually(lambda: fpmd.got("replay-end"))
    time.sleep(0.5)
    before = len(fpmd.got("config"))
    path = "/tmp/all.%d.conf" % os.getpid()
    r1.run("printf '%s' >%s" % (ALL.replace("\n", "\\n"), path))
    vtysh(r1, options="-f " + path)
    r1.run("rm " + path)
    assert eventually(lambda: len(fpmd.got("config")) > before)
    time.sleep(0.5)
    assert len(fpmd.got("config")) == before + 1
    assert fpmd.got("config")[-1]["pins-max"] == 1000


def test_show_is_relayed(r1, peer):
    peer("--problem 'no CAP_BPF: start fpmd as root'")
    enter(r1, BLOCK)
    assert eventually(lambda: "peer" in vtysh(r1, "show holdfast"))
    assert vtysh(r1, "show holdfast").startswith("peer: summary\n")
    for topic in ("members", "paths", "pins", "sessions", "directory"):
        assert vtysh(r1, "show holdfast " + topic) == "peer: %s\n" % topic
        assert json.loads(vtysh(r1, "show holdfast %s json" % topic)) == {"topic": topic}
    assert "frames-sent" in vtysh(r1, "show holdfast counters")
    answer = json.loads(vtysh(r1, "show holdfast counters json"))
    assert answer["topic"] == "counters" and answer["module"]["counters"]["shows"] > 0
    answer = json.loads(vtysh(r1, "show holdfast json"))
    assert answer["module"]["connected"] is True
    assert answer["module"]["problems"] == ["no CAP_BPF: start fpmd as root"]
    assert logged(r1, "Holdfast: fpmd: no CAP_BPF: start fpmd as root")


def test_long_answers_come_in_parts(r1, peer):
    peer("--mode split")
    enter(r1, BLOCK)
    assert eventually(lambda: "end" in vtysh(r1, "show holdfast pins"))
    lines = vtysh(r1, "show holdfast sessions").splitlines()
    assert lines == ["part %d" % i for i in range(20000)] + ["end"]


def test_a_huge_answer_is_cut(r1, peer):
    fpmd = peer("--mode huge")
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    # Nobody reads until all 24 MB have come: zebra keeps 16 MiB of them at most, vtysh and pipes a little.
    out = r1.run("LD_PRELOAD=%s vtysh -c 'show holdfast pins' 2>&1 | (sleep 1; cat)" % CONFTEST.VTYSH)
    note = out.strip("x\n")
    # The vtysh of FRR 10 takes all of it at once.
    assert (1 << 24 < len(out) < 20000000 and note == "% the output was too long and was cut") or (
        FRR_VERSION >= (10, 0) and len(out) == 24000001 and not note)


def test_a_silent_fpmd_is_waited_for_two_seconds(r1, peer):
    fpmd = peer("--mode silent")
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    started = time.monotonic()
    assert vtysh(r1, "show holdfast pins") == "% fpmd did not answer within 2 s\n"
    assert 1.9 < time.monotonic() - started < 4
    # Meanwhile zebra answers others.
    asked = len(fpmd.got("show"))
    other = r1.run("LD_PRELOAD=%s vtysh -c 'show holdfast' >/dev/null 2>&1 </dev/null & echo $!"
                   % CONFTEST.VTYSH).strip()
    assert eventually(lambda: len(fpmd.got("show")) > asked)
    assert "FRRouting" in vtysh(r1, "show version")
    assert r1.run("readlink /proc/%s/exe" % other), "it was answered first"


def test_a_broken_fpmd_is_left_alone(r1, peer):
    peer("--mode garbage")
    enter(r1, BLOCK)
    assert eventually(lambda: "no frame of ours" in vtysh(r1, "show holdfast pins"))


def kernel_routes(r1):
    """How many routes zebra has from the kernel."""
    found = re.search(r"^kernel +(\d+)", vtysh(r1, "show ip route summary"), re.MULTILINE)
    return int(found.group(1)) if found else 0


def replay_if_needed(r1, routes):
    """FRR 10.6 and later do not tell the end of the kernel's own routes: the next replay does (compat.h)."""
    if FRR_VERSION >= (10, 6):
        assert eventually(lambda: kernel_routes(r1) == routes, 20)
        vtysh(r1, "debug holdfast kernel")
        vtysh(r1, "no debug holdfast kernel")


def host_routes(r1, action, count):
    with open("/tmp/routes.%d" % os.getpid(), "w") as file:
        for i in range(count):
            file.write("route %s 10.2.%d.%d/32 via 10.1.0.2 dev r1-eth0\n"
                       % (action, i // 250, i % 250))
    r1.run("ip -batch %s; rm %s" % (file.name, file.name))


def test_a_slow_fpmd_costs_zebra_nothing_and_is_right_in_the_end(r1, peer):
    fpmd = peer("--mode stuck")
    enter(r1, BLOCK)
    block(r1, "member-range 10.2.0.0/16")
    assert eventually(lambda: fpmd.got("connected"))
    before = kernel_routes(r1)
    overflows = lambda: json.loads(  # noqa: E731
        vtysh(r1, "show holdfast counters json"))["module"]["counters"]["queue-overflows"]
    # A busy zebra sees only the last of many changes.
    for _ in range(5):
        for action in ("add", "del", "add", "del"):
            host_routes(r1, action, 10000)
        if overflows():
            break
    host_routes(r1, "add", 10000)
    summary = lambda: vtysh(r1, "show ip route summary")  # noqa: E731
    assert eventually(lambda: before + 10000 == kernel_routes(r1), 20), summary()
    fpmd.router.run("kill " + fpmd.pid)
    good = peer()
    assert eventually(lambda: len(good.routes()) == 10003, 20), len(good.routes())
    assert overflows() > 0 or FRR_VERSION >= (10, 0)
    host_routes(r1, "del", 10000)
    replay_if_needed(r1, before)
    assert eventually(lambda: len(good.routes()) == 3, 20), len(good.routes())


def test_a_fpmd_that_reads_little_gets_all_in_one_stream(r1, peer):
    """Frames leave zebra in pieces then."""
    fpmd = peer("--mode slow")
    enter(r1, BLOCK)
    block(r1, "member-range 10.2.0.0/16")
    assert eventually(lambda: fpmd.got("replay-end"))
    before = kernel_routes(r1)
    host_routes(r1, "add", 10000)
    assert eventually(lambda: len(fpmd.routes()) == 10003, 30), len(fpmd.routes())
    host_routes(r1, "del", 10000)
    replay_if_needed(r1, before)
    assert eventually(lambda: len(fpmd.routes()) == 3, 30), len(fpmd.routes())
    assert len(fpmd.got("connected")) == 1


def test_debug_reaches_fpmd_and_is_saved_when_configured(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    vtysh(r1, "debug holdfast members")
    configure(r1, "debug holdfast strays")
    assert eventually(lambda: fpmd.got("config") and fpmd.got("config")[-1].get("debug") == 2 | 8)
    shown = vtysh(r1, "show running-config")
    assert "debug holdfast strays\n" in shown and "debug holdfast members" not in shown
    assert "Holdfast members debugging is on" in vtysh(r1, "show debugging")
    configure(r1, "debug holdfast")
    assert "debug holdfast\n" in vtysh(r1, "show running-config")
    assert eventually(lambda: fpmd.got("config")[-1].get("debug") == 127)
    configure(r1, "no debug holdfast")
    assert eventually(lambda: "debug" not in fpmd.got("config")[-1])


def test_a_dying_vtysh_does_not_matter(r1, peer):
    fpmd = peer("--mode silent")
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    for _ in range(12):
        r1.run("timeout -s KILL 0.3 env LD_PRELOAD=%s vtysh -c 'show holdfast' >/dev/null 2>&1"
               % CONFTEST.VTYSH)
    assert len(fpmd.got("show")) >= 8
    assert eventually(lambda: "did not answer" in vtysh(r1, "show holdfast pins"), 6)


def test_a_key_file_is_made(r1):
    """By zebra's user, for its user only; never over another file."""
    path = "/etc/frr/made.key"
    said = vtysh(r1, "generate holdfast key-file %s id 5" % path)
    assert "directory key-file %s" % path in said
    assert r1.run("stat -c '%U %a' " + path).split() == ["frr", "600"]
    number, key = r1.run("cat " + path).split()
    assert number == "5" and len(bytes.fromhex(key)) == 32
    assert "is there already" in vtysh(r1, "generate holdfast key-file " + path)
    assert r1.run("cat " + path).split()[1] == key
    assert "must be able to write there" in vtysh(r1, "generate holdfast key-file /proc/made.key")
    r1.run("rm " + path)


@pytest.mark.skipif(CONFTEST.THROUGH_MGMTD, reason="mgmtd configures zebra at once: see test_mgmtd.py")
def test_zz_a_restart_of_zebra_tells_no_lies(r1, peer):
    """The end of zebra withdraws nothing; its start sends nothing before it is configured."""
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    r1.run("ip addr add 10.255.0.33/32 dev lo")
    assert eventually(lambda: "10.255.0.33/32" in fpmd.routes())
    routes, configs = fpmd.routes(), len(fpmd.got("config"))
    pid = r1.run("cat /var/run/frr/zebra.pid").strip()
    r1.run("kill " + pid)
    assert eventually(lambda: fpmd.got("closed"))
    assert fpmd.routes() == routes
    assert eventually(lambda: not r1.run("ls -d /proc/" + pid).strip().startswith("/proc"))
    assert "memstats" not in r1.run("cat zebra.err zebra.log")
    r1.net.startRouterDaemons(["zebra"])
    time.sleep(1)
    assert len(fpmd.got("config")) == configs
    r1.run("printf '%s' >/etc/frr/zebra.conf" % BLOCK.replace("\n", "\\n"))
    r1.run("kill $(cat /var/run/frr/zebra.pid); sleep 1")
    r1.net.startRouterDaemons(["zebra"])
    assert eventually(lambda: len(fpmd.got("config")) == configs + 1)
    assert fpmd.got("config")[-1]["vips"] == ["192.0.2.80/32", "2001:db8::80/128"]
    assert eventually(lambda: fpmd.routes() == routes)
    assert running(r1) == BLOCK
