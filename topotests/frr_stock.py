# SPDX-License-Identifier: GPL-2.0-or-later
"""
A pytest plugin for FRR's own topotests, as tools/frr-topotests runs them: the same corrections of the
environment as in conftest.py, and, if wanted, the module in every zebra, configured so that it
observes the host routes of the tests.
"""
import os
import sys

sys.path.insert(0, os.environ["FRR_TOPOTESTS"])

import frr_library  # noqa: E402,F401
import lib.topotest  # noqa: E402

BUILD = os.environ["HOLDFAST_BUILD"]
MODULES = {daemon: os.path.join(BUILD, "zebra-plugin/.libs/%s_holdfast.so" % daemon) for daemon in ("zebra", "mgmtd")}
COMMANDS = ["configure", "holdfast", "prefix 203.0.113.80/32", "prefix 2001:db8:80::80/128",
            "member-range 10.0.0.0/8", "member-range 192.168.0.0/16", "member-range 172.16.0.0/12",
            "member-range fc00::/7"]

stock_start = lib.topotest.Router.startRouterDaemons


def start(self, daemons=None, tgen=None):
    starts_zebra = self.daemons["zebra"] == 1 if daemons is None else "zebra" in daemons
    for daemon, module in MODULES.items():
        options = self.daemons_options.get(daemon) or ""
        if os.path.exists(module) and module not in options:
            self.daemons_options[daemon] = "%s -M %s" % (options, module)
    result = stock_start(self, daemons, tgen)
    if starts_zebra:
        shown = self.cmd("vtysh -c 'show modules' 2>&1")
        assert "zebra_holdfast" in shown, shown
        out = self.cmd("vtysh %s 2>&1" % " ".join("-c '%s'" % command for command in COMMANDS))
        assert not out, out
    return result


if "HOLDFAST_IN_EVERY_ZEBRA" in os.environ:
    lib.topotest.Router.startRouterDaemons = start
