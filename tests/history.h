/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One random history of a group of hosts with the one-hop engine, in the simulation, and a model
 * that knows at every moment whose kernel holds which session. Sessions begin, end and move with
 * their port; fpmd and hosts die and come back; links are cut in one or both directions, lose,
 * double, delay and reorder; routes come and go in any order; clocks are wrong and jump; hosts
 * pause; stores are full; and all the while everybody looks sessions up. Then all is mended.
 *
 * What must hold of each answer; "throughout" is from the question to the answer:
 *   - there is exactly one, by the deadline, and none after the asker's end;
 *   - FOUND names a host whose kernel once had the session. If it neither has it nor has it still
 *     published at any time of the look-up, it cannot be asked: it is down, out of reach, or was
 *     within the last 3 s. It is never the asker itself;
 *   - FOUND names no former owner while another host has the session throughout, got it at least
 *     25 ms later (clocks are not known better on links of up to 20 ms), its replicas
 *     confirmed that, and nothing was amiss anywhere for 8 s;
 *   - ABSENT is not said while a member in the asker's ring, or one that was within reach for 3 s,
 *     has the session throughout.
 * And in the end, 10 s after all is mended:
 *   - each session is found at its owner from everywhere; one that ended is absent, or is said to
 *     be of a host that is down;
 *   - nobody has a record of a session that ended at a host that is there, unless routes went,
 *     datagrams were lost, or
 *     several hosts had sessions of that flow, or a member was silent for half of the lifetime;
 *   - nobody waits for anything, no table is larger than it may be, and nothing leaks.
 */
#ifndef HOLDFAST_TEST_HISTORY_H
#define HOLDFAST_TEST_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history_totals {
	uint64_t histories, actions, found, absent, timed_out, found_dead, datagrams;
	uint64_t full, ahead, superseded, boots, refusals, pages;
};

extern struct history_totals history_totals;

/* Plays the history of *seed*. Returns true, or false with what did not hold in *failure*. */
bool history_play(uint64_t seed, const char *key_path, char *failure, size_t size);

#endif
