# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's resilient next-hop groups beside stock FRR, at their best: FRR 8.4 cannot make one, and later
versions only for next hops that are configured by hand. This program follows the next hops that FRR installs for an
address and replaces one resilient group in place, so that a change moves no more than it must.

    python3 -m lab.resilient ADDRESS       (inside of the namespace; runs until it is killed)
"""

import json
import os
import subprocess
import sys

GROUP = 7900000
TABLE = 7900
PREFERENCE = 100
BUCKETS = 1024
IDLE_SECONDS = 1  # longer than any pause of a lab's session, shorter than a scenario


class Follower:
    def __init__(self, address):
        self.address = address
        self.ids = {}  # (interface, gateway) -> id of our next-hop object
        self.installed = None

    def follow(self):
        argv = ["ip", "monitor", "route", "link", "nexthop"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as monitor:
            self.update()
            print("ready", flush=True)
            while os.read(monitor.stdout.fileno(), 1 << 16):
                self.update()

    def update(self):
        hops = self._wanted()
        if not hops or (hops == self.installed and self._group_is(hops)):
            return
        lines = []
        for hop in hops:
            interface, family, gateway, _ = hop
            number = self.ids.setdefault((interface, gateway), GROUP + 1 + len(self.ids))
            lines.append(f"nexthop replace id {number} via {family}{gateway} dev {interface}")
        group = "/".join(f"{self.ids[hop[0], hop[2]]},{hop[3]}" for hop in hops)
        lines += [
            f"nexthop replace id {GROUP} group {group} type resilient buckets {BUCKETS} idle_timer {IDLE_SECONDS}"
            " unbalanced_timer 0",
            f"route replace {self.address} nhid {GROUP} table {TABLE}",
        ]
        if self.installed is None:
            lines.append(f"rule add pref {PREFERENCE} to {self.address} lookup {TABLE}")
        # A link may fail meanwhile: then the next event brings us here again.
        done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=False)
        if not done.returncode:
            self.installed = hops

    def _wanted(self):
        """What FRR has, each (interface, "" or "inet6 ", gateway, weight), in an order of our own."""
        hops = []
        for route in _ask("route", "show", self.address, "table", "main"):
            for hop in route.get("nexthops", [route]):
                if {"dead", "linkdown"} & set(hop.get("flags", [])):
                    continue
                family, gateway = ("inet6 ", hop["via"]["host"]) if "via" in hop else ("", hop.get("gateway"))
                if gateway:
                    hops.append((hop["dev"], family, gateway, hop.get("weight", 1)))
        return sorted(hops)

    def _group_is(self, hops):
        """The kernel takes next hops out of a group by itself when their link fails."""
        return any(len(entry.get("group", [])) == len(hops) for entry in _ask("nexthop", "show", "id", str(GROUP)))


def _ask(*arguments):
    done = subprocess.run(["ip", "-json", *arguments], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout or "[]")
    except ValueError:
        return []


if __name__ == "__main__":
    Follower(sys.argv[1]).follow()
