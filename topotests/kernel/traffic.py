# SPDX-License-Identifier: GPL-2.0-or-later
"""The service and its clients, inside the lab's namespaces.

traffic.py serve VIP PORT NAME MARK   answers each line with NAME and the line's length
traffic.py sessions                   commands on standard input, see Sessions

Replies are longer than requests, so that a SYN cookie of the one server, whose secret the kernel
shares between namespaces, is never taken for one of the other.
"""
import json
import selectors
import socket
import struct
import sys
import time

REPLY = 37
TIMEOUT = 4.0


def serve(vip, port, name, mark):
    listener = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if mark:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("I", mark))
    listener.bind((vip, port))
    listener.listen(1024)
    poll = selectors.DefaultSelector()
    poll.register(listener, selectors.EVENT_READ)
    print("ready", flush=True)
    taken = {}
    while True:
        for key, _ in poll.select():
            if key.fileobj is listener:
                session, _ = listener.accept()
                poll.register(session, selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(65536)
                taken[key.fd] = taken.get(key.fd, 0) + len(data)
                if not data:
                    raise OSError
                if data.endswith(b"\n"):
                    text = "%s %d" % (name, taken.pop(key.fd))
                    key.fileobj.send(text.ljust(REPLY).encode())
            except OSError:
                taken.pop(key.fd, None)
                poll.unregister(key.fileobj)
                key.fileobj.close()


class Sessions:
    """Commands on standard input, one JSON object for each on standard output."""

    def __init__(self):
        self.sessions = []

    def open(self, vip, port, count, source=None):
        failed = 0
        for _ in range(int(count)):
            s = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET)
            s.settimeout(TIMEOUT)
            try:
                if source:
                    s.bind((source, 0))
                s.connect((vip, int(port)))
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sessions.append([s, None])
            except OSError:
                failed += 1
        return {"opened": len(self.sessions), "failed": failed}

    def round(self, size="2"):
        """One request on each session; answers must come from the server that has it."""
        result = {"ok": 0, "reset": 0, "timeout": 0, "wrong": 0, "owners": {}, "max_ms": 0}
        begin = time.monotonic()
        request = b"x" * (int(size) - 1) + b"\n"
        for entry in self.sessions:
            try:
                entry[0].sendall(request)
            except OSError:
                pass
        for entry in self.sessions:
            try:
                reply = entry[0].recv(REPLY, socket.MSG_WAITALL).decode().split()
                if len(reply) != 2 or reply[1] != size:
                    result["wrong"] += 1
                    continue
                if entry[1] not in (None, reply[0]):
                    result["wrong"] += 1
                entry[1] = reply[0]
                result["ok"] += 1
                result["owners"][reply[0]] = result["owners"].get(reply[0], 0) + 1
            except socket.timeout:
                result["timeout"] += 1
            except OSError:
                result["reset"] += 1
        result["max_ms"] = round((time.monotonic() - begin) * 1000)
        return result

    def ports(self):
        return [s.getsockname()[1] for s, _ in self.sessions]

    def close(self):
        for s, _ in self.sessions:
            s.close()
        self.sessions = []
        return {}

    def datagram(self, target, port, payload):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(bytes.fromhex(payload), (target, int(port)))
        return {}

    def raw(self, packet):
        """An IPv6 packet with all its headers."""
        packet = bytes.fromhex(packet)
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
            s.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
        return {}

    def run(self):
        for line in sys.stdin:
            words = line.split()
            print(json.dumps(getattr(self, words[0])(*words[1:])), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    else:
        Sessions().run()
