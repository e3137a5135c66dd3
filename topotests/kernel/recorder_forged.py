# SPDX-License-Identifier: GPL-2.0-or-later
"""Segments that nobody sent, ports that live again: what takes a record, and what does not."""
import sys
import time

from lab import PORT, VIP, VIP6, Failure, expect, expect_round, wait_until
from recorder_lab import PACKETS, STRANGERS, begin, owners, recorded


def test_clients_cannot_answer_themselves(lab):
    """A handshake whose SYN-ACK comes from where the clients are proves nothing."""
    driver = lab.record()
    lab.choose("A")
    for kind in ("syn", "ack"):
        lab.send(kind, 50)
    lab.on("C", sys.executable, PACKETS, "answer", STRANGERS, VIP, "9", "50")
    lab.send("ack", 50)
    expect("records", driver.flows(), {})


def test_wrong_number(lab):
    """An ACK that does not answer the SYN-ACK proves nothing; the second one is told."""
    driver = lab.record()
    lab.choose("A")
    lab.send("syn", 50)
    lab.send("answer", 50)
    lab.send("random", 50)
    expect("adopted", driver.events("adopted"), [])
    lab.send("random", 50, "--copies", "5")
    expect("records", driver.sweep(), {1: (0, 50)})
    expect("adopted", len(driver.events("adopted")), 50)


def flood(lab, vip, driver, client, wanted):
    begin = time.monotonic()
    lab.send("syn", 200000, vip=vip)
    expect("records", driver.flows(), wanted)
    lab.send("random", 200000, "--copies", "2", vip=vip,
             client="198.18.100.1" if vip == VIP else "2001:db8:198::1:1")
    expect("records", driver.flows(), wanted)
    if time.monotonic() - begin > 60:
        raise Failure("the floods took more than a minute")
    bounded = sum(probation for _, probation in driver.sweep().values())
    if not 0 < bounded <= 131072:
        raise Failure("%d on probation" % bounded)


def test_floods(lab):
    """Neither SYNs nor ACKs leave a record, or push one out."""
    lab.servers()
    driver = lab.record()
    client = lab.sessions(40)
    wanted = owners(client)
    records = recorded(client)
    flood(lab, VIP, driver, client, records)
    lab.choose("EBA")
    expect_round(client, wanted)
    flood(lab, VIP6, driver, client, records)


def test_port_reuse(lab):
    """After a FIN a SYN may begin a new flow, which takes the record when its handshake is done; without, it follows
    the record."""
    driver = lab.record()
    for kind in ("syn", "ack"):
        lab.choose("A")
        lab.send(kind, 100)
        if kind == "syn":
            lab.send("answer", 100)
    expect("records", driver.flows(), {1: 100})
    lab.choose("B")
    lab.send("syn", 100)
    expect("records", driver.sweep(), {1: (100, 0)})
    lab.send("fin", 50)
    lab.send("syn", 100)
    expect("records", driver.sweep(), {1: (100, 0), 2: (0, 50)})
    lab.send("answer", 100)
    lab.send("ack", 100)
    expect("records", driver.sweep(), {1: (50, 0), 2: (50, 0)})


def test_forged(lab):
    """RST, FIN and SYN that nobody sent take no live flow from its path, and none from its pin."""
    driver, client = begin(lab, 10)
    lab.choose("B")
    for port in client.ask("ports"):
        for kind in ("reset", "syn", "fin", "syn"):
            lab.send(kind, 1, "--port", str(port), client="10.1.0.2", port=PORT)
    expect_round(client, {"A": 10})
    expect("records", driver.sweep(), {1: (10, 0)})
    # Whether the SYN was forged, or its SYN-ACK went another way, the directory knows.
    wait_until("adopted", lambda: len(driver.events("adopted")), 10)
    # First the pin: B still repeats its SYN-ACKs, and would reset a client whose answer came there.
    lab.pin("A")
    driver.tell("path 1 4 toA shared down")
    for port in client.ask("ports"):
        lab.send("syn", 1, "--port", str(port), client="10.1.0.2", port=PORT)
    expect_round(client, {"A": 10})
    expect("records", driver.flows(), {1: 10})
    expect("without room", driver.counters()["flows-full"], 0)
