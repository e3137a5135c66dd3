# SPDX-License-Identifier: GPL-2.0-or-later
"""What befalls the network. Each scenario prepares, then acts while the sessions run; what it kills it names in
stage.dead. The lab restores the network afterwards."""

import signal

from lab import topology


class Scenario:
    name = ""
    title = ""
    aftermath = 3.0  # seconds that the sessions run on after the last event
    strict = True  # no retransmission beyond those of a run without events
    moves = True  # flows move, and detours are needed
    quiet = False  # nothing happens
    breaks_stock = 0  # share of the sessions that stock FRR loses at least, or the comparison is unrealistic
    one_owner = True  # a 4-tuple has one owner for the whole run, so that detours can be compared
    loses_element = False  # a link or a switch fails
    loses_member = False  # a member of the directory dies for good
    director = False  # see lab.director
    where = topology.Topology
    modes = ("stock", "holdfast")
    quick_modes = modes  # those of the quick form, if it is not asked for by name
    further_ports = 40  # for sessions beside those that all scenarios have

    def prepare(self, stage):
        """Before the sessions start."""

    def act(self, stage):
        """Events, while the sessions run."""

    def conclude(self, stage, result):
        """After the sessions; *result* is the client's report."""


class Nothing(Scenario):
    name = "none"
    title = "no event: what the machine itself does to the sessions"
    moves = False
    quiet = True


class AddServer(Scenario):
    name = "add-server"
    breaks_stock = 0.25
    title = "a server joins: the VIP is announced by one more"

    def prepare(self, stage):
        # A new one: its next hop is the last of each switch's group, and the buckets of all others shift.
        # With one that only comes back, FRR finds its old place in the group, and fewer flows move.
        self.server = stage.pick()
        stage.network.join(self.server)
        stage.network.await_convergence()
        if stage.holdfast:
            stage.holdfast.await_ready(stage.network)

    def act(self, stage):
        stage.event(f"add {self.server}")
        stage.network.announce(self.server)


class DrainServer(Scenario):
    name = "drain-server"
    title = "a server withdraws the VIP, the host stays"

    def act(self, stage):
        move_some(stage, set())


class DrainByAddress(Scenario):
    name = "drain-by-address"
    title = "the VIP's address is removed from a server"

    def act(self, stage):
        server = stage.pick()
        stage.event(f"ip addr del on {server}")
        stage.network.remove_address(server)


class UplinkLoss(Scenario):
    name = "uplink-loss"
    title = "one of a server's two links fails"
    strict = False
    loses_element = True

    def act(self, stage):
        server = stage.pick()
        leaf = stage.chance.choice(stage.topology.uplinks(server))
        stage.lost_element = stage.lab.meters.crossed_uplink(server, leaf)
        stage.event(f"cut {server}-{leaf}")
        stage.network.cut((leaf, server))


class NodeLoss(Scenario):
    role = ""
    strict = False
    loses_element = True

    def act(self, stage):
        node = stage.chance.choice(stage.topology.of_role(self.role)).name
        stage.lost_element = stage.lab.meters.crossed(node)
        stage.event(f"lose {node}")
        stage.network.cut_node(node)
        stage.network.kill_daemons(node)


class LeafLoss(NodeLoss):
    name = "leaf-loss"
    title = "a leaf fails"
    role = topology.LEAF


class SpineLoss(NodeLoss):
    name = "spine-loss"
    title = "a spine fails"
    role = topology.SPINE


class Rolling(Scenario):
    name = "rolling"
    title = "every server is drained and added again in turn, two at a time, once at the same moment"

    def act(self, stage):
        order = [server.name for server in stage.topology.servers]
        stage.chance.shuffle(order)
        pause = (0.3, 0.5) if stage.options.quick else (0.5, 0.9)
        together = stage.chance.choice(order[1:])  # its drain and the addition of the one before it
        before = None
        for server in order:
            stage.event(f"drain {server}")
            stage.network.withdraw(server)
            if server != together:
                stage.pause(*pause)
            if before:
                stage.event(f"add {before}")
                stage.network.announce(before)
                stage.pause(*pause)
            before = server
        stage.event(f"add {before}")
        stage.network.announce(before)


def move_some(stage, spare):
    """Moves flows: one server other than *spare* is drained. Returns its name."""
    server = stage.pick([server.name for server in stage.topology.servers if server.name not in spare])
    stage.event(f"drain {server}")
    stage.network.withdraw(server)
    return server


def expect_no_detours(stage):
    """No pin leads to a server of stage.dead any more."""
    for server in stage.dead:
        left = stage.holdfast.pins(stage.network, server) if stage.holdfast else 0
        stage.expect(not left, f"{left} detours still lead to {server}")


class ServerCrash(Scenario):
    name = "server-crash"
    title = "a server to which detours lead dies with all of its links"
    strict = False
    loses_member = True

    def act(self, stage):
        victim = stage.pick()
        stage.dead = {victim}
        move_some(stage, {victim})
        stage.pause(1.0, 1.3)
        fpmd = stage.holdfast and stage.holdfast.retire(stage.network, victim)
        stage.event(f"crash {victim}")
        stage.network.cut_node(victim)
        stage.network.kill_daemons(victim)
        stage.applications.stop(victim, signal.SIGKILL)
        if fpmd:
            stage.lab.run.stop([fpmd], signal.SIGKILL)

    def conclude(self, stage, result):
        expect_no_detours(stage)


class AppCrash(Scenario):
    name = "app-crash"
    title = "the application of a server to which detours lead is killed"
    strict = False

    def act(self, stage):
        victim = stage.pick()
        stage.dead = {victim}
        move_some(stage, {victim})
        stage.pause(1.0, 1.3)
        stage.event(f"crash of the application on {victim}")
        stage.applications.stop(victim, signal.SIGKILL)

    def conclude(self, stage, result):
        expect_no_detours(stage)


def kill_fpmds(stage):
    stage.event("kill -9 fpmd")
    if stage.holdfast:
        stage.holdfast.kill_all(stage.network)


def start_fpmds(stage):
    stage.event("start fpmd")
    if stage.holdfast:
        stage.holdfast.start_missing(stage.network)
        stage.holdfast.await_ready(stage.network)


class FpmdKill(Scenario):
    name = "fpmd-kill"
    title = "fpmd is killed everywhere while detours exist, more flows move, it is back within 3 s"
    aftermath = 5.0
    strict = False

    def act(self, stage):
        first = move_some(stage, set())
        stage.pause(1.0, 1.5)
        pins = stage.holdfast.pins(stage.network) if stage.holdfast else 0
        kill_fpmds(stage)
        stage.pause(0.2, 0.6)
        move_some(stage, {first})
        stage.pause(0.8, 1.8)
        start_fpmds(stage)
        if stage.holdfast:
            servers = [server.name for server in stage.topology.servers]
            taken = sum(stage.holdfast.pins_taken_over(stage.network, server) for server in servers)
            left = stage.holdfast.pins(stage.network)
            stage.expect(taken >= pins, f"{taken} of {pins} pins were taken over")
            stage.expect(left >= pins, f"{left} of {pins} pins are left")


class FpmdKillEarly(FpmdKill):
    name = "fpmd-kill-early"
    title = "fpmd is killed everywhere before the first detour, flows move, it is back within 3 s"

    def act(self, stage):
        kill_fpmds(stage)
        stage.pause(0.2, 0.6)
        move_some(stage, set())
        stage.pause(0.8, 1.8)
        start_fpmds(stage)


ALL = [
    Nothing, AddServer, DrainServer, DrainByAddress, UplinkLoss, LeafLoss, SpineLoss, Rolling, ServerCrash,
    AppCrash, FpmdKill, FpmdKillEarly,
]  # fmt: skip
