#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Installs what was built, into the system it runs in, and uses it as README.md says: with FRR's own start script,
vtysh and frr-reload. Then removes it and looks whether FRR's files are as they were. Only for a system that is thrown
away afterwards, as tools/matrix makes them, in a network namespace of its own.

    topotests/package/installed.py [DIRECTORY]

DIRECTORY holds what was built for other versions of FRR, one directory each. Prints a line `RESULT COLUMN: yes` for each
part that worked.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from repack import next_version, repack

FRRINIT = "/usr/lib/frr/frrinit.sh"
ZEBRA = "/usr/lib/frr/zebra"
RUN = pathlib.Path("/run/frr")
DAEMONS = pathlib.Path("/etc/frr/daemons")
LINES = ("prefix 192.0.2.80/32", "member-range 10.255.0.0/24", "local-member 10.255.0.3",
         "directory key-file /etc/frr/holdfast.key")
BLOCK = "holdfast\n %s\n" % "\n ".join(LINES)
BUILT = "zebra-plugin/.libs/%s_holdfast.so"
THROUGH_MGMTD = os.path.exists(BUILT % "mgmtd")
BOOTS = 3


def run(command, check=True):
    """Runs a line of shell and returns all that it prints. Daemons that it starts get descriptors of their own."""
    out = "/tmp/installed.out"
    status = subprocess.run("%s </dev/null >%s 2>&1" % (command, out), shell=True, check=False, timeout=120).returncode
    text = pathlib.Path(out).read_text(errors="replace")
    print("$ %s\n%s" % (command, text), flush=True)
    assert not check or status == 0, "%s: exit status %d\n%s" % (command, status, text)
    return text


def vtysh(*commands, check=True):
    return run("vtysh " + " ".join("-c '%s'" % command for command in commands), check)


def eventually(check, seconds=20):
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.2)


def pid(daemon):
    return int((RUN / (daemon + ".pid")).read_text())


def daemons_up():
    return all((RUN / (daemon + ".vty")).exists() for daemon in ("zebra", "bgpd", "watchfrr"))


def answers(*wanted):
    """Whether `show holdfast` answers with all of these."""
    shown = vtysh("show holdfast", check=False)
    return all(text in shown for text in wanted)


def files_of_frr():
    """{path: content's sum} of all files of FRR's packages but the configuration, and what dpkg says of them."""
    listed = run("dpkg -L frr frr-pythontools").splitlines()
    files = [path for path in listed if os.path.isfile(path) and not path.startswith("/etc/")]
    return run("sha256sum %s" % " ".join(sorted(set(files)))) + run(
        "dpkg -V frr frr-pythontools | grep -v " + r"' c /etc/'", False) + run(
        "dpkg-divert --list '*frr*'; dpkg-divert --list '*vtysh*'")


def install():
    run("make install")
    run("holdfast-vtysh enable")
    run("(umask 077; echo \"1 $(openssl rand -hex 32)\" >/root/holdfast.key)")
    run("install -o frr -g frr -m 600 /root/holdfast.key /etc/frr/holdfast.key")
    text = DAEMONS.read_text()
    text = re.sub('^zebra_options="', r'\g<0>-M zebra_holdfast -r -K 60 ', text, flags=re.M)
    if THROUGH_MGMTD:
        text = re.sub('^mgmtd_options="', r'\g<0>-M mgmtd_holdfast ', text, flags=re.M)
    DAEMONS.write_text(text.replace("bgpd=no", "bgpd=yes"))
    run("ip addr add 192.0.2.80/32 dev lo; ip addr add 10.255.0.3/32 dev lo")


def start_fpmd():
    with open("/var/log/fpmd.log", "w") as log:
        return subprocess.Popen(["fpmd", "--user", "frr"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def load():
    run(FRRINIT + " start")
    assert eventually(daemons_up)
    shown = vtysh("show modules")
    assert re.search(r"^ *zebra_holdfast ", shown, re.MULTILINE) and "NOT ACTIVE" not in shown, shown
    vtysh("configure", "holdfast", *LINES)
    assert eventually(lambda: answers("running", "192.0.2.80"))


def boot():
    """FRR is restarted, and the block is there again."""
    run(FRRINIT + " restart")
    assert eventually(daemons_up)
    assert eventually(lambda: answers("running", "192.0.2.80"))


def write_and_boot():
    vtysh("configure", "ip route 198.51.100.0/24 blackhole", "debug holdfast strays")
    assert "[OK]" in vtysh("write")
    saved = pathlib.Path("/etc/frr/frr.conf").read_text()
    assert BLOCK in saved and "debug holdfast strays\n" in saved, saved
    run("vtysh -C")
    for _ in range(BOOTS):
        boot()
        shown = vtysh("show running-config")
        assert BLOCK in shown and "debug holdfast strays\n" in shown and "198.51.100.0/24" in shown, shown


def reload():
    before = {daemon: pid(daemon) for daemon in ("zebra", "bgpd")}
    path = pathlib.Path("/etc/frr/frr.conf")
    assert BLOCK in path.read_text()
    path.write_text(path.read_text().replace(" local-member", " prefix 192.0.2.81/32\n local-member"))
    run(FRRINIT + " reload")
    wanted = BLOCK.replace(" member-range", " prefix 192.0.2.81/32\n member-range")
    assert wanted in vtysh("show running-config")
    assert {daemon: pid(daemon) for daemon in before} == before
    vtysh("configure", "holdfast", "no prefix 192.0.2.81/32")
    assert BLOCK in vtysh("show running-config")
    vtysh("write")
    run(FRRINIT + " reload")
    assert BLOCK in vtysh("show running-config")
    assert {daemon: pid(daemon) for daemon in before} == before


def watched():
    """zebra dies, and watchfrr starts it and what depends on it again: with the block, and fpmd finds the new one."""
    before = pid("zebra")
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: (RUN / "zebra.pid").exists() and pid("zebra") != before and daemons_up(), 60)
    assert eventually(lambda: BLOCK in vtysh("show running-config", check=False), 30)
    assert eventually(lambda: answers("running", "192.0.2.80"))


def upgrade():
    """FRR's package is installed once more under the diversion, and then another version of it; and back."""
    vtysh("configure", "router bgp 65001", "bgp router-id 10.255.0.3")
    assert "[OK]" in vtysh("write")
    saved = pathlib.Path("/etc/frr/frr.conf").read_text()
    assert BLOCK in saved and saved.index(BLOCK) < saved.index("\nrouter bgp 65001\n"), saved
    # What is behind the block is FRR's own, and must not be lost with it.
    assert not re.match(r"(!\n)*exit\n", saved.partition(BLOCK)[2]), saved
    now = re.search(r"version (\S+)", run(ZEBRA + " --version")).group(1)
    then = next_version(now)
    packages = [repack("frr", "/tmp"), repack("frr", "/tmp", (now, then))]
    wrapper = pathlib.Path("/usr/bin/vtysh").read_text()

    def install_package(path):
        run("DEBIAN_FRONTEND=noninteractive dpkg --force-confold --force-downgrade -i %s" % path)
        assert pathlib.Path("/usr/bin/vtysh").read_text() == wrapper
        assert pathlib.Path("/usr/bin/vtysh.frr").read_bytes()[:4] == b"\x7fELF"
        assert pathlib.Path("/etc/frr/frr.conf").read_text() == saved

    def stock_part():
        shown = vtysh("show running-config")
        return "router bgp 65001\n" in shown and "ip route 198.51.100.0/24 blackhole\n" in shown

    for path in packages[0], packages[1], packages[0]:
        install_package(path)
        other = path == packages[1]
        if other:
            run(FRRINIT + " restart")
            assert eventually(daemons_up)
        else:
            boot()
        assert eventually(stock_part), vtysh("show running-config", check=False)
        assert ("NOT ACTIVE, built for FRR %s" % now in vtysh("show modules")) == other
        if other:
            assert "version %s\n" % then in run(ZEBRA + " --version")
            said = "no commands: they were built for FRR %s, and this is FRR %s" % (now, then)
            assert said in vtysh("show holdfast", check=False)
            assert "blackhole" in run("ip route show 198.51.100.0/24")
    assert BLOCK in vtysh("show running-config")
    vtysh("configure", "no router bgp 65001")
    vtysh("write")


def zebra_with(module):
    """What zebra says on standard error with a module, and its vty."""
    for path in RUN.glob("zebra.*"):
        path.unlink()
    run("timeout 20 %s -M %s -f /dev/null -i /run/frr/zebra.pid >/tmp/zebra.err 2>&1 & true" % (ZEBRA, module))
    try:
        assert eventually(lambda: (RUN / "zebra.vty").exists()), pathlib.Path("/tmp/zebra.err").read_text()
        shown = vtysh("show modules", "configure", "ip route 203.0.113.0/24 blackhole", check=False)
        vtysh("show version")
        os.kill(pid("zebra"), 0)
    finally:
        run("kill $(cat /run/frr/zebra.pid)", False)
        time.sleep(0.5)
    return pathlib.Path("/tmp/zebra.err").read_text(), shown


def refuse(others):
    """What was built for another version must not act, must not hurt, and must say why."""
    running = re.search(r"version (\S+)", run(ZEBRA + " --version")).group(1)
    count = 0
    for other in sorted(pathlib.Path(others).iterdir()):
        if (other / "zebra_holdfast.so").read_bytes() == pathlib.Path(BUILT % "zebra").read_bytes():
            continue
        count += 1
        text, shown = zebra_with(other / "zebra_holdfast.so")
        said = re.search(r"the module is not active: it was built for FRR (\S+), and this is FRR (\S+):", text)
        assert said and said.group(2) == running and said.group(1) != running, text
        assert "NOT ACTIVE" in shown, shown
        # vtysh works on, without our commands.
        run("LD_PRELOAD=%s /usr/bin/vtysh.frr -C -f /dev/null" % (other / "holdfast_vtysh.so"))
        assert "no commands: they were built for FRR" in pathlib.Path("/tmp/installed.out").read_text()
    lonely = pathlib.Path("/tmp/lonely")
    lonely.mkdir()
    run("cp %s %s" % (BUILT % "zebra", lonely))
    text, shown = zebra_with(lonely / "zebra_holdfast.so")
    assert "the module is not active: " in text and "zebra_holdfast_core.so" in text, text
    return "yes, of %d versions" % count if count else "yes"


def remove(before):
    run("holdfast-vtysh disable")
    run("make uninstall")
    assert files_of_frr() == before
    left = run("find /usr /etc ! -type d -name '*holdfast*' ! -name holdfast.key ! -path '/etc/apt/*' ! -name holdfast-setup")
    assert not left, left


def main():
    before = files_of_frr()

    def passed(column, result="yes"):
        print("RESULT %s: %s" % (column, result), flush=True)

    install()
    fpmd = start_fpmd()
    load()
    passed("load")
    write_and_boot()
    passed("write, boot")
    reload()
    passed("reload")
    watched()
    upgrade()
    passed("upgrade")
    run(FRRINIT + " stop")
    fpmd.terminate()
    assert fpmd.wait(20) == 0
    passed("refuse", refuse(sys.argv[1]) if len(sys.argv) > 1 else "yes")
    remove(before)
    passed("remove")


main()
