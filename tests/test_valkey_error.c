/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error replies of Valkey and Redis: which they are, where redirects lead. */
#include "tests/unit.h"

#include <stdio.h>

#include "fpmd/directory/valkey_error.h"

static enum valkey_error parse(const char *text, struct valkey_redirect *redirect)
{
	return valkey_error_parse(text, strlen(text), redirect);
}

START_TEST(kinds)
{
	static const struct {
		const char *text;
		enum valkey_error error;
	} table[] = {
		{"TRYAGAIN Multiple keys request during rehashing of slot", VALKEY_ERROR_TRY_AGAIN},
		{"CLUSTERDOWN Hash slot not served", VALKEY_ERROR_CLUSTER_DOWN},
		{"LOADING Redis is loading the dataset in memory", VALKEY_ERROR_LOADING},
		{"MASTERDOWN Link with MASTER is down", VALKEY_ERROR_MASTER_DOWN},
		{"READONLY You can't write against a read only replica.", VALKEY_ERROR_READ_ONLY},
		{"NOSCRIPT No matching script. Please use EVAL.", VALKEY_ERROR_NO_SCRIPT},
		{"OOM command not allowed when used memory > 'maxmemory'.", VALKEY_ERROR_FULL},
		{"NOAUTH Authentication required.", VALKEY_ERROR_NO_LOGIN},
		{"WRONGPASS invalid username-password pair", VALKEY_ERROR_WRONG_LOGIN},
		{"NOPERM this user has no permissions", VALKEY_ERROR_NO_RIGHT},
		{"ERR The user executing the script can't run this command or subcommand",
		 VALKEY_ERROR_NO_RIGHT},
		{"ERR ACL failure in script: User x has no permissions", VALKEY_ERROR_NO_RIGHT},
		{"ERR This instance has cluster support disabled", VALKEY_ERROR_NO_CLUSTER},
		{"ERR unknown command", VALKEY_ERROR_OTHER},
		{"WRONGTYPE Operation against a key", VALKEY_ERROR_OTHER},
		{"OOMPH", VALKEY_ERROR_OTHER},
		{"OO", VALKEY_ERROR_OTHER},
		{"OOM", VALKEY_ERROR_FULL},
		{"", VALKEY_ERROR_OTHER},
		{"ASKING", VALKEY_ERROR_OTHER},
	};
	struct valkey_redirect redirect;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ck_assert_msg(parse(table[i].text, &redirect) == table[i].error, "%s",
			      table[i].text);
}
END_TEST

START_TEST(redirects)
{
	static const struct {
		const char *text;
		enum valkey_error error;
		uint16_t slot;
		const char *host;
		uint16_t port;
	} table[] = {
		{"MOVED 3999 127.0.0.1:6381", VALKEY_ERROR_MOVED, 3999, "127.0.0.1", 6381},
		{"ASK 0 host.example:1", VALKEY_ERROR_ASK, 0, "host.example", 1},
		{"MOVED 16383 :6381", VALKEY_ERROR_MOVED, 16383, "", 6381},
		{"MOVED 1 ::1:65535", VALKEY_ERROR_MOVED, 1, "::1", 65535},
		{"ASK 1 2001:db8::7:7000", VALKEY_ERROR_ASK, 1, "2001:db8::7", 7000},
		{"ASK 1 [2001:db8::7]:7000", VALKEY_ERROR_ASK, 1, "2001:db8::7", 7000},
		{"MOVED 7 10.0.0.1:7000 and more", VALKEY_ERROR_MOVED, 7, "10.0.0.1", 7000},
		{"MOVED", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED ", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 ", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 16384 127.0.0.1:6381", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED -1 127.0.0.1:6381", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED x 127.0.0.1:6381", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 127.0.0.1", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 127.0.0.1:", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 127.0.0.1:0", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 127.0.0.1:65536", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 127.0.0.1:6381x", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 127.0.0.1:000006381", VALKEY_ERROR_OTHER, 0, "", 0},
		{"MOVED 3999 ?:6381", VALKEY_ERROR_OTHER, 0, "", 0},
		{"ASK 3999 a\tb:6381", VALKEY_ERROR_OTHER, 0, "", 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct valkey_redirect redirect;

		ck_assert_msg(parse(table[i].text, &redirect) == table[i].error, "%s",
			      table[i].text);
		if (table[i].error == VALKEY_ERROR_OTHER)
			continue;
		ck_assert_uint_eq(redirect.slot, table[i].slot);
		ck_assert_str_eq(redirect.host, table[i].host);
		ck_assert_uint_eq(redirect.port, table[i].port);
	}
}
END_TEST

START_TEST(a_long_host)
{
	struct valkey_redirect redirect;
	char text[400];

	snprintf(text, sizeof(text), "MOVED 1 %0*d:80", VALKEY_ENDPOINT_SIZE - 1, 0);
	ck_assert_int_eq(parse(text, &redirect), VALKEY_ERROR_MOVED);
	ck_assert_uint_eq(strlen(redirect.host), VALKEY_ENDPOINT_SIZE - 1);
	snprintf(text, sizeof(text), "MOVED 1 %0*d:80", VALKEY_ENDPOINT_SIZE, 0);
	ck_assert_int_eq(parse(text, &redirect), VALKEY_ERROR_OTHER);
}
END_TEST

START_TEST(remedies)
{
	ck_assert_ptr_nonnull(strstr(valkey_error_remedy(VALKEY_ERROR_FULL), "maxmemory"));
	ck_assert_ptr_nonnull(strstr(valkey_error_remedy(VALKEY_ERROR_NO_LOGIN), "password-file"));
	ck_assert_ptr_nonnull(
		strstr(valkey_error_remedy(VALKEY_ERROR_WRONG_LOGIN), "password-file"));
	ck_assert_ptr_nonnull(strstr(valkey_error_remedy(VALKEY_ERROR_NO_RIGHT), "rights"));
	ck_assert_ptr_nonnull(strstr(valkey_error_remedy(VALKEY_ERROR_READ_ONLY), "primary"));
	ck_assert_ptr_null(valkey_error_remedy(VALKEY_ERROR_OTHER));
}
END_TEST

UNIT_MAIN("valkey_error", kinds, redirects, a_long_host, remedies)
