# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts, stops, deaths and refusals: what is taken over, kept and removed."""
import json
import re
import signal
import sys
import time

from lab import (CAPABILITIES, PORT, VIP, Failure, Process, both, difference, expect, expect_refused,
                 expect_round, moved_sessions, wait_until)


def test_killed_and_started_again(lab):
    _, (_, b) = both(lab)
    client, late = lab.client(), lab.client()
    moved_sessions(lab, client)
    before = lab.retransmissions()
    lab.end(b, signal.SIGKILL)
    expect_round(client, {"A": 30})
    late.ask("open %s %d 5" % (VIP, PORT))
    expect_round(late, {"B": 5})
    b = lab.drive("B")
    expect("owner", b.count("^owner 1 10.2.0.2$"), 1)
    expect("pins", len(b.ask("pins")), 30)
    expect("sessions", len(b.ask("sessions")), 5)
    expect_round(client, {"A": 30})
    expect("new strays", b.count("^stray "), 0)
    expect("retransmissions", lab.retransmissions() - before, 0)


def test_killed_before_the_detour(lab):
    """Strays that come while nobody listens are dropped, not reset; the retransmission is rescued."""
    _, (_, b) = both(lab)
    client = lab.client()
    client.ask("open %s %d 20" % (VIP, PORT))
    expect_round(client, {"A": 20})
    lab.end(b, signal.SIGKILL)
    lab.move("B")
    client.send("round")
    time.sleep(0.5)
    lab.drive("B")
    client.wait("^{.*wrong", 10.0, len(client.lines))
    result = json.loads(client.lines[-1])
    expect("owners", result["owners"], {"A": 20})
    expect("resets", result["reset"], 0)


def test_table_lost_after_a_restart(lab):
    """What an earlier instance put into the table is made again too."""
    lab.end(lab.drive("B"), signal.SIGKILL)
    lab.drive("B")

    def sets():
        return "".join(lab.on("B", "nft", "list", "set", "ip", "holdfast", name, check=False)
                       for name in ("vips", "members", "uplinks"))

    wanted = sets()
    expect("filled", wanted.count("elements"), 3)
    lab.on("B", "nft", "flush", "ruleset")
    wait_until("the sets are made again", sets, wanted)


def test_removed_without_a_trace(lab):
    lab.on("B", "tc", "qdisc", "add", "dev", "up0", "clsact")  # somebody else's
    states = {name: lab.state(name) for name in "AB"}
    for kill in (False, True):
        client = lab.client()
        servers, (a, b) = both(lab)
        moved_sessions(lab, client)
        if kill:
            lab.end(b, signal.SIGKILL)
            b = lab.drive("B")
        lab.end(a)
        lab.end(b)
        for name in "AB":
            expect("left on " + name, difference(states[name], lab.state(name)), "")
        for process in (client, *servers):
            lab.end(process)
        lab.move("A")


def test_detours_kept(lab):
    _, (_, b) = both(lab, keep="detours")
    client, late = lab.client(), lab.client()
    moved_sessions(lab, client)
    lab.move("A")
    late.ask("open %s %d 5" % (VIP, PORT))
    lab.move("B")
    lab.end(b)
    expect_round(client, {"A": 30})
    expect("strays are reset", late.ask("round")["reset"], 5)
    # What systemd-networkd's restart does to the rules of others.
    for preference in re.findall(r"(\d+):.*proto 79", lab.ip("B", "-N", "rule")):
        lab.ip("B", "rule", "del", "pref", preference)
    fresh = lab.client()
    fresh.ask("open %s %d 5" % (VIP, PORT))
    expect_round(fresh, {"B": 5})
    b = lab.drive("B", keep="nothing")
    expect("pins", len(b.ask("pins")), 30)
    lab.end(b)


def test_refusals(lab):
    lab.ip("A", "link", "add", "hf-vx0", "type", "bridge")
    expect_refused(lab, "was not made by Holdfast")
    lab.ip("A", "link", "del", "hf-vx0")
    lab.ip("A", "link", "add", "other", "type", "vxlan", "id", "9", "dstport", "4790", "dev",
           "up0")
    lab.ip("A", "link", "set", "other", "up")
    expect_refused(lab, "UDP port 4790 is in use")
    lab.ip("A", "link", "del", "other")
    for missing, words in (("bpf", "CAP_BPF"), ("perfmon", "CAP_PERFMON"),
                           ("net_admin", "CAP_NET_ADMIN")):
        expect_refused(lab, words, capabilities=CAPABILITIES.replace(",+" + missing, ""))


def test_second_instance_is_refused(lab):
    _, (a, b) = both(lab)
    client = lab.client()
    moved_sessions(lab, client)
    expect_refused(lab, "in use")
    lab.drivers["A"] = a
    expect_round(client, {"A": 30})
    lab.move("A")
    expect_round(client, {"A": 30})


def test_other_port_and_mask(lab):
    """A restart with another tunnel port and another place in the mark keeps the pins."""
    before = {name: lab.state(name) for name in "AB"}
    _, drivers = both(lab, keep="all")
    client = lab.client()
    moved_sessions(lab, client)
    for driver in drivers:
        lab.end(driver)
    options = ("--tunnel-port", "4791", "--owner-mask", "0x00ff0000")
    drivers = lab.drive("A", *options), lab.drive("B", *options)
    expect("pins", len(drivers[1].ask("pins")), 30)
    expect_round(client, {"A": 30})
    expect("strays", drivers[1].count("^stray "), 0)
    for driver in drivers:
        lab.end(driver)
    for name in "AB":
        expect("left on " + name, difference(before[name], lab.state(name)), "")


def test_failed_start_keeps_what_is_there(lab):
    """Without the device, too, it is seen that pins are there."""
    _, (_, b) = both(lab, keep="all")
    moved_sessions(lab, lab.client())
    lab.end(b)
    lab.ip("B", "link", "del", "hf-vx0")
    lab.on("B", "tc", "filter", "del", "dev", "up0", "ingress")
    lab.on("B", "tc", "filter", "add", "dev", "up0", "ingress", "prio", "1", "protocol", "ip",
           "bpf", "bytecode", "1,6 0 0 4294967295,")
    try:
        lab.drive("B")
    except Failure as failure:
        expect("refused", "classifier cannot be attached" in str(failure), True)
    else:
        raise Failure("started")
    lab.on("B", "tc", "filter", "del", "dev", "up0", "ingress")
    expect("pins", len(lab.drive("B").ask("pins")), 30)


def test_other_mask_under_traffic(lab):
    """A restart with other bits of the mark drops at most; nothing is reset or goes elsewhere."""
    _, (_, b) = both(lab, keep="all")
    client = lab.client()
    moved_sessions(lab, client)
    for mask in ("0x00ff0000", "0x0000ff00", "0x00000fff"):
        start = len(client.lines)
        for _ in range(200):
            client.send("round")
        lab.end(b)
        b = lab.drive("B", "--owner-mask", mask, keep="all")
        for _ in range(200):
            client.wait("^{", 10, start)
            result = json.loads(client.lines[start])
            expect("%s with %s" % (result, mask), result["ok"], 30)
            start += 1
    expect("pins", len(b.ask("pins")), 30)


def test_other_port_in_use(lab):
    """It is refused before anything goes: the detours live on."""
    _, (a, _) = both(lab, keep="all")
    client = lab.client()
    lab.move("B")
    expect("opened", client.ask("open %s %d 30" % (VIP, PORT)), {"opened": 30, "failed": 0})
    lab.move("A")
    expect_round(client, {"B": 30})
    lab.end(a)
    lab.start(Process, "A", sys.executable, "-uc", "import socket, time; s = socket.socket("
              "type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 4791)); print('bound'); "
              "time.sleep(60)").wait("bound")
    expect_refused(lab, "UDP port 4791 is in use", "--tunnel-port", "4791")
    expect_round(client, {"B": 30})
    expect("pins", len(lab.drive("A").ask("pins")), 30)
    expect_round(client, {"B": 30})
