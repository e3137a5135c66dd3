# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses that are taken away from their devices, and put back as they were."""
import re
import signal

from lab import (PORT, VIP, VIP6, both, difference, expect, expect_round, wait_until)

OTHER = "192.0.2.99"


def addresses(lab, name="A"):
    return sorted(line.split(":", 1)[1] for line in lab.ip(name, "-d", "-o", "addr").splitlines()
                  if " hf-vx0 " not in line and "fe80::" not in line)


def ask(driver, command):
    """What it says until it is done."""
    return [line for line in driver.ask(command) if not line.startswith("log")]


def test_taken_away_and_put_back(lab):
    """With all that an address can have, on several devices; its sessions go on."""
    lab.ip("A", "addr", "del", VIP + "/32", "dev", "lo")
    lab.ip("A", "addr", "add", VIP + "/32", "brd", "192.0.2.255", "dev", "lo", "scope", "host", "label", "lo:vip",
           "metric", "77", "noprefixroute")
    lab.ip("A", "addr", "add", VIP + "/32", "dev", "up0")
    before = addresses(lab)
    _, (a, _) = both(lab)
    client = lab.client()
    client.ask("open %s %d 10" % (VIP, PORT))
    expect_round(client, {"A": 10})
    expect("withdrawn", ask(a, "withdraw " + VIP), ["withdrawn from 2"])
    expect("left", lab.ip("A", "-o", "addr", "show", "to", VIP), "")
    expect("rest", addresses(lab), [line for line in before if VIP not in line])
    expect_round(client, {"A": 10})
    expect("again", ask(a, "withdraw " + VIP), ["withdrawn from 0"])
    away = sorted(re.sub(" since .*", "", line) for line in ask(a, "away"))
    expect("away", away, ["away %s/32 dev lo broadcast 192.0.2.255 scope host label lo:vip metric 77"
                          " noprefixroute" % VIP, "away %s/32 dev up0 scope global" % VIP])
    ask(a, "return")
    expect("put back", addresses(lab), before)
    expect("away", ask(a, "away"), [])
    expect_round(client, {"A": 10})


def test_ipv6_is_put_back(lab):
    before = addresses(lab)
    _, (a, _) = both(lab, ipv6=True)
    client = lab.client()
    client.ask("open %s %d 5" % (VIP, PORT))
    expect("withdrawn", ask(a, "withdraw " + VIP6), ["withdrawn from 1"])
    expect("withdrawn", ask(a, "withdraw " + VIP), ["withdrawn from 1"])
    expect("away", len(ask(a, "away")), 2)
    ask(a, "return " + VIP)
    expect("the other one stays away", [line.split()[1] for line in ask(a, "away")], [VIP + "/32"])
    ask(a, "return")
    expect("put back", addresses(lab), before)
    expect_round(client, {"A": 5})


def test_killed_while_it_is_away(lab):
    before = addresses(lab)
    _, (a, _) = both(lab)
    client = lab.client()
    client.ask("open %s %d 10" % (VIP, PORT))
    ask(a, "withdraw " + VIP)
    (since,) = ask(a, "away")
    lab.end(a, signal.SIGKILL)
    expect_round(client, {"A": 10})
    a = lab.drive("A")
    expect("away", ask(a, "away"), [since])
    # Others flush the rules, while somebody is there and remembers.
    lab.on("A", "nft", "flush", "ruleset")
    wait_until("the note is made again",
               lambda: "dev lo" in lab.on("A", "nft", "list", "set", "ip", "holdfast", "notes", check=False), True)
    lab.end(a, signal.SIGKILL)
    # It was put back by hand meanwhile: that is no error.
    a = lab.drive("A")
    lab.ip("A", "addr", "add", VIP + "/32", "dev", "lo")
    expect("no error", ask(a, "return"), [])
    expect("put back", addresses(lab), before)
    expect_round(client, {"A": 10})


def test_removal_puts_it_back(lab):
    state = lab.state("A")
    a = lab.drive("A")
    ask(a, "withdraw " + VIP)
    lab.end(a)
    expect("left", difference(state, lab.state("A")), "")


def test_its_device_is_gone(lab):
    lab.ip("A", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
    lab.ip("A", "addr", "add", OTHER + "/32", "dev", "gone0")
    a = lab.drive("A")
    ask(a, "withdraw " + OTHER)
    ask(a, "withdraw " + VIP)
    lab.ip("A", "link", "del", "gone0")
    error = "error %s/32 dev gone0 scope global cannot be put back: there is no such device" % OTHER
    expect("said", ask(a, "return"), [error])
    expect("the other is back", VIP in lab.ip("A", "-o", "addr", "show", "dev", "lo"), True)
    expect("stays noted", len(ask(a, "away")), 1)
    lab.ip("A", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
    expect("tried again", ask(a, "return"), [])
    expect("back", OTHER in lab.ip("A", "-o", "addr", "show", "dev", "gone0"), True)


def test_what_is_not_taken_away(lab):
    lab.ip("A", "addr", "add", OTHER + "/24", "dev", "up0")
    lab.ip("A", "addr", "add", "192.0.2.98/32", "dev", "up0", "valid_lft", "1000", "preferred_lft", "1000")
    before = addresses(lab)
    a = lab.drive("A")
    expect("subnet", ask(a, "withdraw " + OTHER), [
        "error %s on up0 has more than a host prefix: without it the subnet is out of reach; give the VIP as a host"
        " prefix" % OTHER])
    (said,) = ask(a, "withdraw 192.0.2.98")
    expect("lifetime", said, "error 192.0.2.98 on up0 has a lifetime: whoever renews it would put it back")
    expect("nowhere", ask(a, "withdraw 192.0.2.97"), ["withdrawn from 0"])
    expect("nothing changed", [re.sub(r"\d+sec", "", line) for line in addresses(lab)],
           [re.sub(r"\d+sec", "", line) for line in before])
