# SPDX-License-Identifier: GPL-2.0-or-later
"""The client alone (tests/valkey_driver) and a namespace for it and its servers."""

import os
import re
import select
import subprocess

from servers import ENVIRONMENT, inside

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DRIVER = os.environ.get("VALKEY_DRIVER", os.path.join(TOP, "tests", "valkey_driver"))
NAMESPACE = "hfvalkey%d" % os.getpid()
ANSWER_S = 60


def ip(command, check=True):
    subprocess.run(["ip"] + command.split(), env=ENVIRONMENT, check=check, stdout=subprocess.PIPE,
                   stderr=subprocess.STDOUT)


def make_namespace():
    ip("netns add " + NAMESPACE)
    ip("-n %s link set lo up" % NAMESPACE)


def remove_namespace():
    ip("netns del " + NAMESPACE, check=False)


class Driver:
    """A command is written, one line is read."""

    def __init__(self, host, port, *options, expect="ready"):
        self.process = subprocess.Popen(inside(NAMESPACE, [DRIVER, host, str(port)] + list(options)), env=ENVIRONMENT,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.first = self.read()
        assert expect in self.first, self.first

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        # The end of its input ends it, by itself and without a complaint of the sanitizers.
        self.process.stdin.close()
        try:
            code = self.process.wait(ANSWER_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        assert kind is not None or code == (0 if self.first == "ready" else 1), code

    def send(self, command):
        self.process.stdin.write(command + "\n")

    def read(self):
        """Lines come one for each command, so nothing is left in the buffer of the file."""
        readable, _, _ = select.select([self.process.stdout], [], [], ANSWER_S)
        assert readable, "the driver does not answer"
        line = self.process.stdout.readline()
        assert line, "the driver died"
        return line.strip()

    def do(self, command):
        self.send(command)
        return self.read()

    def numbers(self, command):
        words = self.do(command).split()
        result = dict(word.split("=", 1) for word in words[1:])
        return {name: int(re.sub("us$", "", value)) if re.fullmatch(r"\d+(us)?", value) else value
                for name, value in result.items()}

    def wait(self, state):
        assert self.do("wait " + state).startswith("state " + state)

    def put(self, first, count, owner, version, ahead=1000, tries=1000000):
        return self.numbers("put %d %d %s %d %d %d" % (first, count, owner, version, ahead, tries))

    def delete(self, first, count, owner, version, ahead=1000, tries=1000000):
        return self.numbers("delete %d %d %s %d %d %d" % (first, count, owner, version, ahead, tries))

    def get(self, first, count=1, ahead=1000):
        return self.numbers("get %d %d %d" % (first, count, ahead))

    def page(self, owner):
        return self.numbers("page " + owner)

    def counter(self, name):
        return int(self.do("counter " + name).split()[1])

    def lost(self):
        return int(self.do("lost").split()[1])

    def status(self):
        line = self.do("status")
        return dict(word.split("=", 1) for word in line.partition(" error=")[0].split()[1:])

    def error(self):
        return self.do("status").partition(" error=")[2]

    def nodes(self):
        """(host, port) -> (role, state, slots)"""
        result = {}
        for word in self.do("nodes").split()[1:]:
            host, port, role, state, slots = word.split("/")
            result[(host, int(port))] = (role, state, int(slots))
        return result
