# SPDX-License-Identifier: GPL-2.0-or-later
"""Conditions that break naive ways to tell a stray from a session. In each of them flows move, as in a drain."""

import json
import signal

from lab import topology
from lab.scenarios import Scenario, move_some, start_fpmds
from lab.traffic import Client

FOREIGN_MARK = 0x00200000
LISTENER_MARK = 0x00100000


def set_on_servers(stage, **settings):
    for server in stage.topology.servers:
        lines = [f"net.ipv4.{key}={value}" for key, value in settings.items()]
        stage.lab.run.execute(server.name, ["sysctl", "-q", "-w", *lines])


class Hostile(Scenario):
    aftermath = 2.0

    def act(self, stage):
        server = move_some(stage, set())
        stage.pause(0.7, 1.0)
        stage.event(f"add {server}")
        stage.network.announce(server)


class SynCookies(Hostile):
    name = "hostile-syn-cookies"
    title = "every session is born from a SYN cookie"

    def prepare(self, stage):
        set_on_servers(stage, tcp_syncookies=2)
        self.before = self._accepted(stage)

    def _accepted(self, stage):
        total = 0
        for server in stage.topology.servers:
            text = stage.lab.run.execute(server.name, ["cat", "/proc/net/netstat"])
            names, values = [line.split() for line in text.splitlines() if line.startswith("TcpExt:")][:2]
            total += int(values[names.index("SyncookiesRecv")])
        return total

    def conclude(self, stage, result):
        cookies = self._accepted(stage) - self.before
        stage.expect(cookies >= stage.options.sessions, f"only {cookies} sessions came from SYN cookies")
        set_on_servers(stage, tcp_syncookies=1)


class Reconnecting(Hostile):
    """Every client comes back from the same port, *times* times."""

    one_owner = False
    times = 1

    def conclude(self, stage, result):
        if stage.holdfast:
            few = sum(session["reconnects"] != self.times for session in result["sessions"])
            stage.expect(not few, f"{few} sessions did not end and come back {self.times} times")


class PortReuse(Reconnecting):
    name = "hostile-port-reuse"
    title = "all clients abort and connect again from the same port within a second, twice"
    times = 2

    def act(self, stage):
        server = move_some(stage, set())
        stage.pause(0.7, 1.0)
        stage.event("reuse")
        stage.client.signal(signal.SIGUSR1)
        stage.pause(1.3, 1.5)
        stage.event(f"add {server}")
        stage.network.announce(server)
        stage.pause(0.7, 1.0)
        stage.event("reuse")
        stage.client.signal(signal.SIGUSR1)
        stage.pause(1.3, 1.5)


class ServerClosesFirst(Reconnecting):
    name = "hostile-server-closes-first"
    title = "servers close moved sessions first, clients use the port again within a second"

    def act(self, stage):
        move_some(stage, set())
        stage.pause(0.7, 1.0)
        stage.event("servers close")
        stage.client.signal(signal.SIGUSR2)
        stage.pause(1.5, 1.8)


class HealthCheck(Hostile):
    name = "hostile-health-check"
    title = "hosts keep connections to their own VIP"
    sessions = 20

    def act(self, stage):
        self.checks = {}
        for server in stage.chance.sample([server.name for server in stage.topology.servers], 2):
            self.checks[server] = Client(
                stage.lab.run, stage.lab.build_directory, self.sessions, stage.first_port,
                stage.chance.randrange(2**32), node=server, control=None, ramp_ms=300,
            )  # fmt: skip
        for client in self.checks.values():
            client.await_ready()
        super().act(stage)

    def conclude(self, stage, result):
        for server, client in self.checks.items():
            sessions = client.finish()["sessions"]
            good = sum(session["result"] == "survived" and session["owner"] == server for session in sessions)
            stage.expect(good == self.sessions, f"{server}: {good} of {self.sessions} health checks lived")


class MarkedListener(Hostile):
    name = "hostile-marked-listener"
    title = "the listeners have a mark of their own (SO_MARK)"

    def prepare(self, stage):
        self._restart(stage, LISTENER_MARK)

    def _restart(self, stage, mark):
        for server in stage.topology.servers:
            stage.applications.stop(server.name)
            stage.applications.start(server.name, mark)

    def conclude(self, stage, result):
        self._restart(stage, None)


class ForeignMarks(Hostile):
    name = "hostile-foreign-marks"
    title = "somebody else marks the traffic, and wants the mark kept"

    def prepare(self, stage):
        for server in stage.topology.servers:
            uplinks = ", ".join(stage.topology.uplinks(server.name))
            mine = f"iifname {{ {uplinks} }} ip daddr {topology.VIP}"
            text = f"""table ip foreign {{
chain set_mark {{
	type filter hook prerouting priority -305;
	{mine} meta mark set meta mark or {FOREIGN_MARK}
}}
chain verify {{
	type filter hook input priority 0;
	{mine} meta mark and {FOREIGN_MARK} == 0 counter
}}
}}
"""
            stage.lab.run.execute(server.name, ["nft", "-f", "-"], input=text)

    def conclude(self, stage, result):
        lost = 0
        for server in stage.topology.servers:
            listed = stage.lab.run.execute(server.name, ["nft", "-j", "list", "chain", "ip", "foreign", "verify"])
            for entry in json.loads(listed)["nftables"]:
                for part in entry.get("rule", {}).get("expr", []):
                    lost += part.get("counter", {}).get("packets", 0)
            stage.lab.run.execute(server.name, ["nft", "delete", "table", "ip", "foreign"])
        stage.expect(lost == 0, f"{lost} packets lost the foreign mark")


class OlderSessions(Hostile):
    name = "hostile-older-sessions"
    title = "sessions are older than fpmd"

    def prepare(self, stage):
        if stage.holdfast:
            stage.holdfast.kill_all(stage.network)

    def act(self, stage):
        start_fpmds(stage)
        stage.pause(0.5, 0.8)
        super().act(stage)


class ShortTimers(Hostile):
    name = "hostile-short-timers"
    title = "all of Holdfast's timers at 5 s; sessions and detours outlive them"
    seconds = 5

    def prepare(self, stage):
        if stage.holdfast:
            stage.holdfast.set_timers(stage.network, self.seconds)

    def act(self, stage):
        server = move_some(stage, set())
        stage.pause(self.seconds + 1.5)
        stage.event(f"add {server}")
        stage.network.announce(server)
        stage.pause(0.7, 1.0)

    def conclude(self, stage, result):
        if stage.holdfast:
            stage.holdfast.set_timers(stage.network, None)


class NoEarlyDemux(Hostile):
    name = "hostile-no-early-demux"
    title = "early demultiplexing is off"

    def prepare(self, stage):
        set_on_servers(stage, ip_early_demux=0, tcp_early_demux=0)

    def conclude(self, stage, result):
        set_on_servers(stage, ip_early_demux=1, tcp_early_demux=1)


ALL = [
    SynCookies, PortReuse, ServerClosesFirst, HealthCheck, MarkedListener, ForeignMarks, OlderSessions,
    ShortTimers, NoEarlyDemux,
]  # fmt: skip
