// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon: members that come and go with their routes. */
#include <unistd.h>

#include "tests/daemon_rig.h"

START_TEST(a_replay_within_a_connection_counts)
{
	begin_running();
	ck_assert_uint_ne(owner_id(OWNER_1), 0);
	config_send();
	route_send(OWNER_2, true);
	replay_end_send();
	run();
	ck_assert_uint_eq(owner_id(OWNER_1), 0);
	ck_assert_uint_ne(owner_id(OWNER_2), 0);
	end();
}
END_TEST

/* A host that has just started hears of the others one by one. */
START_TEST(nobody_is_known_to_be_absent_while_members_come)
{
	begin();
	config_send();
	replay_end_send();
	answer(1, DIRECTORY_ABSENT, NULL);
	answer(2, DIRECTORY_FOUND, OWNER_2);
	expect_stray(1, KERNEL_DROP, 0);
	member_add(OWNER_1);
	expect_stray(1, KERNEL_DROP, 0);
	expect_stray(2, KERNEL_DROP, 0);
	member_add(OWNER_2);
	expect_stray(2, KERNEL_DETOUR, owner_id(OWNER_2));
	pass(REACH_LEARN_MS);
	expect_stray(1, KERNEL_LOCAL, 0);
	end();
}
END_TEST

START_TEST(what_a_replay_does_not_confirm_is_gone)
{
	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_2);
	zebra_connect();
	ck_assert_uint_eq(kernel_mock_pins(), 2);
	config_send();
	route_send(OWNER_2, true);
	run();
	ck_assert_uint_eq(kernel_mock_pins(), 2);
	replay_end_send();
	ck_assert_uint_eq(owner_id(OWNER_1), 0);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(pin_of(2), owner_id(OWNER_2));
	ck_assert(!kernel_mock_owner(1, NULL) || owner_id(OWNER_2) == 1);
	ck_assert_uint_eq(d->counters.pins_owner_gone, 1);
	end();
}
END_TEST

START_TEST(a_replay_that_breaks_off_takes_nothing)
{
	begin_running();
	detour(1, OWNER_1);
	zebra_connect();
	route_send(OWNER_2, true);
	close(zebra);
	zebra = -1;
	run();
	zebra_connect();
	route_send(OWNER_1, true);
	route_send(OWNER_2, true);
	replay_end_send();
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(when_all_are_gone_this_host_is_the_isolated_one)
{
	begin_running();
	detour(1, OWNER_1);
	route_send(OWNER_1, false);
	route_send(OWNER_2, false);
	run();
	ck_assert(d->reach.isolated);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	ck_assert_uint_eq(d->counters.isolations, 1);
	ck_assert_ptr_nonnull(
		strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS, false), "cut off"));

	/* One is back, the other one never. */
	route_send(OWNER_2, true);
	run();
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	pass(REACH_RETURN_MS + 1);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(owner_id(OWNER_1), 0);
	end();
}
END_TEST

START_TEST(the_pins_of_a_member_that_is_gone_go_at_once)
{
	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_2);
	route_send(OWNER_1, false);
	run();
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_ne(pin_of(2), 0);
	ck_assert_uint_eq(owner_id(OWNER_1), 0);
	end();
}
END_TEST

START_TEST(an_owner_that_goes_between_answer_and_verdict_gets_nothing)
{
	struct in6_addr owner = unit_address(OWNER_1);
	uint32_t id;

	begin_running();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	id = stray(1);
	run();
	/* The answer is there, its pin is not yet. */
	memory_directory_release(d->directory);
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	if (!kernel_mock_verdict(id, NULL, NULL)) {
		rescue_owner_gone(d, owner_find(&d->owners, &owner));
		run();
		expect(id, KERNEL_DROP, 0);
	}
	ck_assert_uint_eq(d->decision_count, 0);
	end();
}
END_TEST

UNIT_MAIN("members", a_replay_within_a_connection_counts,
	  nobody_is_known_to_be_absent_while_members_come, what_a_replay_does_not_confirm_is_gone,
	  a_replay_that_breaks_off_takes_nothing, when_all_are_gone_this_host_is_the_isolated_one,
	  the_pins_of_a_member_that_is_gone_go_at_once,
	  an_owner_that_goes_between_answer_and_verdict_gets_nothing)
