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

/* TIME_WAIT lasts 60 s (linux/include/net/tcp.h, TCP_TIMEWAIT_LEN). */
#define CLOSING_WAIT_MS 61000
#define CLOSING_MAX	4000000

struct closing {
	struct flow flow;
	uint64_t due_ms;
	struct closing *next, *prev;
	UT_hash_handle hh;
};

struct closings {
	struct closing *table;
	struct closing *queue; /* soonest first */
};

/* To be looked at again after *wait_ms* (the same for all). False: no room; look again at once. */
bool closing_add(struct closings *closings, const struct flow *flow, uint64_t wait_ms,
		 uint64_t now_ms);

/* The 4-tuple lives again (port reuse). */
void closing_cancel(struct closings *closings, const struct flow *flow);

/* Takes out one that is due. False: none is. */
bool closing_take(struct closings *closings, uint64_t now_ms, struct flow *flow);

size_t closings_count(const struct closings *closings);
void closings_clear(struct closings *closings);

#endif
