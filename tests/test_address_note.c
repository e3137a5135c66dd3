// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses that are away: the line that keeps them, there and back. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "fpmd/kernel/address_note.h"
#include "tests/unit.h"

static char line[ADDRESS_NOTE_SIZE];

static void expect_round(const struct address_note *note, const char *expected)
{
	struct address_note back;

	ck_assert_str_eq(address_note_write(note, line), expected);
	ck_assert_int_eq(address_note_read(line, &back), 0);
	ck_assert(address_note_equal(note, &back));
	ck_assert_uint_eq(back.since_s, note->since_s);
}

START_TEST(there_and_back)
{
	struct address_note note = {.device = "lo", .since_s = 1795390000};

	note.address = unit_address("192.0.2.80");
	expect_round(&note, "192.0.2.80/32 dev lo scope global; since 1795390000");
	note.scope = RT_SCOPE_HOST;
	strcpy(note.label, "lo:1");
	note.flags = IFA_F_NOPREFIXROUTE;
	expect_round(&note, "192.0.2.80/32 dev lo scope host label lo:1 noprefixroute; "
			    "since 1795390000");
	note.scope = 77;
	note.broadcast = unit_address("192.0.2.255");
	note.metric = 4294967295;
	note.protocol = 255;
	note.flags = ADDRESS_NOTE_FLAGS;
	expect_round(&note, "192.0.2.80/32 dev lo broadcast 192.0.2.255 scope 77 label lo:1 "
			    "metric 4294967295 nodad home mngtmpaddr noprefixroute "
			    "autojoin; since 1795390000 proto 255");
}
END_TEST

START_TEST(the_longest_line_fits)
{
	struct address_note note = {.device = "abcdefghijklmno",
				    .label = "abcdefghijklmno",
				    .scope = 199,
				    .protocol = 255,
				    .metric = UINT32_MAX,
				    .flags = ADDRESS_NOTE_FLAGS,
				    .since_s = UINT64_MAX},
			    back;

	note.address = unit_address("ffff:eeee:dddd:cccc:bbbb:aaaa:9999:8888");
	ck_assert_int_eq(address_note_read(address_note_write(&note, line), &back), 0);
	ck_assert(address_note_equal(&note, &back));
	ck_assert_uint_eq(back.since_s, UINT64_MAX);
	/* IPv4 has no flags of IPv6, but a broadcast address. */
	note.address = unit_address("255.255.255.254");
	note.broadcast = unit_address("255.255.255.255");
	ck_assert_int_eq(address_note_read(address_note_write(&note, line), &back), 0);
	ck_assert(address_note_equal(&note, &back));
}
END_TEST

START_TEST(all_that_tells_addresses_apart)
{
	struct address_note one = {.device = "lo"}, other;

	one.address = unit_address("192.0.2.80");
	other = one;
	other.since_s = 5;
	ck_assert(address_note_equal(&one, &other));
	other.scope = 1;
	ck_assert(!address_note_equal(&one, &other));
	other = one;
	other.label[0] = 'l';
	ck_assert(!address_note_equal(&one, &other));
	other = one;
	other.device[0] = 'e';
	ck_assert(!address_note_equal(&one, &other));
}
END_TEST

START_TEST(what_is_no_such_line)
{
	static const char *const lines[] = {
		"",
		"192.0.2.80/32 dev lo scope global",
		"192.0.2.80/32 dev lo scope global; since",
		"192.0.2.80/32 dev lo scope global; since x",
		"192.0.2.80/32 scope global; since 1",
		"192.0.2.80/24 dev lo; since 1",
		"2001:db8::80/32 dev lo; since 1",
		"192.0.2.80 dev lo; since 1",
		"192.0.2.80/32 dev; since 1",
		"192.0.2.80/32 dev abcdefghijklmnop; since 1",
		"192.0.2.80/32 dev lo scope; since 1",
		"192.0.2.80/32 dev lo scope 256; since 1",
		"192.0.2.80/32 dev lo metric 4294967296; since 1",
		"192.0.2.80/32 dev lo; since 1 proto",
		"192.0.2.80/32 dev lo; since 1 proto 256",
		"192.0.2.80/32 dev lo; since 1 proto 2 3",
		"192.0.2.80/32 dev lo; since 1 label 2",
		"192.0.2.80/32 dev lo broadcast; since 1",
		"192.0.2.80/32 dev lo label; since 1",
		"192.0.2.80/32 dev lo something; since 1",
		"a line that is much too long a line that is much too long a line that is much too "
		"long a line that is much too long a line that is much too long a line that is "
		"much too long a line that is much too long a line that is much too long; since 1",
	};
	struct address_note note;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(address_note_read(lines[i], &note) == -1, "taken: %s", lines[i]);
}
END_TEST

UNIT_MAIN("address_note", there_and_back, the_longest_line_fits, all_that_tells_addresses_apart,
	  what_is_no_such_line)
