# SPDX-License-Identifier: GPL-2.0-or-later
"""Download and upload: large files through the VIP, with nginx and curl, while paths change. Every checksum is
compared; a transfer counts as a session whose owner is the server that answered."""

import hashlib
import os
import subprocess
import time

from lab import topology
from lab.scenarios import Scenario, move_some
from lab.traffic import await_listener

HTTP_PORT = 8080
SIZE = 6_000_000
RATE = "1200k"
TIMEOUT = 30

_CURL_RESULT = {0: "survived", 28: "timed_out"}  # all others: the connection broke

_NGINX = """
daemon off;
master_process off;
user root;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 512; }}
http {{
	access_log off;
	client_max_body_size 0;
	client_body_temp_path {directory}/body;
	proxy_temp_path {directory}/unused;
	fastcgi_temp_path {directory}/unused;
	uwsgi_temp_path {directory}/unused;
	scgi_temp_path {directory}/unused;
	server {{
		listen {vip}:{port};
		add_header X-Server {name} always;
		location /download {{ alias {directory}/download; limit_rate 1200k; }}
		location /upload/ {{ alias {directory}/upload/; dav_methods PUT; }}
	}}
}}
"""


class Transfer(Scenario):
    aftermath = 0.5
    strict = False

    def prepare(self, stage):
        self.content = os.urandom(SIZE)
        self.digest = hashlib.sha256(self.content).hexdigest()
        self.root = stage.lab.run.directory / self.name
        (self.root / "client").mkdir(parents=True)
        (self.root / "client" / "file").write_bytes(self.content)
        self.servers = []
        self.transfers = {}  # number -> curl
        for server in stage.topology.servers:
            self._serve(stage, server.name)

    def _serve(self, stage, server):
        directory = self.root / server
        (directory / "upload").mkdir(parents=True)
        os.link(self.root / "client" / "file", directory / "download")
        text = _NGINX.format(directory=directory, vip=topology.VIP, port=HTTP_PORT, name=server)
        (directory / "nginx.conf").write_text(text)
        argv = ["nginx", "-e", directory / "nginx.log", "-c", directory / "nginx.conf"]
        self.servers.append(stage.lab.run.spawn(server, argv, "nginx.log"))
        await_listener(stage.lab.run, server, f"{topology.VIP}:{HTTP_PORT}")

    def url_and_options(self, number):
        raise NotImplementedError

    def received(self, number, owner):
        """The file that the receiving side has now."""
        raise NotImplementedError

    def act(self, stage):
        count = 12 if stage.options.quick else 24
        first = stage.first_port + stage.options.sessions + 1
        for number in range(count):
            self._begin(stage, number, first + number)
        stage.pause(0.8, 1.2)
        first = move_some(stage, set())
        stage.pause(0.8, 1.2)
        second = move_some(stage, {first})
        stage.pause(0.3, 0.6)
        stage.event(f"add {first}")
        stage.network.announce(first)
        end = time.monotonic() + TIMEOUT
        for curl in self.transfers.values():
            try:
                curl.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                curl.kill()
        stage.event("transfers done")
        stage.extra["drained"] = [first, second]

    def _begin(self, stage, number, port):
        argv = [
            "curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--local-port", port,
            "--limit-rate", RATE, "--max-time", TIMEOUT - 2, "--header", "Expect:",
            "--write-out", "%{local_port} %header{x-server}\\n", *self.url_and_options(number),
        ]  # fmt: skip
        with open(self.root / "client" / f"told-{number}", "wb") as told:
            self.transfers[number] = stage.lab.run.spawn(topology.CLIENT, argv, "curl.log", stdout=told)
        self.transfers[number].port = port

    def conclude(self, stage, result):
        for number, curl in self.transfers.items():
            told = (self.root / "client" / f"told-{number}").read_text().split()
            owner = told[1] if len(told) > 1 else ""
            outcome = _CURL_RESULT.get(curl.wait(), "reset")
            if outcome == "survived" and self._digest_of(number, owner) != self.digest:
                outcome = "wrong_owner"
            stage.transfers.append({"port": curl.port, "owner": owner, "result": outcome})
        stage.lab.run.stop(self.servers + list(self.transfers.values()), 9)
        stage.extra["transfers"] = len(stage.transfers)
        stage.extra["transfers_survived"] = sum(item["result"] == "survived" for item in stage.transfers)

    def _digest_of(self, number, owner):
        try:
            return hashlib.sha256(self.received(number, owner).read_bytes()).hexdigest()
        except OSError:
            return None


class Download(Transfer):
    name = "download"
    title = "large downloads while paths change, checksums compared"

    def url_and_options(self, number):
        return ["--output", self.received(number, ""), f"http://{topology.VIP}:{HTTP_PORT}/download"]

    def received(self, number, owner):
        return self.root / "client" / f"file-{number}"


class Upload(Transfer):
    name = "upload"
    title = "large uploads while paths change, checksums compared"

    def url_and_options(self, number):
        source = self.root / "client" / "file"
        return ["--upload-file", source, f"http://{topology.VIP}:{HTTP_PORT}/upload/file-{number}"]

    def received(self, number, owner):
        return self.root / owner / "upload" / f"file-{number}"
