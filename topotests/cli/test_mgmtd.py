# SPDX-License-Identifier: GPL-2.0-or-later
"""
FRR 10.7, where mgmtd has the commands and the configuration and zebra is its backend: files at boot, transactions,
data and RPCs by mgmtd's own interface, and daemons that end and come back. The router and fpmd's stand-in are those of
test_cli.py.
"""
import json
import os
import sys
import time

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]
if not CONFTEST.THROUGH_MGMTD:
    pytest.skip("zebra takes its configuration itself in this FRR", allow_module_level=True)

from test_cli import (ALL, BLOCK, block, configure, enter, eventually, fresh, peer, r1, running,  # noqa: E402,F401
                      vtysh, without_chatter)
from test_yang import load_file, rpc_of_mgmtd, state_file  # noqa: E402,F401

REFUSED = "% Configuration failed.\n\nError type: validation\nError description: "


def data(router, path="", options="datastore running only-config"):
    shown = vtysh(router, "show mgmt get-data /frr-holdfast:holdfast%s %s" % (path, options))
    return json.loads(shown[shown.index("{"):]).get("frr-holdfast:holdfast") if "{" in shown else shown


def edit(router, operation, value):
    return configure(router, "mgmt edit %s /frr-holdfast:holdfast lock commit %s" % (
        operation, json.dumps({"frr-holdfast:holdfast": value}, separators=(",", ":"))))


def in_zebra(router):
    """The block as zebra has it."""
    shown = vtysh(router, "show configuration running json zebra")
    return json.loads(shown[shown.index("{"):]).get("frr-holdfast:holdfast")


def log_of(router, daemon):
    return router.run("cat %s.log %s.err %s.out 2>/dev/null" % (daemon, daemon, daemon))


def pid_of(router, daemon):
    return router.run("cat /var/run/frr/%s.pid" % daemon).strip()


def restart(router, daemon, signal="TERM"):
    pid = pid_of(router, daemon)
    router.run("kill -%s %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done; rm -f /var/run/frr/%s.pid"
               % (signal, pid, pid, daemon))
    failed = router.net.startRouterDaemons([daemon])
    assert not failed, failed


def test_the_registry_has_what_is_ours(r1):
    shown = vtysh(r1, "show mgmt yang-xpath-subscription /frr-holdfast:holdfast")
    assert "Client: zebra\tconfig:1 notify:0 oper:1 " in shown, shown
    assert "rpc:1" in vtysh(r1, "show mgmt yang-xpath-subscription /frr-holdfast:clear-pins")
    # And what is zebra's own is still there.
    assert "config:1" in vtysh(r1, "show mgmt yang-xpath-subscription /frr-zebra:zebra")


def test_configuration_and_state_as_data_of_mgmtd(r1, peer, state_file):
    peer("--state " + state_file)
    enter(r1, BLOCK)
    assert data(r1)["local-member"] == {"ipv4": "10.255.0.3"} == in_zebra(r1)["local-member"]
    assert eventually(lambda: data(r1, "/state", "")["state"]["connected"] is True)
    assert eventually(lambda: "summary" in data(r1, "/state", "")["state"], 8)
    assert data(r1, "/state", "")["state"]["pins"]["count"] == "7"
    assert edit(r1, "merge", {"drain": True, "pins": {"max": 7}}) == ""
    assert " drain\n" in running(r1) and " pins max 7\n" in running(r1)
    assert in_zebra(r1)["pins"] == {"max": 7}


def test_a_program_is_refused_in_words_by_zebra(r1):
    """What does not come by our commands is checked by zebra, and leaves nothing behind."""
    enter(r1, BLOCK)
    for value, error in (({"member-range": ["192.0.2.0/24"]}, "member-range 192.0.2.0/24 contains the VIP 192.0.2.80/32"),
                         ({"local-member": {"ipv4": "10.1.0.1"}}, "10.1.0.1 is outside of every member-range"),
                         ({"prefix": ["192.0.2.81/31"]}, "a VIP is a host prefix"),
                         ({"pins": {"max": 0}}, "range"), ({"queue": "\x7f"}, "queue"), ({"no-such": 1}, "no-such")):
        said = edit(r1, "merge", {"drain": True, **value})
        assert error in said and said.startswith("%"), said
        assert running(r1) == BLOCK and "drain" not in in_zebra(r1)
    assert block(r1, "pins max 7") == ""
    assert running(r1) == BLOCK + " pins max 7\n"


def test_a_bad_block_of_a_file_is_refused_as_a_whole_and_nothing_else(r1):
    enter(r1, BLOCK)
    bad = "holdfast\n prefix 192.0.2.81/32\n mark stray-bit 3\n pins max 5\n"
    for end in ("exit\n", ""):
        said = load_file(r1, "ip route 198.51.100.0/24 blackhole\n%s%sip route 198.51.101.0/24 blackhole\n" % (bad, end))
        assert said == REFUSED + "stray-bit 0x00000003 is not one bit\n"
        assert running(r1) == BLOCK and sorted(data(r1)["prefix"]) == ["192.0.2.80/32", "2001:db8::80/128"]
        routes = vtysh(r1, "show running-config")
        assert "198.51.100.0/24" in routes and "198.51.101.0/24" in routes
        configure(r1, "no ip route 198.51.100.0/24 blackhole", "no ip route 198.51.101.0/24 blackhole")
    configure(r1, "no holdfast")
    # mgmtd says, too, that there was nothing else to do.
    assert load_file(r1, bad + "exit\n").startswith(REFUSED + "stray-bit 0x00000003 is not one bit\n")
    assert running(r1) == "" and in_zebra(r1) is None
    assert load_file(r1, "holdfast\n local-member 10.1.0.1\n member-range 10.255.0.0/24\nexit\n").startswith(
        REFUSED + "10.1.0.1 is outside of every member-range\n")
    assert running(r1) == ""


def test_two_at_once(r1):
    """Each change counts, or is told to be refused; and both daemons have the same in the end."""
    enter(r1, BLOCK)
    script = ("for i in $(seq 1 20); do LD_PRELOAD=%s vtysh -c configure -c holdfast -c \"%s $((%d + i))\""
              " >>/tmp/%s.out 2>&1 || true; done")
    pids = [r1.run("(%s) </dev/null >/dev/null 2>&1 & echo $!" % (script % (CONFTEST.VTYSH, line, base, name))).strip()
            for line, base, name in (("queue", 100, "one"), ("pins max", 1000, "two"))]
    for pid in pids:
        r1.run("while kill -0 %s 2>/dev/null; do sleep 0.05; done" % pid)
    said = r1.run("cat /tmp/one.out /tmp/two.out; rm -f /tmp/one.out /tmp/two.out")
    assert all("could not lock" in line or "Failed to apply" in line for line in said.splitlines() if line.strip()), said
    assert block(r1, "queue 120", "pins max 1020") == ""
    assert running(r1) == BLOCK + " queue 120\n pins max 1020\n"
    assert in_zebra(r1)["queue"] == 120 and in_zebra(r1)["pins"] == {"max": 1020}


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_restart_of_zebra_gets_its_configuration_again(r1, peer, signal):
    fpmd = peer()
    enter(r1, ALL)
    assert eventually(lambda: fpmd.got("config") and fpmd.got("config")[-1].get("pins-max") == 1000)
    told = fpmd.got("config")[-1]
    configs = len(fpmd.got("config"))
    restart(r1, "zebra", signal)
    assert eventually(lambda: len(fpmd.got("config")) > configs, 10)
    assert all(config == told for config in fpmd.got("config")[configs:]), "only ever all of it"
    assert running(r1) == ALL


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_restart_of_mgmtd_leaves_zebra_as_it_is(r1, peer, signal):
    fpmd = peer()
    enter(r1, BLOCK)
    r1.run("touch /etc/frr/frr.conf; echo 'service integrated-vtysh-config' >/etc/frr/vtysh.conf")
    try:
        assert "[OK]" in vtysh(r1, "write")
        assert eventually(lambda: fpmd.got("config") and fpmd.got("config")[-1]["vips"])
        time.sleep(0.3)
        configs, zebra = len(fpmd.got("config")), pid_of(r1, "zebra")
        restart(r1, "mgmtd", signal)
        # As FRR's start script does.
        r1.run("sed -i '/^log /d' /etc/frr/frr.conf")
        assert without_chatter(vtysh(r1, options="-b -d mgmtd")) == ""
        assert running(r1) == BLOCK
        assert eventually(lambda: "config:1" in vtysh(r1, "show mgmt yang-xpath-subscription /frr-holdfast:holdfast"), 10)
        assert pid_of(r1, "zebra") == zebra and len(fpmd.got("connected")) == 1
        time.sleep(0.5)
        assert all(config == fpmd.got("config")[configs - 1] for config in fpmd.got("config")[configs:])
        assert block(r1, "pins max 9") == ""
        assert eventually(lambda: fpmd.got("config")[-1]["pins-max"] == 9)
        assert eventually(lambda: rpc_of_mgmtd(r1, "drain") == "")
        assert eventually(lambda: fpmd.got("config")[-1].get("drain"))
    finally:
        r1.run("rm -f /etc/frr/frr.conf; : >/etc/frr/vtysh.conf")


def test_without_mgmtd_zebra_goes_on_and_says_so(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("config") and fpmd.got("config")[-1]["vips"])
    pid = pid_of(r1, "mgmtd")
    r1.run("kill -KILL %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done" % (pid, pid))
    try:
        assert vtysh(r1, "show holdfast").startswith("peer: summary")
        assert "mgmtd is not running" in block(r1, "pins max 8")
        assert len(fpmd.got("connected")) == 1
    finally:
        r1.run("rm -f /var/run/frr/mgmtd.pid")
        assert not r1.net.startRouterDaemons(["mgmtd"])
    assert eventually(lambda: block(r1, "pins max 8") == "" and " pins max 8\n" in running(r1), 10)


def test_a_bad_block_at_a_restart_of_zebra_costs_it_nothing_else(r1):
    """mgmtd took it while zebra was away: zebra takes its configuration all the same, and names the fault."""
    pid = pid_of(r1, "zebra")
    r1.run("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done; rm -f /var/run/frr/zebra.pid" % (pid, pid))
    configure(r1, "access-list holdfast-test seq 5 permit 192.0.2.0/24")
    assert edit(r1, "merge", {"prefix": ["192.0.2.80/32"], "member-range": ["192.0.2.0/24"]}) == ""
    assert not r1.net.startRouterDaemons(["zebra"])
    try:
        assert eventually(lambda: in_zebra(r1), 10)
        assert "holdfast-test" in vtysh(r1, "show configuration running json zebra")
        fault = "member-range 192.0.2.0/24 contains the VIP 192.0.2.80/32"
        answer = json.loads(vtysh(r1, "show holdfast json"))
        assert fault in answer["module"]["problems"], answer
        # Other changes are not refused for it, and it is put right as any fault.
        assert configure(r1, "access-list holdfast-test seq 6 permit 192.0.3.0/24") == ""
        assert block(r1, "no member-range 192.0.2.0/24", "member-range 10.255.0.0/24") == ""
        assert eventually(lambda: fault not in json.loads(vtysh(r1, "show holdfast json"))["module"]["problems"])
    finally:
        configure(r1, "no access-list holdfast-test")
