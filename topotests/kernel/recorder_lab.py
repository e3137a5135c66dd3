# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab of the recorder's tests: client - director - three servers as next hops, each in a namespace.

Two of the servers share a segment. The tests are the director's other half: ip rules lead a mark
with a path's id to that path's server, and nft shows the marks and pins flows.
"""
import json
import os
import sys

from lab import CAPABILITIES, PORT, VIP, VIP6, Driver, Failure, Namespaces, expect, expect_round, run

PACKETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "packets.py")
PATHS = {"A": 1, "B": 2, "E": 3}
PATH_MASK, STRAY, OWNER = 0xfff000, 0x80000000, 5
DIRECTORY = ("--directory", "/proc/self/fd/9")
STRANGERS, STRANGERS6 = "198.18.0.1", "2001:db8:198::1"


class RecorderDriver(Driver):
    EVENTS = "flow |lost$"

    def tell(self, *commands):
        for command in commands:
            errors = [line for line in self.ask(command) if line.startswith("error")]
            if errors:
                raise Failure("%s: %s" % (command, errors[0]))

    def sweep(self):
        """Path -> flows and those on probation."""
        rows = [line.split() for line in self.ask("sweep")]
        return {int(r[1]): (int(r[3]), int(r[5])) for r in rows if r[0] == "count"}

    def flows(self):
        return {path: flows for path, (flows, _) in self.sweep().items() if flows}

    def events(self, word):
        while self.pump(0.2):
            pass
        return [line for line in self.lines if line.startswith("flow " + word)]


class RecorderLab(Namespaces):
    names = "CDWABE"
    device = {"A": "toA", "B": "toW", "E": "toW"}
    address = {"A": "10.2.0.2", "B": "10.3.0.2", "E": "10.3.0.3"}
    address6 = {"A": "2001:db8:2::2", "B": "2001:db8:3::2", "E": "2001:db8:3::3"}

    def __init__(self, driver):
        super().__init__("hfr")
        self.program = driver
        self.folder = "/sys/fs/bpf/" + self.prefix

    def link(self, name, device, peer, other):
        run("ip", "link", "add", device, "netns", self.ns(name), "type", "veth", "peer", "name",
            other, "netns", self.ns(peer))
        self.ip(name, "link", "set", device, "up")
        self.ip(peer, "link", "set", other, "up")

    def build(self):
        os.mkdir(self.folder)
        for name in self.names:
            run("ip", "netns", "add", self.ns(name))
            self.sysctl(name, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                        "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.all.rp_filter=0")
            self.ip(name, "link", "set", "lo", "up")
        self.ip("W", "link", "add", "segment", "type", "bridge")
        self.ip("W", "link", "set", "segment", "up")
        self.link("D", "toC", "C", "up0")
        self.link("D", "toA", "A", "up0")
        for name in "BE":
            self.link("W", "to" + name, name, "up0")
            self.ip("W", "link", "set", "to" + name, "master", "segment")
        self.link("D", "toW", "W", "toD")
        self.ip("W", "link", "set", "toD", "master", "segment")
        for device, net in (("toC", 1), ("toA", 2), ("toW", 3)):
            self.ip("D", "addr", "add", "10.%d.0.1/24" % net, "dev", device)
            self.ip("D", "addr", "add", "2001:db8:%d::1/64" % net, "dev", device, "nodad")
        for name, net, host in (("C", 1, 2), ("A", 2, 2), ("B", 3, 2), ("E", 3, 3)):
            self.ip(name, "addr", "add", "10.%d.0.%d/24" % (net, host), "dev", "up0")
            self.ip(name, "addr", "add", "2001:db8:%d::%d/64" % (net, host), "dev", "up0", "nodad")
            self.ip(name, "route", "add", "default", "via", "10.%d.0.1" % net)
            self.ip(name, "route", "add", "default", "via", "2001:db8:%d::1" % net)
        for name in "ABE":
            for vip, bits in ((VIP, "/32"), (VIP6, "/128")):
                self.ip(name, "addr", "add", vip + bits, "dev", "lo")
            # Only packets.py answers strangers.
            self.ip(name, "route", "add", "blackhole", "198.18.0.0/15")
            self.ip(name, "route", "add", "blackhole", "2001:db8:198::/48")
            for family in ("-4", "-6"):
                gateway = json.loads(self.ip(name, "-j", family, "route", "show", "default"))
                self.ip(name, family, "rule", "add", "fwmark", "1", "table", "1", "pref", "1")
                self.ip(name, "route", "add", "default", "via", gateway[0]["gateway"], "table",
                        "1")
        self.ip("D", "route", "add", "198.18.0.0/15", "via", "10.1.0.2")
        self.ip("D", "route", "add", "2001:db8:198::/48", "via", "2001:db8:1::2")
        self.sysctl("D", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                    *("net.%s.fib_multipath_hash_%s" % (family, setting) for family in ("ipv4", "ipv6")
                      for setting in ("policy=3", "fields=0x37")))
        for name, path in PATHS.items():
            for family, vip, address in (("-4", VIP, self.address), ("-6", VIP6, self.address6)):
                self.ip("D", family, "rule", "add", "fwmark", "%#x/%#x" % (path << 12, PATH_MASK),
                        "table", str(100 + path), "pref", str(100 + path))
                self.ip("D", "route", "add", vip, "via", address[name], "table", str(100 + path))
        self.choose("ABE")

    def choose(self, names, link_local=False):
        """The next hops of the VIPs, by ECMP."""
        for vip, address in ((VIP, self.address), (VIP6, self.address6)):
            hops = []
            for name in names:
                via = ["via", address[name]]
                if link_local and vip == VIP:
                    via = ["via", "inet6", self.link_local(name), "dev", self.device[name]]
                hops += ["nexthop", *via]
            self.ip("D", "route", "replace", vip, *hops)

    def link_local(self, name):
        rows = json.loads(self.ip(name, "-j", "-6", "addr", "show", "dev", "up0"))
        return [a["local"] for row in rows for a in row.get("addr_info", [])
                if a.get("scope") == "link"][0]

    def link_address(self, name):
        return json.loads(self.ip(name, "-j", "link", "show", "dev", "up0"))[0]["address"]

    def drive(self, *options, user=None):
        """A driver that knows nothing; with a *user* it has no more than fpmd's capabilities."""
        # `ip netns exec` would hide the bpffs. Its root is for root only, so is the way to it.
        command = ["nsenter", "--net=/run/netns/" + self.ns("D"), "sh", "-c",
                   'exec 9<"$0"; exec "$@"', self.folder]
        if user:
            command += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
            for option in ("--inh-caps", "--ambient-caps", "--bounding-set"):
                command += [option, CAPABILITIES]
        driver = RecorderDriver(command + [self.program, *options])
        self.processes.append(driver)
        driver.wait("^ready$")
        return driver

    def record(self, *options, shared=(), attach=True, user=None, directory=True):
        """A driver that knows all paths. Without a directory its programs hang below clsact."""
        driver = self.drive(*(DIRECTORY if directory else ()), *options, user=user)
        driver.tell("start", "vips %s %s" % (VIP, VIP6))
        for name, path in PATHS.items():
            # A path is of one family; the tests look at one family at a time.
            driver.tell("path %d 4 %s %s" % (path, self.device[name],
                                             "shared" if name in shared else ""))
            for family in "46":
                driver.tell("neighbour %s %s %s %d" % (family, self.device[name],
                                                       self.link_address(name), path))
        for device in ("toC", "toA", "toW") if attach else ():
            driver.tell("attach " + device)
        return driver

    def servers(self, vip=VIP, names="ABE"):
        for name in names:
            self.server(name, vip)

    def sessions(self, count, vip=VIP):
        client = self.client()
        expect("opened", client.ask("open %s %d %d" % (vip, PORT, count)),
               {"opened": count, "failed": 0})
        return client

    def send(self, kind, count, *options, vip=VIP, client=None, port=9):
        source = client or (STRANGERS6 if ":" in vip else STRANGERS)
        run("ip", "netns", "exec", self.ns("A" if kind == "answer" else "C"), sys.executable,
            PACKETS, kind, source, vip, str(port), str(count), *options)

    def watch_marks(self):
        """Counts packets to the VIP by what their mark says, as prerouting sees it."""
        self.on("D", "nft", "-f", "-", text="""table ip watch {
            counter path {}
            counter pin {}
            chain look { type filter hook prerouting priority mangle;
                ip daddr %s meta mark & %#x != 0 counter name path
                ip daddr %s meta mark & %#x != 0 counter name pin
            }
        }""" %
                (VIP, PATH_MASK, VIP, STRAY))

    def marks(self):
        """Packets with a path, packets that look for a pin; since the last call."""
        text = self.on("D", "nft", "-j", "reset", "counters", "table", "ip", "watch")
        counters = {c["counter"]["name"]: c["counter"]["packets"]
                    for c in json.loads(text)["nftables"] if "counter" in c}
        return counters["path"], counters["pin"]

    def pin(self, name):
        """All flows that look for a pin have one, directly to this server. The mark comes last: it has a way then."""
        self.ip("D", "route", "replace", VIP, "via", self.address[name], "table", "200")
        self.ip("D", "rule", "add", "fwmark", "%#x/0xfff" % OWNER, "table", "200", "pref", "200")
        self.on("D", "nft", "-f", "-", text="""table ip pins {
            chain look { type filter hook prerouting priority mangle + 1;
                ip daddr %s meta mark & %#x != 0 meta mark set %#x
            }
        }""" %
                (VIP, STRAY, STRAY | OWNER))

    def destroy(self):
        super().destroy()
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)


def owners(client):
    return client.ask("round")["owners"]


def recorded(client):
    """What the records should say: flows by path."""
    return {PATHS[name]: count for name, count in owners(client).items()}


def begin(lab, count, *options, **named):
    """A driver, and sessions through it with server A."""
    lab.servers()
    driver = lab.record(*options, **named)
    lab.choose("A")
    client = lab.sessions(count)
    expect_round(client, {"A": count})
    return driver, client
