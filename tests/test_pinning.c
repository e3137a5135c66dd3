// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon: the life of pins. */
#include <errno.h>

#include "tests/daemon_rig.h"

typedef void tell_fn(struct directory *directory, const struct in6_addr *member,
		     const struct flow *flow);

/* A pin to OWNER_1: *tell* ends it when it comes from there, and does not from another one. */
static void begin_told(tell_fn *tell)
{
	struct in6_addr first = unit_address(OWNER_1), second = unit_address(OWNER_2);
	struct flow flow = unit_flow(1);

	begin_running();
	detour(1, OWNER_1);
	tell(d->directory, &second, &flow);
	ck_assert_uint_ne(pin_of(1), 0);
	tell(d->directory, &first, &flow);
	ck_assert_uint_eq(pin_of(1), 0);
}

START_TEST(the_end_of_a_session_ends_its_pin)
{
	begin_told(memory_directory_ended);
	ck_assert_uint_eq(d->counters.pins_told, 1);
	ck_assert_uint_eq(d->counters.ends_received, 2);
	ck_assert_uint_eq(d->counters.pins_refused, 0);
	end();
}
END_TEST

START_TEST(a_refusal_ends_the_pin_of_that_owner_only)
{
	struct in6_addr first = unit_address(OWNER_1);
	struct flow flow = unit_flow(1);

	begin_told(memory_directory_refused);
	memory_directory_refused(d->directory, &first, &flow);
	ck_assert_uint_eq(d->counters.pins_refused, 1);
	ck_assert_uint_eq(d->counters.refusals_received, 3);
	end();
}
END_TEST

START_TEST(a_pin_that_the_kernel_keeps_is_kept)
{
	struct in6_addr member = unit_address(OWNER_1);
	struct flow flow = unit_flow(1);
	uint16_t owner;

	begin_running();
	owner = owner_id(OWNER_1);
	detour(1, OWNER_1);
	detour(2, OWNER_1);
	kernel_mock_fail_pins(-ENOBUFS);
	memory_directory_refused(d->directory, &member, &flow);
	ck_assert_uint_eq(pin_of(1), owner);
	route_send(OWNER_1, false);
	run();
	ck_assert_uint_eq(pin_of(1), owner);
	ck_assert(kernel_mock_owner(owner, NULL));
	ck_assert_uint_ge(d->counters.pins_failed, 3);
	kernel_mock_fail_pins(0);
	pass(0);
	ck_assert_uint_eq(pins_count(&d->pins), 0);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	ck_assert(!kernel_mock_owner(owner, NULL));
	end();
}
END_TEST

static void refuse_flow_1(evutil_socket_t fd, short what, void *arg)
{
	struct in6_addr member = unit_address(OWNER_1);
	struct flow flow = unit_flow(1);

	memory_directory_refused(d->directory, &member, &flow);
}

START_TEST(a_refusal_overtakes_an_answer_that_waits)
{
	uint32_t id;

	begin_running();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	id = stray(1);
	run();
	/* In one turn of the loop: the answer, the refusal, and what follows from the answer. */
	memory_directory_release(d->directory);
	event_base_once(base, -1, EV_TIMEOUT, refuse_flow_1, NULL, NULL);
	run();
	ck_assert_uint_eq(d->counters.lookups_found, 1);
	ck_assert_uint_eq(d->counters.refusals_received, 1);
	expect(id, KERNEL_DROP, 0);
	ck_assert_uint_eq(pin_of(1), 0);
	end();
}
END_TEST

START_TEST(an_accepted_connection_ends_the_pin)
{
	struct flow flow = unit_flow(1);

	begin_running();
	detour(1, OWNER_1);
	kernel_mock_session_open(&flow);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(d->counters.pins_accepted, 1);
	end();
}
END_TEST

START_TEST(pins_are_checked)
{
	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_1);
	detour(3, OWNER_1);
	detour(4, OWNER_1);
	detour(5, OWNER_1);
	answer(2, DIRECTORY_FOUND, OWNER_2);
	answer(3, DIRECTORY_ABSENT, NULL);
	answer(4, DIRECTORY_TIMED_OUT, NULL);
	answer(5, DIRECTORY_FOUND, LOCAL);
	pass(59000);
	ck_assert_uint_eq(d->counters.pin_checks, 0);
	pass(1100);
	ck_assert_uint_eq(d->counters.pin_checks, 5);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(2), owner_id(OWNER_2));
	ck_assert_uint_eq(pin_of(3), 0);
	ck_assert_uint_eq(pin_of(4), owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(5), 0);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 2);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_2)].pins, 1);
	ck_assert_uint_eq(d->counters.pins_moved, 1);
	ck_assert_uint_eq(d->counters.pins_ended, 2);
	end();
}
END_TEST

START_TEST(a_pin_that_goes_while_it_is_checked)
{
	struct flow flow = unit_flow(1);

	begin_running();
	detour(1, OWNER_1);
	memory_directory_hold(d->directory);
	pass(60100);
	ck_assert_uint_eq(d->counters.pin_checks, 1);
	kernel_mock_session_open(&flow);
	ck_assert_uint_eq(pin_of(1), 0);
	memory_directory_release(d->directory);
	run();
	ck_assert_uint_eq(pins_count(&d->pins), 0);
	end();
}
END_TEST

START_TEST(pins_and_owners_are_taken_over)
{
	struct in6_addr owner = unit_address(OWNER_1), other = unit_address("10.255.0.9");
	struct flow first = unit_flow(1), second = unit_flow(2);

	begin();
	kernel_mock_owner_put(4, &owner);
	kernel_mock_owner_put(9, &other);
	kernel_mock_pin_put(&first, 4);
	kernel_mock_pin_put(&second, 9);
	config_send();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	answer(2, DIRECTORY_TIMED_OUT, NULL);
	ck_assert_uint_eq(owner_id(OWNER_1), 4);
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 9);
	ck_assert_uint_eq(d->counters.pins_taken_over, 2);
	/* Before the replay ended a stray goes to an owner that was found. */
	answer(3, DIRECTORY_FOUND, OWNER_1);
	expect_stray(3, KERNEL_DETOUR, 4);
	/* The replay says who is there: one by one, so no member is given up at once. */
	replay_end_send();
	ck_assert_uint_eq(pin_of(2), 9);
	route_send(OWNER_1, true);
	run();
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 9);
	ck_assert(!d->reach.isolated);
	pass(REACH_RETURN_MS + 1);
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 0);
	ck_assert(!kernel_mock_owner(9, NULL));
	end();
}
END_TEST

/* What ended while fpmd was away was told to nobody. */
START_TEST(pins_that_were_taken_over_are_checked_at_once)
{
	struct in6_addr owner = unit_address(OWNER_1), mute = unit_address(OWNER_2);
	struct flow flow;

	begin();
	kernel_mock_owner_put(4, &owner);
	kernel_mock_owner_put(5, &mute);
	for (uint16_t port = 1; port <= 4; port++) {
		flow = unit_flow(port);
		kernel_mock_pin_put(&flow, port == 4 ? 5 : 4);
	}
	config_send();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	answer(2, DIRECTORY_ABSENT, NULL);
	answer(3, DIRECTORY_TIMED_OUT, NULL);
	answer(4, DIRECTORY_ABSENT, NULL);
	member_add(OWNER_1);
	route_send(OWNER_2, true); /* no fpmd there: it could not speak for its sessions */
	run();
	ck_assert_uint_eq(d->counters.pin_checks, 0);
	replay_end_send();
	run();
	pass(REACH_LEARN_MS); /* before, nobody is known to be absent */
	ck_assert_uint_ge(d->counters.pin_checks, 4);
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 0);
	ck_assert_uint_eq(pin_of(3), 4);
	ck_assert_uint_eq(pin_of(4), 5);
	answer(3, DIRECTORY_ABSENT, NULL);
	pass(PIN_RETRY_MS);
	ck_assert_uint_eq(pin_of(3), 0);
	end();
}
END_TEST

START_TEST(an_owner_found_late_does_not_cut_this_host_off)
{
	struct in6_addr other = unit_address("10.255.0.9");

	begin();
	kernel_mock_owner_put(9, &other);
	memory_directory_fail_open("the key file cannot be read");
	config_send();
	route_send(OWNER_1, true);
	replay_end_send();
	memory_directory_fail_open(NULL);
	pass(2100);
	ck_assert(daemon_running(d));
	ck_assert(!d->reach.isolated);
	ck_assert_uint_eq(owner_id("10.255.0.9"), 9);
	pass(REACH_RETURN_MS + 1);
	ck_assert_uint_eq(owner_id("10.255.0.9"), 0);
	end();
}
END_TEST

START_TEST(pins_that_cannot_be_taken_over_are_removed)
{
	struct in6_addr owner = unit_address(OWNER_1);
	struct flow flow;

	begin();
	config.pins_max = 2;
	kernel_mock_owner_put(4, &owner);
	for (uint16_t port = 1; port <= 4; port++) {
		flow = unit_flow(port);
		kernel_mock_pin_put(&flow, port == 1 ? 7 : 4);
	}
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(pins_count(&d->pins), 2);
	ck_assert_uint_eq(kernel_mock_pins(), 2);
	end();
}
END_TEST

UNIT_MAIN("pinning", the_end_of_a_session_ends_its_pin, a_refusal_ends_the_pin_of_that_owner_only,
	  a_pin_that_the_kernel_keeps_is_kept, a_refusal_overtakes_an_answer_that_waits,
	  an_accepted_connection_ends_the_pin, pins_are_checked,
	  a_pin_that_goes_while_it_is_checked, pins_and_owners_are_taken_over,
	  pins_that_were_taken_over_are_checked_at_once,
	  an_owner_found_late_does_not_cut_this_host_off,
	  pins_that_cannot_be_taken_over_are_removed)
