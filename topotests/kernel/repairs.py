# SPDX-License-Identifier: GPL-2.0-or-later
"""What others change on the host: devices, routes, rules, the table."""
import json
import re
import signal
import time

from lab import (PORT, VIP, VIP6, add_uplink, both, difference, expect, expect_round, moved_sessions,
                 wait_until)


def test_repairs(lab):
    _, (_, b) = both(lab)
    client = lab.client()
    moved_sessions(lab, client)
    damages = (
        ("rule", "ip rule del pref 3"),
        ("goto", "ip rule del pref 1"),
        ("guard", "ip rule del pref 4"),
        ("place of local", "ip rule del pref 5"),
        ("rule of the ways", "ip rule del pref 6"),
        ("local rule", "ip rule add pref 0 lookup local"),
        ("owner's route", "ip route flush table 7939001"),
        ("guard's route", "ip route flush table 7938999"),
        ("hold", "ip route del local %s dev lo table local metric 7939" % VIP),
        ("tunnel", "ip link del hf-vx0"),
        ("tunnel down", "ip link set hf-vx0 down"),
        ("filter", "tc filter del dev up0 ingress"),
        ("qdisc", "tc qdisc del dev up0 clsact"),
        ("forwarding", "sysctl -qw net.ipv4.conf.up0.forwarding=0"),
        ("pins", "nft flush map ip holdfast pins"),
        ("table", "nft delete table ip holdfast"),
    )
    wanted = lab.state("B")
    for what, command in damages:
        lab.on("B", *command.split())
        wait_until("repair of the " + what, lambda: difference(wanted, lab.state("B")), "")
        expect_round(client, {"A": 30})
    expect("counted", b.counters()["kernel-repairs"] >= len(damages) - 3, True)


def test_what_cannot_be_repaired_is_told(lab):
    """Somebody else's filter has our place; the rest is repaired all the same."""
    b = lab.drive("B")
    wanted = lab.on("B", "ip", "rule")
    b.child.send_signal(signal.SIGSTOP)
    lab.on("B", "tc", "filter", "del", "dev", "up0", "ingress")
    lab.on("B", "tc", "filter", "add", "dev", "up0", "ingress", "prio", "1", "protocol", "ip",
           "bpf", "bytecode", "1,6 0 0 4294967295,")
    lab.on("B", "ip", "rule", "del", "pref", "3")
    b.child.send_signal(signal.SIGCONT)
    b.wait("^problem up0: .*classifier cannot be attached")
    wait_until("rules", lambda: lab.on("B", "ip", "rule"), wanted)
    start = len(b.lines)
    lab.on("B", "tc", "filter", "del", "dev", "up0", "ingress")
    b.wait("^problem none", start=start)


def test_no_reset_before_the_repair(lab):
    """What our marks lead to is gone: detours and strays wait, the client sends them again."""
    both(lab, ipv6=True)
    b = lab.drivers["B"]
    for name in "AB":
        lab.server(name, VIP6)
    for vip, table, owner in ((VIP, "ip", 1), (VIP6, "ip6", 9)):
        b.ask("default %d" % owner)
        damages = ("nft delete table %s holdfast" % table,
                   "nft flush ruleset",
                   "ip -%s route flush table 793900%d" % ("6" if vip == VIP6 else "4", owner),
                   "ip -%s rule del pref 3" % ("6" if vip == VIP6 else "4"),
                   "ip link del hf-vx0")
        for damage in damages:
            lab.move("A")
            detoured, strays = lab.client(), lab.client()
            for client in (detoured, strays):
                expect("opened", client.ask("open %s %d 10" % (vip, PORT)),
                       {"opened": 10, "failed": 0})
                expect_round(client, {"A": 10})
            lab.move("B")
            expect_round(detoured, {"A": 10})
            # Nobody repairs it for a while.
            b.child.send_signal(signal.SIGSTOP)
            lab.on("B", *damage.split())
            for client in (detoured, strays):
                client.send("round")
            time.sleep(0.3)
            b.child.send_signal(signal.SIGCONT)
            for client in (detoured, strays):
                start = len(client.lines)
                client.wait("^{", 10.0, start)
                result = json.loads(client.lines[start])
                expect("%s after %s" % (result, damage), result["ok"], 10)
                lab.end(client)


def test_table_lost_twice(lab):
    """As in a restart of nftables that flushes at its stop and at its start."""
    _, (_, b) = both(lab)
    client = lab.client()
    moved_sessions(lab, client)
    for _ in range(3):
        client.send("round")
        start, begin = len(client.lines), time.monotonic()
        for _ in range(2):
            lab.on("B", "nft", "flush", "ruleset")
            wait_until("the table", lambda: "owner_1" in lab.on(
                "B", "nft", "list", "table", "ip", "holdfast", check=False), True, 0.5)
        expect("repaired at once", time.monotonic() - begin < 0.7, True)
        client.wait("^{", 5.0, start)
        expect("sessions", json.loads(client.lines[start])["ok"], 30)


def test_devices_come_and_go(lab):
    """A second uplink appears after the start, becomes the only one, then the port of a bridge."""
    _, (_, b) = both(lab)
    client = lab.client()
    client.ask("open %s %d 10" % (VIP, PORT))
    expect_round(client, {"A": 10})
    add_uplink(lab, "1500")
    b.wait("up1: a new device")
    time.sleep(0.2)
    lab.ip("R", "route", "replace", VIP, "via", "10.4.0.2")
    expect_round(client, {"A": 10})
    expect("strays", b.count("^stray "), 10)

    def mtu():
        return re.search(r"mtu (\d+)", lab.ip("B", "link", "show", "hf-vx0")).group(1)

    # Only up0 leads to an owner, up1 has 1500.
    expect("MTU", mtu(), "1564")
    lab.ip("B", "link", "set", "up0", "mtu", "1550")
    wait_until("MTU follows the uplink", mtu, "1514")
    lab.ip("B", "link", "add", "br0", "type", "bridge")
    lab.ip("B", "link", "set", "up1", "master", "br0")
    wait_until("filters on a port",
               lambda: lab.on("B", "tc", "filter", "show", "dev", "up1", "ingress"), "")
    wait_until("forwarding on a port",
               lambda: lab.on("B", "cat", "/proc/sys/net/ipv4/conf/up1/forwarding"), "0\n")
