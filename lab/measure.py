# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab sees for itself, the same with stock FRR and with Holdfast: which flow's segments came to which
server by the fabric, which flows crossed which switch or uplink, and by which path a director sent them. One
nftables table of the lab's own a namespace; it counts and never changes a packet.

A flow is (client address, client port).
"""

import json

from lab import topology

TABLE = "lab"
_SET = "type ipv4_addr . inet_service; size 65536; flags dynamic;"
_TO = f"ip daddr {topology.VIP} ip protocol tcp"
_FROM = f"ip saddr {topology.VIP} ip protocol tcp"


def ruleset(description, node):
    """The nftables ruleset of a node, or None. A SYN founds a flow and a RST ends one: neither shows where
    a living flow goes."""
    if node.role == topology.SERVER:
        uplinks = description.uplinks(node.name)
        sets = [f"set seen {{ {_SET} }}"] + [f"set via_{leaf} {{ {_SET} }}" for leaf in uplinks]
        arriving = [f"iifname {leaf} {_TO} add @via_{leaf} {{ ip saddr . tcp sport }}" for leaf in uplinks]
        fabric = f"iifname {{ {', '.join(uplinks)} }}"
        arriving.append(f"{fabric} {_TO} tcp flags & (syn | rst) == 0 add @seen {{ ip saddr . tcp sport }}")
        leaving = [f"oifname {leaf} {_FROM} add @via_{leaf} {{ ip daddr . tcp dport }}" for leaf in uplinks]
        chains = _chain("prerouting", -310, arriving) + _chain("postrouting", 310, leaving)
    elif node.role in (topology.LEAF, topology.SPINE):
        sets = [f"set crossed {{ {_SET} }}"]
        chains = _chain(
            "forward",
            -310,
            [
                f"{_TO} add @crossed {{ ip saddr . tcp sport }}",
                f"{_FROM} add @crossed {{ ip daddr . tcp dport }}",
            ],
        )
    elif node.role == topology.EDGE and node.runs_holdfast:
        paths = [neighbor.interface for neighbor in node.neighbors]
        sets = [f"set left_{path} {{ {_SET} }}" for path in paths]
        leaving = [
            f"oifname {path} {_TO} tcp flags & rst == 0 add @left_{path} {{ ip saddr . tcp sport }}" for path in paths
        ]
        chains = _chain("postrouting", 310, leaving)
    else:
        return None
    return f"table ip {TABLE} {{\n" + "\n".join(sets) + "\n" + chains + "}\n"


def _chain(hook, priority, rules):
    lines = "\n".join(rules)
    return f"chain {hook} {{ type filter hook {hook} priority {priority}; policy accept;\n{lines}\n}}\n"


class Meters:
    def __init__(self, run, description):
        self.run = run
        self.topology = description
        self.rulesets = {
            name: text for name, node in description.nodes.items() if (text := ruleset(description, node))
        }

    def install(self):
        for node, text in self.rulesets.items():
            self.run.execute(node, ["nft", "-f", "-"], input=text)

    def reset(self):
        """Forgets all flows seen so far."""
        for node, text in self.rulesets.items():
            self.run.execute(node, ["nft", "-f", "-"], input=f"delete table ip {TABLE}\n{text}")

    def _flows(self, node, name):
        listed = json.loads(self.run.execute(node, ["nft", "-j", "list", "set", "ip", TABLE, name]))
        flows = set()
        for entry in listed["nftables"]:
            for element in entry.get("set", {}).get("elem", []):
                element = element.get("elem", {}).get("val", element) if "elem" in element else element
                flows.add(tuple(element["concat"]))
        return flows

    def seen_at(self, server):
        return self._flows(server, "seen")

    def crossed(self, node):
        """Flows that crossed a leaf or spine, in either direction."""
        return self._flows(node, "crossed")

    def crossed_uplink(self, server, leaf):
        return self._flows(server, f"via_{leaf}")

    def paths(self, edge):
        """Interface -> flows that a director sent out by it, tunnels not counted."""
        return {
            neighbor.interface: self._flows(edge, f"left_{neighbor.interface}")
            for neighbor in self.topology.nodes[edge].neighbors
        }

    def places(self):
        """(flow, server) for each server that a flow came to."""
        return {(flow, server.name) for server in self.topology.servers for flow in self.seen_at(server.name)}


def moved(places, owners):
    """Those of places() whose server is not the owner of the flow; *owners*: flow -> server."""
    return {(flow, server) for flow, server in places if owners.get(flow, server) != server}
