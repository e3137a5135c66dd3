# SPDX-License-Identifier: GPL-2.0-or-later
"""The engines that keep the records, for tests that hold for all of them: the members themselves, a real server, a
real cluster. A group of members is one fixture, the engine another, which all tests of a file share."""

import os
import time

import pytest

from group import Group, remove_namespaces
from record_servers import RecordServers

ENGINES = ["one-hop", "valkey", "valkey-cluster"]

every_engine = pytest.mark.parametrize("engine", ENGINES, indirect=True)
each_server = pytest.mark.parametrize("engine", ENGINES[1:], indirect=True)
on_a_server = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
on_a_cluster = pytest.mark.parametrize("engine", ["valkey-cluster"], indirect=True)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("directory") / "key"
    path.write_text("1 %s\n" % os.urandom(32).hex())
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def engine(request, tmp_path_factory):
    result = RecordServers(getattr(request, "param", "one-hop"), tmp_path_factory.mktemp("servers"))
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
