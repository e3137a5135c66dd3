# SPDX-License-Identifier: GPL-2.0-or-later
"""One director for tools/bench, with stock FRR, with or without Holdfast, and what is before and behind it, each in
a network namespace:

    client --- director === hub --- members of the directory
                       4 paths

The hub plays what the paths lead to. It announces the VIP by BGP over each of the paths, and the members: each over a
path of its own (*servers*), or all over all paths (*leaves*).
"""

import json
import os
import pathlib
import resource
import secrets
import shutil
import time

import group
from lab.run import Run
from lab.vty import Vty

TOP = pathlib.Path(group.TOP)
FRR_DIR = pathlib.Path("/usr/lib/frr")
VIP = "192.0.2.80"
DIRECTOR = "10.77.0.100"
CLIENTS = "198.18.0.0/15"  # of tests/packet_flow.h
PATHS = 4
SERVERS, LEAVES = "servers", "leaves"
MEMBERS = {SERVERS: PATHS, LEAVES: 8}  # announced
FLOWS_MAX = 2000000
FIRST_CONNECTION = 1 << 22  # flows of real sockets, from 198.18.1.0 on; those before are of packet sockets
MADE_UP, REAL = "198.18.0.0/24", "198.18.1.0/24"
SENDER_CPU = os.cpu_count() - 1
READY_S = 60
SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.disable_ipv6": 1,
    "net.ipv6.conf.default.disable_ipv6": 1,
}
FORWARDS = {
    "net.ipv4.ip_forward": 1,
    # As lab/topology.py has its switches.
    "net.ipv4.fib_multipath_hash_policy": 3,
    "net.ipv4.fib_multipath_hash_fields": 0x37,
}


def program(name):
    return str(TOP / "tests" / name)


def wait(what, condition, seconds=READY_S, step=0.05):
    """Waits until condition() is true and returns what it said."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"after {seconds} s: {what}")
        time.sleep(step)
    return value


class NodeProcess(group.Process):
    """A program that is told and answers line by line, in a node of the site."""

    def __init__(self, run, node, *arguments, cpu=None):
        self.namespace = run.namespace(node)
        pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
        self.start_process([*pinned, *arguments])

    def numbers(self, command):
        """{name: number} of an answer "word name=number ..."; the number may be a tuple, 1/2/3."""
        result = {}
        answer = self.do(command)
        for word in answer.split()[1:]:
            name, _, value = word.partition("=")
            parts = [int(part) for part in value.split("/")]
            result[name] = parts[0] if len(parts) == 1 else tuple(parts)
        assert result, answer
        return result


class Site:
    """*holdfast*: with it, or stock FRR alone. *kind*: what the paths lead to. *fast*: with `flows fast-path`."""

    def __init__(self, kind, holdfast, key_file=None, fast=False):
        self.kind = kind
        self.fast = fast
        self.holdfast = holdfast
        self.key_file = key_file
        self.run = Run()
        self.cables = 0
        self.processes = []  # of NodeProcess and Member
        self.members = []
        self.fpmd = None
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def close(self):
        for process in self.processes:
            process.kill()
        self.run.close()

    # --- the network ---

    def _build(self):
        runs_members = self.holdfast and self.kind == LEAVES
        # The members' namespaces bear the name of this run, and go with it.
        group.PREFIX = self.run.prefix
        group.make_namespaces(MEMBERS[self.kind] if runs_members else 0)
        for node in "client", "director", "floor":
            self.add_node(node)
        self.sysctl("hub", SYSCTLS | FORWARDS)
        self.sysctl("director", FORWARDS)
        self.cable("client", "eth0", "10.1.0.2/24", "director", "client", "10.1.0.1/24")
        self.cable("client", "floor", None, "floor", "floor", None)
        for path in range(1, PATHS + 1):
            self.cable("director", f"path{path}", f"10.3.{path}.1/24", "hub", f"path{path}", f"10.3.{path}.2/24")
        self.ip("client", "route add default via 10.1.0.1", f"route add local {REAL} dev lo")
        self.ip("director", f"addr add {DIRECTOR}/32 dev lo", f"route add {CLIENTS} via 10.1.0.2")
        self.ip(
            "hub", "link set lo up", f"addr add {VIP}/32 dev lo", "addr add 10.77.0.254/24 dev br0",
            f"route add {CLIENTS} via 10.3.1.1", f"route add {DIRECTOR}/32 via 10.3.1.1",
        )  # fmt: skip
        # Packet sockets see them before; the same at the end of every way, so that ways can be compared.
        self._drop("hub", [f"path{path}" for path in range(1, PATHS + 1)])
        self._drop("floor", ["floor"])
        if runs_members:
            self._start_members()
        self._start_routing()

    def add_node(self, node):
        group.run(f"ip netns add {self.run.namespace(node)}")
        self.sysctl(node, SYSCTLS)
        self.ip(node, "link set lo up")

    def cable(self, left, left_name, left_address, right, right_name, right_address):
        # Equal indices at both ends would be taken for a device without a lower half: see lab/network.py.
        number = 100 + 2 * self.cables
        self.cables += 1
        left_space, right_space = self.run.namespace(left), self.run.namespace(right)
        group.run(
            f"ip link add {left_name} index {number} netns {left_space} type veth"
            f" peer name {right_name} index {number + 1} netns {right_space}"
        )
        for node, name, address in (left, left_name, left_address), (right, right_name, right_address):
            if address:
                self.ip(node, f"addr add {address} dev {name}")
            self.ip(node, f"link set {name} up")

    def _drop(self, node, devices):
        table = "table netdev bench {\n" + "".join(
            f"chain {device} {{ type filter hook ingress device {device} priority 0; ip saddr {MADE_UP} drop; }}\n"
            for device in devices
        ) + "}\n"  # fmt: skip
        self.run.execute(node, ["nft", "-f", "-"], input=table)

    def sysctl(self, node, settings):
        self.run.execute(node, ["sysctl", "-q", "-w", *[f"{name}={value}" for name, value in settings.items()]])

    def ip(self, node, *commands):
        self.run.execute(node, ["ip", "-batch", "-"], input="\n".join(commands) + "\n")

    def link_address(self, node, device):
        return json.loads(self.run.execute(node, ["ip", "-j", "link", "show", device]))[0]["address"]

    def received(self):
        """How many packets the hub got by the paths."""
        listed = json.loads(self.run.execute("hub", ["ip", "-s", "-j", "link"]))
        return sum(link["stats64"]["rx"]["packets"] for link in listed if link["ifname"].startswith("path"))

    # --- daemons ---

    def _start_members(self):
        addresses = [group.address(number) for number in range(1, MEMBERS[self.kind] + 1)]
        for number in range(1, MEMBERS[self.kind] + 1):
            group.run(f"ip -n {group.namespace(number)} route add {DIRECTOR}/32 via 10.77.0.254")
            member = group.Member(number, os.fspath(self.key_file), 4)
            self.members.append(member)
            self.processes.append(member)
        for member in self.members:
            member.do("hosts " + " ".join([DIRECTOR, *(one for one in addresses if one != member.address)]))

    def _start_routing(self):
        if self.holdfast:
            self.start_fpmd()
        for node, daemons in ("director", ("zebra", "bgpd")), ("hub", ("bgpd",)):
            directory = self.run.directory / node
            directory.mkdir(exist_ok=True)
            shutil.chown(directory, "frr", "frr")
            for daemon in daemons:
                self._start_daemon(node, daemon)
        wait(f"the VIP has not {PATHS} next hops", lambda: self.next_hops() == PATHS)
        if self.holdfast:
            # Flows that are there before are recorded, too, but as those of another director.
            wait(f"fpmd does not use {PATHS} paths", lambda: self.paths_in_use() == PATHS)
        if self.members:
            for member in self.members:
                member.send(f"ring {len(self.members) + 1}")
            for member in self.members:
                assert member.read().startswith("ring"), f"{member.namespace} does not see all members"

    def _start_daemon(self, node, daemon):
        directory = self.run.directory / node
        config = directory / f"{daemon}.conf"
        config.write_text(getattr(self, f"_{daemon}_config")(node))
        shutil.chown(config, "frr", "frr")
        argv = [
            FRR_DIR / daemon, "-f", config, "-i", directory / f"{daemon}.pid", "-z", directory / "zserv.api",
            "--vty_socket", directory, "-P", "0", "--log", f"file:{directory}/{daemon}.log",
        ]  # fmt: skip
        if node == "hub":
            argv.append("--no_zebra")
        elif daemon == "zebra" and self.holdfast:
            module = TOP / "zebra-plugin" / ".libs" / "zebra_holdfast.so"
            argv += ["-M", f"{module}:{directory}/fpmd.sock"]
        process = self.run.spawn(node, argv, f"{node}/{daemon}.out")
        done = lambda: (directory / f"{daemon}.vty").exists() or process.poll() is not None  # noqa: E731
        wait(f"{daemon} does not start", done)
        if process.poll() is not None:
            raise RuntimeError(f"{daemon}: " + (directory / f"{daemon}.out").read_text()[-500:])

    def _zebra_config(self, _node):
        # The time stamps of a log that --log names have no fractions.
        lines = [
            "hostname director", f"log file {self.run.directory / 'director' / 'events.log'}", "log timestamp precision 6",
            "debug zebra rib", "zebra nexthop-group keep 1",
        ]  # fmt: skip
        if self.holdfast:
            lines += [
                "holdfast", f" prefix {VIP}/32", " member-range 10.77.0.0/24", f" local-member {DIRECTOR}",
                f" directory key-file {self.key_file}", f" pins max {FLOWS_MAX}", f" flows max {FLOWS_MAX}",
                *([" flows fast-path"] if self.fast else []), "exit",
            ]  # fmt: skip
        return "\n".join(lines) + "\n"

    def _bgpd_config(self, node):
        ours, theirs, side = (65001, 65002, 2) if node == "director" else (65002, 65001, 1)
        lines = []
        members = range(1, MEMBERS[self.kind] + 1)
        if node == "hub" and self.kind == SERVERS:
            for path in range(1, PATHS + 1):
                lines += [
                    f"ip prefix-list SERVER{path} seq 5 permit {VIP}/32",
                    f"ip prefix-list SERVER{path} seq 10 permit {group.address(path)}/32",
                    f"route-map SERVER{path} permit 10", f" match ip address prefix-list SERVER{path}", "exit",
                ]  # fmt: skip
        lines += [
            f"router bgp {ours}", f" bgp router-id 10.0.0.{side}", " no bgp ebgp-requires-policy",
            " no bgp network import-check", " bgp bestpath as-path multipath-relax", " bgp graceful-restart-disable",
        ]  # fmt: skip
        for path in range(1, PATHS + 1):
            lines += [
                f" neighbor 10.3.{path}.{side} remote-as {theirs}", f" neighbor 10.3.{path}.{side} timers connect 1",
                f" neighbor 10.3.{path}.{side} advertisement-interval 0",
            ]  # fmt: skip
        lines += [" address-family ipv4 unicast", f"  maximum-paths {2 * PATHS}"]
        if node == "director":
            lines.append(f"  network {DIRECTOR}/32")
        else:
            lines += [f"  network {address}/32" for address in (VIP, *map(group.address, members))]
            if self.kind == SERVERS:
                lines += [f"  neighbor 10.3.{path}.1 route-map SERVER{path} out" for path in range(1, PATHS + 1)]
        return "\n".join(lines) + "\n exit-address-family\nexit\n"

    def start_fpmd(self):
        directory = self.run.directory / "director"
        directory.mkdir(exist_ok=True)
        shutil.chown(directory, "frr", "frr")
        argv = [
            "nice", "-n", "-10", TOP / "fpmd" / "fpmd", "--user", "frr", "--socket", directory / "fpmd.sock",
            "--bpf-directory", self.run.mount_bpf(),
        ]  # fmt: skip
        self.fpmd = self.run.spawn("director", argv, "director/fpmd.log")

    # --- events and state ---

    def next_hops(self, prefix=f"{VIP}/32"):
        listed = json.loads(self.run.execute("director", ["ip", "-j", "route", "show", prefix]) or "[]")
        return sum(len(route.get("nexthops", [route])) for route in listed)

    def peering(self, path, up):
        """The hub ends its BGP session over a path, or takes it up again."""
        with Vty(self.run.directory / "hub" / "bgpd.vty") as vty:
            vty.configure(["router bgp 65002", f"{'no ' if up else ''}neighbor 10.3.{path}.1 shutdown"])

    def show(self, topic):
        """`show holdfast TOPIC json`."""
        with Vty(self.run.directory / "director" / "zebra.vty") as vty:
            answer = json.loads(vty.command(f"show holdfast {topic} json"))
        if "error" in answer:
            raise RuntimeError(f"show holdfast {topic}: {answer['error']}")
        return answer

    def paths_in_use(self):
        try:
            return sum(path["state"] == "in-use" for path in self.show("paths")["paths"])
        except (RuntimeError, ValueError):
            return 0  # fpmd has no configuration yet

    def pins(self):
        """How many fpmd has put into the kernel."""
        return sum(member.get("pins", 0) for member in self.show("members")["members"])

    def fpmd_cpu_us(self):
        fields = pathlib.Path(f"/proc/{self.fpmd.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000000 // os.sysconf("SC_CLK_TCK")

    def fpmd_bytes(self):
        status = pathlib.Path(f"/proc/{self.fpmd.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    # --- flows ---

    def start(self, node, *arguments, cpu=None):
        process = NodeProcess(self.run, node, *arguments, cpu=cpu)
        self.processes.append(process)
        return process

    def stop(self, process):
        self.processes.remove(process)
        process.kill()

    def sender(self, device="eth0", peer=("director", "client")):
        return self.start("client", program("packet_flows"), device, self.link_address(*peer), cpu=SENDER_CPU)

    def open_flows(self, sender, first, count):
        """Handshakes through the director."""
        answerer = self.start("hub", program("packet_flows"), "answer")
        try:
            return sender.numbers(f"open {first} {count}")
        finally:
            self.stop(answerer)

    def publish(self, first, count, what="publish"):
        """The members share these flows, in equal parts; returns how many each has."""
        each = -(-count // len(self.members))
        for number, member in enumerate(self.members):
            begin = min(number * each, count)
            if min(each, count - begin):
                member.do(f"{what} {first + begin} {min(each, count - begin)}")
        for member in self.members:
            assert member.do("settle").startswith("settled"), f"{member.namespace} cannot publish"
        return each


def make_key(folder):
    """The key that all members share, readable by fpmd, which is user frr."""
    path = pathlib.Path(folder) / "director.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"1 {secrets.token_hex(32)}\n")
        shutil.chown(path, "frr", "frr")
        os.chmod(folder, 0o755)
    return path


def raise_limits():
    """So many sockets as may be, for connect_rate."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
