// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon as a director: what becomes of the flows of a path that is withdrawn. */
#include "tests/director_rig.h"

START_TEST(a_withdrawn_path_hurries_its_flows)
{
	struct flow untold = unit_flow(3);
	uint16_t a = begin_shared();

	for (uint16_t port = 1; port <= 4; port++)
		answer(port, DIRECTORY_FOUND, OWNER_2);
	/* Unknown when it was asked for. */
	answer(4, DIRECTORY_ABSENT, NULL);
	flow_began(4, a);
	answer(4, DIRECTORY_FOUND, OWNER_2);
	flow_event(1, a, KERNEL_FLOW_BEGAN);
	flow_event(2, id_of(B), KERNEL_FLOW_BEGAN);
	/* Nobody was told of this one. */
	kernel_mock_flow_put(&untold, a);
	run_ms(5);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	route_send_via(OWNER_1, "B");
	route_send_via(OWNER_2, "B");
	route_send_via(VIP, "B");
	run_ms(5);
	ck_assert(!kernel_mock_path(a)->up);
	run_ms(5);
	/* Whatever path the kernel has sent them by meanwhile. */
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_2) | KERNEL_PIN_DIRECT);
	ck_assert_uint_eq(raw_pin(3), owner_id(OWNER_2) | KERNEL_PIN_DIRECT);
	ck_assert_uint_eq(raw_pin(4), owner_id(OWNER_2) | KERNEL_PIN_DIRECT);
	ck_assert_uint_eq(raw_pin(2), 0);
	pass(60);
	ck_assert_uint_eq(raw_pin(2), owner_id(OWNER_2));
	end();
}
END_TEST

/* To read all flows takes its time. */
START_TEST(those_that_nobody_told_of_come_last)
{
	struct flow untold = unit_flow(2);
	uint16_t a = begin_shared();

	answer(1, DIRECTORY_FOUND, OWNER_2);
	answer(2, DIRECTORY_FOUND, OWNER_2);
	kernel_mock_flow_put(&untold, a);
	flow_event(1, a, KERNEL_FLOW_BEGAN);
	memory_directory_hold(d->directory);
	routes("B", "B", "B");
	ck_assert_uint_eq(memory_directory_record_gets(d->directory), 1);
	memory_directory_release(d->directory);
	run();
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_2) | KERNEL_PIN_DIRECT);
	ck_assert_uint_eq(raw_pin(2), owner_id(OWNER_2) | KERNEL_PIN_DIRECT);
	end();
}
END_TEST

/* An answer to a segment that nobody wants is better than silence. */
START_TEST(a_disowned_flow_of_a_withdrawn_path_is_reset)
{
	struct in6_addr owner = unit_address(OWNER_1);
	struct flow flow = unit_flow(1), other = unit_flow(2);
	uint16_t a;

	begin_director("AB", "AC", "B");
	a = id_of(A);
	memory_directory_refused(d->directory, &owner, &flow);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	routes("B", "C", "B");
	ck_assert(!kernel_mock_path(a)->up);
	ck_assert(address_equal(&kernel_mock_path(a)->backup_owner, &owner));
	memory_directory_ended(d->directory, &owner, &other);
	memory_directory_refused(d->directory, &owner, &flow);
	ck_assert_uint_eq(raw_pin(1), KERNEL_PIN_DIRECT);
	ck_assert_uint_eq(raw_pin(2), 0);
	ck_assert_uint_eq(d->counters.flows_reset, 1);
	/* One that had a pin there, too. */
	answer(2, DIRECTORY_FOUND, OWNER_1);
	flow_event(2, a, KERNEL_FLOW_ADOPTED);
	run_ms(80);
	ck_assert_uint_eq(raw_pin(2), owner_id(OWNER_1));
	memory_directory_refused(d->directory, &owner, &other);
	ck_assert_uint_eq(raw_pin(2), KERNEL_PIN_DIRECT);
	/* That of a flow that is over goes with a check. */
	answer(2, DIRECTORY_ABSENT, NULL);
	pass(61000);
	pass(1000);
	ck_assert_uint_eq(raw_pin(2), 0);
	end();
}
END_TEST

UNIT_MAIN("director_withdrawn", those_that_nobody_told_of_come_last,
	  a_withdrawn_path_hurries_its_flows, a_disowned_flow_of_a_withdrawn_path_is_reset)
