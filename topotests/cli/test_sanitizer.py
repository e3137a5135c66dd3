# SPDX-License-Identifier: GPL-2.0-or-later
"""
What tools/check zebra rests on: the sanitizer that is preloaded to the stock zebra sees the faults of a module in
it. They are made by tests/rpc_caller.c, on purpose.
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]

import sanitizer  # noqa: E402
from test_cli import eventually, fresh, r1  # noqa: E402,F401
from test_yang import MORE_OPTIONS, terminal  # noqa: E402,F401

# What is undefined behaviour ends zebra without a word: its terminal has no standard error any more.
FAULTS = {"address": {"leak": "Direct leak of 4321 byte", "overflow": None, "overrun": "heap-buffer-overflow"},
          "thread": {"race": "data race"}}

pytestmark = pytest.mark.skipif(not sanitizer.KIND, reason="zebra runs without a sanitizer")


@pytest.mark.parametrize("fault", FAULTS.get(sanitizer.KIND, []))
def test_a_restart_of_zebra_shows_what_it_found(r1, fault):  # noqa: F811
    wanted = FAULTS[sanitizer.KIND][fault]
    pid = r1.run("cat /var/run/frr/zebra.pid").strip()

    def ended():
        return not r1.run("ls -d /proc/%s 2>/dev/null" % pid).strip()

    def found():
        return [report for report in sanitizer.reports(r1.logdir) if wanted in report and "test_fault" in report]

    assert not ended() and (not wanted or not found())
    said = terminal(r1, "test-fault " + fault)
    assert said == ("zebra ended\n" if fault in ("overflow", "overrun") else "")
    r1.run("kill %s 2>/dev/null" % pid)
    assert eventually(ended, 20)
    assert not wanted or len(found()) == 1, sanitizer.reports(r1.logdir)
    assert not sanitizer.ours(r1.logdir)
    r1.run("rm -f /var/run/frr/zebra.*")
    assert not r1.net.startRouterDaemons(["zebra"])
