// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/settings.h"
#include "tests/good_config.h"
#include "tests/unit.h"

static char key_file[300];

static void good(void)
{
	config_good();
	strcpy(key_file, config.directory_key_file);
	config.directory_key_file = key_file;
}

START_TEST(a_good_configuration)
{
	struct settings s;
	struct error error;
	struct in6_addr local = unit_address("10.255.0.3"), other = unit_address("10.255.1.3");

	good();
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_ptr_null(settings_missing(&s));
	ck_assert(settings_in_member_range(&s, &local));
	ck_assert(!settings_in_member_range(&s, &other));
	local = settings_local_member(&s);
	ck_assert(address_equal(&local, &s.local_members[0]));
	ck_assert(settings_is_vip(&s, &s.vips[0]));
}
END_TEST

/* Each case breaks one rule; the text must name it, and the settings must stay untouched. */
START_TEST(each_rule_is_checked)
{
	static const struct {
		const char *expect;
		size_t offset;
		uint32_t value;
	} cases[] = {
#define FIELD(field) offsetof(Holdfast__Config, field)
		{"directory port", FIELD(directory_port), 0},
		{"directory port", FIELD(directory_port), 65536},
		{"tunnel port", FIELD(tunnel_port), 0},
		{"vni", FIELD(tunnel_vni), 1 << 24},
		{"queue", FIELD(queue), 65536},
		{"replicas", FIELD(directory_replicas), 0},
		{"replicas", FIELD(directory_replicas), 4},
		{"ring-members", FIELD(ring_members), 2},
		{"ring-members", FIELD(ring_members), 1025},
		{"one run of bits", FIELD(mark_owner_mask), 0xf0f},
		{"one run of bits", FIELD(mark_owner_mask), 0},
		{"one bit each", FIELD(mark_stray_bit), 0x3},
		{"one bit each", FIELD(mark_tunnel_bit), 0},
		{"overlap", FIELD(mark_stray_bit), 0x800},
		{"overlap", FIELD(mark_tunnel_bit), 0x80000000},
		{"one run of bits", FIELD(mark_path_mask), 0xf0f00000},
		{"overlap", FIELD(mark_path_mask), 0xff0},
		{"overlap", FIELD(mark_path_mask), 0xc0000000},
		{"flows max", FIELD(flows_max), 999},
		{"flows max", FIELD(flows_max), 10000001},
		{"flows lifetime", FIELD(flow_lifetime_s), 4},
		{"flows lifetime", FIELD(flow_lifetime_s), 86401},
		{"role 3 is not known", FIELD(role), 3},
		{"0 was sent", FIELD(pins_max), 0},
		{"0 was sent", FIELD(record_lifetime_s), 0},
#undef FIELD
	};
	struct settings s, before;
	struct error error;

	memset(&s, 0x5a, sizeof(s));
	before = s;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		good();
		memcpy((char *)&config + cases[i].offset, &cases[i].value, sizeof(uint32_t));
		ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
		ck_assert_msg(strstr(error.text, cases[i].expect), "case %zu: %s", i, error.text);
		ck_assert_mem_eq(&s, &before, sizeof(s));
	}
}
END_TEST

static char server_host[300];
static Holdfast__Valkey server;

static void good_with_a_server(void)
{
	good();
	server = (Holdfast__Valkey)HOLDFAST__VALKEY__INIT;
	strcpy(server_host, "10.0.0.7");
	server.host = server_host;
	server.port = 6379;
	server.user = (char *)"holdfast";
	server.password_file = (char *)"/etc/frr/valkey.password";
	server.tls = true;
	server.ca_file = (char *)"/etc/frr/ca.pem";
	server.certificate_file = (char *)"/etc/frr/host.pem";
	server.private_key_file = (char *)"/etc/frr/host.key";
	server.prefix = (char *)"edge";
	config.valkey = &server;
}

START_TEST(a_server_keeps_the_records_if_one_is_named)
{
	struct settings s, before;
	struct error error;

	good();
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_str_eq(s.valkey.host, "");
	good_with_a_server();
	ck_assert_msg(settings_from_config(&config, &s, &error) == 0, "%s", error.text);
	ck_assert_str_eq(s.valkey.host, "10.0.0.7");
	ck_assert_uint_eq(s.valkey.port, 6379);
	ck_assert_str_eq(s.valkey.user, "holdfast");
	ck_assert_str_eq(s.valkey.password_file, "/etc/frr/valkey.password");
	ck_assert(s.valkey.tls);
	ck_assert_str_eq(s.valkey.ca_file, "/etc/frr/ca.pem");
	ck_assert_str_eq(s.valkey.certificate_file, "/etc/frr/host.pem");
	ck_assert_str_eq(s.valkey.private_key_file, "/etc/frr/host.key");
	ck_assert_str_eq(s.valkey.prefix, "edge");

	before = s;
	for (int i = 0; i < 6; i++) {
		static const char *const expect[] = {"engine valkey port 65536",
						     "no address",
						     "longer than",
						     "absolute",
						     "add tls",
						     "only letters"};

		good_with_a_server();
		switch (i) {
		case 0:
			server.port = 65536;
			break;
		case 1:
			server_host[0] = '\0';
			break;
		case 2:
			memset(server_host, 'x', sizeof(server_host) - 1);
			break;
		case 3:
			server.ca_file = (char *)"ca.pem";
			break;
		case 4:
			server.tls = false;
			break;
		case 5:
			server.prefix = (char *)"{x}";
			break;
		}
		ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
		ck_assert_msg(strstr(error.text, expect[i]), "case %d: %s", i, error.text);
		ck_assert_mem_eq(&s, &before, sizeof(s));
	}
}
END_TEST

START_TEST(addresses_are_checked)
{
	struct settings s;
	struct error error;

	good();
	vips[0].length = 24;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	good();
	vips[0].address.len = 3;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	good();
	config.n_vips = 2;
	vip_list[1] = &vips[0];
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "twice"));
	good();
	range.length = 33;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	good();
	local_list[0].data = vip_bytes[0];
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "in no member-range"));
	good();
	vips[0].address.data = local_bytes;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	good();
	memset(key_file, 'x', sizeof(key_file) - 1);
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	good();
	config.n_vips = SETTINGS_VIPS_MAX + 1;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
	struct settings s;
	struct error error;

	good();
	config.n_vips = 0;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_ptr_nonnull(strstr(settings_missing(&s), "prefix"));
	good();
	config.n_local_members = 0;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_ptr_nonnull(strstr(settings_missing(&s), "local-member"));
	good();
	key_file[0] = '\0';
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_ptr_nonnull(strstr(settings_missing(&s), "key-file"));
}
END_TEST

/* A prefix is a key that is compared as bytes: nothing of what was there before may be left. */
START_TEST(a_prefix_is_the_same_whatever_was_in_its_place)
{
	struct prefix_address zeroes, ones;

	good();
	memset(&zeroes, 0, sizeof(zeroes));
	memset(&ones, 0xff, sizeof(ones));
	ck_assert_int_eq(settings_prefix(&vips[0], &zeroes), 0);
	ck_assert_int_eq(settings_prefix(&vips[0], &ones), 0);
	ck_assert_mem_eq(&zeroes, &ones, sizeof(ones));
}
END_TEST

START_TEST(a_drain_is_told)
{
	struct settings s;
	struct error error;

	good();
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert(!s.drain);
	config.drain = true;
	config.mark_path_mask = 0;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert(s.drain);
}
END_TEST

START_TEST(without_a_path_mask_there_is_no_director)
{
	struct settings s;
	struct error error;

	good();
	config.role = HOLDFAST__ROLE__ROLE_DIRECTOR;
	config.flows_max = SETTINGS_FLOWS_MAX;
	config.flow_lifetime_s = 5;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_int_eq(s.role, SETTINGS_ROLE_DIRECTOR);
	ck_assert_uint_eq(s.mark_path_mask, 0x0ff00000);
	ck_assert_uint_eq(s.flows_max, SETTINGS_FLOWS_MAX);
	ck_assert_uint_eq(s.flow_lifetime_s, 5);
	ck_assert(!s.flows_fast_path);
	config.flows_fast_path = true;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert(s.flows_fast_path);
	config.mark_path_mask = 0;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), -1);
	ck_assert_str_eq(error.text, "role director needs a mark path-mask");
	/* An older module sends none of these. */
	config.role = HOLDFAST__ROLE__ROLE_AUTO;
	config.flows_max = config.flow_lifetime_s = 0;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_uint_eq(s.mark_path_mask, 0);
	config.role = HOLDFAST__ROLE__ROLE_SERVER;
	ck_assert_int_eq(settings_from_config(&config, &s, &error), 0);
	ck_assert_int_eq(s.role, SETTINGS_ROLE_SERVER);
}
END_TEST

UNIT_MAIN("settings", a_good_configuration, each_rule_is_checked, a_drain_is_told,
	  without_a_path_mask_there_is_no_director, a_server_keeps_the_records_if_one_is_named,
	  addresses_are_checked, what_is_missing_is_named,
	  a_prefix_is_the_same_whatever_was_in_its_place)
