# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths that are not offered, shared, withdrawn, or another one by the same id; flows of another director."""
import time

from lab import PORT, Failure, expect, expect_round, wait_until
from recorder_lab import begin


def test_generation(lab):
    """Records of a path that was removed do not follow the next one of the same id."""
    driver, client = begin(lab, 10)
    driver.tell("remove 1")
    expect("records", driver.flows(), {0: 10})
    driver.tell("path 1 4 toA")
    expect("records", driver.flows(), {0: 10})
    lab.watch_marks()
    lab.send("random", 1, client="10.1.0.2", port=PORT)
    lab.marks()
    expect_round(client, {"A": 10})
    path, pin = lab.marks()
    if not pin >= 10:
        raise Failure("%d packets looked for a pin" % pin)
    expect_round(client, {"A": 10})
    expect("adopted", len(driver.events("adopted")), 10)
    expect("records", driver.flows(), {1: 10})


def test_idle_path(lab):
    """A path that is not offered keeps its flows and gets no new ones."""
    lab.servers()
    driver = lab.record()
    lab.choose("A")
    client = lab.sessions(5)
    driver.tell("path 1 4 toA idle", "path 7 4 toA")
    driver.tell("neighbour 4 toA %s 7" % lab.link_address("A"))
    other = lab.sessions(5)
    expect("records", driver.flows(), {1: 5, 7: 5})
    driver.tell("path 7 4 toA idle")
    nobodys = lab.sessions(5)
    expect("records", driver.flows(), {0: 5, 1: 5, 7: 5})
    lab.choose("B")
    expect_round(client, {"A": 5})
    del other, nobodys


def test_shared_path(lab):
    """Flows on it are told and look for pins; when it is withdrawn the pin alone leads them."""
    driver, client = begin(lab, 10, "--lifetime", "5", shared="A")
    wait_until("began", lambda: len(driver.events("began")), 10)
    expect("listed", driver.ask("flows 0")[-1], "listed 10")
    expect("of others", driver.ask("flows 2")[-1], "listed 0")
    lab.watch_marks()
    expect_round(client, {"A": 10})
    path, pin = lab.marks()
    if path < 10 or path != pin:
        raise Failure("%d packets with a path, %d looked for a pin" % (path, pin))
    driver.tell("path 1 4 toA shared down")
    lab.choose("B")
    lab.pin("A")
    expect_round(client, {"A": 10})
    path, pin = lab.marks()
    if path or pin < 10:
        raise Failure("%d packets with a path, %d looked for a pin" % (path, pin))
    expect("records", driver.flows(), {1: 10})
    client.ask("close")
    time.sleep(7)
    driver.sweep()
    wait_until("ended", lambda: len(driver.events("ended")), 10)


def test_mid_life(lab):
    """Flows of another director: told once, on probation until a pin vouches for them."""
    lab.servers()
    lab.choose("A")
    client = lab.sessions(10)
    expect_round(client, {"A": 10})
    driver = lab.record()
    expect_round(client, {"A": 10})
    expect_round(client, {"A": 10})
    expect_round(client, {"A": 10})
    expect("adopted", len(driver.events("adopted")), 10)
    expect("records", driver.sweep(), {1: (0, 10)})
    expect("listed", driver.ask("flows 0")[-1], "listed 10")
    lab.choose("B")
    lab.pin("A")
    expect_round(client, {"A": 10})
    expect("records", driver.sweep(), {1: (10, 0)})
    expect_round(client, {"A": 10})
    expect("adopted", len(driver.events("adopted")), 10)
