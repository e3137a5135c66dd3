# SPDX-License-Identifier: GPL-2.0-or-later
"""Members of the directory, each a process (tests/directory_node) in a network namespace, on one bridge. The member
range's routes are played by the command `hosts`; everything else is real. For the tests and tools/bench."""

import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NODE = os.environ.get("DIRECTORY_NODE", os.path.join(TOP, "tests", "directory_node"))
PREFIX = "hfdir%d" % os.getpid()
PORT = 7939
SERVER_ADDRESS = "10.77.0.250"
SERVER_PORT = 6379
LOG = None  # where the members' log goes; None: to our own standard error


def run(command, check=True):
    return subprocess.run(command.split(), check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def namespace(number):
    return "%s-%d" % (PREFIX, number)


def address(number, family=4):
    return "10.77.0.%d" % number if family == 4 else "fd77::%d" % number


class Process:
    """One process in a namespace; a command is written, one line is read."""

    def __init__(self, number, arguments):
        self.number, self.namespace = number, namespace(number)
        self.start_process(arguments)

    def start_process(self, arguments, expect="ready"):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=LOG, text=True, bufsize=1)
        assert self.process.stdout.readline().strip() == expect

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        assert line, "%s died" % self.namespace
        return line.strip()

    def do(self, command):
        self.send(command)
        return self.read()

    def signal(self, number):
        # `ip netns exec` becomes the member itself.
        os.kill(self.process.pid, number)

    def kill(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None


class Member(Process):
    """One member, a directory_node. *server*: (address, port) of the server that keeps the records, if there is one."""

    def __init__(self, number, key_file, family, server=None):
        self.number, self.address = number, address(number, family)
        self.namespace = namespace(number)
        self.key_file = key_file
        self.server = server
        self.start()

    def start(self, expect="ready", lifetime_s=600, clock_ms=0):
        self.start_process([NODE, self.address, self.key_file, str(lifetime_s), str(clock_ms),
                            *map(str, self.server or ())], expect)

    def counter(self, name):
        return int(self.do("counter " + name).split()[1])

    def get(self, number, count=1, deadline_ms=1000, ahead=64):
        words = self.do("get %d %d %d %d" % (number, count, deadline_ms, ahead)).split()
        assert words[0] == "get", words
        result = dict(word.split("=") for word in words[1:])
        return {k: int(re.sub("us$", "", v)) if k != "owner" else v for k, v in result.items()}

    def states(self):
        result = {}
        for word in self.do("members").split()[1:]:
            host, rest = word.split("=")
            state, epoch, records = rest.split("/")
            result[host] = (state, int(epoch), int(records))
        return result

    def block(self):
        """Datagrams of the directory reach it no more, nor leave it."""
        rules = "".join("add chain inet holdfast_block %s { type filter hook %s priority 0; };"
                        "add rule inet holdfast_block %s udp dport %d drop;" % (hook, hook, hook, PORT)
                        for hook in ("input", "output"))
        subprocess.run(["ip", "netns", "exec", self.namespace, "nft", "add table inet holdfast_block;" + rules],
                       check=True)

    def unblock(self):
        run("ip netns exec %s nft delete table inet holdfast_block" % self.namespace)


def make_namespaces(count):
    """Namespaces 1 to *count*, each with eth0 on one bridge and its addresses."""
    hub = PREFIX + "-hub"
    run("ip netns add " + hub)
    run("ip -n %s link add br0 type bridge" % hub)
    run("ip -n %s link set br0 up" % hub)
    for number in range(1, count + 1):
        name = namespace(number)
        run("ip netns add " + name)
        run("ip -n %s link add eth0 type veth peer name m%d netns %s" % (name, number, hub))
        run("ip -n %s link set m%d master br0 up" % (hub, number))
        run("ip -n %s addr add %s/24 dev eth0" % (name, address(number)))
        run("ip -n %s addr add %s/64 dev eth0 nodad" % (name, address(number, 6)))
        run("ip -n %s link set eth0 up" % name)
        run("ip -n %s link set lo up" % name)


class Group:
    """*connect*, if given, joins the servers that keep the records to the bridge in this namespace, and returns the
    address and port of one of them."""

    def __init__(self, count, key_file, family=4, connect=None):
        self.key_file = key_file
        self.family = family
        self.members = []
        make_namespaces(count)
        try:
            server = connect(PREFIX + "-hub") if connect else None
            for number in range(1, count + 1):
                self.members.append(Member(number, key_file, family, server))
            self.route(range(1, count + 1))
            self.wait_ring(count)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, number):
        return self.members[number - 1]

    def route(self, numbers, among=None):
        """Each of *among* has routes to *numbers*."""
        for number in among or numbers:
            self[number].do("hosts " + " ".join(address(n, self.family) for n in numbers if n != number))

    def wait_ring(self, count, numbers=None):
        chosen = [m for m in self.members if m.process and (numbers is None or m.number in numbers)]
        for member in chosen:
            member.send("ring %d" % count)
        return [int(member.read().split()[1]) for member in chosen]

    def settle(self, *numbers):
        for number in numbers or [m.number for m in self.members]:
            assert self[number].do("settle").startswith("settled")

    def close(self):
        for member in self.members:
            member.kill()


def remove_namespaces():
    for line in run("ip netns list", check=False).stdout.splitlines():
        if line.startswith(PREFIX + "-"):
            run("ip netns del " + line.split()[0], check=False)
