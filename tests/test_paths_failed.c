// SPDX-License-Identifier: GPL-2.0-or-later
/* Next hops that are lost: drained, failed, the members behind them gone, their backups. */
#include "tests/paths_rig.h"

/* The VIP's route loses the next hop first, or the members' routes do. */
START_TEST(drained_and_failed_in_either_order)
{
	uint16_t a, b;

	a = begin_settled("AB", "A", "B", NULL);
	b = offered('B');
	settled("B", "A", "B", NULL);
	expect(a, PATH_DRAINED);
	expect(b, PATH_IN_USE);
	/* Back again, as if nothing had been. */
	settled("AB", "A", "B", NULL);
	ck_assert_uint_eq(offered('A'), a);
	/* Drained, then its host is gone from there, but reachable: it has failed at once. */
	settled("B", "A", "B", NULL);
	ck_assert_uint_eq(unsettled("B", "B", "B", NULL), 1);
	expect(a, PATH_FAILED);
	expect(b, PATH_IN_USE);
	update(true);
	ck_assert_uint_ne(offered('B'), b); /* it leads to both now */
	expect(a, PATH_FAILED);

	a = begin_settled("AB", "A", "B", NULL);
	ck_assert_uint_eq(unsettled("AB", "B", "B", NULL), 0);
	expect(a, PATH_IN_USE);
	ck_assert_uint_eq(unsettled("B", "B", "B", NULL), 1);
	expect(a, PATH_FAILED);
	expect_leads_to(a, "10.255.0.1");
	ck_assert(!IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	/* It comes back, as another. */
	settled("AB", "A", "B", NULL);
	ck_assert_uint_ne(offered('A'), 0);
	ck_assert_uint_ne(offered('A'), a);
	expect(a, PATH_FAILED);
}
END_TEST

/* A leaf: the other way of the same members remains. */
START_TEST(a_shared_path_fails)
{
	uint16_t a = begin_settled("AB", "AB", "AB", "AB");

	ck_assert_uint_eq(unsettled("B", "AB", "B", "B"), 0);
	ck_assert_uint_eq(unsettled("B", "B", "B", "B"), 1);
	expect(a, PATH_FAILED);
	settled("AB", "AB", "AB", "AB");
	ck_assert_uint_ne(offered('A'), a);
}
END_TEST

START_TEST(a_dead_members_path_goes)
{
	uint16_t a = begin_settled("AB", "A", "B", NULL);

	/* The next hop is still the VIP's. */
	settled("AB", "-", "B", NULL);
	expect(a, PATH_IN_USE);
	ck_assert(IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	ck_assert_uint_eq(unsettled("B", "-", "B", NULL), 1);
	expect(a, PATH_FAILED);
	ck_assert_uint_eq(update(true), 1);
	ck_assert_uint_eq(kernel[a].id, 0);
	ck_assert_ptr_null(path_find(&paths, a));
}
END_TEST

START_TEST(all_at_once_is_this_host)
{
	uint16_t a, b;

	a = begin_settled("AB", "A", "B", NULL);
	b = offered('B');
	/* Whatever goes first. */
	ck_assert_uint_eq(unsettled("", "A", "B", NULL), 0);
	ck_assert_uint_eq(unsettled("", "-", "B", NULL), 0);
	ck_assert_uint_eq(unsettled("", "-", "-", NULL), 0);
	ck_assert_uint_eq(update(true), 0);
	expect(a, PATH_IN_USE);
	expect(b, PATH_IN_USE);
	/* One after the other comes back. */
	now += 100000;
	ck_assert_uint_eq(unsettled("B", "", "B", NULL), 0);
	ck_assert_uint_eq(update(true), 0);
	now += REACH_RETURN_MS - 1;
	ck_assert(!paths_thaw_is_due(&paths, now));
	ck_assert_uint_eq(update(true), 0);
	settled("AB", "A", "B", NULL);
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	/* Or it does not. */
	settled("", NULL, NULL, NULL);
	settled("B", "-", "B", NULL);
	expect(a, PATH_IN_USE);
	now += REACH_RETURN_MS;
	ck_assert(paths_thaw_is_due(&paths, now));
	update(true);
	ck_assert(!paths_thaw_is_due(&paths, now));
	ck_assert_uint_eq(kernel[a].id, 0);
	expect(b, PATH_IN_USE);
	/* The VIP is gone everywhere, the members are not: that is a drain. */
	settled("", "-", "B", NULL);
	expect(b, PATH_DRAINED);
}
END_TEST

START_TEST(backups)
{
	struct route_next_hop b = hop_make('B');
	uint16_t a = begin_settled("AC", "AB", "C", NULL);

	ck_assert(address_equal(&kernel[a].backup_owner, &members[0].address));
	ck_assert_uint_eq(kernel[a].backup_count, 0);
	/* It runs no Holdfast: by its other next hops. */
	members[0].owner = false;
	ck_assert_uint_eq(update(true), 1);
	ck_assert(IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	ck_assert(address_equal(&kernel[a].backup[0].gateway, &b.gateway));
	ck_assert_str_eq(kernel[a].backup[0].interface, b.interface);
	/* They stay when it fails, and are not touched by what others lose. */
	routes("C", "B", "C", NULL);
	members[0].owner = false;
	ck_assert_uint_eq(update(false), 1);
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	/* Its flows are there when the next hop is back as another path, and the other one fails.
	 */
	routes("AC", "A", "C", NULL);
	members[0].owner = false;
	update(true);
	expect(a, PATH_FAILED);
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	ck_assert_str_eq(kernel[a].backup[0].interface, "upA");
	ck_assert_uint_eq(kernel[offered('A')].backup_count, 0);
	/* The only way has none. */
	begin();
	routes("A", "A", NULL, NULL);
	members[0].owner = false;
	update(true);
	ck_assert_uint_eq(kernel[offered('A')].backup_count, 0);
	/* No more than there is room for. */
	begin();
	routes("A", "A", NULL, NULL);
	members[0].owner = false;
	{
		static struct route_next_hop many[KERNEL_BACKUP_HOPS_MAX + 9];

		for (unsigned int i = 0; i < KERNEL_BACKUP_HOPS_MAX + 9; i++)
			many[i] = hop_make((char)('A' + i));
		members[0].hops = many;
		members[0].hop_count = KERNEL_BACKUP_HOPS_MAX + 9;
		update(true);
		ck_assert_uint_eq(kernel[offered('A')].backup_count, KERNEL_BACKUP_HOPS_MAX);
		ck_assert_str_eq(kernel[offered('A')].backup[0].interface, "upB");
	}
	/* A member that is only believed in, since this host was cut off. */
	a = begin_settled("AC", "AB", "C", NULL);
	unsettled("C", "", "C", NULL);
	expect(a, PATH_FAILED);
	update(true);
	ck_assert(address_equal(&kernel[a].backup_owner, &members[0].address));
}
END_TEST

UNIT_MAIN("paths_failed", drained_and_failed_in_either_order, a_shared_path_fails,
	  a_dead_members_path_goes, all_at_once_is_this_host, backups)
