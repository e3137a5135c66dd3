# SPDX-License-Identifier: GPL-2.0-or-later
"""
The module and vtysh's commands in an FRR that they were not built for: zebra and vtysh work as if they were not there,
and both say why. What was built for another version is what was built, with another version's name in it.

    r1: zebra (and mgmtd) with a module of version 1.0.0    r2: zebra with a module whose other half is missing
"""
import os
import pathlib
import re
import subprocess
import sys

import pytest

from lib.topogen import Topogen, TopoRouter

CONFTEST = sys.modules["conftest"]
VERSION = re.search(r"version (\S+)", subprocess.run(["/usr/lib/frr/zebra", "--version"], stdout=subprocess.PIPE,
                                                     text=True, check=True).stdout).group(1)
OTHER = re.sub("[0-9]", "0", VERSION)
CORE = os.path.join(os.path.dirname(CONFTEST.MODULE), "zebra_holdfast_core.so")


def as_of_another_version(source, target):
    data = pathlib.Path(source).read_bytes()
    assert VERSION.encode() + b"\0" in data
    target.write_bytes(data.replace(VERSION.encode() + b"\0", OTHER.encode() + b"\0"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A directory with what was built, which FRR's user may read."""
    place = tmp_path_factory.mktemp("built")
    for parent in (place, place.parent, place.parent.parent):
        parent.chmod(0o755)
    (place / "other").mkdir()
    (place / "half").mkdir()
    as_of_another_version(CONFTEST.MODULE, place / "other" / "zebra_holdfast.so")
    (place / "other" / "zebra_holdfast_core.so").write_bytes(pathlib.Path(CORE).read_bytes())
    as_of_another_version(CONFTEST.VTYSH, place / "other" / "holdfast_vtysh.so")
    if CONFTEST.THROUGH_MGMTD:
        as_of_another_version(CONFTEST.MGMTD_MODULE, place / "other" / "mgmtd_holdfast.so")
    (place / "half" / "zebra_holdfast.so").write_bytes(pathlib.Path(CONFTEST.MODULE).read_bytes())
    return place


@pytest.fixture(scope="module")
def tgen(request, built):
    def build_topo(made):
        made.add_router("r1")
        made.add_router("r2")

    made = Topogen(build_topo, request.module.__name__)
    made.start_topology()
    for name, half in (("r1", "other"), ("r2", "half")):
        made.gears[name].load_config(TopoRouter.RD_ZEBRA, None, "-M %s" % (built / half / "zebra_holdfast.so"))
    if CONFTEST.THROUGH_MGMTD:
        made.gears["r1"].load_config(TopoRouter.RD_MGMTD, None, "-M %s" % (built / "other" / "mgmtd_holdfast.so"))
    made.start_router()
    yield made
    made.stop_topology()


def zebra_works(router):
    answer = router.run("vtysh -c 'configure' -c 'ip forwarding' -c 'end' -c 'show running-config' 2>&1")
    assert "hostname" in answer or "ip forwarding" in answer or "frr version" in answer, answer
    pid = router.run("cat /var/run/frr/zebra.pid").strip()
    assert router.run("kill -0 %s && echo alive" % pid).strip() == "alive"


def test_a_module_of_another_version(tgen):
    r1 = tgen.gears["r1"]
    zebra_works(r1)
    for daemon in ("zebra", "mgmtd") if CONFTEST.THROUGH_MGMTD else ("zebra",):
        assert ("Holdfast: the module is not active: it was built for FRR %s, and this is FRR %s: build Holdfast anew and "
                "restart FRR" % (OTHER, VERSION)) in r1.run("cat %s.err" % daemon)
    assert "Holdfast: NOT ACTIVE, built for FRR " in r1.run("vtysh -c 'show modules'")
    assert "Unknown command" in r1.run("vtysh -c 'configure' -c 'no such' 2>&1")
    assert "Unknown command" in r1.run("LD_PRELOAD=%s vtysh -c 'configure' -c holdfast 2>&1" % CONFTEST.VTYSH)


def test_a_module_without_its_other_half(tgen):
    r2 = tgen.gears["r2"]
    zebra_works(r2)
    said = r2.run("cat zebra.err")
    assert "Holdfast: the module is not active: " in said and "zebra_holdfast_core.so: cannot open" in said
    assert "NOT ACTIVE" in r2.run("vtysh -c 'show modules'")


def test_commands_of_another_version(tgen, built):
    r1 = tgen.gears["r1"]
    out = r1.run("LD_PRELOAD=%s vtysh -c 'show holdfast' 2>&1" % (built / "other" / "holdfast_vtysh.so"))
    assert out.startswith("Holdfast: no commands: they were built for FRR %s, and this is FRR %s: build Holdfast anew\n"
                          % (OTHER, VERSION))
    assert "Unknown command: show holdfast" in out
    out = r1.run("LD_PRELOAD=%s vtysh -c 'show version' 2>&1" % (built / "other" / "holdfast_vtysh.so"))
    assert "FRRouting %s" % VERSION in out
