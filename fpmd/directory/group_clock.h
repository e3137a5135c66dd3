/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock that versions of records are made of: the one that most members have. Pure; "now" is
 * this host's monotonic clock in ms, all other times are ms since 1970. A wall clock that jumps
 * while fpmd runs changes nothing, one that was wrong at its start is outvoted by the members.
 *
 * Each member has a clock of its own: its wall clock at its start and the time since. It tells it
 * in its answers to hellos. All members take the median of these clocks, so that all of them that
 * know the same members have the same time, also if some clocks, even most of them, are wrong. (Of
 * an even number they take the later one in the middle: two members agree, too.) A member that is
 * left alone keeps the time that it learned.
 */
#ifndef HOLDFAST_DIRECTORY_GROUP_CLOCK_H
#define HOLDFAST_DIRECTORY_GROUP_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Versions that were made before the clock moved by more than this are made anew. */
#define GROUP_CLOCK_STEP_MS 2000
/* A wall clock that differs by more than this is worth a word to the operator. */
#define GROUP_CLOCK_ERROR_MS 2000

/* A clock is a distance to this host's monotonic clock: how many ms it is ahead of that. */
struct group_clock {
	int64_t own_ms;
	int64_t group_ms;
};

void group_clock_start(struct group_clock *clock, uint64_t wall_ms, uint64_t now_ms);

/* What this host tells others. */
uint64_t group_clock_own(const struct group_clock *clock, uint64_t now_ms);

/* What versions are made of. */
uint64_t group_clock_ms(const struct group_clock *clock, uint64_t now_ms);

/* The distance of a member's clock that said *told_ms* between asked_ms and now_ms. */
int64_t group_clock_distance(uint64_t told_ms, uint64_t asked_ms, uint64_t now_ms);

/*
 * Follows the members: *distance* has this host's own_ms and one for each other member, and is put
 * into another order. Returns true if the clock moved by more than GROUP_CLOCK_STEP_MS.
 */
bool group_clock_follow(struct group_clock *clock, int64_t *distance, size_t count);

/* How many ms the wall clock is ahead (negative: behind). */
int64_t group_clock_error(const struct group_clock *clock, uint64_t wall_ms, uint64_t now_ms);

#endif
