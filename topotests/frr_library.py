# SPDX-License-Identifier: GPL-2.0-or-later
"""
FRR's topotest library, corrected where it asks for what a machine for these tests need not have.
Whoever imports this has put the library's folder on sys.path.
"""
import os
import re

import lib.micronet_compat
import lib.topogen
import lib.topotest

# Two of its checks ask for what these tests do not need: gdb and pim6d, kernel modules.
lib.topotest.module_present_linux = lambda module, load: None
lib.topogen.diagnose_env_linux = lambda rundir: not os.makedirs(rundir, exist_ok=True)

# That of 8.4 ends what earlier runs left; runs that are going on at the same time are not meant.
all_others = getattr(lib.micronet_compat, "_get_other_pids", None)
if all_others:
    lib.micronet_compat._get_other_pids = lambda: {
        parent: children for parent, children in all_others().items()
        if not os.path.exists("/proc/%s" % parent)}


class NamespacesEntered:
    """The module os for munet (10.x). munet waits until a router's process has other namespaces than the network that it
    is part of, which is also true as long as the process has not even entered the network's: then the directories of that
    router are mounted over pytest's own, and daemons find no configuration."""

    def __getattr__(self, name):
        return getattr(os, name)

    @staticmethod
    def readlink(path):
        found = os.readlink(path)
        process = re.fullmatch(r"/proc/\d+/ns/(\w+)", str(path))
        if process and found == os.readlink("/proc/self/ns/" + process.group(1)):
            raise OSError("%s is this process's own yet" % path)
        return found


try:
    import munet.base
except ImportError:
    pass
else:
    munet.base.os = NamespacesEntered()
