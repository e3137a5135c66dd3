# SPDX-License-Identifier: GPL-2.0-or-later
"""One scenario on one lab: what a scenario may do, and the figures of its run.

Random choices come from the stage's generator alone, which depends on the seed and the scenario's name and not on
the mode: stock FRR and Holdfast meet the same victims and the same pauses.
"""

import random
import statistics
import time

from lab import topology
from lab.traffic import Applications, Client
from lab.measure import Meters
from lab.network import Network
from lab.run import Run

CLIENT_PORTS = range(2000, 65000)


def most_sessions(names):
    """How many sessions a run may have, *names* being the number of all scenarios: each has ports of its own."""
    return len(CLIENT_PORTS) // names - 50


class Lab:
    """A network with its applications and meters, ready for scenarios."""

    def __init__(self, servers, seed, build, holdfast=None):
        self.build_directory = build
        self.holdfast = holdfast
        self.topology = topology.Topology(servers, seed)
        self.run = Run()
        self.network = Network(self.run, self.topology, holdfast)
        self.applications = Applications(self.run, self.topology, build)
        self.meters = Meters(self.run, self.topology)

    def build(self):
        self.network.build()
        self.meters.install()
        self.applications.start_all()
        self.network.await_convergence()
        if self.holdfast:
            self.holdfast.await_ready(self.network)

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

    def __init__(self, lab, name, index, names, options):
        self.lab = lab
        self.network = lab.network
        self.topology = lab.topology
        self.applications = lab.applications
        self.holdfast = lab.holdfast
        self.mode = "holdfast" if lab.holdfast else "stock"
        self.name = name
        self.options = options
        self.chance = random.Random(f"{options.seed}:{name}")
        stride = len(CLIENT_PORTS) // names
        self.first_port = CLIENT_PORTS[index * stride + self.chance.randrange(stride - options.sessions - 40)]
        self.events = []
        self.dead = set()
        self.lost_element = set()  # flows that crossed what failed
        self.failures = []  # what the scenario itself found wrong
        self.extra = {}  # further figures for the report
        self.transfers = []  # further sessions, with port, owner and result
        self.client = None

    def start_traffic(self):
        self.lab.meters.reset()
        self.client = Client(
            self.lab.run, self.lab.build_directory, self.options.sessions, self.first_port,
            self.chance.randrange(2**32), ramp_ms=500 if self.options.quick else 1000,
        )  # fmt: skip
        self.client.await_ready()

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
    """Runs *scenario* and returns its row of the report. The network is left as the scenario left it."""
    stage = Stage(lab, scenario.name, index, names, options)
    before = lab.holdfast.totals(lab.network) if lab.holdfast else {}
    scenario.prepare(stage)
    stage.start_traffic()
    stage.pause(0.3, 0.6)
    scenario.act(stage)
    time.sleep(scenario.aftermath * (0.6 if options.quick else 1.0))
    after = lab.holdfast.totals(lab.network) if lab.holdfast else {}
    result = stage.client.finish()
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
    places = stage.lab.meters.moved(owners)
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
        "max_stall_ms": round(stalls[-1], 1) if stalls else None,
        "p99_stall_ms": round(stalls[max(0, -(-len(stalls) * 99 // 100) - 1)], 1) if stalls else None,
        "control_max_stall_ms": round(result["control"]["max_stall_ms"], 1),
        "moved": len(moved),
        "moved_places": len(places),
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
