# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/bench director: its sections, and what is expected of them. Each section can be run alone."""

import bench_conntrackd
import bench_failover
import bench_rates
from bench_site import LEAVES, SERVERS

RATES = [f"{kind}{form}" for kind in (SERVERS, LEAVES) for form in ("", "-fast")]

# figure -> (key, most or least, target). What has no entry is for information.
TARGETS = {
    **{f"forwarding_{section}_100000": ("ratio", "at most", 1.10) for section in RATES},
    **{f"connections_{section}_{size}": ("ratio", "at least", 0.95) for section in RATES for size in bench_rates.SIZES},
    "withdrawal_owners_known": ("last_wrong_ms", "at most", 50),
    "withdrawal_owners_unknown": ("last_pin_ms", "at most", 500),
    "conntrackd": ("ratio", "at most", 0.1),
}


def rates(kind, wanted, fast=False):
    def section(folder, quick):
        sizes = bench_rates.SIZES[:2] if quick else bench_rates.SIZES
        yield from bench_rates.measure(kind, folder, sizes, 5 if quick else bench_rates.ROUNDS, wanted, fast)

    return section


def memory(folder, quick):
    """Without the records of connections that were closed."""
    for kind in SERVERS, LEAVES:
        yield from bench_rates.measure(kind, folder, (1000, bench_rates.MEMORY_FLOWS), 0, ("memory",))


def withdrawal(folder, quick):
    yield from bench_failover.measure(folder, 1 if quick else bench_failover.ROUNDS)


def conntrackd(folder, quick):
    yield "conntrackd", bench_conntrackd.measure(folder, 3 if quick else bench_conntrackd.ROUNDS)


SECTIONS = {
    SERVERS: rates(SERVERS, ("forwarding", "connections")),
    f"{SERVERS}-fast": rates(SERVERS, ("forwarding", "connections"), fast=True),
    LEAVES: rates(LEAVES, ("forwarding", "connections")),
    f"{LEAVES}-fast": rates(LEAVES, ("forwarding", "connections"), fast=True),
    "memory": memory,
    "withdrawal": withdrawal,
    "conntrackd": conntrackd,
}


def verdict(name, figures):
    """None without a target, else (whether it is met, text)."""
    if name not in TARGETS:
        return None
    key, direction, limit = TARGETS[name]
    met = figures[key] <= limit if direction == "at most" else figures[key] >= limit
    return met, f"{key} {figures[key]}, target {direction} {limit}: {'met' if met else 'MISSED'}"


def measure(folder, only, quick):
    """Prints figures as they come; returns {name: figures}."""
    made = {}
    for section in only or SECTIONS:
        for name, figures in SECTIONS[section](folder, quick):
            made[name] = figures
            print(f"{name}:", ", ".join(f"{key} {value}" for key, value in figures.items()), flush=True)
    print()
    for name, figures in made.items():
        if said := verdict(name, figures):
            print(f"{name}: {said[1]}")
    return made
