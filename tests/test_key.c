/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key file: what is taken, and that each error names its cause. */
#include "tests/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "fpmd/directory/key.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0"

START_TEST(texts)
{
	static const struct {
		const char *text;
		int count; /* -1: refused */
		const char *says;
	} table[] = {
		{"1 " HEX_A "\n", 1, ""},
		{"1 " HEX_A, 1, ""},
		{"# ours\n\n  7\t" HEX_A "  \r\n1 " HEX_B "\n", 2, ""},
		{"4294967295 " HEX_A, 1, ""},
		{"", -1, "has no key"},
		{"# nothing\n", -1, "has no key"},
		{"0 " HEX_A, -1, "line 1: expected"},
		{"4294967296 " HEX_A, -1, "expected"},
		{"99999999999999999999999 " HEX_A, -1, "expected"},
		{"x " HEX_A, -1, "expected"},
		{HEX_A, -1, "expected"},
		{"\n1 " HEX_A "0", -1, "line 2: the key is too long"},
		{"1 0011", -1, "too short, 4 hex digits"},
		{"1 g" HEX_A, -1, "not a hex digit"},
		{"1 " HEX_A " 2", -1, "not a hex digit"},
		{"1 " HEX_A "\n1 " HEX_B, -1, "there twice"},
		{"1 " HEX_A "\n2 " HEX_B "\n3 " HEX_B, -1, "more than two"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct directory_keys keys;
		struct error error = {""};
		int result = directory_key_parse(table[i].text, "/k", &keys, &error);

		ck_assert_int_eq(result, table[i].count < 0 ? -1 : 0);
		ck_assert_uint_eq(keys.count, table[i].count < 0 ? 0 : (size_t)table[i].count);
		ck_assert_ptr_nonnull(strstr(error.text, table[i].says));
	}
}
END_TEST

START_TEST(first_is_active)
{
	struct directory_keys keys, other;

	ck_assert_int_eq(directory_key_parse("7 " HEX_A "\n1 " HEX_B, "", &keys, NULL), 0);
	ck_assert_uint_eq(keys.key[0].id, 7);
	ck_assert_uint_eq(keys.key[0].bytes[31], 0x1f);
	ck_assert_int_eq(directory_key_find(&keys, 7), 0);
	ck_assert_int_eq(directory_key_find(&keys, 1), 1);
	ck_assert_int_eq(directory_key_find(&keys, 2), -1);
	ck_assert_int_eq(directory_key_parse("9 " HEX_A, "", &other, NULL), 0);
	ck_assert_mem_eq(keys.record_hash, other.record_hash, RECORD_HASH_SIZE);
	ck_assert_int_eq(directory_key_parse("7 " HEX_B, "", &other, NULL), 0);
	ck_assert_mem_ne(keys.record_hash, other.record_hash, RECORD_HASH_SIZE);
}
END_TEST

static void expect_load(const char *path, const char *says)
{
	struct directory_keys keys;
	struct error error = {""};

	ck_assert_int_eq(directory_key_load(path, &keys, &error), says ? -1 : 0);
	if (says)
		ck_assert_ptr_nonnull(strstr(error.text, says));
}

START_TEST(files)
{
	char path[] = "/tmp/holdfast-key-XXXXXX";
	char big[5000];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	expect_load("", "no key file is configured");
	expect_load("/nonexistent/holdfast.key", "is missing");
	expect_load("/", "not a regular file");
	expect_load(path, "has no key");
	ck_assert_int_gt(write(fd, "1 " HEX_A "\n", 67), 0);
	expect_load(path, NULL);
	ck_assert_int_eq(fchmod(fd, 0640), 0);
	expect_load(path, NULL);
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	expect_load(path, "can be read by others; chmod o= ");
	ck_assert_int_eq(fchmod(fd, 0602), 0);
	expect_load(path, "can be written by others");
	ck_assert_int_eq(fchmod(fd, 0600), 0);
	if (geteuid() != 0) {
		ck_assert_int_eq(fchmod(fd, 0), 0);
		expect_load(path, "cannot be read");
		ck_assert_int_eq(fchmod(fd, 0600), 0);
	}
	ck_assert_int_eq(write(fd, "", 1), 1);
	expect_load(path, "no text file");
	memset(big, '#', sizeof(big));
	ck_assert_int_gt(write(fd, big, sizeof(big)), 0);
	expect_load(path, "larger than");
	close(fd);
	unlink(path);
}
END_TEST

UNIT_MAIN("key", texts, first_is_active, files)
