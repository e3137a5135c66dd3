#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What somebody does who reads README.md for the first time: its own lines, in its order, on three servers that have
Debian's FRR and an empty frr.conf, until a drained server keeps its sessions. Only for a system that is thrown away
afterwards, as tools/matrix makes them, where `make` was run.

    client --- router (stock FRR, spreads flows over both links of each server) === server1, server2, server3

A host is a network and a mount namespace with directories of its own for FRR. Prints `RESULT README: ...`.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
README = (TOP / "README.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```\n", README, re.MULTILINE | re.DOTALL)
VIP, PORT = "192.0.2.80", 8080
SERVERS = (1, 2, 3)
SESSIONS = 60
OWN = [path for path in ("/etc/frr", "/var/lib/frr", "/var/log") if os.path.isdir(path)]  # 8.4 has no /var/lib/frr
# sudo and systemctl as they act on a host with systemd, which namespaces have not.
PROGRAMS = {
    "sudo": '#!/bin/sh\nexec "$@"\n',
    "systemctl": """#!/bin/sh
case "$*" in
"enable --now fpmd")
	install -d -o frr -g frr -m 0755 /run/frr
	setsid $(sed -n 's/^ExecStart=//p' /lib/systemd/system/fpmd.service /usr/lib/systemd/system/fpmd.service \
		/usr/local/lib/systemd/system/fpmd.service /etc/systemd/system/fpmd.service 2>/dev/null |
		head -n 1 | sed 's/ [$].*//') </dev/null >/var/log/fpmd.log 2>&1 & ;;
"restart frr") /usr/lib/frr/frrinit.sh restart ;;
*) echo "systemctl $* is not known here" >&2; exit 1 ;;
esac
""",
}
SERVE = """
import socket, threading
listener = socket.create_server(("%s", %d), backlog=200)
def serve(one):
    while data := one.recv(64):
        one.sendall(data)
    one.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
""" % (VIP, PORT)
# Opens sessions, says so, and asks each of them once more at each line that it reads.
ASK = """
import socket, sys
sessions = [socket.create_connection(("%s", %d), 5) for _ in range(%d)]
def lives(one):
    try:
        one.sendall(b"still there?")
        return one.recv(64) == b"still there?"
    except OSError:
        return False
print(sum(map(lives, sessions)), flush=True)
for _ in sys.stdin:
    print(sum(map(lives, sessions)), flush=True)
""" % (VIP, PORT, SESSIONS)
ROUTER = """frr defaults datacenter
hostname router
router bgp 65100
 no bgp ebgp-requires-policy
 bgp bestpath as-path multipath-relax
%s address-family ipv4 unicast
  network 198.51.100.0/24
 exit-address-family
"""


def block(*words):
    """The block of README.md that has all of these."""
    (found,) = [text for text in BLOCKS if all(word in text for word in words)]
    return found


def eventually(check, seconds, what):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.2)


class Host:
    """A namespace with a network, FRR's directories and a hostname of its own."""

    def __init__(self, name):
        self.name = name
        script = ["set -e", "hostname " + name, "mount --make-rprivate /"]
        for path in OWN:
            copy = "/tmp/copy" + path.replace("/", ".")
            script += ["rm -rf %s; cp -a %s %s; mount -t tmpfs tmpfs %s; cp -a %s/. %s; chown --reference=%s %s" % (
                copy, path, copy, path, copy, path, copy, path)]
        script += ["mount -t tmpfs tmpfs /run", "install -d -o frr -g frr /run/frr", "mount -t sysfs sysfs /sys",
                   "mount -t bpf bpf /sys/fs/bpf", ": >/etc/frr/frr.conf; chown frr:frr /etc/frr/frr.conf",
                   "ip link set lo up", "echo ready", "exec sleep infinity"]
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "sh", "-c", "\n".join(script)],
                                       stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n", name
        self.enter = ["nsenter", "--target=%d" % self.holder.pid, "--net", "--mount", "--uts"]

    def run(self, script, check=True):
        """Runs lines of shell and returns all that they print."""
        out = "/tmp/%s.out" % self.name
        with open(out, "w") as file:
            result = subprocess.run([*self.enter, "bash", "-ec", script], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                    cwd="/root/newcomer", check=False, timeout=120)
        text = pathlib.Path(out).read_text(errors="replace")
        print("%s$ %s\n%s" % (self.name, script.strip(), text), flush=True)
        assert not check or result.returncode == 0, "%s: %s: %s" % (self.name, script, text)
        return text

    def start(self, program, **options):
        return subprocess.Popen([*self.enter, "python3", "-c", program], text=True, **options)

    def vtysh(self, lines):
        """Types lines into vtysh."""
        shown = self.run("vtysh <<'END'\n%sEND" % lines)
        assert "Unknown command" not in shown and "% " not in shown, shown
        return shown

    def link(self, interface, other, name):
        self.run("ip link add %s type veth peer name %s netns %d; ip link set %s up" % (
            interface, name, other.holder.pid, interface))
        other.run("ip link set %s up" % name)


def for_server(text, number):
    """README.md's example is server 3 of AS 65003."""
    return text.replace("10.255.0.3", "10.255.0.%d" % number).replace("65003", "6500%d" % number)


def set_up_router(router, client):
    client.link("eth0", router, "clients")
    client.run("ip address add 198.51.100.2/24 dev eth0; ip route add default via 198.51.100.1")
    router.run("ip address add 198.51.100.1/24 dev clients; sysctl -qw net.ipv4.ip_forward=1"
               " net.ipv4.fib_multipath_hash_policy=1; echo 0 | tee /proc/sys/net/ipv4/conf/*/rp_filter")
    neighbors = "".join(" neighbor server%d%s interface remote-as external\n" % (number, side)
                        for number in SERVERS for side in "ab")
    pathlib.Path("/tmp/router.conf").write_text(ROUTER % neighbors)
    router.run("install -o frr -g frr /tmp/router.conf /etc/frr/frr.conf; sed -i s/^bgpd=no/bgpd=yes/ /etc/frr/daemons")


def set_up_server(server, number, key):
    """README.md, "Use it on your servers", from the key on."""
    server.run("sed -i s/^bgpd=no/bgpd=yes/ /etc/frr/daemons")
    server.run(for_server(block("dev lo        # the VIP"), number))
    make_key, *lines = key.splitlines()
    if number == SERVERS[0]:
        server.run(make_key)
    server.run("\n".join(line for line in lines if number == SERVERS[0] or "holdfast-vtysh" not in line))
    eventually(lambda: all(daemon in server.run("ls /run/frr", False) for daemon in ("zebra.vty", "bgpd.vty")), 20, "FRR")
    server.vtysh(for_server(block("router bgp 65003"), number))
    server.vtysh(for_server(block("holdfast\n prefix", "local-member 10.255.0.3"), number))


def paths_of(router):
    return router.run("ip route show " + VIP, False).count("nexthop")


def main():
    started = time.monotonic()
    programs = pathlib.Path("/root/newcomer/bin")
    programs.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    os.environ["PATH"] = "%s:%s" % (programs, os.environ["PATH"])
    subprocess.run(["make", "install"], cwd=TOP, stdout=subprocess.DEVNULL, check=True)
    router, client = Host("router"), Host("client")
    servers = {number: Host("server%d" % number) for number in SERVERS}
    hosts = [router, client, *servers.values()]
    try:
        for number, server in servers.items():
            server.link("eth0", router, "server%da" % number)
            server.link("eth1", router, "server%db" % number)
        set_up_router(router, client)
        router.run("systemctl restart frr")
        for number, server in servers.items():
            set_up_server(server, number, block("openssl rand", "holdfast-vtysh enable"))
            server.start(SERVE)
        eventually(lambda: paths_of(router) == 2 * len(servers), 30, "two paths to each server")
        for server in servers.values():
            eventually(lambda: "running" in server.run("vtysh -c 'show holdfast'", False)
                       and server.run("vtysh -c 'show holdfast members'").count("in ring") == len(servers), 30, "running")
        asking = client.start(ASK, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert asking.stdout.readline() == "%d\n" % SESSIONS
        servers[3].vtysh(block("holdfast\n drain\n"))
        eventually(lambda: paths_of(router) == 2 * (len(servers) - 1), 30, "the drained server's paths go")
        asking.stdin.write("\n")
        asking.stdin.flush()
        live = int(asking.stdout.readline())
        shown = servers[3].run("vtysh -c 'show holdfast'")
        detours = sum(int(found) for server in servers.values() for found in re.findall(
            r'"pins" *: *(\d+)', server.run("vtysh -c 'show holdfast json'")))
        if live != SESSIONS:
            for server in servers.values():
                for what in ("", " counters", " pins", " members"):
                    server.run("vtysh -c 'show holdfast%s'" % what, False)
                server.run("ip rule; ip route show table all; nft list ruleset; tail -n 100 /var/log/fpmd.log; nstat -as", False)
        assert live == SESSIONS, "%d of %d sessions live\n%s" % (live, SESSIONS, shown)
        assert detours, "nothing was moved: the drain showed nothing"
        print("RESULT README: %d of %d sessions live through a drain, %d s after the first line" % (
            live, SESSIONS, time.monotonic() - started), flush=True)
    finally:
        for host in hosts:
            host.run("/usr/lib/frr/frrinit.sh stop", False)
            host.holder.kill()


if __name__ == "__main__":
    sys.exit(main())
