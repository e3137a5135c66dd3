# SPDX-License-Identifier: GPL-2.0-or-later
"""A reference for the director: the distribution's conntrackd, committing states to the kernel of a host that takes
over, against Holdfast's pins of as many flows. Both have what they write in their own memory; only the writing is
timed, in turns.

conntrackd: a director with stock FRR and connection tracking sees the flows' handshakes; its conntrackd tells them to
that of another host, where `conntrackd -c` puts them into the kernel, by conntrackd's own clock. Holdfast:
kernel_pins_change(), as fpmd calls it, in a host with nothing else to do.
"""

import re
import statistics
import subprocess

import bench_site
from bench_site import SERVERS, Site, program, wait

STATES = 25000
ROUNDS = 7
PACKAGE = "conntrackd"
SYNC = {"director": "10.9.0.1", "standby": "10.9.0.2"}
TRACK = """table inet track {
chain forward { type filter hook forward priority 0; policy accept; ct state established counter; }
}
"""


def prepare():
    """Installs the package, whose service is not started."""
    done = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status}", PACKAGE], capture_output=True, text=True)
    if done.stdout != "installed":
        print("installing", PACKAGE, flush=True)
        setup = [bench_site.TOP / "tools" / "setup", PACKAGE]
        subprocess.run(setup, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


class Conntrackd:
    """conntrackd in a node of a site."""

    def __init__(self, site, node, peer):
        self.site, self.node = site, node
        directory = site.run.directory / node
        directory.mkdir(exist_ok=True)
        self.log = directory / "conntrackd.log"
        self.config = directory / "conntrackd.conf"
        self.config.write_text(f"""Sync {{
  Mode FTFW {{ CommitTimeout 1800 }}
  UDP {{
    IPv4_address {SYNC[node]}
    IPv4_Destination_Address {SYNC[peer]}
    Port 3780
    Interface sync
    SndSocketBuffer 24985600
    RcvSocketBuffer 24985600
    Checksum on
  }}
}}
General {{
  HashSize 32768
  HashLimit 131072
  LogFile {self.log}
  Syslog off
  LockFile {directory}/conntrackd.lock
  UNIX {{ Path {directory}/conntrackd.ctl }}
  NetlinkBufferSize 16777216
  NetlinkBufferSizeMaxGrowth 67108864
  NetlinkEventsReliable On
  Filter From Userspace {{ Protocol Accept {{ TCP }} }}
}}
""")
        site.run.spawn(node, ["conntrackd", "-C", self.config], f"{node}/conntrackd.out")
        wait(f"conntrackd does not start: see {directory}", lambda: self.entries() is not None, 10)

    def do(self, *arguments, check=True):
        return self.site.run.execute(self.node, ["conntrackd", "-C", self.config, *arguments], check=check, timeout=60)

    def entries(self):
        """(internal, external) states, None as long as it does not answer."""
        found = re.findall(r"current active connections:\s+(\d+)", self.do("-s", check=False))
        return tuple(map(int, found)) if len(found) == 2 else None

    def commit(self):
        """Returns the milliseconds that it took, as conntrackd says."""
        before = self._commits()
        self.do("-c")
        return wait("no commit", lambda: self._commits()[len(before) :])[0]

    def _commits(self):
        return [float(text) * 1000 for text in re.findall(r"commit has taken ([\d.]+) seconds", self.log.read_text())]


class Pair:
    """A director that tracks connections and a host that would take over from it."""

    def __init__(self):
        self.site = Site(SERVERS, False)
        try:
            self._start()
        except BaseException:
            self.site.close()
            raise

    def _start(self):
        site = self.site
        site.add_node("standby")
        site.cable("director", "sync", SYNC["director"] + "/24", "standby", "sync", SYNC["standby"] + "/24")
        for node in "director", "standby":
            site.run.execute(node, ["nft", "-f", "-"], input=TRACK)
            # As a director has it that may see flows in mid-life.
            site.sysctl(node, {"net.netfilter.nf_conntrack_tcp_loose": 1})
        self.director = Conntrackd(site, "director", "standby")
        self.standby = Conntrackd(site, "standby", "director")
        site.open_flows(site.sender(), 0, STATES)
        wait("not all states are told", lambda: self.standby.entries()[1] >= STATES)

    def states(self):
        return int(self.site.run.execute("standby", ["conntrack", "-C"]))

    def commit(self):
        self.site.run.execute("standby", ["conntrack", "-F"])
        took = self.standby.commit()
        if self.states() < STATES:
            raise RuntimeError(f"conntrackd committed {self.states()} of {STATES} states")
        return took

    def pin(self):
        command = [program("pins_commit"), "10.77.0.90", STATES, 1]
        found = re.search(r"added_us=(\d+)", self.site.run.execute("standby", command, timeout=60))
        return int(found[1]) / 1000


def measure(_folder, rounds=ROUNDS):
    prepare()
    pair = Pair()
    try:
        pair.site.ip("standby", "addr add 10.77.0.90/24 dev lo")
        times = {"conntrackd": [], "pins": []}
        for _ in range(rounds):
            times["conntrackd"].append(pair.commit())
            times["pins"].append(pair.pin())
    finally:
        pair.site.close()
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "states": STATES, "conntrackd_ms": round(median["conntrackd"], 1), "holdfast_ms": round(median["pins"], 1),
        "ratio": round(median["pins"] / median["conntrackd"], 3),
    }  # fmt: skip
