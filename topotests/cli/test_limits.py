# SPDX-License-Identifier: GPL-2.0-or-later
"""What is too many or too long for a block, and who may not ask zebra; with the router of test_cli."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]

from test_cli import BLOCK, block, configure, enter, eventually, fresh, peer, r1, running, vtysh  # noqa: E402,F401

LINES_AT_ONCE = 64  # of one vtysh
# A terminal of zebra's own, over TCP.
TELNET = """
import socket
zebra = socket.create_connection(("127.0.0.1", 2601), 5)
zebra.settimeout(1)
said = b""
for line in (b"limits", b"show holdfast"):
    zebra.sendall(line + b"\\r\\n")
    try:
        while True:
            said += zebra.recv(4096)
    except TimeoutError:
        pass
print(said.decode(errors="replace"))
"""


def several(router, lines):
    """What vtysh says of many lines of the block."""
    return "".join(block(router, *lines[at:at + LINES_AT_ONCE]) for at in range(0, len(lines), LINES_AT_ONCE))


@pytest.mark.parametrize("kind, first, more, error", [
    ("prefix", ["prefix 198.51.100.%d/32" % i for i in range(254)], "prefix 198.51.100.255/32",
     "at most 256 prefixes can be configured" if CONFTEST.THROUGH_MGMTD else 'Too many "prefix" instances'),
    ("member-range", ["member-range 10.%d.0.0/24" % i for i in range(63)], "member-range 10.63.0.0/24",
     "at most 64 member-ranges can be configured" if CONFTEST.THROUGH_MGMTD else 'Too many "member-range" instances'),
], ids=["prefixes", "ranges"])
def test_as_many_as_there_may_be_and_one_more(r1, kind, first, more, error):
    enter(r1, BLOCK)
    assert several(r1, first) == ""
    full = running(r1)
    assert full.count(" %s " % kind) == len(first) + BLOCK.count(" %s " % kind)
    assert error in block(r1, more)
    assert running(r1) == full
    assert block(r1, "no " + first[-1], more) == ""


def test_a_path_that_is_too_long(r1):
    enter(r1, BLOCK)
    assert block(r1, "directory key-file /" + 254 * "x") == ""
    longest = running(r1)
    said = block(r1, "directory key-file /" + 255 * "x")
    assert "key-file" in said and "longer than 255 bytes" in said
    assert running(r1) == longest


def test_more_shows_than_can_wait(r1, peer):
    """All of them end, those that are too many at once and the others when fpmd has not answered for two seconds."""
    fpmd = peer("--mode silent")
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    said = r1.run("export LD_PRELOAD=%s; for i in $(seq 12); do vtysh -c 'show holdfast' 2>&1 & done; wait"
                  % sys.modules["conftest"].VTYSH)
    assert said.count("% 8 show requests wait already, for fpmd or for a pager: try again") == 4, said
    assert said.count("fpmd did not answer within 2 s") == 8, said


def test_zebras_own_terminal_cannot_show(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    path = "/tmp/holdfast_telnet.%d.py" % os.getpid()
    with open(path, "w") as file:
        file.write(TELNET)
    try:
        configure(r1, "password limits")
        assert "% this command works in vtysh only" in r1.run("python3 %s 2>&1" % path)
    finally:
        configure(r1, "no password limits")
        os.unlink(path)
