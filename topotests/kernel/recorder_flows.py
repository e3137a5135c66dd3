# SPDX-License-Identifier: GPL-2.0-or-later
"""From its first packet to its last a flow has one record, and follows it."""
import os
import signal
import sys
import time

from lab import PORT, VIP, VIP6, Failure, Process, expect, expect_round, wait_until
from recorder_lab import DIRECTORY, PATH_MASK, PATHS, begin, owners, recorded


def follows(lab, vip, link_local=False, directory=True):
    """The path really taken is recorded, and followed whatever ECMP says then."""
    lab.choose("ABE", link_local)
    lab.servers(vip)
    driver = lab.record(directory=directory)
    client = lab.sessions(60, vip)
    wanted = owners(client)
    expect("servers in use", sorted(wanted), ["A", "B", "E"])
    expect("records", driver.flows(), {PATHS[name]: n for name, n in wanted.items()})
    for names in ("EBA", "AE", "B", "ABE"):
        lab.choose(names, link_local)
        expect_round(client, wanted)
    expect("flows", driver.counters()["flows-recorded"], 60)
    expect("moved", driver.counters()["flows-moved"], 0)
    lab.choose("B", link_local)
    other = lab.sessions(10, vip)
    expect("new flows", owners(other), {"B": 10})
    expect_round(client, wanted)


def test_follows_ipv4(lab):
    follows(lab, VIP)


def test_follows_ipv6(lab):
    follows(lab, VIP6)


def test_follows_ipv6_next_hop_of_ipv4(lab):
    follows(lab, VIP, link_local=True)


def test_follows_below_clsact(lab):
    """As on kernels before 6.6."""
    follows(lab, VIP, directory=False)
    for device, hook in (("toC", "ingress"), ("toA", "egress")):
        if "record" not in lab.on("D", "tc", "filter", "show", "dev", device, hook):
            raise Failure("no filter at %s of %s" % (hook, device))


def test_path_is_known_late(lab):
    """A flow is recorded with the first packet after its path has a neighbour."""
    lab.servers()
    driver = lab.record()
    driver.tell("clear", "neighbour 4 toW 02:00:00:00:00:01 1")
    lab.choose("B")
    client = lab.sessions(5)
    expect_round(client, {"B": 5})
    driver.tell("neighbour 4 toW %s 2" % lab.link_address("B"))
    expect_round(client, {"B": 5})
    expect("records", driver.flows(), {2: 5})
    lab.choose("A")
    expect_round(client, {"B": 5})
    expect("adopted", driver.events("adopted"), [])


def test_device_without_link_layer(lab):
    """A path into a tunnel."""
    for name in "DA":
        lab.ip(name, "link", "add", "gpe0", "type", "vxlan", "dstport", "4795", "external", "gpe")
        lab.ip(name, "link", "set", "gpe0", "up")
    lab.on("A", "sysctl", "-qw", "net.ipv4.conf.gpe0.rp_filter=0")
    lab.ip("D", "rule", "add", "fwmark", "0x9000/%#x" % PATH_MASK, "table", "109", "pref", "109")
    tunnel = ("encap", "ip", "id", "7", "dst", "10.2.0.2", "ttl", "64", "dev", "gpe0")
    lab.ip("D", "route", "add", VIP, *tunnel, "table", "109")
    lab.ip("D", "route", "replace", VIP, *tunnel)
    lab.servers(names="A")
    driver = lab.record()
    driver.tell("path 9 4 gpe0", "neighbour 4 gpe0 none 9", "attach gpe0")
    client = lab.sessions(10)
    expect("records", driver.sweep(), {9: (10, 0)})
    lab.choose("B")
    expect_round(client, {"A": 10})
    driver.tell("detach gpe0")


def test_full(lab):
    """Without room flows go by ECMP, stay on probation, and get a record when there is room."""
    driver, client = begin(lab, 20, "--flows-max", "8")
    expect("records", driver.sweep(), {1: (8, 12)})
    expect("counted", driver.counters()["flows-full"], 12)
    lab.choose("B")
    expect_round(client, {"A": 20})
    expect("counted", driver.counters()["flows-full"], 12)


def test_expiry(lab):
    """A record without a packet for its lifetime is void; active ones and what was told: not."""
    lab.servers()
    driver = lab.record("--lifetime", "5", shared="A")
    lab.choose("A")
    idle, active = lab.sessions(10), lab.sessions(10)
    expect("records", driver.flows(), {1: 20})
    expect("began", len(driver.events("began")), 20)
    end = time.monotonic() + 8
    while time.monotonic() < end:
        expect_round(active, {"A": 10})
        driver.sweep()
        time.sleep(0.5)
    expect("records", driver.flows(), {1: 10})
    wait_until("ended", lambda: len(driver.events("ended")), 10)
    expect("listed", driver.ask("flows 1")[-1], "listed 10")
    # ECMP serves a session whose record is void, and it is seen again.
    expect_round(idle, {"A": 10})
    expect_round(idle, {"A": 10})
    wait_until("adopted", lambda: len(driver.events("adopted")), 10)


HALF_CLOSED_SERVER = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], 8081))
print("ready")
session, _ = listener.accept()
while session.recv(100):
    pass
for _ in range(28):
    session.send(b"x")
    time.sleep(0.5)
session.close()
"""

HALF_CLOSED_CLIENT = """
import socket, sys
session = socket.create_connection((sys.argv[1], 8081))
session.send(b"hello")
session.shutdown(socket.SHUT_WR)
print("half")
count = 0
while data := session.recv(100):
    count += len(data)
print(count, "bytes")
"""


def test_closing(lab):
    """Records of closed sessions go after 10 s; half-closed ones that still get data stay."""
    driver = lab.record()
    lab.servers()
    lab.choose("A")
    client = lab.sessions(12)
    lab.start(Process, "A", sys.executable, "-u", "-c", HALF_CLOSED_SERVER, VIP).wait("ready")
    half = lab.start(Process, "C", sys.executable, "-u", "-c", HALF_CLOSED_CLIENT, VIP)
    half.wait("half")
    expect("records", driver.flows(), {1: 13})
    client.ask("close")
    survivor = lab.sessions(3)
    (port,) = survivor.ask("ports")[:1]
    # A RST that nobody sent: data says that the flow lives.
    lab.send("reset", 1, "--port", str(port), client="10.1.0.2", port=PORT)
    expect("closing", driver.counters()["flows-closing"], 14)
    expect_round(survivor, {"A": 3})
    time.sleep(12)
    expect("records", driver.flows(), {1: 4})
    lab.choose("B")
    half.wait("28 bytes", 15)
    expect_round(survivor, {"A": 3})


def test_restart(lab):
    """Records outlive the driver, also one that is killed and one that is not root."""
    lab.servers()
    os.chown(lab.folder, 65534, 65534)
    driver = lab.record(user="65534")
    expect("warning", driver.lines[0], "warning ")
    client = lab.sessions(30)
    wanted = owners(client)
    records = recorded(client)
    lab.end(driver, signal.SIGKILL)
    lab.choose("EBA")
    expect_round(client, wanted)
    for more in ((), ("--flows-max", "1000"), ("--flows-max", "70000")):
        driver = lab.drive(*DIRECTORY, *more, user="65534")
        expect("records " + " ".join(more), driver.flows(), records)
        expect("paths", len(driver.ask("paths")), 3)
        expect_round(client, wanted)
        for device in ("toC", "toA", "toW"):
            expect("attached", driver.ask("attach " + device), ["attached 1"])
            expect("attached", driver.ask("attach " + device), ["attached 0"])
        expect_round(client, wanted)
        expect("records", driver.flows(), records)
        lab.end(driver)
    other = lab.sessions(10)
    everything = owners(other)
    driver = lab.drive(*DIRECTORY, "--flows-max", "70000", user="65534")
    expect("records", sum(driver.flows().values()), 40)
    expect("others", sum(everything.values()), 10)
    driver.tell("forget")
    expect("names left", os.listdir(lab.folder), [])
    for device in ("toC", "toA", "toW"):
        driver.tell("detach " + device)
        expect("qdisc", "clsact" in lab.on("D", "tc", "qdisc", "show", "dev", device), False)
    lab.choose("A")
    lab.send("syn", 10)
    expect("recorded by nobody", sum(probation for _, probation in driver.sweep().values()), 0)


def test_without_directory(lab):
    """Says what it costs; a directory that is no bpffs is as good as none."""
    driver = lab.record(attach=False, directory=False)
    if "has no directory" not in driver.lines[0]:
        raise Failure(driver.lines[0])
    driver = lab.record("--directory", "/tmp", attach=False, directory=False)
    if "not on a bpffs" not in driver.lines[0]:
        raise Failure(driver.lines[0])


def test_events_lost(lab):
    """A ring buffer that is full is told; records are made all the same."""
    driver = lab.record("--flows-max", "200000", shared="A")
    lab.choose("A")
    driver.child.send_signal(signal.SIGSTOP)
    for kind in ("syn", "answer", "ack"):
        lab.send(kind, 120000)
    driver.child.send_signal(signal.SIGCONT)
    told = len(driver.events("began"))
    expect("lost", driver.lines.count("lost"), 1)
    flows = driver.flows()[1]
    lost = driver.counters()["flow-events-lost"]
    expect("told and lost", told + lost, driver.counters()["flows-recorded"])
    if not 100000 <= told <= 105000 or lost == 0:
        raise Failure("%d told, %d lost" % (told, lost))
    expect("listed", driver.ask("flows 1")[-1], "listed %d" % flows)
