// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon: strays and detours. */
#include <errno.h>

#include "tests/daemon_rig.h"

START_TEST(the_pin_is_there_before_the_verdict)
{
	struct flow flow = unit_flow(1);
	uint32_t first, second, third;
	uint16_t owner;

	begin_running();
	owner = owner_id(OWNER_1);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	first = stray(1);
	second = stray(1);
	run();
	ck_assert(!kernel_mock_verdict(first, NULL, NULL));
	ck_assert_uint_eq(kernel_mock_pin(&flow), 0);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 1);
	memory_directory_release(d->directory);
	run();
	expect(first, KERNEL_DETOUR, owner);
	expect(second, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(pin_of(1), owner);
	/* One that was queued before the pin was there. */
	third = stray(1);
	expect(third, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 1);
	ck_assert_uint_eq(kernel_mock_held(), 0);
	ck_assert_uint_eq(d->counters.segments_detoured, 3);
	ck_assert_uint_eq(d->counters.detours, 1);
	end();
}
END_TEST

/* It ends the session: a pin would never be used. */
START_TEST(a_reset_is_sent_on_without_a_pin)
{
	struct flow flow = unit_flow(1);
	uint32_t first, second;
	uint16_t owner;

	begin_running();
	owner = owner_id(OWNER_1);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	first = kernel_mock_stray_reset(&flow);
	run();
	expect(first, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(d->counters.detours, 0);
	/* Not if anything else is held with it. */
	memory_directory_hold(d->directory);
	first = kernel_mock_stray_reset(&flow);
	second = stray(1);
	memory_directory_release(d->directory);
	run();
	expect(first, KERNEL_DETOUR, owner);
	expect(second, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(pin_of(1), owner);
	end();
}
END_TEST

/* A stray of an owner's session that came in by *interface*. */
static void stray_by(uint16_t port, const char *owner, const char *interface)
{
	struct flow flow = unit_flow(port);

	answer(port, DIRECTORY_FOUND, owner);
	ck_assert_uint_ne(kernel_mock_stray_by(&flow, interface), 0);
	run();
	ck_assert_uint_eq(pin_of(port), owner_id(owner));
}

static void expect_way(const char *owner, const char *interface, unsigned int changes)
{
	struct mock_way way = kernel_mock_way(owner_id(owner));

	ck_assert_str_eq(way.interface, interface);
	ck_assert_uint_eq(way.changes, changes);
}

START_TEST(detours_do_not_go_back_where_the_stray_came_from)
{
	struct in6_addr gateway = unit_address("10.0.0.2");
	struct mock_way way;

	begin_running();
	stray_by(1, OWNER_1, "eth0");
	expect_way(OWNER_1, "", 0); /* there is only one next hop */
	route_send_by(OWNER_1, 2);
	run();
	stray_by(2, OWNER_1, "eth0");
	expect_way(OWNER_1, "eth1", 1);
	way = kernel_mock_way(owner_id(OWNER_1));
	ck_assert(address_equal(&way.gateway, &gateway));
	stray_by(3, OWNER_1, "eth0");
	expect_way(OWNER_1, "eth1", 1);
	expect_way(OWNER_2, "", 0);
	/* Time ends it, if the routing protocol has nothing to say. */
	pass(STEER_MS - 1000);
	expect_way(OWNER_1, "eth1", 1);
	pass(2000);
	expect_way(OWNER_1, "", 2);
	/* Strays from everywhere: nobody is to blame. */
	stray_by(4, OWNER_1, "eth1");
	expect_way(OWNER_1, "eth0", 3);
	stray_by(5, OWNER_1, "eth0");
	expect_way(OWNER_1, "", 4);
	pass(STEER_MS + 1000);
	expect_way(OWNER_1, "", 4);
	/* A change of the route ends it at once, the same route told again does not. */
	stray_by(6, OWNER_1, "eth0");
	route_send_by(OWNER_1, 2);
	run();
	expect_way(OWNER_1, "eth1", 5);
	route_send_by(OWNER_1, 1);
	run();
	expect_way(OWNER_1, "", 6);
	ck_assert_uint_eq(d->counters.detours_steered, 3);
	end();
}
END_TEST

START_TEST(a_way_that_the_kernel_refuses_does_not_stop_the_detour)
{
	begin_running();
	route_send_by(OWNER_1, 2);
	run();
	kernel_mock_fail_owners("no such device");
	stray_by(1, OWNER_1, "eth0");
	stray_by(2, OWNER_1, "eth0");
	expect_way(OWNER_1, "", 0);
	ck_assert_uint_eq(d->counters.detours_steered, 0);
	kernel_mock_fail_owners(NULL);
	end();
}
END_TEST

START_TEST(a_pin_that_the_kernel_refuses_does_not_stop_the_segment)
{
	begin_running();
	kernel_mock_fail_pins(-ENFILE);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	expect_stray(1, KERNEL_DETOUR, owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(d->counters.pins_failed, 1);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 0);
	kernel_mock_fail_pins(0);
	detour(1, OWNER_1);
	end();
}
END_TEST

START_TEST(when_the_table_is_full_segments_still_go_to_their_owner)
{
	struct in6_addr member = unit_address(OWNER_1);
	struct flow flow;

	begin();
	config.pins_max = 4;
	config_send();
	replay_end_send();
	member_add(OWNER_1);
	for (uint16_t port = 1; port <= 4; port++)
		detour(port, OWNER_1);
	answer(5, DIRECTORY_FOUND, OWNER_1);
	for (int i = 0; i < 3; i++) {
		expect_stray(5, KERNEL_DETOUR, owner_id(OWNER_1));
		ck_assert_uint_eq(pin_of(5), 0);
	}
	zebra_read();
	ck_assert_ptr_nonnull(strstr(status_text, "the table is full"));
	for (uint16_t port = 1; port <= 3; port++) {
		flow = unit_flow(port);
		memory_directory_refused(d->directory, &member, &flow);
	}
	pass(0);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	detour(5, OWNER_1);
	end();
}
END_TEST

START_TEST(every_answer_has_its_verdict)
{
	uint32_t absent, timed_out, self, unknown;

	begin_running();
	answer(1, DIRECTORY_ABSENT, NULL);
	answer(2, DIRECTORY_TIMED_OUT, NULL);
	answer(3, DIRECTORY_FOUND, LOCAL);
	answer(4, DIRECTORY_FOUND, "10.255.0.99");
	absent = stray(1);
	timed_out = stray(2);
	self = stray(3);
	unknown = stray(4);
	run();
	expect(absent, KERNEL_LOCAL, 0);
	expect(timed_out, KERNEL_DROP, 0);
	expect(self, KERNEL_LOCAL, 0);
	expect(unknown, KERNEL_LOCAL, 0);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	ck_assert_uint_eq(strays_count(&d->strays), 1);
	ck_assert_uint_eq(d->counters.lookups_absent, 1);
	ck_assert_uint_eq(d->counters.lookups_timed_out, 1);
	ck_assert_uint_eq(d->counters.lookups_found, 2);
	end();
}
END_TEST

START_TEST(sessions_of_a_member_lost_just_now_are_in_doubt)
{
	begin_running();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	route_send(OWNER_1, false);
	run();
	expect_stray(1, KERNEL_DROP, 0);
	pass(REACH_DOUBT_MS);
	expect_stray(1, KERNEL_LOCAL, 0);
	end();
}
END_TEST

START_TEST(before_the_first_replay_ended_nobody_is_gone)
{
	begin();
	config_send();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	answer(2, DIRECTORY_ABSENT, NULL);
	expect_stray(1, KERNEL_DROP, 0);
	/* Those who were asked are not all there are. */
	expect_stray(2, KERNEL_DROP, 0);
	/* Without any member, this host is believed to be alone after a while. */
	replay_end_send();
	expect_stray(2, KERNEL_DROP, 0);
	pass(REACH_RETURN_MS);
	expect_stray(2, KERNEL_LOCAL, 0);
	end();
}
END_TEST

START_TEST(a_flow_without_an_answer_asks_less_and_less)
{
	unsigned int gets;

	begin_running();
	answer(1, DIRECTORY_TIMED_OUT, NULL);
	stray(1);
	run();
	pass(STRAY_ASK_MS + 1);
	gets = memory_directory_gets(d->directory);
	stray(1);
	run();
	expect(stray(1), KERNEL_DROP, 0);
	ck_assert_uint_eq(memory_directory_gets(d->directory), gets + 1);
	pass(STRAY_FORGET_MS);
	ck_assert_uint_eq(strays_count(&d->strays), 0);
	end();
}
END_TEST

START_TEST(too_many_segments_of_a_flow_are_dropped)
{
	uint32_t id = 0;

	begin_running();
	memory_directory_hold(d->directory);
	for (int i = 0; i < STRAY_SEGMENTS_MAX; i++)
		id = stray(1);
	ck_assert(!kernel_mock_verdict(id, NULL, NULL));
	expect(stray(1), KERNEL_DROP, 0);
	ck_assert_uint_eq(kernel_mock_held(), STRAY_SEGMENTS_MAX);
	/* Questions under way when the daemon stops: no answer comes, nothing leaks. */
	end();
}
END_TEST

START_TEST(many_answers_at_once_all_get_their_verdict)
{
	enum kernel_verdict verdict;
	uint32_t first = 0, id = 0;

	begin_running();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	for (uint16_t port = 1; port <= 3 * DECISIONS_MAX; port++) {
		id = stray(port);
		first = first ? first : id;
	}
	memory_directory_release(d->directory);
	run_ms(200);
	ck_assert_uint_eq(kernel_mock_held(), 0);
	for (uint32_t i = first; i <= id; i++) {
		ck_assert(kernel_mock_verdict(i, &verdict, NULL));
		ck_assert_int_eq(verdict, i == first ? KERNEL_DETOUR : KERNEL_LOCAL);
	}
	end();
}
END_TEST

START_TEST(a_stray_of_a_foreign_address_is_dropped)
{
	struct flow flow = unit_flow(1);

	begin_running();
	flow.vip = unit_address(VIP_2);
	expect(kernel_mock_stray(&flow), KERNEL_DROP, 0);
	ck_assert_uint_eq(d->counters.strays_unexpected, 1);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 0);
	end();
}
END_TEST

START_TEST(a_tunnelled_stray_is_refused_and_never_sent_on)
{
	struct in6_addr member;
	struct flow flow = unit_flow(1), refused;
	uint16_t sender;
	uint32_t id;

	begin_running();
	sender = owner_id(OWNER_2);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	id = kernel_mock_stray_tunnelled(&flow, sender);
	run();
	expect(id, KERNEL_DROP, 0);
	ck_assert_uint_eq(memory_directory_refusals(d->directory, &member, &refused), 1);
	ck_assert(flow_equal(&refused, &flow));
	ck_assert_uint_eq(owner_find(&d->owners, &member), sender);

	answer(1, DIRECTORY_ABSENT, NULL);
	id = kernel_mock_stray_tunnelled(&flow, sender);
	run();
	expect(id, KERNEL_LOCAL, 0);
	/* Of a sender that is not known any more, and one that cannot be. */
	kernel_mock_stray_tunnelled(&flow, KERNEL_OWNER_NONE);
	kernel_mock_stray_tunnelled(&flow, 77);
	kernel_mock_stray_tunnelled(&flow, 65535);
	run();
	ck_assert_uint_eq(memory_directory_refusals(d->directory, NULL, NULL), 2);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	end();
}
END_TEST

/* Whatever was published: the socket table is the truth. */
START_TEST(a_tunnelled_stray_ends_a_stale_publication)
{
	struct flow flow = unit_flow(1);

	begin_running();
	kernel_mock_session_open(&flow);
	kernel_mock_session_take(&flow);
	ck_assert(directory_published(d->directory, &flow));
	kernel_mock_stray_tunnelled(&flow, owner_id(OWNER_1));
	ck_assert(!directory_published(d->directory, &flow));
	run();
	end();
}
END_TEST

START_TEST(a_tunnelled_stray_does_not_follow_a_pin)
{
	struct flow flow = unit_flow(1);
	uint32_t id;

	begin_running();
	detour(1, OWNER_1);
	id = kernel_mock_stray_tunnelled(&flow, owner_id(OWNER_2));
	run();
	expect(id, KERNEL_DROP, 0);
	end();
}
END_TEST

UNIT_MAIN("rescue", the_pin_is_there_before_the_verdict, a_reset_is_sent_on_without_a_pin,
	  detours_do_not_go_back_where_the_stray_came_from,
	  a_way_that_the_kernel_refuses_does_not_stop_the_detour,
	  a_pin_that_the_kernel_refuses_does_not_stop_the_segment,
	  when_the_table_is_full_segments_still_go_to_their_owner, every_answer_has_its_verdict,
	  sessions_of_a_member_lost_just_now_are_in_doubt,
	  before_the_first_replay_ended_nobody_is_gone, a_flow_without_an_answer_asks_less_and_less,
	  too_many_segments_of_a_flow_are_dropped, many_answers_at_once_all_get_their_verdict,
	  a_stray_of_a_foreign_address_is_dropped, a_tunnelled_stray_is_refused_and_never_sent_on,
	  a_tunnelled_stray_ends_a_stale_publication, a_tunnelled_stray_does_not_follow_a_pin)
