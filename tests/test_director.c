// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon as a director: which VIPs are routed, and what a restart takes over. */
#include <errno.h>

#include "tests/director_rig.h"

/* What this host says of itself. */
static bool says_director(void)
{
	struct directory_member self;

	ck_assert_uint_ge(directory_members(d->directory, &self, 1), 1);
	return self.director;
}

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

START_TEST(a_director_has_no_sessions)
{
	struct flow flow = unit_flow(1);

	begin_shared();
	kernel_mock_fail_sessions(-EIO);
	ck_assert_int_eq(sessions_has(d, &flow), 0);
	end();
}
END_TEST

START_TEST(a_restart_takes_over)
{
	struct flow flow = unit_flow(2);
	unsigned int changes;
	uint16_t a, b;

	a = begin_shared();
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
	uint16_t a = begin_shared();

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

UNIT_MAIN("director", a_director_has_no_sessions, a_prefix_with_a_route_out_of_here_is_routed,
	  the_role_leaves_the_other_part_out, a_role_that_leaves_the_director_out_takes_its_paths,
	  a_start_serves_nothing_that_is_not_here, a_restart_takes_over,
	  another_fpmd_waits_for_the_routes)
