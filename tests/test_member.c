/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The member set: routes x hellos x time. */
#include "tests/unit.h"

#include "fpmd/directory/member.h"
#include "fpmd/directory/ring.h"

static struct member_set set;

static unsigned int routes(uint64_t now, const char *a, const char *b)
{
	struct in6_addr hosts[2];
	size_t count = 0;

	if (a)
		hosts[count++] = unit_address(a);
	if (b)
		hosts[count++] = unit_address(b);
	return member_set_routes(&set, hosts, count, now, NULL, NULL);
}

static uint16_t id_of(const char *text)
{
	struct in6_addr address = unit_address(text);
	int id = member_find(&set, &address);

	ck_assert_int_gt(id, 0);
	return (uint16_t)id;
}

static void init(const char *local)
{
	struct in6_addr address = unit_address(local);

	member_set_init(&set, &address, 77, 0);
}

START_TEST(route_and_hello)
{
	uint16_t id;

	init("10.0.0.1");
	ck_assert(member_in_ring(&set, MEMBER_LOCAL));
	ck_assert_uint_eq(routes(0, "10.0.0.2", "10.0.0.1"), MEMBER_CHANGED_STATE);
	id = id_of("10.0.0.2");
	ck_assert(!member_in_ring(&set, id));
	ck_assert_uint_eq(member_set_proven(&set, id, 5, 10),
			  MEMBER_CHANGED_STATE | MEMBER_CHANGED_RING);
	ck_assert(member_in_ring(&set, id));
	ck_assert_uint_eq(member_set_proven(&set, id, 5, 20), 0);
	ck_assert_uint_eq(member_set_proven(&set, id, 6, 20), MEMBER_CHANGED_STATE);
	ck_assert_uint_eq(routes(30, "10.0.0.2", NULL), 0);
	/* Leaves at once; comes back with a new proof only. */
	ck_assert_uint_eq(routes(40, NULL, NULL), MEMBER_CHANGED_STATE | MEMBER_CHANGED_RING);
	ck_assert(!member_in_ring(&set, id));
	ck_assert_uint_eq(member_set_proven(&set, id, 6, 45), 0);
	ck_assert_uint_eq(routes(50, "10.0.0.2", NULL), MEMBER_CHANGED_STATE);
	ck_assert_uint_eq(id_of("10.0.0.2"), id);
	ck_assert(!member_in_ring(&set, id));
	member_set_proven(&set, id, 6, 60);
	ck_assert(member_in_ring(&set, id));
}
END_TEST

START_TEST(silence)
{
	uint16_t id;

	init("10.0.0.1");
	routes(0, "10.0.0.2", NULL);
	id = id_of("10.0.0.2");
	ck_assert_uint_eq(member_set_tick(&set, 100000), 0);
	member_set_proven(&set, id, 5, 1000);
	ck_assert_uint_eq(member_set_tick(&set, 1000 + MEMBER_SILENT_MS - 1), 0);
	ck_assert_uint_eq(member_set_tick(&set, 1000 + MEMBER_SILENT_MS), MEMBER_CHANGED_STATE);
	ck_assert_uint_eq(member_set_tick(&set, 99999), 0);
	/* It stays in the ring: what it knows is not known to be gone. */
	ck_assert(member_in_ring(&set, id));
	ck_assert(member_bits_has(&set.silent, id));
	ck_assert_uint_eq(member_set_heard(&set, id, 100000), MEMBER_CHANGED_STATE);
	ck_assert(!member_bits_has(&set.silent, id));
	ck_assert_uint_eq(member_set_heard(&set, id, 100001), 0);
}
END_TEST

START_TEST(incomplete)
{
	init("10.0.0.1");
	ck_assert(member_set_incomplete(&set, 0));
	ck_assert(member_set_incomplete(&set, 1000000));
	routes(1000, NULL, NULL);
	ck_assert(!member_set_incomplete(&set, 1000));
	routes(1000, "10.0.0.2", NULL);
	ck_assert(member_set_incomplete(&set, 1000));
	ck_assert(member_set_incomplete(&set, 1000 + MEMBER_GRACE_MS - 1));
	ck_assert(!member_set_incomplete(&set, 1000 + MEMBER_GRACE_MS));
	routes(9000, "10.0.0.2", "10.0.0.3");
	ck_assert(member_set_incomplete(&set, 9000));
	member_set_proven(&set, id_of("10.0.0.3"), 1, 9001);
	ck_assert(!member_set_incomplete(&set, 9001));
	/* A member that left just now may be back in a moment. */
	routes(20000, NULL, NULL);
	ck_assert(member_set_incomplete(&set, 20000 + MEMBER_LOST_MS - 1));
	ck_assert(!member_set_incomplete(&set, 20000 + MEMBER_LOST_MS));
}
END_TEST

START_TEST(families)
{
	struct in6_addr other = unit_address("2001:db8::2");

	init("10.0.0.1");
	ck_assert_uint_eq(routes(0, "2001:db8::2", NULL), 0);
	ck_assert_int_eq(member_find(&set, &other), -1);
	init("2001:db8::1");
	routes(0, "2001:db8::2", "10.0.0.2");
	ck_assert_int_gt(member_find(&set, &other), 0);
	ck_assert_uint_eq(set.count, 2);
}
END_TEST

static unsigned int replaced;

static void on_replaced(void *arg, uint16_t id)
{
	replaced++;
}

#define HOSTS (MEMBERS_MAX + 500)

static struct in6_addr hosts[HOSTS];

static void hosts_make(void)
{
	for (uint32_t i = 0; i < HOSTS; i++)
		hosts[i] = address_from_ipv4(htonl(0x0a010000u + i));
}

START_TEST(room)
{
	hosts_make();
	init("10.0.0.1");
	member_set_routes(&set, hosts, MEMBERS_MAX - 1, 0, on_replaced, NULL);
	ck_assert_uint_eq(set.left_out, 0);
	ck_assert_uint_eq(set.count, MEMBERS_MAX);
	/* Hosts without a route make room. */
	member_set_routes(&set, hosts + 10, MEMBERS_MAX - 1, 0, on_replaced, NULL);
	ck_assert_uint_eq(set.left_out, 0);
	ck_assert_uint_eq(replaced, 10);
	for (size_t i = 10; i < MEMBERS_MAX + 9; i++) {
		int id = member_find(&set, &hosts[i]);

		ck_assert_int_gt(id, 0);
		ck_assert(address_equal(&set.member[id].address, &hosts[i]));
		ck_assert(set.member[id].routed);
	}
	ck_assert_int_eq(member_find(&set, &hosts[0]), -1);
}
END_TEST

static int compare_hosts(const void *a, const void *b)
{
	return ring_order(a, b);
}

/* A host's set after the routes came in pieces, in an order of its own. */
static void learn(struct member_set *of, const struct in6_addr *local, uint32_t seed)
{
	static struct in6_addr order[HOSTS];

	memcpy(order, hosts, sizeof(order));
	for (size_t i = HOSTS - 1; i > 0; i--) {
		size_t other = (seed = seed * 1664525 + 1013904223) % (i + 1);
		struct in6_addr swap = order[i];

		order[i] = order[other];
		order[other] = swap;
	}
	member_set_init(of, local, 77, 0);
	for (size_t count = 0; count < HOSTS; count += 100)
		member_set_routes(of, order, count, 0, NULL, NULL);
	member_set_routes(of, order, HOSTS, 0, NULL, NULL);
}

START_TEST(all_hosts_leave_out_the_same)
{
	static struct in6_addr sorted[HOSTS];

	hosts_make();
	memcpy(sorted, hosts, sizeof(sorted));
	qsort(sorted, HOSTS, sizeof(sorted[0]), compare_hosts);
	/* The first, some in between, the last that has a place, and such as have none. */
	for (size_t at = 0; at < HOSTS; at += at == MEMBERS_MAX - 1 ? 1 : 341) {
		learn(&set, &sorted[at], (uint32_t)at);
		ck_assert_uint_eq(set.left_out, HOSTS - MEMBERS_MAX);
		ck_assert_int_eq(set.local_left_out, at >= MEMBERS_MAX);
		for (size_t i = 0; i < HOSTS; i++) {
			bool has_place = i < MEMBERS_MAX - (at >= MEMBERS_MAX);
			int id = member_find(&set, &sorted[i]);

			if (i == at)
				ck_assert_int_eq(id, MEMBER_LOCAL);
			else
				ck_assert_int_eq(id > 0 && set.member[id].routed, has_place);
		}
	}
}
END_TEST

START_TEST(left_out_hosts_may_have_sessions)
{
	hosts_make();
	init("10.0.0.1");
	member_set_routes(&set, hosts, MEMBERS_MAX - 1, 0, NULL, NULL);
	ck_assert(!member_set_incomplete(&set, MEMBER_GRACE_MS));
	member_set_routes(&set, hosts, MEMBERS_MAX, 0, NULL, NULL);
	ck_assert_uint_eq(set.left_out, 1);
	ck_assert(member_set_incomplete(&set, MEMBER_GRACE_MS));
	ck_assert(member_set_incomplete(&set, 1000 * MEMBER_GRACE_MS));
	/* This host among the routes, and one told twice, take no room. */
	hosts[MEMBERS_MAX - 1] = unit_address("10.0.0.1");
	member_set_routes(&set, hosts, MEMBERS_MAX, 0, NULL, NULL);
	ck_assert(!member_set_incomplete(&set, 1000 * MEMBER_GRACE_MS));
	hosts[MEMBERS_MAX - 1] = hosts[3];
	member_set_routes(&set, hosts, MEMBERS_MAX, 0, NULL, NULL);
	ck_assert_uint_eq(set.left_out, 0);
	ck_assert(!member_set_incomplete(&set, 1000 * MEMBER_GRACE_MS));
}
END_TEST

START_TEST(new_ones)
{
	struct member member = {.epoch = 1000000};

	ck_assert(member_is_new(&member, 77, 1000000));
	ck_assert(member_is_new(&member, 77, 1000000 + MEMBER_NEW_MS - 1));
	ck_assert(!member_is_new(&member, 77, 1000000 + MEMBER_NEW_MS));
	/* By a clock that is wrong it is not known. */
	ck_assert(!member_is_new(&member, 77, 999999));
	member.lost_ms = 50000;
	ck_assert(member_is_new(&member, 50001, 2000000));
	ck_assert(!member_is_new(&member, 50000 + MEMBER_NEW_MS, 2000000));
}
END_TEST

UNIT_MAIN("member", new_ones, route_and_hello, silence, incomplete, families, room,
	  all_hosts_leave_out_the_same, left_out_hosts_may_have_sessions)
