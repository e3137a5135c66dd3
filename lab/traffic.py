# SPDX-License-Identifier: GPL-2.0-or-later
"""The applications of the lab: a session server on every server, the control server at the edge, and one
client with many sessions. Owns their processes; knows nothing of scenarios."""

import json
import os
import pathlib
import select
import signal
import time

from lab import topology
from lab.run import LabError

SESSION_PORT = 7000
CONTROL_PORT = 7001
PERIOD_MS = 100
GRACE_MS = 7000


class Applications:
    """The listening side: one process a server, named after it."""

    def __init__(self, run, description, build):
        self.run = run
        self.topology = description
        self.program = pathlib.Path(build) / "lab" / "session_server"
        self.processes = {}

    def start_all(self):
        node, address = self.topology.control
        self._start(node, f"{address}:{CONTROL_PORT}")
        for server in self.topology.servers:
            self.start(server.name)

    def start(self, server, mark=None):
        self._start(server, f"{topology.VIP}:{SESSION_PORT}", mark)

    def _start(self, node, address, mark=None):
        argv = [self.program, "--listen", address, "--name", node]
        if mark:
            argv += ["--mark", hex(mark)]
        self.processes[node] = self.run.spawn(node, argv, "applications.log")
        await_listener(self.run, node, address)

    def stop(self, server, sig=signal.SIGTERM):
        self.run.stop([self.processes.pop(server)], sig)

    def restart_dead(self):
        """Starts again what a scenario killed."""
        control, address = self.topology.control
        for node in [control] + [server.name for server in self.topology.servers]:
            if node not in self.processes or self.processes[node].poll() is not None:
                self._start(node, f"{address}:{CONTROL_PORT}" if node == control else f"{topology.VIP}:{SESSION_PORT}")


def await_listener(run, node, address, timeout=5.0):
    end = time.monotonic() + timeout
    port = address.rsplit(":", 1)[1]
    while not run.execute(node, ["ss", "-Hltn", f"sport = :{port}"]).strip():
        if time.monotonic() > end:
            raise LabError(f"{node}: nothing listens on {address}")
        time.sleep(0.01)


class Client:
    """One run of the session client. *result* is its report after finish()."""

    def __init__(
        self, run, build, sessions, source_port, seed, node=topology.CLIENT, control=topology.EDGE_ADDRESS, ramp_ms=1000
    ):
        """*control*: address of the control server, or None for no control session."""
        self.run = run
        self.sessions = sessions
        self.output = run.directory / f"client-{node}-{source_port}.json"
        self.result = None
        argv = [
            pathlib.Path(build) / "lab" / "session_client",
            "--connect", f"{topology.VIP}:{SESSION_PORT}",
            "--sessions", sessions, "--period-ms", PERIOD_MS, "--ramp-ms", ramp_ms,
            "--grace-ms", GRACE_MS, "--source-port", source_port, "--seed", seed,
            "--output", self.output,
        ]  # fmt: skip
        if control:
            argv += ["--control", f"{control}:{CONTROL_PORT}"]
        reader, writer = os.pipe()
        self._ready = reader
        self.process = run.spawn(node, argv, "client.log", stdout=writer)
        os.close(writer)

    def await_ready(self, timeout=15.0):
        """Waits until every session has been opened and has had time for its first replies."""
        readable, _, _ = select.select([self._ready], [], [], timeout)
        answer = os.read(self._ready, 16) if readable else b""
        os.close(self._ready)
        if answer != b"ready\n":
            raise LabError(f"the session client does not start: {self.process.poll()}")

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        """Ends the run; answers that are still due are waited for."""
        self.signal(signal.SIGTERM)
        self.run.stop([self.process], signal.SIGTERM, GRACE_MS / 1000 + 3)
        try:
            self.result = json.loads(self.output.read_text())
        except (OSError, ValueError) as error:
            raise LabError(f"the session client left no report: {error}") from error
        self.output.unlink()
        return self.result
