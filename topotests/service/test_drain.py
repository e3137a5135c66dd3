# SPDX-License-Identifier: GPL-2.0-or-later
"""
`drain` on a server as an operator gives it, with what may go wrong meanwhile: stock zebra with the module, fpmd as the
unit starts it, vtysh. That sessions live and BGP follows is shown by topotests/survival.

    c1 --- r1 (zebra with the module, fpmd; serves 192.0.2.80, an address of FRR's own configuration)
"""
import json
import os
import re
import sys

import pytest

from lib.topogen import Topogen, TopoRouter

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "cli"))
CONFTEST = sys.modules["conftest"]

from test_cli import configure, enter, eventually, running, vtysh  # noqa: E402
from test_director import CLIENT, SERVER, SESSIONS, VIP, all_go_on, alive, documented, end, start_fpmd, start_python  # noqa: E402

BLOCK = """holdfast
 prefix 192.0.2.80/32
 member-range 10.255.0.0/24
 local-member 10.255.0.1
 directory key-file /etc/frr/holdfast.key
"""
LO = "interface lo\n ip address 192.0.2.80/32\n ip address 10.255.0.1/32\nexit\n"


def build_topo(tgen):
    tgen.add_router("r1")
    tgen.add_router("c1")
    tgen.add_link(tgen.gears["r1"], tgen.gears["c1"])


def configure_file(r1, text):
    """What zebra reads when it starts."""
    r1.run("printf '%s' >/etc/frr/zebra.conf" % text.replace("\n", "\\n"))


@pytest.fixture(scope="module")
def routers(request):
    tgen = Topogen(build_topo, request.module.__name__)
    tgen.start_topology()
    r1, c1 = tgen.gears["r1"], tgen.gears["c1"]
    try:
        CONFTEST.load_module(r1)
        c1.load_config(TopoRouter.RD_ZEBRA, None)
        r1.run("umask 077; echo 1 $(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n') >/etc/frr/holdfast.key;"
               " chown frr /etc/frr/holdfast.key; mkdir /etc/frr/bpf; mount -t bpf -o mode=700 bpf /etc/frr/bpf;"
               " ip link set lo up; sysctl -qw net.ipv4.ip_forward=0")
        tgen.start_router()
        r1.run("ip addr add 10.9.0.1/24 dev r1-eth0")
        c1.run("ip addr add 10.9.0.2/24 dev c1-eth0; ip route add 192.0.2.80/32 via 10.9.0.1")
        configure(r1, *[line.strip() for line in LO.splitlines()])
        start_fpmd(r1)
        enter(r1, BLOCK)
        assert eventually(lambda: summary(r1).get("state") == "running", 10), vtysh(r1, "show holdfast")
        start_python(r1, "server", SERVER, VIP)
        assert eventually(lambda: r1.run("ss -Hltn sport = :80").strip())
        start_python(c1, "client", CLIENT, VIP)
        assert eventually(lambda: alive(c1)[1] == [str(SESSIONS)], 10), c1.run("cat /etc/frr/client.out")
        yield tgen.gears
    finally:
        for router in (r1, c1):
            router.run("kill $(cat /etc/frr/*.script.pid)")
        r1.run("kill $(cat /etc/frr/fpmd.pid); umount /etc/frr/bpf")
        tgen.stop_topology()


def summary(r1):
    text = vtysh(r1, "show holdfast json")
    return json.loads(text) if text.startswith("{") else {}


def addresses(r1):
    return sorted(re.sub("valid_lft.*", "", line) for line in r1.run("ip -d -o addr show dev lo").splitlines())


def is_there(r1):
    return any(VIP in line for line in addresses(r1))


def kernel_knows(r1):
    return VIP in r1.run("ip route show table local %s" % VIP)


def test_a_session_is_explained(routers):
    r1, c1 = routers["r1"], routers["c1"]
    port = int(re.search(r"10\.9\.0\.2:(\d+)", c1.run("ss -Htn state established dst 192.0.2.80")).group(1))
    text = vtysh(r1, "show holdfast flow 10.9.0.2 %d 192.0.2.80 80" % port)
    assert text.startswith("10.9.0.2 port %d to 192.0.2.80 port 80 is delivered here: this host has the session.\n"
                           "  This host's kernel has a socket for it, in state ESTABLISHED.\n"
                           "  The directory: 10.255.0.1, this host owns it (" % port), text
    told = json.loads(vtysh(r1, "show holdfast flow 10.9.0.2 1 192.0.2.80 80 json"))
    assert told["socket"] == {"state": "none", "published": False} and told["goes"] in ("dropped", "reset"), told


def test_terminal_monitor_shows_what_debug_says(routers):
    r1, c1 = routers["r1"], routers["c1"]
    vtysh(r1, "debug holdfast sessions")
    c1.run("(sleep 1; python3 -c 'import socket; socket.create_connection((\"192.0.2.80\", 80))') >/dev/null 2>&1 </dev/null &")
    shown = r1.run("(echo 'terminal monitor'; sleep 3) | LD_PRELOAD=%s vtysh 2>&1" % CONFTEST.VTYSH)
    vtysh(r1, "no debug holdfast")
    assert re.search(r"zebra: .*Holdfast: fpmd: sessions: 10\.9\.0\.2:\d+ > 192\.0\.2\.80:80 begins", shown), shown


def test_the_address_goes_and_comes_back(routers):
    r1, c1 = routers["r1"], routers["c1"]
    whole = addresses(r1)
    enter(r1, "holdfast\n drain\n")
    assert eventually(lambda: not is_there(r1)), addresses(r1)
    assert kernel_knows(r1) and all_go_on(c1)
    text = vtysh(r1, "show holdfast")
    documented(r1, "10.9.0.2 1 192.0.2.80 80")
    assert re.search(r"^  draining for [\d.]+m?s: %d sessions are left, the oldest known for [\d.]+m?s\n"
                     r"    by age: %d under 1 min, 0 under 10 min, 0 under 1 h, 0 under 1 day, 0 older\n"
                     r"    away until `no drain`: 192.0.2.80/32 dev lo .*\n" % (SESSIONS, SESSIONS), text,
                     re.MULTILINE), text
    assert "prefix 192.0.2.80: gone from this host, sessions are kept" in text
    assert [one["draining"] for one in json.loads(vtysh(r1, "show holdfast members json"))["members"]] == [True]
    assert " drain\n" in running(r1)
    enter(r1, "holdfast\n no drain\n")
    assert eventually(lambda: addresses(r1) == whole), (addresses(r1), whole)
    assert "drain" not in running(r1) and "drain" not in summary(r1)
    assert all_go_on(c1)


def test_zebra_brings_the_address_along(routers):
    """It is in zebra's own configuration: a zebra that starts puts it on lo, and it is taken away again."""
    r1, c1 = routers["r1"], routers["c1"]
    enter(r1, "holdfast\n drain\n")
    assert eventually(lambda: not is_there(r1))
    configure_file(r1, LO + BLOCK + " drain\n")
    end(r1, "zebra", "-9")
    r1.net.startRouterDaemons(["zebra"])
    assert eventually(lambda: summary(r1).get("zebraConnected"), 10)
    assert eventually(lambda: not is_there(r1), 10), addresses(r1)
    assert all_go_on(c1)
    pid = r1.run("cat /etc/frr/fpmd.pid").strip()
    r1.run("kill -9 %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done; ip addr add 192.0.2.80/32 dev lo" % (pid, pid))
    start_fpmd(r1)
    assert eventually(lambda: not is_there(r1), 10), addresses(r1)
    assert eventually(lambda: summary(r1).get("sessions") == SESSIONS), vtysh(r1, "show holdfast")
    enter(r1, "holdfast\n no drain\n")
    assert eventually(lambda: is_there(r1)), vtysh(r1, "show holdfast") + r1.run("cat /etc/frr/fpmd.log")
    assert len([line for line in addresses(r1) if VIP in line]) == 1
    assert all_go_on(c1)


def test_fpmd_that_stops_says_how_to_get_it_back(routers):
    r1, c1 = routers["r1"], routers["c1"]
    enter(r1, "holdfast\n drain\n")
    assert eventually(lambda: not is_there(r1))
    pid = r1.run("cat /etc/frr/fpmd.pid").strip()
    r1.run("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done" % (pid, pid))
    (command,) = re.findall("an address stays away; to get it back start fpmd and give `no drain`, or: (ip address add .*)",
                            r1.run("cat /etc/frr/fpmd.log"))
    assert kernel_knows(r1) and all_go_on(c1)
    assert r1.run(command + " 2>&1") == "" and is_there(r1)
    # The configuration says drain: who starts fpmd again goes on with it.
    start_fpmd(r1)
    assert eventually(lambda: not is_there(r1), 10), addresses(r1)
    configure(r1, "no holdfast")
    assert eventually(lambda: is_there(r1), 20), r1.run("cat /etc/frr/fpmd.log")
    assert eventually(lambda: not r1.run("nft list tables").strip()) and all_go_on(c1)
