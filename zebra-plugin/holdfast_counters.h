/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module's counters. Any pthread counts and reads. */
#ifndef HOLDFAST_COUNTERS_H
#define HOLDFAST_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

enum holdfast_counter {
	COUNT_CONTEXTS,
	COUNT_ROUTES,
	COUNT_REPLAYED,
	COUNT_REPLAYS,
	COUNT_CONNECTS,
	COUNT_DISCONNECTS,
	COUNT_FRAMES_SENT,
	COUNT_BYTES_SENT,
	COUNT_FRAMES_RECEIVED,
	COUNT_FRAMES_BAD,
	COUNT_FRAMES_UNEXPECTED,
	COUNT_SHOWS,
	COUNT_SHOWS_FAILED,
	COUNT_MAX,
};

void holdfast_count(enum holdfast_counter counter, uint64_t by);

/* Name (JSON key and CLI word), explanation and value of the counter at *index*; NULL at the end.
 */
const char *holdfast_counter_get(size_t index, const char **help, uint64_t *value);

#endif
