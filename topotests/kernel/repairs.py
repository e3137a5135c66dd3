# SPDX-License-Identifier: GPL-2.0-or-later
"""What others change on the host: devices, routes, rules, the table."""
import re
import signal
import time

from lab import (PORT, VIP, add_uplink, both, difference, expect, expect_round, moved_sessions,
                 wait_until)


def test_repairs(lab):
    _, (_, b) = both(lab)
    client = lab.client()
    moved_sessions(lab, client)
    damages = (
        ("rule", "ip rule del pref 2"),
        ("goto", "ip rule del pref 1"),
        ("rule of the ways", "ip rule del pref 4"),
        ("local rule", "ip rule add pref 0 lookup local"),
        ("owner's route", "ip route flush table 7939001"),
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
    lab.on("B", "ip", "rule", "del", "pref", "2")
    b.child.send_signal(signal.SIGCONT)
    b.wait("^problem up0: .*classifier cannot be attached")
    wait_until("rules", lambda: lab.on("B", "ip", "rule"), wanted)
    start = len(b.lines)
    lab.on("B", "tc", "filter", "del", "dev", "up0", "ingress")
    b.wait("^problem none", start=start)


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
