# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions that move, live on where they are, and are told to fpmd."""
import json
import re
import signal
import time

from lab import (VIP, VIP6, PORT, both, difference, expect, expect_round, moved_sessions,
                 wait_until)


def test_moved_sessions_live_and_new_ones_stay(lab):
    _, (a, b) = both(lab)
    client, late = lab.client(), lab.client()
    before = lab.retransmissions()
    moved_sessions(lab, client, 100)
    expect("strays", b.count("^stray .* tunnelled 0 "), 100)
    ports = set(client.ask("ports"))
    seen = {int(m.group(1)) for line in b.lines
            if (m := re.match(r"stray 10\.1\.0\.2:(\d+) > 192\.0\.2\.80:8080 ", line))}
    expect("flows", seen, ports)
    late.ask("open %s %d 30" % (VIP, PORT))
    expect_round(late, {"B": 30})
    expect("sessions told by B", b.count("^session established"), 30)
    lab.move("A")
    expect_round(client, {"A": 100})
    expect_round(late, {"B": 30})
    expect("strays at A", a.count("^stray "), 30)
    expect("retransmissions", lab.retransmissions() - before, 0)
    client.ask("close")
    wait_until("held by A", lambda: len(a.ask("sessions")), 0)
    expect("ends told by A", a.count("^session closed"), 100)


def test_first_segment_is_the_servers_close(lab):
    """FIN_WAIT_2 at the owner, the rest of the conversation through the detour."""
    (server, _), (a, b) = both(lab)
    client = lab.client()
    client.ask("open %s %d 10" % (VIP, PORT))
    expect_round(client, {"A": 10})
    lab.end(server)
    lab.move("B")
    client.ask("close")
    time.sleep(0.3)
    expect("strays", b.count("^stray .* reset 0") > 0, True)
    expect("resets", b.count("^stray .* reset 1"), 0)


def test_time_wait_is_a_session(lab):
    """The client's FIN comes twice, the second time for a socket in TIME_WAIT."""
    (server, _), (a, b) = both(lab)
    client = lab.client()
    client.ask("open %s %d 10" % (VIP, PORT))
    expect_round(client, {"A": 10})
    lab.end(server)
    time.sleep(0.1)
    lab.on("R", "nft", "add table ip deaf; add chain ip deaf c { type filter hook forward "
           "priority 0; }; add rule ip deaf c ip saddr %s drop" % VIP)
    client.ask("close")
    time.sleep(0.05)
    lab.on("R", "nft", "delete", "table", "ip", "deaf")
    wait_until("ends", lambda: lab.on("C", "ss", "-Htan", "state", "last-ack"), "")
    expect("TIME_WAIT", len(lab.on("A", "ss", "-Htan", "state", "time-wait").splitlines()), 10)
    expect("strays", a.counters()["classifier-strays"], 0)


def test_address_removed(lab):
    _, (a, _) = both(lab)
    client = lab.client()
    client.ask("open %s %d 30" % (VIP, PORT))
    expect_round(client, {"A": 30})
    before = lab.retransmissions()
    lab.ip("A", "addr", "del", VIP + "/32", "dev", "lo")
    a.wait("^addresses 0$")
    expect_round(client, {"A": 30})
    lab.move("B")
    expect_round(client, {"A": 30})
    lab.ip("A", "addr", "add", VIP + "/32", "dev", "lo")
    a.wait("^addresses 1$")
    expect_round(client, {"A": 30})
    expect("retransmissions", lab.retransmissions() - before, 0)
    a.ask("hold %s 0" % VIP)
    expect("hold", "7939" in lab.ip("A", "route", "show", "table", "local"), False)


def test_early_demux_off(lab):
    for name in "AB":
        lab.sysctl(name, "net.ipv4.tcp_early_demux=0", "net.ipv4.ip_early_demux=0")
    both(lab)
    moved_sessions(lab, lab.client())


def test_forced_cookies(lab):
    for name in "AB":
        lab.sysctl(name, "net.ipv4.tcp_syncookies=2")
    _, (a, b) = both(lab)
    client, late = lab.client(), lab.client()
    moved_sessions(lab, client)
    late.ask("open %s %d 30" % (VIP, PORT))
    expect_round(late, {"B": 30})
    lab.move("A")
    expect_round(client, {"A": 30})
    expect_round(late, {"B": 30})
    expect("cookies", a.counters()["classifier-cookies"] >= 30, True)
    expect("strays at B", b.count("^stray "), 30)


def test_own_traffic(lab):
    """Health check of the host to its own VIP, connections made from the VIP, marked listeners."""
    _, (a, b) = both(lab)
    health = lab.client("A")
    health.ask("open %s %d 5" % (VIP, PORT))
    expect_round(health, {"A": 5})
    lab.server("C", "10.1.0.2", 9000)
    outward = lab.client("A")
    expect("outward", outward.ask("open 10.1.0.2 9000 5 " + VIP), {"opened": 5, "failed": 0})
    expect_round(outward, {"C": 5})
    for port, mark in ((8081, 0x1), (8082, 0x4002), (8083, 0x80000002)):
        for name in "AB":
            lab.server(name, port=port, mark=mark)
        client = lab.client()
        lab.move("A")
        client.ask("open %s %d 5" % (VIP, port))
        expect_round(client, {"A": 5})
        health = lab.client("A")
        health.ask("open %s %d 2" % (VIP, port))
        expect_round(health, {"A": 2})
        lab.move("B")
        expect_round(client, {"A": 5})
    expect("strays at A", a.count("^stray "), 0)


def test_foreign_marks(lab):
    rules = """table ip foreign {
        chain early { type filter hook prerouting priority -200; meta mark set mark or 0x4000
        }
        chain middle { type filter hook prerouting priority -140;
            ip daddr %s meta mark and 0x80000000 == 0 meta mark set mark or 0x1
        }
        chain late { type filter hook forward priority 10; mark and 0x4000 == 0 counter drop
        }
    }""" % VIP
    for name in "AB":
        lab.on(name, "nft", "-f", "-", text=rules)
    both(lab)
    moved_sessions(lab, lab.client())
    late = lab.client()  # bears the bits of an owner's id at B
    late.ask("open %s %d 5" % (VIP, PORT))
    expect_round(late, {"B": 5})


def test_bulk(lab):
    """Large requests, which arrive as segments joined by GRO, while the route moves to and fro."""
    both(lab)
    client = lab.client()
    client.ask("open %s %d 4" % (VIP, PORT))
    expect_round(client, {"A": 4})
    for target in "BABA":
        client.send("round 4000000")
        time.sleep(0.01)
        lab.move(target)
        start = len(client.lines)
        client.wait("^{", 20.0, start)
        result = json.loads(client.lines[start])
        expect("owners", "%s %s" % (result["owners"], result), "{'A': 4} %s" % result)


def test_other_rules_keep_their_place(lab):
    """Somebody else moved local delivery away: it stays where it is."""
    lab.ip("A", "rule", "add", "pref", "100", "lookup", "local")
    lab.ip("A", "rule", "del", "pref", "0")
    before = lab.state("A")
    both(lab)
    expect("local", re.findall(r"(\d+):.*lookup local", lab.ip("A", "rule")), ["100"])
    client = lab.client()
    lab.move("B")
    client.ask("open %s %d 5" % (VIP, PORT))
    expect_round(client, {"B": 5})
    lab.move("A")
    expect_round(client, {"B": 5})
    lab.end(lab.drivers["A"])
    expect("left", difference(before, lab.state("A")), "")


def test_ipv6(lab):
    before = lab.state("B")
    both(lab, ipv6=True)
    b = lab.drivers["B"]
    client, late, old = lab.client(), lab.client(), lab.client()
    for name in "AB":
        lab.server(name, VIP6)
    expect("opened", client.ask("open %s %d 30" % (VIP6, PORT)), {"opened": 30, "failed": 0})
    old.ask("open %s %d 5" % (VIP, PORT))
    expect_round(client, {"A": 30})
    retransmissions = lab.retransmissions()
    lab.move("B")
    expect_round(client, {"A": 30})
    late.ask("open %s %d 10" % (VIP6, PORT))
    expect_round(late, {"B": 10})
    expect("strays", b.count("^stray .*2001:db8::80"), 30)
    lab.ip("A", "addr", "del", VIP6 + "/128", "dev", "lo")
    expect_round(client, {"A": 30})
    lab.ip("A", "addr", "add", VIP6 + "/128", "dev", "lo", "nodad")
    lab.end(b, signal.SIGKILL)
    expect_round(client, {"A": 30})
    b = lab.drive("B", ipv6=True)
    expect("pins", sum("2001:db8::80" in line for line in b.ask("pins")), 30)
    expect_round(client, {"A": 30})
    expect("retransmissions", lab.retransmissions() - retransmissions, 0)
    lab.end(b)
    expect("left", difference(before, lab.state("B")), "")


def test_dual_stack_listener(lab):
    """IPv4 sessions of a listener on [::]."""
    for name in "AB":
        lab.server(name, "::", PORT)
    drivers = lab.drive("A"), lab.drive("B")
    client = lab.client()
    moved_sessions(lab, client)
    expect("sessions", len(drivers[0].ask("sessions")), 30)
    port = client.ask("ports")[0]
    expect("known", drivers[0].ask("known 10.1.0.2 %d %s %d" % (port, VIP, PORT)), ["known 1"])
    expect("unknown", drivers[1].ask("known 10.1.0.2 %d %s %d" % (port, VIP, PORT)), ["known 0"])
    expect("events", drivers[0].count("^session established 10.1.0.2"), 30)


def test_events_lost(lab):
    """The ring buffer runs full while nobody reads it."""
    _, (a, _) = both(lab)
    client = lab.client()
    a.child.send_signal(signal.SIGSTOP)
    for _ in range(14):
        client.ask("open %s %d 900" % (VIP, PORT))
        client.ask("close")
    a.child.send_signal(signal.SIGCONT)
    a.wait("^lost$")
    expect("counted", a.counters()["session-events-lost"] > 0, True)
    expect("told once", a.count("^lost$"), 1)
    client.ask("open %s %d 1" % (VIP, PORT))
    expect_round(client, {"A": 1})
