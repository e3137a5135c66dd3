// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon as a director: paths, flows, their owners. Routes are written as letters. */
#include <errno.h>

#include "tests/daemon_rig.h"

#define A 'A'
#define B 'B'
/* More than that after its address went a VIP is served. */
#define LEFT_MS_FOR_TEST 7200

/* The path that new flows by this next hop get; NULL: none. */
static const struct kernel_path *path_of(char letter)
{
	for (uint16_t id = 1; id <= KERNEL_PATH_MAX; id++) {
		const struct kernel_path *found = kernel_mock_path(id);

		if (found && found->offered && found->hop.interface[2] == letter)
			return found;
	}
	return NULL;
}

static uint16_t id_of(char letter)
{
	ck_assert_ptr_nonnull(path_of(letter));
	return path_of(letter)->id;
}

static void member_via(const char *text, const char *letters)
{
	struct in6_addr address = unit_address(text);

	route_send_via(text, letters);
	run();
	memory_directory_member(d->directory, &address, MEMBER_IN_RING, 5);
	run();
}

static void routes(const char *vip, const char *first, const char *second)
{
	route_send_via(VIP, vip);
	route_send_via(OWNER_1, first);
	route_send_via(OWNER_2, second);
	run_ms(80);
}

/* What this host says of itself. */
static bool says_director(void)
{
	struct directory_member self;

	ck_assert_uint_ge(directory_members(d->directory, &self, 1), 1);
	return self.director;
}

/* A director with two members. */
static void begin_director(const char *vip_hops, const char *first, const char *second)
{
	struct in6_addr vip = unit_address(VIP);

	begin();
	config.pins_max = 2000;
	kernel_mock_address(&vip, false);
	config_send();
	replay_end_send();
	ck_assert(daemon_running(d));
	member_via(OWNER_1, first);
	member_via(OWNER_2, second);
	route_send_via(VIP, vip_hops);
	run();
	pass(REACH_LEARN_MS);
	clock_stop();
}

static void flow_event(uint16_t port, uint16_t recorded, enum kernel_flow_event event)
{
	struct flow flow = unit_flow(port);

	kernel_mock_flow(&flow, recorded, event);
}

/* It began, and the time after which its owner is looked up is over. */
static void flow_began(uint16_t port, uint16_t recorded)
{
	flow_event(port, recorded, KERNEL_FLOW_BEGAN);
	run_ms(5);
	pass(60);
}

static uint16_t raw_pin(uint16_t port)
{
	struct flow flow = unit_flow(port);
	struct pin *pin = pin_find(&d->pins, &flow);
	uint16_t target = kernel_mock_pin(&flow);

	ck_assert_int_eq(!!pin, !!target);
	if (pin)
		ck_assert_uint_eq(target, pin->owner | (pin->direct ? KERNEL_PIN_DIRECT : 0));
	return target;
}

/* -- which VIPs are routed -- */

START_TEST(a_prefix_with_a_route_out_of_here_is_routed)
{
	struct in6_addr vip = unit_address(VIP);
	struct flow flow = unit_flow(1);

	begin_director("AB", "A", "B");
	ck_assert(kernel_mock_routed(&vip));
	ck_assert(!kernel_mock_vip(&vip));
	ck_assert(says_director());
	ck_assert_ptr_nonnull(path_of(A));
	/* Its address comes here: it is served. */
	kernel_mock_address(&vip, true);
	kernel_mock_addresses_changed();
	ck_assert(!kernel_mock_routed(&vip));
	ck_assert(kernel_mock_vip(&vip));
	ck_assert(!says_director());
	/* And goes: the sessions first. */
	kernel_mock_session_open(&flow);
	kernel_mock_address(&vip, false);
	kernel_mock_addresses_changed();
	pass(LEFT_MS_FOR_TEST);
	ck_assert(kernel_mock_vip(&vip));
	kernel_mock_session_close(&flow, MOCK_END_GONE);
	pass(LEFT_MS_FOR_TEST);
	ck_assert(!kernel_mock_vip(&vip));
	ck_assert(kernel_mock_routed(&vip));
	/* Without a route it stays what it is. */
	routes("", "A", "B");
	ck_assert(kernel_mock_routed(&vip));
	end();
}
END_TEST

START_TEST(the_role_leaves_the_other_part_out)
{
	struct in6_addr vip = unit_address(VIP);

	begin_director("AB", "A", "B");
	config.role = HOLDFAST__ROLE__ROLE_SERVER;
	config_send();
	ck_assert(!kernel_mock_routed(&vip));
	config.role = HOLDFAST__ROLE__ROLE_DIRECTOR;
	config_send();
	run_ms(60);
	ck_assert(kernel_mock_routed(&vip));
	kernel_mock_address(&vip, true);
	kernel_mock_addresses_changed();
	ck_assert(!kernel_mock_routed(&vip));
	ck_assert(!kernel_mock_vip(&vip));
	/* No path mask, no director. */
	kernel_mock_address(&vip, false);
	config.role = HOLDFAST__ROLE__ROLE_AUTO;
	config.mark_path_mask = config.flows_max = config.flow_lifetime_s = 0;
	config_send();
	pass(LEFT_MS_FOR_TEST);
	ck_assert(daemon_running(d));
	ck_assert(!kernel_mock_routed(&vip));
	end();
}
END_TEST

/* A local route for a moment would answer its clients with resets. */
START_TEST(a_role_that_leaves_the_director_out_takes_its_paths)
{
	uint16_t a;

	begin_director("AB", "A", "B");
	a = id_of(A);
	config.role = HOLDFAST__ROLE__ROLE_SERVER;
	kernel_mock_fail_paths("no such device");
	config_send();
	pass(REACH_SETTLE_MS);
	zebra_read();
	ck_assert_ptr_nonnull(
		strstr(status_text, "paths: no such device; tried again every 1 s\n"));
	ck_assert_ptr_nonnull(kernel_mock_path(a));
	kernel_mock_fail_paths(NULL);
	pass(2000);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	ck_assert_ptr_null(kernel_mock_path(a));
	ck_assert_uint_eq(d->director.paths.count, 0);
	config.role = HOLDFAST__ROLE__ROLE_AUTO;
	config_send();
	pass(REACH_SETTLE_MS);
	ck_assert(kernel_mock_path(id_of(A))->up);
	ck_assert(kernel_mock_path(id_of(B))->offered);
	end();
}
END_TEST

START_TEST(a_start_serves_nothing_that_is_not_here)
{
	struct in6_addr vip = unit_address(VIP);
	struct flow flow = unit_flow(1);

	begin();
	kernel_mock_address(&vip, false);
	config_send();
	ck_assert(daemon_running(d));
	ck_assert(!kernel_mock_ever_vip(&vip));
	config.pins_max = 999;
	/* But what an earlier fpmd kept for its sessions. */
	kernel_mock_session_put(&flow);
	config_send();
	ck_assert(daemon_running(d));
	ck_assert(kernel_mock_vip(&vip));
	ck_assert(directory_published(d->directory, &flow));
	end();
}
END_TEST

/* -- paths -- */

START_TEST(paths_follow_the_routes)
{
	struct in6_addr owner = unit_address(OWNER_1);
	uint16_t a, b;

	begin_director("AB", "A", "B");
	a = id_of(A);
	b = id_of(B);
	ck_assert(address_equal(&kernel_mock_path(a)->member, &owner));
	ck_assert(!kernel_mock_path(a)->shared);
	ck_assert(address_equal(&kernel_mock_path(a)->backup_owner, &owner));
	/* Drained. */
	routes("B", "A", "B");
	ck_assert(kernel_mock_path(a)->up);
	ck_assert(!kernel_mock_path(a)->offered);
	/* Failed. */
	routes("B", "B", "B");
	ck_assert(!kernel_mock_path(a)->up);
	ck_assert_uint_eq(d->counters.paths_failed, 1);
	ck_assert_uint_ne(id_of(B), b); /* it leads to both */
	ck_assert(path_of(B)->shared);
	/* All gone is this host's isolation. */
	b = kernel_mock_path_changes();
	routes("", "", "");
	ck_assert_uint_eq(kernel_mock_path_changes(), b);
	ck_assert_ptr_nonnull(path_of(B));
	end();
}
END_TEST

/* A leaf that lost its servers still leads to the other edge. */
START_TEST(another_director_keeps_no_path_up)
{
	struct in6_addr other = unit_address("10.255.0.99");
	uint16_t a;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
	route_send_via("10.255.0.99", "AB");
	pass(1000);
	memory_directory_member(d->directory, &other, MEMBER_IN_RING, 7);
	run();
	/* It may have sessions, for all that is known. */
	routes("B", "B", "B");
	ck_assert(kernel_mock_path(a)->up);
	memory_directory_director(d->directory, &other);
	run();
	pass(1000);
	ck_assert(!kernel_mock_path(a)->up);
	end();
}
END_TEST

/* Not only when routes have settled. */
START_TEST(a_failure_acts_at_once)
{
	uint16_t a;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
	for (int i = 0; i < 20 && kernel_mock_path(a)->up; i++) {
		/* Something else changes all the time. */
		route_send_via("10.255.0.77", i % 2 ? "B" : "BC");
		if (i == 2)
			route_send_via(VIP, "B");
		if (i == 3)
			route_send_via(OWNER_1, "B");
		if (i == 4)
			route_send_via(OWNER_2, "B");
		run_ms(2);
		if (i < 4)
			ck_assert(kernel_mock_path(a)->up);
		else
			ck_assert_int_le(i, 6);
	}
	ck_assert(!kernel_mock_path(a)->up);
	end();
}
END_TEST

START_TEST(what_the_kernel_does_not_take_is_told_again)
{
	uint16_t a;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
	kernel_mock_fail_paths("no such device");
	routes("B", "B", "B");
	zebra_read();
	ck_assert_str_eq(status_text, "paths: no such device; tried again every 1 s\n");
	ck_assert(kernel_mock_path(a)->up);
	kernel_mock_fail_paths(NULL);
	pass(1000);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	ck_assert(!kernel_mock_path(a)->up);
	end();
}
END_TEST

START_TEST(ids_that_nobody_carries_are_free_again)
{
	uint16_t a;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
	kernel_mock_counts(a, 5, 0);
	routes("B", "B", "B");
	pass(6000);
	pass(6000);
	ck_assert(!kernel_mock_path(a)->up);
	ck_assert_uint_eq(d->director.flows, 5);
	kernel_mock_counts(a, 0, 0);
	pass(6000);
	ck_assert_ptr_null(kernel_mock_path(a));
	end();
}
END_TEST

START_TEST(a_full_table_is_said_once)
{
	begin_director("AB", "AB", "AB");
	kernel_mock_flows_full();
	pass(6000);
	zebra_read();
	ck_assert_ptr_nonnull(strstr(status_text, "raise `flows max`"));
	pass(31000);
	pass(6000);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

START_TEST(a_full_table_is_over_with_another_one)
{
	begin_director("AB", "AB", "AB");
	kernel_mock_flows_full();
	pass(6000);
	ck_assert_ptr_nonnull(strstr(d->problems[PROBLEM_FLOWS], "100000 are recorded at most"));
	config.flows_max = 200000;
	config_send();
	pass(6000);
	ck_assert_str_eq(d->problems[PROBLEM_FLOWS], "");
	kernel_mock_flows_full();
	pass(6000);
	ck_assert_ptr_nonnull(strstr(d->problems[PROBLEM_FLOWS], "200000 are recorded at most"));
	end();
}
END_TEST

START_TEST(too_few_ids_are_said)
{
	begin();
	config.mark_path_mask = 0x100000;
	config_send();
	replay_end_send();
	{
		struct in6_addr vip = unit_address(VIP);

		kernel_mock_address(&vip, false);
		kernel_mock_addresses_changed();
	}
	pass(LEFT_MS_FOR_TEST);
	routes("AB", "A", "B");
	pass(LEFT_MS_FOR_TEST);
	zebra_read();
	ck_assert_ptr_nonnull(strstr(status_text, "widen `mark path-mask`"));
	routes("A", "A", "B");
	zebra_read();
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

/* -- flows -- */

START_TEST(a_flow_on_a_shared_path_is_pinned_to_its_owner)
{
	struct in6_addr owner = unit_address(OWNER_1);
	struct flow flow = unit_flow(1);

	begin_director("AB", "AB", "AB");
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

	begin_director("AB", "AB", "AB");
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
	begin_director("AB", "AB", "AB");
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

START_TEST(a_withdrawn_path_hurries_its_flows)
{
	struct flow untold = unit_flow(3);
	uint16_t a;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
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
	uint16_t a;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
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

START_TEST(a_director_has_no_sessions)
{
	struct flow flow = unit_flow(1);

	begin_director("AB", "AB", "AB");
	kernel_mock_fail_sessions(-EIO);
	ck_assert_int_eq(sessions_has(d, &flow), 0);
	end();
}
END_TEST

START_TEST(nobody_knows_it)
{
	begin_director("AB", "AB", "AB");
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
	begin_director("AB", "AB", "AB");
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

START_TEST(made_up_flows_take_nobodys_place)
{
	begin_director("AB", "AB", "AB");
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

	begin_director("AB", "AB", "AB");
	answer(1, DIRECTORY_FOUND, OWNER_1);
	kernel_mock_flow_put(&flow, id_of(A));
	kernel_mock_flows_lost();
	pass(60);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1));
	ck_assert_uint_eq(d->director.path_pins[id_of(A)], 1);
	end();
}
END_TEST

START_TEST(a_restart_takes_over)
{
	struct flow flow = unit_flow(2);
	unsigned int changes;
	uint16_t a, b;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
	b = id_of(B);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	flow_began(1, a);
	kernel_mock_flow_put(&flow, b);
	changes = kernel_mock_path_changes();
	/* A setting that takes a new kernel. */
	config.pins_max = 999;
	config_send();
	route_send_via(OWNER_1, "AB");
	route_send_via(OWNER_2, "AB");
	route_send_via(VIP, "AB");
	replay_end_send();
	answer(2, DIRECTORY_FOUND, OWNER_1);
	member_via(OWNER_1, "AB");
	member_via(OWNER_2, "AB");
	pass(REACH_LEARN_MS);
	pass(1000);
	ck_assert_uint_eq(id_of(A), a);
	ck_assert_uint_eq(id_of(B), b);
	ck_assert_uint_eq(kernel_mock_path_changes(), changes);
	ck_assert_uint_eq(raw_pin(1), owner_id(OWNER_1));
	ck_assert_uint_eq(raw_pin(2), owner_id(OWNER_1));
	ck_assert_uint_eq(d->director.path_pins[a], 1);
	ck_assert_uint_eq(d->director.path_pins[b], 1);
	end();
}
END_TEST

/* Before zebra has told anything, what an earlier fpmd left goes on. */
START_TEST(another_fpmd_waits_for_the_routes)
{
	struct in6_addr vip = unit_address(VIP);
	struct error error;
	unsigned int changes;
	uint16_t a;

	begin_director("AB", "AB", "AB");
	a = id_of(A);
	changes = kernel_mock_path_changes();
	daemon_close(d, KERNEL_KEEP_ALL);
	ck_assert_int_eq(daemon_open(base, path, -1, &d, &error), 0);
	zebra_connect();
	config_send();
	ck_assert(daemon_running(d));
	ck_assert(kernel_mock_routed(&vip));
	ck_assert(!kernel_mock_vip(&vip));
	/* Not a single route: this host is cut off, as far as anybody knows. */
	replay_end_send();
	pass(10000);
	ck_assert(kernel_mock_routed(&vip));
	ck_assert_uint_eq(id_of(A), a);
	member_via(OWNER_1, "AB");
	member_via(OWNER_2, "AB");
	route_send_via(VIP, "AB");
	run_ms(80);
	pass(REACH_RETURN_MS);
	ck_assert_uint_eq(id_of(A), a);
	ck_assert_uint_eq(kernel_mock_path_changes(), changes);
	ck_assert(!d->director.presume);
	end();
}
END_TEST

UNIT_MAIN("director", those_that_nobody_told_of_come_last, a_director_has_no_sessions,
	  a_prefix_with_a_route_out_of_here_is_routed, the_role_leaves_the_other_part_out,
	  a_role_that_leaves_the_director_out_takes_its_paths,
	  a_start_serves_nothing_that_is_not_here, paths_follow_the_routes,
	  another_director_keeps_no_path_up, a_failure_acts_at_once,
	  what_the_kernel_does_not_take_is_told_again, ids_that_nobody_carries_are_free_again,
	  a_full_table_is_said_once, a_full_table_is_over_with_another_one, too_few_ids_are_said,
	  a_flow_on_a_shared_path_is_pinned_to_its_owner, many_are_pinned_at_once,
	  a_flow_in_mid_life_goes_straight_to_its_owner, a_flow_moves_while_its_pin_waits,
	  a_withdrawn_path_hurries_its_flows, nobody_knows_it,
	  a_pin_that_the_kernel_refuses_is_tried_again,
	  a_disowned_flow_of_a_withdrawn_path_is_reset, made_up_flows_take_nobodys_place,
	  lost_events_are_made_good, a_restart_takes_over, another_fpmd_waits_for_the_routes)
