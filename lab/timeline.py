# SPDX-License-Identifier: GPL-2.0-or-later
"""The time line as SVG: for each scenario the share of sessions alive, and below it the worst stall, stock FRR
and resilient next-hop groups against Holdfast, with marks at the events. Pure: text out."""

from xml.sax.saxutils import escape

COLUMNS = 3
PANEL_WIDTH, PANEL_HEIGHT = 430, 268
MARGIN = 24
HEADER = 92
ALIVE_HEIGHT, STALL_HEIGHT, GAP = 118, 38, 14
LEFT, RIGHT, TOP = 40, 12, 64
STALL_CEILING_MS = 1000
COLORS = {"stock": "#c2410c", "resilient": "#7c3aed", "holdfast": "#0f766e"}
LABELS = {"stock": "stock FRR", "resilient": "resilient groups", "holdfast": "Holdfast"}
INK, FAINT, GRID = "#1f2933", "#6b7785", "#e4e7eb"


def render(report):
    """The whole picture for a report of lab.report.build()."""
    panels = {}
    for row in report["scenarios"]:
        panels.setdefault(row["name"], {})[row["mode"]] = row
    lines = -(-len(panels) // COLUMNS)
    columns = min(COLUMNS, len(panels))
    width = max(2 * MARGIN + columns * PANEL_WIDTH, 760)
    height = HEADER + lines * PANEL_HEIGHT + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Inter, Helvetica, DejaVu Sans, sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _header(report, width),
    ]
    for number, (name, modes) in enumerate(panels.items()):
        x = MARGIN + number % COLUMNS * PANEL_WIDTH
        y = HEADER + number // COLUMNS * PANEL_HEIGHT
        parts.append(f'<g transform="translate({x},{y})">{_panel(name, modes)}</g>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def _text(x, y, text, size=11, color=INK, anchor="start", weight="normal"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )


def _header(report, width):
    facts = f"FRR {report['frr']} · Linux {report['kernel']} · seed {report['seed']}"
    parts = [
        _text(MARGIN, 36, "TCP sessions through BGP changes", 20, weight="600"),
        _text(MARGIN, 58, "share of sessions alive, and the worst stall among them (50 ms bins)", 12, FAINT),
        _text(width - MARGIN, 58, facts, 11, FAINT, "end"),
    ]
    shown = {row["mode"] for row in report["scenarios"]}
    x = width - MARGIN
    for mode in reversed([mode for mode in COLORS if mode in shown]):
        x -= 36 + 6.6 * len(LABELS[mode])
        parts.append(f'<rect x="{x:.1f}" y="26" width="18" height="4" rx="2" fill="{COLORS[mode]}"/>')
        parts.append(_text(x + 24, 32, LABELS[mode], 12))
    return "".join(parts)


def _panel(name, modes):
    seconds = max(len(row["timeline"]) * row["bin_ms"] for row in modes.values()) / 1000
    plot = PANEL_WIDTH - LEFT - RIGHT
    scale = plot / max(seconds, 0.1)
    parts = [_text(LEFT, 18, name, 14, weight="600"), _score(modes)]
    parts.append(_axes(seconds, scale, plot))
    parts.append(_events(modes.get("holdfast") or next(iter(modes.values())), scale))
    for mode in COLORS:
        if mode in modes:
            parts.append(_alive(modes[mode], scale, COLORS[mode]))
            parts.append(_stall(modes[mode], scale, COLORS[mode]))
    return "".join(parts)


def _score(modes):
    parts = []
    x = PANEL_WIDTH - RIGHT
    for mode in reversed(COLORS):
        if mode in modes:
            row = modes[mode]
            text = f"{row['survived']}/{row['sessions']}"
            parts.append(_text(x, 36, text, 13, COLORS[mode], "end", "600"))
            x -= 9 * len(text) + 10
    return "".join(parts)


def _axes(seconds, scale, plot):
    parts = []
    for share in (0, 50, 100):
        y = TOP + ALIVE_HEIGHT * (1 - share / 100)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + plot}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{share}%", 9.5, FAINT, "end"))
    base = TOP + ALIVE_HEIGHT + GAP + STALL_HEIGHT
    parts.append(f'<line x1="{LEFT}" x2="{LEFT + plot}" y1="{base}" y2="{base}" stroke="{GRID}"/>')
    for stall, label in ((10, "10 ms"), (1000, "1 s")):
        y = base - _stall_height(stall)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + plot}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 6, y + 3, label, 8.5, FAINT, "end"))
    step = 1 if seconds <= 8 else 2 if seconds <= 16 else 5
    for second in range(0, int(seconds) + 1, step):
        parts.append(_text(LEFT + second * scale, base + 13, f"{second} s", 9, FAINT, "middle"))
    return "".join(parts)


def _events(row, scale):
    """A line for each event; labels only where there is room for them."""
    parts = []
    free = LEFT
    for at, text in row["events"]:
        x = LEFT + at / 1000 * scale
        bottom = TOP + ALIVE_HEIGHT + GAP + STALL_HEIGHT
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="#94a3b8" '
            f'stroke-width="1" stroke-dasharray="3 3"/>'
        )
        length = 5.1 * len(text)
        start = min(x, PANEL_WIDTH - RIGHT - length)
        if start >= free:
            parts.append(_text(start, TOP - 10, text, 9.5, FAINT))
            free = start + length + 8
    return "".join(parts)


def _alive(row, scale, color):
    bins = [alive for alive, _, _ in row["timeline"]]
    sessions = max(bins + [1])
    points = [
        f"{LEFT + (number + 1) * row['bin_ms'] / 1000 * scale:.1f},{TOP + ALIVE_HEIGHT * (1 - alive / sessions):.1f}"
        for number, alive in enumerate(bins)
    ]
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="2.2" '
        f'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _stall_height(stall_ms):
    """Square root scale: 10 ms can be seen beside a second."""
    return STALL_HEIGHT * min(1.0, (stall_ms / STALL_CEILING_MS) ** 0.5)


def _stall(row, scale, color):
    base = TOP + ALIVE_HEIGHT + GAP + STALL_HEIGHT
    points = [f"{LEFT:.1f},{base}"]
    x = LEFT
    for number, (_, _, stall) in enumerate(row["timeline"]):
        x = LEFT + (number + 1) * row["bin_ms"] / 1000 * scale
        points.append(f"{x:.1f},{base - _stall_height(stall):.1f}")
    points.append(f"{x:.1f},{base}")
    return (
        f'<polygon points="{" ".join(points)}" fill="{color}" fill-opacity="0.25" stroke="{color}" '
        f'stroke-width="1" stroke-linejoin="round"/>'
    )
