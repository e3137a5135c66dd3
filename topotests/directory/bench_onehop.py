# SPDX-License-Identifier: GPL-2.0-or-later
"""The one-hop engine for tools/bench."""

import os
import random
import time

from bench_engine import Engine, median, words
from broadcast import Broadcast
from group import Group, address, remove_namespaces

RATES = (1000, 10000, 100000)


class OneHop(Engine):
    name = "one-hop"
    members = (8, 32, 64)

    def __init__(self, count, folder):
        super().__init__(count, folder)
        key = folder / "key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text(f"1 {random.SystemRandom().randbytes(32).hex()}\n")
        self.group = self.make_group(count, os.fspath(key))

    def make_group(self, count, key):
        return Group(count, key)

    def close(self):
        self.group.close()

    def put_single(self):
        answer = words(self.group[1].do(f"put {self.flows(500)} 500 1"))
        return {"p50_us": answer["p50"], "p99_us": answer["p99"]}

    def stream(self):
        """Members send at once while there is little to send; from now on they wait for more, as in a steady
        stream of sessions (WINDOW_MS in transport.c)."""
        self.group[1].do(f"rate {self.flows(4000)} 4000 1000")

    def put_batched(self):
        """Two members publish at once."""
        each = 100000
        for member in self.group[1], self.group[2]:
            member.send(f"put {self.flows(each)} {each} 8192")
        times = [words(member.read())["us"] for member in (self.group[1], self.group[2])]
        return {"per_second": round(2 * each / max(times) * 1e6)}

    def get(self, published):
        count = 3000 if published else 500
        first = self.flows(count)
        if published:
            self.group[1].do(f"publish {first} {count}")
            self.group.settle(1)
        answer = words(self.group[3].do(f"get {first} {count} 1000 1"))
        assert answer["found" if published else "absent"] == count, answer
        return {"p50_us": answer["p50"], "p99_us": answer["p99"], "messages": round(answer["messages"] / count, 2)}

    def get_batched(self):
        """Two members ask at once."""
        each = 100000
        firsts = [self.flows(each), self.flows(each)]
        for first in firsts:
            self.group[1].do(f"publish {first} {each}")
        self.group.settle(1)
        for number, first in zip((3, 4), firsts):
            self.group[number].send(f"get {first} {each} 1000 4096")
        answers = [words(self.group[number].read()) for number in (3, 4)]
        found = sum(answer["found"] for answer in answers)
        return {
            "per_second": round(found / max(answer["us"] for answer in answers) * 1e6),
            "found": found / 2 / each,
        }

    def bulk(self):
        """All sessions of one owner, which has 100,000."""
        answer = words(self.group[3].do("bulk " + address(5)))
        assert answer["flows"] == 100000, answer
        return {"ms": answer["us"] / 1000}

    def cpu(self):
        return sum(words("us=" + member.do("cpu").split()[1])["us"] for member in self.group.members)

    def cpu_per_session(self, rate):
        """What sessions cost beyond the time without any: hellos, ticks, and the ticks of the pace."""
        count = min(3 * rate, 100000)
        start = self.cpu()
        self.group[1].do(f"pace {count} {rate}")
        before = self.cpu()
        self.group[1].do(f"rate {self.flows(count)} {count} {rate}")
        self.group.settle(1)
        return {"us": round((self.cpu() - before - (before - start)) / count, 2)}

    def new_group(self):
        """Without what the members have published so far."""
        self.group.close()
        remove_namespaces()
        self.group = Group(self.count, self.group.key_file)

    def two_killed(self):
        """Look-ups while two members die, before BGP notices, and after."""
        count, live = 20000, range(1, self.count - 1)
        first = self.flows(count)
        self.group[1].do(f"publish {first} {count}")
        self.group.settle(1)
        self.group[3].send(f"get {first} {count} 1000 1")
        for number in (self.count - 1, self.count):
            self.group[number].kill()
        during = self.group[3].read()
        assert f"owner={address(1)} " in during, during
        during = words(during)
        self.group.route(live)
        self.group.wait_ring(self.count - 2, live)
        self.group.settle(1)
        after = words(self.group[3].do(f"get {first} 3000 1000 1"))
        return {
            "during_p50_us": during["p50"], "during_p99_us": during["p99"], "during_found": during["found"] / count,
            "after_p50_us": after["p50"], "after_p99_us": after["p99"],
        }  # fmt: skip

    def three_killed(self):
        """Three members die at once: some records have lost all replicas. When has the owner of 100,000 sessions put
        them elsewhere, after BGP noticed?"""
        count, live = 100000, range(1, self.count - 2)
        first = self.flows(count)
        self.group[1].do(f"publish {first} {count}")
        self.group.settle(1)
        for number in range(self.count - 2, self.count + 1):
            self.group[number].kill()
        start = time.monotonic()
        self.group.route(live)
        self.group.settle(1)
        restored = time.monotonic() - start
        answer = words(self.group[3].do(f"get {first} {count} 1000 64"))
        return {
            "restored_ms": round(restored * 1000), "found": answer["found"] / count,
            "messages": round(answer["messages"] / count, 2),
        }  # fmt: skip

    def figures(self):
        # All have just started: look-ups ask all replicas in parallel, for 5 s (MEMBER_NEW_MS in member.h).
        yield "get_found_in_parallel", self.get(True)
        time.sleep(6)
        yield "get_found", median(lambda: self.get(True))
        yield "get_absent", median(lambda: self.get(False))
        yield "put", median(self.put_single)
        yield "put_batched", median(self.put_batched)
        yield "get_batched", median(self.get_batched)
        self.stream()
        yield "put_in_a_stream", self.put_single()
        yield "cpu_us_per_session", {
            str(rate): median(lambda rate=rate: self.cpu_per_session(rate))["us"] for rate in RATES
        }
        self.group[5].do(f"publish {self.flows(100000)} 100000")
        self.group.settle(5)
        yield "bulk_100000", median(self.bulk)
        self.new_group()
        time.sleep(6)
        yield "two_killed", self.two_killed()
        self.new_group()
        time.sleep(6)
        yield "three_killed", self.three_killed()

    def broadcast(self):
        """{case: figures}, see broadcast.py. For a group that measured nothing else."""
        return Broadcast(self.group, self.flows(100000)).measure()

    def idle(self):
        """What hellos cost: CPU and datagrams of one member while nothing happens."""

        def totals():
            sent = sum(member.counter("datagrams-sent") for member in self.group.members)
            return time.monotonic(), self.cpu(), sent

        # The first hellos come faster.
        time.sleep(2)
        start, cpu, sent = totals()
        time.sleep(5)
        end, cpu_end, sent_end = totals()
        each = self.count * (end - start)
        return {
            "cpu_us_per_second": round((cpu_end - cpu) / each),
            "datagrams_per_second": round((sent_end - sent) / each, 1),
        }
