/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fpmd/directory/key_table.h"
#include "tests/unit.h"

#define KEYS 4096

struct thing {
	struct record_key key;
	bool in;
};

static struct thing things[KEYS];

/* Many share the place in the table, some the whole hash. */
static void keys_make(void)
{
	memset(things, 0, sizeof(things));
	for (unsigned int i = 0; i < KEYS; i++) {
		things[i].key.bytes[4] = (uint8_t)(i % 7);
		things[i].key.bytes[5] = (uint8_t)(i % 3 * 0xff);
		things[i].key.bytes[8] = (uint8_t)(i / 16);
		things[i].key.bytes[15] = (uint8_t)i;
		things[i].key.bytes[14] = (uint8_t)(i >> 8);
	}
}

START_TEST(finds_what_is_in_and_nothing_else)
{
	struct key_table table = {0};
	uint32_t random = 1;
	size_t in = 0;

	keys_make();
	ck_assert_ptr_null(key_table_find(&table, &things[0].key));
	key_table_prefetch(&table, things[0].key.bytes, sizeof(things[0]), KEYS);
	for (unsigned int step = 0; step < 50000; step++) {
		struct thing *thing;

		random = random * 1664525 + 1013904223;
		thing = &things[(random >> 8) % KEYS];
		if (!thing->in) {
			ck_assert_int_eq(key_table_add(&table, &thing->key), 0);
			in++;
		} else {
			key_table_remove(&table, &thing->key);
			in--;
		}
		thing->in = !thing->in;
		ck_assert_uint_eq(table.count, in);
		for (unsigned int i = step % 499; i < KEYS; i += 499)
			ck_assert_ptr_eq(key_table_find(&table, &things[i].key),
					 things[i].in ? &things[i].key : NULL);
	}
	key_table_prefetch(&table, things[0].key.bytes, sizeof(things[0]), KEYS);
	for (unsigned int i = 0; i < KEYS; i++)
		ck_assert_ptr_eq(key_table_find(&table, &things[i].key),
				 things[i].in ? &things[i].key : NULL);
	key_table_free(&table);
	ck_assert_uint_eq(table.size, 0);
}
END_TEST

UNIT_MAIN("key_table", finds_what_is_in_and_nothing_else)
