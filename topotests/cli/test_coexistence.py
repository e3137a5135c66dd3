# SPDX-License-Identifier: GPL-2.0-or-later
"""
The module beside what else a zebra may be asked to do: FRR's own FPM module with a server of its own, next-hop groups
in the kernel or not, BGP's graceful restart, policy routing, EVPN, a VRF. First with topotests/fpm_peer.py in fpmd's
place, then with fpmd itself.

    r1: zebra with the module and dplane_fpm_nl,    r1-eth0 --- r2-eth0 r2 (AS 65002): announces 10.255.0.5
        bgpd (AS 65001), pbrd, staticd                                  and 10.255.0.6
"""
import json
import os
import signal
import sys
import time

import pytest

from lib.topogen import Topogen, TopoRouter

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
CONFTEST = sys.modules["conftest"]

from test_cli import Peer, configure, enter, eventually, running, vtysh  # noqa: E402

BLOCK = """holdfast
 prefix 192.0.2.80/32
 member-range 10.255.0.0/24
 local-member 10.255.0.3
 directory key-file /etc/frr/holdfast.key
"""
MEMBER, OTHER = "10.255.0.5/32", "10.255.0.6/32"
FPMD = os.path.join(CONFTEST.BUILD, "fpmd/fpmd")

BGP = """router bgp %d
 bgp router-id 10.255.0.%d
 no bgp ebgp-requires-policy
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 timers bgp 1 3
 neighbor %s remote-as external
 neighbor %s timers connect 1
 address-family ipv4 unicast
%s exit-address-family
exit
"""

# The other FPM server: writes down the prefix of each route that it is told, and that of each that goes.
OTHER_SERVER = r"""
import socket, struct
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 2620))
listener.listen(1)
while True:
    stream, data = listener.accept()[0].makefile("rb"), b""
    while header := stream.read(4):
        payload = stream.read(struct.unpack(">H", header[2:])[0] - 4)
        while payload:
            size, kind = struct.unpack("=IH", payload[:6])
            if kind in (24, 25) and payload[16] == socket.AF_INET:
                length, at = payload[17], 28
                while payload[at + 2] != 1:
                    at += (struct.unpack("=H", payload[at:at + 2])[0] + 3) & ~3
                address = socket.inet_ntoa(payload[at + 4:at + 8])
                print("-+"[kind == 24] + address + "/%d" % length, flush=True)
            payload = payload[(size + 3) & ~3:]
"""


def build_topo(tgen):
    tgen.add_router("r1")
    tgen.add_router("r2")
    tgen.add_link(tgen.gears["r1"], tgen.gears["r2"])


@pytest.fixture(scope="module")
def routers(request):
    tgen = Topogen(build_topo, request.module.__name__)
    tgen.start_topology()
    networks = "".join("  network %s\n" % prefix for prefix in (MEMBER, OTHER))
    for number, name, neighbor, announced in ((1, "r1", "10.1.0.2", ""), (2, "r2", "10.1.0.1", networks)):
        path = os.path.join(tgen.logdir, name + ".conf")
        with open(path, "w") as file:
            file.write(BGP % (65000 + number, number, neighbor, neighbor, announced))
        router = tgen.gears[name]
        if number == 1:
            CONFTEST.load_module(router, "-M dplane_fpm_nl")
        else:
            router.load_config(TopoRouter.RD_ZEBRA, None)
        router.load_config(TopoRouter.RD_BGP, path)
    r1, r2 = tgen.gears["r1"], tgen.gears["r2"]
    r1.load_config(TopoRouter.RD_STATIC, None)
    r1.load_config(TopoRouter.RD_PBRD, None)
    r1.run("ip addr add 192.0.2.80/32 dev lo; ip addr add 10.255.0.3/32 dev lo")
    r1.run("echo 1 $(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n') >/etc/frr/holdfast.key")
    r1.run("chown frr /etc/frr/holdfast.key; chmod 600 /etc/frr/holdfast.key; touch /etc/frr/vtysh.conf")
    r2.run("ip addr add %s dev lo; ip addr add %s dev lo" % (MEMBER, OTHER))
    tgen.start_router()
    for number, router in ((1, r1), (2, r2)):
        router.run("ip link set lo up; ip addr add 10.1.0.%d/24 dev r%d-eth0" % (number, number))
    enter(r1, BLOCK)
    yield tgen.gears
    tgen.stop_topology()


@pytest.fixture(scope="module")
def r1(routers):
    return routers["r1"]


@pytest.fixture(autouse=True)
def same_daemons(routers, request):
    """Nothing here may cost a daemon its life but bgpd's of the test that kills it."""
    def pids():
        return {name: router.run("cat /var/run/frr/zebra.pid /var/run/frr/bgpd.pid").split()
                for name, router in routers.items()}

    before = pids()
    yield
    for name, router in routers.items():
        assert all(router.run("kill -0 %s && echo alive" % pid) for pid in pids()[name]), name
    assert pids()["r1"] == before["r1"]


@pytest.fixture
def fpmd(r1):
    """fpmd's stand-in, once it knows both members."""
    one = Peer(r1)
    try:
        assert eventually(lambda: {MEMBER, OTHER} <= set(one.routes()), 20), one.routes()
        yield one
    finally:
        one.stop()


def gateways(fpmd, prefix):
    return sorted(hop["gateway"] for hop in fpmd.routes().get(prefix, []))


def in_the_kernel(router, prefix):
    listed = json.loads(router.run("ip -j route show %s" % prefix))
    return sorted(hop["gateway"] for route in listed for hop in route.get("nexthops", [route]))


def test_another_fpm_server_gets_all_and_so_does_fpmd(r1, fpmd):
    """dplane_fpm_nl runs behind the kernel, we before it."""
    pid = r1.run("python3 -c '%s' >/tmp/other.%d 2>&1 </dev/null & echo $!" % (OTHER_SERVER, os.getpid())).strip()

    def told():
        return r1.run("cat /tmp/other.%d" % os.getpid()).split()

    try:
        assert configure(r1, "fpm address 127.0.0.1") == ""
        assert eventually(lambda: "+" + MEMBER in told(), 10), told()
        configure(r1, "ip route 10.255.0.7/32 10.1.0.2", "ip route 203.0.113.0/24 10.1.0.2")
        assert eventually(lambda: {"+10.255.0.7/32", "+203.0.113.0/24"} <= set(told()))
        assert eventually(lambda: gateways(fpmd, "10.255.0.7/32") == ["10.1.0.2"])
        # A server that goes costs us nothing.
        r1.run("kill %s" % pid)
        configure(r1, "no ip route 10.255.0.7/32 10.1.0.2")
        assert eventually(lambda: "10.255.0.7/32" not in fpmd.routes())
        shown = vtysh(r1, "show running-config")
        assert "\nfpm address 127.0.0.1\n" in shown and running(r1) == BLOCK
        assert len(fpmd.got("connected")) == 1
    finally:
        r1.run("kill %s 2>/dev/null; rm -f /tmp/other.%d" % (pid, os.getpid()))
        configure(r1, "no fpm address", "no ip route 203.0.113.0/24 10.1.0.2")


@pytest.mark.parametrize("first, line, undo", [
    (30, "no zebra nexthop kernel enable", "zebra nexthop kernel enable"),
    (40, "zebra nexthop proto only", "no zebra nexthop proto only"),
    (50, "zebra nexthop-group keep 1", "no zebra nexthop-group keep 1"),
], ids=["no-kernel", "proto-only", "keep"])
def test_next_hop_groups_in_the_kernel_or_not(r1, fpmd, first, line, undo):
    """Each setting gets next hops of its own: a zebra 8.4.4 that is told to use the kernel's groups again takes those
    for installed that it still has from before, and its routes are rejected; with or without the module."""
    route = "ip route 10.255.0.8/32 10.1.0.%d"

    def follow(*wanted):
        def both():
            return gateways(fpmd, "10.255.0.8/32"), in_the_kernel(r1, "10.255.0.8")

        assert eventually(lambda: both() == (list(wanted), list(wanted))), both()

    for setting in (line, undo):
        assert configure(r1, setting) == ""
        one, two, three = ["10.1.0.%d" % (first + i) for i in range(3)]
        configure(r1, route % first, route % (first + 1))
        follow(one, two)
        configure(r1, route % (first + 2))
        follow(one, two, three)
        configure(r1, "no " + route % first, "no " + route % (first + 2))
        follow(two)
        configure(r1, "no " + route % (first + 1))
        follow()
        assert gateways(fpmd, MEMBER) == ["10.1.0.2"]
        first += 5


REFUSED = "% VRF red: Holdfast serves the default VRF only, which is not named; remove `vrf red`"


@pytest.mark.parametrize("lines", [
    ["holdfast vrf red"],
    ["no holdfast vrf red"],
    ["holdfast", "prefix 192.0.2.81/32 vrf red"],
    ["holdfast", "prefix 2001:db8::81/128 vrf red"],
    ["holdfast", "no prefix 192.0.2.80/32 vrf red"],
    ["holdfast", "member-range 10.254.0.0/24 vrf red"],
    ["holdfast", "local-member 10.255.0.4 vrf red"],
], ids=lambda lines: lines[-1].replace(" ", "-"))
def test_a_vrf_is_refused_in_words(r1, lines):
    assert configure(r1, *lines).strip() == REFUSED
    assert running(r1) == BLOCK


def test_nothing_is_shown_of_a_vrf(r1):
    assert vtysh(r1, "show holdfast vrf red").strip() == REFUSED


def test_routes_of_a_vrf_are_not_ours(r1, fpmd):
    """The same prefixes in another table: fpmd is told of those in the default VRF."""
    if "Unknown device type" in r1.run("ip link add red type vrf table 1001 2>&1; ip link set red up 2>&1"):
        pytest.skip("this kernel has no VRFs")
    r1.run("ip link add dummy7 type dummy; ip link set dummy7 master red; ip link set dummy7 up;"
           " ip addr add 10.9.0.1/24 dev dummy7")
    try:
        before = len(fpmd.got("route"))
        configure(r1, "vrf red", "ip route 10.255.0.9/32 10.9.0.2", "ip route %s 10.9.0.2" % MEMBER)
        assert eventually(lambda: "10.9.0.2" in r1.run("ip route show vrf red 10.255.0.9"))
        configure(r1, "ip route 10.255.0.10/32 10.1.0.2")
        assert eventually(lambda: "10.255.0.10/32" in fpmd.routes())
        assert [route["prefix"] for route in fpmd.got("route")[before:]] == ["10.255.0.10/32"]
        assert gateways(fpmd, MEMBER) == ["10.1.0.2"]
    finally:
        configure(r1, "no ip route 10.255.0.10/32 10.1.0.2", "vrf red", "no ip route 10.255.0.9/32 10.9.0.2",
                  "no ip route %s 10.9.0.2" % MEMBER)
        r1.run("ip link del dummy7; ip link del red")


def test_graceful_restart_of_a_neighbour(routers, r1, fpmd):
    """Its bgpd dies and comes back: no route goes meanwhile, and fpmd hears of no change."""
    r2 = routers["r2"]
    assert eventually(lambda: json.loads(vtysh(r1, "show bgp neighbors 10.1.0.2 json"))["10.1.0.2"].get(
        "gracefulRestartInfo", {}).get("remoteGrMode") == "Restart", 10)
    before = len(fpmd.got("route"))
    r2.run("kill -%d $(cat /var/run/frr/bgpd.pid)" % signal.SIGKILL)
    assert eventually(lambda: "Established" not in vtysh(r1, "show bgp neighbors 10.1.0.2"), 10)
    time.sleep(1)
    assert in_the_kernel(r1, MEMBER) == ["10.1.0.2"]
    r2.run("rm -f /var/run/frr/bgpd.pid")
    failed = r2.net.startRouterDaemons(["bgpd"])
    assert not failed
    assert eventually(lambda: "Established" in vtysh(r1, "show bgp neighbors 10.1.0.2"), 20)
    time.sleep(1)
    told = fpmd.got("route")[before:]
    assert all(route["hops"] for route in told), told
    assert gateways(fpmd, MEMBER) == gateways(fpmd, OTHER) == ["10.1.0.2"]


@pytest.fixture(scope="module")
def whole(r1):
    """fpmd itself on r1."""
    log = "/tmp/fpmd.%d" % os.getpid()
    pid = r1.run("%s --user frr --bpf-directory /nowhere >%s 2>&1 </dev/null & echo $!" % (FPMD, log)).strip()
    assert eventually(lambda: summary(r1).get("state") == "running", 10), r1.run("cat " + log)
    yield pid
    r1.run("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done; rm -f %s" % (pid, pid, log))


def summary(router):
    try:
        return json.loads(vtysh(router, "show holdfast json"))
    except ValueError:
        return {}


def rules(router):
    return set(router.run("ip -N rule").splitlines())


def ours(router):
    """All of ours in the kernel, but for counters."""
    return (sorted(line for line in rules(router) if " proto 79" in line),
            sorted(router.run("nft list table ip holdfast | grep -v counter").splitlines()),
            router.run("ip -N route show table all proto 79"))


def all_is_well(router):
    shown = summary(router)
    return shown.get("state") == "running" and not shown["problems"] and shown["membersReachable"] == 2


def test_a_file_that_cannot_be_read_is_fpmds_to_name(r1, whole):
    """zebra does not even look for it: it would wait for a file system that hangs."""
    assert eventually(lambda: all_is_well(r1)), summary(r1)
    assert configure(r1, "holdfast", "directory key-file /nonexistent") == ""
    assert eventually(lambda: any("/nonexistent" in problem for problem in summary(r1).get("problems", []))), summary(r1)
    assert configure(r1, "holdfast", "directory key-file /etc/frr/holdfast.key") == ""
    assert eventually(lambda: all_is_well(r1)), summary(r1)


def test_policy_routing_beside_it(r1, whole):
    assert eventually(lambda: all_is_well(r1)), summary(r1)
    before, rules_before = ours(r1), rules(r1)
    assert before[0] and before[1]
    assert configure(r1, "nexthop-group aside", "nexthop 10.1.0.2", "exit", "pbr-map aside seq 10",
                     "match src-ip 198.51.100.0/24", "set nexthop-group aside", "exit", "interface r1-eth0",
                     "pbr-policy aside") == ""

    def theirs():
        return rules(r1) - rules_before

    try:
        assert eventually(lambda: len(theirs()) == 1), rules(r1)
        assert "198.51.100.0/24" in next(iter(theirs()))
        time.sleep(2.5)  # two looks of fpmd at what it has in the kernel
        assert rules_before <= rules(r1) and len(theirs()) == 1
        assert ours(r1) == before and all_is_well(r1)
        # Ours goes and comes back, theirs stays.
        assert configure(r1, "holdfast", "no role", "pins max 1000") == ""
        assert eventually(lambda: all_is_well(r1)) and len(theirs()) == 1
        assert configure(r1, "holdfast", "no pins max") == ""
    finally:
        configure(r1, "interface r1-eth0", "no pbr-policy aside", "exit", "no pbr-map aside seq 10",
                  "no nexthop-group aside")
    assert eventually(lambda: rules(r1) == rules_before), rules(r1)
    assert eventually(lambda: ours(r1) == before and all_is_well(r1)), (ours(r1), before)


def test_evpn_beside_it(r1, whole):
    """A VXLAN of EVPN and ours share the host: other port, other device, other routes."""
    assert eventually(lambda: all_is_well(r1)), summary(r1)
    before = ours(r1)
    r1.run("ip link add br9 type bridge; ip link set br9 up;"
           " ip link add vni9 type vxlan id 9 local 10.255.0.3 dstport 4789 nolearning;"
           " ip link set vni9 master br9; ip link set vni9 up")
    try:
        assert configure(r1, "router bgp 65001", "neighbor 10.1.0.2 capability dynamic",
                         "address-family l2vpn evpn", "neighbor 10.1.0.2 activate", "advertise-all-vni") == ""
        assert eventually(lambda: "9 " in vtysh(r1, "show evpn vni")), vtysh(r1, "show evpn vni")
        # zebra shows every VXLAN device; ours is in no bridge, and bgpd hears nothing of it.
        assert eventually(lambda: "\n* 9 " in vtysh(r1, "show bgp l2vpn evpn vni")), vtysh(r1, "show bgp l2vpn evpn vni")
        assert "* 77 " not in vtysh(r1, "show bgp l2vpn evpn vni")
        assert eventually(lambda: all_is_well(r1), 10), summary(r1)
        time.sleep(2.5)
        assert ours(r1) == before and all_is_well(r1)
        assert "vni9" in r1.run("ip -br link show type vxlan") and "hf-vx0" in r1.run("ip -br link show type vxlan")
    finally:
        configure(r1, "router bgp 65001", "address-family l2vpn evpn", "no advertise-all-vni",
                  "no neighbor 10.1.0.2 activate")
        r1.run("ip link del vni9; ip link del br9")
    assert eventually(lambda: ours(r1) == before and all_is_well(r1), 10)
