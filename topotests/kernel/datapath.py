#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holdfast's data path of a server alone, in namespaces: client - router - two servers.

usage: sudo topotests/kernel/datapath.py path/to/kernel_driver [test ...]

Both servers run kernel_driver, which answers every stray with the other server as its owner. The
router decides by one route which server gets the VIP; each test moves it and counts what happens to
real TCP sessions. Replies are longer than requests, so that a SYN cookie of the one server, whose
secret the kernel shares between namespaces, is never taken for one of the other.
"""
import json
import os
import re
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

VIP, VIP6, PORT = "192.0.2.80", "2001:db8::80", 8080
REPLY = 37
TIMEOUT = 4.0


# ---- inside the namespaces -------------------------------------------------------------------

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

    def run(self):
        for line in sys.stdin:
            words = line.split()
            print(json.dumps(getattr(self, words[0])(*words[1:])), flush=True)


# ---- outside ---------------------------------------------------------------------------------

class Failure(Exception):
    pass


def run(*command, check=True, text=None):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20)
    if check and done.returncode:
        raise Failure("%s: %s" % (" ".join(command), done.stdout.strip()))
    return done.stdout


class Process:
    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, bufsize=0)
        self.text, self.lines = b"", []

    def pump(self, seconds):
        if not select.select([self.child.stdout], [], [], seconds)[0]:
            return False
        data = os.read(self.child.stdout.fileno(), 1 << 16)
        self.text += data
        *lines, self.text = self.text.split(b"\n")
        self.lines += [line.decode() for line in lines]
        return bool(data)

    def wait(self, pattern, seconds=6.0, start=0):
        """The first line from *start* on that matches."""
        end = time.monotonic() + seconds
        while True:
            for index in range(start, len(self.lines)):
                found = re.search(pattern, self.lines[index])
                if found:
                    return found
            left = end - time.monotonic()
            if left <= 0 or (not self.pump(left) and self.child.poll() is not None):
                raise Failure("no %r in:\n  %s" % (pattern, "\n  ".join(self.lines[-12:])))

    def send(self, line):
        self.child.stdin.write((line + "\n").encode())

    def stop(self, number=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        while self.pump(0):
            pass
        for pipe in (self.child.stdin, self.child.stdout):
            pipe.close()


class Driver(Process):
    EVENTS = "session |stray |addresses |lost$|.*: "

    def ask(self, command):
        """The lines that answer a command."""
        start = len(self.lines)
        self.send(command)
        self.wait("^done ", start=start)
        end = next(i for i in range(start, len(self.lines)) if self.lines[i].startswith("done "))
        return [line for line in self.lines[start:end] if not re.match(self.EVENTS, line)]

    def counters(self):
        words = [line.split() for line in self.ask("counters")]
        return {w[1]: int(w[2]) for w in words if w[0] == "counter"}

    def count(self, pattern):
        while self.pump(0.05):
            pass
        return sum(1 for line in self.lines if re.search(pattern, line))


class Client(Process):
    def ask(self, command):
        start = len(self.lines)
        self.send(command)
        self.wait(r"^[\[{]", 30.0, start)
        return json.loads(self.lines[start])


CAPABILITIES = "-all,+net_admin,+bpf,+perfmon"


class Lab:
    address = {"A": "10.2.0.2", "B": "10.3.0.2"}
    address6 = {"A": "2001:db8:2::2", "B": "2001:db8:3::2"}

    def __init__(self, driver):
        self.folder = tempfile.mkdtemp(prefix="hfk")
        os.chmod(self.folder, 0o755)
        self.program = shutil.copy(driver, self.folder)
        self.prefix = "hfk%d" % os.getpid()
        self.processes = []
        self.drivers = {}

    def ns(self, name):
        return "%s-%s" % (self.prefix, name)

    def ip(self, name, *command, check=True):
        return run("ip", "-n", self.ns(name), *command, check=check)

    def on(self, name, *command, **options):
        return run("ip", "netns", "exec", self.ns(name), *command, **options)

    def sysctl(self, name, *settings):
        self.on(name, "sysctl", "-qw", *settings)

    def build(self):
        for name in "CRAB":
            run("ip", "netns", "add", self.ns(name))
            self.ip(name, "link", "set", "lo", "up")
        for name, net in (("C", 1), ("A", 2), ("B", 3)):
            run("ip", "link", "add", "up0", "netns", self.ns(name), "type", "veth", "peer", "name",
                "to" + name, "netns", self.ns("R"))
            self.ip(name, "addr", "add", "10.%d.0.2/24" % net, "dev", "up0")
            self.ip("R", "addr", "add", "10.%d.0.1/24" % net, "dev", "to" + name)
            # Room for the encapsulation, as on a real underlay.
            self.ip(name, "link", "set", "up0", "mtu", "1500" if name == "C" else "1600", "up")
            self.ip("R", "link", "set", "to" + name, "mtu", "1500" if name == "C" else "1600",
                    "up")
            self.ip(name, "route", "add", "default", "via", "10.%d.0.1" % net)
            self.ip(name, "addr", "add", "2001:db8:%d::2/64" % net, "dev", "up0", "nodad")
            self.ip("R", "addr", "add", "2001:db8:%d::1/64" % net, "dev", "to" + name, "nodad")
            self.ip(name, "route", "add", "default", "via", "2001:db8:%d::1" % net)
        self.sysctl("R", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for name in "AB":
            self.ip(name, "addr", "add", VIP + "/32", "dev", "lo")
            self.ip(name, "addr", "add", VIP6 + "/128", "dev", "lo", "nodad")
            # As strict as Red Hat's default.
            self.sysctl(name, "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.up0.rp_filter=1")
        self.move("A")

    def move(self, name):
        self.ip("R", "route", "replace", VIP, "via", self.address[name])
        self.ip("R", "route", "replace", VIP6, "via", self.address6[name])

    def start(self, cls, name, *command):
        process = cls(["ip", "netns", "exec", self.ns(name), *command])
        self.processes.append(process)
        return process

    def end(self, process, number=signal.SIGTERM):
        process.stop(number)
        self.processes.remove(process)

    def server(self, name, vip=VIP, port=PORT, mark=0):
        process = self.start(Process, name, sys.executable, __file__, "serve", vip, str(port),
                             name, str(mark))
        process.wait("ready")
        return process

    def client(self, name="C"):
        return self.start(Client, name, sys.executable, __file__, "sessions")

    def drive(self, name, *options, keep="nothing", vips=(VIP,), capabilities=CAPABILITIES,
              ipv6=False):
        """As an unprivileged user with no more than the three capabilities."""
        other = "B" if name == "A" else "A"
        owner = {"A": 1, "B": 2}[other]
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                   "--inh-caps", capabilities, "--ambient-caps", capabilities,
                   "--bounding-set", capabilities, self.program,
                   "--local", self.address[name], "--owner", "%d=%s" % (owner, self.address[other]),
                   "--default-owner", str(owner), "--keep", keep, *options]
        for vip in vips:
            command += ["--vip", vip]
        if ipv6:
            command += ["--local", self.address6[name], "--owner", "9=" + self.address6[other],
                        "--default-owner", "9", "--vip", VIP6]
        driver = self.start(Driver, name, *command)
        driver.wait("^ready$")
        self.drivers[name] = driver
        return driver

    def counter(self, name, file, group, field):
        rows = [line.split() for line in self.on(name, "cat", "/proc/net/" + file).splitlines()
                if line.startswith(group + ":")]
        return int(rows[1][rows[0].index(field)])

    def retransmissions(self):
        """But for tail loss probes, which a busy machine sends although nothing was lost."""
        return sum(self.counter(name, "snmp", "Tcp", "RetransSegs") -
                   self.counter(name, "netstat", "TcpExt", "TCPLossProbes") for name in "CAB")

    def state(self, name):
        """All that Holdfast may change on a host."""
        sysctls = self.on(name, "sysctl", "net.ipv4", "net.ipv6.conf", check=False).splitlines()
        return "\n".join(
            self.on(name, *command, check=False) for command in (
                ("ip", "-d", "rule"), ("ip", "-6", "rule"),
                ("ip", "route", "show", "table", "all"),
                ("ip", "-o", "link"), ("ip", "-o", "addr"), ("nft", "list", "ruleset"),
                ("tc", "qdisc", "show"), ("tc", "filter", "show", "dev", "up0", "ingress"))
        ) + "\n".join(line for line in sysctls if re.search("forward|rp_filter|accept_", line))

    def destroy(self):
        for process in list(self.processes):
            try:
                self.end(process, signal.SIGKILL)
            except (OSError, Failure):
                pass
        for name in "CRAB":
            run("ip", "netns", "del", self.ns(name), check=False)
        shutil.rmtree(self.folder)


def expect(what, actual, wanted):
    if actual != wanted:
        raise Failure("%s: %s instead of %s" % (what, actual, wanted))


def expect_refused(lab, words, *options, **named):
    """A driver that does not start, says why, and leaves nothing behind."""
    before = lab.state("A")
    try:
        lab.drive("A", *options, **named)
    except Failure as failure:
        if words not in str(failure):
            raise
    else:
        raise Failure("started, but should have said " + words)
    expect("left", difference(before, lab.state("A")), "")


def expect_round(client, wanted, **options):
    """Every session lives and answers from its own server."""
    result = client.ask("round" + "".join(" %s" % v for v in options.values()))
    for key in ("reset", "timeout", "wrong"):
        expect(key, "%s %s" % (result[key], result), "0 %s" % result)
    expect("owners", result["owners"], wanted)


def both(lab, **options):
    servers = lab.server("A"), lab.server("B")
    drivers = lab.drive("A", **options), lab.drive("B", **options)
    return servers, drivers


def moved_sessions(lab, client, count=30):
    """*count* sessions of A whose segments now reach B."""
    expect("opened", client.ask("open %s %d %d" % (VIP, PORT, count)),
           {"opened": count, "failed": 0})
    expect_round(client, {"A": count})
    lab.move("B")
    expect_round(client, {"A": count})


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
    for _ in range(40):
        held = len(a.ask("sessions"))
        if not held:
            break
        time.sleep(0.05)
    expect("held by A", held, 0)
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
    try:
        both(lab)
        moved_sessions(lab, lab.client())
    finally:
        for name in "AB":
            lab.sysctl(name, "net.ipv4.tcp_early_demux=1", "net.ipv4.ip_early_demux=1")


def test_forced_cookies(lab):
    for name in "AB":
        lab.sysctl(name, "net.ipv4.tcp_syncookies=2")
    try:
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
    finally:
        for name in "AB":
            lab.sysctl(name, "net.ipv4.tcp_syncookies=1")


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
        chain late { type filter hook forward priority 10; mark and 0x4000 == 0 counter drop
        }
    }"""
    for name in "AB":
        lab.on(name, "nft", "-f", "-", text=rules)
    try:
        both(lab)
        moved_sessions(lab, lab.client())
    finally:
        for name in "AB":
            lab.on(name, "nft", "delete", "table", "ip", "foreign")


def test_killed_and_started_again(lab):
    _, (_, b) = both(lab)
    client, late = lab.client(), lab.client()
    moved_sessions(lab, client)
    before = lab.retransmissions()
    lab.end(b, signal.SIGKILL)
    expect_round(client, {"A": 30})
    late.ask("open %s %d 5" % (VIP, PORT))
    expect_round(late, {"B": 5})
    b = lab.drive("B")
    expect("owner", b.count("^owner 1 10.2.0.2$"), 1)
    expect("pins", len(b.ask("pins")), 30)
    expect("sessions", len(b.ask("sessions")), 5)
    expect_round(client, {"A": 30})
    expect("new strays", b.count("^stray "), 0)
    expect("retransmissions", lab.retransmissions() - before, 0)


def test_killed_before_the_detour(lab):
    """Strays that come while nobody listens are dropped, not reset; the retransmission is rescued."""
    _, (_, b) = both(lab)
    client = lab.client()
    client.ask("open %s %d 20" % (VIP, PORT))
    expect_round(client, {"A": 20})
    lab.end(b, signal.SIGKILL)
    lab.move("B")
    client.send("round")
    time.sleep(0.5)
    lab.drive("B")
    client.wait("^{.*wrong", 10.0, len(client.lines))
    result = json.loads(client.lines[-1])
    expect("owners", result["owners"], {"A": 20})
    expect("resets", result["reset"], 0)


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
        for _ in range(40):
            time.sleep(0.05)
            now = normal(lab.state("B"))
            if now == normal(wanted):
                break
        else:
            raise Failure("%s is not repaired:\n%s" % (what, difference(wanted, now)))
        expect_round(client, {"A": 30})
    expect("counted", b.counters()["kernel-repairs"] >= len(damages) - 3, True)


def second_uplink(lab):
    """B's second uplink; its routes to the owner A lead over both, as ECMP."""
    run("ip", "link", "add", "up1", "netns", lab.ns("B"), "type", "veth", "peer", "name", "toB1",
        "netns", lab.ns("R"))
    for name, device, address in (("B", "up1", "2"), ("R", "toB1", "1")):
        lab.ip(name, "addr", "add", "10.4.0.%s/24" % address, "dev", device)
        lab.ip(name, "addr", "add", "2001:db8:4::%s/64" % address, "dev", device, "nodad")
        lab.ip(name, "link", "set", device, "mtu", "1600", "up")
    lab.sysctl("B", "net.ipv4.conf.up1.rp_filter=2", "net.ipv4.fib_multipath_hash_policy=1",
               "net.ipv6.fib_multipath_hash_policy=1")
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
    try:
        expect_round(client, {"A": sessions})
        seen = re.findall(r"packets (\d+)", lab.on("B", "nft", "list", "table", family, "ways"))
    finally:
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


def normal(text):
    """Without what differs between two equal states."""
    text = re.sub(r"packets \d+ bytes \d+|tentative|\d+: |\bid \d+|tag \w+|jited|\bqlen \d+|@if\d+", "", text)
    return "\n".join(sorted(" ".join(line.split()) for line in text.splitlines()
                            if "fe80::" not in line and "multicast" not in line))


def difference(before, after):
    a, b = normal(before).splitlines(), normal(after).splitlines()
    return "\n".join(["- " + line for line in a if line not in b] +
                     ["+ " + line for line in b if line not in a])


def test_table_lost_after_a_restart(lab):
    """What an earlier instance put into the table is made again too: the guard against transit."""
    b = lab.drive("B")
    lab.end(b, signal.SIGKILL)
    b = lab.drive("B")
    wanted = lab.on("B", "nft", "list", "set", "ip", "holdfast", "uplinks")
    expect("guarded", "elements" in wanted, True)
    lab.on("B", "nft", "flush", "ruleset")
    for _ in range(40):
        time.sleep(0.05)
        now = lab.on("B", "nft", "list", "set", "ip", "holdfast", "uplinks", check=False)
        if now == wanted:
            return
    raise Failure("the set is not made again: %s" % now)


def test_removed_without_a_trace(lab):
    states = {name: lab.state(name) for name in "AB"}
    for kill in (False, True):
        client = lab.client()
        servers, (a, b) = both(lab)
        moved_sessions(lab, client)
        if kill:
            lab.end(b, signal.SIGKILL)
            b = lab.drive("B")
        lab.end(a)
        lab.end(b)
        for name in "AB":
            expect("left on " + name, difference(states[name], lab.state(name)), "")
        for process in (client, *servers):
            lab.end(process)
        lab.move("A")


def test_detours_kept(lab):
    _, (_, b) = both(lab, keep="detours")
    client, late = lab.client(), lab.client()
    moved_sessions(lab, client)
    lab.move("A")
    late.ask("open %s %d 5" % (VIP, PORT))
    lab.move("B")
    lab.end(b)
    expect_round(client, {"A": 30})
    expect("strays are reset", late.ask("round")["reset"], 5)
    b = lab.drive("B", keep="nothing")
    expect("pins", len(b.ask("pins")), 30)
    lab.end(b)


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
        for _ in range(40):
            after = a.counters()
            if after[counter] != before[counter]:
                break
            time.sleep(0.02)
        expect(counter, after[counter] - before[counter], 1)
        if counter not in ("tunnel-no-socket", "tunnel-delivered"):
            for other in ("tunnel-no-socket", "tunnel-delivered", "queue-segments"):
                expect(counter + " lets through " + other, after[other], before[other])
    found = a.wait(r"^stray 10.1.0.2:40000 > 192.0.2.80:8080 length \d+ tunnelled 1 sender (\d+)")
    expect("sender", found.group(1), "2")
    member.ask("datagram 10.2.0.2 4790 " + tunnelled(inner_packet(VIP, 6, tcp_segment(VIP, reset))))
    a.wait("^stray .* tunnelled 1 sender 2 reset 1")


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
    for _ in range(40):
        refused = a.counters()["transit-refused"] - before
        if refused:
            break
        time.sleep(0.02)
    expect("refused", refused, 1)
    # A host that forwards by its own will goes on doing it.
    lab.sysctl("A", "net.ipv4.ip_forward=1")
    try:
        time.sleep(0.3)
        lab.on("A", "nft", "-f", "-", text="table ip seen { chain f { type filter hook postrouting "
               "priority 100; ip daddr 203.0.113.9 counter drop\n }\n }")
        client.ask("datagram 203.0.113.9 9 00")
        time.sleep(0.1)
        expect("forwarded", "packets 1" in lab.on("A", "nft", "list", "table", "ip", "seen"), True)
        lab.on("A", "nft", "delete", "table", "ip", "seen")
    finally:
        lab.sysctl("A", "net.ipv4.ip_forward=0")


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
    try:
        both(lab)
        expect("ours", "lookup local proto 79" in lab.ip("A", "rule"), False)
        client = lab.client()
        lab.move("B")
        client.ask("open %s %d 5" % (VIP, PORT))
        expect_round(client, {"B": 5})
        lab.move("A")
        expect_round(client, {"B": 5})
        lab.end(lab.drivers["A"])
        expect("left", difference(before, lab.state("A")), "")
    finally:
        lab.ip("A", "rule", "add", "pref", "0", "lookup", "local")
        lab.ip("A", "rule", "del", "pref", "100")


def test_refusals(lab):
    lab.ip("A", "link", "add", "hf-vx0", "type", "bridge")
    expect_refused(lab, "was not made by Holdfast")
    lab.ip("A", "link", "del", "hf-vx0")
    lab.ip("A", "link", "add", "other", "type", "vxlan", "id", "9", "dstport", "4790", "dev",
           "up0")
    lab.ip("A", "link", "set", "other", "up")
    expect_refused(lab, "UDP port 4790 is in use")
    lab.ip("A", "link", "del", "other")
    for missing, words in (("bpf", "CAP_BPF"), ("perfmon", "CAP_PERFMON"),
                           ("net_admin", "CAP_NET_ADMIN")):
        expect_refused(lab, words, capabilities=CAPABILITIES.replace(",+" + missing, ""))


def test_second_instance_is_refused(lab):
    _, (a, b) = both(lab)
    client = lab.client()
    moved_sessions(lab, client)
    expect_refused(lab, "in use")
    lab.drivers["A"] = a
    expect_round(client, {"A": 30})
    lab.move("A")
    expect_round(client, {"A": 30})


def test_devices_come_and_go(lab):
    """A second uplink appears after the start, becomes the only one, then the port of a bridge."""
    _, (_, b) = both(lab)
    client = lab.client()
    client.ask("open %s %d 10" % (VIP, PORT))
    expect_round(client, {"A": 10})
    run("ip", "link", "add", "up1", "netns", lab.ns("B"), "type", "veth", "peer", "name", "toB1",
        "netns", lab.ns("R"))
    lab.ip("B", "addr", "add", "10.4.0.2/24", "dev", "up1")
    lab.ip("R", "addr", "add", "10.4.0.1/24", "dev", "toB1")
    lab.ip("B", "link", "set", "up1", "up")
    lab.ip("R", "link", "set", "toB1", "up")
    lab.sysctl("B", "net.ipv4.conf.up1.rp_filter=2")
    b.wait("up1: a new device")
    time.sleep(0.2)
    lab.ip("R", "route", "replace", VIP, "via", "10.4.0.2")
    expect_round(client, {"A": 10})
    expect("strays", b.count("^stray "), 10)
    expect("MTU", "mtu 1464" in lab.ip("B", "link", "show", "hf-vx0"), True)
    lab.ip("B", "link", "add", "br0", "type", "bridge")
    lab.ip("B", "link", "set", "up1", "master", "br0")
    for _ in range(40):
        time.sleep(0.05)
        filters = lab.on("B", "tc", "filter", "show", "dev", "up1", "ingress")
        forwarding = lab.on("B", "cat", "/proc/sys/net/ipv4/conf/up1/forwarding").strip()
        if not filters and forwarding == "0":
            break
    expect("filters on a port", filters, "")
    expect("forwarding on a port", forwarding, "0")


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


def test_other_port_and_mask(lab):
    """A restart with another tunnel port and another place in the mark keeps the pins."""
    before = {name: lab.state(name) for name in "AB"}
    _, drivers = both(lab, keep="all")
    client = lab.client()
    moved_sessions(lab, client)
    for driver in drivers:
        lab.end(driver)
    options = ("--tunnel-port", "4791", "--owner-mask", "0x00ff0000")
    drivers = lab.drive("A", *options), lab.drive("B", *options)
    expect("pins", len(drivers[1].ask("pins")), 30)
    expect_round(client, {"A": 30})
    expect("strays", drivers[1].count("^stray "), 0)
    for driver in drivers:
        lab.end(driver)
    for name in "AB":
        expect("left on " + name, difference(before[name], lab.state(name)), "")


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


def main():
    if sys.argv[1] == "serve":
        return serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    if sys.argv[1] == "sessions":
        return Sessions().run()
    wanted = sys.argv[2:]
    tests = [(name[5:], test) for name, test in globals().items()
             if name.startswith("test_") and (not wanted or name[5:] in wanted)]
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin = time.monotonic()
    for name, test in tests:
        lab = Lab(os.path.abspath(sys.argv[1]))
        start = time.monotonic()
        try:
            lab.build()
            test(lab)
            verdict = "ok"
        except (Failure, OSError, subprocess.SubprocessError, StopIteration) as failure:
            failed += 1
            verdict = "FAILED: %s" % failure
        finally:
            lab.destroy()
        print("%-45s %5.1f s  %s" % (name, time.monotonic() - start, verdict), flush=True)
    print("%d of %d tests passed in %.1f s" % (len(tests) - failed, len(tests),
                                              time.monotonic() - begin))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
