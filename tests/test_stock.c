// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon on a host whose zebra has no module of ours: a file, and netlink frames. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fpm/frame.h"
#include "fpmd/config_file.h"
#include "tests/daemon_rig.h"
#include "tests/netlink_build.h"

static char file[80], listen_text[32];
static struct sockaddr_in address = {.sin_family = AF_INET};
static struct netlink_build b;
static int stock = -1;
static struct error error;

#define FIRST "holdfast\n prefix " VIP "/32\n member-range 10.255.0.0/24\n"
#define GOOD FIRST " local-member " LOCAL "\n directory key-file /etc/frr/holdfast.key\n"

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* An address of its own on the loopback, so that tests can go side by side. */
static void begin_with(const char *text)
{
	uint32_t own = 0x7f000000 | ((uint32_t)getpid() & 0xfffff) << 4 | 2;

	begin();
	snprintf(file, sizeof(file), "%s.conf", path);
	write_file(text);
	address.sin_addr.s_addr = htonl(own);
	address.sin_port = htons(2620);
	snprintf(listen_text, sizeof(listen_text), "%u.%u.%u.%u:2620", own >> 24, own >> 16 & 255,
		 own >> 8 & 255, own & 255);
}

static void finish(void)
{
	if (stock >= 0)
		close(stock);
	unlink(file);
	end();
}

static void open_stock(void)
{
	ck_assert_msg(!stock_open(d, file, listen_text, &error), "%s", error.text);
}

static void stock_connect(void)
{
	if (stock >= 0)
		close(stock);
	stock = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(stock, (struct sockaddr *)&address, sizeof(address)), 0);
	run();
}

static void stock_send_only(void)
{
	uint8_t header[FRAME_HEADER_SIZE];

	ck_assert_int_eq(frame_header_write(header, FRAME_NETLINK, b.size), 0);
	ck_assert_int_eq(send(stock, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
	ck_assert_int_eq(send(stock, b.bytes, b.size, MSG_NOSIGNAL), (ssize_t)b.size);
	memset(&b, 0, sizeof(b));
}

static void stock_send(void)
{
	stock_send_only();
	run();
}

/* False: fpmd closed the connection. */
static bool stock_lives(void)
{
	char byte;

	return recv(stock, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void route_by(const char *host, uint8_t protocol, const char *gateway)
{
	build_route(&b, RTM_NEWROUTE, host, 32, protocol);
	if (gateway)
		build_address(&b, RTA_GATEWAY, gateway);
	build_number(&b, RTA_OIF, 1);
	stock_send();
}

static const struct route *route_of(const char *host)
{
	struct prefix_address prefix = {.address = unit_address(host), .length = 128};

	return routes_find(&d->routes, &prefix);
}

static bool shows(const char *text)
{
	return strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY, false), text);
}

START_TEST(it_serves_with_a_file_and_routes_of_the_stock_module)
{
	begin_with(GOOD);
	open_stock();
	ck_assert(daemon_running(d));
	ck_assert(shows("zebra is not connected"));
	stock_connect();
	route_by(VIP, RTPROT_KERNEL, NULL);
	route_by(OWNER_1, RTPROT_BGP, "10.0.0.1");
	route_by("10.1.1.1", RTPROT_BGP, "10.0.0.1");
	ck_assert_ptr_null(route_of("10.1.1.1"));
	ck_assert(route_of(VIP)->connected);
	ck_assert(!route_of(OWNER_1)->connected);
	ck_assert_str_eq(route_of(OWNER_1)->next_hops[0].interface, "lo");
	ck_assert(!d->replayed);
	pass(STOCK_QUIET_MS);
	ck_assert(d->replayed);
	ck_assert(!d->routes.replaying);
	ck_assert_uint_eq(d->reach.count, 1);
	ck_assert(shows("zebra is connected"));
	finish();
}
END_TEST

START_TEST(a_replay_ends_when_nothing_comes_any_more)
{
	begin_with(GOOD);
	open_stock();
	clock_stop();
	stock_connect();
	route_by(OWNER_1, RTPROT_BGP, "10.0.0.1");
	pass(STOCK_QUIET_MS - 1);
	ck_assert(!d->replayed);
	route_by(OWNER_2, RTPROT_BGP, "10.0.0.1");
	pass(STOCK_QUIET_MS - 1);
	ck_assert(!d->replayed);
	pass(1);
	ck_assert(d->replayed);
	ck_assert_uint_eq(d->reach.count, 2);

	/* What the next one does not confirm is gone at its end, not before. */
	stock_connect();
	route_by(OWNER_2, RTPROT_BGP, "10.0.0.1");
	pass(STOCK_QUIET_MS - 1);
	ck_assert_ptr_nonnull(route_of(OWNER_1));
	pass(1);
	ck_assert_ptr_null(route_of(OWNER_1));
	ck_assert_ptr_nonnull(route_of(OWNER_2));

	/* One that is cut off never ends. */
	stock_connect();
	close(stock);
	stock = -1;
	run();
	pass(STOCK_QUIET_MS * 2);
	ck_assert_ptr_nonnull(route_of(OWNER_2));
	finish();
}
END_TEST

START_TEST(a_replay_ends_also_where_routes_never_stop_changing)
{
	begin_with(GOOD);
	open_stock();
	clock_stop();
	stock_connect();
	for (unsigned int ms = 0; ms < STOCK_REPLAY_MAX_MS; ms += STOCK_QUIET_MS - 1) {
		ck_assert(!d->replayed);
		route_by("10.1.1.1", RTPROT_BGP, "10.0.0.1");
		pass(STOCK_QUIET_MS - 1);
	}
	ck_assert(d->replayed);
	finish();
}
END_TEST

START_TEST(an_update_in_two_messages_is_no_withdrawal)
{
	begin_with(GOOD);
	open_stock();
	stock_connect();
	route_by(OWNER_1, RTPROT_BGP, "10.0.0.1");
	pass(STOCK_QUIET_MS);
	build_route(&b, RTM_DELROUTE, OWNER_1, 32, RTPROT_BGP);
	route_by(OWNER_1, RTPROT_BGP, "10.0.0.2");
	ck_assert_uint_eq(route_of(OWNER_1)->next_hop_count, 1);
	/* The same again: nothing changed at all. */
	build_route(&b, RTM_DELROUTE, OWNER_1, 32, RTPROT_BGP);
	build_route(&b, RTM_NEWROUTE, OWNER_1, 32, RTPROT_BGP);
	build_address(&b, RTA_GATEWAY, "10.0.0.2");
	build_number(&b, RTA_OIF, 1);
	ck_assert_uint_eq(d->settle_since_ms, 0);
	stock_frame(d, b.bytes, b.size);
	ck_assert_uint_eq(d->settle_since_ms, 0);
	memset(&b, 0, sizeof(b));
	ck_assert_uint_eq(d->reach.count, 1);
	build_route(&b, RTM_DELROUTE, OWNER_1, 32, RTPROT_BGP);
	stock_send();
	ck_assert_ptr_null(route_of(OWNER_1));
	finish();
}
END_TEST

START_TEST(groups_that_are_not_sent_are_told_with_the_remedy)
{
	begin_with(GOOD);
	open_stock();
	stock_connect();
	build_route(&b, RTM_NEWROUTE, OWNER_1, 32, RTPROT_BGP);
	build_number(&b, RTA_NH_ID, 20);
	stock_send();
	pass(STOCK_QUIET_MS);
	ck_assert_ptr_null(route_of(OWNER_1));
	ck_assert_str_eq(d->problems[PROBLEM_GROUPS],
			 "zebra does not send the next-hop groups of 1 routes: configure `no fpm "
			 "use-next-hop-groups`");
	build_next_hop(&b, 20, "10.0.0.1", 1);
	stock_send();
	ck_assert_uint_eq(route_of(OWNER_1)->next_hop_count, 1);
	pass(2000);
	ck_assert_str_eq(d->problems[PROBLEM_GROUPS], "");
	finish();
}
END_TEST

START_TEST(the_file_is_read_again)
{
	begin_with(GOOD);
	open_stock();
	stock_connect();
	route_by(OWNER_1, RTPROT_BGP, "10.0.0.1");
	pass(STOCK_QUIET_MS);
	/* The routes that are wanted are the same: the stream goes on. */
	write_file(GOOD " pins check-interval 7\n");
	stock_reload(d);
	run();
	ck_assert_uint_eq(d->settings.pin_check_s, 7);
	ck_assert(stock_lives());
	ck_assert_ptr_nonnull(route_of(OWNER_1));
	/* Others: all of them are asked for. */
	write_file(GOOD " member-range 10.254.0.0/24\n");
	stock_reload(d);
	run();
	ck_assert(!stock_lives());
	ck_assert_ptr_nonnull(route_of(OWNER_1));
	stock_connect();
	route_by("10.254.0.1", RTPROT_BGP, "10.0.0.1");
	pass(STOCK_QUIET_MS);
	ck_assert_ptr_nonnull(route_of("10.254.0.1"));
	ck_assert_ptr_null(route_of(OWNER_1));
	finish();
}
END_TEST

START_TEST(a_file_that_is_refused_changes_nothing)
{
	char wanted[200];

	begin_with(GOOD);
	open_stock();
	write_file(GOOD " flows max 12\n");
	stock_reload(d);
	snprintf(wanted, sizeof(wanted),
		 "configuration refused, the last one stays: %s line 6: 12 is not in 1000-10000000",
		 file);
	ck_assert_str_eq(d->problems[PROBLEM_CONFIG], wanted);
	ck_assert(shows("line 6: 12 is not in"));
	ck_assert(daemon_running(d));
	unlink(file);
	stock_reload(d);
	ck_assert_ptr_nonnull(strstr(d->problems[PROBLEM_CONFIG], "No such file or directory"));
	write_file(GOOD);
	stock_reload(d);
	ck_assert_str_eq(d->problems[PROBLEM_CONFIG], "");
	ck_assert(daemon_running(d));
	finish();
}
END_TEST

START_TEST(a_file_without_the_block_removes_everything)
{
	begin_with(GOOD);
	open_stock();
	ck_assert(daemon_running(d));
	write_file("! nothing any more\n");
	stock_reload(d);
	ck_assert_str_eq(d->problems[PROBLEM_CONFIG], "");
	ck_assert_int_ne(event_pending(d->remove_timer, EV_TIMEOUT, NULL), 0);
	write_file(FIRST);
	stock_reload(d);
	ck_assert_int_eq(event_pending(d->remove_timer, EV_TIMEOUT, NULL), 0);
	ck_assert_str_eq(d->problems[PROBLEM_CONFIG],
			 "no local-member is configured: nothing is changed until it is");
	finish();
}
END_TEST

START_TEST(what_cannot_be_started_is_told)
{
	static const struct {
		const char *text, *error;
	} files[] = {
		{"holdfast\n bgp", " line 2: `bgp` begins no line of the block `holdfast`"},
		{GOOD " tunnel port 7939\n", ": tunnel and directory have the same port 7939"},
	};
	char wanted[200];
	FILE *f;

	begin_with("");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		write_file(files[i].text);
		ck_assert_int_eq(stock_open(d, file, listen_text, &error), -1);
		snprintf(wanted, sizeof(wanted), "%s%s", file, files[i].error);
		ck_assert_str_eq(error.text, wanted);
	}
	f = fopen(file, "w");
	fwrite("holdfast\0", 1, 9, f);
	fclose(f);
	ck_assert_int_eq(stock_open(d, file, listen_text, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "it has a byte 0: this is no text"));
	ck_assert_int_eq(truncate(file, CONFIG_FILE_SIZE_MAX + 1), 0);
	ck_assert_int_eq(stock_open(d, file, listen_text, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "this is no configuration"));
	write_file(GOOD);
	ck_assert_int_eq(stock_open(d, file, "localhost:2620", &error), -1);
	ck_assert_str_eq(error.text, "localhost:2620 is no address and port: give ADDRESS:PORT, or "
				     "[ADDRESS]:PORT for IPv6");
	ck_assert_int_eq(stock_open(d, file, "127.0.0.1", &error), -1);
	ck_assert_int_eq(stock_open(d, file, "203.0.113.1:2620", &error), -1);
	ck_assert_str_eq(error.text,
			 "cannot listen on 203.0.113.1:2620: Cannot assign requested address");
	ck_assert(!daemon_running(d));
	open_stock();
	ck_assert(daemon_running(d));
	finish();
}
END_TEST

START_TEST(zebras_module_is_refused_beside_a_file)
{
	begin_with(GOOD);
	open_stock();
	stock_connect();
	route_by(OWNER_1, RTPROT_BGP, "10.0.0.1");
	config_empty();
	config_send();
	route_send(OWNER_1, false);
	route_send(OWNER_2, true);
	replay_end_send();
	ck_assert(daemon_running(d));
	ck_assert(!d->replayed);
	ck_assert_ptr_nonnull(route_of(OWNER_1));
	ck_assert_ptr_null(route_of(OWNER_2));
	zebra_read();
	ck_assert_ptr_nonnull(strstr(status_text, "zebra's module zebra_holdfast is loaded, but"));
	finish();
}
END_TEST

START_TEST(hostile_bytes_do_no_harm)
{
	static const uint8_t other_type[] = {1, 2, 0, 5, 0}, bad[] = {9, 1, 0, 4};
	unsigned int seed = 1;

	begin_with(GOOD);
	open_stock();
	stock_connect();
	route_by(OWNER_1, RTPROT_BGP, "10.0.0.1");
	/* A message that cannot be read ends its frame, the next one is read. */
	build_route(&b, RTM_DELROUTE, OWNER_1, 32, RTPROT_BGP);
	build_header(&b)->nlmsg_len += 8;
	stock_send();
	ck_assert_ptr_nonnull(route_of(OWNER_1));
	for (int round = 0; round < 200; round++) {
		build_route(&b, RTM_NEWROUTE, OWNER_2, 32, RTPROT_BGP);
		build_multipath_hop(&b, build_multipath(&b), "10.0.0.1", 1, 1);
		b.bytes[(size_t)rand_r(&seed) % b.size] = (uint8_t)rand_r(&seed);
		b.bytes[(size_t)rand_r(&seed) % b.size] = (uint8_t)rand_r(&seed);
		stock_send_only();
		run_ms(2);
	}
	ck_assert(stock_lives());
	/* Configuration is not taken from here. */
	ck_assert_int_eq(send(stock, other_type, sizeof(other_type), MSG_NOSIGNAL), 5);
	run();
	ck_assert(stock_lives());
	ck_assert_uint_eq(fpm_server_counters(d->fpm)->unknown_messages, 1);
	ck_assert_int_eq(send(stock, bad, sizeof(bad), MSG_NOSIGNAL), 4);
	run();
	ck_assert(!stock_lives());
	ck_assert(daemon_running(d));
	finish();
}
END_TEST

START_TEST(a_second_zebra_replaces_the_first)
{
	int first;

	begin_with(GOOD);
	open_stock();
	stock_connect();
	first = stock;
	stock = -1;
	stock_connect();
	ck_assert(stock_lives());
	ck_assert(fpm_server_connected(d->fpm));
	ck_assert_int_eq(recv(first, &(char){0}, 1, MSG_DONTWAIT), 0);
	close(first);
	finish();
}
END_TEST

START_TEST(other_users_of_the_host_do_not_get_in)
{
	static const struct {
		int found;
		uid_t user;
		bool admitted;
	} cases[] = {
		{1, 0, true},	   /* root */
		{0, 0, true},	   /* another host */
		{1, 65534, false}, /* nobody */
		{-1, 0, false},
	};
	uint64_t refused = 0;
	int before;

	begin_with(GOOD);
	open_stock();
	stock_connect();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		before = stock;
		stock = -1;
		kernel_mock_peer_user(cases[i].found, cases[i].user);
		stock_connect();
		ck_assert_int_eq(stock_lives(), cases[i].admitted);
		refused += !cases[i].admitted;
		ck_assert_uint_eq(fpm_server_counters(d->fpm)->refused, refused);
		ck_assert(fpm_server_connected(d->fpm));
		/* The one that was there goes for nobody else. */
		close(cases[i].admitted ? before : stock);
		stock = cases[i].admitted ? stock : before;
		ck_assert(stock_lives());
	}
	finish();
}
END_TEST

UNIT_MAIN("stock", it_serves_with_a_file_and_routes_of_the_stock_module,
	  a_replay_ends_when_nothing_comes_any_more,
	  a_replay_ends_also_where_routes_never_stop_changing,
	  an_update_in_two_messages_is_no_withdrawal,
	  groups_that_are_not_sent_are_told_with_the_remedy, the_file_is_read_again,
	  a_file_that_is_refused_changes_nothing, a_file_without_the_block_removes_everything,
	  what_cannot_be_started_is_told, zebras_module_is_refused_beside_a_file,
	  hostile_bytes_do_no_harm, a_second_zebra_replaces_the_first,
	  other_users_of_the_host_do_not_get_in)
