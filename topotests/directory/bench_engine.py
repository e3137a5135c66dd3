# SPDX-License-Identifier: GPL-2.0-or-later
"""What tools/bench directory asks of an engine. Each has a module bench_*.py with a class derived from Engine; to
add one, write its class and name it in tools/bench. A figure that two engines have in common has the same name and
meaning: these become one line of the table, engines side by side."""

import re
import statistics

RUNS = 3


def words(line):
    """{"us": 12, ...} of an answer."""
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)(?:us)?(?= |$)", line)}


def median(measure, runs=RUNS):
    """Each figure is the median of several runs; measure() uses flows that were never used before."""
    rows = [measure() for _ in range(runs)]
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


class Engine:
    """A group of *count* members with this engine, each in a namespace of its own, for as long as the object is open."""

    name = None
    members = ()  # how many, unless --members says so

    @classmethod
    def prepare(cls):
        """Installs and builds what it takes, and says so."""

    def __init__(self, count, folder):
        """*folder* is for its files, and is removed afterwards."""
        self.count = count
        self.folder = folder
        self.next_flow = 0

    def flows(self, count):
        first, self.next_flow = self.next_flow, self.next_flow + count
        return first

    def figures(self):
        """Yields pairs (name, {figure: number}), one by one as they are measured. Names so far:

        get_found, get_absent   p50_us, p99_us of one get at a time; messages: requests sent for each
        get_found_in_parallel   the same while members have just started, and may lack records
        put                     p50_us, p99_us until all replicas have it, one at a time
        put_batched, get_batched    per_second, by two members at once with as much under way as is best; found: the
                                    share of gets that had an answer in time, less than 1 on a machine that is too busy
        put_in_a_stream         the same while there were many lately: an engine may let them wait for more
        cpu_us_per_session      {rate}: CPU of all processes for each session that one member publishes at that rate,
                                less that of the same time without sessions
        bulk_100000             ms to fetch all sessions of one owner, so many
        two_killed              gets while two members die: during_p50_us, during_p99_us, during_found (ratio)
        three_killed            restored_ms: from the news that three members died until the owner of 100,000 sessions
                                has put all of them elsewhere; found and messages of gets after it
        """
        raise NotImplementedError

    def close(self):
        """Ends every process. The namespaces are removed by the caller."""
