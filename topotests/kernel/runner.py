# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests of a driver, each in a lab of its own: those of the command line, or all."""
import os
import signal
import subprocess
import sys
import time

from lab import Failure


def main(make_lab, *modules):
    """Every test_* of the modules takes what *make_lab* makes of the driver's path. Returns the exit status."""
    every = {name[5:]: test for module in modules
             for name, test in vars(module).items() if name.startswith("test_")}
    unknown = [name for name in sys.argv[2:] if name not in every]
    if unknown:
        sys.exit("there is no test %s; there are: %s" % (" ".join(unknown), " ".join(every)))
    tests = [(name, test) for name, test in every.items() if name in (sys.argv[2:] or every)]
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin = time.monotonic()
    for name, test in tests:
        lab = make_lab(os.path.abspath(sys.argv[1]))
        start = time.monotonic()
        try:
            lab.build()
            test(lab)
            verdict = "ok"
        except (Failure, OSError, subprocess.SubprocessError, LookupError,
                StopIteration) as failure:
            failed += 1
            verdict = "FAILED: %s" % failure
        finally:
            lab.destroy()
        print("%-45s %5.1f s  %s" % (name, time.monotonic() - start, verdict), flush=True)
    print("%d of %d tests passed in %.1f s" % (len(tests) - failed, len(tests),
                                              time.monotonic() - begin))
    return 1 if failed else 0
