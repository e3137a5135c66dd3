# SPDX-License-Identifier: GPL-2.0-or-later
"""The engines that keep the records, for tests that hold for all of them: the members themselves, a real server, a
real cluster. A group of members is one fixture, the engine another, which all tests of a file share."""

import os
import sys
import time

import pytest

from group import PREFIX, SERVER_ADDRESS, SERVER_PORT, Group, remove_namespaces, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "valkey"))

from servers import Cluster, Server  # noqa: E402

ENGINES = ["one-hop", "valkey", "valkey-cluster"]
NAMESPACE = PREFIX.replace("hfdir", "hfsrv")  # it outlives the members'

every_engine = pytest.mark.parametrize("engine", ENGINES, indirect=True)
each_server = pytest.mark.parametrize("engine", ENGINES[1:], indirect=True)
on_a_server = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
on_a_cluster = pytest.mark.parametrize("engine", ["valkey-cluster"], indirect=True)


class Engine:
    """*servers*: a Server, a Cluster, or None."""

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
        """What Group() takes as *servers*: joins the servers to the bridge in this namespace."""
        run("ip -n %s link add eth0 type veth peer name servers netns %s" % (NAMESPACE, hub))
        run("ip -n %s link set servers master br0 up" % hub)
        run("ip -n %s addr add %s/24 dev eth0" % (NAMESPACE, SERVER_ADDRESS))
        run("ip -n %s link set eth0 up" % NAMESPACE)
        return SERVER_ADDRESS, SERVER_PORT

    def close(self):
        if self.servers:
            self.servers.close()
        if self.name != "one-hop":
            run("ip netns del " + NAMESPACE, check=False)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("directory") / "key"
    path.write_text("1 %s\n" % os.urandom(32).hex())
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def engine(request, tmp_path_factory):
    result = Engine(getattr(request, "param", "one-hop"), tmp_path_factory.mktemp("servers"))
    yield result
    result.close()


@pytest.fixture
def group(request, key_file, engine):
    """*param*: how many members, or (how many, address family)."""
    count, family = request.param if isinstance(request.param, tuple) else (request.param, 4)
    result = None
    try:
        if engine.servers:
            engine.flush()
        result = Group(count, key_file, family, engine.connect if engine.servers else None)
        yield result
    finally:
        if result:
            result.close()
        remove_namespaces()


def wait_for(what, seconds=6.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return what()
