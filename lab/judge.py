# SPDX-License-Identifier: GPL-2.0-or-later
"""What each scenario must show. Pure: rows of the report in, sentences about what failed out."""

STALL_LIMIT_MS = 50
LOOKUP_MESSAGES_LIMIT = 3


def judge(row, scenario, baseline):
    """What is wrong with a row. *baseline*: the row of the same topology's run without events."""
    if row["mode"] == "resilient":
        return judge_stock(row, scenario) if scenario.quiet else list(row["failures"])
    if row["mode"] == "stock":
        return judge_stock(row, scenario)
    return judge_director(row, scenario, baseline) if scenario.director else judge_holdfast(row, scenario, baseline)


def judge_director(row, scenario, baseline):
    """... with a row of Holdfast's on a director."""
    wrong = list(row["failures"])
    lost = row["sessions"] - row["survived"]
    if lost:
        wrong.append(f"{lost} sessions lost, {row['reset']} of them by a reset")
    if row["wrong_owner"]:
        wrong.append(f"{row['wrong_owner']} sessions were answered by a wrong owner")
    if scenario.still and row["moved_places"]:
        wrong.append(f"{row['moved']} flows came to a wrong server")
    if scenario.comes_home and row["moved_later"]:
        wrong.append(f"{row['moved_later']} flows came to a wrong server long after the last event")
    if scenario.still and row["detours"]:
        wrong.append(f"{row['detours']} detours")
    if scenario.still and scenario.keeps_paths and row["left_by_two_paths"]:
        wrong.append(f"{row['left_by_two_paths']} flows left by two paths")
    if scenario.strict and row["retransmits"] > baseline["retransmits"]:
        wrong.append(f"{row['retransmits']} retransmissions, {baseline['retransmits']} without events")
    if scenario.once and row["most_retransmits"] > 1:
        wrong.append(f"up to {row['most_retransmits']} retransmissions a session")
    return wrong


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
    lost = row["sessions"] - row["survived"]
    if scenario.quiet:
        return ["sessions are lost without any event"] if lost else []
    if scenario.breaks_stock * row["sessions"] > lost:
        return [f"stock FRR lost only {lost} of {row['sessions']}"]
    return list(row["failures"])
