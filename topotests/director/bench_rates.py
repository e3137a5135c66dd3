# SPDX-License-Identifier: GPL-2.0-or-later
"""What a director costs with many flows: forwarding, connections a second and memory, against a host with the same
routes and without Holdfast, in turns.

Forwarding: CPU time of a packet, from the director's device that it comes by to the hub's. One CPU does all of it: the
sender's, in softirqs. What the sender and a pair of veths cost without any director is measured in the same rounds, and
taken off for *ratio*, and not for *whole_ratio*. No NIC and no driver takes part. Packets go round all flows, so that the next
packet of a flow comes as late as possible. *noise* is the second half of the rounds without Holdfast against the first.

Connections: real sockets, opened and closed at once; both ends, the director and (leaves) the members that answer its
questions share the machine. *limit_ratio* is what is left of the rate by one policy rule and one nftables rule at each
of two hooks, without Holdfast: nothing that uses them can be faster. Memory, for each flow: the kernel's unreclaimable slabs on the whole machine (records, pins),
what it accounts for the records alone, and fpmd's resident set.
"""

import json
import pathlib
import statistics
import subprocess
import time

import bench_site
from bench_site import FIRST_CONNECTION, LEAVES, SENDER_CPU, SERVERS, Site, program, wait

SIZES = (1000, 100000, 1000000)
MEMORY_FLOWS = 500000
ROUNDS = 7
FORWARD_MS = 400
CONNECT_MS = 1000
CONNECT_AHEAD = 64
CONNECTIONS_A_ROUND = 60000
MOST_LOST = 0.001


def softirq_daemon_us():
    """CPU time of the sender's CPU's ksoftirqd, which helps when there is too much."""
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() == f"ksoftirqd/{SENDER_CPU}":
                return int((path.parent / "schedstat").read_text().split()[0]) // 1000
        except OSError:
            continue
    raise RuntimeError("no ksoftirqd")


def kernel_bytes():
    """What the kernel's tables of all kinds take, on the whole machine: a figure for one that does nothing else."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("SUnreclaim:"))


def record_bytes(site):
    """What the kernel accounts for the map of recorded flows."""
    (path,) = (site.run.directory / "bpf").glob("*/holdfast-flows-*")
    shown = subprocess.run(["bpftool", "-j", "map", "show", "pinned", path], check=True, stdout=subprocess.PIPE)
    return json.loads(shown.stdout)["bytes_memlock"]


# One policy rule, with local delivery behind it, and a rule at each hook that Holdfast has.
LEAST_RULES = "rule add preference 1 fwmark 1/1 table 100", "rule add preference 2 table local", "rule del preference 0"
LEAST_NFT = """table ip least {
    chain prerouting { type filter hook prerouting priority -150; meta mark & 1 == 0 accept; }
    chain forward { type filter hook forward priority 0; oifname "none" drop; }
}
"""


class Host:
    """A site with the programs that measure it."""

    def __init__(self, kind, holdfast, key_file, fast):
        self.site = Site(kind, holdfast, key_file, fast)
        try:
            self.sender = self.site.sender()
            self.floor = self.site.sender("floor", ("floor", "floor"))
            self.server = self.site.start("hub", program("connect_rate"), "serve")
            self.client = self.site.start("client", program("connect_rate"), str(CONNECT_AHEAD))
        except BaseException:
            self.site.close()
            raise
        self.flows = 0
        self.next_connection = FIRST_CONNECTION

    def grow(self, count):
        """So many flows in all are recorded, and if that takes owners, those are known."""
        more = count - self.flows
        if self.site.members:
            self.site.publish(self.flows, more)
        self.site.open_flows(self.sender, self.flows, more)
        self.flows = count
        if self.site.members:
            wait(f"not all of {count} flows are pinned", lambda: self.site.pins() >= count, 120)

    def forward(self):
        """ns of CPU for each packet, the sender's own included."""
        before = self.site.received()
        return self._send(self.sender, lambda: self.site.received() - before)

    def send_only(self):
        return self._send(self.floor, None)

    def _send(self, sender, arrived):
        helper = softirq_daemon_us()
        answer = sender.numbers(f"send 0 {self.flows} 0 {FORWARD_MS}")
        helper = softirq_daemon_us() - helper
        if arrived and arrived() < answer["packets"] * (1 - MOST_LOST):
            raise RuntimeError(f"{arrived()} of {answer['packets']} packets were forwarded")
        return (answer["cpu_us"] + helper) * 1000 / answer["packets"]

    def connect(self):
        """Connections a second, and µs of fpmd's CPU for each."""
        first, self.next_connection = self.next_connection, self.next_connection + CONNECTIONS_A_ROUND
        if self.site.members:
            self.site.publish(first, CONNECTIONS_A_ROUND)
        cpu = self.site.fpmd_cpu_us() if self.site.fpmd else 0
        answer = self.client.numbers(f"connect {first} {CONNECTIONS_A_ROUND} {CONNECT_MS}")
        if answer["failed"]:
            raise RuntimeError(f"{answer['failed']} connections failed")
        cpu = (self.site.fpmd_cpu_us() - cpu if self.site.fpmd else 0) / answer["count"]
        return answer["count"] / answer["us"] * 1e6, cpu


def noise(values):
    """Of the same host: the second half of the rounds against the first."""
    half = len(values) // 2
    return round(statistics.median(values[half:]) / statistics.median(values[:half]), 3)


def forwarding(stock, ours, rounds):
    costs = {"stock": [], "holdfast": []}
    whole = {"stock": [], "holdfast": []}
    for turn in range(rounds):
        hosts = [("stock", stock), ("holdfast", ours)]
        for name, host in hosts if turn % 2 else reversed(hosts):
            floor = host.send_only()
            whole[name].append(host.forward())
            costs[name].append(whole[name][-1] - floor)
    median = {name: statistics.median(values) for name, values in costs.items()}
    whole = {name: statistics.median(values) for name, values in whole.items()}
    return {
        "stock_ns": round(median["stock"]), "holdfast_ns": round(median["holdfast"]),
        "ratio": round(median["holdfast"] / median["stock"], 3), "noise": noise(costs["stock"]),
        "whole_ratio": round(whole["holdfast"] / whole["stock"], 3),
    }  # fmt: skip


def connections(stock, least, ours, rounds):
    rates = {"stock": [], "least": [], "holdfast": []}
    cpu = []
    for turn in range(rounds):
        hosts = [("stock", stock), ("least", least), ("holdfast", ours)]
        for name, host in hosts if turn % 2 else reversed(hosts):
            rate, fpmd = host.connect()
            rates[name].append(rate)
            if host is ours:
                cpu.append(fpmd)
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "stock_per_second": round(median["stock"]), "holdfast_per_second": round(median["holdfast"]),
        "ratio": round(median["holdfast"] / median["stock"], 3), "noise": noise(rates["stock"]),
        "limit_ratio": round(median["least"] / median["stock"], 3),
        "fpmd_us_each": round(statistics.median(cpu), 1),
    }  # fmt: skip


def snapshot(site):
    return {"kernel": kernel_bytes(), "record": record_bytes(site), "fpmd": site.fpmd_bytes()}


def memory(before, after, flows):
    """Bytes for each flow."""
    return {name: round((after[name] - before[name]) / flows, 1) for name in before}


def measure(kind, folder, sizes, rounds, wanted, fast=False):
    """Yields (name, figures) of one kind of paths."""
    section = f"{kind}-fast" if fast else kind
    bench_site.raise_limits()
    hosts = []
    try:
        for holdfast in False, False, True:
            hosts.append(Host(kind, holdfast, bench_site.make_key(folder), fast))
        stock, least, ours = hosts
        least.site.ip("director", *LEAST_RULES)
        least.site.run.execute("director", ["nft", "-f", "-"], input=LEAST_NFT)
        for size in sizes:
            before, flows = snapshot(ours.site), size - ours.flows
            ours.grow(size)
            time.sleep(0.5)
            if "memory" in wanted and flows >= MEMORY_FLOWS / 2:
                yield f"memory_{section}_{size}", memory(before, snapshot(ours.site), flows)
            stock.flows = size
            if "forwarding" in wanted:
                yield f"forwarding_{section}_{size}", forwarding(stock, ours, rounds)
            if "connections" in wanted:
                yield f"connections_{section}_{size}", connections(stock, least, ours, rounds)
    finally:
        for host in hosts:
            host.site.close()


__all__ = ["LEAVES", "ROUNDS", "SERVERS", "SIZES", "measure"]
