// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit.h"
#include "zebra-plugin/holdfast_config.h"

static struct holdfast_config config;
static struct error error;

static void setup(void)
{
	holdfast_config_init(&config);
	config.enabled = true;
	error.text[0] = '\0';
}

static struct holdfast_prefix prefix(const char *text, unsigned int length)
{
	struct holdfast_prefix out = {.length = (uint8_t)length};

	out.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	ck_assert_int_eq(inet_pton(out.family, text, out.address), 1);
	return out;
}

static int vip(const char *text, unsigned int length)
{
	struct holdfast_prefix p = prefix(text, length);

	return holdfast_vip_add(&config, &p, &error);
}

static int range(const char *text, unsigned int length)
{
	struct holdfast_prefix p = prefix(text, length);

	return holdfast_range_add(&config, &p, &error);
}

static int member(const char *text)
{
	struct holdfast_prefix p = prefix(text, strchr(text, ':') ? 128 : 32);

	return holdfast_member_set(&config, &p, &error);
}

static bool matches(const char *text, unsigned int length)
{
	struct holdfast_prefix p = prefix(text, length);

	return holdfast_config_matches(&config, &p);
}

START_TEST(vips_are_hosts_and_sorted)
{
	setup();
	ck_assert_int_eq(vip("192.0.2.80", 32), 0);
	ck_assert_int_eq(vip("2001:db8::80", 128), 0);
	ck_assert_int_eq(vip("192.0.2.7", 32), 0);
	ck_assert_int_eq(vip("192.0.2.80", 32), 0);
	ck_assert_uint_eq(config.vip_count, 3);
	ck_assert_uint_eq(config.vips[0].address[3], 7);
	ck_assert_uint_eq(config.vips[2].family, AF_INET6);
	ck_assert_int_eq(vip("192.0.2.0", 24), -1);
	ck_assert_str_eq(error.text, "192.0.2.0/24 is not a host prefix: a VIP is a /32");
	ck_assert_int_eq(vip("2001:db8::", 64), -1);
	ck_assert_uint_eq(config.vip_count, 3);
}
END_TEST

START_TEST(vips_are_removed_by_name)
{
	struct holdfast_prefix p = prefix("192.0.2.80", 32);

	setup();
	ck_assert_int_eq(holdfast_vip_remove(&config, &p, &error), -1);
	ck_assert_str_eq(error.text, "prefix 192.0.2.80/32 is not configured");
	ck_assert_int_eq(vip("192.0.2.79", 32), 0);
	ck_assert_int_eq(vip("192.0.2.80", 32), 0);
	ck_assert_int_eq(vip("192.0.2.81", 32), 0);
	ck_assert_int_eq(holdfast_vip_remove(&config, &p, &error), 0);
	ck_assert_uint_eq(config.vip_count, 2);
	ck_assert_uint_eq(config.vips[1].address[3], 81);
}
END_TEST

START_TEST(a_vip_is_never_inside_a_member_range)
{
	setup();
	ck_assert_int_eq(range("10.255.0.0", 24), 0);
	ck_assert_int_eq(vip("10.255.0.80", 32), -1);
	ck_assert_int_eq(vip("10.255.1.80", 32), 0);
	ck_assert_int_eq(range("10.255.1.0", 24), -1);
	ck_assert_str_eq(error.text, "member-range 10.255.1.0/24 contains the VIP 10.255.1.80/32");
	ck_assert_uint_eq(config.range_count, 1);
}
END_TEST

START_TEST(ranges_do_not_overlap)
{
	setup();
	ck_assert_int_eq(range("10.255.0.0", 24), 0);
	ck_assert_int_eq(range("10.255.0.99", 24),
			 0); /* the same: bits behind the length count not */
	ck_assert_uint_eq(config.range_count, 1);
	ck_assert_int_eq(range("10.255.0.128", 25), -1);
	ck_assert_int_eq(range("10.0.0.0", 8), -1);
	ck_assert_int_eq(range("0.0.0.0", 0), -1);
	ck_assert_int_eq(range("10.255.1.0", 24), 0);
	ck_assert_int_eq(range("2001:db8:ff::", 48), 0);
	ck_assert_int_eq(range("2001:db8:ff:1::", 64), -1);
}
END_TEST

START_TEST(matching_knows_vips_and_hosts_of_ranges_alone)
{
	setup();
	ck_assert_int_eq(vip("192.0.2.80", 32), 0);
	ck_assert_int_eq(range("10.255.0.0", 21), 0);
	ck_assert_int_eq(range("2001:db8:ff::", 48), 0);
	ck_assert(matches("192.0.2.80", 32));
	ck_assert(!matches("192.0.2.81", 32));
	ck_assert(matches("10.255.0.0", 32));
	ck_assert(matches("10.255.7.255", 32));
	ck_assert(!matches("10.255.8.0", 32));
	ck_assert(!matches("10.255.0.0", 24));
	ck_assert(matches("2001:db8:ff::1", 128));
	ck_assert(!matches("2001:db8:fe::1", 128));
	ck_assert(!matches("2001:db8:ff::", 64));
}
END_TEST

START_TEST(a_member_is_checked_when_there_is_a_range_of_its_family)
{
	setup();
	ck_assert_int_eq(member("10.255.0.3"), 0);
	ck_assert_int_eq(range("10.254.0.0", 24), 0);
	ck_assert_int_eq(member("10.255.0.4"), -1);
	ck_assert_str_eq(error.text, "10.255.0.4 is outside of every member-range");
	ck_assert_int_eq(member("2001:db8::3"), 0);
	ck_assert_uint_eq(config.local_members[0].address[3], 3);
	ck_assert_int_eq(vip("192.0.2.80", 32), 0);
	ck_assert_int_eq(member("192.0.2.80"), -1);
}
END_TEST

static int marks(uint32_t owner_mask, uint32_t path_mask, uint32_t stray_bit, uint32_t tunnel_bit)
{
	return holdfast_marks_set(&config, owner_mask, path_mask, stray_bit, tunnel_bit, &error);
}

START_TEST(marks_neither_overlap_nor_have_holes)
{
	setup();
	ck_assert_int_eq(marks(0xf0f, 0, 1u << 31, 1u << 30), -1);
	ck_assert_int_eq(marks(0, 0, 1u << 31, 1u << 30), -1);
	ck_assert_int_eq(marks(1, 0, 1u << 31, 1u << 30), -1);
	ck_assert_int_eq(marks(0xfff, 0, 0x800, 1u << 30), -1);
	ck_assert_int_eq(marks(0xfff, 0, 1u << 30, 1u << 30), -1);
	ck_assert_int_eq(marks(0xfff, 0, 3u << 30, 1u << 29), -1);
	ck_assert_int_eq(marks(0xfff, 0xf0f000, 1u << 31, 1u << 30), -1);
	ck_assert_str_eq(error.text,
			 "path-mask 0x00f0f000 is not a contiguous mask of two bits or more");
	ck_assert_int_eq(marks(0xfff, 0x1000, 1u << 31, 1u << 30), -1);
	ck_assert_int_eq(marks(0xfff, 0xf800, 1u << 31, 1u << 30), -1);
	ck_assert_str_eq(error.text, "path-mask 0x0000f800 overlaps owner-mask 0x00000fff");
	ck_assert_int_eq(marks(0xfff, 0xf0000000, 1u << 31, 1u << 30), -1);
	ck_assert_str_eq(error.text, "path-mask 0xf0000000 overlaps stray-bit 0x80000000");
	ck_assert_int_eq(marks(0xfff, 0x70000000, 1u << 31, 1u << 30), -1);
	ck_assert_str_eq(error.text, "path-mask 0x70000000 overlaps tunnel-bit 0x40000000");
	ck_assert_uint_eq(config.mark_owner_mask, 0xfff);
	ck_assert_uint_eq(config.mark_path_mask, 0x0ff00000);
	ck_assert_int_eq(marks(0xffff0000, 0xff00, 1, 2), 0);
	ck_assert_uint_eq(config.mark_owner_mask, 0xffff0000);
	ck_assert_uint_eq(holdfast_path_mask(&config), 0xff00);
	ck_assert_int_eq(marks(0x3fffffff, 0, 1u << 30, 1u << 31), 0);
	ck_assert_uint_eq(holdfast_path_mask(&config), 0);
}
END_TEST

/* A configuration of a server, from before there were path masks, stays good. */
START_TEST(the_default_path_mask_gives_way)
{
	setup();
	ck_assert_uint_eq(holdfast_path_mask(&config), 0x0ff00000);
	ck_assert_int_eq(marks(0xff000000, config.mark_path_mask, 1, 2), 0);
	ck_assert_uint_eq(holdfast_path_mask(&config), 0);
	ck_assert_int_eq(marks(0xff, config.mark_path_mask, 1u << 24, 1u << 30), 0);
	ck_assert_uint_eq(holdfast_path_mask(&config), 0);
	ck_assert_int_eq(marks(0xff, config.mark_path_mask, 1u << 28, 1u << 30), 0);
	ck_assert_uint_eq(holdfast_path_mask(&config), 0x0ff00000);
}
END_TEST

START_TEST(marks_are_hexadecimal)
{
	static const char *const bad[] = {"", "0x", "x1", "-1", "+1", "0x1g", "123456789", " 1"};
	uint32_t mark = 7;

	setup();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(holdfast_mark_parse(bad[i], &mark, &error) == -1, "%s", bad[i]);
	ck_assert_uint_eq(mark, 7);
	ck_assert_int_eq(holdfast_mark_parse("0x40000000", &mark, &error), 0);
	ck_assert_uint_eq(mark, 0x40000000);
	ck_assert_int_eq(holdfast_mark_parse("FFFFFFFF", &mark, &error), 0);
	ck_assert_uint_eq(mark, 0xffffffff);
}
END_TEST

START_TEST(the_number_of_prefixes_is_bounded)
{
	struct holdfast_prefix p = prefix("192.0.0.0", 32);

	setup();
	for (unsigned int i = 0; i < HOLDFAST_VIPS_MAX; i++) {
		p.address[2] = (uint8_t)(i >> 8);
		p.address[3] = (uint8_t)i;
		ck_assert_int_eq(holdfast_vip_add(&config, &p, &error), 0);
	}
	ck_assert_int_eq(vip("198.51.100.1", 32), -1);
	ck_assert_str_eq(error.text, "at most 256 prefixes can be configured");
	p = prefix("10.0.0.0", 24);
	for (unsigned int i = 0; i < HOLDFAST_RANGES_MAX; i++) {
		p.address[2] = (uint8_t)i;
		ck_assert_int_eq(holdfast_range_add(&config, &p, &error), 0);
	}
	ck_assert_int_eq(range("10.9.0.0", 24), -1);
}
END_TEST

START_TEST(key_files_are_absolute_and_short)
{
	char path[400];

	setup();
	ck_assert_int_eq(holdfast_key_file_set(&config, "key", &error), -1);
	ck_assert_int_eq(holdfast_key_file_set(&config, "/etc/frr/holdfast.key", &error), 0);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[HOLDFAST_KEY_FILE_SIZE] = '\0';
	ck_assert_int_eq(holdfast_key_file_set(&config, path, &error), -1);
	path[HOLDFAST_KEY_FILE_SIZE - 1] = '\0';
	ck_assert_int_eq(holdfast_key_file_set(&config, path, &error), 0);
}
END_TEST

START_TEST(what_is_missing_is_told)
{
	struct error problems[8];

	setup();
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 8), 4);
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 2), 2);
	ck_assert_str_eq(problems[0].text, "no prefix is configured");
	ck_assert_int_eq(vip("192.0.2.80", 32), 0);
	ck_assert_int_eq(member("10.255.0.3"), 0);
	ck_assert_int_eq(range("10.254.0.0", 24), 0);
	ck_assert_int_eq(holdfast_key_file_set(&config, "/k", &error), 0);
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 8), 1);
	ck_assert_str_eq(problems[0].text,
			 "local-member 10.255.0.3 is outside of every member-range");
	ck_assert_int_eq(range("10.255.0.0", 24), 0);
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 8), 0);
	config.directory_port = config.tunnel_port;
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 8), 1);
	config.directory_port++;
	config.role = HOLDFAST_ROLE_DIRECTOR;
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 8), 0);
	config.mark_path_mask = 0;
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 8), 1);
	ck_assert_str_eq(problems[0].text, "role director needs a mark path-mask");
	config.enabled = false;
	ck_assert_uint_eq(holdfast_config_problems(&config, problems, 8), 0);
}
END_TEST

UNIT_MAIN("holdfast_config", vips_are_hosts_and_sorted, vips_are_removed_by_name,
	  a_vip_is_never_inside_a_member_range, ranges_do_not_overlap,
	  matching_knows_vips_and_hosts_of_ranges_alone,
	  a_member_is_checked_when_there_is_a_range_of_its_family,
	  marks_neither_overlap_nor_have_holes, the_default_path_mask_gives_way,
	  marks_are_hexadecimal, the_number_of_prefixes_is_bounded,
	  key_files_are_absolute_and_short, what_is_missing_is_told)
