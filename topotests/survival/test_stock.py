# SPDX-License-Identifier: GPL-2.0-or-later
"""
Hosts whose zebra has FRR's own FPM module and none of ours: fpmd takes the configuration from a file and the
routes from dplane_fpm_nl. The Clos is that of test_survival.py; half of the servers send next-hop groups, one has
our module: all of them are members alike.
"""
import json
import shutil
import signal
import sys
import time

import pytest

from clos import Clos, TopotestHoldfast, topology
from test_survival import Outcome, busiest, clos, detour_some, detours_are_what_moved, eventually  # noqa: F401
from test_survival import interrupt

QUIET = 3  # seconds after which a replay counts as complete: STOCK_QUIET_MS
RECONNECT = 3  # after which dplane_fpm_nl connects again


class StockHoldfast(TopotestHoldfast):
    """The last server has our module."""

    def _is_stock(self, network, server):
        return server != network.topology.servers[-1].name

    def zebra_config(self, node):
        if not node.runs_holdfast or node.name == self.with_module:
            return super().zebra_config(node)
        return "fpm address 127.0.0.1\n" + ("no fpm use-next-hop-groups\n" if node.number % 2 else "")

    def daemons(self, node):
        return super().daemons(node) if node.name == self.with_module else {}

    def prepare(self, network):
        self.with_module = network.topology.servers[-1].name
        super().prepare(network)

    def zebra_arguments(self, network, node):
        arguments = super().zebra_arguments(network, node)
        return ["-M dplane_fpm_nl", *arguments[2:]] if self._is_stock(network, node) else arguments

    def config_file(self, network, server):
        return network.run.directory / server / "holdfast.conf"

    def write_config(self, network, server, *more):
        """The block that zebra would have, and more lines at its end."""
        lines = self.block(network.topology.nodes[server])
        path = self.config_file(network, server)
        path.write_text("".join(f"{line}\n" for line in [*lines[:-1], *[f" {line}" for line in more], lines[-1]]))
        shutil.chown(path, "frr", "frr")

    def bpf_arguments(self, network):
        return []

    def start(self, network, server, wrapper=()):
        if not self._is_stock(network, server):
            super().start(network, server, wrapper)
            return
        if not self.config_file(network, server).exists():
            self.write_config(network, server)
        argv = [*wrapper, self.fpmd, "--user", "frr", "--config", self.config_file(network, server)]
        self.processes[server] = network.run.spawn(server, argv, f"{server}/fpmd.log")

    def ask(self, network, server, topic):
        if not self._is_stock(network, server):
            return super().ask(network, server, topic)
        argv = [self.fpmd, "--show", topic or "summary", "--json"]
        answer = network.run.execute(server, argv, check=False)
        return json.loads(answer) if answer.startswith("{") else None


@pytest.fixture(scope="module")
def network_of_all(request):
    network = None
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        network = Clos(request.module.__name__, holdfast=StockHoldfast)
        network.start()
        yield network
    finally:
        if network:
            network.close()
        signal.signal(signal.SIGTERM, before)


def stock_servers(clos):
    return [server.name for server in clos.topology.servers[:-1]]


def log_of(clos, server):
    return (clos.run.directory / server / "fpmd.log").read_text()


def test_converges(clos):
    """All are members of each other; the routes come from the stock module, with and without groups."""
    client = clos.connect()
    for server in clos.topology.servers:
        members = clos.show(server.name, "members")
        assert [one["state"] for one in members["members"]] == ["in ring"] * len(clos.topology.servers)
        summary = clos.show(server.name, "")
        assert summary["state"] == "running" and not summary["problems"] and summary["zebraConnected"]
        assert ("configFile" in summary) == (server.name in stock_servers(clos))
        assert [vip["role"] for vip in summary["vips"]] == ["served"]
    for server in stock_servers(clos):
        with clos.network.vty(server, "zebra") as vty:
            assert "dplane_fpm_nl" in vty.command("show modules")
            assert "zebra_holdfast" not in vty.command("show modules")
    Outcome(clos, client).all_lived()


INTRUDER = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with socket.create_connection(("127.0.0.1", 2620), timeout=5) as one:
    if sys.argv[1] == "waits":
        sys.exit(one.recv(1) != b"")
    one.sendall(bytes([1, 1, 0, 4]))
"""


def test_other_users_of_the_host_do_not_get_in(clos):
    """Nor by leaving before fpmd looks: a socket that was closed is root's for the kernel."""
    server = stock_servers(clos)[0]
    fpmd = clos.holdfast.processes[server]
    for turn, manner in enumerate(["waits", "leaves", "waits"], 1):
        if manner == "leaves":
            fpmd.send_signal(signal.SIGSTOP)
        try:
            clos.run.execute(server, [sys.executable, "-c", INTRUDER, manner])
            time.sleep(0.3)  # its socket is in TIME_WAIT
        finally:
            fpmd.send_signal(signal.SIGCONT)
        assert eventually(lambda: clos.show(server, "counters")["fpm"]["refused"] == turn)
    assert clos.show(server, "")["zebraConnected"]
    assert "zebra disconnected" not in log_of(clos, server)
    assert "a connection of user 65534 is refused" in log_of(clos, server)


def test_drain_and_add(clos):
    """Strays reach their owners from hosts with and without our module."""
    drained = clos.topology.servers[0].name
    client = clos.connect()
    before = clos.detours()
    detour_some(clos, drained)
    server = busiest(clos)
    shown = clos.run.execute(server, [clos.holdfast.fpmd, "--show", "pins"])
    assert "pins, at most 1048576" in shown and topology.CLIENT_ADDRESS in shown
    pin = clos.show(server, "pins")["pins"][0]
    words = [pin["client"], str(pin["clientPort"]), pin["vip"], str(pin["vipPort"])]
    assert pin["owner"] in clos.run.execute(server, [clos.holdfast.fpmd, "--show", "flow", *words])
    outcome = Outcome(clos, client)
    outcome.all_lived()
    detours_are_what_moved(clos, outcome, before)

    client = clos.connect()
    before = clos.detours()
    clos.network.announce(drained)
    clos.network.await_convergence()
    time.sleep(1)
    outcome = Outcome(clos, client)
    outcome.all_lived()
    assert drained not in outcome.owners.values()
    detours_are_what_moved(clos, outcome, before)


def test_link_loss_and_return(clos):
    """Groups change in place, or others take their place."""
    server = clos.topology.servers[1].name
    client = clos.connect()
    clos.network.cut((clos.topology.uplinks(server)[0], server))
    time.sleep(2)
    Outcome(clos, client).all_lived()
    client = clos.connect()
    clos.network.mend((clos.topology.uplinks(server)[0], server))
    clos.network.await_convergence()
    time.sleep(1)
    Outcome(clos, client).all_lived()
    for name in stock_servers(clos):
        assert not clos.show(name, "")["problems"], name


def test_fpmd_is_killed(clos):
    client = clos.connect()
    detour_some(clos, clos.topology.servers[0].name)
    server = max(stock_servers(clos), key=lambda name: len(clos.pins(name)))
    pins, kernel = clos.pins(server), clos.kernel_pins(server)
    assert pins and set(pins) == kernel
    clos.holdfast.kill(clos.network, server)
    clos.holdfast.start(clos.network, server)
    # zebra needs 3 s to connect again, and then the replay has to be over.
    clos.holdfast.await_ready(clos.network)
    assert clos.pins(server).items() >= pins.items() and clos.kernel_pins(server) >= kernel
    Outcome(clos, client).all_lived()


def test_zebra_ends(clos):
    """Its routes stay in the kernel, and what fpmd knows stays until a new zebra has told otherwise."""
    client = clos.connect()
    detour_some(clos, clos.topology.servers[0].name)
    server = max(stock_servers(clos), key=lambda name: len(clos.pins(name)))
    pins = clos.pins(server)
    assert pins
    clos.network.stop_daemon(server, "zebra", signal.SIGTERM)
    assert eventually(lambda: not clos.show(server, "")["zebraConnected"])
    assert "not connected: is dplane_fpm_nl loaded" in clos.run.execute(
        server, [clos.holdfast.fpmd, "--show", "summary"])
    assert clos.pins(server) == pins
    clos.network.start_daemon(server, "zebra")
    assert eventually(lambda: clos.show(server, "")["zebraConnected"], 10)
    clos.await_bgpd(server)
    clos.holdfast.await_ready(clos.network)
    assert clos.pins(server).items() >= pins.items()
    Outcome(clos, client).all_lived(but=server)


def test_the_file_is_read_again(clos):
    client = clos.connect()
    detour_some(clos, clos.topology.servers[0].name)
    server = max(stock_servers(clos), key=lambda name: len(clos.pins(name)))
    pins = clos.pins(server)
    assert pins
    fpmd = clos.holdfast.processes[server]
    path = clos.holdfast.config_file(clos.network, server)

    def reread(wanted):
        fpmd.send_signal(signal.SIGHUP)
        assert eventually(lambda: wanted in log_of(clos, server)), log_of(clos, server)[-1000:]

    check = [clos.holdfast.fpmd, "--config", path, "--check"]
    try:
        clos.run.execute(server, check)
        clos.holdfast.write_config(clos.network, server, "flows lifetime 3")
        wanted = f"{path} line 6: 3 is not in 5-86400"
        done = clos.run.execute(server, ["sh", "-c", f"{' '.join(map(str, check))} 2>&1; echo $?"])
        assert done == f"{wanted}\n1\n"
        reread(f"configuration refused, the last one stays: {wanted}")
        assert clos.show(server, "")["problems"] == [f"configuration refused, the last one stays: {wanted}"]
        # Another range: zebra has to tell all routes again, and nothing goes meanwhile.
        clos.holdfast.write_config(clos.network, server, "member-range 10.254.0.0/24", "debug bgp")
        reread("line 7: `debug bgp` begins no line of the block")
        clos.holdfast.write_config(clos.network, server, "member-range 10.254.0.0/24")
        reread("was read again")
        time.sleep(RECONNECT + QUIET + 1)
        summary = clos.show(server, "")
        assert summary["zebraConnected"] and not summary["problems"]
        clos.holdfast.await_ready(clos.network)
        assert clos.pins(server).items() >= pins.items()
    finally:
        clos.holdfast.write_config(clos.network, server)
        fpmd.send_signal(signal.SIGHUP)
    time.sleep(RECONNECT + QUIET + 1)
    Outcome(clos, client).all_lived()
