# SPDX-License-Identifier: GPL-2.0-or-later
"""What each scenario must show. Pure: rows of the report in, sentences about what failed out."""

STALL_LIMIT_MS = 50
LOOKUP_MESSAGES_LIMIT = 3
STOCK_LOSS_AT_LEAST = 0.25


def judge_holdfast(row, scenario, baseline):
    """What is wrong with a row of Holdfast's. *baseline*: the row of the run without events."""
    wrong = list(row["failures"])
    lost = row["able"] - row["able_survived"]
    if lost:
        wrong.append(f"{lost} sessions lost whose owner lived")
    if row["wrong_owner"]:
        wrong.append(f"{row['wrong_owner']} sessions were answered by a wrong owner")
    if row.get("died", 0) > row.get("died_reset", 0):
        wrong.append(f"{row['died'] - row['died_reset']} clients of the dead got no RST")
    usual = baseline["retransmits"]
    if scenario.strict:
        if row["retransmits"] > usual:
            wrong.append(f"{row['retransmits']} retransmissions, {usual} without events")
        if row["p99_stall_ms"] is None or row["p99_stall_ms"] >= STALL_LIMIT_MS:
            wrong.append(f"p99 of the stall is {row['p99_stall_ms']} ms")
    elif scenario.loses_element and row["retransmits"] > usual + row["crossed_home"] + 1:
        wrong.append(
            f"{row['retransmits']} retransmissions, {row['crossed_home']} sessions crossed what failed and came home"
        )
    # Flows of the dead may get a detour more than once, until their owner is known to be gone.
    most = row["moved_places"] if "died" not in row else row["detours"]
    if scenario.one_owner and not row["moved_able"] <= row["detours"] <= most:
        wrong.append(f"{row['detours']} detours for {row['moved_able']} to {row['moved_places']} moved flows")
    if scenario.moves and not row["detours"]:
        wrong.append("no detour was needed: the scenario proves nothing")
    # Where links or members fail, look-ups are lost and repeated until BFD has noticed.
    normal = not scenario.loses_element and not scenario.loses_member
    if normal and row["lookup_messages"] > LOOKUP_MESSAGES_LIMIT * row["strays"]:
        wrong.append(f"{row['lookup_messages']} look-up messages for {row['strays']} strays")
    return wrong


def judge_stock(row, scenario):
    """What makes the comparison unrealistic."""
    if scenario.name == "add-server" and row["survived"] >= (1 - STOCK_LOSS_AT_LEAST) * row["sessions"]:
        return [f"stock FRR lost only {row['sessions'] - row['survived']} of {row['sessions']}"]
    if scenario.name == "none" and row["survived"] != row["sessions"]:
        return ["sessions are lost without any event"]
    return list(row["failures"])
