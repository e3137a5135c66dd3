# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios, first with stock FRR, then with what it is compared with, and judges them. Prints progress lines;
the report is the caller's. Every lab that is built is removed, however the suite ends. What keeps a scenario from
its end is a finding; the others run on, in a new lab."""

import platform
import re
import subprocess
import sys

from lab import director, hostile, scenarios, transfer
from lab.holdfast import Holdfast
from lab.judge import judge
from lab.network import FRR_DIR
from lab.run import LabError
from lab.stage import Lab, play

MODES = ("stock", "resilient", "holdfast")
_core = {scenario.name: scenario for scenario in scenarios.ALL}
_late = ("server-crash", "app-crash", "fpmd-kill", "fpmd-kill-early")
ORDER = [scenario for scenario in scenarios.ALL if scenario.name not in _late]
ORDER += [transfer.Download, transfer.Upload] + [_core[name] for name in _late] + hostile.ALL + director.ALL
NAMES = [scenario.name for scenario in ORDER]
_FAMILIES = ("hostile", "director", *director.FAMILIES)


def names_at(where):
    """Names of the scenarios of a topology, in order."""
    return [scenario.name for scenario in ORDER if scenario.where is where]


MOST_NAMES = max(len(names_at(scenario.where)) for scenario in ORDER)


def choose(names, quick=False):
    """The scenarios of the names given -> their modes, in the suite's order; `hostile` and `director` are all of
    their kind, `director-add` is that one in each topology. No names: all, with *quick* those that are meant for
    it. A topology's run without events is always among them, because others are compared with it. Raises KeyError
    for an unknown name."""
    chosen = {}
    for name in names or NAMES:
        found = [one for one in ORDER if name == one.name or (name in _FAMILIES and _is_of(one.name, name))]
        if not found:
            raise KeyError(name)
        for one in found:
            chosen[one] = one.quick_modes if quick and not names else one.modes
    for first in [one for one in ORDER if one.quiet]:
        needed = {mode for one, modes in chosen.items() if one.where is first.where for mode in modes}
        chosen[first] = tuple(mode for mode in MODES if mode in needed)
    return {one: chosen[one] for one in ORDER if chosen.get(one)}


def _is_of(name, family):
    return name.startswith(f"{family}-") if family in ("hostile", "director") else director.family_of(name) == family


def versions():
    """(FRR's version, the kernel's)."""
    done = subprocess.run([FRR_DIR / "zebra", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\S+)", done.stdout)
    return (found.group(1) if found else "unknown"), platform.release()


class Suite:
    """*options*: seed, sessions, servers, quick, build, modes, timers. *chosen*: what choose() gives."""

    def __init__(self, options, chosen, out=sys.stdout):
        self.options = options
        self.chosen = chosen
        self.out = out
        self.rows = []
        self.broken = []  # sentences about scenarios that did not come to their end
        self.lab = None

    def run(self):
        """Returns the rows; each has `wrong`, the list of what it must show and does not."""
        try:
            for mode in self.options.modes:
                self._run_mode(mode)
        finally:
            self.close()
        return self.rows

    def close(self):
        if self.lab:
            self.lab.close()
            self.lab = None

    def _run_mode(self, mode):
        chosen = [kind for kind, modes in self.chosen.items() if mode in modes]
        baselines = {}  # topology -> row of its run without events
        for number, kind in enumerate(chosen):
            self._say(f"{mode:9} {number + 1:2}/{len(chosen)} {kind.name:38} {kind.title}")
            try:
                if self.lab is None:
                    self._open(kind.where, mode)
                row = self._play(kind(), baselines.get(kind.where, {"retransmits": 0}))
                baselines.setdefault(kind.where, row)
                following = chosen[number + 1 : number + 2]
                self._next(not following or following[0].where is not kind.where)
            except LabError as error:
                self.broken.append(f"{kind.name} ({mode}): {error}")
                self._say(f"{'':16}! {error}")
                self.close()
        self.close()

    def _play(self, scenario, baseline):
        names = names_at(scenario.where)
        row = play(self.lab, scenario, names.index(scenario.name), len(names), self.options)
        row["wrong"] = judge(row, scenario, baseline)
        self.rows.append(row)
        for at_ms, text in row["events"]:
            self._say(f"{'':16}{at_ms / 1000:6.2f} s  {text}")
        self._say(f"{'':16}{_summary(row)}")
        return row

    def _open(self, where, mode):
        self.lab = Lab(
            where(self.options.servers, self.options.seed), mode, self.options.build,
            Holdfast(self.options.build) if mode == "holdfast" else None, self.options.timers,
        )  # fmt: skip
        self.lab.build()

    def _next(self, last):
        """A fresh lab for each scenario, or with `quick` the same one, mended."""
        if last or not self.options.quick:
            self.close()
        else:
            self.lab.restore()

    def _say(self, text):
        print(text, file=self.out, flush=True)


def _summary(row):
    text = f"{row['survived']} of {row['sessions']} survived, {row['moved']} moved"
    if row["mode"] == "holdfast":
        text += f", {row['detours']} detours"
    if row["max_stall_ms"] is not None:
        text += f", stall p99 {row['p99_stall_ms']:.0f} ms, max {row['max_stall_ms']:.0f} ms"
    if row.get("median_reset_ms") is not None:
        told = f"{row['died_reset']} of {row['died']} clients of the dead got a RST"
        text += f"; {told}, median {row['median_reset_ms']:.0f} ms"
    return text + "".join(f"\n{'':16}! {wrong}" for wrong in row["wrong"])
