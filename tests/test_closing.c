// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/closing.h"
#include "tests/unit.h"

START_TEST(taken_when_due_in_order)
{
	struct closings closings = {0};
	struct flow one = unit_flow(1), two = unit_flow(2), out;

	closing_add(&closings, &one, 1000, 0);
	closing_add(&closings, &two, 1000, 10);
	ck_assert(!closing_take(&closings, 999, &out));
	ck_assert(closing_take(&closings, 1005, &out));
	ck_assert(flow_equal(&out, &one));
	ck_assert(!closing_take(&closings, 1005, &out));
	ck_assert(closing_take(&closings, 1010, &out));
	ck_assert(flow_equal(&out, &two));
	ck_assert_uint_eq(closings_count(&closings), 0);
}
END_TEST

START_TEST(a_reused_port_cancels)
{
	struct closings closings = {0};
	struct flow one = unit_flow(1), out;

	closing_add(&closings, &one, 1000, 0);
	closing_add(&closings, &one, 1000, 500);
	ck_assert_uint_eq(closings_count(&closings), 1);
	ck_assert(!closing_take(&closings, 1000, &out));
	closing_cancel(&closings, &one);
	ck_assert(!closing_take(&closings, 5000, &out));
	closing_cancel(&closings, &one);
}
END_TEST

UNIT_MAIN("closing", taken_when_due_in_order, a_reused_port_cancels)
