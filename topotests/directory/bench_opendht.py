# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenDHT for tools/bench: a Kademlia, as a reference. Its limits on requests, searches and sizes are lifted; that it
keeps each search alive for 62 minutes, and visits all of them for each packet, cannot be changed. It has no batches
and cannot tell an owner's sessions: each is put a second time under the owner's own key for that."""

import os
import subprocess
import time

from bench_engine import Engine, median, words
from group import TOP, Process, address, make_namespaces

SOURCE = os.path.join(TOP, "topotests", "directory", "opendht_node.cc")
PROGRAM = os.path.join(TOP, "topotests", "directory", "opendht_node")
PACKAGE = "libopendht-dev"
RATES = (100, 1000)
KNOWN_S = 60


def installed():
    return subprocess.run(["pkg-config", "--exists", "opendht"], check=False).returncode == 0


class OpenDht(Engine):
    name = "opendht"
    members = (8,)

    @classmethod
    def prepare(cls):
        if not installed():
            print("installing", PACKAGE, flush=True)
            for command in "update", f"-y --no-install-recommends install {PACKAGE}":
                subprocess.run(
                    ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *command.split()],
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)  # fmt: skip
        if not os.path.exists(PROGRAM) or os.path.getmtime(PROGRAM) < os.path.getmtime(SOURCE):
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", "opendht"], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.split()  # fmt: skip
            subprocess.run(["g++", "-O2", "-std=c++17", "-o", PROGRAM, SOURCE, *flags, "-pthread"], check=True)

    def __init__(self, count, folder):
        super().__init__(count, folder)
        self.nodes = []
        make_namespaces(count)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        for number in range(1, self.count + 1):
            self.nodes.append(Process(number, [PROGRAM, address(number)]))
        # Each is told all others, as BGP tells ours.
        for node in self.nodes:
            for other in self.nodes:
                if other is not node:
                    node.do("bootstrap " + address(other.number))
        end = time.monotonic() + KNOWN_S
        # A routing table of larger groups need not have all.
        while any(int(node.do("known").split()[1]) < min(self.count - 1, 7) for node in self.nodes):
            assert time.monotonic() < end, "the nodes do not find each other"
            time.sleep(0.1)

    def close(self):
        for node in self.nodes:
            node.kill()

    def __getitem__(self, number):
        return self.nodes[number - 1]

    def put_some(self, count):
        first = self.flows(count)
        answer = words(self[1].do(f"put {first} {count} 16"))
        assert answer["failed"] == 0, answer
        return first

    def put_single(self):
        answer = words(self[1].do(f"put {self.flows(300)} 300 1"))
        assert answer["failed"] == 0, answer
        return {"p50_us": answer["p50"], "p99_us": answer["p99"]}

    def get(self, published):
        count = 300
        first = self.put_some(count) if published else self.flows(count)
        answer = words(self[3].do(f"get {first} {count} 1"))
        assert answer["found" if published else "absent"] == count, answer
        return {"p50_us": answer["p50"], "p99_us": answer["p99"]}

    def cpu(self):
        return sum(int(node.do("cpu").split()[1]) for node in self.nodes)

    def cpu_per_session(self, rate):
        count = 2 * rate
        before = self.cpu()
        answer = words(self[1].do(f"rate {self.flows(count)} {count} {rate}"))
        assert answer["failed"] == 0, answer
        return {"us": round((self.cpu() - before) / count, 2)}

    def bulk(self):
        answer = words(self[3].do("bulk " + address(5)))
        return {"ms": answer["us"] / 1000, "found": answer["flows"] / 1000}

    def put_batched(self):
        each = 3000
        for node in self[1], self[2]:
            node.send(f"put {self.flows(each)} {each} 256")
        answers = [words(node.read()) for node in (self[1], self[2])]
        return {
            "per_second": round(2 * each / max(answer["us"] for answer in answers) * 1e6),
            "failed": sum(answer["failed"] for answer in answers),
        }

    def get_batched(self):
        each = 500
        firsts = [self.put_some(each), self.put_some(each)]
        for number, first in zip((3, 4), firsts):
            self[number].send(f"get {first} {each} 256")
        answers = [words(self[number].read()) for number in (3, 4)]
        found = sum(answer["found"] for answer in answers)
        return {
            "per_second": round(found / max(answer["us"] for answer in answers) * 1e6),
            "found": found / 2 / each,
        }

    def two_killed(self):
        count = 300
        first = self.put_some(count)
        self[3].send(f"get {first} {count} 1")
        for number in (self.count - 1, self.count):
            self[number].kill()
        during = words(self[3].read())
        return {
            "during_p50_us": during["p50"], "during_p99_us": during["p99"], "during_found": during["found"] / count,
        }  # fmt: skip

    def figures(self):
        yield "put", median(self.put_single)
        yield "get_found", median(lambda: self.get(True))
        yield "get_absent", median(lambda: self.get(False))
        yield "cpu_us_per_session", {
            str(rate): median(lambda rate=rate: self.cpu_per_session(rate))["us"] for rate in RATES
        }
        words(self[5].do(f"index {self.flows(1000)} 1000"))
        yield "bulk_1000", median(self.bulk, 1)
        # From here on its searches are many, and slow everything down.
        yield "put_batched", median(self.put_batched, 1)
        yield "get_batched", median(self.get_batched, 1)
        yield "two_killed", self.two_killed()
