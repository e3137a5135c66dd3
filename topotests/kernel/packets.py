#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP segments of sessions that no host has, as fast as a raw socket takes them.

packets.py KIND CLIENT VIP PORT COUNT [--port FIRST] [--copies N]

KIND is syn, answer (the SYN-ACK to it), ack (that completes the handshake), random (an ACK of no
handshake), data, fin or reset. Session *i* has its own client address (CLIENT and those after it)
and port (from FIRST on, 50,000 for each address); the same *i* belongs together in all kinds.
"""
import argparse
import ipaddress
import socket
import struct

PORTS = 50000
FLAGS = {"syn": 0x02, "answer": 0x12, "ack": 0x10, "random": 0x10, "data": 0x18, "fin": 0x11,
         "reset": 0x04}


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def segment(kind, client, vip, client_port, port, number, checked):
    """An IP packet of session *number*; the TCP checksum only matters where it is delivered."""
    client_sequence, server_sequence = number * 7 & 0xffffffff, number * 11 + 5 & 0xffffffff
    source, target, ports = client, vip, (client_port, port)
    sequence, acknowledged = client_sequence + 1, server_sequence + 1
    if kind == "answer":
        source, target, ports = vip, client, (port, client_port)
        sequence, acknowledged = server_sequence, client_sequence + 1
    elif kind == "syn":
        sequence, acknowledged = client_sequence, 0
    elif kind == "random":
        acknowledged = server_sequence + 77777
    payload = b"x\n" if kind == "data" else b""
    tcp = struct.pack("!HHIIBBHHH", *ports, sequence & 0xffffffff, acknowledged & 0xffffffff, 5 << 4,
                      FLAGS[kind], 65535, 0, 0) + payload
    if checked:
        sum_of = source.packed + target.packed + struct.pack("!HH", 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(sum_of + tcp)) + tcp[18:]
    if source.version == 4:
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source.packed,
                           target.packed) + tcp
    return struct.pack("!IHBB16s16s", 0x60000000, len(tcp), 6, 64, source.packed,
                       target.packed) + tcp


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=FLAGS)
    parser.add_argument("client", type=ipaddress.ip_address)
    parser.add_argument("vip", type=ipaddress.ip_address)
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--port", dest="first", type=int, default=10000)
    parser.add_argument("--copies", type=int, default=1)
    options = parser.parse_args()
    family = socket.AF_INET if options.vip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        if options.kind == "answer":
            out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        for number in range(options.count):
            client = options.client + number // PORTS
            packet = segment(options.kind, client, options.vip, options.first + number % PORTS,
                             options.port, number, options.count < 1000)
            target = str(client if options.kind == "answer" else options.vip)
            for _ in range(options.copies):
                out.sendto(packet, (target, 0))


if __name__ == "__main__":
    main()
