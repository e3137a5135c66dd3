# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab of the data path's tests: client - router - two servers, each in a namespace.

Both servers run kernel_driver, which answers every stray with the other server as its owner. The
router decides by one route which server gets the VIP.
"""
import collections
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

VIP, VIP6, PORT = "192.0.2.80", "2001:db8::80", 8080
CAPABILITIES = "-all,+net_admin,+bpf,+perfmon"
TRAFFIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "traffic.py")


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
    EVENTS = "session |stray |flow |addresses |problem |lost$|(?!error ).*: "

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


class Namespaces:
    """Namespaces and the processes in them, which end with the lab."""

    names = ""

    def __init__(self, prefix):
        self.prefix = "%s%d" % (prefix, os.getpid())
        self.processes = []

    def ns(self, name):
        return "%s-%s" % (self.prefix, name)

    def ip(self, name, *command, check=True):
        return run("ip", "-n", self.ns(name), *command, check=check)

    def on(self, name, *command, **options):
        return run("ip", "netns", "exec", self.ns(name), *command, **options)

    def sysctl(self, name, *settings):
        self.on(name, "sysctl", "-qw", *settings)

    def start(self, cls, name, *command):
        process = cls(["ip", "netns", "exec", self.ns(name), *command])
        self.processes.append(process)
        return process

    def end(self, process, number=signal.SIGTERM):
        process.stop(number)
        self.processes.remove(process)

    def server(self, name, vip=VIP, port=PORT, mark=0):
        process = self.start(Process, name, sys.executable, TRAFFIC, "serve", vip, str(port),
                             name, str(mark))
        process.wait("ready")
        return process

    def client(self, name="C"):
        return self.start(Client, name, sys.executable, TRAFFIC, "sessions")

    def destroy(self):
        for process in list(self.processes):
            try:
                self.end(process, signal.SIGKILL)
            except (OSError, Failure):
                pass
        for name in self.names:
            run("ip", "netns", "del", self.ns(name), check=False)


class Lab(Namespaces):
    names = "CRAB"
    address = {"A": "10.2.0.2", "B": "10.3.0.2"}
    address6 = {"A": "2001:db8:2::2", "B": "2001:db8:3::2"}

    def __init__(self, driver):
        super().__init__("hfk")
        self.folder = tempfile.mkdtemp(prefix="hfk")
        os.chmod(self.folder, 0o755)
        self.program = shutil.copy(driver, self.folder)
        self.drivers = {}

    def build(self):
        for name in self.names:
            run("ip", "netns", "add", self.ns(name))
            # No link-local address is tentative: neighbours would be found a second late.
            self.sysctl(name, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
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
        super().destroy()
        run("umount", os.path.join(self.folder, "maps"), check=False)
        shutil.rmtree(self.folder)


def expect(what, actual, wanted):
    if actual != wanted:
        raise Failure("%s: %s instead of %s" % (what, actual, wanted))


def wait_until(what, actual, wanted, seconds=2):
    """Until *actual()* is *wanted*."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and actual() != wanted:
        time.sleep(0.03)
    expect(what, actual(), wanted)


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


def normal(text):
    """Without what differs between two equal states."""
    text = re.sub(r"packets \d+ bytes \d+|tentative|\d+: |\bid \d+|tag \w+|handle 0x1f0[34]|jited|\bqlen \d+|@if\d+", "", text)
    return "\n".join(sorted(" ".join(line.split()) for line in text.splitlines()
                            if "fe80::" not in line and "multicast" not in line
                            and "Peer netns reference" not in line))  # of a lab beside this one


def difference(before, after):
    before, after = (collections.Counter(normal(text).splitlines()) for text in (before, after))
    return "\n".join(["- " + line for line in (before - after).elements()] +
                     ["+ " + line for line in (after - before).elements()])


def add_uplink(lab, mtu):
    """A second uplink of B, 10.4.0.2."""
    run("ip", "link", "add", "up1", "netns", lab.ns("B"), "type", "veth", "peer", "name", "toB1",
        "netns", lab.ns("R"))
    for name, device, address in (("B", "up1", "2"), ("R", "toB1", "1")):
        lab.ip(name, "addr", "add", "10.4.0.%s/24" % address, "dev", device)
        lab.ip(name, "addr", "add", "2001:db8:4::%s/64" % address, "dev", device, "nodad")
        lab.ip(name, "link", "set", device, "mtu", mtu, "up")
    lab.sysctl("B", "net.ipv4.conf.up1.rp_filter=2")
