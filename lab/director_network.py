# SPDX-License-Identifier: GPL-2.0-or-later
"""What befalls a network of lab.director_topology: a way to the VIP is withdrawn, announced, weighted, shut or
silenced, and the client moves from one edge to the other. Used from one thread."""

import json
import time

from lab import topology
from lab.network import CONVERGE_TIMEOUT, Network
from lab.run import LabError

_SILENCE = "silence"


class DirectorNetwork(Network):
    def __init__(self, run, description, holdfast=None):
        super().__init__(run, description, holdfast)
        self.withdrawn = set()  # ways
        self.weights = {}  # way -> link bandwidth in Mb/s
        self.silent = set()  # nodes
        self.shut_sessions = set()  # (node, neighbour)

    def start_daemons(self, node):
        super().start_daemons(node)
        self.withdrawn.discard(node)
        self.weights.pop(node, None)
        self.shut_sessions -= {(name, neighbor) for name, neighbor in self.shut_sessions if name == node}

    # --- policy ---

    def withdraw_way(self, way):
        """The edges lose the VIP by this way and nothing else."""
        self._policy(way, self.topology.withdraw_lines())
        self.withdrawn.add(way)

    def announce_way(self, way):
        self._policy(way, self.topology.announce_lines())
        self.withdrawn.discard(way)

    def weigh(self, bandwidths):
        """Announces the VIP with link bandwidths: way -> Mb/s, None being none."""
        for way, bandwidth in bandwidths.items():
            lines = self.topology.unweight_lines() if bandwidth is None else self.topology.weight_lines(bandwidth)
            self._policy(way, lines)
            if bandwidth is None:
                self.weights.pop(way, None)
            else:
                self.weights[way] = bandwidth

    def _policy(self, way, lines):
        # FRR looks at a changed route-map only seconds later, unless it is told to.
        with self.vty(way, "bgpd") as vty:
            vty.configure(lines)
            for edge in self.topology.edges:
                for neighbor in self.topology.nodes[way].neighbors:
                    if neighbor.peer == edge.name:
                        vty.command(f"clear bgp ipv4 unicast {neighbor.address or neighbor.interface} soft out")

    # --- sessions and links ---

    def shut(self, *sessions):
        """Ends BGP sessions, each (node, lab.topology.Neighbor); the links stay."""
        for node, neighbor in sessions:
            self._neighbor(node, neighbor, "shutdown")
            self.shut_sessions.add((node, neighbor))

    def open(self, *sessions):
        for node, neighbor in sessions:
            self._neighbor(node, neighbor, "shutdown", no="no ")
            self.shut_sessions.discard((node, neighbor))

    def _neighbor(self, node, neighbor, what, no=""):
        name = neighbor.address or neighbor.interface
        with self.vty(node, "bgpd") as vty:
            vty.configure([f"router bgp {self.topology.nodes[node].asn}", f"{no}neighbor {name} {what}"])

    def silence(self, node, interface):
        """Nothing passes a cable any more, and both ends keep their carrier."""
        rules = f"""table inet {_SILENCE} {{
chain in {{ type filter hook prerouting priority -400; iifname {interface} drop; }}
chain out {{ type filter hook postrouting priority 400; oifname {interface} drop; }}
}}
"""
        self.run.execute(node, ["nft", "-f", "-"], input=rules)
        self.silent.add(node)

    def client_uses(self, edge):
        self.ip(topology.CLIENT, f"route replace {self.topology.client_route(edge)}")

    # --- state ---

    def vip_route(self, node):
        """The node's next hops of the VIP in the kernel's order, each (interface, weight)."""
        listed = json.loads(self.run.execute(node, ["ip", "-j", "route", "show", f"{topology.VIP}/32"]) or "[]")
        return [
            (hop["dev"], hop.get("weight", 1))
            for route in listed for hop in route.get("nexthops", [route])
            if not {"dead", "linkdown"} & set(hop.get("flags", []))
        ]  # fmt: skip

    def await_vip_route(self, node, condition, timeout=CONVERGE_TIMEOUT):
        """Waits until condition(vip_route) holds. Returns the route."""
        end = time.monotonic() + timeout
        while not condition(route := self.vip_route(node)):
            if time.monotonic() > end:
                raise LabError(f"{node}: the route of the VIP stays {route}")
            time.sleep(0.02)
        return route

    def next_hop_ids(self, node):
        """Interface -> id of the kernel's next-hop object, of those in the group that FRR made for the VIP."""
        listed = json.loads(self.run.execute(node, ["ip", "-j", "nexthop", "show"]) or "[]")
        objects = {entry["id"]: entry for entry in listed}
        [route] = json.loads(self.run.execute(node, ["ip", "-j", "route", "show", f"{topology.VIP}/32"]))
        group = objects[route["nhid"]].get("group", [{"id": route["nhid"]}])
        return {objects[part["id"]]["dev"]: part["id"] for part in group}

    def restore(self):
        for node in list(self.silent):
            self.run.execute(node, ["nft", "delete", "table", "inet", _SILENCE])
            self.silent.discard(node)
        self.open(*list(self.shut_sessions))
        for way in list(self.withdrawn):
            self.announce_way(way)
        self.weigh({way: None for way in self.weights})
        return super().restore()
