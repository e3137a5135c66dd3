/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots: what the specification says, and what a server answers to CLUSTER KEYSLOT. */
#include "tests/unit.h"

#include "fpmd/directory/valkey_slot.h"

START_TEST(check_value)
{
	/* Redis cluster specification, "Key distribution model". */
	ck_assert_uint_eq(valkey_crc16("123456789", 9), 0x31c3);
	ck_assert_uint_eq(valkey_crc16("", 0), 0);
}
END_TEST

static uint16_t slot(const char *key)
{
	return valkey_slot(key, strlen(key));
}

START_TEST(keys)
{
	/* From CLUSTER KEYSLOT of Redis 7.0.15. */
	static const struct {
		const char *key;
		uint16_t slot;
	} table[] = {
		{"foo", 12182},
		{"bar", 5061},
		{"{user1000}.following", 3443},
		{"foo{}{bar}", 8363},
		{"foo{{bar}}zap", 4015},
		{"foo{bar}{zap}", 5061},
		{"{}", 15257},
		{"a{b", 13340},
		{"a}b{", 6027},
		{"{}x", 10595},
		{"holdfast:{000}:r:00000000000000000000000000000000", 13923},
		{"holdfast:{3ff}:o:10.255.0.3", 12569},
		{"other:{2b7}:o:2001:db8::1", 57},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ck_assert_msg(slot(table[i].key) == table[i].slot, "%s: %u", table[i].key,
			      slot(table[i].key));
}
END_TEST

START_TEST(any_bytes)
{
	static const char bytes[] = {'{', '\0', '}', (char)0xff};

	ck_assert_uint_eq(valkey_slot(bytes, sizeof(bytes)), valkey_slot("", 1));
	ck_assert_uint_eq(valkey_slot("", 0), 0);
	ck_assert_uint_eq(valkey_slot("{", 1), valkey_crc16("{", 1) % VALKEY_SLOTS);
}
END_TEST

UNIT_MAIN("valkey_slot", check_value, keys, any_bytes)
