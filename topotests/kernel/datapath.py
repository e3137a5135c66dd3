#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holdfast's data path alone, in namespaces: client - router - two servers.

usage: sudo topotests/kernel/datapath.py path/to/kernel_driver [test ...]

Each test moves the VIP between the servers and counts what happens to real TCP sessions. Tests of a
director run it on the router.
"""
import os
import signal
import subprocess
import sys
import time

import director
import repairs
import restarts
import sessions
import tunnel
from lab import Failure, Lab


def main():
    every = {name[5:]: test for module in (sessions, restarts, repairs, tunnel, director)
             for name, test in vars(module).items() if name.startswith("test_")}
    unknown = [name for name in sys.argv[2:] if name not in every]
    if unknown:
        sys.exit("there is no test %s; there are: %s" % (" ".join(unknown), " ".join(every)))
    tests = [(name, test) for name, test in every.items() if name in (sys.argv[2:] or every)]
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin = time.monotonic()
    for name, test in tests:
        lab = Lab(os.path.abspath(sys.argv[1]))
        start = time.monotonic()
        try:
            lab.build()
            test(lab)
            verdict = "ok"
        except (Failure, OSError, subprocess.SubprocessError, StopIteration) as failure:
            failed += 1
            verdict = "FAILED: %s" % failure
        finally:
            lab.destroy()
        print("%-45s %5.1f s  %s" % (name, time.monotonic() - start, verdict), flush=True)
    print("%d of %d tests passed in %.1f s" % (len(tests) - failed, len(tests),
                                              time.monotonic() - begin))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
