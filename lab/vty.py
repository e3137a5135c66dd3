# SPDX-License-Identifier: GPL-2.0-or-later
"""Talks to an FRR daemon over its vty socket, as vtysh does, without starting a vtysh.

A command ends with a NUL byte; the answer ends with three NUL bytes and the return code.
"""

import socket

from lab.run import LabError

CMD_SUCCESS = 0
# Codes that vtysh, too, takes for no error: nothing to do, command of another daemon.
CMD_HARMLESS = (0, 1, 12)


class Vty:
    def __init__(self, path, timeout=5.0):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(path))
        except OSError as error:
            self.socket.close()
            raise LabError(f"{path}: {error.strerror}") from error
        self.command("enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def command(self, line, check=True):
        try:
            self.socket.sendall(line.encode() + b"\0")
            answer = b""
            while not (len(answer) >= 4 and answer[-4:-1] == b"\0\0\0"):
                part = self.socket.recv(1 << 16)
                if not part:
                    raise LabError(f"{self.path}: closed during '{line}'")
                answer += part
        except OSError as error:
            raise LabError(f"{self.path}: '{line}': {error}") from error
        text = answer[:-4].decode(errors="replace")
        if check and answer[-1] not in CMD_HARMLESS:
            raise LabError(f"{self.path}: '{line}' gave {answer[-1]}: {text.strip()}")
        return text

    def configure(self, lines):
        """Runs configuration lines, beginning in the configure node."""
        self.command("configure terminal")
        for line in lines:
            self.command(line)
        self.command("end")
