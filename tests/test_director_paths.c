// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon as a director: its paths, as the routes have them. */
#include "tests/director_rig.h"

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
	ck_assert_uint_gt(b, 0);
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
	uint16_t a = begin_shared();

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
	uint16_t a = begin_shared();

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
	uint16_t a = begin_shared();

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
	uint16_t a = begin_shared();

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
	begin_shared();
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
	begin_shared();
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

UNIT_MAIN("director_paths", paths_follow_the_routes, another_director_keeps_no_path_up,
	  a_failure_acts_at_once, what_the_kernel_does_not_take_is_told_again,
	  ids_that_nobody_carries_are_free_again, a_full_table_is_said_once,
	  a_full_table_is_over_with_another_one, too_few_ids_are_said)
