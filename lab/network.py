# SPDX-License-Identifier: GPL-2.0-or-later
"""The topology made real: namespaces, cables, stock FRR daemons, and the events that befall them.

Used from one thread. After build() every method leaves the network in a state that restore() can mend.
"""

import json
import pathlib
import platform
import shutil
import subprocess
import time

from lab import topology
from lab.run import LabError
from lab.vty import Vty

FRR_DIR = pathlib.Path("/usr/lib/frr")
HASH_SEED = pathlib.Path("/proc/sys/net/ipv4/fib_multipath_hash_seed")
DAEMONS = ("zebra", "bfdd", "bgpd")
CONVERGE_TIMEOUT = 30.0
NEXT_HOP_KEEP = 1.0  # seconds; as configured by lab.topology


def check_kernel():
    """Raises LabError if the kernel cannot give each switch a hash of its own."""
    if not HASH_SEED.exists():
        raise LabError(
            f"this kernel, {platform.release()}, has no net.ipv4.fib_multipath_hash_seed, without which all switches"
            " hash alike: boot Linux 6.11 or later (on Debian 12: linux-image-amd64 from bookworm-backports)"
        )


class Network:
    """*holdfast*: None for stock FRR, else what lab.holdfast gives."""

    def __init__(self, run, description, holdfast=None):
        self.run = run
        self.topology = description
        self.holdfast = holdfast
        self.daemons = {}  # (node, daemon) -> process
        self.serving = {server.name for server in description.servers}
        self.down = set()  # (node, interface)

    # --- building ---

    def build(self):
        self._make_namespaces()
        self._make_links()
        if self.holdfast:
            self.holdfast.make_key(self)
        for node in self.topology.nodes.values():
            if node.runs_frr:
                self._write_configuration(node)
        if self.holdfast:
            self.holdfast.prepare(self)
        nodes = [name for name, node in self.topology.nodes.items() if node.runs_frr]
        for name in nodes:
            self._start_first(name)
        for name in nodes:
            self._start_others(name)

    def _make_namespaces(self):
        names = [self.run.namespace(name) for name in self.topology.nodes]
        self._ip("".join(f"netns add {name}\n" for name in names))
        for name, node in self.topology.nodes.items():
            self._sysctl(name, self.topology.sysctls(node))

    def _sysctl(self, node, settings):
        self.run.execute(node, ["sysctl", "-q", "-w", *[f"{key}={value}" for key, value in settings.items()]])

    def _make_links(self):
        # The two ends of a cable get different indices: if they are equal by chance, the kernel takes the device
        # for one without a lower half and reports its carrier up to a second late.
        lines = []
        for number, link in enumerate(self.topology.links):
            left, right = self.run.namespace(link.left), self.run.namespace(link.right)
            lines.append(
                f"link add {link.left_interface} index {100 + 2 * number} mtu {link.mtu} netns {left} type veth "
                f"peer name {link.right_interface} index {101 + 2 * number} mtu {link.mtu} netns {right}"
            )
        self._ip("\n".join(lines) + "\n")
        for name, node in self.topology.nodes.items():
            lines = ["link set lo up"] + [f"addr add {address} dev lo" for address in node.addresses]
            ends = [(end, link) for link in self.topology.links for end in link.ends if end[0] == name]
            for (_, interface, address), link in ends:
                if link.unnumbered:
                    self._sysctl(name, topology.link_local_sysctls(interface))
                lines += [f"addr add {address} dev {interface}"] if address else []
                lines.append(f"link set {interface} up")
            self._ip("\n".join(lines + [f"route replace {route}" for route in node.routes]) + "\n", name)

    def _ip(self, commands, node=None):
        argv = ["ip"] + (["-n", self.run.namespace(node)] if node else []) + ["-batch", "-"]
        done = subprocess.run(argv, input=commands, text=True, capture_output=True, check=False)
        if done.returncode:
            raise LabError(f"{node or 'host'}: ip: {done.stderr.strip()}")

    def ip(self, node, *commands):
        """Runs ip commands ("link set x down") inside of a node."""
        self._ip("\n".join(commands) + "\n", node)

    # --- daemons ---

    def directory(self, node):
        return self.run.directory / node

    def _write_configuration(self, node):
        directory = self.directory(node.name)
        directory.mkdir(exist_ok=True)
        extra = self.holdfast.zebra_config(node) if self.holdfast else ""
        texts = {
            "zebra": self.topology.zebra_config(node, extra),
            "bfdd": topology.bfdd_config(node),
            "bgpd": self.topology.bgpd_config(node, node.name in self.serving),
        }
        for daemon, text in texts.items():
            (directory / f"{daemon}.conf").write_text(text)
            shutil.chown(directory / f"{daemon}.conf", "frr", "frr")
        shutil.chown(directory, "frr", "frr")

    def _beside(self, node):
        """{daemon: more arguments} of what runs on the node for Holdfast's sake."""
        return self.holdfast.daemons(self.topology.nodes[node]) if self.holdfast else {}

    def _start_first(self, node):
        for daemon in self._beside(node):
            self.start_daemon(node, daemon)
            self._await_socket(node, daemon)
        self.start_daemon(node, "zebra")

    def _start_others(self, node):
        self._await_socket(node, "zebra")
        if self.holdfast:
            self.holdfast.configure_started(self, self.topology.nodes[node])
        self.start_daemon(node, "bfdd")
        self.start_daemon(node, "bgpd")

    def start_daemon(self, node, daemon):
        directory = self.directory(node)
        beside = self._beside(node)
        argv = [
            FRR_DIR / daemon,
            *([] if daemon in beside else ["-f", directory / f"{daemon}.conf"]),
            *beside.get(daemon, []),
            "-i", directory / f"{daemon}.pid",
            "-z", directory / "zserv.api",
            "--vty_socket", directory,
            "-P", "0",
            "--log", f"file:{directory}/{daemon}.log",
        ]  # fmt: skip
        if beside and daemon in ("zebra", *beside):
            argv += ["-N", self.run.namespace(node)]  # sockets of the node's own between the two
        if daemon == "bfdd":
            argv += ["--bfdctl", directory / "bfdd.sock"]
        if daemon == "zebra" and self.holdfast and self.topology.nodes[node].runs_holdfast:
            argv += self.holdfast.zebra_arguments(self, node)
        for stale in (f"{daemon}.vty", f"{daemon}.pid"):
            (directory / stale).unlink(missing_ok=True)
        self.daemons[node, daemon] = self.run.spawn(node, argv, f"{node}/{daemon}.out")

    def start_daemons(self, node):
        self._write_configuration(self.topology.nodes[node])
        self._start_first(node)
        self._start_others(node)

    def kill_daemons(self, node, sig=9):
        """Kills the node's daemons where they stand; zebra's routes stay in the kernel."""
        names = (*self._beside(node), *DAEMONS)
        victims = [self.daemons.pop((node, daemon)) for daemon in names if (node, daemon) in self.daemons]
        self.run.stop(victims, sig)

    def _await_socket(self, node, daemon):
        path = self.directory(node) / f"{daemon}.vty"
        api = self.directory(node) / "zserv.api"
        end = time.monotonic() + 10
        while not (path.exists() and (daemon != "zebra" or api.exists())):
            process = self.daemons[node, daemon]
            if process.poll() is not None or time.monotonic() > end:
                log = self.directory(node) / f"{daemon}.out"
                raise LabError(f"{node}: {daemon} does not start: {log.read_text()[-500:]}")
            time.sleep(0.005)

    def vty(self, node, daemon):
        return Vty(self.directory(node) / f"{daemon}.vty")

    # --- events ---

    def withdraw(self, server):
        """BGP no longer announces the VIP; the host and its address stay."""
        self._bgp(server, topology.DRAIN_LINE)
        self.serving.discard(server)

    def announce(self, server):
        self._bgp(server, topology.SERVE_LINE)
        self.serving.add(server)

    def _bgp(self, server, line):
        node = self.topology.nodes[server]
        with self.vty(server, "bgpd") as vty:
            vty.configure([f"router bgp {node.asn}", "address-family ipv4 unicast", line])

    def remove_address(self, server):
        self.ip(server, f"addr del {topology.VIP}/32 dev lo")
        self.serving.discard(server)

    def add_address(self, server):
        self.ip(server, f"addr replace {topology.VIP}/32 dev lo")
        self.serving.add(server)

    def cut(self, *links):
        """Takes cables down, each (node, interface), at the end given; the other end loses its carrier."""
        for node, interface in links:
            self.ip(node, f"link set {interface} down")
            self.down.add((node, interface))

    def mend(self, *links):
        for node, interface in links:
            self.ip(node, f"link set {interface} up")
            self.down.discard((node, interface))

    def cut_node(self, node):
        """All cables of a node at once."""
        links = [(node, interface) for link in self.topology.links for end, interface, _ in link.ends if end == node]
        self.ip(node, *[f"link set {interface} down" for _, interface in links])
        self.down.update(links)

    def join(self, server):
        """The server leaves the network and joins it again as a new one: the switches have forgotten its
        next hops. It announces its member address only."""
        self.serving.discard(server)
        self.cut_node(server)
        self.kill_daemons(server)
        time.sleep(NEXT_HOP_KEEP + 0.5)
        self.start_daemons(server)
        self.mend(*[(server, interface) for interface in self.topology.uplinks(server)])

    # --- state ---

    def vip_next_hops(self, node):
        """Next hops of the VIP in the node's kernel that are in use."""
        listed = json.loads(self.run.execute(node, ["ip", "-j", "route", "show", f"{topology.VIP}/32"]) or "[]")
        return _count_next_hops(listed)

    def converged(self, serving=None):
        """None if every kernel has the routes it should have, else what is still amiss."""
        serving = self.serving if serving is None else serving
        for node, count in self.topology.expected_next_hops(serving).items():
            if self.vip_next_hops(node) != count:
                return f"{node}: {self.vip_next_hops(node)} of {count} next hops"
        for node in [node.name for node in self.topology.nodes.values() if node.runs_frr]:
            if not (wanted := self.topology.expected_ways(node)):
                continue
            listed = json.loads(self.run.execute(node, ["ip", "-j", "route", "show"]) or "[]")
            routes = {route["dst"]: _count_next_hops([route]) for route in listed}
            for destination, count in wanted.items():
                if routes.get(destination) != count:
                    return f"{node}: {routes.get(destination, 0)} of {count} ways to {destination}"
        return None

    def await_convergence(self, timeout=CONVERGE_TIMEOUT):
        """Waits until converged() is satisfied; returns the seconds it took."""
        start = time.monotonic()
        while (amiss := self.converged()) is not None:
            if time.monotonic() - start > timeout:
                raise LabError(f"no convergence within {timeout:.0f} s: {amiss}")
            time.sleep(0.1)
        return time.monotonic() - start

    def restore(self):
        """Everything up and in service again, whatever happened."""
        self.mend(*list(self.down))
        for name, node in self.topology.nodes.items():
            if node.routes:  # those that went with their link
                self.ip(name, *[f"route replace {route}" for route in node.routes])
        for name, node in self.topology.nodes.items():
            dead = node.runs_frr and [
                daemon for daemon in (*self._beside(name), *DAEMONS)
                if (name, daemon) not in self.daemons or self.daemons[name, daemon].poll() is not None
            ]  # fmt: skip
            if dead:
                self.kill_daemons(name)
                if node.role == topology.SERVER:
                    self.serving.add(name)
                self.start_daemons(name)
        for server in self.topology.servers:
            if server.name not in self.serving:
                self.add_address(server.name)
                self.announce(server.name)
        return self.await_convergence()


def _count_next_hops(routes):
    count = 0
    for route in routes:
        hops = route.get("nexthops", [route])
        count += sum(1 for hop in hops if not {"dead", "linkdown"} & set(hop.get("flags", [])))
    return count
