#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holdfast's data path alone, in namespaces: client - router - two servers.

usage: sudo topotests/kernel/datapath.py path/to/kernel_driver [test ...]

Each test moves the VIP between the servers and counts what happens to real TCP sessions. Tests of a
director run it on the router.
"""
import sys

import addresses
import director
import repairs
import restarts
import runner
import sessions
import tunnel
from lab import Lab

if __name__ == "__main__":
    sys.exit(runner.main(Lab, sessions, restarts, repairs, tunnel, addresses, director))
