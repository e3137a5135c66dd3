# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs these tests with FRR's own topotest library, that of the installed version (tools/frr-headers). As
root: PATH=/usr/sbin:/usr/bin:/sbin:/bin python3 -m pytest topotests. What was built is looked for in the
source tree, or in $HOLDFAST_BUILD.
"""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILD = os.environ.get("HOLDFAST_BUILD", TOP)
MODULE = os.path.join(BUILD, "zebra-plugin/.libs/zebra_holdfast.so")
MGMTD_MODULE = os.path.join(BUILD, "zebra-plugin/.libs/mgmtd_holdfast.so")
THROUGH_MGMTD = os.path.exists(MGMTD_MODULE)  # the commands are mgmtd's, which gives zebra its configuration
VTYSH = os.path.join(BUILD, "vtysh/.libs/holdfast_vtysh.so")

FRR = os.environ.get("FRR_TOPOTESTS")
if not FRR:
    FRR = subprocess.run([os.path.join(TOP, "tools/frr-headers"), "--print"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout.strip() + "/tests/topotests"
sys.path.insert(0, FRR)
# Clean-ups of FRR's library and the caches of python leave no trace in its tree.
sys.dont_write_bytecode = True

import frr_library  # noqa: E402,F401
import lib.topotest  # noqa: E402
import sanitizer  # noqa: E402

with open(os.path.join(FRR, "conftest.py")) as source:
    exec(compile(source.read(), os.path.join(FRR, "conftest.py"), "exec"))

def load_module(router, options=""):
    """For a router that is going to be started: zebra with the module, and *options*; mgmtd with its own."""
    from lib.topogen import TopoRouter

    router.load_config(TopoRouter.RD_ZEBRA, None, "-M %s %s" % (MODULE, options))
    if THROUGH_MGMTD:
        router.load_config(TopoRouter.RD_MGMTD, None, "-M " + MGMTD_MODULE)


frr_configure = pytest_configure  # noqa: F821


def two_parts(nodeid):
    """The library takes a test's name for FILE::FUNCTION, whatever follows."""
    path, _, name = nodeid.partition("::")
    return path + "::" + name.replace("::", ".")


if "pytest_runtest_logstart" in globals():  # not since FRR 9
    frr_logstart, frr_logfinish = pytest_runtest_logstart, pytest_runtest_logfinish  # noqa: F821

    def pytest_runtest_logstart(nodeid, location):
        frr_logstart(two_parts(nodeid), location)

    def pytest_runtest_logfinish(nodeid, location):
        frr_logfinish(two_parts(nodeid), location)


def pytest_configure(config):
    """Each run has a directory of its own, so that two can go side by side."""
    config.holdfast_rundir = None
    if not config.getoption("--rundir"):
        config.holdfast_rundir = tempfile.mkdtemp(prefix="holdfast-topotests.", dir="/tmp")
        os.chmod(config.holdfast_rundir, 0o755)
        config.option.rundir = config.holdfast_rundir
    # It takes -q for -v.
    verbose, config.option.verbose = config.option.verbose, max(config.option.verbose, 0)
    frr_configure(config)
    config.option.verbose = verbose
    if sanitizer.KIND:
        sanitize(config.option.rundir)


def sanitize(rundir):
    """Every zebra is started with the sanitizer."""
    directory, stock_start = os.path.join(rundir, "frr"), lib.topotest.Router.startRouterDaemons

    def start(self, daemons=None, tgen=None):
        if not os.path.exists(directory):
            os.makedirs(directory)
            sanitizer.wrap(directory, self.daemondir)
        stock, self.daemondir = self.daemondir, directory
        try:
            return stock_start(self, daemons, tgen)
        finally:
            self.daemondir = stock

    lib.topotest.Router.startRouterDaemons = start


def pytest_sessionfinish(session, exitstatus):
    """The logs stay when something failed."""
    directory = getattr(session.config, "holdfast_rundir", None)
    found = sanitizer.ours(session.config.option.rundir) if sanitizer.KIND else []
    if found:
        session.exitstatus = exitstatus = 1
        sys.stderr.write("\n%s" % "\n".join(found))
    if directory and exitstatus == 0:
        session.config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    elif directory:
        sys.stderr.write("\nlogs: %s\n" % directory)
