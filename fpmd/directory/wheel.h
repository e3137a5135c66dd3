/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wake-ups of many things, each O(1): a timer wheel. Pure; time is monotonic microseconds. A thing
 * comes up at its time or up to WHEEL_TICK_US later, never before; but one that is due later than
 * WHEEL_HORIZON_US from now on comes up too early, and is to be set again.
 */
#ifndef HOLDFAST_DIRECTORY_WHEEL_H
#define HOLDFAST_DIRECTORY_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_US 250
#define WHEEL_SLOTS 4096
#define WHEEL_HORIZON_US ((uint64_t)WHEEL_TICK_US * (WHEEL_SLOTS - 1))

struct wheel_node {
	struct wheel_node *next, *previous;
	uint64_t tick; /* 0: not set */
};

struct wheel {
	struct wheel_node *slot[WHEEL_SLOTS];
	uint64_t used[WHEEL_SLOTS / 64]; /* bits: slots that are not empty */
	uint64_t tick;			 /* all before it came up */
	unsigned int set;		 /* nodes */
};

/* A wheel of zeros is an empty one. A node that is set already is moved. */
void wheel_set(struct wheel *wheel, struct wheel_node *node, uint64_t at_us, uint64_t now_us);
void wheel_unset(struct wheel *wheel, struct wheel_node *node);

/* A node whose time has come, no longer set; NULL: none. */
struct wheel_node *wheel_due(struct wheel *wheel, uint64_t now_us);

/* When the next one is due; UINT64_MAX: none is set. */
uint64_t wheel_next_us(const struct wheel *wheel);

#endif
