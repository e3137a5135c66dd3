# SPDX-License-Identifier: GPL-2.0-or-later
"""The client of Valkey against a real cluster of three primaries and three replicas: slots that move under load, servers
that die or fall silent, replicas that are read from meanwhile and take over."""

import re
import threading
import time

import pytest

from driver import Driver
from fixtures import closing, namespace  # noqa: F401
from servers import Cluster, Server, wait_until

A, B = "10.255.0.1", "10.255.0.2"
PORT = 7100
NOBODY_DIES_MS = 60000


@pytest.fixture(scope="module")
def whole(namespace, tmp_path_factory):
    """For tests that leave it as it was."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), PORT, namespace=namespace, node_timeout_ms=NOBODY_DIES_MS)
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(namespace, closing, tmp_path):
    """For tests that break it."""
    closing.append(Cluster(tmp_path, PORT + 100, namespace=namespace))
    return closing[-1]


@pytest.fixture
def moving(namespace, closing, tmp_path):
    """For tests that move its slots."""
    closing.append(Cluster(tmp_path, PORT + 100, namespace=namespace, node_timeout_ms=NOBODY_DIES_MS))
    return closing[-1]


def open_driver(cluster, *options, server=0):
    return Driver(cluster.servers[server].address, cluster.servers[server].port, *options)


def all_ready(d):
    d.wait("ready")
    wait_until(lambda: [state for _, state, _ in d.nodes().values()] == ["ready"] * 6, "six connections")


def get(d, first, count, want="record", version=None):
    """A primary that is slow is not asked, and its replica may not have what was put a moment ago."""
    for _ in range(20):
        before = d.counter("replica_reads")
        found = d.get(first, count)
        current = found[want] == count and version in (None, found["version"])
        if current or d.counter("replica_reads") == before:
            return found
        time.sleep(0.1)
    return found


def test_slots(whole):
    """Records are spread over all primaries, and what one command touches is in one slot."""
    with open_driver(whole) as d:
        all_ready(d)
        assert sorted(slots for role, _, slots in d.nodes().values() if role == "primary") == [5461, 5461, 5462]
        assert d.put(0, 20000, A, 7)["done"] == 20000
        found = get(d, 0, 20100)
        assert (found["record"], found["miss"], found["failed"], found["twice"]) == (20000, 100, 0, 0)
        paged = d.page(A)
        assert (paged["different"], paged["failed"]) == (20000, 0)
        assert d.delete(0, 20000, A, 7)["done"] == 20000
        assert get(d, 0, 20000, "miss")["miss"] == 20000
        for server in whole.primaries:
            keys = int(re.search(r"keys=(\d+)", server.info("db0")).group(1))
            assert 20000 / 3 * 0.8 < keys < 20000 / 3 * 1.2
        # Our slots are the server's: it did not have to correct us once.
        assert d.counter("moved") == d.counter("asked") == d.counter("refused") == 0
        assert d.lost() == 0


@pytest.mark.parametrize("number", range(6))
def test_any_node_is_an_entry(whole, number):
    with open_driver(whole, server=number) as d:
        d.wait("ready")
        assert d.put(0, 100, A, number + 100)["done"] == 100
        assert get(d, 0, 100)["version"] == number + 100


class Load:
    """Another client that puts and gets all the while; each record is found as it was put last."""

    def __init__(self, cluster, count=400):
        self.cluster, self.count = cluster, count
        self.rounds, self.wrong, self.counters = 0, [], {}
        self.driver = open_driver(cluster)
        self.stopping = False
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.driver.wait("ready")
        self.thread.start()
        return self

    def run(self):
        try:
            while not self.stopping:
                self.rounds += 1
                # New records each time: a slot that moves has none of their keys.
                first = self.rounds % 100 * self.count
                stored = self.driver.put(first, self.count, A, 1000 + self.rounds)
                found = get(self.driver, first, self.count, version=1000 + self.rounds)
                if stored["done"] != self.count or found["record"] != self.count or found["version"] != 1000 + self.rounds:
                    self.wrong.append((stored, found))
            self.counters = {name: self.driver.counter(name) for name in ("moved", "asked")}
        except BaseException as error:
            self.wrong.append(repr(error))

    def __exit__(self, kind, value, trace):
        self.stopping = True
        self.thread.join()
        self.driver.__exit__(kind, value, trace)


def slots_in_use(server, count):
    slots = set()
    for key in server.cli("--scan", "--pattern", "holdfast:*:r:*").split():
        if len(slots) < count:
            slots.add(int(server.cli("CLUSTER", "KEYSLOT", key)))
    return sorted(slots)


def test_slots_move_under_load(moving):
    with open_driver(moving) as d:
        all_ready(d)
        assert d.put(100000, 20000, B, 7)["done"] == 20000
        source, target = moving.primaries[:2]
        slots = slots_in_use(source, 6)
        moved = []
        with Load(moving) as load:
            for slot in slots:
                def between():
                    # Both ends have some of the keys now.
                    before = load.rounds
                    wait_until(lambda: load.rounds > before or load.wrong, "the load goes on")
                moving.move_slot(slot, source, target, between)
                moved.append(slot)
            before = load.rounds
            wait_until(lambda: load.rounds > before + 3 or load.wrong, "the load goes on")
            assert load.wrong == [], load.wrong[0]
        assert len(moved) == 6 and load.wrong == []
        assert load.counters["moved"] > 0 and load.counters["asked"] > 0
        # The other one knows nothing of it yet, and finds everything all the same.
        found = get(d, 100000, 20000)
        assert (found["record"], found["failed"], found["owner"]) == (20000, 0, B)
        assert d.counter("moved") > 0
        wait_until(lambda: d.nodes()[("127.0.0.1", target.port)][2] == 5461 + len(moved), "the map is learned anew")
        moves = d.counter("moved")
        assert get(d, 100000, 20000)["record"] == 20000
        assert d.counter("moved") == moves
        assert d.page(B)["different"] == 20000


def test_ask_while_a_slot_moves(moving):
    """A slot of which some keys are here and some there: nothing is missed, new records are taken."""
    source, target = moving.primaries[:2]
    with open_driver(moving) as d:
        all_ready(d)
        assert d.put(0, 40000, A, 7)["done"] == 40000
        key = source.cli("--scan", "--pattern", "holdfast:*:r:*").split()[0]
        slot = int(source.cli("CLUSTER", "KEYSLOT", key))
        in_slot = int(source.cli("CLUSTER", "COUNTKEYSINSLOT", slot))
        target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", moving.node_id(source))
        source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", moving.node_id(target))
        keys = source.cli("CLUSTER", "GETKEYSINSLOT", slot, in_slot // 2).split()
        assert source.cli("MIGRATE", target.address, target.port, "", 0, 5000, "KEYS", *keys) == "OK"
        found = get(d, 0, 40000)
        assert (found["record"], found["failed"]) == (40000, 0)
        assert d.counter("asked") >= len(keys) - 1  # the index may be among them
        assert d.put(0, 80000, A, 8)["done"] == 80000
        assert d.counter("try_again") > 0
        found = get(d, 0, 80000)
        assert (found["record"], found["failed"], found["version"]) == (80000, 0, 8)
        assert d.delete(0, 1000, A, 8)["done"] == 1000
        assert get(d, 0, 1000, "miss")["miss"] == 1000
        assert d.counter("moved") == 0


def test_a_primary_dies(cluster):
    with open_driver(cluster) as d:
        all_ready(d)
        assert d.put(0, 10000, A, 7)["done"] == 10000
        wait_until(lambda: all(s.info("slave_repl_offset") == s.info("master_repl_offset") for s in cluster.replicas),
                   "the replicas have it")
        victim = cluster.primaries[1]
        victim.kill()
        d.wait("degraded")
        # At once from its replica, and all the while.
        gets = 0
        while d.status()["state"] != "ready":
            found = get(d, 0, 2000)
            assert (found["record"], found["failed"], found["refused"]) == (2000, 0, 0), found
            gets += 1
        assert gets > 0 and d.counter("replica_reads") > 0
        assert d.lost() >= 1  # what the replica had not got yet is lost
        assert d.put(0, 10000, A, 8)["done"] == 10000
        assert get(d, 0, 10000)["record"] == 10000
        role, state, slots = d.nodes()[("127.0.0.1", cluster.replicas[1].port)]
        assert (role, state, slots) == ("primary", "ready", 5461)
        # It comes back as a replica.
        victim.start()
        cluster.settle()
        assert d.put(0, 1000, A, 9)["done"] == 1000
        with open_driver(cluster, server=1) as other:
            all_ready(other)
            assert other.nodes()[("127.0.0.1", victim.port)] == ("replica", "ready", 0)
            assert other.get(0, 1000)["version"] == 9


def test_puts_go_on_when_a_replica_has_taken_over(cluster):
    with open_driver(cluster) as d:
        all_ready(d)
        cluster.primaries[0].kill()
        cluster.primaries[2].kill()  # two of three: the rest is no majority, nobody takes over
        d.wait("degraded")
        assert d.put(0, 10000, A, 7, tries=20)["given_up"] > 5000
        cluster.primaries[0].start()
        cluster.primaries[2].start()
        stored = d.put(0, 10000, A, 8)
        assert stored["done"] == 10000
        d.wait("ready")
        assert get(d, 0, 10000)["record"] == 10000


def test_a_silent_primary(whole):
    with open_driver(whole) as d:
        all_ready(d)
        assert d.put(0, 3000, A, 10**6)["done"] == 3000
        wait_until(lambda: all(s.info("slave_repl_offset") == s.info("master_repl_offset") for s in whole.replicas),
                   "the replicas have it")
        whole.primaries[2].pause()
        try:
            get(d, 0, 3000)  # what it was asked before it was known to be silent goes to its replica, too
            found = get(d, 0, 3000)
            assert (found["record"], found["failed"]) == (3000, 0)
            assert d.counter("replica_reads") > 0
        finally:
            whole.primaries[2].resume()
        d.wait("ready")
        assert d.put(0, 3000, A, 10**6 + 1)["done"] == 3000


def test_all_die_and_come_back_empty(cluster):
    with open_driver(cluster) as d:
        all_ready(d)
        assert d.put(0, 1000, A, 7)["done"] == 1000
        for server in cluster.servers:
            server.kill()
        d.wait("unreachable")
        assert d.get(0, 100)["refused"] == 100
        for server in cluster.servers:
            server.start()
        d.wait("ready")
        assert d.lost() >= 3
        assert d.put(0, 1000, A, 7)["done"] == 1000
        assert get(d, 0, 1000)["record"] == 1000


def test_the_entry_is_gone_for_good(cluster):
    """Any node that was learned will do."""
    with open_driver(cluster) as d:
        all_ready(d)
        cluster.primaries[0].kill()
        d.wait("degraded")
        d.wait("ready")
        whole_again = d.nodes()
        assert ("127.0.0.1", cluster.primaries[0].port) not in whole_again or \
            whole_again[("127.0.0.1", cluster.primaries[0].port)][0] != "primary"
        assert d.put(0, 5000, A, 7)["done"] == 5000


def test_a_node_joins_and_takes_slots(cluster, namespace, closing, tmp_path):
    with open_driver(cluster) as d:
        all_ready(d)
        assert d.put(0, 5000, A, 7)["done"] == 5000
        closing.append(Server(tmp_path, PORT + 190, namespace=namespace, options=dict(
            cluster.servers[0].options, port=PORT + 190, **{"cluster-config-file": "nodes-new.conf"})))
        joined = closing[-1]
        joined.cli("CLUSTER", "MEET", "127.0.0.1", cluster.servers[0].port)
        name = cluster.node_id(joined)
        wait_until(lambda: "cluster_known_nodes:7" in joined.cli("CLUSTER", "INFO") and
                   "cluster_state:ok" in joined.cli("CLUSTER", "INFO") and
                   all(name in server.cli("CLUSTER", "NODES") for server in cluster.servers), "it is known")
        source = cluster.primaries[0]
        cluster.servers.append(joined)
        for slot in slots_in_use(source, 4):
            cluster.move_slot(slot, source, joined)
        assert get(d, 0, 5000)["failed"] <= 5000  # it may not be connected to yet
        wait_until(lambda: d.nodes().get(("127.0.0.1", joined.port), ("",))[:2] == ("primary", "ready"), "it is learned")
        found = get(d, 0, 5000)
        assert (found["record"], found["failed"]) == (5000, 0)
        assert d.put(0, 5000, A, 8)["done"] == 5000


def test_an_amnesiac_node(moving):
    """A primary that knows of no slots any more does not undo what the others say of theirs."""
    with open_driver(moving) as d:
        all_ready(d)
        assert d.put(0, 3000, A, 7)["done"] == 3000
        amnesiac = moving.primaries[0]
        amnesiac.cli("FLUSHALL")
        amnesiac.cli("CLUSTER", "RESET", "SOFT")
        assert amnesiac.cli("CLUSTER", "SLOTS") == ""
        for _ in range(15):
            # After each loss one node is asked for the map, in turn.
            amnesiac.cli("CLIENT", "KILL", "TYPE", "normal")
            time.sleep(0.2)
            assert int(d.status()["served"]) >= 10922
            assert d.get(0, 3000)["record"] >= 1800
