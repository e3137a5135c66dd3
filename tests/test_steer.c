// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "fpmd/steer.h"
#include "tests/unit.h"

static struct route_next_hop hops[STEER_HOPS_MAX + 1];

/* Next hop i is 10.0.i.1 on up<i>. */
static void make_hops(void)
{
	memset(hops, 0, sizeof(hops));
	for (unsigned int i = 0; i <= STEER_HOPS_MAX; i++) {
		char text[ADDRESS_TEXT_SIZE];

		snprintf(text, sizeof(text), "10.0.%u.1", i);
		hops[i].gateway = unit_address(text);
		snprintf(hops[i].interface, sizeof(hops[i].interface), "up%u", i);
	}
}

START_TEST(the_sender_is_avoided)
{
	struct steering steering = {0};

	make_hops();
	ck_assert(steer_stray(&steering, hops, 2, "up0", 10));
	ck_assert_uint_eq(steering.way, 2);
	ck_assert(!steer_stray(&steering, hops, 2, "up0", 11));
	ck_assert(steer_end(&steering));
	ck_assert(steer_stray(&steering, hops, 2, "up1", 12));
	ck_assert_uint_eq(steering.way, 1);
	ck_assert(steer_end(&steering));
	ck_assert(!steer_end(&steering));
}
END_TEST

START_TEST(nothing_to_choose)
{
	struct steering steering = {0};

	make_hops();
	ck_assert(!steer_stray(&steering, hops, 1, "up0", 10));
	ck_assert(!steer_stray(&steering, hops, 0, "up0", 10));
	ck_assert(!steer_stray(&steering, hops, 2, "up2", 10));
	ck_assert(!steer_stray(&steering, hops, 2, "", 10));
	ck_assert(!steer_stray(&steering, hops, STEER_HOPS_MAX + 1, "up0", 10));
	hops[1].gateway = (struct in6_addr){0};
	ck_assert(!steer_stray(&steering, hops, 2, "up0", 10));
	ck_assert_uint_eq(steering.way, STEER_PLAIN);
	ck_assert(steer_stray(&steering, hops, STEER_HOPS_MAX, "up0", 10));
	ck_assert_uint_eq(steering.way, 3);
}
END_TEST

/* All routers hash anew when a server is added: none of them is to blame. */
START_TEST(all_of_them_are_none)
{
	struct steering steering = {0};

	make_hops();
	ck_assert(steer_stray(&steering, hops, 3, "up0", 10));
	ck_assert_uint_eq(steering.way, 2);
	ck_assert(!steer_stray(&steering, hops, 3, "up2", 11));
	ck_assert(steer_stray(&steering, hops, 3, "up1", 12));
	ck_assert_uint_eq(steering.way, STEER_PLAIN);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert(!steer_stray(&steering, hops, 3, hops[i].interface, 100 + i));
	ck_assert(steer_stray(&steering, hops, 3, "up0", 102 + STEER_MS));
	ck_assert_uint_eq(steering.way, 2);
}
END_TEST

START_TEST(the_way_moves_on_when_it_is_suspected_itself)
{
	struct steering steering = {0};

	make_hops();
	steer_stray(&steering, hops, 3, "up0", 10);
	ck_assert_uint_eq(steering.way, 2);
	ck_assert(steer_stray(&steering, hops, 3, "up1", 11));
	ck_assert_uint_eq(steering.way, 3);
}
END_TEST

START_TEST(two_gateways_behind_one_interface)
{
	struct steering steering = {0};

	make_hops();
	strcpy(hops[1].interface, "up0");
	ck_assert(!steer_stray(&steering, hops, 2, "up0", 10));
	ck_assert(steer_stray(&steering, hops, 3, "up0", 10));
	ck_assert_uint_eq(steering.way, 3);
}
END_TEST

START_TEST(strays_renew_it)
{
	struct steering steering = {0};

	make_hops();
	ck_assert(!steer_is_due(&steering, 1u << 30));
	steer_stray(&steering, hops, 2, "up0", 10);
	ck_assert(!steer_is_due(&steering, 9 + STEER_MS));
	ck_assert(steer_is_due(&steering, 10 + STEER_MS));
	steer_stray(&steering, hops, 2, "up0", 1000);
	ck_assert(!steer_is_due(&steering, 999 + STEER_MS));
	ck_assert(steer_is_due(&steering, 1000 + STEER_MS));
}
END_TEST

UNIT_MAIN("steer", the_sender_is_avoided, nothing_to_choose, all_of_them_are_none,
	  the_way_moves_on_when_it_is_suspected_itself, two_gateways_behind_one_interface,
	  strays_renew_it)
