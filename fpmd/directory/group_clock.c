/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The median of the members' clocks. Pure. */
#include "fpmd/directory/group_clock.h"

#include <stdlib.h>

void group_clock_start(struct group_clock *clock, uint64_t wall_ms, uint64_t now_ms)
{
	clock->own_ms = (int64_t)(wall_ms - now_ms);
	clock->group_ms = clock->own_ms;
}

static uint64_t at(int64_t distance_ms, uint64_t now_ms)
{
	int64_t time_ms = distance_ms + (int64_t)now_ms;

	return time_ms > 0 ? (uint64_t)time_ms : 1;
}

uint64_t group_clock_own(const struct group_clock *clock, uint64_t now_ms)
{
	return at(clock->own_ms, now_ms);
}

uint64_t group_clock_ms(const struct group_clock *clock, uint64_t now_ms)
{
	return at(clock->group_ms, now_ms);
}

int64_t group_clock_distance(uint64_t told_ms, uint64_t asked_ms, uint64_t now_ms)
{
	return (int64_t)(told_ms - (asked_ms + (now_ms - asked_ms) / 2));
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

bool group_clock_follow(struct group_clock *clock, int64_t *distance, size_t count)
{
	int64_t before_ms = clock->group_ms;

	qsort(distance, count, sizeof(*distance), compare);
	clock->group_ms = distance[count / 2];
	return llabs(clock->group_ms - before_ms) > GROUP_CLOCK_STEP_MS;
}

int64_t group_clock_error(const struct group_clock *clock, uint64_t wall_ms, uint64_t now_ms)
{
	return (int64_t)(wall_ms - group_clock_ms(clock, now_ms));
}
