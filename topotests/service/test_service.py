# SPDX-License-Identifier: GPL-2.0-or-later
"""
fpmd as systemd's unit starts it: as root with the unit's capabilities, from where it makes its directory on the
bpffs and becomes frr. Each test has a mount namespace and a network namespace of its own.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import pytest

CONFTEST = sys.modules["conftest"]
FPMD = os.path.join(CONFTEST.BUILD, "fpmd/fpmd")
UNIT = (pathlib.Path(CONFTEST.TOP) / "systemd/fpmd.service.in").read_text()
FRR = int(subprocess.run(["id", "-u", "frr"], check=True, stdout=subprocess.PIPE).stdout)
KEPT = {"CAP_NET_ADMIN": 12, "CAP_PERFMON": 38, "CAP_BPF": 39}  # linux/capability.h


def setting(name):
    return re.search("^%s=(.*)$" % name, UNIT, re.MULTILINE).group(1)


class Service:
    """fpmd in namespaces of its own; the bpffs of its directory is private to them."""

    def __init__(self, place, mount="mount -t bpf -o mode=700 bpf bpf", file=None):
        """*file*: the text of a configuration file."""
        self.place = place
        environment = dict(os.environ)
        if file is not None:
            (place / "holdfast.conf").write_text(file)
            environment["FPMD_OPTIONS"] = "--config holdfast.conf"
        bounding = ",".join("+" + name[4:].lower() for name in setting("CapabilityBoundingSet").split())
        start = setting("ExecStart").split("/fpmd ")[1]
        script = "cd %s && mkdir -p bpf && %s && exec setpriv --no-new-privs --bounding-set=-all,%s %s %s" % (
            place, mount, bounding, FPMD, start + " --socket fpmd.sock --bpf-directory bpf/holdfast")
        with open(place / "log", "w") as log:
            self.process = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script], stderr=log,
                                            env=environment)
        self.wait_for(lambda: "is up" in self.log() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()

    @staticmethod
    def wait_for(check):
        end = time.monotonic() + 10
        while not check():
            assert time.monotonic() < end
            time.sleep(0.02)

    def log(self):
        return (self.place / "log").read_text()

    def status(self, name):
        text = pathlib.Path("/proc/%d/status" % self.process.pid).read_text()
        return re.search("^%s:(.*)$" % name, text, re.MULTILINE).group(1).split()

    def bpf(self):
        """The bpffs, as fpmd sees it."""
        return pathlib.Path("/proc/%d/root%s/bpf" % (self.process.pid, self.place))

    def directories(self):
        return list((self.bpf() / "holdfast").iterdir())

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=10)


@pytest.fixture
def service():
    started = []
    # Not pytest's own place: frr may not go there.
    with tempfile.TemporaryDirectory(prefix="holdfast-service.", dir="/tmp") as top:
        os.chmod(top, 0o755)

        def start(name, **options):
            place = pathlib.Path(top) / name
            place.mkdir()
            os.chown(place, FRR, -1)
            started.append(Service(place, **options))
            return started[-1]

        yield start
        for one in started:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()


def test_it_keeps_what_it_needs_and_nothing_else(service):
    fpmd = service("one")
    assert fpmd.status("Uid") == [str(FRR)] * 4
    wanted = sum(1 << number for number in KEPT.values())
    for which in ("CapEff", "CapPrm"):
        assert int(fpmd.status(which)[0], 16) == wanted
    assert fpmd.status("NoNewPrivs") == ["1"]
    assert fpmd.stop() == 0


def test_each_network_namespace_has_a_directory_of_its_own(service):
    one, two = service("one"), service("two")
    (first,), (second,) = one.directories(), two.directories()
    assert first.name != second.name and first.name.isdigit()
    status = first.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (FRR, 0o700)
    assert "warning" not in one.log()
    # The descriptor that the kernel part gets leads there, whoever fpmd is now.
    links = [os.readlink(link) for link in pathlib.Path("/proc/%d/fd" % one.process.pid).iterdir()]
    assert any(link.endswith("/bpf/holdfast/" + first.name) for link in links)
    # What is in the way of its removal stays; without it fpmd takes the directory along.
    (second / "records").mkdir()
    others = [open("/proc/%d/ns/mnt" % service.process.pid) for service in (one, two)]
    seen = [["nsenter", "--mount=/proc/self/fd/%d" % other.fileno(), "ls", "%s/bpf/holdfast" % place]
            for other, place in zip(others, (one.place, two.place))]
    assert one.stop() == 0 and two.stop() == 0
    left = [subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True,
                           pass_fds=[other.fileno()]).stdout.split() for argv, other in zip(seen, others)]
    for other in others:
        other.close()
    assert left == [[], [second.name]]


@pytest.mark.parametrize("mount, why", [("true", "bpf/holdfast is on no bpffs: mount -t bpf bpf /sys/fs/bpf"),
                                        ("mount -t bpf -o mode=700 bpf bpf && mkdir bpf/holdfast &&"
                                         " chown frr bpf/holdfast && chmod 700 bpf/holdfast",
                                         "bpf/holdfast: Permission denied")], ids=["no-bpffs", "of-another"])
def test_without_it_fpmd_works_and_says_why_once(service, mount, why):
    fpmd = service("one", mount=mount)
    warnings = [line for line in fpmd.log().splitlines() if "warning" in line]
    assert len(warnings) == 1 and "what a director records ends with fpmd: " + why in warnings[0]
    assert not (fpmd.place / "bpf/holdfast").exists()
    assert fpmd.stop() == 0


def test_reload_reads_the_configuration_file(service):
    """As frr, with the signal of the unit; a file that is wrong keeps a new fpmd from starting, not an old one."""
    assert setting("ExecReload") == "/bin/kill -HUP $MAINPID"
    fpmd = service("one", file="holdfast\n prefix 192.0.2.80/32\n")
    file = fpmd.place / "holdfast.conf"
    assert "no member-range is configured: nothing is changed until it is" in fpmd.log()
    file.write_text("holdfast\n prefix 192.0.2.80/32\n member-range 10.255.0.0/24\n")
    fpmd.process.send_signal(signal.SIGHUP)
    fpmd.wait_for(lambda: "no local-member is configured: nothing is changed until it is" in fpmd.log())
    file.write_text("holdfast\n prefix 192.0.2.0/24\n")
    fpmd.process.send_signal(signal.SIGHUP)
    told = "holdfast.conf line 2: 192.0.2.0/24 is not a host prefix: a VIP is a /32"
    fpmd.wait_for(lambda: "configuration refused, the last one stays: " + told in fpmd.log())
    assert fpmd.stop() == 0
    with pytest.raises(AssertionError, match=told):
        service("two", file=file.read_text())

    other = service("three")
    other.process.send_signal(signal.SIGHUP)
    other.wait_for(lambda: "there is no file to read" in other.log())
    assert other.stop() == 0


def test_options_are_judged():
    def run(*words):
        done = subprocess.run([FPMD, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    for words in (["--check"], ["--json"], ["--fpm-listen", "127.0.0.1:2620"], ["--show"], ["word"]):
        status, text = run(*words)
        assert status == 2 and text.startswith("usage: fpmd"), words
    for words, wanted in (
            (["pinz"], "there is no topic pinz: it is one of summary, members, paths, pins, sessions, directory,"
                       " counters, flow\n"),
            (["pins", "all"], "`all` is not expected behind pins\n"),
            (["flow", "198.51.100.7", "1"], "a flow is CLIENT PORT VIP PORT\n"),
            (["flow", "198.51.100.7", "0", "192.0.2.80", "80"], "port 0 is not in 1-65535\n"),
            (["flow", "client", "1", "192.0.2.80", "80"], "client is no address\n"),
            (["pins"], "/nowhere/fpmd.sock: No such file or directory: does fpmd run, and are you root or FRR's"
                       " user?\n")):
        assert run("--socket", "/nowhere/fpmd.sock", "--show", *words) == (1, wanted)
    assert run("--config", "/nowhere/holdfast.conf", "--check") == (
        1, "/nowhere/holdfast.conf: No such file or directory; fpmd's user must be able to read it\n")
