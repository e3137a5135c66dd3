/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be configured of a server, and what is refused with which words. */
#include "fpmd/directory/engine.h"
#include "tests/unit.h"

static struct engine_valkey valkey;
static struct error error;

static void good(void)
{
	engine_valkey_init(&valkey);
	strcpy(valkey.host, "10.0.0.7");
	valkey.port = 6379;
	strcpy(valkey.user, "holdfast");
	strcpy(valkey.password_file, "/etc/frr/valkey.password");
	valkey.tls = true;
	strcpy(valkey.ca_file, "/etc/frr/ca.pem");
	strcpy(valkey.certificate_file, "/etc/frr/host.pem");
	strcpy(valkey.private_key_file, "/etc/frr/host.key");
}

START_TEST(what_fits_together_is_taken)
{
	static const char *const hosts[] = {"10.0.0.7", "fe80::7%eth0", "2001:db8::7", "valkey",
					    "node-1.cache_a.example.net."};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		good();
		strcpy(valkey.host, hosts[i]);
		ck_assert_msg(engine_valkey_check(&valkey, &error) == 0, "%s: %s", hosts[i],
			      error.text);
	}
	/* A server without accounts. */
	engine_valkey_init(&valkey);
	strcpy(valkey.host, "valkey");
	valkey.port = 6379;
	ck_assert_int_eq(engine_valkey_check(&valkey, &error), 0);
	ck_assert_str_eq(valkey.prefix, "holdfast");
}
END_TEST

START_TEST(what_does_not_is_refused)
{
	static const struct {
		const char *expect;
		size_t offset;
		const char *value;
	} cases[] = {
#define FIELD(field) offsetof(struct engine_valkey, field)
		{"no address and no name", FIELD(host), ""},
		{"no address and no name", FIELD(host), "-h"},
		{"no address and no name", FIELD(host), "a b"},
		{"no address and no name", FIELD(host), "[::1]"},
		{"add password-file", FIELD(password_file), ""},
		{"go together", FIELD(certificate_file), ""},
		{"go together", FIELD(private_key_file), ""},
		{"only letters", FIELD(prefix), ""},
		{"only letters", FIELD(prefix), "a{b}"},
		{"only letters", FIELD(prefix), "a*"},
#undef FIELD
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		good();
		strcpy((char *)&valkey + cases[i].offset, cases[i].value);
		ck_assert_int_eq(engine_valkey_check(&valkey, &error), -1);
		ck_assert_msg(strstr(error.text, cases[i].expect), "case %zu: %s", i, error.text);
	}
	good();
	valkey.port = 0;
	ck_assert_int_eq(engine_valkey_check(&valkey, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "port 0"));
	good();
	valkey.tls = false;
	ck_assert_int_eq(engine_valkey_check(&valkey, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "ca-file is for TLS"));
	valkey.ca_file[0] = '\0';
	ck_assert_int_eq(engine_valkey_check(&valkey, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "certificate is for TLS"));
}
END_TEST

START_TEST(strings_that_are_too_long_change_nothing)
{
	char text[ENGINE_PATH_SIZE + 1] = "/";

	memset(text + 1, 'x', sizeof(text) - 2);
	good();
	ck_assert_int_eq(engine_path_set(valkey.ca_file, "ca-file", text, &error), -1);
	ck_assert_str_eq(error.text, "ca-file: longer than 255 bytes");
	ck_assert_str_eq(valkey.ca_file, "/etc/frr/ca.pem");
	text[ENGINE_PATH_SIZE - 1] = '\0';
	ck_assert_int_eq(engine_path_set(valkey.ca_file, "ca-file", text, &error), 0);
	ck_assert_str_eq(valkey.ca_file, text);
	ck_assert_int_eq(engine_path_set(valkey.ca_file, "ca-file", "ca.pem", &error), -1);
	ck_assert_str_eq(error.text, "ca-file ca.pem: give the absolute path");
	ck_assert_int_eq(
		engine_text_set(valkey.prefix, sizeof(valkey.prefix), "prefix", text, &error), -1);
	ck_assert_str_eq(valkey.prefix, "holdfast");
}
END_TEST

START_TEST(each_field_counts_when_two_are_compared)
{
	struct engine_valkey other;

	for (int field = 0; field < 9; field++) {
		good();
		other = valkey;
		ck_assert(engine_valkey_equal(&valkey, &other));
		switch (field) {
		case 0:
			strcpy(other.host, "10.0.0.8");
			break;
		case 1:
			other.port++;
			break;
		case 2:
			other.user[0] = '\0';
			break;
		case 3:
			strcpy(other.password_file, "/x");
			break;
		case 4:
			other.tls = false;
			break;
		case 5:
			strcpy(other.ca_file, "/x");
			break;
		case 6:
			strcpy(other.certificate_file, "/x");
			break;
		case 7:
			strcpy(other.private_key_file, "/x");
			break;
		case 8:
			strcpy(other.prefix, "x");
			break;
		}
		ck_assert_msg(!engine_valkey_equal(&valkey, &other), "field %d", field);
	}
}
END_TEST

UNIT_MAIN("engine", what_fits_together_is_taken, what_does_not_is_refused,
	  strings_that_are_too_long_change_nothing, each_field_counts_when_two_are_compared)
