# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's Clos as data: nodes, links, addresses, AS numbers, and the FRR configuration of every node.

Pure: no I/O, so that the topotests build the same network with their own library. Everything follows from the
number of servers and the seed.
"""

import dataclasses
import random

VIP = "192.0.2.80"
MEMBER_RANGE = "10.255.0.0/24"
CLIENT_NET = "198.51.100.0/24"
EDGE_ADDRESS = "198.51.100.1"
CLIENT_ADDRESS = "198.51.100.10"
SPINES = 2
LEAVES = 3
SERVERS = range(3, 101)
FABRIC_MTU = 9000
CLIENT_MTU = 1500
BFD_INTERVAL_MS = 300
BFD_MULTIPLIER = 3

SPINE, LEAF, SERVER, EDGE, CLIENT = "spine", "leaf", "server", "edge", "client"


@dataclasses.dataclass
class Node:
    """A namespace. *neighbors*: (peer name, peer address, peer AS number)."""

    name: str
    role: str
    number: int
    asn: int = 0
    router_id: str = ""
    hash_seed: int = 0
    addresses: list = dataclasses.field(default_factory=list)  # on lo
    neighbors: list = dataclasses.field(default_factory=list)

    @property
    def runs_frr(self):
        return self.role != CLIENT

    @property
    def member(self):
        """The unicast address of a server, which its sessions' owner is known by."""
        return f"10.255.0.{self.number}" if self.role == SERVER else None


@dataclasses.dataclass(frozen=True)
class Link:
    """A cable; each end's interface bears the name of the node at the other end."""

    left: str
    left_address: str
    right: str
    right_address: str
    mtu: int = FABRIC_MTU


class Topology:
    def __init__(self, servers=6, seed=1):
        self.nodes = {}
        self.links = []
        self._add_nodes(servers)
        self._add_links()
        chance = random.Random(seed)
        for node in self.nodes.values():
            node.hash_seed = chance.randrange(1, 2**31)

    def of_role(self, role):
        return [node for node in self.nodes.values() if node.role == role]

    @property
    def servers(self):
        return self.of_role(SERVER)

    @property
    def leaves(self):
        return self.of_role(LEAF)

    def uplinks(self, server):
        """Names of the two leaves that a server is attached to."""
        return [name for name, _, _ in self.nodes[server].neighbors]

    def attached(self, leaf):
        """Names of the servers of a leaf."""
        return [node.name for node in self.servers if leaf in self.uplinks(node.name)]

    def _add_nodes(self, servers):
        def add(role, number, asn, router_id):
            name = role if role in (EDGE, CLIENT) else f"{role}{number}"
            self.nodes[name] = Node(name, role, number, asn, router_id)

        add(CLIENT, 1, 0, "")
        add(EDGE, 1, 65001, "10.0.0.1")
        for number in range(1, SPINES + 1):
            add(SPINE, number, 65000, f"10.0.1.{number}")
        for number in range(1, LEAVES + 1):
            add(LEAF, number, 65010 + number, f"10.0.2.{number}")
        for number in range(1, servers + 1):
            add(SERVER, number, 65100 + number, f"10.0.3.{number}")
        for server in self.servers:
            server.addresses = [f"{server.member}/32", f"{VIP}/32"]

    def _connect(self, left, right, network, offset):
        left_address, right_address = f"{network}.{offset}", f"{network}.{offset + 1}"
        self.links.append(Link(left.name, f"{left_address}/31", right.name, f"{right_address}/31"))
        left.neighbors.append((right.name, right_address, right.asn))
        right.neighbors.append((left.name, left_address, left.asn))

    def _add_links(self):
        edge = self.nodes[EDGE]
        self.links.append(Link(EDGE, f"{EDGE_ADDRESS}/24", CLIENT, f"{CLIENT_ADDRESS}/24", CLIENT_MTU))
        for spine in self.of_role(SPINE):
            self._connect(edge, spine, "10.3.0", 2 * spine.number)
            for leaf in self.leaves:
                self._connect(spine, leaf, f"10.1.{spine.number}", 2 * leaf.number)
        for server in self.servers:
            for step in range(2):
                leaf = self.leaves[(server.number + step) % LEAVES]
                self._connect(leaf, server, f"10.2.{leaf.number}", 2 * server.number)


def sysctls(node):
    """The kernel settings of a node, to be made before its links exist."""
    settings = {
        "net.ipv4.conf.all.rp_filter": 0,
        "net.ipv4.conf.default.rp_filter": 0,
        "net.ipv4.conf.all.ignore_routes_with_linkdown": 1,
        "net.ipv4.conf.default.ignore_routes_with_linkdown": 1,
        "net.ipv6.conf.all.disable_ipv6": 1,
        "net.ipv6.conf.default.disable_ipv6": 1,
        "net.ipv4.fib_multipath_hash_seed": node.hash_seed,
        "net.ipv4.tcp_syncookies": 1,
    }
    if node.role in (SPINE, LEAF, EDGE):
        # Hashing as switches do it: the 5-tuple as it is on the wire, and a seed of their own.
        settings["net.ipv4.ip_forward"] = 1
        settings["net.ipv4.fib_multipath_hash_policy"] = 3
        settings["net.ipv4.fib_multipath_hash_fields"] = 0x37
        # The lab is a network, not a firewall test: no limit on the errors it reports.
        settings["net.ipv4.icmp_ratelimit"] = 0
    if node.role == SERVER:
        settings["net.ipv4.fib_multipath_hash_policy"] = 1
        settings["net.ipv4.conf.all.rp_filter"] = 2
        settings["net.ipv4.conf.default.rp_filter"] = 2
    return settings


def zebra_config(node, extra=""):
    """zebra's configuration. *extra*: more lines, e.g. Holdfast's."""
    # keep 1: else 8.4.4 forgets a next hop of the kernel's group when a link flaps within 180 s.
    return f"hostname {node.name}\nzebra nexthop-group keep 1\n{extra}"


def bfdd_config(node):
    return f"""hostname {node.name}
bfd
 profile fabric
  detect-multiplier {BFD_MULTIPLIER}
  receive-interval {BFD_INTERVAL_MS}
  transmit-interval {BFD_INTERVAL_MS}
 exit
exit
"""


SERVE_LINE = "redistribute connected route-map VIP"
DRAIN_LINE = "no redistribute connected"


def bgpd_config(node, in_service=True):
    """bgpd's configuration. A server announces its member address always, and the VIP as long as
    it is in service (see SERVE_LINE) and has the address."""
    lines = [f"hostname {node.name}"]
    if node.role == SERVER:
        # A dual-homed server announces what is its own and is never a way through.
        lines += [
            f"ip prefix-list OWN seq 5 permit {VIP}/32",
            f"ip prefix-list OWN seq 10 permit {node.member}/32",
            f"ip prefix-list VIP seq 5 permit {VIP}/32",
            "route-map OWN permit 10",
            " match ip address prefix-list OWN",
            "exit",
            "route-map VIP permit 10",
            " match ip address prefix-list VIP",
            "exit",
        ]
    lines += [
        f"router bgp {node.asn}",
        f" bgp router-id {node.router_id}",
        " no bgp ebgp-requires-policy",
        " bgp graceful-restart-disable",
        " bgp bestpath as-path multipath-relax",
        " timers bgp 3 9",
        " neighbor FABRIC peer-group",
        " neighbor FABRIC advertisement-interval 0",
        " neighbor FABRIC timers connect 1",
        " neighbor FABRIC bfd profile fabric",
    ]
    for peer, address, asn in node.neighbors:
        lines += [
            f" neighbor {address} remote-as {asn}",
            f" neighbor {address} peer-group FABRIC",
            f" neighbor {address} description {peer}",
        ]
    lines += [" address-family ipv4 unicast", "  maximum-paths 128"]
    if node.role == EDGE:
        lines.append(f"  network {CLIENT_NET}")
    if node.role == SERVER:
        lines += [f"  network {node.member}/32", "  neighbor FABRIC route-map OWN out"]
        if in_service:
            lines.append(f"  {SERVE_LINE}")
    return "\n".join(lines) + "\n exit-address-family\nexit\n"


def expected_next_hops(topology, serving):
    """How many next hops of the VIP the kernel of each switch has when BGP has converged, *serving*
    being the names of the servers in service."""
    leaves = {leaf.name: len(set(serving) & set(topology.attached(leaf.name))) for leaf in topology.leaves}
    expected = dict(leaves)
    for spine in topology.of_role(SPINE):
        expected[spine.name] = sum(1 for count in leaves.values() if count)
    expected[EDGE] = SPINES
    return expected


def expected_ways(topology, server):
    """How many next hops the kernel of a server has to each destination when BGP has converged: the
    clients through both leaves, another member through the leaves that both are attached to."""
    ways = {CLIENT_NET: 2}
    for peer in topology.servers:
        if peer.name != server:
            ways[peer.member] = len(set(topology.uplinks(server)) & set(topology.uplinks(peer.name)))
    return ways
