#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A peer for zebra's module that stands where fpmd does: it listens on the socket, writes each message
that it gets as one line of JSON to standard output, and answers show requests with a known text.
It behaves badly when asked to: --mode slow (reads little), stuck (does not read), garbage (sends
bytes that are no frame), silent (answers no show request), split (answers in many parts), huge
(answers more than anybody wants).
"""
import argparse
import ipaddress
import json
import os
import socket
import struct
import sys
import time

TOPICS = ["summary", "members", "pins", "sessions", "directory", "counters", "paths", "flow",
          "clear-pins"]
STATE = 20  # what the northbound asks for every few seconds


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def fields(data):
    """Every (number, value) of a protobuf message; value is int or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError("wire type %d" % (key & 7))
        yield key >> 3, value


def encode(number, value):
    def write(value):
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        return bytes(out)

    if isinstance(value, int):
        return write(number << 3) + write(value)
    return write(number << 3 | 2) + write(len(value)) + value


def address(data):
    return str(ipaddress.ip_address(data)) if data else ""


def prefix(data):
    parts = dict(fields(data))
    return "%s/%d" % (address(parts.get(1, b"")), parts.get(2, 0))


CONFIG = {4: "key-file", 5: "directory-port", 6: "replicas", 7: "tunnel-port", 8: "vni",
          9: "owner-mask", 10: "stray-bit", 11: "tunnel-bit", 12: "queue",
          13: "record-lifetime", 14: "pin-check", 15: "pins-max", 16: "debug", 17: "ring-members",
          19: "role", 20: "path-mask", 21: "flows-max", 22: "flow-lifetime",
          23: "fast-path", 24: "drain"}
VALKEY = {1: "host", 2: "port", 3: "user", 4: "password-file", 5: "tls", 6: "ca-file", 7: "certificate",
          8: "key", 9: "prefix"}


def words(names, body):
    return {names[field]: value.decode() if isinstance(value, bytes) else value for field, value in fields(body)}


def decode(payload):
    (number, body), = fields(payload)
    if number == 1:
        config = {"vips": [], "ranges": [], "members": []}
        for field, value in fields(body):
            if field == 1:
                config["vips"].append(prefix(value))
            elif field == 2:
                config["ranges"].append(prefix(value))
            elif field == 3:
                config["members"].append(address(value))
            elif field == 18:
                config["valkey"] = words(VALKEY, value)
            else:
                config[CONFIG[field]] = value.decode() if isinstance(value, bytes) else value
        return {"config": config}
    if number == 2:
        route = {"prefix": "", "hops": [], "connected": False}
        for field, value in fields(body):
            if field == 1:
                route["prefix"] = prefix(value)
            elif field == 2:
                hop = dict(fields(value))
                route["hops"].append(
                    {"gateway": address(hop.get(1, b"")), "interface": hop.get(2, b"").decode(),
                     "weight": hop.get(3, 0)})
            elif field == 3:
                route["connected"] = bool(value)
        return {"route": route}
    if number == 3:
        return {"replay-end": True}
    if number == 4:
        show = dict(fields(body))
        if show.get(2) == STATE:
            return {"state": show[1]}
        told = {"id": show.get(1, 0), "topic": TOPICS[show.get(2, 0)], "json": bool(show.get(3, 0))}
        if 4 in show:
            flow = dict(fields(show[4]))
            told["flow"] = [address(flow[1]), flow[2], address(flow[3]), flow[4]]
        if 5 in show:
            told["owner"] = address(show[5])
        return {"show": told}
    return {"unexpected": number}


def frame(number, body):
    payload = encode(number, body)
    return struct.pack(">BBH", 1, 2, len(payload) + 4) + payload


def reply(ident, text, last):
    body = encode(1, ident) + encode(2, text.encode())
    return frame(5, body + (encode(3, 1) if last else b""))


def answer(show, mode):
    if mode == "silent":
        return b""
    if mode == "split":
        text = "".join("part %d\n" % i for i in range(20000))
        parts = [text[i:i + 9000] for i in range(0, len(text), 9000)]
        return b"".join(reply(show["id"], part, False) for part in parts) + reply(
            show["id"], "end\n", True)
    if mode == "huge":
        return reply(show["id"], "x" * 60000, False) * 400 + reply(show["id"], "", True)
    if show["json"]:
        return reply(show["id"], '{"topic":"%s"}' % show["topic"], True)
    return reply(show["id"], "peer: %s\n" % show["topic"], True)


def answer_state(ident, mode, state):
    if mode == "huge":
        return reply(ident, "x" * 60000, False) * 40 + reply(ident, "", True)
    if not state:
        return b""
    with open(state) as file:
        text = file.read()
    size = max(1, min(len(text) // 2, 30000))
    parts = [text[i:i + size] for i in range(0, len(text), size)]
    return b"".join(reply(ident, part, False) for part in parts) + reply(ident, "", True)


def tell(message):
    """Writes a message, and when it came."""
    message["t"] = round(time.monotonic(), 4)
    print(json.dumps(message), flush=True)


def serve(connection, mode, problem, state):
    data = b""
    if problem:
        connection.sendall(frame(6, encode(1, problem.encode())))
    if mode == "garbage":
        connection.sendall(b"\x01\x02\x00\x02 this is no frame")
    if mode == "stuck":
        time.sleep(10**6)
    while True:
        if mode == "slow":
            time.sleep(0.002)
        got = connection.recv(512 if mode == "slow" else 65536)
        if not got:
            tell({"closed": True})
            return
        data += got
        while len(data) >= 4:
            version, kind, size = struct.unpack(">BBH", data[:4])
            assert (version, kind) == (1, 2) and size >= 4, data[:4]
            if len(data) < size:
                break
            message = decode(data[4:size])
            data = data[size:]
            tell(message)
            if "show" in message:
                connection.sendall(answer(message["show"], mode))
            if "state" in message:
                connection.sendall(answer_state(message["state"], mode, state))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--mode", default="good")
    parser.add_argument("--problem", help="a line to report as status")
    parser.add_argument("--state", metavar="FILE", help="the state, as JSON; without it, it tells none")
    options = parser.parse_args()
    if os.path.exists(options.path):
        os.unlink(options.path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(options.path)
    os.chmod(options.path, 0o666)
    listener.listen(4)
    tell({"listening": True})
    while True:
        connection, _ = listener.accept()
        tell({"connected": True})
        try:
            serve(connection, options.mode, options.problem, options.state)
        except (ConnectionError, BrokenPipeError):
            tell({"closed": True})
        connection.close()


if __name__ == "__main__":
    main()
