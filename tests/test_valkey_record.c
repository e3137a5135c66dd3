/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys and values as a server keeps them. */
#include "tests/unit.h"

#include "fpmd/directory/valkey_record.h"
#include "fpmd/directory/valkey_slot.h"

static struct record record_make(void)
{
	struct record record = {
		.owner = unit_address("10.255.0.3"),
		.version = UINT64_C(0x0102030405060708),
		.owner_epoch = UINT64_C(0x112233445566),
		.client = 0x7788,
	};

	for (size_t i = 0; i < RECORD_KEY_SIZE; i++)
		record.key.bytes[i] = (uint8_t)(0xf0 + i);
	return record;
}

START_TEST(keys)
{
	struct record record = record_make();
	struct in6_addr six = unit_address("2001:db8::1");
	char key[VALKEY_KEY_SIZE], owner[VALKEY_KEY_SIZE];

	ck_assert_uint_eq(valkey_bucket(&record.key), 0x3c3);
	ck_assert_uint_eq(valkey_record_key("holdfast", &record.key, key), strlen(key));
	ck_assert_str_eq(key, "holdfast:{3c3}:r:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
	ck_assert_uint_eq(valkey_owner_key("holdfast", 0x3c3, &record.owner, owner), strlen(owner));
	ck_assert_str_eq(owner, "holdfast:{3c3}:o:10.255.0.3");
	/* One script's keys are in one slot. */
	ck_assert_uint_eq(valkey_slot(key, strlen(key)), valkey_slot(owner, strlen(owner)));
	valkey_owner_key("a", 0, &six, owner);
	ck_assert_str_eq(owner, "a:{000}:o:2001:db8::1");
}
END_TEST

START_TEST(the_longest_keys)
{
	struct in6_addr owner = unit_address("2001:db8:1111:2222:3333:4444:5555:6666");
	struct record record = record_make();
	char prefix[VALKEY_PREFIX_MAX + 1];
	char key[VALKEY_KEY_SIZE];

	memset(prefix, 'p', VALKEY_PREFIX_MAX);
	prefix[VALKEY_PREFIX_MAX] = '\0';
	ck_assert_uint_eq(valkey_record_key(prefix, &record.key, key), strlen(key));
	ck_assert_uint_eq(strlen(key), VALKEY_PREFIX_MAX + 9 + 32);
	ck_assert_uint_eq(valkey_owner_key(prefix, 1023, &owner, key), strlen(key));
}
END_TEST

START_TEST(buckets_spread_over_slots)
{
	static uint8_t used[VALKEY_SLOTS];
	unsigned int per_third[3] = {0}, different = 0;

	for (unsigned int bucket = 0; bucket < VALKEY_BUCKETS; bucket++) {
		struct record_key key = {{(uint8_t)(bucket >> 2), (uint8_t)(bucket << 6)}};
		char text[VALKEY_KEY_SIZE];
		uint16_t slot;

		ck_assert_uint_eq(valkey_bucket(&key), bucket);
		slot = valkey_slot(text, valkey_record_key("holdfast", &key, text));
		different += used[slot]++ == 0;
		per_third[slot * 3 / VALKEY_SLOTS]++;
	}
	ck_assert_uint_ge(different, 950);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ge(per_third[i], 300);
}
END_TEST

START_TEST(values)
{
	static const uint8_t want[VALKEY_VALUE_SIZE] = {
		'R', 1, 2,    3,    4,	5,   6, 7, 8,	 0,    0,    0,	   0,	 0,    0,    0,	  0,
		0,   0, 0xff, 0xff, 10, 255, 0, 3, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
	struct record record = record_make(), back = {0};
	uint8_t value[VALKEY_VALUE_SIZE];

	valkey_value_encode(&record, false, value);
	ck_assert_mem_eq(value, want, sizeof(want));
	ck_assert_int_eq(valkey_value_decode(value, sizeof(value), &record.key, &back),
			 VALKEY_VALUE_RECORD);
	ck_assert(record_key_equal(&back.key, &record.key));
	ck_assert(address_equal(&back.owner, &record.owner));
	ck_assert_uint_eq(back.version, record.version);
	ck_assert_uint_eq(back.owner_epoch, record.owner_epoch);
	ck_assert_uint_eq(back.client, record.client);
	valkey_value_encode(&record, true, value);
	ck_assert_int_eq(value[0], 'T');
	ck_assert_int_eq(valkey_value_decode(value, sizeof(value), &record.key, &back),
			 VALKEY_VALUE_TOMBSTONE);
}
END_TEST

START_TEST(foreign_values)
{
	static const struct {
		size_t at, count;
		uint8_t byte;
	} spoilt[] = {
		{0, 1, 'X'}, {0, 1, 0}, {1, 8, 0}, {25, 6, 0}, {9, 16, 0}, {9, 16, 0xff},
	};
	struct record record = record_make(), back;
	uint8_t value[VALKEY_VALUE_SIZE + 1];

	for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		valkey_value_encode(&record, false, value);
		memset(value + spoilt[i].at, spoilt[i].byte, spoilt[i].count);
		ck_assert_int_eq(valkey_value_decode(value, VALKEY_VALUE_SIZE, &record.key, &back),
				 VALKEY_VALUE_FOREIGN);
	}
	valkey_value_encode(&record, false, value);
	for (size_t size = 0; size <= sizeof(value); size++) {
		if (size != VALKEY_VALUE_SIZE)
			ck_assert_int_eq(valkey_value_decode(value, size, &record.key, &back),
					 VALKEY_VALUE_FOREIGN);
	}
}
END_TEST

UNIT_MAIN("valkey_record", keys, the_longest_keys, buckets_spread_over_slots, values,
	  foreign_values)
