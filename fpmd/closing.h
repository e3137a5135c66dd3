/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions whose socket closed while the kernel still knows the 4-tuple (TIME_WAIT, FIN_WAIT_2):
 * each is looked at again after a while, and its record is deleted only when the kernel has
 * forgotten it. Pure; time is an argument.
 */
#ifndef HOLDFAST_CLOSING_H
#define HOLDFAST_CLOSING_H

#include "fpmd/table.h"

#include "fpmd/flow.h"

/*
 * How long until the next look, by how often it was looked before: soon, since a segment from the
 * client may end it at once, then after TIME_WAIT, 60 s (linux/include/net/tcp.h,
 * TCP_TIMEWAIT_LEN).
 */
#define CLOSING_LOOKS 4
#define CLOSING_WAIT_MAX_MS 61000
#define CLOSING_WAITS_MS    {1000, 4000, 16000, CLOSING_WAIT_MAX_MS}
#define CLOSING_MAX 4000000

struct closing {
	struct flow flow;
	uint64_t due_ms;
	uint8_t looks;
	struct closing *next, *prev;
	UT_hash_handle hh;
};

struct closings {
	struct closing *table;
	struct closing *queue[CLOSING_LOOKS]; /* of those looked at so often; soonest first */
};

/* To be looked at again, after *looks* looks already. False: no room. */
bool closing_add(struct closings *closings, const struct flow *flow, uint8_t looks,
		 uint64_t now_ms);

/* The 4-tuple lives again (port reuse). */
void closing_cancel(struct closings *closings, const struct flow *flow);

/* Takes out one that is due; *looks* counts this one. False: none is. */
bool closing_take(struct closings *closings, uint64_t now_ms, struct flow *flow, uint8_t *looks);

size_t closings_count(const struct closings *closings);
void closings_clear(struct closings *closings);

#endif
