/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring: balance, least movement, the same for all. */
#include "tests/unit.h"

#include "tests/ring_moved.h"

#define LIMIT 48

static struct ring ring, other;

static void members_make(struct ring_member *members, size_t count, bool ipv6)
{
	for (size_t i = 0; i < count; i++) {
		members[i].id = (uint16_t)i;
		if (ipv6) {
			members[i].address = unit_address("2001:db8::");
			members[i].address.s6_addr[14] = (uint8_t)(i >> 8);
			members[i].address.s6_addr[15] = (uint8_t)i;
		} else {
			members[i].address = address_from_ipv4(htonl(0x0aff0000u + (uint32_t)i));
		}
	}
}

START_TEST(balance)
{
	static const size_t counts[] = {2, 3, 6, 12, 48};

	for (size_t c = 0; c < 10; c++) {
		struct ring_member members[64];
		size_t count = counts[c / 2];
		size_t primary[64] = {0}, kept[64] = {0};
		double fair;

		members_make(members, count, c % 2);
		ring_build(&ring, members, count, LIMIT, 3);
		ck_assert_uint_eq(ring.replicas, count < 3 ? count : 3);
		for (uint32_t bucket = 0; bucket < RING_BUCKETS; bucket++) {
			primary[ring.holder[bucket][0]]++;
			for (uint8_t i = 0; i < ring.replicas; i++) {
				kept[ring.holder[bucket][i]]++;
				for (uint8_t j = 0; j < i; j++)
					ck_assert_uint_ne(ring.holder[bucket][i],
							  ring.holder[bucket][j]);
			}
		}
		fair = (double)RING_BUCKETS / (double)count;
		for (size_t i = 0; i < count; i++) {
			ck_assert_double_gt((double)primary[i], fair * 0.8);
			ck_assert_double_lt((double)primary[i], fair * 1.2);
			ck_assert_double_lt((double)kept[i], fair * ring.replicas * 1.2);
		}
	}
}
END_TEST

START_TEST(least_movement)
{
	for (size_t count = 4; count <= 48; count += 11) {
		struct ring_member members[64];
		uint16_t gone = (uint16_t)(count / 2);
		size_t moved;

		members_make(members, count, false);
		ring_build(&ring, members, count, LIMIT, 3);
		members_make(members, count, false);
		members[gone] = members[count - 1];
		ring_build(&other, members, count - 1, LIMIT, 3);
		/* Only the buckets of the member that left change, and by one place. */
		for (uint32_t bucket = 0; bucket < RING_BUCKETS; bucket++) {
			uint16_t b = (uint16_t)bucket;

			if (!ring_holds(&ring, b, gone))
				ck_assert(ring_bucket_same(&ring, &other, b));
			for (uint8_t i = 0; i < 3; i++) {
				if (ring.holder[bucket][i] != gone)
					ck_assert(ring_holds(&other, b, ring.holder[bucket][i]));
			}
		}
		moved = ring_moved(&ring, &other);
		ck_assert_double_lt((double)moved, 3.0 * RING_BUCKETS / (double)count * 1.2);
		ck_assert_uint_eq(ring_moved(&ring, &ring), 0);
	}
}
END_TEST

START_TEST(order_does_not_matter)
{
	struct ring_member members[60], reversed[60];

	members_make(members, 60, false);
	for (size_t i = 0; i < 60; i++)
		reversed[i] = members[59 - i];
	ring_build(&ring, members, 60, LIMIT, 3);
	ring_build(&other, reversed, 60, LIMIT, 3);
	ck_assert_uint_eq(ring.members, LIMIT);
	ck_assert_mem_eq(&ring, &other, sizeof(ring));
	/* Beyond the cap one leaves: at most one other comes in. */
	members_make(members, 60, false);
	ring_build(&other, members, 59, LIMIT, 3);
	ck_assert_uint_lt(ring_moved(&ring, &other), RING_BUCKETS / 5);
}
END_TEST

START_TEST(small)
{
	struct ring_member member;

	members_make(&member, 1, false);
	ring_build(&ring, &member, 0, LIMIT, 3);
	ck_assert_uint_eq(ring.replicas, 0);
	ck_assert(!ring_holds(&ring, 0, 0));
	ring_build(&ring, &member, 1, LIMIT, 3);
	ck_assert_uint_eq(ring.replicas, 1);
	for (uint32_t bucket = 0; bucket < RING_BUCKETS; bucket++)
		ck_assert(ring_holds(&ring, (uint16_t)bucket, 0));
}
END_TEST

/* Members of different versions must agree on the places: these must not change. */
START_TEST(places_are_final)
{
	static const uint16_t want[4][3] = {{3, 4, 5}, {1, 3, 0}, {3, 4, 2}, {3, 4, 5}};
	struct ring_member members[6];

	members_make(members, 6, false);
	ring_build(&ring, members, 6, LIMIT, 3);
	for (size_t i = 0; i < 4; i++)
		ck_assert_mem_eq(ring.holder[i * 5000], want[i], sizeof(want[i]));
}
END_TEST

UNIT_MAIN("ring", balance, least_movement, order_does_not_matter, small, places_are_final)
