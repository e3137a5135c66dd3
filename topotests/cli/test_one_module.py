# SPDX-License-Identifier: GPL-2.0-or-later
"""
FRR 10.7 with one of the two modules alone: nothing breaks, and what is missing is named.

    r2: no module in mgmtd    r3: no module in zebra
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
CONFTEST = sys.modules["conftest"]
if not CONFTEST.THROUGH_MGMTD:
    pytest.skip("one module is all there is in this FRR", allow_module_level=True)

from lib.topogen import Topogen, TopoRouter  # noqa: E402

from test_cli import configure, eventually, running, vtysh  # noqa: E402


@pytest.fixture(scope="module")
def routers(request):
    def build_topo(tgen):
        tgen.add_router("r2")
        tgen.add_router("r3")

    tgen = Topogen(build_topo, request.module.__name__)
    tgen.start_topology()
    r2, r3 = tgen.gears["r2"], tgen.gears["r3"]
    for router in (r2, r3):
        router.run("touch /etc/frr/vtysh.conf")
    r2.load_config(TopoRouter.RD_ZEBRA, None, "-M " + CONFTEST.MODULE)
    r3.load_config(TopoRouter.RD_ZEBRA, None)
    r3.load_config(TopoRouter.RD_MGMTD, None, "-M " + CONFTEST.MGMTD_MODULE)
    tgen.start_router()
    yield r2, r3
    tgen.stop_topology()


def test_no_module_in_mgmtd(routers):
    r2, _ = routers
    assert configure(r2, "holdfast").strip() == "% [MGMTD] Unknown command: holdfast"
    assert eventually(lambda: vtysh(r2, "show holdfast").startswith(
        "% Holdfast is not configured: mgmtd has no Holdfast module, and no commands: add -M mgmtd_holdfast to"
        " mgmtd_options in /etc/frr/daemons, and restart FRR\n")), vtysh(r2, "show holdfast")
    configure(r2, "ip route 198.51.100.0/24 blackhole")
    assert eventually(lambda: "198.51.100.0/24" in vtysh(r2, "show ip route"))


def test_no_module_in_zebra(routers):
    _, r3 = routers
    said = configure(r3, "holdfast", "prefix 192.0.2.80/32")
    assert "% warning: zebra has no Holdfast module" in said and "-M zebra_holdfast" in said
    assert running(r3) == "holdfast\n prefix 192.0.2.80/32\n"
    assert "Unknown command" in vtysh(r3, "show holdfast")
    configure(r3, "ip route 198.51.100.0/24 blackhole")
    assert eventually(lambda: "198.51.100.0/24" in vtysh(r3, "show ip route"))
