// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fpmd/directory/key.h"
#include "tests/unit.h"
#include "zebra-plugin/holdfast_key.h"

START_TEST(fpmd_reads_what_was_made)
{
	char folder[] = "/tmp/test_holdfast_key.XXXXXX", path[64], other[64];
	struct directory_keys keys, more;
	struct error error;
	struct stat status;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	umask(0);
	ck_assert_int_eq(holdfast_key_file_create(path, 7, &error), 0);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0600);
	ck_assert_msg(directory_key_load(path, &keys, &error) == 0, "%s", error.text);
	ck_assert_uint_eq(keys.count, 1);
	ck_assert_uint_eq(keys.key[0].id, 7);
	/* Each one is another, and none is overwritten. */
	ck_assert_int_eq(holdfast_key_file_create(other, UINT32_MAX, &error), 0);
	ck_assert_int_eq(directory_key_load(other, &more, &error), 0);
	ck_assert_uint_eq(more.key[0].id, UINT32_MAX);
	ck_assert_mem_ne(keys.key[0].bytes, more.key[0].bytes, KEY_SIZE);
	ck_assert_int_eq(holdfast_key_file_create(path, 8, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "is there already"));
	ck_assert_int_eq(directory_key_load(path, &more, &error), 0);
	ck_assert_mem_eq(keys.key[0].bytes, more.key[0].bytes, KEY_SIZE);
	unlink(path);
	unlink(other);
	/* Nor is a name that leads elsewhere followed. */
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_eq(holdfast_key_file_create(path, 1, &error), -1);
	ck_assert_int_eq(access(other, F_OK), -1);
	unlink(path);
	rmdir(folder);
}
END_TEST

START_TEST(errors_name_cause)
{
	struct error error;

	ck_assert_int_eq(holdfast_key_file_create("key", 1, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "absolute path"));
	ck_assert_int_eq(holdfast_key_file_create("/nonexistent/key", 1, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "No such file or directory"));
}
END_TEST

UNIT_MAIN("holdfast_key", fpmd_reads_what_was_made, errors_name_cause)
