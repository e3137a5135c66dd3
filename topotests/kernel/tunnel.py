# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may use the tunnel, for what, by which way; and nothing else is forwarded."""
import re
import signal
import socket
import struct
import time

from lab import (PORT, VIP, VIP6, add_uplink, both, difference, expect, expect_round, wait_until)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def inner_packet(destination, protocol, payload, source="10.1.0.2"):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def tcp_segment(destination, flags, port=40000, source="10.1.0.2"):
    segment = struct.pack("!HHIIBBHHH", port, PORT, 7, 7, 0x50, flags, 1000, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + \
        struct.pack("!HH", 6, len(segment))
    return segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]


def tunnelled(packet, vni=7939):
    return (struct.pack("!BBBBI", 0x0c, 0, 0, 1, vni << 8) + packet).hex()


def test_tunnel_takes_only_what_it_should(lab):
    _, (a, _) = both(lab)
    member, stranger = lab.client("B"), lab.client("C")
    ack, syn, reset = 0x10, 0x02, 0x04
    cases = (
        ("tunnel-not-a-member", stranger, tunnelled(inner_packet(VIP, 6, tcp_segment(VIP, ack)))),
        ("tunnel-bad-vni", member, tunnelled(inner_packet(VIP, 6, tcp_segment(VIP, ack)), 5)),
        ("tunnel-not-vip", member,
         tunnelled(inner_packet("10.1.0.2", 6, tcp_segment("10.1.0.2", ack)))),
        ("tunnel-bad-protocol", member, tunnelled(inner_packet(VIP, 17, bytes(8)))),
        ("tunnel-syn", member, tunnelled(inner_packet(VIP, 6, tcp_segment(VIP, syn)))),
        ("tunnel-malformed", member, tunnelled(inner_packet(VIP, 6, bytes(5)))),
        ("tunnel-no-socket", member, tunnelled(inner_packet(VIP, 6, tcp_segment(VIP, ack)))),
        ("tunnel-delivered", member, tunnelled(inner_packet(VIP, 1, bytes.fromhex("0800f7ff00000000")))),
    )
    for counter, sender, payload in cases:
        before = a.counters()
        sender.ask("datagram 10.2.0.2 4790 " + payload)
        wait_until(counter, lambda: a.counters()[counter] - before[counter], 1)
        after = a.counters()
        if counter not in ("tunnel-no-socket", "tunnel-delivered"):
            for other in ("tunnel-no-socket", "tunnel-delivered", "queue-segments"):
                expect(counter + " lets through " + other, after[other], before[other])
    found = a.wait(r"^stray 10.1.0.2:40000 > 192.0.2.80:8080 length \d+ tunnelled 1 sender (\d+)")
    expect("sender", found.group(1), "2")
    member.ask("datagram 10.2.0.2 4790 " + tunnelled(inner_packet(VIP, 6, tcp_segment(VIP, reset))))
    a.wait("^stray .* tunnelled 1 sender 2 reset 1")


def test_ipv6_fragments(lab):
    """A segment in fragments is no reason to reset a session that lives elsewhere."""
    source, target = (socket.inet_pton(socket.AF_INET6, a) for a in ("2001:db8:1::2", VIP6))
    segment = struct.pack("!HHIIBBHHH", 40000, PORT, 7, 7, 0x50, 0x10, 1000, 0, 0) + bytes(20)
    total = checksum(source + target + struct.pack("!II", len(segment), 6) + segment)
    segment = segment[:16] + struct.pack("!H", total) + segment[18:]
    both(lab, ipv6=True)
    b = lab.drivers["B"]
    client = lab.client()
    lab.move("B")
    resets = lab.counter("B", "snmp", "Tcp", "OutRsts")
    for offset, part in ((1, segment[:24]), (24, segment[24:])):  # 1: more fragments follow
        client.ask("raw " + (struct.pack("!IHBB", 6 << 28, 8 + len(part), 44, 64) + source +
                             target + struct.pack("!BBHI", 6, 0, offset, 7939) + part).hex())
    b.wait("^stray .*40000 ")
    expect("resets", lab.counter("B", "snmp", "Tcp", "OutRsts") - resets, 0)


def test_injected_bits(lab):
    """Our bits, set by somebody else before us, lead nowhere. The uplink is a bridge here."""
    lab.ip("B", "link", "add", "br0", "type", "bridge")
    lab.sysctl("B", "net.bridge.bridge-nf-call-iptables=0")
    lab.ip("B", "addr", "flush", "dev", "up0")
    lab.ip("B", "link", "set", "up0", "master", "br0")
    lab.ip("B", "link", "set", "br0", "mtu", "1600", "up")
    lab.ip("B", "addr", "add", "10.3.0.2/24", "dev", "br0")
    lab.ip("B", "route", "replace", "default", "via", "10.3.0.1")
    lab.on("B", "nft", "-f", "-", text="""table netdev foreign {
        chain c { type filter hook ingress device up0 priority -500
            meta mark set 0xc0004001
        }
        }
        table ip foreign {
        chain seen { type filter hook input priority 0
            ip daddr %s meta mark 0x4000 counter
        }
        }""" % VIP)
    _, (_, b) = both(lab)
    lab.move("B")
    client = lab.client()
    expect("opened", client.ask("open %s %d 10" % (VIP, PORT)), {"opened": 10, "failed": 0})
    expect_round(client, {"B": 10})
    expect("strays", b.count("^stray "), 0)
    seen = lab.on("B", "nft", "list", "table", "ip", "foreign")
    expect("foreign bit kept", "packets 0 " in seen, False)
    lab.move("A")
    other = lab.client()
    other.ask("open %s %d 10" % (VIP, PORT))
    lab.move("B")
    expect_round(other, {"A": 10})


def test_no_transit(lab):
    _, (a, _) = both(lab)
    client = lab.client()
    lab.ip("R", "route", "replace", "203.0.113.9", "via", lab.address["A"])
    before = a.counters()["transit-refused"]
    client.ask("datagram 203.0.113.9 9 00")
    wait_until("refused", lambda: a.counters()["transit-refused"] - before, 1)
    # A host that forwards by its own will goes on doing it.
    lab.sysctl("A", "net.ipv4.ip_forward=1")
    time.sleep(0.3)
    lab.on("A", "nft", "-f", "-", text="table ip seen { chain f { type filter hook postrouting "
           "priority 100; ip daddr 203.0.113.9 counter drop\n }\n }")
    client.ask("datagram 203.0.113.9 9 00")
    wait_until("forwarded",
               lambda: "packets 1 " in lab.on("A", "nft", "list", "table", "ip", "seen"), True)


def test_each_family_is_forwarded_by_its_own_setting(lab):
    """A host that forwards one family goes on doing it; in the other there are detours only."""
    lab.sysctl("A", "net.ipv6.conf.all.forwarding=1")
    lab.sysctl("B", "net.ipv4.ip_forward=1")
    both(lab, ipv6=True)
    a = lab.drivers["A"]
    client = lab.client()
    for name in "AB":
        lab.server(name, VIP6)
    expect("opened", client.ask("open %s %d 10" % (VIP6, PORT)), {"opened": 10, "failed": 0})
    expect_round(client, {"A": 10})
    lab.move("B")
    expect_round(client, {"A": 10})
    lab.ip("R", "route", "add", "2001:db8:9::9", "via", lab.address6["A"])
    lab.on("A", "nft", "-f", "-", text="table ip6 seen { chain f { type filter hook postrouting "
           "priority 100; ip6 daddr 2001:db8:9::9 counter drop\n }\n }")
    packet = struct.pack("!IHBB", 6 << 28, 8, 17, 64) + socket.inet_pton(
        socket.AF_INET6, "2001:db8:1::2") + socket.inet_pton(
        socket.AF_INET6, "2001:db8:9::9") + struct.pack("!HHHH", 9, 9, 8, 0)
    client.ask("raw " + packet.hex())
    wait_until("forwarded",
               lambda: "packets 1 " in lab.on("A", "nft", "list", "table", "ip6", "seen"), True)
    expect("refused", a.counters()["transit-refused"], 0)


def second_uplink(lab):
    """B's second uplink; its routes to the owner A lead over both, as ECMP."""
    add_uplink(lab, "1600")
    lab.sysctl("B", "net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1")
    lab.ip("B", "route", "add", "10.2.0.2", "nexthop", "via", "10.3.0.1", "nexthop", "via",
           "10.4.0.1")
    lab.ip("B", "route", "add", "2001:db8:2::2", "nexthop", "via", "2001:db8:3::1", "nexthop",
           "via", "2001:db8:4::1")


def ways(lab, family, client, sessions):
    """How many tunnel packets of one round left B by each uplink."""
    lab.on("B", "nft", "-f", "-", text="""table %s ways {
        chain out { type filter hook postrouting priority 300
            udp dport 4790 oifname "up0" counter
            udp dport 4790 oifname "up1" counter
        }
        }""" % family)
    expect_round(client, {"A": sessions})
    seen = re.findall(r"packets (\d+)", lab.on("B", "nft", "list", "table", family, "ways"))
    lab.on("B", "nft", "delete", "table", family, "ways")
    return [int(packets) > 0 for packets in seen]


def steered(lab):
    """The owners whose way is not that of the routing table."""
    lines = [line for family in "46" for line in lab.ip(
        "B", "-" + family, "route", "show", "table", "7939000", check=False).splitlines()]
    return [line.split()[0] for line in lines if "proto 79" in line]


def test_steered_ways_to_an_owner(lab):
    lab.sysctl("B", "net.ipv4.conf.all.ignore_routes_with_linkdown=1")
    before = lab.state("B")
    both(lab, ipv6=True)
    b = lab.drivers["B"]
    second_uplink(lab)
    lab.server("A", VIP6)
    lab.server("B", VIP6)
    b.wait("up1: a new device")
    repairs = b.counters()["kernel-repairs"]
    for number, family, vip, owner, first, second in (
            (9, "ip6", VIP6, "2001:db8:2::2", "2001:db8:3::1", "2001:db8:4::1"),
            (1, "ip", VIP, "10.2.0.2", "10.3.0.1", "10.4.0.1")):
        b.ask("default %d" % number)
        lab.move("A")
        client = lab.client()
        expect("opened", client.ask("open %s %d 30" % (vip, PORT)), {"opened": 30, "failed": 0})
        expect_round(client, {"A": 30})
        lab.move("B")
        expect_round(client, {"A": 30})
        b.wait("^stray .*%s.* by up0$" % vip)
        # Newer kernels prefer the next hop that has the outer source address, for IPv4.
        both_ways = ways(lab, family, client, 30)
        expect("by up0 too", both_ways[0], True)
        for gateway, device, wanted in ((second, "up1", [False, True]),
                                        (first, "up0", [True, False])):
            b.ask("steer %s %s %s" % (owner, gateway, device))
            expect("by " + device, ways(lab, family, client, 30), wanted)
        expect("there", steered(lab), [owner])
        b.ask("steer " + owner)
        b.ask("steer " + owner)
        expect("gone", steered(lab), [])
        expect("as before", ways(lab, family, client, 30), both_ways)
    # When the link goes down the routing table has the word.
    b.ask("steer 10.2.0.2 10.4.0.1 up1")
    lab.ip("R", "link", "set", "toB1", "down")
    time.sleep(0.2)
    expect("without up1", ways(lab, "ip", client, 30), [True, False])
    lab.ip("R", "link", "set", "toB1", "up")
    b.ask("steer 10.2.0.2")
    expect("repairs", b.counters()["kernel-repairs"], repairs)
    b.ask("steer 10.2.0.2 10.4.0.1 none")
    expect("errors", b.count("^error "), 1)
    expect("refused", b.count("^error .*there is no device none"), 1)
    # What a killed one left is not taken for an owner or a hold, and goes.
    b.ask("steer 10.2.0.2 10.4.0.1 up1")
    b.ask("steer 2001:db8:2::2 2001:db8:4::1 up1")
    lab.end(b, signal.SIGKILL)
    expect("left by the dead", steered(lab), ["10.2.0.2", "2001:db8:2::2"])
    b = lab.drive("B", ipv6=True)
    expect("owners", b.count("^owner "), 2)
    expect("taken away", steered(lab), [])
    expect_round(client, {"A": 30})
    b.ask("steer 10.2.0.2 10.4.0.1 up1")
    lab.end(b)
    lab.ip("B", "link", "del", "up1")
    for address in ("10.2.0.2", "2001:db8:2::2"):
        lab.ip("B", "route", "del", address, check=False)
    expect("left", difference(before, lab.state("B")), "")
