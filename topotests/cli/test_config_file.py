# SPDX-License-Identifier: GPL-2.0-or-later
"""
A configuration file of fpmd (doc/stock-frr.md) is what `show running-config` prints: both lead to the same message,
for every option. The router and fpmd's stand-in are those of test_cli.py.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
CONFTEST = sys.modules["conftest"]

import fpm_peer  # noqa: E402
from test_cli import ALL, BLOCK, configure, enter, eventually, fresh, peer, r1, vtysh  # noqa: E402,F401

PROGRAM = os.path.join(CONFTEST.BUILD, "tests/config_frame")


def message_of(path, text):
    path.write_text(text)
    frame = subprocess.run([PROGRAM, path], check=True, stdout=subprocess.PIPE).stdout
    assert frame[:2] == b"\x01\x02" and int.from_bytes(frame[2:4], "big") == len(frame)
    return fpm_peer.decode(frame[4:])["config"]


def ours(router):
    """All that is ours in running-config."""
    lines, inside = [], False
    for line in vtysh(router, "show running-config").splitlines():
        inside = line == "holdfast" or inside and line.startswith(" ")
        if inside or line.startswith("debug holdfast") or line in ("exit", "!"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def test_what_is_shown_is_read_back_the_same(tmp_path, r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("config"))
    defaults = fpmd.got("config")[-1]
    assert message_of(tmp_path / "defaults", ours(r1)) == defaults

    configure(r1, "debug holdfast strays", "debug holdfast paths")
    enter(r1, ALL)
    assert eventually(lambda: fpmd.got("config")[-1].get("debug") == 8 + 64 and "valkey" in fpmd.got("config")[-1])
    told = fpmd.got("config")[-1]
    assert message_of(tmp_path / "all", ours(r1)) == told
    assert set(told["valkey"]) == set(fpm_peer.VALKEY.values())
    same = [name for name in fpm_peer.CONFIG.values() if told.get(name) == defaults.get(name)]
    assert same == ["key-file"], "not every option is looked at"

    configure(r1, "debug holdfast")
    assert eventually(lambda: fpmd.got("config")[-1]["debug"] == 127)
    assert message_of(tmp_path / "debug", ours(r1))["debug"] == 127
    configure(r1, "no holdfast")
    assert eventually(lambda: fpmd.got("config")[-1]["vips"] == [])
    assert message_of(tmp_path / "removed", "!\n")["vips"] == []
