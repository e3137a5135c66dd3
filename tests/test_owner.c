// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/owner.h"
#include "tests/unit.h"

static struct owners owners;

static struct in6_addr member(uint32_t i)
{
	return address_from_ipv4(htonl(0x0aff0000u + i));
}

START_TEST(an_owner_keeps_its_id)
{
	struct in6_addr a = member(1), b = member(2);
	uint16_t id;

	owners_init(&owners, 0xfff);
	ck_assert_uint_eq(owners.max, 4095);
	id = owner_retain(&owners, &a, 0);
	ck_assert_uint_ne(id, OWNER_NONE);
	ck_assert_uint_eq(owner_retain(&owners, &a, 5), id);
	ck_assert_uint_ne(owner_retain(&owners, &b, 5), id);
	ck_assert_uint_eq(owner_find(&owners, &a), id);
}
END_TEST

START_TEST(an_id_rests_before_another_gets_it)
{
	struct in6_addr a = member(1), b = member(2);
	uint16_t id;

	owners_init(&owners, 0x10000);
	ck_assert_uint_eq(owners.max, 1);
	id = owner_retain(&owners, &a, 100);
	ck_assert_uint_eq(owner_retain(&owners, &b, 100), OWNER_NONE);
	owner_release(&owners, id, 200);
	ck_assert_uint_eq(owner_find(&owners, &a), OWNER_NONE);
	ck_assert_uint_eq(owner_retain(&owners, &b, 200 + OWNER_REST_MS - 1), OWNER_NONE);
	/* The same member may have it back at once. */
	ck_assert_uint_eq(owner_retain(&owners, &a, 201), id);
	owner_release(&owners, id, 300);
	ck_assert_uint_eq(owner_retain(&owners, &b, 300 + OWNER_REST_MS), id);
}
END_TEST

START_TEST(what_the_kernel_has_is_adopted)
{
	struct in6_addr a = member(1), b = member(2);

	owners_init(&owners, 0xf);
	ck_assert_int_eq(owner_adopt(&owners, 7, &a), 0);
	ck_assert_int_eq(owner_adopt(&owners, 7, &b), -1);
	ck_assert_int_eq(owner_adopt(&owners, 16, &b), -1);
	ck_assert_int_eq(owner_adopt(&owners, 0, &b), -1);
	ck_assert_uint_eq(owner_retain(&owners, &a, 0), 7);
}
END_TEST

/* Property: at any time no id is held by two, and none was given to another before it rested. */
START_TEST(random_histories)
{
	static struct {
		struct in6_addr address;
		uint64_t released_ms;
		bool ever;
	} last[16];
	unsigned int seed = 11;
	uint64_t now = 0;

	owners_init(&owners, 0xf);
	memset(last, 0, sizeof(last));
	for (int step = 0; step < 200000; step++) {
		struct in6_addr address = member((uint32_t)rand_r(&seed) % 24);
		uint16_t had = owner_find(&owners, &address), id;

		now += (uint64_t)rand_r(&seed) % 800;
		if (had && rand_r(&seed) % 2) {
			owner_release(&owners, had, now);
			last[had].released_ms = now;
			continue;
		}
		id = owner_retain(&owners, &address, now);
		if (!id)
			continue;
		if (!had && last[id].ever && !address_equal(&last[id].address, &address))
			ck_assert_uint_ge(now, last[id].released_ms + OWNER_REST_MS);
		last[id].address = address;
		last[id].ever = true;
		for (uint16_t other = 1; other <= owners.max; other++)
			if (other != id && owners.table[other].used)
				ck_assert(!address_equal(&owners.table[other].address, &address));
	}
}
END_TEST

UNIT_MAIN("owner", an_owner_keeps_its_id, an_id_rests_before_another_gets_it,
	  what_the_kernel_has_is_adopted, random_histories)
