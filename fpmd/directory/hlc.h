/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hybrid logical clock that versions records: 48 bits of ms since 1970, 16 bits of count. Pure.
 * Each value is greater than every value given out or taken before, also when the clock jumps back.
 */
#ifndef HOLDFAST_DIRECTORY_HLC_H
#define HOLDFAST_DIRECTORY_HLC_H

#include <stdbool.h>
#include <stdint.h>

#define HLC_AHEAD_MAX_MS 5000

struct hlc {
	uint64_t last;
};

/* A new version; *now_ms* is the wall clock. */
uint64_t hlc_next(struct hlc *hlc, uint64_t now_ms);

/* Takes note of another member's version. Returns false, and does not, if it is too far ahead. */
bool hlc_observe(struct hlc *hlc, uint64_t version, uint64_t now_ms);

static inline uint64_t hlc_ms(uint64_t version)
{
	return version >> 16;
}

#endif
