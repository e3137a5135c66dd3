# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Valkey or Redis servers, alone or as a cluster, for the tests and tools/bench. Each is a process in a network
namespace; what it writes is in a directory of the caller's. Nothing is left running after close()."""

import os
import shutil
import signal
import subprocess
import time

ENVIRONMENT = dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin")


def binary(name):
    """"server" or "cli", of whichever the distribution has."""
    for brand in ("valkey", "redis"):
        path = shutil.which("%s-%s" % (brand, name), path=ENVIRONMENT["PATH"])
        if path:
            return path
    raise AssertionError("neither valkey-%s nor redis-%s is installed: run tools/setup" % (name, name))


def inside(namespace, command):
    return (["ip", "netns", "exec", namespace] if namespace else []) + command


def wait_until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("not within %d s: %s" % (seconds, what))


class Server:
    """One process. *options*: as in its configuration file, e.g. {"maxmemory": "2mb"}. *login*: what the command line
    client needs to get in, e.g. ["--tls", "--cacert", PATH]."""

    def __init__(self, directory, port, address="127.0.0.1", namespace=None, options=None, login=()):
        self.directory, self.port, self.address, self.namespace = str(directory), port, address, namespace
        self.options = {"port": port, "bind": address, "save": "", "appendonly": "no", "daemonize": "no",
                        "protected-mode": "no", "dir": self.directory, "repl-diskless-sync-delay": 0,
                        # A replica shows in the slot map when the first byte was replicated.
                        "repl-ping-replica-period": 1,
                        "dbfilename": "dump-%d.rdb" % port, "logfile": "server-%d.log" % port}
        self.options.update(options or {})
        self.login = list(login)
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        self.start()

    def start(self):
        words = [binary("server")]
        for name, value in self.options.items():
            words += ["--" + name] + (value if isinstance(value, list) else [str(value)])
        self.process = subprocess.Popen(inside(self.namespace, words), env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(self.answers, "server on port %d answers" % self.port)
        except BaseException:
            self.kill()
            raise

    def answers(self):
        assert self.process.poll() is None, "the server on port %d ended, see %s/server-%d.log" % (
            self.port, self.directory, self.port)
        answer = self.cli("PING", check=False)
        return "PONG" in answer or "NOAUTH" in answer

    def cli(self, *words, check=True, user=()):
        """What the command answers, as text."""
        port = self.options.get("tls-port", self.port)
        result = subprocess.run(
            inside(self.namespace, [binary("cli"), "-h", self.address, "-p", str(port)] + self.login + list(user) +
                   [str(word) for word in words]),
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if check:
            assert result.returncode == 0, (words, result.stderr)
        return result.stdout.strip()

    def info(self, name):
        for line in self.cli("INFO").splitlines():
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
        return None

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None

    close = kill


class Cluster:
    """*primaries* with a replica each (or *replicas*), on ports *port*, *port* + 1, ...: the primaries first. The slots
    are in as many parts; replica number I is of primary number I. A primary that is busy for *node_timeout_ms* counts as
    dead: for tests in which none shall die it is long."""

    def __init__(self, directory, port, primaries=3, replicas=3, address="127.0.0.1", namespace=None, options=None,
                 login=(), node_timeout_ms=1000):
        # They learn of each other the sooner the shorter it is.
        settings = {"cluster-enabled": "yes", "cluster-node-timeout": 1000,
                    "cluster-require-full-coverage": "no", "cluster-allow-reads-when-down": "yes",
                    "cluster-replica-validity-factor": 0}
        settings.update(options or {})
        self.count = primaries
        self.servers = []
        try:
            for i in range(primaries + replicas):
                own = dict(settings)
                own["cluster-config-file"] = "nodes-%d.conf" % (port + i)
                if "tls-port" in own:
                    own["tls-port"] = port + i
                    own["port"] = 0
                self.servers.append(Server(directory, port + i, address, namespace, own, login))
            self.join()
            for server in self.servers:
                server.options["cluster-node-timeout"] = node_timeout_ms
                server.cli("CONFIG", "SET", "cluster-node-timeout", node_timeout_ms)
        except BaseException:
            self.close()
            raise

    @property
    def primaries(self):
        return self.servers[:self.count]

    @property
    def replicas(self):
        return self.servers[self.count:]

    def join(self):
        first = self.servers[0]
        for i, server in enumerate(self.servers):
            server.cli("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            if i > 0:
                server.cli("CLUSTER", "MEET", first.address, first.port)
        for i, server in enumerate(self.primaries):
            server.cli("CLUSTER", "ADDSLOTSRANGE", 16384 * i // self.count, 16384 * (i + 1) // self.count - 1)
        wait_until(lambda: all(s.cli("CLUSTER", "INFO").count("cluster_known_nodes:%d" % len(self.servers))
                               for s in self.servers), "all nodes know each other")
        ids = [server.cli("CLUSTER", "MYID") for server in self.primaries]
        for i, server in enumerate(self.replicas):
            wait_until(lambda: server.cli("CLUSTER", "REPLICATE", ids[i % self.count]) == "OK", "a primary is known")
        self.settle()

    def settle(self):
        """All slots are served and all replicas follow."""
        def settled():
            for server in self.servers:
                if server.process is None:
                    continue
                if "cluster_state:ok" not in server.cli("CLUSTER", "INFO"):
                    return False
                if server.info("role") == "slave" and server.info("master_link_status") != "up":
                    return False
            # All that live are named in the slot map that clients are given.
            alive = [server for server in self.servers if server.process]
            maps = [server.cli("CLUSTER", "SLOTS").split() for server in alive]
            return self.servers_of_slots() == 16384 and all(str(s.port) in words for words in maps for s in alive)
        wait_until(settled, "the cluster is whole")

    def servers_of_slots(self):
        """How many slots the nodes that live say are served."""
        alive = next(server for server in self.servers if server.process)
        for line in alive.cli("CLUSTER", "INFO").splitlines():
            if line.startswith("cluster_slots_ok:"):
                return int(line.split(":")[1])
        return 0

    def node_id(self, server):
        return server.cli("CLUSTER", "MYID")

    def primary_of(self, slot):
        """The server that says it serves the slot."""
        for server in self.servers:
            if server.process is None:
                continue
            mine = [line for line in server.cli("CLUSTER", "NODES").splitlines() if "myself,master" in line]
            for word in (mine[0].split()[8:] if mine else []):
                first, _, last = word.partition("-")
                if word[0] != "[" and int(first) <= slot <= int(last or first):
                    return server
        return None

    def move_slot(self, slot, source, target, between=None):
        """As `redis-cli --cluster reshard` does; *between* is called while the slot has been begun to move, and while
        its keys are at both."""
        source_id, target_id = self.node_id(source), self.node_id(target)
        target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while True:
            if between:
                between()
            keys = source.cli("CLUSTER", "GETKEYSINSLOT", slot, 20).split()
            if not keys:
                break
            answer = source.cli("MIGRATE", target.address, target.port, "", 0, 5000, "KEYS", *keys)
            assert answer in ("OK", "NOKEY"), answer
        for server in [target, source] + [s for s in self.servers if s.process and s not in (target, source)]:
            server.cli("CLUSTER", "SETSLOT", slot, "NODE", target_id, check=False)

    def close(self):
        for server in self.servers:
            server.kill()
