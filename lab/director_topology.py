# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks whose edge is the director: it chooses among the paths itself, and nothing behind it does but leaves.
Pure, as lab.topology.

The client is on each edge. All edges announce its network, those after the first as a stand-by (longer AS path), as
the members of a VRRP group do: what comes back goes to the same edge that the client uses.
"""

from lab import topology
from lab.topology import CLIENT, CLIENT_ADDRESS, CLIENT_NET, EDGE, LEAF, LEAVES, SERVER, VIP, Link

EDGE_MEMBER = 200  # last byte of the first edge's member address, less one: servers have the lower ones
WITHDRAWN = "deny 5"
WEIGHTED = "permit 7"


class DirectorTopology(topology.Topology):
    """*way*: a node next to the edges, by which they reach the VIP. Its outbound policy towards the edges is what
    scenarios change."""

    title = ""
    edge_count = 2
    way_role = ""
    way_map = ""  # route-map of a way's announcements to the edges

    @property
    def edges(self):
        return self.of_role(EDGE)

    @property
    def director(self):
        """Name of the edge that the client uses."""
        return self.edges[0].name

    @property
    def ways(self):
        return [node.name for node in self.of_role(self.way_role)]

    @property
    def control(self):
        """At the last edge: what fails is at the first."""
        last = self.edges[-1]
        return last.name, self.gateway(last.name)

    def gateway(self, edge):
        """The client's next hop at an edge."""
        return f"10.4.{self.nodes[edge].number}.0"

    def client_route(self, edge):
        return f"default via {self.gateway(edge)} src {CLIENT_ADDRESS}"

    def path_interfaces(self, way):
        """The director's interfaces to a way."""
        return [neighbor.interface for neighbor in self.nodes[self.director].neighbors if neighbor.peer == way]

    def far_end(self, interface):
        """(node, interface) at the other end of the director's interface."""
        for link in self.links:
            for here, there in (link.ends, link.ends[::-1]):
                if here[:2] == (self.director, interface):
                    return there[:2]
        raise KeyError(interface)

    def _add_nodes(self, servers):
        self._add_node(CLIENT, CLIENT, 1, 0, "").addresses = [f"{CLIENT_ADDRESS}/32"]
        for number in range(1, self.edge_count + 1):
            edge = self._add_node(f"{EDGE}{number}", EDGE, number, 65000 + number, f"10.0.0.{number}")
            edge.member = f"10.255.0.{EDGE_MEMBER + number}"
            edge.runs_holdfast = True
            edge.addresses = [f"{edge.member}/32"]
        self._add_leaves_and_servers(LEAVES if self.way_role == LEAF else 0, servers)

    def _add_links(self):
        for edge in self.edges:
            gateway = self.gateway(edge.name)
            client = gateway[:-1] + "1"
            self.links.append(Link(edge.name, f"{gateway}/31", CLIENT, f"{client}/31", topology.CLIENT_MTU))
            edge.routes.append(f"{CLIENT_NET} via {client}")
        self.nodes[CLIENT].routes.append(self.client_route(self.director))
        self._connect_ways()

    def _connect_ways(self):
        raise NotImplementedError

    # --- configuration ---

    def bgpd_config(self, node, in_service=True):
        policy, lines = [], []
        if node.role == EDGE:
            policy = self._edge_policy(node)
            lines = [f"  network {CLIENT_NET}", f"  network {node.member}/32", "  neighbor FABRIC route-map EDGE out"]
        elif node.role == LEAF:
            policy = [f"ip prefix-list VIP seq 5 permit {VIP}/32", "route-map UP permit 10", "exit"]
            lines = [
                f"  neighbor {neighbor.address} route-map UP out"
                for neighbor in node.neighbors if self.nodes[neighbor.peer].role == EDGE
            ]  # fmt: skip
        elif node.role == SERVER:
            policy = topology.server_policy(node)
            lines = topology.server_networks(node, in_service)
        if any(not neighbor.address for neighbor in node.neighbors):
            lines.append("  neighbor FABRIC activate")
        return topology.bgpd_config(node, policy, lines)

    def _edge_policy(self, edge):
        """An edge is a way from server to server, but not to the VIP: a leaf without servers has none to offer."""
        standby = [f" set as-path prepend {edge.asn} {edge.asn}"] if edge.name != self.director else []
        return [
            f"ip prefix-list VIP seq 5 permit {VIP}/32",
            f"ip prefix-list CLIENT seq 5 permit {CLIENT_NET}",
            "route-map EDGE deny 10", " match ip address prefix-list VIP", "exit",
            "route-map EDGE permit 20", " match ip address prefix-list CLIENT", *standby, "exit",
            "route-map EDGE permit 30", "exit",
        ]  # fmt: skip

    def withdraw_lines(self):
        """What a way's bgpd is told to withdraw the VIP from the edges, and nothing else."""
        return [f"route-map {self.way_map} {WITHDRAWN}", "match ip address prefix-list VIP"]

    def announce_lines(self):
        return [f"no route-map {self.way_map} {WITHDRAWN}"]

    def weight_lines(self, bandwidth):
        """... to announce the VIP with a link bandwidth, in Mb/s."""
        return [
            f"route-map {self.way_map} {WEIGHTED}",
            "match ip address prefix-list VIP",
            f"set extcommunity bandwidth {bandwidth}",
        ]

    def unweight_lines(self):
        return [f"no route-map {self.way_map} {WEIGHTED}"]


class Leaves(DirectorTopology):
    name = "leaves"
    title = "the paths are leaves"
    way_role = LEAF
    way_map = "UP"

    def _connect_ways(self):
        for edge in self.edges:
            for leaf in self.leaves:
                self._connect(edge, leaf, f"10.3.{edge.number}", 2 * leaf.number)
        self._connect_servers_to_leaves()

    def expected_next_hops(self, serving):
        expected = {leaf.name: len(set(serving) & set(self.attached(leaf.name))) for leaf in self.leaves}
        useful = sum(1 for count in expected.values() if count)
        return expected | {edge.name: useful for edge in self.edges}

    def expected_ways(self, node):
        role = self.nodes[node].role
        members = {edge.member: 2 if role == SERVER else 1 for edge in self.edges if edge.name != node}
        if role == EDGE:
            return {edge.member: LEAVES for edge in self.edges if edge.name != node} | {
                server.member: 2 for server in self.servers
            }
        return super().expected_ways(node) | members | ({CLIENT_NET: 1} if role == LEAF else {})


class Servers(DirectorTopology):
    """Each server has two links to each edge, and the edges one to each other."""

    name = "servers"
    title = "the paths are servers"
    way_role = SERVER
    way_map = "OWN"
    numbered = True

    def _connect_ways(self):
        for edge in self.edges[1:]:
            self._connect(self.edges[0], edge, "10.5.0", 2 * edge.number)
        for edge in self.edges:
            for server in self.servers:
                for step, suffix in enumerate("ab"):
                    network = f"10.{6 + step}.{edge.number}" if self.numbered else ""
                    self._connect(edge, server, network, 2 * server.number, suffix)

    def expected_next_hops(self, serving):
        return {edge.name: 2 * len(serving) for edge in self.edges}

    def expected_ways(self, node):
        own, edges = self.nodes[node], len(self.edges)
        if own.role == EDGE:
            ways = {server.member: 2 for server in self.servers}
            return ways | {edge.member: 1 for edge in self.edges if edge.name != node}
        ways = {peer.member: 2 * edges for peer in self.servers if peer.name != node}
        return ways | {CLIENT_NET: 2} | {edge.member: 2 for edge in self.edges}


class Unnumbered(Servers):
    """One edge, the only one that runs Holdfast; BGP unnumbered with IPv6 link-local next hops (RFC 5549)."""

    name = "unnumbered"
    title = "the paths are servers without Holdfast, BGP is unnumbered"
    edge_count = 1
    numbered = False

    def _add_nodes(self, servers):
        super()._add_nodes(servers)
        for server in self.servers:
            server.runs_holdfast = False

    def sysctls(self, node):
        # Even the loose form drops what comes in by a device without an IPv4 address and does not go back by it.
        loose = {"net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0}
        return super().sysctls(node) | loose

    def zebra_config(self, node, extra=""):
        # Without it a link that comes back waits up to 10 s for its neighbour's advertisement.
        lines = [
            f"interface {neighbor.interface}\n ipv6 nd ra-interval msec 500\nexit\n" for neighbor in node.neighbors
        ]  # fmt: skip
        return super().zebra_config(node, "".join(lines) + extra)


ALL = (Leaves, Servers, Unnumbered)
