# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a look-up asks: messages per get in a group that is whole, after records were lost, and with a member whose
directory port is blocked. Had each get to ask everybody, it would cost one message for each other member; only
a get of a session that no replica knows does. For the test and tools/bench."""

import statistics
import time

from group import address

OWNER, ASKERS = 1, (3, 4, 5)
GETS = 200  # of each asker; ahead of an answer 1, so that times are those of one get alone
GETS_ALL = 30  # where each may ask everybody or takes long
SILENT_S = 10


class Broadcast:
    """Measures in a group of 8 members or more, which is whole, before and after. *first*: its flows are from there on."""

    def __init__(self, group, first):
        self.group, self.flow = group, first
        self.blocked = len(group.members)

    def flows(self, count):
        self.flow += count
        return self.flow - count

    def publish(self, owner=OWNER, count=GETS):
        first = self.flows(count)
        self.group[owner].do("publish %d %d" % (first, count))
        self.group.settle(owner)
        return first

    def lose(self, seed, replicas):
        """Of each record that there is, so many replicas, chosen at random."""
        return sum(int(member.do("drop %d %d" % (seed, replicas)).split()[1]) for member in self.group.members)

    def ask(self, first, count=GETS, owner=OWNER, ahead=1):
        results = [self.group[number].get(first, count, 1000, ahead) for number in ASKERS]
        asked = count * len(ASKERS)
        assert all(result["owner"] in (address(owner), "none") for result in results), results
        return {
            "messages": round(sum(result["messages"] for result in results) / asked, 2),
            "messages_max": max(result["max"] for result in results),
            "p50_us": round(statistics.median(result["p50"] for result in results)),
            "p99_us": max(result["p99"] for result in results),
            "found": sum(result["found"] for result in results) / asked,
            "absent": sum(result["absent"] for result in results),
            "timed_out": sum(result["timed_out"] for result in results),
        }

    def wait_state(self, state):
        end = time.monotonic() + SILENT_S
        for number in (OWNER, *ASKERS):
            while self.group[number].states()[address(self.blocked)][0] != state:
                assert time.monotonic() < end, "member %d is not %s" % (self.blocked, state)
                time.sleep(0.05)

    def measure(self):
        """{case: figures}, in this order."""
        rows = {"whole": self.ask(self.publish())}
        first = self.publish()
        assert self.lose(1, 1) >= GETS * 2 / 3
        rows["one replica lost"] = self.ask(first)
        first = self.publish()
        assert self.lose(2, 2) >= GETS * 4 / 3
        rows["all but one lost"] = self.ask(first)
        first = self.publish(count=GETS_ALL)
        self.lose(3, 3)
        rows["all replicas lost"] = self.ask(first, GETS_ALL)
        rows["no such session"] = self.ask(self.flows(GETS_ALL), GETS_ALL)
        theirs, its = self.publish(), self.publish(self.blocked, GETS_ALL)
        self.group[self.blocked].block()
        try:
            rows["a member blocked"] = self.ask(theirs)
            # All at a time: each takes 150 ms.
            rows["its own sessions"] = self.ask(its, GETS_ALL, self.blocked, GETS_ALL)
            self.wait_state("silent")
            rows["blocked and silent"] = self.ask(theirs)
            rows["then its own sessions"] = self.ask(its, GETS_ALL, self.blocked)
            rows["then no such session"] = self.ask(self.flows(3), 3, ahead=3)
        finally:
            self.group[self.blocked].unblock()
        self.wait_state("in-ring")
        return rows
