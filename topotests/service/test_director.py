# SPDX-License-Identifier: GPL-2.0-or-later
"""
A director as an operator runs it: stock FRR with the module, fpmd as the unit starts it, vtysh. Nothing says that it
is a director but its routes.

    c1 --- r1 (zebra with the module, bgpd, fpmd) --- r2, r3 (bgpd; serve 192.0.2.80, without Holdfast)
"""
import json
import os
import re
import sys
import time

import pytest

from lib.topogen import Topogen, TopoRouter

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "cli"))
CONFTEST = sys.modules["conftest"]
FPMD = os.path.join(CONFTEST.BUILD, "fpmd/fpmd")

from test_cli import enter, eventually, vtysh  # noqa: E402
from test_next_hops import bgp  # noqa: E402

BLOCK = """holdfast
 prefix 192.0.2.80/32
 member-range 10.255.0.0/24
 local-member 10.255.0.1
 directory key-file /etc/frr/holdfast.key
"""
SERVERS = ("r2", "r3")
SESSIONS = 20
SERVER = """
import socket, threading
def serve(connection):
    while (data := connection.recv(99)):
        connection.sendall(data)
listener = socket.create_server(("192.0.2.80", 80), backlog=99)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""
CLIENT = """
import socket, time
sessions = [socket.create_connection(("192.0.2.80", 80), timeout=3) for _ in range(%d)]
while True:
    for session in sessions:
        session.sendall(b"x")
    print(sum(session.recv(1) == b"x" for session in sessions), flush=True)
    time.sleep(0.1)
""" % SESSIONS


def build_topo(tgen):
    tgen.add_router("r1")
    for name in SERVERS + ("c1",):
        tgen.add_router(name)
        tgen.add_link(tgen.gears["r1"], tgen.gears[name])


def start_fpmd(r1):
    r1.run("%s --user frr --bpf-directory /etc/frr/bpf/holdfast >>/etc/frr/fpmd.log 2>&1 </dev/null & echo $! >/etc/frr/fpmd.pid"
           % FPMD)


@pytest.fixture(scope="module")
def routers(request):
    tgen = Topogen(build_topo, request.module.__name__)
    tgen.start_topology()
    r1, c1 = tgen.gears["r1"], tgen.gears["c1"]
    try:
        for number, name in enumerate(("r1",) + SERVERS, 1):
            router = tgen.gears[name]
            router.load_config(TopoRouter.RD_ZEBRA, None, "-M " + CONFTEST.MODULE if name == "r1" else None)
            networks = ["10.255.0.%d/32" % number] + (["192.0.2.80/32"] if number > 1 else ["10.9.0.0/24"])
            path = os.path.join(tgen.logdir, name + ".conf")
            with open(path, "w") as file:
                file.write(bgp(number, ["r1-eth0", "r1-eth1"] if number == 1 else [name + "-eth0"], networks))
            router.load_config(TopoRouter.RD_BGP, path)
            router.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
                       " net.ipv4.fib_multipath_hash_policy=1; ip link set lo up; ip addr add 10.255.0.%d/32 dev lo" % number)
            if number > 1:
                router.run("ip addr add 192.0.2.80/32 dev lo")
        c1.load_config(TopoRouter.RD_ZEBRA, None)
        r1.run("umask 077; echo 1 $(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n') >/etc/frr/holdfast.key;"
               " chown frr /etc/frr/holdfast.key; mkdir /etc/frr/bpf; mount -t bpf -o mode=700 bpf /etc/frr/bpf")
        tgen.start_router()
        r1.run("ip addr add 10.9.0.1/24 dev r1-eth2")
        c1.run("ip addr add 10.9.0.2/24 dev c1-eth0; ip route add 192.0.2.80/32 via 10.9.0.1")
        for name in SERVERS:
            start_python(tgen.gears[name], "server", SERVER)
        start_fpmd(r1)
        enter(r1, BLOCK)
        assert eventually(lambda: len(paths(r1)) == 2, 20), vtysh(r1, "show holdfast") + r1.run("cat /etc/frr/fpmd.log")
        yield tgen.gears
    finally:
        for name in SERVERS + ("c1",):
            tgen.gears[name].run("kill $(cat /etc/frr/*.script.pid)")
        r1.run("kill $(cat /etc/frr/fpmd.pid); umount /etc/frr/bpf")
        tgen.stop_topology()


def start_python(router, name, script):
    with open("/tmp/%s.%d.py" % (name, os.getpid()), "w") as file:
        file.write(script)
    router.run("cp %s /etc/frr/%s.py; rm %s; python3 /etc/frr/%s.py >/etc/frr/%s.out 2>&1 </dev/null & echo $!"
               " >/etc/frr/%s.script.pid" % (file.name, name, file.name, name, name, name))


def shown(r1):
    text = vtysh(r1, "show holdfast paths json")
    return json.loads(text) if text.startswith("{") else {}


def paths(r1):
    return [path for path in shown(r1).get("paths", []) if path["state"] == "in-use"]


def flows(r1):
    return {path["interface"]: path["flows"] for path in shown(r1).get("paths", [])}


def alive(c1):
    """How many sessions answered in the last turn that is over."""
    lines = c1.run("cat /etc/frr/client.out").split()
    return len(lines), lines[-1:]


def test_the_routes_make_it_a_director(routers):
    r1 = routers["r1"]
    told = {path["interface"]: path for path in paths(r1)}
    assert {interface: path["member"] for interface, path in told.items()} == {
        "r1-eth0": "10.255.0.2", "r1-eth1": "10.255.0.3"}
    assert all(path["gateway"].startswith("fe80::") and path["family"] == "ipv4" and path["up"] and path["newFlows"]
               for path in told.values())
    assert shown(r1)["prefixes"] == [{"prefix": "192.0.2.80", "role": "routed"}]
    assert shown(r1)["recordsOutliveFpmd"] is True
    assert "prefix 192.0.2.80: routed, see show holdfast paths" in vtysh(r1, "show holdfast")
    text = vtysh(r1, "show holdfast paths")
    assert "records outlive fpmd\n" in text
    for path in told.values():
        assert re.search(r"^ *%d ipv4 %s +%s +in-use +1 %s " % (
            path["id"], path["interface"], path["gateway"], path["member"]), text, re.MULTILINE), text


def test_its_flows_are_counted_and_outlive_fpmd(routers):
    r1, c1 = routers["r1"], routers["c1"]
    start_python(c1, "client", CLIENT)
    assert eventually(lambda: alive(c1)[1] == [str(SESSIONS)], 10), c1.run("cat /etc/frr/client.out")
    assert eventually(lambda: sum(flows(r1).values()) == SESSIONS, 20), vtysh(r1, "show holdfast paths")
    before = flows(r1)
    assert min(before.values()) > 0, "one way only"
    ids = {path["interface"]: path["id"] for path in paths(r1)}
    (directory,) = r1.run("ls /etc/frr/bpf/holdfast").split()
    pid = r1.run("cat /etc/frr/fpmd.pid").strip()
    r1.run("kill -9 %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done" % (pid, pid))
    assert r1.run("stat -c %U /etc/frr/bpf/holdfast/" + directory).strip() == "frr"
    assert r1.run("ls /etc/frr/bpf/holdfast/" + directory).split(), "no map has a name"
    start_fpmd(r1)
    assert eventually(lambda: flows(r1) == before, 20), vtysh(r1, "show holdfast paths")
    assert {path["interface"]: path["id"] for path in paths(r1)} == ids
    assert r1.run("ls /etc/frr/bpf/holdfast").split() == [directory]
    turns, answered = alive(c1)
    assert answered == [str(SESSIONS)]
    assert eventually(lambda: alive(c1)[0] > turns) and alive(c1)[1] == [str(SESSIONS)]


def test_a_role_that_leaves_it_out(routers):
    r1 = routers["r1"]
    enter(r1, "holdfast\n role server\n")
    assert eventually(lambda: "directs nothing: it has `role server`" in vtysh(r1, "show holdfast paths"))
    assert eventually(lambda: not shown(r1)["paths"], 10), vtysh(r1, "show holdfast paths")
    assert not r1.run("ip rule | grep 8039").strip()
    enter(r1, "holdfast\n no role\n")
    assert eventually(lambda: len(paths(r1)) == 2, 10), vtysh(r1, "show holdfast paths")
