/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The members' clock: who is right, who is outvoted, and what everybody makes of it. */
#include "tests/unit.h"

#include "fpmd/directory/group_clock.h"

#define HOUR_MS INT64_C(3600000)
#define NOW_MS UINT64_C(1750000000000) /* some day in 2025 */

/* A host that was up for *up_ms* when fpmd started with this wall clock. */
static struct group_clock started(uint64_t wall_ms, uint64_t up_ms)
{
	struct group_clock clock;

	group_clock_start(&clock, wall_ms, up_ms);
	return clock;
}

START_TEST(alone_it_is_the_wall_clock_of_the_start)
{
	struct group_clock clock = started(NOW_MS, 5000);

	ck_assert_uint_eq(group_clock_ms(&clock, 5000), NOW_MS);
	ck_assert_uint_eq(group_clock_ms(&clock, 6000), NOW_MS + 1000);
	ck_assert_uint_eq(group_clock_own(&clock, 6000), NOW_MS + 1000);
	ck_assert_int_eq(group_clock_error(&clock, NOW_MS + 1000, 6000), 0);
	/* The wall clock jumps; this one does not. */
	ck_assert_int_eq(group_clock_error(&clock, NOW_MS + 1000 + 3600000, 6000), HOUR_MS);
	ck_assert_int_eq(group_clock_error(&clock, NOW_MS + 1000 - 3600000, 6000), -HOUR_MS);
	/* 1970, on a host that is up for longer than the wall clock says. */
	clock = started(1, 9000000);
	ck_assert_uint_eq(group_clock_ms(&clock, 9000000), 1);
	ck_assert_uint_eq(group_clock_ms(&clock, 9000500), 501);
	/* Time is never 0, as no version may be. */
	ck_assert_uint_eq(group_clock_ms(&clock, 0), 1);
}
END_TEST

START_TEST(the_distance_is_that_of_the_middle)
{
	ck_assert_int_eq(group_clock_distance(NOW_MS, 1000, 1000), (int64_t)NOW_MS - 1000);
	ck_assert_int_eq(group_clock_distance(NOW_MS, 1000, 1400), (int64_t)NOW_MS - 1200);
	ck_assert_int_eq(group_clock_distance(500, 1000, 1000), -500);
}
END_TEST

/* Every member of the group, with its own uptime, gets to the same time. */
static int64_t agreed(const int64_t *wrong_ms, size_t count)
{
	int64_t result = 0;

	ck_assert_uint_le(count, 8);
	for (size_t self = 0; self < count; self++) {
		uint64_t up_ms = 1000000 * (self + 1);
		struct group_clock clock = started(NOW_MS + (uint64_t)wrong_ms[self], up_ms);
		int64_t distance[8] = {clock.own_ms}, error_ms;
		size_t known = 1;

		for (size_t i = 0; i < count; i++) {
			if (i != self)
				distance[known++] = group_clock_distance(
					NOW_MS + (uint64_t)wrong_ms[i], up_ms, up_ms);
		}
		group_clock_follow(&clock, distance, known);
		error_ms = (int64_t)(group_clock_ms(&clock, up_ms) - NOW_MS);
		ck_assert(self == 0 || error_ms == result);
		result = error_ms;
		/* What it says is its own, or two wrong ones would keep each other wrong. */
		ck_assert_uint_eq(group_clock_own(&clock, up_ms),
				  NOW_MS + (uint64_t)wrong_ms[self]);
	}
	return result;
}

START_TEST(all_agree_and_few_are_outvoted)
{
	const int64_t to_1970 = -(int64_t)NOW_MS + 1000;

	ck_assert_int_eq(agreed((int64_t[]){0}, 1), 0);
	ck_assert_int_eq(agreed((int64_t[]){0, HOUR_MS}, 2), HOUR_MS);
	ck_assert_int_eq(agreed((int64_t[]){to_1970, 0}, 2), 0);
	ck_assert_int_eq(agreed((int64_t[]){0, HOUR_MS, 0}, 3), 0);
	ck_assert_int_eq(agreed((int64_t[]){0, to_1970, 0}, 3), 0);
	ck_assert_int_eq(agreed((int64_t[]){HOUR_MS, to_1970, 0}, 3), 0);
	ck_assert_int_eq(agreed((int64_t[]){HOUR_MS, to_1970, HOUR_MS}, 3), HOUR_MS);
	ck_assert_int_eq(agreed((int64_t[]){0, 0, HOUR_MS, HOUR_MS, to_1970}, 5), 0);
	ck_assert_int_eq(agreed((int64_t[]){3, 1, 2, 5, 4}, 5), 3);
}
END_TEST

START_TEST(a_step_is_told)
{
	struct group_clock clock = started(NOW_MS, 0);

	ck_assert(!group_clock_follow(&clock, (int64_t[]){clock.own_ms}, 1));
	ck_assert(!group_clock_follow(
		&clock, (int64_t[]){clock.own_ms, clock.own_ms + GROUP_CLOCK_STEP_MS}, 2));
	ck_assert_int_eq(clock.group_ms, clock.own_ms + GROUP_CLOCK_STEP_MS);
	ck_assert(!group_clock_follow(&clock, (int64_t[]){clock.own_ms}, 1));
	ck_assert(group_clock_follow(
		&clock, (int64_t[]){clock.own_ms, clock.own_ms + GROUP_CLOCK_STEP_MS + 1}, 2));
	ck_assert(group_clock_follow(&clock, (int64_t[]){clock.own_ms}, 1));
	ck_assert_int_eq(clock.group_ms, clock.own_ms);
}
END_TEST

UNIT_MAIN("group_clock", alone_it_is_the_wall_clock_of_the_start,
	  the_distance_is_that_of_the_middle, all_agree_and_few_are_outvoted, a_step_is_told)
