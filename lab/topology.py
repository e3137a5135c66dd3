# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's Clos as data: nodes, links, addresses, AS numbers, and the FRR configuration of every node. The
topologies of lab.director_topology differ from it where they say so.

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


@dataclasses.dataclass(frozen=True)
class Neighbor:
    """A BGP peer. *address* is "" where BGP is unnumbered: the interface is all that is configured then."""

    peer: str
    interface: str  # ours
    address: str
    asn: int


@dataclasses.dataclass
class Node:
    """A namespace. *member*: the unicast address of a server or director, which Holdfast knows it by."""

    name: str
    role: str
    number: int
    asn: int = 0
    router_id: str = ""
    hash_seed: int = 0
    member: str = ""
    runs_holdfast: bool = False  # where the lab has Holdfast at all
    addresses: list = dataclasses.field(default_factory=list)  # on lo
    routes: list = dataclasses.field(default_factory=list)  # arguments of `ip route replace`
    neighbors: list = dataclasses.field(default_factory=list)

    @property
    def runs_frr(self):
        return self.role != CLIENT


@dataclasses.dataclass(frozen=True)
class Link:
    """A cable. Each end's interface bears the name of the node at the other end and *suffix*, which tells two
    cables between the same nodes apart. Without addresses: IPv6 link-local ones only."""

    left: str
    left_address: str
    right: str
    right_address: str
    mtu: int = FABRIC_MTU
    suffix: str = ""

    @property
    def left_interface(self):
        return self.right + self.suffix

    @property
    def right_interface(self):
        return self.left + self.suffix

    @property
    def unnumbered(self):
        return not self.left_address

    @property
    def ends(self):
        """((node, interface, address), ...) of both ends."""
        return (
            (self.left, self.left_interface, self.left_address),
            (self.right, self.right_interface, self.right_address),
        )


class Topology:
    name = "clos"
    control = (EDGE, EDGE_ADDRESS)  # node and address of the server of sessions that no event touches

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

    @property
    def holdfast_nodes(self):
        """Names of the nodes that run Holdfast, if any does."""
        return [node.name for node in self.nodes.values() if node.runs_holdfast]

    def uplinks(self, server):
        """Names of a server's interfaces to the fabric: in the Clos they are those of its two leaves."""
        return [neighbor.interface for neighbor in self.nodes[server].neighbors]

    def attached(self, leaf):
        """Names of the servers of a leaf."""
        servers = {server.name for server in self.servers}
        return [neighbor.peer for neighbor in self.nodes[leaf].neighbors if neighbor.peer in servers]

    def _add_nodes(self, servers):
        self._add_node(CLIENT, CLIENT, 1, 0, "")
        self._add_node(EDGE, EDGE, 1, 65001, "10.0.0.1")
        for number in range(1, SPINES + 1):
            self._add_node(f"{SPINE}{number}", SPINE, number, 65000, f"10.0.1.{number}")
        self._add_leaves_and_servers(LEAVES, servers)

    def _add_node(self, name, role, number, asn, router_id):
        self.nodes[name] = Node(name, role, number, asn, router_id)
        return self.nodes[name]

    def _add_leaves_and_servers(self, leaves, servers):
        for number in range(1, leaves + 1):
            self._add_node(f"{LEAF}{number}", LEAF, number, 65010 + number, f"10.0.2.{number}")
        for number in range(1, servers + 1):
            server = self._add_node(f"{SERVER}{number}", SERVER, number, 65100 + number, f"10.0.3.{number}")
            server.member = f"10.255.0.{number}"
            server.runs_holdfast = True
            server.addresses = [f"{server.member}/32", f"{VIP}/32"]

    def _connect(self, left, right, network, offset, suffix=""):
        """A cable between two BGP speakers; *network* "": unnumbered."""
        addresses = [f"{network}.{offset}", f"{network}.{offset + 1}"] if network else ["", ""]
        left_address, right_address = (address and f"{address}/31" for address in addresses)
        link = Link(left.name, left_address, right.name, right_address, suffix=suffix)
        self.links.append(link)
        left.neighbors.append(Neighbor(right.name, link.left_interface, addresses[1], right.asn))
        right.neighbors.append(Neighbor(left.name, link.right_interface, addresses[0], left.asn))

    def _add_links(self):
        edge = self.nodes[EDGE]
        self.links.append(Link(EDGE, f"{EDGE_ADDRESS}/24", CLIENT, f"{CLIENT_ADDRESS}/24", CLIENT_MTU))
        self.nodes[CLIENT].routes.append(f"default via {EDGE_ADDRESS}")
        for spine in self.of_role(SPINE):
            self._connect(edge, spine, "10.3.0", 2 * spine.number)
            for leaf in self.leaves:
                self._connect(spine, leaf, f"10.1.{spine.number}", 2 * leaf.number)
        self._connect_servers_to_leaves()

    def _connect_servers_to_leaves(self):
        for server in self.servers:
            for step in range(2):
                leaf = self.leaves[(server.number + step) % LEAVES]
                self._connect(leaf, server, f"10.2.{leaf.number}", 2 * server.number)

    # --- configuration ---

    def sysctls(self, node):
        """The kernel settings of a node, to be made before its links exist."""
        return sysctls(node)

    def zebra_config(self, node, extra=""):
        """zebra's configuration. *extra*: more lines, e.g. Holdfast's."""
        return zebra_config(node, extra)

    def bgpd_config(self, node, in_service=True):
        """bgpd's configuration. A server announces its member address always, and the VIP as long as
        it is in service (see SERVE_LINE) and has the address."""
        policy = server_policy(node) if node.role == SERVER else []
        lines = [] if node.role != EDGE else [f"  network {CLIENT_NET}"]
        if node.role == SERVER:
            lines = server_networks(node, in_service)
        return bgpd_config(node, policy, lines)

    # --- what BGP makes of it ---

    def expected_next_hops(self, serving):
        """How many next hops of the VIP the kernel of each switch has when BGP has converged, *serving*
        being the names of the servers in service."""
        leaves = {leaf.name: len(set(serving) & set(self.attached(leaf.name))) for leaf in self.leaves}
        expected = dict(leaves)
        for spine in self.of_role(SPINE):
            expected[spine.name] = sum(1 for count in leaves.values() if count)
        expected[EDGE] = SPINES
        return expected

    def expected_ways(self, node):
        """How many next hops the kernel of a node has to each destination when BGP has converged; {} if that
        is not looked at. A server: the clients through both leaves, another member through the leaves that both
        are attached to."""
        if self.nodes[node].role != SERVER:
            return {}
        return {CLIENT_NET: 2} | {
            peer.member: len(set(self.uplinks(node)) & set(self.uplinks(peer.name)))
            for peer in self.servers if peer.name != node
        }  # fmt: skip


def sysctls(node):
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


def link_local_sysctls(interface):
    """What an interface needs beside, if IPv6 link-local addresses are all that it has."""
    prefix = f"net.ipv6.conf.{interface}"
    return {f"{prefix}.accept_ra": 0, f"{prefix}.accept_dad": 0, f"{prefix}.disable_ipv6": 0}


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


def server_policy(node):
    """A multi-homed server announces what is its own and is never a way through."""
    return [
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


def server_networks(node, in_service):
    lines = [f"  network {node.member}/32", "  neighbor FABRIC route-map OWN out"]
    return lines + ([f"  {SERVE_LINE}"] if in_service else [])


def bgpd_config(node, policy, networks):
    """bgpd's configuration for eBGP with all neighbours. *policy*: lines before the router; *networks*: lines of
    the address family IPv4."""
    lines = [
        f"hostname {node.name}",
        *policy,
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
    for neighbor in node.neighbors:
        name = neighbor.address or neighbor.interface
        lines += [
            f" neighbor {name} remote-as {neighbor.asn}" if neighbor.address
            else f" neighbor {name} interface remote-as {neighbor.asn}",
            f" neighbor {name} peer-group FABRIC",
            f" neighbor {name} description {neighbor.peer}",
        ]  # fmt: skip
    lines += [" address-family ipv4 unicast", "  maximum-paths 128", *networks]
    return "\n".join(lines) + "\n exit-address-family\nexit\n"
