# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the lab promises: it judges as it says, keeps what it has when something breaks, removes all that it made
when it is interrupted, runs beside another one, and takes 12 servers. tools/demo and tools/soak are called as
people call them.
"""
import argparse
import contextlib
import io
import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

CONFTEST = sys.modules["conftest"]
TOP = pathlib.Path(CONFTEST.TOP)
sys.path.insert(0, CONFTEST.TOP)

from lab import director, director_topology, judge, run, scenarios, suite, topology  # noqa: E402
from lab.holdfast import Holdfast  # noqa: E402

ROW = {
    "failures": [], "able": 9, "able_survived": 9, "wrong_owner": 0, "retransmits": 0, "p99_stall_ms": 5.0,
    "moved_places": 4, "moved_able": 4, "detours": 4, "crossed_home": 0, "strays": 4, "lookups": 4,
    "lookup_messages": 12, "events": [[1000, "drain server1"]], "name": "", "mode": "holdfast", "survived": 9,
    "sessions": 9, "moved": 4, "max_stall_ms": 5.0,
}  # fmt: skip


@pytest.mark.parametrize(
    "scenario", [one for one in suite.ORDER if not one.director], ids=lambda scenario: scenario.name
)
def test_messages_are_judged_by_strays(scenario):
    changes = {"lookup_messages": 13, "lookups": 5}
    few, many = (judge.judge_holdfast({**ROW, **more}, scenario, ROW) for more in ({}, changes))
    assert not few
    fails = (scenarios.UplinkLoss, scenarios.LeafLoss, scenarios.SpineLoss, scenarios.ServerCrash)
    assert many == ([] if scenario in fails else ["13 look-up messages for 4 strays"])


DIRECTOR_ROW = {
    **ROW, "moved": 0, "moved_places": 0, "detours": 0, "reset": 0, "left_by_two_paths": 0, "most_retransmits": 0,
    "moved_later": 0,
}  # fmt: skip


@pytest.mark.parametrize("scenario, changes, wrong", [
    ("director-takeover-leaves", {"moved_places": 1, "detours": 1, "retransmits": 9, "most_retransmits": 2}, None),
    ("director-takeover-leaves", {"moved_later": 1}, "1 flows came to a wrong server long after the last event"),
    ("director-takeover-leaves", {"survived": 8, "reset": 1}, "1 sessions lost, 1 of them by a reset"),
    ("director-add-servers", {"moved": 1, "moved_places": 1}, "1 flows came to a wrong server"),
    ("director-add-servers", {"detours": 1}, "1 detours"),
    ("director-add-servers", {"left_by_two_paths": 1}, "1 flows left by two paths"),
    ("director-add-servers", {"retransmits": 1}, "1 retransmissions, 0 without events"),
    ("director-reorder-servers", {"left_by_two_paths": 1}, None),
    ("director-path-loss-servers", {"moved_places": 1, "retransmits": 9, "most_retransmits": 1}, None),
    ("director-path-loss-servers", {"most_retransmits": 2}, "up to 2 retransmissions a session"),
])  # fmt: skip
def test_directors_are_judged(scenario, changes, wrong):
    [kind] = [one for one in suite.ORDER if one.name == scenario]
    assert judge.judge({**DIRECTOR_ROW, **changes}, kind, DIRECTOR_ROW) == ([wrong] if wrong else [])


def test_scenarios_are_chosen_by_family():
    assert [one.name for one in suite.choose(["director-takeover"])] == [
        "director-none-leaves", "director-takeover-leaves", "director-none-servers", "director-takeover-servers",
    ]  # fmt: skip
    assert {one.name.partition("-")[0] for one in suite.choose(["director"])} == {"director"}
    assert [one.name for one in suite.choose(["drain-server"])] == ["none", "drain-server"]
    with pytest.raises(KeyError):
        suite.choose(["director-"])


def test_the_quick_form_plays_less():
    everything, quick = suite.choose([]), suite.choose([], quick=True)
    assert list(everything) == suite.ORDER
    assert all(set(modes) <= set(everything[one]) for one, modes in quick.items())
    assert sum(map(len, quick.values())) < sum(map(len, everything.values()))
    directors = {one.family for one, modes in quick.items() if one.director and "holdfast" in modes}
    assert directors == set(director.FAMILIES) - {"director-fpmd-kill", "director-short-timers"}
    assert suite.choose(["director-add"], quick=True) == suite.choose(["director-add"])
    for one, modes in quick.items():
        [first] = [other for other in quick if other.quiet and other.where is one.where]
        assert set(modes) <= set(quick[first])


@pytest.mark.parametrize("kind", director_topology.ALL, ids=lambda kind: kind.name)
def test_every_interface_of_a_director_has_a_far_end(kind):
    """Each end names the other, no address or interface is there twice, and no node has lost a cable."""
    description = kind(7, seed=3)
    ends = [end for link in description.links for end in link.ends]
    assert len({(node, interface) for node, interface, _ in ends}) == len(ends)
    addresses = [address for _, _, address in ends if address]
    assert len(set(addresses)) == len(addresses)
    for way in description.ways:
        assert description.path_interfaces(way)
        for interface in description.path_interfaces(way):
            node, back = description.far_end(interface)
            assert node == way and back in [neighbor.interface for neighbor in description.nodes[way].neighbors]
    members = [node.member for node in description.nodes.values() if node.member]
    assert len(set(members)) == len(members) == 7 + len(description.edges)


class DeafVty:
    """An answer of zebra's module while fpmd is away."""

    def command(self, line, check):
        return '{"error": "fpmd is not connected"}'


def test_no_answer_is_no_zero():
    holdfast = Holdfast.__new__(Holdfast)
    holdfast.processes, holdfast.retired = {"server1": None}, {}
    network = argparse.Namespace(
        topology=topology.Topology(), vty=lambda server, daemon: contextlib.nullcontext(DeafVty()),
    )  # fmt: skip
    assert holdfast.ask(network, "server1", "pins") is None
    for question in (holdfast.pins, holdfast.totals):
        with pytest.raises(run.LabError, match="server1: show holdfast .* is not answered"):
            question(network)


def test_what_breaks_one_scenario_leaves_the_others(monkeypatch):
    labs = []

    class Lab:
        def __init__(self, *_):
            labs.append(self)
            self.open = True

        def build(self):
            pass

        def restore(self):
            pass

        def close(self):
            self.open = False

    def play(lab, scenario, *_):
        assert lab.open
        if scenario.name == "drain-server":
            raise run.LabError("no convergence")
        return {**ROW, "name": scenario.name}

    monkeypatch.setattr(suite, "Lab", Lab)
    monkeypatch.setattr(suite, "Holdfast", lambda build: None)
    monkeypatch.setattr(suite, "play", play)
    options = argparse.Namespace(modes=["holdfast"], quick=True, servers=6, seed=1, build="", timers=None)
    chosen = suite.choose(["add-server", "drain-server", "rolling"])
    told = suite.Suite(options, chosen, out=io.StringIO())
    assert [row["name"] for row in told.run()] == ["none", "add-server", "rolling"]
    assert told.broken == ["drain-server (holdfast): no convergence"]
    assert len(labs) == 2 and not any(lab.open for lab in labs)
    assert "1.00 s  drain server1\n" in told.out.getvalue()


@pytest.mark.parametrize("option, value", [("servers", 2), ("servers", 101), ("sessions", 0), ("sessions", 5000)])
def test_options_out_of_range(option, value):
    done = subprocess.run([TOP / "tools/demo", f"--{option}", str(value)], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and f"error: --{option}: " in done.stderr


class Program:
    """A tool, with the lab that it runs."""

    def __init__(self, directory, *argv):
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.report = directory / "report.json"
        self.output = directory / "output"
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                [TOP / argv[0], *argv[1:], "--build", CONFTEST.BUILD, "--quick", "--scenario", "drain-server"],
                cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                # Ignored if these tests were started in the background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip

    def lab(self):
        """The directory of its lab when sessions run in it, else None."""
        for path in run.ROOT.glob("hf*/pid"):
            with contextlib.suppress(OSError):
                pid = int(path.read_text() or 0)
                if self.process.pid in (pid, parent(pid)) and (path.parent / "client.log").exists():
                    return path.parent
        return None

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.terminate()
                self.process.wait(30)

    def said(self):
        return self.output.read_text()


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def left_behind(directory):
    """All that is still there of the run whose directory it was."""
    processes = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{directory}/".encode() in path.read_bytes():
                processes.append(path.read_bytes())
    return processes + list(run.NETNS.glob(f"{directory.name}-*")) + ([directory] if directory.exists() else [])


@pytest.mark.parametrize("tool, number", [
    (["tools/demo", "--mode", "holdfast"], signal.SIGINT),
    (["tools/soak", "1"], signal.SIGTERM),
], ids=["demo", "soak"])  # fmt: skip
def test_an_interrupted_run_leaves_nothing(tmp_path, tool, number):
    program = Program(tmp_path, *tool)
    try:
        end = time.monotonic() + 60
        while not (directory := program.lab()):
            assert time.monotonic() < end and program.process.poll() is None, program.said()
            time.sleep(0.05)
        time.sleep(0.5)
        assert len(left_behind(directory)) > 30
        program.process.send_signal(number)
    finally:
        status = program.wait(30)
    assert status == 130, program.said()
    assert not left_behind(directory)


def test_two_side_by_side_one_with_12_servers(tmp_path):
    """Figures of time say nothing on a machine that is as busy as this one then."""
    def demo(servers):
        directory = tmp_path / str(servers)
        return Program(directory, "tools/demo", "--mode", "holdfast", "--servers", str(servers), "--json", "report.json")

    programs = [demo(6), demo(12)]
    directories = set()
    for program in programs:
        while program.process.poll() is None:
            directories.update(filter(None, (one.lab() for one in programs)))
            time.sleep(0.2)
    assert len(directories) == 2
    for program in programs:
        assert program.report.exists(), program.said()
        report = json.loads(program.report.read_text())
        assert [row["name"] for row in report["scenarios"]] == ["none", "drain-server"], program.said()
        none, drain = report["scenarios"]
        assert none["survived"] == drain["survived"] == none["sessions"], program.said()
        assert drain["wrong_owner"] == 0 and drain["detours"] >= drain["moved"] > 0
        assert drain["lookup_messages"] <= judge.LOOKUP_MESSAGES_LIMIT * drain["strays"]
    assert not [left for directory in directories for left in left_behind(directory)]
