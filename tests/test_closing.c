// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/closing.h"
#include "tests/unit.h"

START_TEST(taken_when_due_in_order)
{
	struct closings closings = {0};
	struct flow one = unit_flow(1), two = unit_flow(2), out;
	uint8_t looks;

	closing_add(&closings, &one, 0, 0);
	closing_add(&closings, &two, 0, 10);
	ck_assert(!closing_take(&closings, 999, &out, &looks));
	ck_assert(closing_take(&closings, 1005, &out, &looks));
	ck_assert(flow_equal(&out, &one));
	ck_assert_uint_eq(looks, 1);
	ck_assert(!closing_take(&closings, 1005, &out, &looks));
	ck_assert(closing_take(&closings, 1010, &out, &looks));
	ck_assert(flow_equal(&out, &two));
	ck_assert_uint_eq(closings_count(&closings), 0);
}
END_TEST

START_TEST(each_look_comes_later_than_the_last)
{
	static const uint64_t waits_ms[] = CLOSING_WAITS_MS;
	struct closings closings = {0};
	struct flow one = unit_flow(1), out;
	uint64_t now = 0;
	uint8_t looks = 0;

	for (size_t i = 0; i < 10; i++) {
		uint64_t wait = waits_ms[i < CLOSING_LOOKS ? i : CLOSING_LOOKS - 1];

		closing_add(&closings, &one, looks, now);
		ck_assert(!closing_take(&closings, now + wait - 1, &out, &looks));
		ck_assert(closing_take(&closings, now + wait, &out, &looks));
		now += wait;
	}
}
END_TEST

START_TEST(a_reused_port_cancels)
{
	struct closings closings = {0};
	struct flow one = unit_flow(1), out;
	uint8_t looks;

	closing_add(&closings, &one, 0, 0);
	closing_add(&closings, &one, 0, 500);
	ck_assert_uint_eq(closings_count(&closings), 1);
	ck_assert(!closing_take(&closings, 1000, &out, &looks));
	closing_cancel(&closings, &one);
	ck_assert(!closing_take(&closings, 5000, &out, &looks));
	closing_cancel(&closings, &one);
}
END_TEST

UNIT_MAIN("closing", taken_when_due_in_order, each_look_comes_later_than_the_last,
	  a_reused_port_cancels)
