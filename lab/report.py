# SPDX-License-Identifier: GPL-2.0-or-later
"""The report: one table for people, JSON for programs. Pure but for write_json()."""

import json

KEYS = (
    "name", "mode", "sessions", "survived", "reset", "timed_out", "wrong_owner", "retransmits", "max_stall_ms",
    "p99_stall_ms", "control_max_stall_ms", "moved", "strays", "detours", "lookups", "lookup_messages",
)  # fmt: skip

_COLUMNS = (
    ("scenario", "name", "<"),
    ("mode", "mode", "<"),
    ("sessions", "sessions", ">"),
    ("survived", "survived", ">"),
    ("reset", "reset", ">"),
    ("timed out", "timed_out", ">"),
    ("wrong", "wrong_owner", ">"),
    ("retrans", "retransmits", ">"),
    ("p99 stall", "p99_stall_ms", ">"),
    ("max stall", "max_stall_ms", ">"),
    ("control", "control_max_stall_ms", ">"),
    ("moved", "moved", ">"),
    ("detours", "detours", ">"),
    ("look-ups", "lookups", ">"),
    ("msgs", "lookup_messages", ">"),
    ("", "verdict", "<"),
)


def build(frr, kernel, seed, rows, options):
    """The report as a dictionary: the keys of KEYS first in every row, further ones after them."""
    ordered = [{key: row.get(key) for key in KEYS} | row for row in rows]
    return {"frr": frr, "kernel": kernel, "seed": seed, **options, "scenarios": ordered}


def write_json(path, report):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=None, separators=(",", ":"))
        file.write("\n")


def table(rows):
    """Rows as text, the rows of a scenario together, and a legend."""
    cells = [[title for title, _, _ in _COLUMNS]]
    for row in sorted_rows(rows):
        cells.append([_cell(row, key) for _, key, _ in _COLUMNS])
    widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
    lines = []
    previous = None
    for number, line in enumerate(cells):
        if number == 1:
            lines.append("-" * (sum(widths) + 2 * len(widths) - 2))
        name = line[0]
        if number and name == previous:
            line = [""] + line[1:]
        previous = name
        lines.append(
            "  ".join(f"{text:{align}{width}}" for text, width, (_, _, align) in zip(line, widths, _COLUMNS)).rstrip()
        )
    lines += [
        "",
        "stalls in ms, of sessions that survived; control: the largest stall of a session that no event touches;",
        "moved: flows that the network brought to a server other than their owner (counted by the lab itself);",
        "detours: per-flow routes that servers with Holdfast installed; msgs: datagrams that they sent for look-ups;",
        "resilient: stock FRR with the kernel's resilient next-hop groups, which a program keeps in step with FRR.",
    ]
    return "\n".join(lines)


def sorted_rows(rows):
    """Holdfast last of a scenario's modes, scenarios in the order in which they ran."""
    order, modes = {}, {}
    for row in rows:
        modes.setdefault(row["mode"], len(modes))
        order.setdefault(row["name"], len(order))
    return sorted(rows, key=lambda row: (order[row["name"]], modes[row["mode"]]))


def _cell(row, key):
    value = row.get(key)
    if key == "verdict":
        if row["mode"] != "holdfast":
            able = row["able"]
            lost = able - row["able_survived"]
            return f"{100 * lost / able:.0f} % lost" if lost and able else ""
        return "FAILED" if row["wrong"] else "ok"
    if value is None:
        return "-"
    return f"{value:.0f}" if key.endswith("_ms") and value >= 10 else str(value)


def verdict(rows):
    """Sentences about what went wrong, one a finding."""
    return [f"{row['name']} ({row['mode']}): {text}" for row in sorted_rows(rows) for text in row["wrong"]]
