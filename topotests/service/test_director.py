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
VIP, OWN = "192.0.2.80", "192.0.2.81"  # OWN: that the director serves itself
SESSIONS = 20
SERVER = """
import socket, sys, threading
def serve(connection):
    while (data := connection.recv(99)):
        connection.sendall(data)
listener = socket.create_server((sys.argv[1], 80), backlog=99)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""
CLIENT = """
import socket, sys, time
sessions = [socket.create_connection((sys.argv[1], 80), timeout=3) for _ in range(%d)]
for session in sessions:
    session.settimeout(None)
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


def graceful(text):
    """bgpd's configuration, with which a restart of it is no loss of routes."""
    return text.replace(" bgp bestpath", " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp bestpath")


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
            if name == "r1":
                CONFTEST.load_module(router)
            else:
                router.load_config(TopoRouter.RD_ZEBRA, None)
            networks = ["10.255.0.%d/32" % number] + (["192.0.2.80/32"] if number > 1 else ["10.9.0.0/24"])
            path = os.path.join(tgen.logdir, name + ".conf")
            with open(path, "w") as file:
                text = bgp(number, ["r1-eth0", "r1-eth1"] if number == 1 else [name + "-eth0"], networks)
                file.write(graceful(text) if name == "r2" else text)
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
        c1.run("ip addr add 10.9.0.2/24 dev c1-eth0; ip route add 192.0.2.80/31 via 10.9.0.1")
        for name in SERVERS:
            start_python(tgen.gears[name], "server", SERVER, VIP)
        start_fpmd(r1)
        enter(r1, BLOCK)
        assert eventually(lambda: len(paths(r1)) == 2, 20), vtysh(r1, "show holdfast") + r1.run("cat /etc/frr/fpmd.log")
        yield tgen.gears
    finally:
        for name in SERVERS + ("r1", "c1"):
            tgen.gears[name].run("kill $(cat /etc/frr/*.script.pid)")
        r1.run("kill $(cat /etc/frr/fpmd.pid); umount /etc/frr/bpf")
        tgen.stop_topology()


def start_python(router, name, script, address):
    with open("/tmp/%s.%d.py" % (name, os.getpid()), "w") as file:
        file.write(script)
    router.run("cp %s /etc/frr/%s.py; rm %s; python3 /etc/frr/%s.py %s >/etc/frr/%s.out 2>&1 </dev/null & echo $!"
               " >/etc/frr/%s.script.pid" % (file.name, name, file.name, name, address, name, name))


def shown(r1):
    text = vtysh(r1, "show holdfast paths json")
    return json.loads(text) if text.startswith("{") else {}


def paths(r1):
    return [path for path in shown(r1).get("paths", []) if path["state"] == "in-use"]


def keys(value):
    """All keys of an answer, but the names of counters."""
    if isinstance(value, list):
        return {key for one in value for key in keys(one)}
    if not isinstance(value, dict):
        return set()
    return set(value) | {key for name, one in value.items() if name != "counters" for key in keys(one)}


def documented(r1, flow):
    """Each key of each topic is in that topic's section of doc/show.md. *flow*: that is asked for."""
    text = open(os.path.join(CONFTEST.TOP, "doc/show.md")).read()
    sections = dict(section.split("\n", 1) for section in text.split("\n## ")[1:])
    general = set(re.findall("`([A-Za-z0-9]+)`", text.split("\n## ")[0]))
    for topic in ("", "members", "pins", "sessions", "directory", "counters", "paths", "flow"):
        command = ("show holdfast " + topic).strip()
        answer = json.loads(vtysh(r1, command + (" " + flow if topic == "flow" else "") + " json"))
        if topic == "counters":
            answer = {key: {} for key in answer}
        missing = keys(answer) - general - set(re.findall("`([A-Za-z0-9]+)`", sections[command]))
        assert not missing, (command, missing)


def flows(r1):
    return {path["interface"]: path["flows"] for path in shown(r1).get("paths", [])}


def alive(c1, name="client"):
    """How many sessions answered in the last turn that is over."""
    lines = c1.run("cat /etc/frr/%s.out" % name).split()
    return len(lines), lines[-1:]


def all_go_on(c1, name="client"):
    """Also if the servers' way back was away for seconds."""
    turns = alive(c1, name)[0]
    return eventually(lambda: alive(c1, name)[0] > turns + 2, 30) and alive(c1, name)[1] == [str(SESSIONS)]


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


def test_the_northbound_tells_what_fpmd_told(routers):
    """Not sooner than the module asked again."""
    r1 = routers["r1"]

    def state():
        text = vtysh(r1, "show yang operational-data /frr-holdfast:holdfast zebra")
        return json.loads(text)["frr-holdfast:holdfast"]["state"]

    assert eventually(lambda: len(state().get("paths", {}).get("path", [])) == 2, 8), state()
    told = state()
    assert told["summary"]["state"] == "running" and told["connected"] is True
    assert told["summary"]["local-member"] == "10.255.0.1"
    assert {vip["prefix"]: vip["role"] for vip in told["summary"]["vip"]} == {"192.0.2.80": "routed"}
    assert {path["interface"]: path["member"] for path in told["paths"]["path"]} == {
        path["interface"]: path["member"] for path in paths(r1)}
    assert {member["address"] for member in told["members"]["member"]} >= {"10.255.0.1"}
    assert told["directory"]["engine"] == "one-hop" and told["directory"]["running"] is True
    groups = {counter["group"] for counter in told["counters"]["counter"]}
    assert groups == {"fpmd", "fpm", "directory", "kernel", "module"}


def test_its_flows_are_counted_and_outlive_fpmd(routers):
    r1, c1 = routers["r1"], routers["c1"]
    start_python(c1, "client", CLIENT, VIP)
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
    assert all_go_on(c1)


def test_a_flow_is_explained(routers):
    r1, c1 = routers["r1"], routers["c1"]
    port = int(re.search(r"10\.9\.0\.2:(\d+)", c1.run("ss -Htn state established dst 192.0.2.80")).group(1))
    told = json.loads(vtysh(r1, "show holdfast flow 10.9.0.2 %d 192.0.2.80 80 json" % port))
    assert (told["role"], told["goes"]) == ("routed", "path"), told
    (path,) = [path for path in paths(r1) if path["id"] == told["path"]["id"]]
    assert (told["path"]["member"], told["path"]["interface"]) == (path["member"], path["interface"])
    assert not told["path"]["probation"] and not told["path"]["closing"] and told["path"]["seenMsecAgo"] < 60000
    text = vtysh(r1, "show holdfast flow 10.9.0.2 %d 192.0.2.80 80" % port)
    assert text.startswith("10.9.0.2 port %d to 192.0.2.80 port 80 goes by the path that is recorded for it.\n" % port)
    assert "Path %d is recorded for it: %s on %s, in-use." % (path["id"], path["gateway"], path["interface"]) in text
    assert "If the path fails" in text
    told = json.loads(vtysh(r1, "show holdfast flow 10.9.0.2 1 192.0.2.80 80 json"))
    assert told["goes"] == "routing-table" and "path" not in told
    for question, error in (("10.9.0.2 1 192.0.2.9 80", "192.0.2.9 is no configured prefix: show holdfast lists them"),
                            ("10.9.0.2 0 192.0.2.80 80", "port 0 is no port of a TCP session"),
                            ("2001:db8::1 1 192.0.2.80 80", "client and VIP are of different address families")):
        assert vtysh(r1, "show holdfast flow " + question) == "% " + error + "\n"
        assert json.loads(vtysh(r1, "show holdfast flow %s json" % question)) == {"error": error}
    assert "Unknown command" in r1.run("LD_PRELOAD=%s vtysh -c 'show holdfast flow 10.9.0.2 1 x 80' 2>&1" % CONFTEST.VTYSH)


def test_the_keys_are_documented(routers):
    documented(routers["r1"], "10.9.0.2 1 192.0.2.80 80")


def test_a_prefix_of_its_own_beside(routers):
    """One host serves one prefix and directs another: each has what its role gives it."""
    r1, c1 = routers["r1"], routers["c1"]
    before = flows(r1)
    r1.run("ip addr add 192.0.2.81/32 dev lo")
    start_python(r1, "own_server", SERVER, OWN)
    enter(r1, "holdfast\n prefix 192.0.2.81/32\n")
    assert eventually(lambda: shown(r1)["prefixes"] == [
        {"prefix": VIP, "role": "routed"}, {"prefix": OWN, "role": "served"}]), shown(r1)
    start_python(c1, "own_client", CLIENT, OWN)
    assert eventually(lambda: alive(c1, "own_client")[1] == [str(SESSIONS)], 10), c1.run("cat /etc/frr/own_client.out")
    assert eventually(lambda: len(json.loads(vtysh(r1, "show holdfast sessions json"))["sessions"]) == SESSIONS)
    assert flows(r1) == before
    assert all_go_on(c1) and all_go_on(c1, "own_client")
    enter(r1, "holdfast\n no prefix 192.0.2.81/32\n")
    assert eventually(lambda: shown(r1)["prefixes"] == [{"prefix": VIP, "role": "routed"}]), shown(r1)
    assert len(paths(r1)) == 2
    assert all_go_on(c1) and all_go_on(c1, "own_client")
    c1.run("kill $(cat /etc/frr/own_client.script.pid); rm /etc/frr/own_client.script.pid")
    r1.run("kill $(cat /etc/frr/own_server.script.pid); rm /etc/frr/own_server.script.pid; ip addr del 192.0.2.81/32 dev lo")


def end(router, daemon, signal=""):
    pid = router.run("cat /var/run/frr/%s.pid" % daemon).strip()
    router.run("kill %s %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done" % (signal, pid, pid))


def drain(router, wanted):
    configured = vtysh(router, "configure", "router bgp", "address-family ipv4 unicast",
                       ("" if wanted else "no ") + "network 192.0.2.80/32")
    assert not configured.strip(), configured


def test_zebra_dies_while_a_path_goes(routers):
    """watchfrr starts zebra and then bgpd anew: to this host all paths and members vanish at once, and come back. The
    flows stay where they are, also those of the path that BGP withdrew meanwhile."""
    r1, r3, c1 = (routers[name] for name in ("r1", "r3", "c1"))
    before = flows(r1)
    r1.run("printf '%s' >/etc/frr/zebra.conf" % BLOCK.replace("\n", "\\n"))
    end(r1, "zebra", "-9")
    drain(r3, False)
    assert all_go_on(c1)
    end(r1, "bgpd")
    r1.net.startRouterDaemons(["zebra", "bgpd"])
    assert eventually(lambda: "r1-eth0" in r1.run("ip route show 192.0.2.80"), 30), vtysh(r1, "show bgp summary")
    assert "r1-eth1" not in r1.run("ip route show 192.0.2.80")
    assert eventually(lambda: not json.loads(vtysh(r1, "show holdfast json"))["isolated"]), vtysh(r1, "show holdfast")
    assert all_go_on(c1)
    assert flows(r1) == before
    drain(r3, True)
    assert eventually(lambda: "r1-eth1" in r1.run("ip route show 192.0.2.80"), 20)
    assert len(paths(r1)) == 2 and flows(r1) == before
    assert all_go_on(c1)


@pytest.mark.parametrize("restarted", ["r1", "r2"])
def test_graceful_restart(routers, restarted):
    """bgpd dies and comes back, the director's own or that of a server: routes, paths and flows stay as they are."""
    r1, c1, router = routers["r1"], routers["c1"], routers[restarted]
    neighbour = routers["r2" if restarted == "r1" else "r1"]
    before, ids = flows(r1), {path["interface"]: path["id"] for path in paths(r1)}
    assert sum(before.values()) == SESSIONS

    def route():
        return sorted(re.findall("dev (r1-eth[01])", r1.run("ip route show " + VIP)))

    def bgp_neighbour(text):
        return text in vtysh(neighbour, "show bgp neighbors")

    if router == r1:
        with open("/tmp/bgpd.%d.conf" % os.getpid(), "w") as file:
            # One that comes back waits for all that it is told, else the first neighbour's paths are the only ones.
            file.write(graceful(r1.run("cat /etc/frr/bgpd.conf")).replace(" bgp bestpath", " update-delay 15\n bgp bestpath"))
        r1.run("cp %s /etc/frr/bgpd.conf; rm %s" % (file.name, file.name))
        end(r1, "bgpd")
        assert not r1.net.startRouterDaemons(["bgpd"])
    assert eventually(lambda: bgp_neighbour("Remote GR Mode: Restart"), 20)
    assert eventually(lambda: route() == ["r1-eth0", "r1-eth1"], 20) and all_go_on(c1)
    end(router, "bgpd", "-9")
    time.sleep(1.5)
    assert route() == ["r1-eth0", "r1-eth1"] and all_go_on(c1)
    assert not router.net.startRouterDaemons(["bgpd"])
    assert eventually(lambda: vtysh(r1, "show bgp neighbors").count("BGP state = Established") == 2, 20)
    time.sleep(1.5)
    assert route() == ["r1-eth0", "r1-eth1"] and all_go_on(c1)
    assert flows(r1) == before and {path["interface"]: path["id"] for path in paths(r1)} == ids
    assert BLOCK in vtysh(r1, "show running-config")


def test_a_role_that_leaves_it_out(routers):
    r1 = routers["r1"]
    enter(r1, "holdfast\n role server\n")
    assert eventually(lambda: "directs nothing: it has `role server`" in vtysh(r1, "show holdfast paths"))
    assert eventually(lambda: not shown(r1)["paths"], 10), vtysh(r1, "show holdfast paths")
    assert not r1.run("ip rule | grep 8039").strip()
    enter(r1, "holdfast\n no role\n")
    assert eventually(lambda: len(paths(r1)) == 2, 10), vtysh(r1, "show holdfast paths")
