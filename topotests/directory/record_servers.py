# SPDX-License-Identifier: GPL-2.0-or-later
"""Real servers that keep the records, beside the members of group.py: in a namespace of their own, which is joined to
the bridge of one group after the other. For the tests and tools/bench."""

import os
import sys
import time

from group import PREFIX, SERVER_ADDRESS, SERVER_PORT, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "valkey"))

from servers import Cluster, Server  # noqa: E402

NAMESPACE = PREFIX.replace("hfdir", "hfsrv")  # it outlives the members'


class RecordServers:
    """*servers*: a Server, a Cluster of 3 + 3, or None."""

    def __init__(self, name, directory):
        self.name = name
        self.directory = directory
        self.servers = None
        if name == "one-hop":
            return
        run("ip netns add " + NAMESPACE)
        try:
            run("ip -n %s link set lo up" % NAMESPACE)
            run("ip -n %s addr add %s/32 dev lo" % (NAMESPACE, SERVER_ADDRESS))
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        kind = Server if self.name == "valkey" else Cluster
        self.servers = kind(self.directory / str(time.monotonic_ns()), SERVER_PORT, address=SERVER_ADDRESS,
                            namespace=NAMESPACE)

    def restart(self):
        """New and empty ones, for a test that broke them."""
        self.servers.close()
        self.start()

    @property
    def primaries(self):
        return [self.servers] if self.name == "valkey" else self.servers.primaries

    def all(self):
        return [self.servers] if self.name == "valkey" else self.servers.servers

    def flush(self):
        for server in self.primaries:
            server.cli("FLUSHALL")

    def connect(self, hub):
        """What Group() takes as *servers*: joins the servers to the bridge in this namespace. The link to the last
        group goes at once: the kernel takes its time to remove the namespaces at the other end."""
        run("ip -n %s link del eth0" % NAMESPACE, check=False)
        run("ip -n %s link add eth0 type veth peer name servers netns %s" % (NAMESPACE, hub))
        run("ip -n %s link set servers master br0 up" % hub)
        run("ip -n %s addr add %s/24 dev eth0" % (NAMESPACE, SERVER_ADDRESS))
        run("ip -n %s link set eth0 up" % NAMESPACE)
        return SERVER_ADDRESS, SERVER_PORT

    def cpu_us(self):
        """CPU that all of them have taken."""
        ticks = 0
        for server in self.all():
            with open("/proc/%d/stat" % server.process.pid, encoding="ascii") as file:
                ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        return ticks * 1000000 // os.sysconf("SC_CLK_TCK")

    def close(self):
        if self.servers:
            self.servers.close()
        if self.name != "one-hop":
            run("ip netns del " + NAMESPACE, check=False)
