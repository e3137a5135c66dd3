// SPDX-License-Identifier: GPL-2.0-or-later
/* Next hops become paths: whom they lead to, their ids, and what a restart takes over. */
#include "tests/paths_rig.h"

START_TEST(a_next_hop_is_a_path)
{
	uint16_t a, b;

	a = begin_settled("AB", "A", "B", NULL);
	b = offered('B');
	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(b, 0);
	expect_leads_to(a, "10.255.0.1");
	expect_leads_to(b, "10.255.0.2");
	ck_assert_uint_eq(path_find(&paths, a)->vips, 1);
	/* Another order of next hops, another weight: nothing is told. */
	routes("BA", "A", "B", NULL);
	hops[0][0].weight = 7;
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(path_find(&paths, b)->weight, 7);
	ck_assert_uint_eq(path_find(&paths, a)->weight, 1);
	/* One more member moves nobody. */
	settled("ABC", "A", "B", "C");
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	expect_leads_to(offered('C'), "10.255.0.3");
}
END_TEST

START_TEST(the_interface_and_the_family_belong_to_the_key)
{
	begin_settled("Aa", "A", "a", NULL);
	ck_assert_uint_ne(offered('A'), 0);
	ck_assert_uint_ne(offered('a'), 0);
	ck_assert_uint_ne(offered('A'), offered('a'));
	ck_assert_uint_eq(paths.count, 2);
	/* An IPv6 VIP by the same next hops (RFC 5549 the other way round). */
	vip(1, "2001:db8::80", "A");
	ck_assert_uint_eq(update(true), 1);
	ck_assert_uint_eq(paths.count, 3);
	/* A second VIP of a family that there is. */
	vip(2, "192.0.2.81", "Aa");
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(path_find(&paths, offered('A'))->vips, 2);
	/* One without a gateway cannot be told apart from others. */
	memset(&hops[2][1].gateway, 0, sizeof(hops[2][1].gateway));
	ck_assert_uint_eq(update(true), 0);
}
END_TEST

START_TEST(several_members_are_shared)
{
	uint16_t a, b;

	a = begin_settled("AB", "AB", "AB", "AB");
	b = offered('B');
	expect_leads_to(a, NULL);
	expect_leads_to(b, NULL);
	ck_assert(IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	ck_assert_uint_eq(kernel[a].backup_count, 0);
	/* How many they are does not matter, nor a member's route that has the next hop twice. */
	settled("AB", "AB", "AB", NULL);
	ck_assert_uint_eq(offered('A'), a);
	settled("AB", "AAB", "-", NULL);
	expect_leads_to(offered('A'), "10.255.0.1");
}
END_TEST

START_TEST(whom_it_leads_to_makes_another_id)
{
	uint16_t one, both, other;

	one = begin_settled("A", "A", NULL, NULL);
	/* One to several. */
	settled("A", "A", "A", NULL);
	both = offered('A');
	ck_assert_uint_ne(both, one);
	expect_leads_to(both, NULL);
	expect(one, PATH_SUPERSEDED);
	expect_leads_to(one, "10.255.0.1");
	/* Several to another one. */
	settled("A", "-", "A", NULL);
	other = offered('A');
	ck_assert_uint_ne(other, one);
	ck_assert_uint_ne(other, both);
	expect_leads_to(other, "10.255.0.2");
	expect(both, PATH_SUPERSEDED);
	/* As it was: the id's flows still belong to whom it leads to. */
	settled("A", "A", NULL, NULL);
	ck_assert_uint_eq(offered('A'), one);
	expect(other, PATH_SUPERSEDED);
	/* The VIP's route loses it for a moment. */
	settled("B", "A", NULL, NULL);
	expect(one, PATH_DRAINED);
	expect(other, PATH_SUPERSEDED);
	settled("AB", "A", NULL, NULL);
	/* All of them fail with the next hop. */
	settled("B", "B", NULL, NULL);
	expect(one, PATH_FAILED);
	expect(both, PATH_FAILED);
	ck_assert_uint_eq(kernel[other].id, 0); /* nobody is behind it any more */
}
END_TEST

START_TEST(nobody_known_changes_nothing)
{
	uint16_t one = begin_settled("A", "A", NULL, NULL);

	settled("A", "-", "B", NULL);
	ck_assert_uint_eq(offered('A'), one);
	settled("A", "A", "B", NULL);
	ck_assert_uint_eq(offered('A'), one);
	/* From the beginning: it may be anybody. */
	begin_settled("A", NULL, NULL, NULL);
	expect_leads_to(offered('A'), NULL);
	one = offered('A');
	settled("A", "A", NULL, NULL);
	ck_assert_uint_ne(offered('A'), one);
	expect(one, PATH_SUPERSEDED);
	/* Members of the other family are not counted. */
	begin();
	routes("A", "A", NULL, NULL);
	route_set(&members[1], hops[ROUTES + 1], "2001:db8::2", "A");
	member_count = 2;
	update(true);
	expect_leads_to(offered('A'), "10.255.0.1");
}
END_TEST

static void count(uint16_t id, uint32_t flows, uint32_t probation)
{
	struct kernel_path_flows counts[KERNEL_PATH_MAX + 1] = {0};

	counts[id] = (struct kernel_path_flows){flows, probation};
	told = removed = 0;
	paths_counted(&paths, counts, KERNEL_PATH_MAX + 1, now);
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 0);
}

START_TEST(an_id_lives_as_long_as_a_flow_may_carry_it)
{
	uint16_t a, b;

	a = begin_settled("AB", "AB", "AB", NULL);
	b = offered('B');
	settled("B", "B", "B", NULL);
	now += PATH_REST_MS - 1;
	count(a, 0, 0);
	expect(a, PATH_FAILED);
	now++;
	count(a, 1, 0);
	expect(a, PATH_FAILED);
	ck_assert_uint_eq(path_find(&paths, a)->counted.flows, 1);
	count(a, 0, 1);
	expect(a, PATH_FAILED);
	count(a, 0, 0);
	ck_assert_uint_eq(removed, 1);
	ck_assert_uint_eq(kernel[a].id, 0);
	/* One in use needs no flow. */
	expect(b, PATH_IN_USE);
	/* The same next hop gets another number, as long as there are any. */
	settled("AB", "AB", "AB", NULL);
	ck_assert_uint_ne(offered('A'), a);
}
END_TEST

START_TEST(when_ids_run_out)
{
	uint16_t a, b, c;

	begin();
	paths_init(&paths, 0x3 << 20);
	ck_assert_uint_eq(paths.max, 3);
	settled("ABC", "ABC", "ABC", "ABC");
	a = offered('A');
	b = offered('B');
	c = offered('C');
	/* All are in use. */
	settled("ABCD", "ABCD", "ABCD", "ABCD");
	ck_assert_uint_eq(offered('D'), 0);
	ck_assert_uint_eq(paths.without_id, 1);
	ck_assert_uint_eq(paths.ids_reused, 0);
	ck_assert_uint_eq(offered('A'), a);
	/* The one that failed first is given away, and the kernel forgets its flows. */
	unsettled("ACD", "ACD", "ACD", "ACD");
	expect(b, PATH_FAILED);
	now++;
	update(true);
	ck_assert_uint_eq(removed, 1);
	ck_assert_uint_eq(offered('D'), b);
	ck_assert_uint_eq(paths.without_id, 0);
	ck_assert_uint_eq(paths.ids_reused, 1);
	ck_assert_uint_eq(offered('C'), c);
	/* A mask without bits: nothing is recorded. */
	begin();
	paths_init(&paths, 0);
	settled("AB", "A", "B", NULL);
	ck_assert_uint_eq(paths.count, 0);
	ck_assert_uint_eq(paths.without_id, 2);
}
END_TEST

START_TEST(what_could_not_be_told_is_told_again)
{
	struct paths_view view = {vips, 1, members, 0};

	begin();
	routes("AB", NULL, NULL, NULL);
	vip_count = 1;
	refuse = true;
	ck_assert_int_eq(paths_update(&paths, &view, true, now), 0);
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 2);
	refuse = false;
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 0);
	ck_assert_uint_ne(offered('A'), 0);
	ck_assert_uint_ne(offered('B'), 0);
	/* What failed before the kernel heard of it need not be told. */
	begin();
	routes("AB", NULL, NULL, NULL);
	ck_assert_int_eq(paths_update(&paths, &view, true, now), 0);
	ck_assert_uint_eq(unsettled("A", NULL, NULL, NULL), 1);
	ck_assert_uint_eq(paths.count, 1);
}
END_TEST

START_TEST(a_restart_takes_over)
{
	uint16_t a, b, c, old;

	a = begin_settled("ABC", "A", "B", "C");
	b = offered('B');
	c = offered('C');
	settled("ABC", "A", "AB", "C");
	old = a;
	a = offered('A');
	ck_assert_uint_ne(a, old);
	restart();
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	expect(old, PATH_SUPERSEDED);
	/* Nothing is told yet, or not all: they wait. */
	restart();
	routes("", NULL, NULL, NULL);
	vip_count = 0;
	ck_assert_uint_eq(update(false), 0);
	settled("B", "-", "B", "-");
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	settled("BC", "-", "B", "C");
	ck_assert_uint_eq(offered('C'), c);
	now += REACH_LEARN_MS;
	ck_assert(paths_thaw_is_due(&paths, now));
	settled("BC", "B", "B", "C");
	expect(a, PATH_FAILED);
	expect(old, PATH_FAILED);
	/* One that has failed stays so. */
	restart();
	settled("ABC", "A", "B", "C");
	expect(old, PATH_FAILED);
	ck_assert_uint_ne(offered('A'), old);
	/* Ids that do not fit. */
	{
		struct kernel_path path = {.id = 256, .family = AF_INET, .up = true};

		ck_assert_int_eq(paths_adopt(&paths, &path, now), -1);
		path.id = 0;
		ck_assert_int_eq(paths_adopt(&paths, &path, now), -1);
		path.id = b;
		ck_assert_int_eq(paths_adopt(&paths, &path, now), -1);
	}
}
END_TEST

UNIT_MAIN("paths", a_next_hop_is_a_path, the_interface_and_the_family_belong_to_the_key,
	  several_members_are_shared, whom_it_leads_to_makes_another_id,
	  nobody_known_changes_nothing, an_id_lives_as_long_as_a_flow_may_carry_it,
	  when_ids_run_out, what_could_not_be_told_is_told_again, a_restart_takes_over)
