// SPDX-License-Identifier: GPL-2.0-or-later
/* `clear holdfast pins`: what goes, what stays, and how what went comes back. */
#include <errno.h>

#include "tests/director_rig.h"

static void expect_said(const char *said, const char *expected)
{
	ck_assert_str_eq(said, expected);
}

#define REMOVED(count)                                                                             \
#count " pins were removed: the next segment of each flow is looked up anew\n"

START_TEST(pins_of_a_server_go_and_come_back)
{
	begin_running();
	for (uint16_t port = 1; port <= 3; port++)
		detour(port, port < 3 ? OWNER_1 : OWNER_2);
	expect_said(clear_pins_of(OWNER_1, 0, false), REMOVED(2));
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(pin_of(2), 0);
	ck_assert_uint_eq(pin_of(3), owner_id(OWNER_2));
	detour(1, OWNER_1);
	expect_said(clear_pins_of(NULL, 1, false), REMOVED(1));
	ck_assert_uint_eq(pin_of(1), 0);
	expect_said(clear_pins_of(NULL, 1, false), "% 198.51.100.7:1 > 192.0.2.80:80 has no pin\n");
	/* The segment after it asks anew, and the session may have moved meanwhile. */
	detour(1, OWNER_2);
	expect_said(clear_pins_of(NULL, 0, true), "{\n  \"removed\":2,\n  \"checked\":0,\n  "
						  "\"kept\":0,\n  \"failed\":0\n}\n");
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	ck_assert_uint_eq(d->counters.pins_cleared, 5);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_2)].pins, 0);
	expect_said(clear_pins_of(NULL, 0, false), REMOVED(0));
	expect_said(clear_pins_of("10.255.0.77", 0, false),
		    "% 10.255.0.77 is no member that pins lead to: see show holdfast members\n");
	end();
}
END_TEST

START_TEST(many_go_in_few_transactions)
{
	unsigned int batches;

	begin_running();
	config.pins_max = 2000;
	config_send();
	for (uint16_t port = 1; port <= 1500; port++) {
		struct pin_wish wish = {.flow = unit_flow(port), .owner = owner_id(OWNER_1)};

		ck_assert_uint_eq(pinning_put(d, &wish, 1), 1);
	}
	batches = kernel_mock_pin_batches();
	expect_said(clear_pins_of(NULL, 0, false), REMOVED(1500));
	ck_assert_uint_eq(kernel_mock_pin_batches() - batches, 2);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	end();
}
END_TEST

START_TEST(those_that_nobody_could_be_asked_for_stay)
{
	begin_running();
	detour(1, OWNER_1);
	route_send(OWNER_1, false);
	route_send(OWNER_2, false);
	pass(REACH_SETTLE_MS + 100);
	ck_assert(d->reach.isolated);
	expect_said(clear_pins_of(NULL, 0, false),
		    "% nothing is removed: members are not known now, or all out of reach, so that "
		    "nobody could tell whose the flows are\n");
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	/* One is back, the other one may be. */
	route_send(OWNER_2, true);
	pass(REACH_SETTLE_MS + 100);
	ck_assert(!d->reach.isolated);
	expect_said(clear_pins_of(NULL, 0, false),
		    REMOVED(0) "% 1 pins stay: their owner is out of reach now, and nobody else "
			       "knows the flows\n");
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	route_send(OWNER_1, true);
	pass(REACH_SETTLE_MS + 100);
	expect_said(clear_pins_of(NULL, 0, false), REMOVED(1));
	end();
}
END_TEST

START_TEST(what_the_kernel_refuses_stays)
{
	begin_running();
	detour(1, OWNER_1);
	kernel_mock_fail_pins(-EBUSY);
	expect_said(clear_pins_of(NULL, 0, false),
		    REMOVED(0) "% 1 pins stay: the kernel refused\n");
	kernel_mock_fail_pins(0);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(a_director_finds_owners_again)
{
	uint16_t a = begin_shared();

	answer(1, DIRECTORY_FOUND, OWNER_2);
	flow_began(1, a);
	pass(60);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_2));
	ck_assert_uint_eq(d->counters.flow_pins, 1);
	expect_said(clear_pins_of(NULL, 0, false), REMOVED(1));
	/* The flow is in the kernel's records, and its path is up: nothing waits for it. */
	pass(6000);
	pass(1000);
	ck_assert_uint_eq(d->counters.flow_pins, 2);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_2));
	end();
}
END_TEST

START_TEST(what_a_directors_flows_go_by_stays_and_is_checked)
{
	uint16_t a = begin_shared();

	answer(1, DIRECTORY_FOUND, OWNER_2);
	flow_began(1, a);
	pass(60);
	routes("B", "B", "B");
	ck_assert(!kernel_mock_path(a)->up);
	expect_said(clear_pins_of(NULL, 1, false),
		    REMOVED(0) "% 1 pins stay, and are checked now: flows of withdrawn paths, or "
			       "seen in mid-life, go by them\n");
	ck_assert_uint_ne(raw_pin(1), 0);
	/* The check puts right what was wrong. */
	answer(1, DIRECTORY_FOUND, OWNER_1);
	pass(PIN_RETRY_MS + 100);
	pass(100);
	ck_assert_uint_eq(raw_pin(1) & ~KERNEL_PIN_DIRECT, owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(nothing_to_clear_while_fpmd_does_nothing)
{
	begin();
	expect_said(clear_pins_of(NULL, 0, false),
		    "% fpmd does nothing to any flow now: see show holdfast\n");
	end();
}
END_TEST

UNIT_MAIN("clear_pins", pins_of_a_server_go_and_come_back, many_go_in_few_transactions,
	  those_that_nobody_could_be_asked_for_stay, what_the_kernel_refuses_stays,
	  a_director_finds_owners_again, what_a_directors_flows_go_by_stays_and_is_checked,
	  nothing_to_clear_while_fpmd_does_nothing)
