# SPDX-License-Identifier: GPL-2.0-or-later
"""
The stock zebra with a sanitizer preloaded, for modules that were built with it (tools/check zebra): $HOLDFAST_SANITIZER
is `address` or `thread`. FRR's own code is not instrumented; of what is reported only that counts which has a function of
ours in it.
"""
import glob
import os
import re
import shlex
import subprocess

KIND = os.environ.get("HOLDFAST_SANITIZER")
LIBRARY = {"address": "libasan.so", "thread": "libtsan.so"}
# Sources as the compiler was told them, and the file of the module where no line is known.
OURS = re.compile(r"\b(zebra-plugin/holdfast_|fpm/|fpmd/|zebra_holdfast)")
# Fixed addresses (setarch -R): the thread sanitizer does not take all that the kernel may choose.
WRAPPER = """#!/bin/sh
export ASAN_OPTIONS=log_path=$PWD/sanitizer:detect_leaks=1:exitcode=0
export TSAN_OPTIONS=log_path=$PWD/sanitizer:exitcode=0
exec setarch -R env LD_PRELOAD=%s %s "$@"
"""


def wrap(directory, stock):
    """Fills *directory* with FRR's daemons (*stock*: theirs), where zebra has the sanitizer."""
    found = subprocess.run(["gcc", "-print-file-name=" + LIBRARY[KIND]], check=True, stdout=subprocess.PIPE, text=True)
    for path in glob.glob(os.path.join(stock, "*")):
        name = os.path.basename(path)
        if name != "zebra":
            os.symlink(path, os.path.join(directory, name))
    wrapper = os.path.join(directory, "zebra")
    with open(wrapper, "w") as file:
        file.write(WRAPPER % (shlex.quote(os.path.realpath(found.stdout.strip())), shlex.quote(os.path.join(stock, "zebra"))))
    os.chmod(wrapper, 0o755)


def reports(directory):
    """All that was reported below a directory, one text each."""
    found = []
    for path in glob.glob(os.path.join(glob.escape(directory), "**", "sanitizer.*"), recursive=True):
        with open(path, errors="replace") as file:
            text = file.read()
        # A leak is a paragraph, a race stands between two lines of =, the rest fills a file.
        if "LeakSanitizer" in text:
            found += [part for part in text.split("\n\n") if re.match("(Direct|Indirect) leak", part)]
        else:
            found += [part for part in re.split("^=+$", text, flags=re.MULTILINE) if part.strip()]
    return found


def accessed_by_us(stack):
    """Whether the first function of an access is ours, behind those of the C library and of libraries that we alone call."""
    frames = [line for line in stack.splitlines() if re.match(r" *#\d", line)]
    own = [frame for frame in frames if not re.search(r"libsanitizer|libtsan|libjson-c|libprotobuf-c", frame)]
    return bool(own and OURS.search(own[0]))


def ours(directory):
    """Of a race the two accesses count: FRR's own, which it orders by means that the sanitizer does not see (RCU), are
    reported, too, and so is who made the threads."""
    found = []
    for report in reports(directory):
        parts = report.strip().split("\n\n")
        if any(map(accessed_by_us, parts[:2])) if "ThreadSanitizer" in parts[0] else OURS.search(report):
            found.append(report)
    return found
