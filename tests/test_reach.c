// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/reach.h"
#include "tests/unit.h"

static struct in6_addr a, b, c;
static struct reach reach;

static void begin(void)
{
	a = unit_address("10.255.0.1");
	b = unit_address("10.255.0.2");
	c = unit_address("10.255.0.3");
	memset(&reach, 0, sizeof(reach));
}

START_TEST(one_lost_member_is_gone_at_once)
{
	begin();
	reach_update(&reach, (struct in6_addr[]){a, b}, 2, 1);
	reach_update(&reach, (struct in6_addr[]){b}, 1, 2);
	ck_assert(!reach_has(&reach, &a));
	ck_assert(reach_has(&reach, &b));
	ck_assert(!reach.isolated);
}
END_TEST

START_TEST(members_are_learned_until_none_is_new)
{
	begin();
	ck_assert(reach_is_learning(&reach, 100, 100 + REACH_RETURN_MS - 1));
	ck_assert(!reach_is_learning(&reach, 100, 100 + REACH_RETURN_MS));
	reach_update(&reach, (struct in6_addr[]){a}, 1, 70000);
	ck_assert(reach_is_learning(&reach, 100, 70000));
	reach_update(&reach, (struct in6_addr[]){a, b}, 2, 71000);
	ck_assert(reach_is_learning(&reach, 100, 71000 + REACH_LEARN_MS - 1));
	ck_assert(!reach_is_learning(&reach, 100, 71000 + REACH_LEARN_MS));
	/* Later ones have a hello to give, and time for it. */
	reach_update(&reach, (struct in6_addr[]){a, b, c}, 3, 80000);
	ck_assert(!reach_is_learning(&reach, 100, 80000));

	/* After a restart those of before are no news. */
	begin();
	reach_adopt(&reach, &a, 1);
	reach_update(&reach, (struct in6_addr[]){a}, 1, 500);
	ck_assert(reach_is_learning(&reach, 1, 500 + REACH_LEARN_MS - 1));
	ck_assert(!reach_is_learning(&reach, 1, 500 + REACH_LEARN_MS));
}
END_TEST

START_TEST(all_lost_at_once_is_our_isolation)
{
	begin();
	reach_update(&reach, (struct in6_addr[]){a, b}, 2, 1);
	reach_update(&reach, NULL, 0, 2);
	ck_assert(reach.isolated);
	ck_assert(reach_has(&reach, &a) && reach_has(&reach, &b));
	/* However long it lasts. */
	ck_assert(!reach_expire(&reach, 1000000000));
	ck_assert(reach_has(&reach, &a));
}
END_TEST

START_TEST(members_may_come_back_one_by_one)
{
	begin();
	reach_update(&reach, (struct in6_addr[]){a, b, c}, 3, 1);
	reach_update(&reach, NULL, 0, 2);
	reach_update(&reach, (struct in6_addr[]){b}, 1, 1000);
	ck_assert(!reach.isolated);
	ck_assert(reach_has(&reach, &a) && reach_has(&reach, &c));
	reach_update(&reach, (struct in6_addr[]){a, b}, 2, 2000);
	ck_assert(!reach_expire(&reach, 1000 + REACH_RETURN_MS - 1));
	ck_assert(reach_expire(&reach, 1000 + REACH_RETURN_MS));
	ck_assert(reach_has(&reach, &a) && reach_has(&reach, &b));
	ck_assert(!reach_has(&reach, &c));
}
END_TEST

START_TEST(one_that_came_back_can_be_lost_again)
{
	begin();
	reach_update(&reach, (struct in6_addr[]){a, b}, 2, 1);
	reach_update(&reach, NULL, 0, 2);
	reach_update(&reach, (struct in6_addr[]){a, b}, 2, 1000);
	reach_update(&reach, (struct in6_addr[]){a}, 1, 1001);
	ck_assert(!reach_has(&reach, &b));
}
END_TEST

START_TEST(a_lost_member_is_in_doubt_for_a_moment)
{
	begin();
	reach_update(&reach, (struct in6_addr[]){a, b}, 2, 1);
	ck_assert(!reach_in_doubt(&reach, &a, 1));
	reach_update(&reach, (struct in6_addr[]){b}, 1, 1000);
	ck_assert(reach_in_doubt(&reach, &a, 1000 + REACH_DOUBT_MS - 1));
	ck_assert(!reach_in_doubt(&reach, &a, 1000 + REACH_DOUBT_MS));
	ck_assert(!reach_in_doubt(&reach, &b, 1000));
}
END_TEST

START_TEST(nobody_at_the_start_is_no_isolation)
{
	begin();
	reach_update(&reach, NULL, 0, 1);
	ck_assert(!reach.isolated);
	ck_assert_uint_eq(reach.count, 0);
}
END_TEST

UNIT_MAIN("reach", members_are_learned_until_none_is_new, one_lost_member_is_gone_at_once,
	  all_lost_at_once_is_our_isolation, members_may_come_back_one_by_one,
	  one_that_came_back_can_be_lost_again, a_lost_member_is_in_doubt_for_a_moment,
	  nobody_at_the_start_is_no_isolation)
