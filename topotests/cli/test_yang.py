# SPDX-License-Identifier: GPL-2.0-or-later
"""
The module's YANG model in the stock zebra: transactions that are refused as a whole, the configuration as data, and
what the model itself takes. The router and fpmd's stand-in are those of test_cli.py.
"""
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]

from test_cli import (ALL, BLOCK, block, configure, enter, eventually, fresh, peer, r1,  # noqa: E402,F401
                      running, vtysh)

MODEL = os.path.join(CONFTEST.TOP, "yang/frr-holdfast.yang")


def load_file(router, text):
    """As `vtysh -f` reads it: FRR makes one transaction of each block."""
    path = "/tmp/holdfast_yang.%d.conf" % os.getpid()
    with open(path, "w") as file:
        file.write(text)
    try:
        return vtysh(router, options="-f " + path)
    finally:
        os.unlink(path)


def test_a_bad_line_refuses_the_whole_transaction(r1, peer):
    fpmd = peer()
    enter(r1, BLOCK)
    assert eventually(lambda: fpmd.got("replay-end"))
    before = len(fpmd.got("config"))
    said = load_file(r1, "holdfast\n prefix 192.0.2.81/32\n mark stray-bit 3\n pins max 5\nexit\n")
    assert "Error description: stray-bit 0x00000003 is not one bit\n" in said
    assert "-  prefix 192.0.2.81/32\n" in said and "-  pins max 5\n" in said
    assert running(r1) == BLOCK
    # Nothing is left of it: what comes next is taken for itself.
    assert block(r1, "pins max 7") == ""
    assert running(r1) == BLOCK + " pins max 7\n"
    assert eventually(lambda: len(fpmd.got("config")) > before)
    assert [config["pins-max"] for config in fpmd.got("config")[before:]] == [7]


def test_a_file_is_one_transaction_in_any_order(r1):
    lines = ALL.splitlines()
    assert load_file(r1, "\n".join(lines[:1] + lines[:0:-1]) + "\nexit\n") == ""
    assert running(r1) == ALL


def test_a_range_may_go_before_its_member_but_not_come_after(r1):
    enter(r1, BLOCK + " member-range 10.2.0.0/16\n")
    assert block(r1, "no member-range 10.255.0.0/24") == ""
    assert "10.255.0.9 is outside of every member-range" in block(r1, "local-member 10.255.0.9")
    assert block(r1, "no local-member 10.255.0.3") == ""


def configuration(router, options=""):
    shown = vtysh(router, "show configuration running json %s zebra" % options)
    return json.loads(shown[shown.index("{"):]).get("frr-holdfast:holdfast")


def test_the_configuration_as_data(r1, peer):
    assert configuration(r1) is None
    enter(r1, ALL)
    data = configuration(r1)
    assert data["prefix"] == ["192.0.2.80/32", "2001:db8::80/128"]
    assert data["local-member"] == {"ipv4": "10.255.0.3"}
    assert data["mark"] == {"owner-mask": "0xff000000", "stray-bit": "0x00000001",
                            "tunnel-bit": "0x00000002", "path-mask": "0x00ff0000"}
    assert data["directory"]["valkey"]["host"] == "10.0.0.7" and data["directory"]["valkey"]["tls"] is True
    assert data["role"] == "director" and data["flows"]["fast-path"] is True
    # The defaults of the model are those that fpmd gets.
    configure(r1, "no holdfast", "holdfast")
    fpmd = peer()
    assert eventually(lambda: fpmd.got("config"))
    config, data = fpmd.got("config")[-1], configuration(r1, "with-defaults")
    for key, value in (("directory-port", data["directory"]["port"]), ("replicas", data["directory"]["replicas"]),
                       ("ring-members", data["directory"]["ring-members"]),
                       ("record-lifetime", data["directory"]["record-lifetime"]),
                       ("tunnel-port", data["tunnel"]["port"]), ("vni", data["tunnel"]["vni"]),
                       ("owner-mask", int(data["mark"]["owner-mask"], 16)),
                       ("stray-bit", int(data["mark"]["stray-bit"], 16)),
                       ("tunnel-bit", int(data["mark"]["tunnel-bit"], 16)),
                       ("path-mask", int(data["mark"]["path-mask"], 16)), ("queue", data["queue"]),
                       ("pins-max", data["pins"]["max"]), ("pin-check", data["pins"]["check-interval"]),
                       ("flows-max", data["flows"]["max"]), ("flow-lifetime", data["flows"]["lifetime"])):
        assert config[key] == value, key


def test_zebra_knows_the_model(r1):
    tree = vtysh(r1, "show yang module frr-holdfast tree zebra")
    assert "+--rw holdfast!" in tree and "|  +--rw key-file?" in tree
    assert "frr-holdfast" in vtysh(r1, "show yang module zebra")


VALKEY = '"directory": {"valkey": {"host": "h", "port": 6379, %s}}'
DATA = [
    ('"prefix": ["192.0.2.80/32", "2001:db8::80/128"], "member-range": ["10.255.0.0/24"]', ""),
    ('"prefix": ["192.0.2.80/31"]', "a VIP is a host prefix: /32 or /128"),
    ('"prefix": ["2001:db8::/32"]', "a VIP is a host prefix: /32 or /128"),
    ('"local-member": {"ipv4": "2001:db8::3"}', "Unsatisfied pattern"),
    ('"directory": {"key-file": "holdfast.key"}', "Unsatisfied pattern"),
    ('"directory": {"valkey": {"host": "h"}}', "Mandatory node \"port\""),
    (VALKEY % '"user": "u"', "add password-file"),
    (VALKEY % '"ca-file": "/a"', "ca-file and certificate are for TLS: add tls"),
    (VALKEY % '"tls": true, "certificate": "/a"', "a certificate and its key go together"),
    (VALKEY % '"tls": true, "certificate": "/a", "key": "/b"', ""),
    ('"mark": {"stray-bit": "1"}', "Unsatisfied pattern"),
    ('"pins": {"max": 0}', "Unsatisfied range"),
    ('"flows": {"lifetime": 86401}', "Unsatisfied range"),
    ('"role": "client"', "Invalid enumeration value"),
]


@pytest.mark.parametrize("data, error", DATA, ids=[str(i) for i in range(len(DATA))])
def test_what_the_model_takes(tmp_path, r1, data, error):
    file = tmp_path / "data.json"
    file.write_text('{"frr-holdfast:holdfast": {%s}}' % data)
    done = subprocess.run(["yanglint", "-t", "config", MODEL, str(file)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert error in done.stdout if error else done.returncode == 0 and not done.stdout, done.stdout
