# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the module costs zebra when it is worst: storms of routes, and a fpmd that is stopped and so reads nothing. Beside
it runs a zebra without the module, through the same storms at the same time.

    r1: zebra with the module, r1-eth0 to s1        r2: zebra, r2-eth0 to s2
"""
import json
import os
import shutil
import sys
import tempfile
import time

import pytest

from lib.topogen import Topogen, TopoRouter

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]

from test_cli import FRR_VERSION, Peer, configure, enter, eventually, kernel_routes, vtysh  # noqa: E402

BLOCK = "holdfast\n member-range 10.2.0.0/16\n"
ROUTES = 10000
BUFFER = "-s 90000000"  # as /etc/frr/daemons has it: with less, zebra itself misses routes in a storm
SECONDS = 5
BUFFERS = 2 << 20  # the module's: 1 MiB queue, 192 KiB for frames that come and go
# Asks zebra one question after the other for a while, and says how many it answered and how long the slowest took.
ASKER = """
import socket, sys, time
zebra = socket.socket(socket.AF_UNIX)
zebra.connect("/var/run/frr/zebra.vty")
answers, slowest, end = 0, 0, time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    began, said = time.monotonic(), b""
    zebra.sendall(b"show version\\0")
    while said[-4:-1] != bytes(3):
        part = zebra.recv(65536)
        if not part:
            sys.exit("zebra ended")
        said += part
    answers, slowest = answers + 1, max(slowest, time.monotonic() - began)
print(answers, slowest)
"""


def build_topo(tgen):
    for name in ("r1", "r2"):
        tgen.add_router(name)
        tgen.add_switch("s" + name[1]).add_link(tgen.gears[name])


@pytest.fixture(scope="module")
def routers(request):
    tgen = Topogen(build_topo, request.module.__name__)
    tgen.start_topology()
    for name, router in tgen.gears.items():
        if name.startswith("r"):
            if name == "r1":
                CONFTEST.load_module(router, BUFFER)
            else:
                router.load_config(TopoRouter.RD_ZEBRA, None, BUFFER)
            router.run("touch /etc/frr/vtysh.conf")
    tgen.start_router()
    both = [tgen.gears["r1"], tgen.gears["r2"]]
    for router in both:
        router.run("ip link set lo up; ip link set %s-eth0 up; ip addr add 10.1.0.1/16 dev %s-eth0" % (router.name, router.name))
    yield both
    tgen.stop_topology()


class Storms:
    """Until the end of a `with` the kernels of some routers are given routes, which are taken away again. With pauses: what
    zebra gets from the kernel faster than it reads is lost to it, whatever its buffer is."""

    def __init__(self, routers):
        self.directory = tempfile.mkdtemp(prefix="holdfast_storm.", dir="/tmp")
        self.running = {}
        for router in routers:
            for action in ("replace", "del"):
                with open("%s/%s.%s" % (self.directory, router.name, action), "w") as file:
                    for i in range(ROUTES):
                        file.write("route %s 10.2.%d.%d/32 via 10.1.0.2 dev %s-eth0\n"
                                   % (action, i // 250, i % 250, router.name))
            script = "while ip -batch %s.replace && sleep 0.4 && ip -batch %s.del; do sleep 0.4; done" % (2 * (self.path(router),))
            self.running[router] = router.run("setsid sh -c '%s' >%s.out 2>&1 </dev/null & echo $!"
                                              % (script, self.path(router))).strip()

    def path(self, router):
        return "%s/%s" % (self.directory, router.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Afterwards all routes are there."""
        for router, group in self.running.items():
            router.run("kill -- -%s; while kill -0 -- -%s 2>/dev/null; do sleep 0.02; done" % (group, group))
            said = router.run("cat %s.out; ip -batch %s.replace 2>&1" % (2 * (self.path(router),)))
            assert not said, said
        shutil.rmtree(self.directory)


def overflows(r1):
    return json.loads(vtysh(r1, "show holdfast counters json"))["module"]["counters"]["queue-overflows"]


def test_configured_in_a_storm(routers):
    """What is configured last counts, for all routes."""
    r1 = routers[0]
    fpmd = Peer(r1)
    try:
        enter(r1, BLOCK)
        before = kernel_routes(r1)
        with Storms([r1]):
            for seconds in range(5, 10):
                configure(r1, "holdfast", "pins check-interval %d" % seconds)
                time.sleep(0.2)
        # With a sanitizer, on a busy machine, zebra is behind by far.
        assert eventually(lambda: kernel_routes(r1) == before + ROUTES, 60), vtysh(r1, "show ip route summary")
        assert eventually(lambda: len(fpmd.routes()) == ROUTES, 20), len(fpmd.routes())
        assert fpmd.got("config")[-1]["pin-check"] == 9
    finally:
        fpmd.stop()
        configure(r1, "no holdfast")
        r1.run("ip route flush root 10.2.0.0/16")


def resident(router):
    """Bytes of memory that zebra has."""
    pages = router.run("cat /proc/$(cat /var/run/frr/zebra.pid)/statm").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def ask_all(routers, seconds):
    """[(answers, slowest)] of zebras that are asked at the same time."""
    path = "/tmp/holdfast_asker.%d" % os.getpid()
    with open(path, "w") as file:
        file.write(ASKER)
    pids = [router.run("python3 %s %d >%s.%s 2>&1 </dev/null & echo $!" % (path, seconds, path, router.name)).strip()
            for router in routers]
    said = []
    for router, pid in zip(routers, pids):
        router.run("while kill -0 %s 2>/dev/null; do sleep 0.1; done" % pid)
        said.append(router.run("cat %s.%s; rm %s.%s" % (path, router.name, path, router.name)))
    os.unlink(path)
    return [(int(one.split()[0]), float(one.split()[1])) for one in said]


def test_a_stopped_fpmd_holds_zebra_up_no_more_than_none(routers):
    """zebra's terminal is answered by its main pthread, which also has the routes to handle. Its memory grows by what
    FRR 8.4 loses with each route that the kernel takes away, in both."""
    r1 = routers[0]
    fpmd = Peer(r1)
    try:
        enter(r1, BLOCK)
        assert eventually(lambda: fpmd.got("replay-end"))
        before, routes = [resident(router) for router in routers], kernel_routes(r1)
        r1.run("kill -STOP " + fpmd.pid)
        with Storms(routers):
            assert FRR_VERSION >= (10, 0) or eventually(lambda: overflows(r1), 20)
            # One after the other: two that ask without a pause would compete for the machine.
            (answers, slowest), (answers_without, slowest_without) = [ask_all([one], SECONDS)[0] for one in routers]
        grown, grown_without = [resident(router) - one for router, one in zip(routers, before)]
        # A half second is what a busy machine may take from either.
        assert 4 * answers > answers_without and slowest < max(10 * slowest_without, 0.5), (
            answers, slowest, answers_without, slowest_without)
        assert grown < 2 * grown_without + BUFFERS, (grown, grown_without)
        assert eventually(lambda: kernel_routes(r1) == routes + ROUTES, 20)
        r1.run("kill -CONT " + fpmd.pid)
        assert eventually(lambda: len(fpmd.routes()) == ROUTES, 20), len(fpmd.routes())
    finally:
        r1.run("kill -CONT " + fpmd.pid)
        fpmd.stop()
        configure(r1, "no holdfast")
        for router in routers:
            router.run("ip route flush root 10.2.0.0/16")
