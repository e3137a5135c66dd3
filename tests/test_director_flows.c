// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon as a director: flows, their owners and their pins. */
#include <errno.h>

#include "tests/director_rig.h"

START_TEST(a_flow_on_a_shared_path_is_pinned_to_its_owner)
{
	struct in6_addr owner = unit_address(OWNER_1);
	struct flow flow = unit_flow(1);

	begin_shared();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	flow_event(1, id_of(A), KERNEL_FLOW_BEGAN);
	run_ms(5);
	/* Its owner needs a moment to publish it. */
	ck_assert_uint_eq(memory_directory_gets(d->directory), 0);
	pass(60);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1));
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 1);
	ck_assert_uint_eq(d->director.path_pins[id_of(A)], 1);
	ck_assert_uint_eq(d->counters.flow_pins, 1);
	/* Nobody is asked who need not be. */
	ck_assert_uint_eq(memory_directory_record_gets(d->directory), 1);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 1);
	/* The session of the port is another one now. */
	answer(1, DIRECTORY_FOUND, OWNER_2);
	flow_began(1, id_of(B));
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_2));
	ck_assert_uint_eq(d->director.path_pins[id_of(A)], 0);
	ck_assert_uint_eq(d->director.path_pins[id_of(B)], 1);
	flow_event(1, id_of(B), KERNEL_FLOW_ENDED);
	run();
	ck_assert_uint_eq(raw_pin(1), 0);
	ck_assert_uint_eq(d->director.path_pins[id_of(B)], 0);
	ck_assert_uint_eq(d->counters.pins_flow_ended, 1);
	/* It ends while it is asked for. */
	memory_directory_hold(d->directory);
	flow_began(1, id_of(A));
	flow_event(1, id_of(A), KERNEL_FLOW_ENDED);
	memory_directory_release(d->directory);
	run();
	ck_assert_uint_eq(raw_pin(1), 0);
	/* It begins anew while it is asked for: what is answered may be another's. */
	memory_directory_hold(d->directory);
	flow_began(1, id_of(A));
	flow_began(1, id_of(B));
	ck_assert_uint_eq(d->counters.flow_lookups, 4);
	memory_directory_release(d->directory);
	run();
	ck_assert_uint_eq(d->counters.flow_lookups, 5);
	flow_event(1, id_of(B), KERNEL_FLOW_ENDED);
	run();
	ck_assert_uint_eq(raw_pin(1), 0);
	/* The owner says that it ended. */
	flow_began(1, id_of(A));
	owner = unit_address(OWNER_2);
	memory_directory_ended(d->directory, &owner, &flow);
	ck_assert_uint_eq(raw_pin(1), 0);
	end();
}
END_TEST

START_TEST(many_are_pinned_at_once)
{
	unsigned int batches;

	begin_shared();
	for (uint16_t port = 1; port <= 200; port++)
		answer(port, DIRECTORY_FOUND, port % 2 ? OWNER_1 : OWNER_2);
	batches = kernel_mock_pin_batches();
	for (uint16_t port = 1; port <= 200; port++)
		flow_event(port, id_of(A), KERNEL_FLOW_BEGAN);
	run_ms(5);
	pass(60);
	for (uint16_t port = 1; port <= 200; port++)
		ck_assert_uint_eq(raw_pin(port), owner_id(port % 2 ? OWNER_1 : OWNER_2));
	ck_assert_uint_le(kernel_mock_pin_batches() - batches, 4);
	batches = kernel_mock_pin_batches();
	for (uint16_t port = 1; port <= 200; port++)
		flow_event(port, id_of(A), KERNEL_FLOW_ENDED);
	run();
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	ck_assert_uint_eq(kernel_mock_pin_batches() - batches, 1);
	end();
}
END_TEST

START_TEST(a_flow_in_mid_life_goes_straight_to_its_owner)
{
	begin_director("ABC", "AB", "BC");
	ck_assert(!path_of(A)->shared);
	ck_assert(path_of(B)->shared);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	answer(2, DIRECTORY_FOUND, OWNER_1);
	answer(3, DIRECTORY_FOUND, OWNER_1);
	/* By chance it goes to whom it belongs. */
	flow_event(1, id_of(A), KERNEL_FLOW_ADOPTED);
	flow_event(2, id_of(B), KERNEL_FLOW_ADOPTED);
	flow_event(3, id_of('C'), KERNEL_FLOW_ADOPTED);
	run_ms(80);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1));
	ck_assert_uint_eq(raw_pin(2), owner_id(OWNER_1) | KERNEL_PIN_DIRECT);
	ck_assert_uint_eq(raw_pin(3), owner_id(OWNER_1) | KERNEL_PIN_DIRECT);
	/* One that is known is not asked for: it only goes another way. */
	flow_event(1, id_of(B), KERNEL_FLOW_ADOPTED);
	run_ms(80);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1) | KERNEL_PIN_DIRECT);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 3);
	ck_assert_uint_eq(kernel_mock_pins(), 3);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 3);
	/* Its owner dies. */
	routes("ABC", "", "BC");
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	end();
}
END_TEST

static void move_to_b(evutil_socket_t fd, short what, void *arg)
{
	ck_assert_uint_eq(d->director.pendings.found_count, 1);
	flow_event(1, id_of(B), KERNEL_FLOW_ADOPTED);
}

/* It takes another path after its owner was found, and before it has its pin. */
START_TEST(a_flow_moves_while_its_pin_waits)
{
	begin_shared();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	flow_began(1, id_of(A));
	memory_directory_release(d->directory);
	/* The answer, then this, then the pins, in one turn of the loop. */
	ck_assert_int_eq(event_base_once(base, -1, EV_TIMEOUT, move_to_b, NULL, NULL), 0);
	run();
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1) | KERNEL_PIN_DIRECT);
	end();
}
END_TEST

START_TEST(nobody_knows_it)
{
	begin_shared();
	answer(1, DIRECTORY_ABSENT, NULL);
	flow_began(1, id_of(A));
	ck_assert_uint_eq(pendings_count(&d->director.pendings), 1);
	for (int i = 0; i < 5; i++)
		pass(30000);
	ck_assert_uint_eq(memory_directory_record_gets(d->directory), 5);
	ck_assert_uint_eq(pendings_count(&d->director.pendings), 0);
	ck_assert_uint_eq(d->counters.flow_lookups_given_up, 1);
	/* An owner that is not a member here is none, nor is one of another family. */
	answer(2, DIRECTORY_FOUND, "10.255.0.99");
	flow_began(2, id_of(A));
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	/* The directory is out of reach: it is asked again, as long as the flow lives. */
	answer(3, DIRECTORY_TIMED_OUT, NULL);
	flow_began(3, id_of(A));
	for (int i = 0; i < 8; i++)
		pass(1000);
	answer(3, DIRECTORY_FOUND, OWNER_1);
	pass(1000);
	ck_assert_uint_eq(raw_pin(3), owner_id(OWNER_1));
	/* It takes no more questions. */
	memory_directory_busy(d->directory, true);
	answer(4, DIRECTORY_FOUND, OWNER_1);
	flow_began(4, id_of(A));
	ck_assert_uint_eq(raw_pin(4), 0);
	memory_directory_busy(d->directory, false);
	pass(60);
	ck_assert_uint_eq(raw_pin(4), owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(a_pin_that_the_kernel_refuses_is_tried_again)
{
	begin_shared();
	kernel_mock_fail_pins(-ENFILE);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	flow_began(1, id_of(A));
	ck_assert_uint_eq(raw_pin(1), 0);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 0);
	ck_assert_uint_eq(d->director.path_pins[id_of(A)], 0);
	kernel_mock_fail_pins(0);
	pass(1000);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(made_up_flows_take_nobodys_place)
{
	begin_shared();
	memory_directory_hold(d->directory);
	/* They have half of the room, as many questions as they may, and room for no pin. */
	for (uint16_t port = 1000; port < 4000; port++)
		flow_event(port, id_of(A), KERNEL_FLOW_ADOPTED);
	pass(1000);
	ck_assert_uint_eq(d->director.pendings.outstanding[PENDING_ADOPTED], 512);
	ck_assert_uint_eq(d->director.pendings.count[PENDING_ADOPTED], 1000);
	ck_assert_uint_eq(d->counters.flows_left_out, 2000);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	flow_began(1, id_of(A));
	ck_assert_uint_eq(d->director.pendings.outstanding[PENDING_BEGAN], 1);
	memory_directory_release(d->directory);
	run();
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1));
	for (int i = 0; i < 4; i++)
		pass(1000);
	ck_assert_uint_eq(pendings_count(&d->director.pendings), 0);
	ck_assert_uint_eq(kernel_mock_pins(), 1);
	/* Each asked twice, and only who keeps the record. */
	ck_assert_uint_eq(memory_directory_record_gets(d->directory), 2001);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 2001);
	end();
}
END_TEST

START_TEST(lost_events_are_made_good)
{
	struct flow flow = unit_flow(1);

	begin_shared();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	kernel_mock_flow_put(&flow, id_of(A));
	kernel_mock_flows_lost();
	pass(60);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1));
	ck_assert_uint_eq(d->director.path_pins[id_of(A)], 1);
	end();
}
END_TEST

UNIT_MAIN("director_flows", a_flow_on_a_shared_path_is_pinned_to_its_owner, many_are_pinned_at_once,
	  a_flow_in_mid_life_goes_straight_to_its_owner, a_flow_moves_while_its_pin_waits,
	  nobody_knows_it, a_pin_that_the_kernel_refuses_is_tried_again,
	  made_up_flows_take_nobodys_place, lost_events_are_made_good)
