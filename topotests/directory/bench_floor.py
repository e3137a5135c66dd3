# SPDX-License-Identifier: GPL-2.0-or-later
"""The floor for tools/bench: what a question costs here without any directory. Plain UDP between blocking sockets in
the same namespaces, no event loop, no seal: no engine that asks other hosts can be faster. How far an engine is above
it says more than its own figures, as machines differ and change."""

import os
import pathlib
import subprocess

from bench_engine import Engine, median, words
from group import TOP, address, make_namespaces, namespace

ECHO = os.path.join(TOP, "tests", "udp_echo")
PORT = 7940


class Floor(Engine):
    name = "floor"
    members = (8, 32, 64)

    def __init__(self, count, folder):
        super().__init__(count, folder)
        self.servers = []
        make_namespaces(count)
        for number in range(2, count + 1):
            server = self.start(number, "serve", address(number), PORT)
            self.servers.append(server)
            assert server.stdout.readline().strip() == "ready"

    def start(self, number, *words_of_it):
        return subprocess.Popen(
            ["ip", "netns", "exec", namespace(number), ECHO, *map(str, words_of_it)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
            server.stdout.close()

    def cpu(self):
        """us that the servers ran so far."""
        return sum(
            int(pathlib.Path(f"/proc/{server.pid}/schedstat").read_text(encoding="ascii").split()[0]) // 1000
            for server in self.servers
        )

    def ask(self, hosts, count=3000, pause_us=0):
        asker = self.start(1, "ask", PORT, count, pause_us, *(address(n) for n in range(2, 2 + hosts)))
        answer = words(asker.communicate()[0])
        assert asker.returncode == 0
        return answer

    def latency(self, hosts):
        answer = self.ask(hosts)
        return {"p50_us": answer["p50"], "p99_us": answer["p99"]}

    def cpu_of_three(self):
        """As a session that is published at once to three hosts, one each ms."""
        count = 3000
        before = self.cpu()
        own = self.ask(3, count, 1000)["cpu"]
        return {"1000": round((self.cpu() - before + own) / count, 2)}

    def figures(self):
        yield "get_found", median(lambda: self.latency(1))
        yield "get_absent", median(lambda: self.latency(self.count - 1))
        yield "put", median(lambda: self.latency(3))
        yield "cpu_us_per_session", median(self.cpu_of_three)
