# SPDX-License-Identifier: GPL-2.0-or-later
"""The Valkey engine where servers fail, forget or come late: what is found, what is published again, and that a wrong
owner never is. What holds for every engine is in test_directory.py. Needs root.

A look-up that a record answers takes two messages, one to the server and one to the owner that it names."""

import os
import subprocess
import time

import pytest

from engines import each_server, engine, group, key_file, on_a_cluster, on_a_server, wait_for  # noqa: F401
from group import SERVER_ADDRESS, SERVER_PORT, address

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")

BY_RECORD = 2


def found(member, first, count, owner, deadline_ms=1000):
    """Looks all up: found, and never at anybody else's. Returns how many messages that took."""
    result = member.get(first, count, deadline_ms)
    assert result["found"] == count and result["owner"] == address(owner), (member.number, result)
    return result["messages"]


def found_by_records(group, first, count, owner, seconds=6.0):
    """Waits for the last few of them, which are put last: look-ups that may ask all members are limited."""
    few = min(count, 5)
    askers = [member for member in group.members if member.number != owner]
    return (wait_for(lambda: all(found(member, first + count - few, few, owner) == BY_RECORD * few for member in askers),
                     seconds) and
            wait_for(lambda: all(found(member, first, count, owner) == BY_RECORD * count for member in askers)))


def cut(member):
    """Its way to the server is gone; that to the members is not."""
    subprocess.run(["ip", "netns", "exec", member.namespace, "nft", "add table inet holdfast_cut;"
                    "add chain inet holdfast_cut output { type filter hook output priority 0; };"
                    "add rule inet holdfast_cut output ip daddr %s drop" % SERVER_ADDRESS], check=True)


def mend(member):
    subprocess.run(["ip", "netns", "exec", member.namespace, "nft", "delete table inet holdfast_cut"], check=True)


@each_server
@pytest.mark.parametrize("group", [4], indirect=True)
def test_all_servers_die(group, engine):
    group[1].do("publish 0 200")
    group.settle(1)
    assert found_by_records(group, 0, 200, 1)
    for server in engine.all():
        server.kill()
    try:
        assert wait_for(lambda: group[3].do("server").startswith("server unreachable asked=0"), 10)
        assert wait_for(lambda: group[1].do("server").startswith("server unreachable asked=0"), 10)
        # Every other member is asked, once.
        assert found(group[3], 0, 200, 1) == 3 * 200
        result = group[3].get(5000, 20)
        assert result["absent"] == 20 and result["messages"] == 3 * 20, result
        group[1].do("publish 1000 200")
        group[1].do("withdraw 0 100")
        assert found(group[3], 1000, 200, 1) == 3 * 200
        assert group[3].get(0, 100)["absent"] == 100
        assert group[1].counter("publish-waiting") == 300
    finally:
        engine.restart()
    # Empty as they are: what lives is published at once, what ended is gone.
    group.settle(1)
    assert found_by_records(group, 1000, 200, 1, 15)
    assert found_by_records(group, 100, 100, 1)
    assert group[3].get(0, 100)["absent"] == 100


@on_a_server
@pytest.mark.parametrize("group", [3], indirect=True)
def test_a_server_starts_anew_with_nothing(group, engine):
    group[1].do("publish 0 20000")
    group.settle(1)
    engine.servers.kill()
    engine.servers.start()
    assert wait_for(lambda: group[1].counter("server-restarts") == 1)
    group.settle(1)
    assert found_by_records(group, 0, 20000, 1)


@each_server
@pytest.mark.parametrize("group", [3], indirect=True)
def test_records_vanish_and_nobody_says_so(group, engine):
    group[1].kill()
    group[1].start(lifetime_s=6)
    group.route([1, 2, 3])
    group.wait_ring(3)
    group[1].do("publish 0 300")
    group.settle(1)
    assert found_by_records(group, 0, 300, 1)
    engine.flush()
    assert found(group[2], 0, 300, 1) > BY_RECORD * 300
    assert group[2].get(5000, 5)["absent"] == 5
    # Half of the lifetime, and each is there again.
    assert found_by_records(group, 0, 300, 1, 12)
    # It does not need them: more than a lifetime later they are still there.
    time.sleep(7)
    assert found_by_records(group, 0, 300, 1)
    group[1].kill()
    assert wait_for(lambda: sum(int(server.cli("DBSIZE")) for server in engine.primaries) == 0, 15)


@on_a_cluster
@pytest.mark.parametrize("group", [4], indirect=True)
def test_a_primary_dies_while_records_come_and_go(group, engine):
    group[2].do("publish 0 2000")
    group.settle(2)
    group[1].send("rate 10000 6000 2000")
    asked = 0
    began = time.monotonic()
    try:
        killed = False
        while time.monotonic() < began + 3:
            if not killed and time.monotonic() > began + 1:
                engine.primaries[0].kill()
                killed = True
            first = asked * 100 % 2000
            found(group[3], first, 100, 2, 3000)
            assert group[4].get(50000 + asked, 1, 3000)["absent"] == 1
            asked += 1
        assert group[1].read().startswith("rate")
        assert wait_for(lambda: group[1].do("server").startswith("server ready asked=1"), 20)
        group.settle(1)
        print("%d batches were looked up; %d commands failed, %d replica reads" % (
            asked, group[3].counter("server-gets-failed"), group[3].counter("server-replica-reads")))
        # Writes that the dead one had confirmed and not passed on are made up for.
        assert found_by_records(group, 0, 2000, 2, 15)
        assert found_by_records(group, 10000, 6000, 1, 15)
        group[1].do("withdraw 10000 6000")
        group.settle(1)
        assert group[3].get(10000, 200)["absent"] == 200
    finally:
        engine.restart()


@each_server
@pytest.mark.parametrize("group", [3], indirect=True)
def test_a_silent_server(group, engine):
    group[1].do("publish 0 200")
    group.settle(1)
    for server in engine.all():
        server.pause()
    try:
        for _ in range(15):
            found(group[3], 0, 50, 1)
            assert group[3].get(5000, 5)["absent"] == 5
        assert wait_for(lambda: group[3].do("server").startswith("server unreachable asked=0"))
        assert found(group[3], 0, 50, 1) == 2 * 50
    finally:
        for server in engine.all():
            server.resume()
    assert found_by_records(group, 0, 200, 1, 15)


@each_server
@pytest.mark.parametrize("group", [3], indirect=True)
def test_late_words_of_a_former_session(group, engine):
    """Member 1 publishes what it cannot bring to the server, until the port lives on member 2."""
    group[1].do("publish 0 50")
    group.settle(1)
    cut(group[1])
    group[1].do("publish 100 50")
    # Both ended (TIME_WAIT), and the ports are used again.
    for number in list(range(50)) + list(range(100, 150)):
        group[1].do("unsession %d" % number)
    time.sleep(0.01)
    group[2].do("publish 0 50")
    group[2].do("publish 100 50")
    group.settle(2)
    assert group[1].counter("publish-waiting") == 50
    assert found(group[3], 0, 50, 2) == found(group[3], 100, 50, 2) == BY_RECORD * 50
    mend(group[1])
    # Late puts, then late deletions.
    group.settle(1)
    assert group[1].counter("server-superseded") == 50
    assert found(group[3], 0, 50, 2) == found(group[3], 100, 50, 2) == BY_RECORD * 50
    group[1].do("withdraw 0 50")
    group[1].do("withdraw 100 50")
    group.settle(1)
    assert group[1].counter("server-superseded") == 150
    for asker in (1, 3):
        assert found(group[asker], 0, 50, 2) == found(group[asker], 100, 50, 2) == BY_RECORD * 50


@on_a_server
@pytest.mark.parametrize("group", [3], indirect=True)
def test_who_cannot_reach_the_server_is_found(group, engine):
    """The one that publishes, the one that asks, in turn."""
    group[1].do("publish 0 50")
    group.settle(1)
    cut(group[1])
    assert wait_for(lambda: group[1].do("server").startswith("server unreachable"), 10)
    group[1].do("publish 100 50")
    assert found(group[3], 100, 50, 1) > BY_RECORD * 50
    # What the server says of it is out of date; the owner's word counts.
    group[1].do("withdraw 0 50")
    assert group[3].get(0, 50)["absent"] == 50
    group[2].do("publish 0 50")
    group.settle(2)
    assert found(group[1], 0, 50, 2) == 2 * 50
    mend(group[1])
    group.settle(1)
    assert found_by_records(group, 100, 50, 1)
    assert found_by_records(group, 0, 50, 2)


@on_a_server
@pytest.mark.parametrize("group", [4], indirect=True)
def test_the_engine_changes_without_a_gap(group, engine):
    """Host by host, from one to the other and back."""
    for server in (None, (SERVER_ADDRESS, SERVER_PORT)):
        for number in (1, 2, 3, 4):
            group[number].kill()
            group[number].server = server
            group[number].start()
            group.route([1, 2, 3, 4])
            group.wait_ring(4)
            for owner in (1, 2, 3, 4):
                group[owner].do("publish %d 20" % (1000 * owner))
            time.sleep(0.1)
            for asker in group.members:
                for owner in (1, 2, 3, 4):
                    found(asker, 1000 * owner, 20, owner)
                assert asker.get(9000, 3)["absent"] == 3
    group.settle()
    assert found_by_records(group, 2000, 20, 2)


@on_a_server
@pytest.mark.parametrize("group", [2], indirect=True)
def test_memory_of_a_record(group, engine):
    def used():
        return int(engine.servers.info("used_memory"))

    before = used()
    group[1].do("publish 0 100000")
    group.settle(1)
    record = (used() - before) / 100000
    print("%.0f bytes a record" % record)
    assert record < 500
    group[1].do("withdraw 0 100000")
    group.settle(1)
    print("%.0f bytes a tombstone" % ((used() - before) / 100000))
