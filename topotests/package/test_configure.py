# SPDX-License-Identifier: GPL-2.0-or-later
"""
What configure refuses to build against, and with which words: headers of another FRR than the installed zebra, headers
that were configured otherwise, and a clippy that does not run. The headers are links to the real ones, the zebra is
a script that answers as the real one but for one thing.
"""
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

CONFTEST = sys.modules["conftest"]
ZEBRA = "/usr/lib/frr/zebra"
ANSWER = subprocess.run([ZEBRA, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
VERSION = re.search(r"version ([0-9.]+)", ANSWER).group(1)
SOURCE = pathlib.Path(CONFTEST.FRR).parent.parent


@pytest.fixture(scope="module")
def configure(tmp_path_factory):
    """Runs configure, which remembers what it found out about the compiler, and returns (status, output)."""
    place = tmp_path_factory.mktemp("configure")
    for name in ("configure", "build-aux", "fpm/holdfast.proto", "tools/frr-headers"):
        source, target = pathlib.Path(CONFTEST.TOP) / name, place / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)

    def run(**options):
        argv = ["./configure", "--no-create", "--cache-file=config.cache"]
        argv += ["--with-%s=%s" % (name.replace("_", "-"), value) for name, value in options.items()]
        done = subprocess.run(argv, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    return run


@pytest.fixture
def headers(tmp_path):
    """A copy of the headers' directory, of links; the files that configure looks at can be changed."""
    copy = tmp_path / "frr"
    (copy / "build" / "lib").mkdir(parents=True)
    (copy / "lib").symlink_to(SOURCE / "lib")
    (copy / "build" / "config.h").write_text((SOURCE / "build" / "config.h").read_text())
    (copy / "build" / "lib" / "clippy").symlink_to(SOURCE / "build" / "lib" / "clippy")
    return copy


def zebra_that_says(tmp_path, answer):
    (tmp_path / "answer").write_text(answer)
    script = tmp_path / "zebra"
    script.write_text("#!/bin/sh\ncat %s\n" % (tmp_path / "answer"))
    script.chmod(0o755)
    return script


def error(output):
    found = re.search(r"configure: error: (.*)$", output, re.MULTILINE)
    return found.group(1) if found else output


def test_the_copy_is_taken(configure, headers):
    status, output = configure(frr_source=headers)
    assert status == 0, output


def test_headers_of_another_version(configure, headers, tmp_path):
    status, output = configure(frr_source=headers, zebra=zebra_that_says(tmp_path, ANSWER.replace(VERSION, "9.9.9", 1)))
    assert status != 0
    assert error(output) == ("the headers in %s are of FRR %s, but the installed zebra is 9.9.9: run tools/setup again"
                             % (headers, VERSION))


def test_headers_for_another_number_of_next_hops(configure, headers):
    config = headers / "build" / "config.h"
    config.write_text(re.sub("^#define MULTIPATH_NUM .*$", "#define MULTIPATH_NUM 16", config.read_text(), flags=re.M))
    status, output = configure(frr_source=headers)
    assert status != 0
    assert "are configured for 16 next hops, but the installed zebra for 256" in error(output)


def test_a_clippy_that_does_not_run(configure, headers):
    clippy = headers / "build" / "lib" / "clippy"
    clippy.unlink()
    clippy.write_text("#!/nonexistent/python\n")
    clippy.chmod(0o755)
    status, output = configure(frr_source=headers)
    assert status != 0
    assert error(output).startswith("%s does not run" % clippy)


def test_no_headers(configure, tmp_path):
    status, output = configure(frr_source=tmp_path)
    assert status != 0
    assert error(output).startswith("not found: run tools/setup as root")


def test_no_zebra(configure, tmp_path):
    status, output = configure(zebra=tmp_path / "zebra")
    assert status != 0
    assert error(output).startswith("%s/zebra is missing: run tools/setup" % tmp_path)
