# SPDX-License-Identifier: GPL-2.0-or-later
"""Holdfast on the nodes of a lab that run it: zebra's module, one fpmd a node, configuration, and its own figures.

The only place that knows how Holdfast is started, configured and asked.
"""

import json
import os
import pathlib
import secrets
import shutil
import time

from lab import topology
from lab.run import LabError

FLOW_LIFETIME_S = 900  # of zebra-plugin/holdfast_config.c
READY_TIMEOUT = 15.0
FPMD_NICE = "-10"  # as in its unit

# Figure of the report -> (group, counter) of `show holdfast counters json`.
COUNTERS = {
    "strays": ("fpmd", "strays"),
    "detours": ("fpmd", "detours"),
    "lookups": ("fpmd", "lookups"),
    "lookup_messages": ("fpmd", "lookupMessages"),
}


class Holdfast:
    def __init__(self, build):
        build = pathlib.Path(build).resolve()
        self.module = build / "zebra-plugin" / ".libs" / "zebra_holdfast.so"
        self.fpmd = build / "fpmd" / "fpmd"
        # Where zebra gets its configuration from mgmtd, that has a module, and the commands.
        mgmtd_module = build / "zebra-plugin" / ".libs" / "mgmtd_holdfast.so"
        self.mgmtd_module = mgmtd_module if mgmtd_module.exists() else None
        for path in (self.module, self.fpmd):
            if not path.exists():
                raise LabError(f"{path} is missing: build the tree first")
        self.key_file = None
        self.processes = {}
        self.retired = {}  # counters of fpmds that were killed

    def make_key(self, network):
        """Before the configuration is written: the key that all members share."""
        self.key_file = network.run.directory / "holdfast.key"
        self.key_file.write_text(f"1 {secrets.token_hex(32)}\n")
        os.chmod(self.key_file, 0o600)
        shutil.chown(self.key_file, "frr", "frr")

    def prepare(self, network):
        """Before zebra starts: an fpmd on each node that runs Holdfast."""
        for node in network.topology.holdfast_nodes:
            self.start(network, node)

    def block(self, node):
        """Lines of the block."""
        return [
            "holdfast", f" prefix {topology.VIP}/32", f" member-range {topology.MEMBER_RANGE}",
            f" local-member {node.member}", f" directory key-file {self.key_file}", "exit",
        ]  # fmt: skip

    def zebra_config(self, node):
        """Of zebra's own file."""
        return "".join(f"{line}\n" for line in self.block(node)) if node.runs_holdfast and not self.mgmtd_module else ""

    def daemons(self, node):
        """What runs beside zebra on a node, and starts before it: {daemon: more arguments}."""
        return {"mgmtd": ["-M", self.mgmtd_module]} if node.runs_holdfast and self.mgmtd_module else {}

    def configure_started(self, network, node):
        """When the daemons of a node were started: what is in no file of theirs."""
        if not self.daemons(node):
            return
        end = time.monotonic() + READY_TIMEOUT
        while True:
            try:
                with network.vty(node.name, "mgmtd") as vty:
                    vty.configure(self.block(node))
                return
            except LabError:  # mgmtd has no time for us while it configures a zebra that just started
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def zebra_arguments(self, network, node):
        return ["-M", f"{self.module}:{self._socket(network, node)}"]

    def bpf_arguments(self, network):
        """What is recorded outlives a killed fpmd, but not the run."""
        return ["--bpf-directory", network.run.mount_bpf()]

    def _socket(self, network, server):
        return network.directory(server) / "fpmd.sock"

    def start(self, network, server, wrapper=()):
        argv = [
            "nice", "-n", FPMD_NICE, *wrapper, self.fpmd, "--user", "frr", "--socket", self._socket(network, server),
            *self.bpf_arguments(network),
        ]  # fmt: skip
        self.processes[server] = network.run.spawn(server, argv, f"{server}/fpmd.log")

    def retire(self, network, server):
        """Takes down the counters of an fpmd that is about to die, for totals(). Returns its process."""
        process = self.processes.pop(server, None)
        if process and process.poll() is None and _serves(network, server):
            for name, value in self.counters(network, server).items():
                self.retired[name] = self.retired.get(name, 0) + value
        return process

    def kill(self, network, server):
        """kill -9."""
        if process := self.retire(network, server):
            network.run.stop([process], 9)

    def signal(self, nodes, number):
        """Sends a signal to the fpmd of each node."""
        for node in nodes:
            self.processes[node].send_signal(number)

    def kill_all(self, network):
        for node in network.topology.holdfast_nodes:
            self.kill(network, node)

    def start_missing(self, network):
        for node in network.topology.holdfast_nodes:
            process = self.processes.get(node)
            if not process or process.poll() is not None:
                self.start(network, node)

    def crashed(self):
        """Names of servers whose fpmd ended without being asked to."""
        return [server for server, process in self.processes.items() if process.poll() is not None]

    # --- questions ---

    def ask(self, network, server, topic):
        """`show holdfast TOPIC json`, or None as long as zebra or fpmd does not answer."""
        try:
            with network.vty(server, "zebra") as vty:
                answer = json.loads(vty.command(f"show holdfast {topic} json", check=False))
        except (LabError, ValueError):
            return None
        return None if "error" in answer else answer

    def show(self, network, server, topic):
        """The same, where an answer is due."""
        answer = self.ask(network, server, topic)
        if answer is None:
            raise LabError(f"{server}: show holdfast {topic} is not answered")
        return answer

    def counters(self, network, server):
        answer = self.show(network, server, "counters")
        return {name: answer[group][key] for name, (group, key) in COUNTERS.items()}

    def _servers(self, network):
        """Names of the servers whose fpmd was started."""
        return [node for node in self.processes if _serves(network, node)]

    def totals(self, network):
        """The counters of COUNTERS over all servers, killed fpmds included; not those of directors."""
        totals = {name: self.retired.get(name, 0) for name in COUNTERS}
        for server in self._servers(network):
            for name, value in self.counters(network, server).items():
                totals[name] += value
        return totals

    def pins(self, network, owner=None):
        """How many pins all servers that run have, those to one owner (a server's name) if given."""
        member = owner and network.topology.nodes[owner].member
        count = 0
        for server in self._servers(network):
            listed = self.show(network, server, "pins")["pins"]
            count += sum(member in (None, pin["owner"]) for pin in listed)
        return count

    def pins_taken_over(self, network, server):
        """How many pins the fpmd of a server found in the kernel when it started."""
        return self.show(network, server, "counters")["fpmd"]["pinsTakenOver"]

    def await_ready(self, network):
        """Waits until every member has every member in its ring."""
        end = time.monotonic() + READY_TIMEOUT
        nodes = network.topology.holdfast_nodes
        count = len(nodes)
        for node in nodes:
            while True:
                members = (self.ask(network, node, "members") or {}).get("members", [])
                in_ring = sum(member.get("state") == "in ring" for member in members)
                if in_ring == count:
                    break
                if time.monotonic() > end:
                    raise LabError(f"{node}: {in_ring} of {count} members are in the ring")
                time.sleep(0.1)

    def set_timers(self, network, seconds):
        """Every expiry of Holdfast at *seconds*; None: the defaults again."""
        names = ("directory record-lifetime", "pins check-interval", "flows lifetime")
        lines = [f"no {name}" if seconds is None else f"{name} {seconds}" for name in names]
        self.configure(network, lines, "flowLifetimeSec", FLOW_LIFETIME_S if seconds is None else seconds)

    def configure(self, network, lines, key, value):
        """Adds *lines* to the `holdfast` block of every node, and waits until `show holdfast paths` tells *value*."""
        nodes = network.topology.holdfast_nodes
        for node in nodes:
            with network.vty(node, "mgmtd" if self.mgmtd_module else "zebra") as vty:
                vty.configure(["holdfast", *lines])
        end = time.monotonic() + READY_TIMEOUT
        while any((self.ask(network, node, "paths") or {}).get(key) != value for node in nodes):
            if time.monotonic() > end:
                raise LabError(f"{lines[-1]}: not everywhere in effect")
            time.sleep(0.02)
        self.await_ready(network)


def _serves(network, node):
    return network.topology.nodes[node].role == topology.SERVER
