#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A director's records alone, in namespaces: client - director - three servers as next hops.

usage: sudo topotests/kernel/recorder.py path/to/recorder_driver [test ...]
"""
import sys

import recorder_flows
import recorder_forged
import recorder_paths
import runner
from recorder_lab import RecorderLab

if __name__ == "__main__":
    sys.exit(runner.main(RecorderLab, recorder_flows, recorder_forged, recorder_paths))
