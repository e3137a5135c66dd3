# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios, first with stock FRR, then with Holdfast, and judges them. Prints progress lines; the report is
the caller's. Every lab that is built is removed, however the suite ends. What keeps a scenario from its end is a
finding; the others run on, in a new lab."""

import platform
import re
import subprocess
import sys

from lab import hostile, scenarios, transfer
from lab.holdfast import Holdfast
from lab.judge import judge_holdfast, judge_stock
from lab.network import FRR_DIR
from lab.run import LabError
from lab.stage import Lab, play

MODES = ("stock", "holdfast")
_core = {scenario.name: scenario for scenario in scenarios.ALL}
_late = ("server-crash", "app-crash", "fpmd-kill", "fpmd-kill-early")
ORDER = [scenario for scenario in scenarios.ALL if scenario.name not in _late]
ORDER += [transfer.Download, transfer.Upload] + [_core[name] for name in _late] + hostile.ALL
NAMES = [scenario.name for scenario in ORDER]


def choose(names):
    """The scenarios of the names given, in the suite's order; `hostile` is all of its kind. The run without
    events is always among them, because others are compared with it. Raises KeyError for an unknown name."""
    if not names:
        return list(ORDER)
    chosen = {"none"}
    for name in names:
        found = [known for known in NAMES if known == name or (name == "hostile" and known.startswith("hostile-"))]
        if not found:
            raise KeyError(name)
        chosen.update(found)
    return [scenario for scenario in ORDER if scenario.name in chosen]


def versions():
    """(FRR's version, the kernel's)."""
    done = subprocess.run([FRR_DIR / "zebra", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\S+)", done.stdout)
    return (found.group(1) if found else "unknown"), platform.release()


class Suite:
    """*options*: seed, sessions, servers, quick, build, modes."""

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
        baseline = {"retransmits": 0}
        for number, kind in enumerate(self.chosen):
            self._say(f"{mode:8} {number + 1:2}/{len(self.chosen)} {kind.name:28} {kind.title}")
            try:
                if self.lab is None:
                    self._open(mode)
                row = self._play(kind(), mode, baseline)
                if kind.name == "none":
                    baseline = row
                self._next(kind is self.chosen[-1])
            except LabError as error:
                self.broken.append(f"{kind.name} ({mode}): {error}")
                self._say(f"{'':15}! {error}")
                self.close()
        self.close()

    def _play(self, scenario, mode, baseline):
        row = play(self.lab, scenario, NAMES.index(scenario.name), len(NAMES), self.options)
        row["wrong"] = judge_holdfast(row, scenario, baseline) if mode == "holdfast" else judge_stock(row, scenario)
        self.rows.append(row)
        for at_ms, text in row["events"]:
            self._say(f"{'':15}{at_ms / 1000:6.2f} s  {text}")
        self._say(f"{'':15}{_summary(row)}")
        return row

    def _open(self, mode):
        self.lab = Lab(
            self.options.servers, self.options.seed, self.options.build,
            Holdfast(self.options.build) if mode == "holdfast" else None,
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
    return text + "".join(f"\n{'':15}! {wrong}" for wrong in row["wrong"])
