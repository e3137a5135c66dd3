# SPDX-License-Identifier: GPL-2.0-or-later
"""One scenario on one lab: what a scenario may do, and the figures of its run.

Random choices come from the stage's generator alone, which depends on the seed and the scenario's name and not on
the mode: stock FRR and Holdfast meet the same victims and the same pauses.
"""

import pathlib
import random
import statistics
import sys
import time

from lab import measure, topology
from lab.director_network import DirectorNetwork
from lab.director_topology import DirectorTopology
from lab.measure import Meters
from lab.network import Network
from lab.run import LabError, Run
from lab.traffic import Applications, Client

CLIENT_PORTS = range(2000, 65000)
ROOT = pathlib.Path(__file__).resolve().parent.parent


def most_sessions(names):
    """How many sessions a run may have, *names* being the largest number of scenarios in a topology: each has ports
    of its own."""
    return len(CLIENT_PORTS) // names - 50


class Lab:
    """A network with its applications and meters, ready for scenarios. *mode*: "stock", "holdfast" (then *holdfast*
    is what lab.holdfast gives) or "resilient". *timers*: every expiry of Holdfast, in seconds; None: the defaults."""

    def __init__(self, description, mode, build, holdfast=None, timers=None):
        self.build_directory = build
        self.mode = mode
        self.holdfast = holdfast
        self.timers = timers
        self.topology = description
        self.run = Run()
        kind = DirectorNetwork if isinstance(description, DirectorTopology) else Network
        self.network = kind(self.run, description, holdfast)
        self.applications = Applications(self.run, self.topology, build)
        self.meters = Meters(self.run, self.topology)

    def build(self):
        self.network.build()
        self.meters.install()
        self.applications.start_all()
        self.network.await_convergence()
        if self.holdfast:
            self.holdfast.await_ready(self.network)
            if self.timers:
                self.holdfast.set_timers(self.network, self.timers)
        if self.mode == "resilient":
            for edge in self.topology.edges:
                self._follow(edge.name)

    def _follow(self, edge):
        """Starts lab.resilient on an edge."""
        told = self.network.directory(edge) / "resilient.out"
        argv = [sys.executable, "-m", "lab.resilient", topology.VIP]
        self.run.spawn(edge, argv, told, cwd=ROOT)
        end = time.monotonic() + 10
        while "ready" not in told.read_text():
            if time.monotonic() > end:
                raise LabError(f"{edge}: resilient groups do not work: {told.read_text()[-500:]}")
            time.sleep(0.02)

    def restore(self):
        self.applications.restart_dead()
        if self.holdfast:
            self.holdfast.start_missing(self.network)
        self.network.restore()
        if self.holdfast:
            self.holdfast.await_ready(self.network)

    def close(self):
        self.run.close()


class Stage:
    """What a scenario sees. *dead*: servers that it killed, whose sessions cannot live."""

    def __init__(self, lab, scenario, index, names, options):
        name = scenario.name
        self.lab = lab
        self.network = lab.network
        self.topology = lab.topology
        self.applications = lab.applications
        self.holdfast = lab.holdfast
        self.mode = lab.mode
        self.name = name
        self.options = options
        self.chance = random.Random(f"{options.seed}:{name}")
        stride = len(CLIENT_PORTS) // names
        spare = stride - options.sessions - scenario.further_ports
        self.first_port = CLIENT_PORTS[index * stride + self.chance.randrange(spare)]
        self.events = []
        self.dead = set()
        self.lost_element = set()  # flows that crossed what failed
        self.failures = []  # what the scenario itself found wrong
        self.extra = {}  # further figures for the report
        self.transfers = []  # further sessions, with port, owner and result
        self.client = None
        self.earlier = set()  # what the meters' places() were before a scenario reset them
        self.later = []  # clients of sessions that began later

    def start_traffic(self):
        self.lab.meters.reset()
        self.client = Client(
            self.lab.run, self.lab.build_directory, self.options.sessions, self.first_port,
            self.chance.randrange(2**32), control=self.topology.control[1], ramp_ms=500 if self.options.quick else 1000,
        )  # fmt: skip
        self.client.await_ready()

    def new_sessions(self, count):
        """Opens *count* further sessions from other ports and waits until they have replies. Returns their flows."""
        first = self.first_port + self.options.sessions + 1 + sum(client.sessions for client in self.later)
        client = Client(
            self.lab.run, self.lab.build_directory, count, first, self.chance.randrange(2**32),
            control=None, ramp_ms=500,
        )  # fmt: skip
        client.await_ready()
        self.later.append(client)
        return {(topology.CLIENT_ADDRESS, port) for port in range(first, first + count)}

    def set_apart(self):
        """What comes to servers from now on is counted for itself, too: `moved_later`."""
        self.earlier |= self.lab.meters.places()
        self.lab.meters.reset()

    def pick(self, servers=None):
        """A random server, out of those given."""
        return self.chance.choice(servers or [server.name for server in self.topology.servers])

    def pause(self, low, high=None):
        """Waits for a random time between *low* and *high* seconds."""
        time.sleep(low if high is None else self.chance.uniform(low, high))

    def event(self, text):
        self.events.append((time.monotonic(), text))

    def expect(self, condition, text):
        if not condition:
            self.failures.append(text)


def play(lab, scenario, index, names, options):
    """Runs *scenario*, number *index* of *names* in its topology, and returns its row of the report. The network is
    left as the scenario left it."""
    stage = Stage(lab, scenario, index, names, options)
    before = lab.holdfast.totals(lab.network) if lab.holdfast else {}
    scenario.prepare(stage)
    stage.start_traffic()
    stage.pause(0.3, 0.6)
    scenario.act(stage)
    time.sleep(scenario.aftermath * (0.6 if options.quick else 1.0))
    after = lab.holdfast.totals(lab.network) if lab.holdfast else {}
    result = stage.client.finish()
    for client in stage.later:
        result["sessions"] += client.finish()["sessions"]
    scenario.conclude(stage, result)
    row = _figures(stage, result)
    for key in ("strays", "detours", "lookups", "lookup_messages"):
        row[key] = after.get(key, 0) - before.get(key, 0) if lab.holdfast else None
    row.update(stage.extra)
    row["failures"] = stage.failures
    return row


def _figures(stage, result):
    nothing = {"retransmits": 0, "max_stall_ms": None, "ended_ms": 0.0}
    sessions = result["sessions"] + [nothing | transfer for transfer in stage.transfers]
    names = [session["result"] for session in sessions]
    owners = {
        (topology.CLIENT_ADDRESS, session["port"]): session["owner"] for session in sessions if session["owner"]
    }
    later = measure.moved(stage.lab.meters.places(), owners)
    places = later | measure.moved(stage.earlier, owners)
    moved = {flow for flow, _ in places}
    able = [session for session in sessions if session["owner"] not in stage.dead]
    stalls = sorted(
        session["max_stall_ms"] for session in able
        if session["result"] in ("survived", "closed") and session["max_stall_ms"] is not None
    )  # fmt: skip
    start = result["start_ns"] / 1e9
    crossed = stage.lost_element & set(owners)
    row = {
        "name": stage.name,
        "mode": stage.mode,
        "sessions": len(sessions),
        "survived": names.count("survived") + names.count("closed"),
        "reset": names.count("reset"),
        "timed_out": names.count("timed_out") + names.count("failed"),
        "wrong_owner": names.count("wrong_owner"),
        "retransmits": sum(session["retransmits"] for session in sessions),
        "most_retransmits": max(session["retransmits"] for session in sessions),
        "max_stall_ms": round(stalls[-1], 1) if stalls else None,
        "p99_stall_ms": round(stalls[max(0, -(-len(stalls) * 99 // 100) - 1)], 1) if stalls else None,
        "control_max_stall_ms": round(result["control"]["max_stall_ms"], 1),
        "moved": len(moved),
        "moved_places": len(places),
        "moved_later": len(later),
        "moved_able": sum(owners[flow] not in stage.dead for flow, _ in places),
        "able": len(able),
        "able_survived": sum(session["result"] in ("survived", "closed") for session in able),
        "crossed": len(crossed),
        "crossed_home": len(crossed - moved),
        "events": [[round((at - start) * 1000), text] for at, text in stage.events],
        "timeline": result["timeline"],
        "bin_ms": result["bin_ms"],
    }
    if stage.dead:
        row.update(_deaths(stage, sessions, start))
    return row


def _deaths(stage, sessions, start):
    """How the clients of the servers that died learned of it."""
    crash = next((at for at, text in stage.events if text.startswith("crash")), start)
    crash_ms = (crash - start) * 1000
    died = [
        session for session in sessions
        if session["owner"] in stage.dead and not 0 < session["ended_ms"] < crash_ms
    ]  # fmt: skip
    told = [session["ended_ms"] - crash_ms for session in died if session["result"] == "reset"]
    return {
        "died": len(died),
        "died_reset": len(told),
        "median_reset_ms": round(statistics.median(told), 1) if told else None,
    }
