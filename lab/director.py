# SPDX-License-Identifier: GPL-2.0-or-later
"""What befalls the paths of a director, in each topology of lab.director_topology. All edges with Holdfast are
directors; the client uses the first."""

import math
import signal

from lab import director_topology
from lab.scenarios import Scenario, start_fpmds

NEW_SESSIONS = 400
SHARE_DEVIATIONS = 4.5  # of the binomial distribution: 1 of 150,000 shares is beyond by chance
SHUT_SECONDS = 1.5  # FRR's next-hop objects are gone by then (`zebra nexthop-group keep 1`)
HEAVY, LIGHT = 4000, 1000  # link bandwidths, Mb/s


class DirectorScenario(Scenario):
    """*still*: nothing fails, so no packet comes to a wrong server and no detour is made. *keeps_paths*: besides,
    no flow leaves by another path than before. *once*: at most one retransmission a session. *comes_home*: after
    stage.set_apart() no packet comes to a wrong server any more."""

    family = ""
    modes = ("stock", "resilient", "holdfast")
    quick_modes = ()
    director = True
    still = True
    keeps_paths = True
    once = False
    comes_home = False
    strict = True
    moves = False
    one_owner = False
    breaks_stock = 0.05

    def conclude(self, stage, result):
        paths = stage.lab.meters.paths(stage.topology.director)
        seen, twice = set(), set()
        for flows in paths.values():
            twice |= seen & flows
            seen |= flows
        stage.extra["left_by_two_paths"] = len(twice)


class Nothing(DirectorScenario):
    name = "director-none"
    title = "no event; all sessions are recorded, their owners are known where a path leads to several"
    quiet = True

    def prepare(self, stage):
        self.before = recorded(stage)

    def act(self, stage):
        stage.pause(1.0)
        if stage.holdfast:
            flows, owners = (now - before for now, before in zip(recorded(stage), self.before))
            several = stage.options.sessions if stage.topology.way_role == director_topology.LEAF else 0
            stage.expect(flows == stage.options.sessions, f"{flows} of {stage.options.sessions} flows were recorded")
            stage.expect(owners == several, f"the owners of {owners} of {several} flows are known")


class Add(DirectorScenario):
    name = "director-add"
    title = "a path is added"

    def prepare(self, stage):
        self.way = stage.chance.choice(stage.topology.ways)
        stage.network.withdraw_way(self.way)
        await_route(stage, lambda route: not {hop for hop, _ in route} & set(stage.topology.path_interfaces(self.way)))

    def act(self, stage):
        stage.event(f"add {self.way}")
        stage.network.announce_way(self.way)


class Drain(DirectorScenario):
    name = "director-drain"
    title = "a path is drained: it no longer leads to the VIP, but to the members"

    def act(self, stage):
        drain_some(stage)


class PathLoss(DirectorScenario):
    name = "director-path-loss"
    title = "a link of the director fails, and is back 2 s later"
    still = False
    strict = False
    once = True

    def act(self, stage):
        end = cut_some(stage)
        stage.pause(1.8, 2.2)
        stage.event("mend it")
        stage.network.mend(end)


class PathLossStopped(PathLoss):
    name = "director-path-loss-stopped"
    title = "a link of the director fails while fpmd is stopped"

    def act(self, stage):
        edges = [edge.name for edge in stage.topology.edges]
        # What began in the last moments is looked up first: a stopped fpmd finds no owners.
        stage.pause(0.5)
        if stage.holdfast:
            stage.holdfast.signal(edges, signal.SIGSTOP)
        try:
            cut_some(stage)
            stage.pause(2.0, 2.5)
        finally:
            if stage.holdfast:
                stage.holdfast.signal(edges, signal.SIGCONT)
        stage.event("fpmd goes on")


class PathLossRemote(DirectorScenario):
    name = "director-path-loss-remote"
    title = "a path fails behind the director's link: only BGP tells"
    still = False
    strict = False

    def act(self, stage):
        way = stage.chance.choice(stage.topology.ways)
        if attached := stage.topology.way_role == director_topology.LEAF and stage.topology.attached(way):
            stage.event(f"cut {way} from its servers")
            stage.network.cut(*[(way, server) for server in attached])
        else:
            interface = stage.chance.choice(stage.topology.path_interfaces(way))
            stage.event(f"silence {interface}")
            stage.network.silence(*stage.topology.far_end(interface))


class Weights(DirectorScenario):
    name = "director-weights"
    title = "link bandwidths give a path four times the weight of each other one, sessions begin before and after"
    further_ports = NEW_SESSIONS + 40

    def prepare(self, stage):
        self.before = dict(stage.network.vip_route(stage.topology.director))

    def act(self, stage):
        heavy = stage.chance.choice(stage.topology.ways)
        stage.event(f"weight of {heavy}")
        stage.network.weigh({way: HEAVY if way == heavy else LIGHT for way in stage.topology.ways})
        interfaces = set(stage.topology.path_interfaces(heavy))

        def heavier(route):
            weights = dict(route)
            light = [weight for hop, weight in route if hop not in interfaces]
            return weights.keys() == self.before.keys() and all(weights[hop] > 2 * max(light) for hop in interfaces)

        route = await_route(stage, heavier)
        stage.pause(0.2)
        stage.event("new sessions")
        self.flows = stage.new_sessions(min(NEW_SESSIONS, stage.options.sessions))
        self.weights = dict(route)

    def conclude(self, stage, result):
        super().conclude(stage, result)
        paths = stage.lab.meters.paths(stage.topology.director)
        total = sum(self.weights.values())
        count = len(self.flows)
        stage.extra["shares"] = {}
        for interface, weight in self.weights.items():
            share = weight / total
            got = len(paths[interface] & self.flows)
            stage.extra["shares"][interface] = [got, round(share * count, 1)]
            limit = SHARE_DEVIATIONS * math.sqrt(count * share * (1 - share))
            # A resilient group gives a weight its share only as buckets become idle.
            if stage.mode != "resilient":
                stage.expect(
                    abs(got - share * count) <= limit,
                    f"{got} of {count} new flows left by {interface}, whose weight is {weight} of {total}",
                )


class Reorder(DirectorScenario):
    name = "director-reorder"
    title = "all next hops change their ids and their order in turn: BGP sessions are shut and opened again"
    keeps_paths = False
    aftermath = 1.5

    def act(self, stage):
        network, director = stage.network, stage.topology.director
        order = [hop for hop, _ in network.vip_route(director)]
        ids = network.next_hop_ids(director)
        for sessions in self._turns(stage, order):
            stage.event(f"shut {len(sessions)} session{'s' if len(sessions) > 1 else ''}")
            network.shut(*sessions)
            gone = {neighbor.interface for _, neighbor in sessions}
            await_route(stage, lambda route, gone=gone: not {hop for hop, _ in route} & gone)
            stage.pause(SHUT_SECONDS)
            network.open(*sessions)
            network.await_convergence()
        now = [hop for hop, _ in network.vip_route(director)]
        after = network.next_hop_ids(director)
        same = sum(ids[hop] == after[hop] for hop in order)
        stage.expect(now != order, "the kernel's order of the next hops is as before")
        stage.expect(not same, f"{same} next hops kept their ids")

    def _turns(self, stage, order):
        """Which sessions are shut at the same time: the ways in a random order that ends otherwise than the
        kernel's; where each way has several paths, one path of every way."""
        neighbors = {
            neighbor.interface: (stage.topology.director, neighbor)
            for neighbor in stage.topology.nodes[stage.topology.director].neighbors
        }
        ways = list(stage.topology.ways)
        paths = [stage.topology.path_interfaces(way) for way in ways]
        if len(paths[0]) > 1:
            return [[neighbors[hop] for hop in turn] for turn in list(zip(*paths))[::stage.chance.choice((1, -1))]]
        turns = order.copy()
        while turns == order:
            stage.chance.shuffle(turns)
        return [[neighbors[hop]] for hop in turns]


class Takeover(DirectorScenario):
    name = "director-takeover"
    title = "the director dies, the client goes on by the other one, and 2 s later a path of that is drained"
    still = False
    strict = False
    keeps_paths = False
    comes_home = True

    def act(self, stage):
        first, second = [edge.name for edge in stage.topology.edges]
        fpmd = stage.holdfast and stage.holdfast.retire(stage.network, first)
        stage.event(f"lose {first}")
        stage.network.cut_node(first)
        stage.network.kill_daemons(first)
        if fpmd:
            stage.lab.run.stop([fpmd], signal.SIGKILL)
        stage.pause(0.1, 0.3)
        stage.event(f"client uses {second}")
        stage.network.client_uses(second)
        stage.pause(1.8, 2.2)
        stage.set_apart()
        drain_some(stage)


class FpmdKill(DirectorScenario):
    name = "director-fpmd-kill"
    title = "fpmd is killed on the directors, a path is drained, fpmd is back within 2 s, then a link fails"
    still = False
    strict = False
    keeps_paths = False
    once = True

    def act(self, stage):
        edges = [edge.name for edge in stage.topology.edges]
        stage.pause(0.5)  # as above
        stage.event("kill -9 fpmd")
        for edge in edges if stage.holdfast else ():
            stage.holdfast.kill(stage.network, edge)
        stage.pause(0.2, 0.4)
        drain_some(stage)
        stage.pause(0.8, 1.2)
        start_fpmds(stage)
        stage.pause(1.0)
        cut_some(stage)


class ShortTimers(DirectorScenario):
    name = "director-short-timers"
    title = "all of Holdfast's timers at 5 s: a path is drained, added, and fails 6 s later each"
    seconds = 5
    still = False
    strict = False
    keeps_paths = False
    once = True

    def prepare(self, stage):
        if stage.holdfast:
            stage.holdfast.set_timers(stage.network, self.seconds)

    def act(self, stage):
        way = drain_some(stage)
        stage.pause(self.seconds + 1)
        stage.event(f"add {way}")
        stage.network.announce_way(way)
        stage.pause(self.seconds + 1)
        interface = stage.chance.choice(stage.topology.path_interfaces(way))
        stage.event(f"cut {interface}")
        stage.network.cut(stage.topology.far_end(interface))

    def conclude(self, stage, result):
        super().conclude(stage, result)
        if stage.holdfast:
            stage.holdfast.set_timers(stage.network, stage.lab.timers)


class FastPath(DirectorScenario):
    name = "director-fast-path"
    title = "recorded flows go past netfilter: a path is drained, and one fails"
    modes = ("holdfast",)
    still = False
    strict = False
    once = True

    def prepare(self, stage):
        stage.holdfast.configure(stage.network, ["flows fast-path"], "fastPath", True)

    def act(self, stage):
        way = stage.chance.choice(stage.topology.ways)
        stage.event(f"drain {way}")
        stage.network.withdraw_way(way)
        stage.pause(0.8, 1.2)
        before = fast_packets(stage)
        stage.pause(0.5)
        stage.expect(fast_packets(stage) > before, "no packet goes by the fast path")
        cut_some(stage)

    def conclude(self, stage, result):
        super().conclude(stage, result)
        stage.holdfast.configure(stage.network, ["no flows fast-path"], "fastPath", False)


def fast_packets(stage):
    return stage.holdfast.show(stage.network, stage.topology.director, "counters")["kernel"]["flowsFast"]


def recorded(stage):
    """How many flows the director has recorded, and for how many it has put their owner down."""
    if not stage.holdfast:
        return 0, 0
    answer = stage.holdfast.show(stage.network, stage.topology.director, "counters")
    return answer["kernel"]["flowsRecorded"], answer["fpmd"]["flowPins"]


def drain_some(stage):
    """A path no longer leads to the VIP, but to the members. Returns its name."""
    way = stage.chance.choice(stage.topology.ways)
    stage.event(f"drain {way}")
    stage.network.withdraw_way(way)
    return way


def cut_some(stage):
    """A link of the director to one of the VIP's next hops loses its carrier. Returns the far end, which was cut."""
    interface = stage.chance.choice([hop for hop, _ in stage.network.vip_route(stage.topology.director)])
    end = stage.topology.far_end(interface)
    stage.event(f"cut {interface}")
    stage.network.cut(end)
    return end


def await_route(stage, condition):
    """Waits until the director's kernel route of the VIP is as it should be, and returns it."""
    return stage.network.await_vip_route(stage.topology.director, condition)


_EVERYWHERE = (Nothing, Add, Drain, PathLoss, PathLossStopped, PathLossRemote, Weights, Reorder)
_KINDS = {
    director_topology.Leaves: (*_EVERYWHERE, Takeover, FpmdKill, ShortTimers, FastPath),
    director_topology.Servers: (*_EVERYWHERE, Takeover, FastPath),
    # Without Holdfast on the servers nobody can tell a second director whose sessions it gets.
    director_topology.Unnumbered: _EVERYWHERE,
}


# The quick form plays each of them somewhere.
_QUICK = {
    director_topology.Leaves: (Add, Drain, PathLossStopped, PathLossRemote, Takeover, FastPath),
    director_topology.Servers: (Weights,),
    director_topology.Unnumbered: (PathLoss, Reorder),
}
_QUICK_COMPARED = {director_topology.Leaves: (Drain,)}


def _quick_modes(scenario, kind):
    if scenario in _QUICK_COMPARED.get(kind, ()):
        return scenario.modes
    return ("holdfast",) if scenario in _QUICK[kind] else ()


def _on(scenario, kind):
    return type(f"{scenario.__name__}{kind.__name__}", (scenario,), {
        "family": scenario.name,
        "name": f"{scenario.name}-{kind.name}",
        "title": f"{scenario.title} ({kind.title})",
        "where": kind,
        "quick_modes": _quick_modes(scenario, kind),
    })  # fmt: skip


ALL = [_on(scenario, kind) for kind, scenarios in _KINDS.items() for scenario in scenarios]
FAMILIES = tuple(dict.fromkeys(scenario.family for scenario in ALL))


def family_of(name):
    """`director-add` of `director-add-leaves`; None of others."""
    return next((scenario.family for scenario in ALL if scenario.name == name), None)
