/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue of strays and the tunnel, with TCP between client and server; see nft_rig.h. */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/nft_rig.h"

static enum kernel_verdict next_verdict;
static size_t strays;
static uint32_t longest;
static struct kernel_stray last_stray;

static void stray_take(void *arg, const struct kernel_stray *stray, int device)
{
	strays++;
	last_stray = *stray;
	if (stray->length > longest)
		longest = stray->length;
	queue_verdict(queue, stray->id, next_verdict, 5);
	queue_verdict(queue, stray->id, next_verdict, 5); /* the second one is ignored */
}

static void open_vips(void)
{
	struct in6_addr vips[2];

	open_it();
	address_parse(VIP, &vips[0]);
	address_parse(VIP6, &vips[1]);
	ok(nft_vips_set(nft, vips, 2, &error));
}

static void queue_it(void)
{
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ok(queue_start(queue, &error));
}

/* Everything but SYNs from the client gets *mark*, as the classifier would mark it; what our chain
 * made of it is counted after it. */
static void marks_load(const char *family, unsigned int mark)
{
	const char *client = strcmp(family, "ip6") == 0 ? CLIENT6 : CLIENT;

	run_ok("nft -f - <<'EOF'\n"
	       "define client = %s\n"
	       "table %s test {\n"
	       " chain before { type filter hook prerouting priority -300;\n"
	       "  %s saddr $client tcp flags & syn == 0 meta mark set 0x%x\n"
	       " }\n"
	       " chain after { type filter hook prerouting priority -100;\n"
	       "  meta mark 0x4000 counter comment \"foreign\"\n"
	       "  meta mark 0x80004005 counter comment \"detour\"\n"
	       "  meta mark 0x80004001 counter comment \"pinned\"\n"
	       " }\n"
	       "}\n"
	       "EOF",
	       client, family, family, mark);
}

static uint16_t client_port = 40311;

struct pair {
	int listener, client, server;
	size_t sent, got;
};

union socket_address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

static union socket_address socket_address(int family, const char *text, uint16_t port)
{
	union socket_address address = {.any.sa_family = (sa_family_t)family};

	if (family == AF_INET) {
		inet_pton(family, text, &address.ipv4.sin_addr);
		address.ipv4.sin_port = htons(port);
	} else {
		inet_pton(family, text, &address.ipv6.sin6_addr);
		address.ipv6.sin6_port = htons(port);
	}
	return address;
}

static void pair_connect(struct pair *pair, int family)
{
	bool ipv6 = family == AF_INET6;
	union socket_address vip = socket_address(family, ipv6 ? VIP6 : VIP, 80);
	union socket_address client =
		socket_address(family, ipv6 ? CLIENT6 : CLIENT, ++client_port);
	int on = 1;

	memset(pair, 0, sizeof(*pair));
	pair->listener = socket(family, SOCK_STREAM, 0);
	setsockopt(pair->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(pair->listener, &vip.any, sizeof(vip)), 0);
	ck_assert_int_eq(listen(pair->listener, 5), 0);
	pair->client = peer_socket(family, SOCK_STREAM);
	ck_assert_int_eq(bind(pair->client, &client.any, sizeof(client)), 0);
	ck_assert_int_eq(connect(pair->client, &vip.any, sizeof(vip)), 0);
	pair->server = accept(pair->listener, NULL, NULL);
	ck_assert_int_ge(pair->server, 0);
	fcntl(pair->client, F_SETFL, O_NONBLOCK);
	fcntl(pair->server, F_SETFL, O_NONBLOCK);
}

/* Sends *size* bytes more while the event loop runs; returns how many arrived, all of
 * them right. */
static size_t transfer(struct pair *pair, size_t size, double limit)
{
	static uint8_t out[65536], in[65536];
	size_t target = pair->sent + size, before = pair->got;
	double end = seconds() + limit;
	ssize_t n;

	while (pair->got < target && seconds() < end) {
		if (pair->sent < target) {
			size_t left = target - pair->sent;
			size_t part = left < sizeof(out) ? left : sizeof(out);

			for (size_t i = 0; i < part; i++)
				out[i] = (uint8_t)((pair->sent + i) * 31 >> 3);
			n = send(pair->client, out, part, 0);
			if (n > 0)
				pair->sent += (size_t)n;
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(pair->server, in, sizeof(in), 0);
		for (ssize_t i = 0; i < n; i++)
			ck_assert_uint_eq(in[i], (uint8_t)((pair->got + (size_t)i) * 31 >> 3));
		if (n > 0)
			pair->got += (size_t)n;
		else
			usleep(500);
	}
	return pair->got - before;
}

START_TEST(queue_gives_verdicts)
{
	struct queue *second;
	struct pair pair;

	open_vips();
	pair_connect(&pair, AF_INET);
	marks_load("ip", STRAY | 0x4000);

	/* nobody listens: dropped */
	ck_assert_uint_eq(transfer(&pair, 100, 0.4), 0);
	ck_assert_int_eq(packets("ip", "foreign"), 0);

	/* bound but not started: dropped as well */
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ck_assert_int_eq(queue_open(base, &options, stray_take, NULL, &second, &error), -1);
	ck_assert_ptr_null(second);
	ck_assert_ptr_nonnull(strstr(error.text, "queue 7939 is in use"));
	usleep(300000);
	ck_assert_int_eq(packets("ip", "foreign"), 0);
	close(pair.client);
	close(pair.server);
	close(pair.listener);
	run_ok("nft delete table ip test");

	/* local: ours are cleared, foreign bits stay, segments stay whole */
	ok(queue_start(queue, &error));
	pair_connect(&pair, AF_INET);
	marks_load("ip", STRAY | 0x4000 | 9);
	next_verdict = KERNEL_LOCAL;
	strays = longest = 0;
	ck_assert_uint_eq(transfer(&pair, 4000000, 30), 4000000);
	ck_assert_uint_gt(strays, 10);
	ck_assert_uint_gt(longest, 20000);
	ck_assert_int_eq(packets("ip", "foreign"), (long)strays);
	ck_assert(!last_stray.tunnelled);
	ck_assert_uint_eq(last_stray.flow.client_port, client_port);
	ck_assert_uint_eq(last_stray.flow.vip_port, 80);
	ck_assert_uint_eq(last_stray.sender_id, 0);
	printf("4 MB through the queue: %zu segments, longest %u bytes\n", strays, longest);

	/* detour: the owner's id, foreign bits stay (delivered here all the same: no rule) */
	next_verdict = KERNEL_DETOUR;
	ck_assert_uint_eq(transfer(&pair, 1000, 10), 1000);
	ck_assert_int_ge(packets("ip", "detour"), 1);

	/* drop */
	next_verdict = KERNEL_DROP;
	ck_assert_uint_eq(transfer(&pair, 1000, 0.5), 0);
	next_verdict = KERNEL_LOCAL;
	ck_assert_uint_eq(transfer(&pair, 1000, 10), 2000); /* sent again */

	ck_assert_uint_eq(counter("queue-waiting"), 0);
	ck_assert_uint_eq(counter("queue-unparsed"), 0);
	ck_assert_uint_eq(counter("queue-verdict-failures"), 0);
	ck_assert_uint_gt(counter("strays"), 10);
}
END_TEST

START_TEST(pins_and_queue_off)
{
	struct kernel_pin_change pin = {
		.flow = {.protocol = IPPROTO_TCP, .client_port = 40312, .vip_port = 80},
		.new_owner = 1};
	struct pair pair;
	uint64_t detoured;

	address_parse(CLIENT, &pin.flow.client);
	address_parse(VIP, &pin.flow.vip);
	open_vips();
	ok(nft_owner_add(nft, 1, &error));
	ck_assert_uint_eq(nft_pins_change(nft, &pin, 1), 0);
	queue_it();
	next_verdict = KERNEL_LOCAL;
	pair_connect(&pair, AF_INET);
	marks_load("ip", STRAY | 0x4000);
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, 100000, 3), 100000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_gt(packets("ip", "pinned"), 0);
	detoured = counter("detoured-packets");
	ck_assert_uint_eq(detoured, (uint64_t)packets("ip", "pinned"));
	ck_assert_uint_gt(counter("detoured-bytes"), 100000);

	/* a takeover keeps the counters too */
	nft_close(nft);
	open_it();
	ck_assert_uint_eq(counter("detoured-packets"), detoured);

	/* orderly stop: pins live, strays are left to the kernel with our bits cleared */
	ok(nft_queue_off(nft, &error));
	ck_assert_int_eq(nft_queue_kind(nft), NFT_QUEUE_NONE);
	ck_assert_uint_eq(transfer(&pair, 1000, 10), 1000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_eq(packets("ip", "foreign"), 0);
	pin.old_owner = 1;
	pin.new_owner = 0;
	ck_assert_uint_eq(nft_pins_change(nft, &pin, 1), 0);
	ck_assert_uint_eq(transfer(&pair, 1000, 10), 1000);
	ck_assert_int_gt(packets("ip", "foreign"), 0);

	/* the last values, while others have removed the table */
	detoured = counter("detoured-packets");
	run_ok("nft delete table ip holdfast");
	ck_assert_uint_eq(counter("detoured-packets"), detoured);
}
END_TEST

START_TEST(held_and_closed)
{
	struct pair pair;

	open_vips();
	queue_it();
	pair_connect(&pair, AF_INET);
	marks_load("ip", STRAY | 0x4000);
	ck_assert_int_eq(send(pair.client, "x", 1, 0), 1);
	usleep(20000);
	queue_close(queue);
	queue = NULL;
	ck_assert_int_eq(packets("ip", "foreign"), 0);
}
END_TEST

/* hfin stands in for the tunnel. */
START_TEST(tunnel_delivers_or_drops)
{
	struct in6_addr vip;
	struct pair pair;

	run_ok("ip addr add 192.0.2.81/32 dev lo; nft 'add table ip test; "
	       "add chain ip test after { type filter hook prerouting priority -100; }; "
	       "add rule ip test after udp dport 9 counter comment \"datagrams\"'");
	udp_send(CLIENT, "192.0.2.81", 9, 1);
	udp_send(CLIENT, VIP, 9, 1);
	ck_assert_int_eq(packets("ip", "datagrams"), 2);
	ok(nft_open(&options, "hfin", &nft, &error));
	ok(nft_setup(nft, &error));
	address_parse(VIP, &vip);
	ok(nft_vips_set(nft, &vip, 1, &error));
	queue_it();

	/* not for a VIP, and no TCP */
	udp_send(CLIENT, "192.0.2.81", 9, 3);
	udp_send(CLIENT, VIP, 9, 4);
	ck_assert_int_eq(packets("ip", "datagrams"), 2);
	run_ok("nft delete table ip test");

	pair_connect(&pair, AF_INET);
	ck_assert_uint_eq(transfer(&pair, 1000, 10), 1000);

	/* no session at the owner: fpmd learns who sent it */
	marks_load("ip", TUNNEL | 0x4000 | 9);
	next_verdict = KERNEL_LOCAL;
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, 1000, 10), 1000);
	ck_assert_uint_ge(strays, 1);
	ck_assert(last_stray.tunnelled);
	ck_assert_uint_eq(last_stray.sender_id, 9);
	ck_assert_int_ge(packets("ip", "foreign"), 1);

	/* without the tunnel's bit an owner's id does not stay in the mark */
	run_ok("nft delete table ip test");
	marks_load("ip", 0x4000 | 9);
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, 1000, 10), 1000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_ge(packets("ip", "foreign"), 1);
}
END_TEST

START_TEST(flood_is_bounded)
{
	uint64_t dropped, unparsed;

	open_vips();
	queue_it();
	run_ok("nft 'add table ip test; add chain ip test before { type filter hook prerouting priority -300; }; "
	       "add rule ip test before ip saddr " CLIENT " meta mark set 0x80000000'");
	udp_send(CLIENT, VIP, 9, 40000);
	loop(500);
	dropped = counter("queue-dropped");
	unparsed = counter("queue-unparsed");
	printf("40000 strays at once: %lu held and judged, %lu dropped by the full queue\n",
	       unparsed, dropped);
	ck_assert_uint_le(dropped + unparsed, 40000);
	ck_assert_uint_ge(dropped + unparsed, 30000);
	ck_assert_uint_ge(unparsed, 10000);
	ck_assert_uint_eq(counter("queue-waiting"), 0);
	/* and it goes on */
	udp_send(CLIENT, VIP, 9, 10);
	loop(50);
	ck_assert_uint_eq(counter("queue-unparsed"), unparsed + 10);
	/* the same bit in a mark of others: not for a VIP, not ours */
	udp_send(CLIENT, "10.9.0.1", 9, 10);
	loop(50);
	ck_assert_uint_eq(counter("queue-unparsed"), unparsed + 10);
}
END_TEST

/* A pin and the queue. */
START_TEST(both_families)
{
	struct kernel_pin_change pin = {.new_owner = 1};
	struct pair pair;

	address_parse("2001:db8:ffff::3", &options.local_members[1]);
	open_vips();
	ok(nft_owner_add(nft, 1, &error));
	queue_it();
	pair_connect(&pair, AF_INET6);
	marks_load("ip6", STRAY | 0x4000);
	next_verdict = KERNEL_LOCAL;
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, 100000, 3), 100000);
	ck_assert_uint_ge(strays, 2);
	address_parse(VIP6, &pin.flow.vip);
	ck_assert(address_equal(&last_stray.flow.vip, &pin.flow.vip));
	ck_assert_uint_eq(last_stray.flow.client_port, client_port);
	pin.flow = last_stray.flow;
	ck_assert_uint_eq(nft_pins_change(nft, &pin, 1), 0);
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, 100000, 3), 100000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_ge(packets("ip6", "pinned"), 2);
}
END_TEST

NFT_MAIN("queue", queue_gives_verdicts, pins_and_queue_off, held_and_closed,
	 tunnel_delivers_or_drops, flood_is_bounded, both_families)
