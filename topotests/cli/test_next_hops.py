# SPDX-License-Identifier: GPL-2.0-or-later
"""
What fpmd is told of a VIP's next hops: all of them, as zebra gives them to the kernel, and again at every change.
fpmd is played by topotests/fpm_peer.py.

    r1: zebra with the module, bgpd, staticd        r1-eth0 --- r2 (AS 65002)
    BGP is unnumbered; r2, r3, r4 announce          r1-eth1 --- r3 (AS 65003)
    192.0.2.80, 2001:db8::80 and a member each      r1-eth2 --- r4 (AS 65004)
"""
import json
import os
import re
import subprocess
import sys

import pytest

from lib.topogen import Topogen, TopoRouter

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]

from test_cli import FRR_VERSION, Peer, configure, enter, eventually, kernel_routes, replay_if_needed, vtysh  # noqa: E402

BLOCK = """holdfast
 prefix 192.0.2.80/32
 prefix 192.0.2.81/32
 prefix 2001:db8::80/128
 member-range 10.255.0.0/24
"""
VIP, OTHER, VIP6 = "192.0.2.80/32", "192.0.2.81/32", "2001:db8::80/128"
SERVERS = ("r2", "r3", "r4")


def build_topo(tgen):
    tgen.add_router("r1")
    for name in SERVERS:
        tgen.add_router(name)
        tgen.add_link(tgen.gears["r1"], tgen.gears[name])


def bgp(number, interfaces, networks):
    lines = ["interface %s\n ipv6 nd ra-interval 1\nexit" % name for name in interfaces]
    lines += ["router bgp %d" % (65000 + number), " bgp router-id 10.255.0.%d" % number, " no bgp ebgp-requires-policy",
              " bgp bestpath as-path multipath-relax", " timers bgp 1 3"]
    for name in interfaces:
        lines += [" neighbor %s interface remote-as external" % name, " neighbor %s timers connect 1" % name,
                  " neighbor %s capability extended-nexthop" % name]
    for family in ("ipv4", "ipv6"):
        lines += [" address-family %s unicast" % family]
        lines += ["  network " + network for network in networks if (":" in network) == (family == "ipv6")]
        lines += ["  neighbor %s activate" % name for name in interfaces]
        lines += [" exit-address-family"]
    return "\n".join(lines + ["exit", ""])


def load(tgen, name, text, module=False):
    router = tgen.gears[name]
    path = os.path.join(tgen.logdir, name + ".conf")
    with open(path, "w") as file:
        file.write(text)
    if module:
        CONFTEST.load_module(router)
    else:
        router.load_config(TopoRouter.RD_ZEBRA, None)
    router.load_config(TopoRouter.RD_BGP, path)
    return router


@pytest.fixture(scope="module")
def routers(request):
    tgen = Topogen(build_topo, request.module.__name__)
    tgen.start_topology()
    for number, name in enumerate(SERVERS, 2):
        load(tgen, name, bgp(number, [name + "-eth0"], [VIP, VIP6, "10.255.0.%d/32" % number]))
    r1 = load(tgen, "r1", bgp(1, ["r1-eth0", "r1-eth1", "r1-eth2"], []), module=True)
    r1.load_config(TopoRouter.RD_STATIC, None)
    for number, name in enumerate(("r1",) + SERVERS, 1):
        router = tgen.gears[name]
        router.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; ip link set lo up")
        for host in (VIP, VIP6, "10.255.0.%d/32" % number) if number > 1 else ("10.255.0.1/32",):
            router.run("ip addr add %s dev lo" % host)
    tgen.start_router()
    for i in range(3):
        r1.run("ip addr add 10.%d.0.1/24 dev r1-eth%d" % (i + 1, i))
    yield tgen.gears
    tgen.stop_topology()


@pytest.fixture
def fpmd(routers):
    one = Peer(routers["r1"])
    enter(routers["r1"], BLOCK)
    assert eventually(lambda: all(len(hops(one, prefix)) == 3 for prefix in (VIP, VIP6)), 20), one.routes()
    yield one
    one.stop()
    configure(routers["r1"], "no holdfast")


def hops(fpmd, prefix):
    """Weights by (interface, gateway)."""
    told = fpmd.routes().get(prefix, [])
    return {(hop["interface"], hop["gateway"]): hop["weight"] for hop in told}


def interfaces(fpmd, prefix):
    return sorted(interface for interface, _ in hops(fpmd, prefix))


def in_the_kernel(router, prefix):
    """The same of the kernel's route."""
    family = "-6" if ":" in prefix else "-4"
    (route,) = json.loads(router.run("ip -j %s route show %s" % (family, prefix)))
    return {(hop["dev"], hop.get("gateway") or hop["via"]["host"]): hop["weight"] for hop in route["nexthops"]}


@pytest.mark.parametrize("prefix", [VIP, VIP6], ids=["ipv4", "ipv6"])
def test_all_next_hops_are_told_as_the_kernel_has_them(routers, fpmd, prefix):
    """BGP unnumbered: an IPv4 prefix has IPv6 next hops (RFC 5549)."""
    told = hops(fpmd, prefix)
    assert sorted(interface for interface, _ in told) == ["r1-eth0", "r1-eth1", "r1-eth2"]
    assert all(gateway.startswith("fe80::") for _, gateway in told)
    assert told == in_the_kernel(routers["r1"], prefix)
    # And where each of the members behind them is.
    assert [interfaces(fpmd, "10.255.0.%d/32" % number) for number in (2, 3, 4)] == [["r1-eth0"], ["r1-eth1"], ["r1-eth2"]]


def test_weights_are_told(routers, fpmd):
    """BGP link bandwidth: 200, 300, 400 Mbit/s become the weights that zebra makes of them."""
    assert set(hops(fpmd, VIP).values()) == {1}
    try:
        for number, name in enumerate(SERVERS, 2):
            configure(routers[name], "route-map weight permit 10", "set extcommunity bandwidth %d" % (number * 100), "exit",
                      "router bgp %d" % (65000 + number), "address-family ipv4 unicast",
                      "neighbor %s-eth0 route-map weight out" % name)
        assert eventually(lambda: 1 not in hops(fpmd, VIP).values(), 10)
        told = hops(fpmd, VIP)
        assert eventually(lambda: in_the_kernel(routers["r1"], VIP) == told)
        low, middle, high = sorted(told.values())
        # FRR 10 scales them to 254, in whole numbers.
        assert abs(middle / low - 1.5) < 0.01 and abs(high / low - 2) < 0.01
        assert set(hops(fpmd, VIP6).values()) == {1}
    finally:
        for number, name in enumerate(SERVERS, 2):
            configure(routers[name], "router bgp %d" % (65000 + number), "address-family ipv4 unicast",
                      "no neighbor %s-eth0 route-map weight out" % name)
    assert eventually(lambda: set(hops(fpmd, VIP).values()) == {1}, 10)


def test_a_link_that_goes_and_comes(routers, fpmd):
    r1 = routers["r1"]
    for _ in range(2):
        before = {prefix: hops(fpmd, prefix) for prefix in (VIP, VIP6)}
        r1.run("ip link set r1-eth1 down")
        assert eventually(lambda: all(interfaces(fpmd, prefix) == ["r1-eth0", "r1-eth2"] for prefix in before))
        assert eventually(lambda: interfaces(fpmd, "10.255.0.3/32") == [])
        r1.run("ip link set r1-eth1 up")
        assert eventually(lambda: {prefix: hops(fpmd, prefix) for prefix in before} == before, 20)
        assert eventually(lambda: interfaces(fpmd, "10.255.0.3/32") == ["r1-eth1"])


def test_a_server_that_withdraws_and_announces(routers, fpmd):
    """The same without a link's event; nothing but the VIP changes."""
    network = ["router bgp 65003", "address-family ipv4 unicast"]
    configure(routers["r3"], *network, "no network " + VIP)
    assert eventually(lambda: interfaces(fpmd, VIP) == ["r1-eth0", "r1-eth2"])
    assert interfaces(fpmd, VIP6) == ["r1-eth0", "r1-eth1", "r1-eth2"]
    assert interfaces(fpmd, "10.255.0.3/32") == ["r1-eth1"]
    configure(routers["r3"], *network, "network " + VIP)
    assert eventually(lambda: interfaces(fpmd, VIP) == ["r1-eth0", "r1-eth1", "r1-eth2"])


def test_recursive_next_hops_are_resolved(routers, fpmd):
    lines = ["ip route 10.9.9.9/32 10.1.0.2", "ip route 10.9.9.9/32 10.2.0.2", "ip route %s 10.9.9.9" % OTHER,
             "ip route %s 10.3.0.9" % OTHER]
    configure(routers["r1"], *lines)
    three = {("r1-eth0", "10.1.0.2"): 1, ("r1-eth1", "10.2.0.2"): 1, ("r1-eth2", "10.3.0.9"): 1}
    assert eventually(lambda: hops(fpmd, OTHER) == three), fpmd.routes().get(OTHER)
    assert eventually(lambda: in_the_kernel(routers["r1"], OTHER) == three)
    # What they resolve to changes.
    configure(routers["r1"], "no " + lines[1])
    del three[("r1-eth1", "10.2.0.2")]
    assert eventually(lambda: hops(fpmd, OTHER) == three), fpmd.routes().get(OTHER)
    configure(routers["r1"], *["no " + line for line in lines if line != lines[1]])
    assert eventually(lambda: OTHER not in fpmd.routes())


def test_a_blackhole_is_no_next_hop(routers, fpmd):
    configure(routers["r1"], "ip route %s 10.3.0.9" % OTHER)
    assert eventually(lambda: interfaces(fpmd, OTHER) == ["r1-eth2"])
    configure(routers["r1"], "no ip route %s 10.3.0.9" % OTHER, "ip route %s blackhole" % OTHER)
    assert eventually(lambda: OTHER not in fpmd.routes())
    assert eventually(lambda: "blackhole" in routers["r1"].run("ip route show " + OTHER))
    told = len(fpmd.got("replay-end"))
    vtysh(routers["r1"], "debug holdfast fpm")
    assert eventually(lambda: len(fpmd.got("replay-end")) > told) and OTHER not in fpmd.routes()
    vtysh(routers["r1"], "no debug holdfast fpm")
    configure(routers["r1"], "no ip route %s blackhole" % OTHER)


def test_a_route_that_others_gave_the_kernel(routers, fpmd):
    r1 = routers["r1"]
    route = "ip route replace %s proto 99 nexthop via 10.1.0.2 weight 3 nexthop via 10.%d.0.2"
    for last in (2, 3):
        r1.run(route % (OTHER, last))
        wanted = {("r1-eth0", "10.1.0.2"): 3, ("r1-eth%d" % (last - 1), "10.%d.0.2" % last): 1}
        assert eventually(lambda: hops(fpmd, OTHER) == wanted), fpmd.routes().get(OTHER)
    before = kernel_routes(r1)
    r1.run("ip route del %s proto 99" % OTHER)
    replay_if_needed(r1, before - 1)
    assert eventually(lambda: OTHER not in fpmd.routes())


BUILD_SHARPD = """set -e
cd {build} && lib/clippy {source}/python/clidef.py -o {out}/sharpd/sharp_vty_clippy.c {source}/sharpd/sharp_vty.c
gcc -w -DHAVE_CONFIG_H -I{out} -I{build} -I{source} -I{source}/include -I{source}/lib -I{build}/lib \
 -DSYSCONFDIR='"/etc/frr/"' {source}/sharpd/sharp_*.c -o {out}/sharpd/sharpd {libfrr} -lcap -lyang -ljson-c \
 -Wl,-rpath,{directory}
"""
VTY = """
import socket, sys
vty = socket.socket(socket.AF_UNIX)
vty.connect("/var/run/frr/sharpd.vty")
for line in sys.argv[1:]:
    vty.sendall(line.encode() + bytes(1))
    answer = b""
    while len(answer) < 4 or answer[-4:-1] != bytes(3):
        answer += vty.recv(4096)
    assert not answer[-1], line
    sys.stdout.write(answer[:-4].decode())
"""


@pytest.fixture
def sharp(routers, tmp_path):
    """
    FRR's test daemon, which no package has, built against the installed library: it owns the next hops of its
    routes, as others may. Returns what gives it commands.
    """
    source = os.path.dirname(os.path.dirname(CONFTEST.FRR))
    zebra = subprocess.run(["ldd", "/usr/lib/frr/zebra"], check=True, stdout=subprocess.PIPE, text=True).stdout
    libfrr = re.search(r"libfrr\.so\S* => (\S+)", zebra).group(1)
    (tmp_path / "sharpd").mkdir()
    script = BUILD_SHARPD.format(source=source, build=source + "/build", out=tmp_path, libfrr=libfrr,
                                 directory=os.path.dirname(libfrr))
    subprocess.run(["sh", "-c", script], check=True)
    os.chmod(tmp_path, 0o755)
    (tmp_path / "vty.py").write_text(VTY)
    r1 = routers["r1"]
    r1.run("cp %s/sharpd/sharpd /etc/frr/sharpd; : >/etc/frr/sharpd.conf; chown frr /etc/frr/sharpd*" % tmp_path)
    pid = r1.run("/etc/frr/sharpd -f /etc/frr/sharpd.conf >sharpd.out 2>&1 </dev/null & echo $!").strip()
    assert eventually(lambda: r1.run("ls /var/run/frr/sharpd.vty 2>/dev/null")), r1.run("cat sharpd.out")
    yield lambda *lines: r1.run("python3 %s/vty.py enable %s" % (tmp_path, " ".join("'%s'" % line for line in lines)))
    r1.run("kill %s; rm /etc/frr/sharpd*" % pid)


@pytest.mark.skipif(FRR_VERSION >= (10, 0), reason="not told before the next replay: see doc/compat.md")
def test_next_hops_that_another_daemon_owns(routers, fpmd, sharp):
    """It changes the group of next hops, and zebra updates no route for it."""
    group = ["configure", "nexthop-group owned"]
    assert sharp(*group, "nexthop 10.1.0.2 r1-eth0", "nexthop 10.2.0.2 r1-eth1", "end") == ""
    assert sharp("sharp install routes 192.0.2.81 nexthop-group owned 1") == ""
    assert eventually(lambda: interfaces(fpmd, OTHER) == ["r1-eth0", "r1-eth1"]), fpmd.routes().get(OTHER)
    assert sharp(*group, "no nexthop 10.1.0.2 r1-eth0", "end") == ""
    assert eventually(lambda: interfaces(fpmd, OTHER) == ["r1-eth1"]), fpmd.routes().get(OTHER)
    assert sharp(*group, "nexthop 10.3.0.2 r1-eth2", "end") == ""
    assert eventually(lambda: interfaces(fpmd, OTHER) == ["r1-eth1", "r1-eth2"])
    assert sharp("sharp remove routes 192.0.2.81 1") == ""
    assert eventually(lambda: OTHER not in fpmd.routes())
