// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <stdio.h>

#include "fpmd/config_file.h"
#include "fpmd/settings.h"
#include "tests/unit.h"

static struct holdfast_config config;
static struct error error;

static int parse(const char *text)
{
	char *copy = strdup(text);
	int status = config_file_parse(copy, &config, &error);

	free(copy);
	return status;
}

static void parse_good(const char *text)
{
	ck_assert_msg(parse(text) == 0, "%s: %s", text, error.text);
}

static const char whole[] =
	"!\n"
	"# of FRR, too\n"
	"debug holdfast strays\n"
	"debug holdfast paths\n"
	"!\n"
	"holdfast\n"
	" prefix 192.0.2.80/32\n"
	" prefix 2001:db8::80/128\r\n"
	"\tmember-range 10.255.0.0/24\n"
	" member-range 2001:db8:1::/64\n"
	" local-member 10.255.0.3\n"
	" local-member 2001:db8:1::3\n"
	" role director\n"
	" drain\n"
	" directory key-file /etc/frr/holdfast.key\n"
	" directory engine valkey valkey.example 6380 user u password-file /p tls"
	" ca-file /a certificate /c key /k prefix x.y\n"
	" directory port 7000\n"
	" directory replicas 2\n"
	" directory ring-members 12\n"
	" directory record-lifetime 5\n"
	" tunnel port 4791 vni 78\n"
	" mark owner-mask 0x000000ff stray-bit 0x00000100 tunnel-bit 0x200"
	" path-mask 0xff0000\n"
	" queue 0\n"
	" pins max 16777216\n"
	" pins check-interval 59\n"
	" flows max 2000\n"
	" flows lifetime 86400\n"
	" flows fast-path\n"
	"exit\n"
	"!\n";

START_TEST(every_line)
{
	char text[HOLDFAST_PREFIX_TEXT_SIZE];

	parse_good(whole);
	ck_assert(config.enabled);
	ck_assert_uint_eq(config.debug, 8 | 64);
	ck_assert_uint_eq(config.vip_count, 2);
	ck_assert_str_eq(holdfast_prefix_text(&config.vips[0], text), "192.0.2.80/32");
	ck_assert_str_eq(holdfast_prefix_text(&config.vips[1], text), "2001:db8::80/128");
	ck_assert_uint_eq(config.range_count, 2);
	ck_assert_str_eq(holdfast_prefix_text(&config.ranges[0], text), "10.255.0.0/24");
	ck_assert_str_eq(holdfast_address_text(&config.local_members[0], text), "10.255.0.3");
	ck_assert_str_eq(holdfast_address_text(&config.local_members[1], text), "2001:db8:1::3");
	ck_assert_int_eq(config.role, HOLDFAST_ROLE_DIRECTOR);
	ck_assert_str_eq(config.key_file, "/etc/frr/holdfast.key");
	ck_assert_str_eq(config.valkey.host, "valkey.example");
	ck_assert_uint_eq(config.valkey.port, 6380);
	ck_assert_str_eq(config.valkey.user, "u");
	ck_assert_str_eq(config.valkey.password_file, "/p");
	ck_assert(config.valkey.tls);
	ck_assert_str_eq(config.valkey.ca_file, "/a");
	ck_assert_str_eq(config.valkey.certificate_file, "/c");
	ck_assert_str_eq(config.valkey.private_key_file, "/k");
	ck_assert_str_eq(config.valkey.prefix, "x.y");
	ck_assert_uint_eq(config.directory_port, 7000);
	ck_assert_uint_eq(config.directory_replicas, 2);
	ck_assert_uint_eq(config.ring_members, 12);
	ck_assert_uint_eq(config.record_lifetime_s, 5);
	ck_assert_uint_eq(config.tunnel_port, 4791);
	ck_assert_uint_eq(config.tunnel_vni, 78);
	ck_assert_uint_eq(config.mark_owner_mask, 0xff);
	ck_assert_uint_eq(config.mark_stray_bit, 0x100);
	ck_assert_uint_eq(config.mark_tunnel_bit, 0x200);
	ck_assert_uint_eq(config.mark_path_mask, 0xff0000);
	ck_assert_uint_eq(config.queue, 0);
	ck_assert_uint_eq(config.pins_max, 16777216);
	ck_assert_uint_eq(config.pin_check_s, 59);
	ck_assert_uint_eq(config.flows_max, 2000);
	ck_assert_uint_eq(config.flow_lifetime_s, 86400);
	ck_assert(config.flows_fast_path);
	ck_assert(config.drain);
}
END_TEST

START_TEST(what_is_not_there_has_its_default)
{
	struct holdfast_config defaults;

	holdfast_config_init(&defaults);
	parse_good("");
	ck_assert_mem_eq(&config, &defaults, sizeof(config));
	parse_good("! nothing\n\n  \n");
	ck_assert_mem_eq(&config, &defaults, sizeof(config));
	parse_good("holdfast");
	ck_assert(config.enabled);
	parse_good("holdfast\n tunnel port 4791\nexit\ndebug holdfast");
	ck_assert_uint_eq(config.tunnel_vni, defaults.tunnel_vni);
	ck_assert_uint_eq(config.debug, 127);
	parse_good("holdfast\n directory engine one-hop\n role auto\nend\n");
	ck_assert_uint_eq(config.valkey.host[0], 0);
}
END_TEST

static const struct {
	const char *text, *error;
} refused[] = {
	{"holdfast\n\n prefix 192.0.2.0/24",
	 "line 3: 192.0.2.0/24 is not a host prefix: a VIP is a /32"},
	{"holdfast\n prefix", "line 2: ADDRESS/LENGTH is missing"},
	{"holdfast\n prefix 192.0.2.80", "line 2: 192.0.2.80 has no length: write ADDRESS/LENGTH"},
	{"holdfast\n prefix 192.0.2.80/33", "line 2: 192.0.2.80/33: the length is not in 0-32"},
	{"holdfast\n prefix 192.0.2.80/-1", "line 2: 192.0.2.80/-1: the length is not in 0-32"},
	{"holdfast\n prefix 192.0.2.800/32", "line 2: 192.0.2.800 is no address"},
	{"holdfast\n prefix 192.0.2.80/32 vrf red",
	 "line 2: `vrf` is not expected here: remove it, or see the README for the line"},
	{"prefix 192.0.2.80/32",
	 "line 1: `prefix` is outside of the block: write `holdfast` before it"},
	{"holdfast\nexit\nqueue 5",
	 "line 3: `queue` is outside of the block: write `holdfast` before it"},
	{"holdfast\n local-member host", "line 2: host is no address"},
	{"holdfast\n member-range 10.0.0.0/8\n local-member 192.0.2.1",
	 "line 3: 192.0.2.1 is outside of every member-range"},
	{"holdfast\n directory key-file key", "line 2: key-file key: give the absolute path"},
	{"holdfast\n directory key-file", "line 2: the path is missing"},
	{"holdfast\n directory port 0", "line 2: 0 is not in 1-65535"},
	{"holdfast\n directory port +5", "line 2: +5 is not in 1-65535"},
	{"holdfast\n directory port 5x", "line 2: 5x is not in 1-65535"},
	{"holdfast\n directory port", "line 2: a number is missing"},
	{"holdfast\n directory replicas 4", "line 2: 4 is not in 1-3"},
	{"holdfast\n directory record-lifetime 99999999999999999999",
	 "line 2: 99999999999999999999 is not in 5-86400"},
	{"holdfast\n directory engine redis", "line 2: an engine is one of one-hop, valkey"},
	{"holdfast\n directory engine valkey a", "line 2: a number is missing"},
	{"holdfast\n directory engine valkey a 1 user", "line 2: user is missing"},
	{"holdfast\n directory engine valkey a 1 user x",
	 "line 2: engine valkey: user x has no password: add password-file"},
	{"holdfast\n directory engine valkey a 1 password-file p",
	 "line 2: password-file p: give the absolute path"},
	{"holdfast\n directory engine valkey a 1 ssl",
	 "line 2: `ssl` is not expected here: remove it, or see the README for the line"},
	{"holdfast\n tunnel 5",
	 "line 2: write tunnel port NUMBER, and vni NUMBER behind it if wanted"},
	{"holdfast\n tunnel port 5 vni 0", "line 2: 0 is not in 1-16777215"},
	{"holdfast\n mark", "line 2: a mark has owner-mask, stray-bit, tunnel-bit and path-mask"},
	{"holdfast\n mark owner-mask", "line 2: a hexadecimal number is missing"},
	{"holdfast\n mark owner-mask 0xg", "line 2: 0xg is not a hexadecimal number of 32 bits"},
	{"holdfast\n mark stray-bit 0x3", "line 2: stray-bit 0x00000003 is not one bit"},
	{"holdfast\n role king", "line 2: a role is one of auto, server, director"},
	{"holdfast\n no role", "line 2: what is not in the file has its default: remove the line"},
	{"holdfast\n flows forever",
	 "line 2: `flows forever` begins no line of the block `holdfast`"},
	{"holdfast\n bgp", "line 2: `bgp` begins no line of the block `holdfast`"},
	{"holdfast\n flows max 999", "line 2: 999 is not in 1000-10000000"},
	{"debug holdfast bgp", "line 1: there is no debug topic bgp"},
	{"debug bgp", "line 1: `debug` is outside of the block: write `holdfast` before it"},
	{"holdfast now",
	 "line 1: `now` is not expected here: remove it, or see the README for the line"},
	{"a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i",
	 "line 1: more than 32 words: no line has so many"},
};

START_TEST(what_is_wrong_is_told_with_line_and_remedy)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		ck_assert_msg(parse(refused[i].text) == -1, "%s", refused[i].text);
		ck_assert_str_eq(error.text, refused[i].error);
	}
}
END_TEST

/* The numbers that a command takes are written in its grammar; the file takes the same. */
START_TEST(numbers_are_in_the_ranges_of_the_commands)
{
	static const struct {
		const char *line, *grammar;
	} numbers[] = {
		{"directory port", "directory port ![(%lu-%lu)$port]"},
		{"directory replicas", "directory replicas ![(%lu-%lu)$replicas]"},
		{"directory ring-members", "directory ring-members ![(%lu-%lu)$members]"},
		{"directory record-lifetime", "directory record-lifetime ![(%lu-%lu)$seconds]"},
		{"tunnel port", "tunnel ![port (%lu-%lu)$port"},
		{"tunnel port 1 vni", "[vni (%lu-%lu)$vni]"},
		{"queue", "queue ![(%lu-%lu)$queue]"},
		{"pins max", "pins max ![(%lu-%lu)$max]"},
		{"pins check-interval", "pins check-interval ![(%lu-%lu)$seconds]"},
		{"flows max", "flows max ![(%lu-%lu)$max]"},
		{"flows lifetime", "flows lifetime ![(%lu-%lu)$seconds]"},
	};
	static char source[200000];
	const char *top = getenv("srcdir");
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/zebra-plugin/holdfast_cli.c", top ? top : ".");
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	ck_assert_uint_gt(fread(source, 1, sizeof(source) - 1, file), 1000);
	fclose(file);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t fixed = (size_t)(strstr(numbers[i].grammar, "(%lu") - numbers[i].grammar);
		char text[200];
		unsigned long ends[2];
		const char *found = source;

		snprintf(text, sizeof(text), "%.*s(", (int)fixed, numbers[i].grammar);
		found = strstr(source, text);
		ck_assert_msg(found != NULL, "%s", text);
		ck_assert_int_eq(sscanf(found, numbers[i].grammar, &ends[0], &ends[1]), 2);
		for (int end = 0; end < 2; end++) {
			unsigned long outside = end ? ends[1] + 1 : ends[0] - 1;

			snprintf(text, sizeof(text), "holdfast\n %s %lu", numbers[i].line,
				 ends[end]);
			parse_good(text);
			snprintf(text, sizeof(text), "holdfast\n %s %ld", numbers[i].line,
				 (long)outside);
			ck_assert_msg(parse(text) == -1, "%s", text);
		}
	}
}
END_TEST

START_TEST(the_message_is_what_the_module_would_send)
{
	Holdfast__Frame *frame;
	struct settings settings;

	parse_good(whole);
	frame = config_file_message(&config);
	ck_assert_ptr_nonnull(frame);
	ck_assert_int_eq(frame->body_case, HOLDFAST__FRAME__BODY_CONFIG);
	ck_assert_msg(settings_from_config(frame->config, &settings, &error) == 0, "%s",
		      error.text);
	ck_assert_uint_eq(settings.vip_count, 2);
	ck_assert_uint_eq(settings.flow_lifetime_s, 86400);
	ck_assert_uint_eq(settings.debug, 8 | 64);
	ck_assert_str_eq(settings.valkey.host, "valkey.example");
	ck_assert_ptr_null(settings_missing(&settings));
	holdfast__frame__free_unpacked(frame, NULL);
}
END_TEST

UNIT_MAIN("config_file", every_line, what_is_not_there_has_its_default,
	  what_is_wrong_is_told_with_line_and_remedy, numbers_are_in_the_ranges_of_the_commands,
	  the_message_is_what_the_module_would_send)
