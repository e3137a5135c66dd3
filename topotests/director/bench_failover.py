# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the flows of a path stay without a right way when BGP withdraws it: a director with stock FRR, Holdfast, and
4 paths to leaves, behind which 8 members of the directory own 100,000 flows. The hub ends its BGP session over one path,
so that the VIP and all members lose it.

Owners are not known where the members publish the flows only after the director asked for all of them in vain. All
times count from *zebra's event*: the first line on the VIP or a member in zebra's log (`debug zebra rib`).
route: the path's own route is gone from its table (netlink); the kernel needs nothing else where owners are known.
last_pin: nftables took its last transaction, which brings pins.
last_wrong: the last packet of the path's flows that came to the hub by another way than the tunnel to its owner; they are
sent all the time, RATE a second, so that each flow is seen every half second.
"""

import datetime
import random
import re
import statistics
import time

import bench_site
import group
from bench_site import LEAVES, PATHS, VIP, Site, program, wait

FLOWS = 100000
ROUNDS = 5
RATE = 50000
ROUND_RATE = 100000
WATCH_MS = 2500
FAILING = f"path{PATHS}"
IN_VAIN_S = 8  # then a flow without an owner was asked for 4 times, next after 30 s (PENDING_WAITS_MS in pending.h)


class FailOver:
    def __init__(self, folder):
        self.folder = folder
        self.next_flow = 0
        self.site = Site(LEAVES, True, bench_site.make_key(folder))
        try:
            self.sender = self.site.sender()
            self.times = self.site.start("director", program("netlink_times"))
        except BaseException:
            self.site.close()
            raise

    def trial(self, known, flows=FLOWS):
        """One withdrawal; figures in ms."""
        site, first = self.site, self.next_flow
        self.next_flow += flows
        pinned = site.pins()
        if known:
            site.publish(first, flows)
        site.open_flows(self.sender, first, flows)
        if known:
            wait(f"not all of {flows} flows are pinned", lambda: site.pins() >= pinned + flows, 60)
        else:
            time.sleep(IN_VAIN_S)
            site.publish(first, flows)
            if site.pins() != pinned:
                raise RuntimeError(f"{site.pins() - pinned} owners were known too early")
        devices = [f"path{path}" for path in range(1, PATHS + 1)]
        ways = site.start(
            "hub", program("packet_ways"), str(first), str(-(-flows // len(site.members))), group.address(1), *devices
        )
        try:
            return self.withdraw(ways, first, flows)
        finally:
            site.stop(ways)
            site.peering(PATHS, True)
            # The sessions end, so that nothing of them is left for the next trial.
            site.publish(first, flows, "withdraw")
            wait("the path does not come back", lambda: site.next_hops() == PATHS)
            wait("pins of sessions that ended stay", lambda: site.pins() == 0)

    def withdraw(self, ways, first, flows):
        site = self.site
        self.sender.numbers(f"send {first} {flows} {ROUND_RATE} 0")
        before = ways.numbers("ways")
        if sum(before.values()) != flows or before["tunnel"]:
            raise RuntimeError(f"{flows} flows came so: {before}")
        listed = self.folder / "flows"
        ways.do(f"list {FAILING} {listed}")
        # Not in the order in which the director asks for them.
        numbers = listed.read_text().split()
        random.Random(first).shuffle(numbers)
        listed.write_text("\n".join(numbers) + "\n")
        ways.do(f"fail {FAILING}")
        pinned = site.pins()
        self.times.do("forget")
        self.sender.send(f"send-listed {listed} {RATE} {WATCH_MS}")
        time.sleep(0.2)
        log = site.run.directory / "director" / "events.log"
        size = log.stat().st_size
        site.peering(PATHS, False)
        self.sender.read()
        event_us = first_line_us(log, size)
        times = self.times.numbers("times")
        pins = site.pins() - pinned
        moved = ways.numbers("moved")
        # Now everybody once: those flows are where they belong, and nobody else has moved.
        self.sender.numbers(f"send {first} {flows} {ROUND_RATE} 0")
        after = ways.numbers("moved")
        if moved["lost"] or after["lost"] or times["lost"]:
            raise RuntimeError(f"not all was seen: {moved}, {after}, {times}")
        since = lambda at_us: round((at_us - event_us) / 1000, 1)  # noqa: E731
        return {
            "flows": after["flows"], "on_owners": after["owner"], "elsewhere": after["other"],
            "others_moved": after["strangers"], "route_ms": since(times["routes-removed"][1]),
            "pins": pins, "last_pin_ms": since(times["transactions"][2]) if pins else 0,
            "last_wrong_ms": since(moved["last_wrong_us"]) if moved["last_wrong_us"] else 0,
        }  # fmt: skip


def first_line_us(log, offset):
    """When, in µs of the wall clock, zebra wrote its first line on a route of ours behind *offset*."""
    with open(log, encoding="utf-8") as file:
        file.seek(offset)
        for line in file:
            found = re.match(r"(\d+/\d+/\d+ \d+:\d+:\d+\.\d{6}) ", line)
            if found and re.search(rf"\b({re.escape(VIP)}|10\.77\.0\.\d+)/32", line):
                return datetime.datetime.strptime(found[1], "%Y/%m/%d %H:%M:%S.%f").timestamp() * 1e6
    raise RuntimeError(f"{log} says nothing of the routes")


def measure(folder, rounds=ROUNDS):
    """Yields (name, figures)."""
    bench = FailOver(folder)
    try:
        for name, known in ("owners_known", True), ("owners_unknown", False):
            trials = [bench.trial(known) for _ in range(rounds)]
            yield f"withdrawal_{name}", {key: statistics.median(trial[key] for trial in trials) for key in trials[0]} | {
                "worst_ms": max(max(trial["last_wrong_ms"], trial["last_pin_ms"]) for trial in trials),
                "worst_elsewhere": max(trial["elsewhere"] for trial in trials),
            }
    finally:
        bench.site.close()
