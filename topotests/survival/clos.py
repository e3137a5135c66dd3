# SPDX-License-Identifier: GPL-2.0-or-later
"""
The Clos of lab/topology.py, built with FRR's topotest library: its routers are the library's, each with
a mount namespace and so an /etc/frr and a /var/run/frr of its own, as on real hosts. The applications,
events and figures are the lab's own; only the way into a node differs.
"""
import ctypes
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

from lib.micronet_compat import Mininet
from lib.topogen import Topogen, TopoRouter

CONFTEST = sys.modules["conftest"]
sys.path.insert(0, CONFTEST.TOP)

from lab import topology  # noqa: E402
from lab.holdfast import Holdfast  # noqa: E402
from lab.measure import Meters  # noqa: E402
from lab.network import DAEMONS, Network  # noqa: E402
from lab.run import PR_SET_PDEATHSIG, LabError, Run  # noqa: E402
from lab.traffic import Applications, Client  # noqa: E402

SESSIONS = 120
RD = {"zebra": TopoRouter.RD_ZEBRA, "bfdd": TopoRouter.RD_BFD, "bgpd": TopoRouter.RD_BGP, "mgmtd": "mgmtd"}

libc = ctypes.CDLL(None)


class TopotestRun(Run):
    """The lab's commands and processes, inside of the library's nodes. It owns no namespace."""

    def __init__(self, tgen):  # pylint: disable=super-init-not-called
        self.tgen = tgen
        self.directory = pathlib.Path(tgen.logdir)
        self.children = []

    def namespace(self, node):
        return self.tgen.gears[node].net.pid

    def _inside(self, node, argv):
        return ["nsenter", "-a", "-F", "-t", self.namespace(node), *argv]

    def _entry(self, node):
        return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def spawn(self, node, argv, log, **options):
        return super().spawn(node, self._inside(node, argv), log, **options)

    def execute(self, node, argv, check=True, timeout=20, **options):
        return super().execute(node, self._inside(node, argv), check, timeout, **options)

    def close(self):
        self.stop(list(self.children), signal.SIGKILL)


class Daemon:
    """A daemon that went into the background, with what the lab needs of a Popen object."""

    def __init__(self, pid):
        self.descriptor = os.pidfd_open(pid)

    def poll(self):
        return 0 if select.select([self.descriptor], [], [], 0)[0] else None

    def send_signal(self, number):
        signal.pidfd_send_signal(self.descriptor, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=None):
        if not select.select([self.descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("daemon", timeout)

    def __del__(self):
        os.close(self.descriptor)


class TopotestNetwork(Network):
    """Namespaces, cables and daemons are made by the library; the events are the lab's."""

    def __init__(self, tgen, description, holdfast):
        super().__init__(TopotestRun(tgen), description, holdfast)
        self.tgen = tgen
        self.lost_zebra = set()  # nodes whose bgpd lived on without a zebra for a while
        self.graceful = set()  # nodes whose bgpd is started to restart gracefully: without BFD, which is against it

    def _ip(self, commands, node=None):
        self.run.execute(node, ["ip", "-batch", "-"], input=commands)

    def directory(self, node):
        # Not /var/run: an absolute symbolic link leads back into the mount namespace of these tests.
        return pathlib.Path(f"/proc/{self.run.namespace(node)}/root/run/frr")

    def set_addresses(self):
        for name, node in self.topology.nodes.items():
            lines = [f"addr add {address} dev lo" for address in node.addresses]
            for link in self.topology.links:
                if name == link.left and node.runs_frr:
                    lines.append(f"addr add {link.left_address} dev {link.right}")
                elif name == link.right and node.runs_frr:
                    lines.append(f"addr add {link.right_address} dev {link.left}")
            if lines:
                self.ip(name, *lines)

    def start_daemons(self, node):
        for daemon in (*self._beside(node), *DAEMONS):
            self.start_daemon(node, daemon)
        self.holdfast.configure_started(self, self.topology.nodes[node])

    def start_daemon(self, node, daemon):
        description = self.topology.nodes[node]
        extra = self.holdfast.zebra_config(description)
        text = {
            "zebra": lambda: self.topology.zebra_config(description, extra),
            "bfdd": lambda: topology.bfdd_config(description),
            "bgpd": lambda: self.topology.bgpd_config(description, node in self.serving),
            "mgmtd": lambda: "",
        }[daemon]()
        if daemon == "bgpd" and node in self.graceful:
            text = text.replace(" bgp graceful-restart-disable\n",
                                " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n")
            text = text.replace(" neighbor FABRIC bfd profile fabric\n", "")
        source = self.run.directory / node / f"{daemon}.conf"
        source.write_text(text)
        arguments = self._beside(node).get(daemon, [])
        if daemon == "zebra" and description.runs_holdfast:
            arguments = self.holdfast.zebra_arguments(self, node)
        router = self.tgen.gears[node]
        router.load_config(RD[daemon], str(source), " ".join(map(str, arguments)))
        (self.directory(node) / f"{daemon}.pid").unlink(missing_ok=True)
        failed = router.net.startRouterDaemons([daemon])
        assert not failed, f"{node}: {failed}"
        self.daemons[node, daemon] = Daemon(self._await_pid(node, daemon))

    def _await_pid(self, node, daemon):
        """FRR writes it a moment after the daemon went into the background."""
        path = self.directory(node) / f"{daemon}.pid"
        for _ in range(500):
            text = path.read_text() if path.exists() else ""
            if text.endswith("\n"):
                return int(text)
            time.sleep(0.01)
        raise LabError(f"{node}: {daemon} does not start: see {self.run.directory}/{node}")

    def stop_daemon(self, node, daemon, sig=signal.SIGTERM):
        self.run.stop([self.daemons.pop((node, daemon))], sig, 5)
        if daemon == "zebra":
            self.lost_zebra.add(node)

    def restore(self):
        # A bgpd 8.4.4 that lost zebra once does not withdraw any more what it redistributes.
        for node in self.lost_zebra:
            self.stop_daemon(node, "bgpd")
        self.lost_zebra.clear()
        return super().restore()


class TopotestHoldfast(Holdfast):
    def zebra_arguments(self, network, node):
        """As README.md has it."""
        return [*super().zebra_arguments(network, node), "-r", "-K 60"]

    def bpf_arguments(self, network):
        return []

    def _socket(self, network, server):
        return "/var/run/frr/fpmd.sock"


class Clos:
    """All of it, in service. close() removes it, whatever its state is."""

    def __init__(self, name, servers=6, seed=1, holdfast=TopotestHoldfast):
        self.topology = topology.Topology(servers, seed)
        self.holdfast = holdfast(CONFTEST.BUILD)
        try:
            self.tgen = Topogen(self._add_gears, name)
        except BaseException:
            if Mininet.g_mnet_inst:
                Mininet.g_mnet_inst.stop()
            raise
        self.network = TopotestNetwork(self.tgen, self.topology, self.holdfast)
        self.run = self.network.run
        self.applications = Applications(self.run, self.topology, CONFTEST.BUILD)
        self.meters = Meters(self.run, self.topology)
        self.untouched = {}  # kernel_state() before Holdfast came
        self.next_port = 10000
        self.client = None  # the last one, and its ports
        self.ports = range(0)

    def _add_gears(self, tgen):
        for name, node in self.topology.nodes.items():
            if node.role == topology.CLIENT:
                tgen.add_host(name, f"{topology.CLIENT_ADDRESS}/24", f"via {topology.EDGE_ADDRESS}")
            else:
                tgen.add_router(name)
            # The library makes a router of everything; the order matters, it resets others.
            settings = {"net.ipv4.ip_forward": 0, "net.ipv4.fib_multipath_use_neigh": 0}
            settings.update(self.topology.sysctls(node))
            tgen.gears[name].cmd_raises(["sysctl", "-q", "-w", *[f"{k}={v}" for k, v in settings.items()]])
        for link in self.topology.links:
            left, right = tgen.gears[link.left], tgen.gears[link.right]
            tgen.add_link(left, right, link.right, link.left)
            left.cmd_raises(f"ip link set {link.right} mtu {link.mtu}")
            right.cmd_raises(f"ip link set {link.left} mtu {link.mtu}")

    def start(self):
        self.tgen.start_topology()
        self.network.set_addresses()
        self.meters.install()
        self.untouched = {server.name: self.kernel_state(server.name) for server in self.topology.servers}
        self.holdfast.make_key(self.network)
        self.holdfast.prepare(self.network)
        for node in self.topology.nodes.values():
            if node.runs_frr:
                self.network.start_daemons(node.name)
        self.applications.start_all()
        self.network.await_convergence()
        self.holdfast.await_ready(self.network)

    def restore(self):
        """Everything up and in service again."""
        if self.client:
            self.run.stop([self.client.process], signal.SIGKILL)
        self.applications.restart_dead()
        self.holdfast.start_missing(self.network)
        self.network.restore()
        self.holdfast.await_ready(self.network)

    def await_bgpd(self, node, timeout=20):
        """Waits until bgpd has found a new zebra, and BGP has converged."""
        end = time.monotonic() + timeout
        with self.network.vty(node, "zebra") as vty:
            while "bgp" not in vty.command("show zebra client summary"):
                assert time.monotonic() < end, f"{node}: bgpd does not find zebra"
                time.sleep(0.1)
        time.sleep(1)
        self.network.await_convergence()

    def dead(self):
        """Names of daemons that ended though nobody ended them."""
        names = [f"{node}: {daemon}" for (node, daemon), one in self.network.daemons.items() if one.poll() is not None]
        return names + [f"{server}: fpmd" for server in self.holdfast.crashed()]

    def close(self):
        try:
            self.run.close()
            self.run.stop(list(self.network.daemons.values()), signal.SIGTERM)
        finally:
            self.tgen.stop_topology()

    def connect(self, sessions=SESSIONS):
        """Opens sessions from ports that no earlier test used, and waits until all have replies."""
        self.meters.reset()
        first = self.next_port
        self.next_port += sessions + 10
        self.ports = range(first, first + sessions)
        self.client = Client(self.run, CONFTEST.BUILD, sessions, first, first, ramp_ms=500)
        self.client.await_ready()
        return self.client

    # --- questions ---

    def show(self, server, topic):
        """`show holdfast TOPIC json`; fails if it is not answered."""
        return self.holdfast.show(self.network, server, topic)

    def pins(self, server):
        """{client port: owner's member address} of a server, for the sessions of the last connect().
        Pins of sessions that ended are forgotten at leisure."""
        listed = self.show(server, "pins")["pins"]
        return {pin["clientPort"]: pin["owner"] for pin in listed if pin["clientPort"] in self.ports}

    def kernel_pins(self, server):
        """The same ports as the kernel itself has them."""
        listed = json.loads(self.run.execute(server, ["nft", "-j", "list", "map", "ip", "holdfast", "pins"]))
        ports = set()
        for entry in listed["nftables"]:
            for element in entry.get("map", {}).get("elem", []):
                ports.add(element[0]["concat"][1])
        return ports & set(self.ports)

    def bgp_routes(self, server):
        return self.run.execute(server, ["ip", "route", "show", "proto", "bgp"])

    def detours(self):
        return self.holdfast.totals(self.network)["detours"]

    def records_of(self, owner):
        """How many records of an owner all directories together hold."""
        member = self.topology.nodes[owner].member
        return sum(
            one["records"]
            for server in self.holdfast.processes
            for one in self.show(server, "members")["members"] if one["address"] == member
        )  # fmt: skip

    def kernel_state(self, server):
        """All in a server's kernel that Holdfast might change, but for the routes of BGP."""
        run = lambda *argv: self.run.execute(server, argv)  # noqa: E731
        links = [line.split(": ")[1].split("@")[0] for line in run("ip", "-o", "link").splitlines()]
        # A device may go meanwhile.
        shown = lambda link: self.run.execute(server, ["tc", "filter", "show", "dev", link, "ingress"], False)  # noqa: E731
        filters = {link: shown(link) for link in links}
        routes = run("ip", "-N", "route", "show", "table", "all").splitlines()
        settings = run("sysctl", "-a", "-r", r"^net\.ipv4\.(ip_forward|conf|tcp_[a-z_]+|fib_[a-z_]+)")
        return {
            "rules": run("ip", "rule"),
            "links": links,
            "qdiscs": run("tc", "qdisc"),
            "filters": filters,
            "tables of nftables": run("nft", "list", "tables"),
            "routes": sorted(line for line in routes if "proto 79" in line or "table 7939" in line),
            "local routes": run("ip", "route", "show", "table", "local"),
            "settings": sorted(line for line in settings.splitlines() if "_mem" not in line),
        }
