/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables and the stray queue against a real kernel: each test runs in a process and a network
 * namespace of its own, which vanish with it. Needs root; without it the program says "skipped".
 */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fpmd/kernel/nft.h"
#include "fpmd/kernel/queue.h"

#define VIP "192.0.2.80"
#define CLIENT "198.51.100.7"
#define OTHER "198.51.100.8"
#define VIP6 "2001:db8::80"
#define CLIENT6 "2001:db8:1::7"
#define STRAY 0x80000000u
#define TUNNEL 0x40000000u
#define OWNERS 0x00000fffu
#define QUEUE 7939

static struct kernel_options options = {
	.mark_owner_mask = OWNERS,
	.mark_stray_bit = STRAY,
	.mark_tunnel_bit = TUNNEL,
	.tunnel_port = 4790,
	.queue = QUEUE,
	.pins_max = 200000,
};
static struct nft *nft;
static struct error error;

static int run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

#define run_ok(...) ck_assert_int_eq(run(__VA_ARGS__), 0)

/* The number that a shell pipeline prints. */
static long ask(const char *format, ...)
{
	char command[1024], line[64] = "-1";
	va_list arguments;
	FILE *pipe;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	if (!fgets(line, sizeof(line), pipe))
		line[0] = '0';
	pclose(pipe);
	return atol(line);
}

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

#define ok(call) ck_assert_msg((call) == 0, "%s", error.text)

static void open_it(void)
{
	ok(nft_open(&options, "hf-vx0", &nft, &error));
	ok(nft_setup(nft, &error));
}

static int own_net, peer_net;

/* A second namespace for the client; its process lives as long as the test. */
static pid_t peer_start(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static int net_open(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static int peer_socket(int family, int type)
{
	int fd;

	ck_assert_int_eq(setns(peer_net, CLONE_NEWNET), 0);
	fd = socket(family, type, 0);
	ck_assert_int_eq(setns(own_net, CLONE_NEWNET), 0);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* The server with the VIP; the client behind device hfin. */
static void setup(void)
{
	pid_t peer;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	peer = peer_start();
	own_net = net_open(getpid());
	peer_net = net_open(peer);
	address_parse("10.255.0.3", &options.local_members[0]);
	run_ok("ip link set lo up; ip addr add " VIP "/32 dev lo; ip addr add " VIP6 "/128 dev lo; "
	       "ip link add hfin type veth peer name far netns %d; ip link set hfin up; "
	       "ip addr add 10.9.0.1/24 dev hfin; ip addr add fd09::1/64 dev hfin nodad; "
	       "n='nsenter -t %d -n ip'; $n link set far up; $n addr add 10.9.0.2/24 dev far; "
	       "for a in " CLIENT " " OTHER "; do $n addr add $a/32 dev far; "
	       "ip route add $a via 10.9.0.2; done; $n route add default via 10.9.0.1; "
	       "$n addr add fd09::2/64 dev far nodad; $n addr add " CLIENT6 "/128 dev far nodad; "
	       "$n route add default via fd09::1 && ip route add " CLIENT6 " via fd09::2",
	       (int)peer, (int)peer);
}

static void teardown(void)
{
	nft_close(nft);
	nft = NULL;
}

static struct flow flow_number(unsigned int n)
{
	struct flow flow = {.protocol = IPPROTO_TCP, .vip_port = 80};

	flow.client = address_from_ipv4(htonl(0x0a000000u + n / 50000));
	address_parse(VIP, &flow.vip);
	flow.client_port = (uint16_t)(1024 + n % 50000);
	return flow;
}

static struct kernel_pin_change *changes_make(unsigned int first, size_t count, uint16_t old_owner,
					      uint16_t new_owner)
{
	struct kernel_pin_change *changes = calloc(count, sizeof(*changes));

	ck_assert_ptr_nonnull(changes);
	for (size_t i = 0; i < count; i++) {
		changes[i].flow = flow_number(first + (unsigned int)i);
		changes[i].old_owner = old_owner;
		changes[i].new_owner = new_owner;
		changes[i].status = 1;
	}
	return changes;
}

static size_t change(unsigned int first, size_t count, uint16_t old_owner, uint16_t new_owner)
{
	struct kernel_pin_change *changes = changes_make(first, count, old_owner, new_owner);
	size_t failed = nft_pins_change(nft, changes, count);

	free(changes);
	return failed;
}

struct seen {
	size_t count;
	size_t by_owner[16];
};

static void seen_pin(void *arg, const struct flow *flow, uint16_t owner)
{
	struct seen *seen = arg;

	seen->count++;
	ck_assert_uint_lt(owner, 16);
	seen->by_owner[owner]++;
	ck_assert_int_eq(flow->protocol, IPPROTO_TCP);
}

static struct seen dump(void)
{
	struct seen seen = {0};

	ok(nft_pins_dump(nft, seen_pin, &seen, &error));
	return seen;
}

START_TEST(rules_load)
{
	struct kernel_counter counters[NFT_COUNTERS_MAX];
	uint16_t ids[4];
	uint64_t packets, bytes;

	open_it();
	ck_assert_int_ne(nft_queue_kind(nft), NFT_QUEUE_NONE);
	printf("queue through: %s\n", nft_queue_text(nft));
	ok(nft_owner_add(nft, 7, &error));
	ok(nft_owner_add(nft, 7, &error));
	ok(nft_owner_add(nft, 4095, &error));
	ck_assert_int_eq(nft_owner_add(nft, 4096, &error), -1);
	ck_assert_int_eq(nft_owner_add(nft, 0, &error), -1);
	ck_assert_uint_eq(nft_owners(nft, ids, 4), 2);
	ck_assert_uint_eq(ids[0], 7);
	ok(nft_owner_counter(nft, 7, &packets, &bytes, &error));
	ck_assert_uint_eq(packets, 0);
	ck_assert_uint_ge(nft_counters(nft, counters, NFT_COUNTERS_MAX), 9);
	ok(nft_owner_remove(nft, 4095, &error));
	ok(nft_owner_remove(nft, 4095, &error));
	run_ok("nft list table ip holdfast >/dev/null");
	ck_assert_int_eq(ask("nft list table ip holdfast | grep -c 'chain owner_'"), 1);
	ok(nft_teardown(nft, &error));
	ok(nft_teardown(nft, &error));
	ck_assert_int_eq(ask("nft list tables | wc -l"), 0);
}
END_TEST

START_TEST(sets_are_replaced)
{
	struct in6_addr addresses[3];
	unsigned int ifindexes[2] = {1, 5};

	open_it();
	address_parse("192.0.2.80", &addresses[0]);
	address_parse("2001:db8::1", &addresses[1]);
	address_parse("192.0.2.80", &addresses[2]);
	ok(nft_vips_set(nft, addresses, 3, &error));
	ok(nft_members_set(nft, addresses, 1, &error));
	ok(nft_uplinks_set(nft, ifindexes, 2, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c '192.0.2.80 }'"), 1);
	ck_assert_int_eq(ask("nft list set ip holdfast uplinks | grep -c elements"), 1);
	address_parse("192.0.2.81", &addresses[0]);
	ok(nft_vips_set(nft, addresses, 1, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c '192.0.2.81 }'"), 1);
	ok(nft_vips_set(nft, NULL, 0, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c elements"), 0);
}
END_TEST

START_TEST(takeover_keeps_pins)
{
	uint16_t ids[8];
	struct seen seen;

	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	ck_assert_uint_eq(change(0, 20000, 0, 1), 0);
	ck_assert_uint_eq(change(20000, 5, 0, 2), 0);
	nft_close(nft);

	/* the same layout */
	open_it();
	ck_assert_uint_eq(nft_owners(nft, ids, 8), 2);
	seen = dump();
	ck_assert_uint_eq(seen.by_owner[1], 20000);
	ck_assert_uint_eq(seen.by_owner[2], 5);
	ck_assert_int_eq(ask("nft list chains | grep -c 'type filter'"), 3);
	nft_close(nft);

	/* another size; then one that is too small */
	options.pins_max = 30000;
	open_it();
	ck_assert_int_eq(ask("nft -t list map ip holdfast pins | grep -c 'size 30000'"), 1);
	ck_assert_uint_eq(dump().count, 20005);
	nft_close(nft);
	options.pins_max = 100;
	open_it();
	ck_assert_int_eq(ask("nft -t list map ip holdfast pins | grep -c 'size 20005'"), 1);
	ck_assert_uint_eq(dump().count, 20005);
	ck_assert_uint_eq(change(30000, 1, 0, 1), 1);
	ck_assert_uint_eq(change(0, 20000, 1, 0), 0);
	ck_assert_uint_eq(dump().count, 5);
	options.pins_max = 200000;
}
END_TEST

START_TEST(hundred_thousand)
{
	struct seen seen;
	double start;

	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 0, 1), 0);
	printf("100k pins: install %.0f ms", (seconds() - start) * 1e3);
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 1, 2), 0);
	printf(", change owner %.0f ms", (seconds() - start) * 1e3);
	start = seconds();
	seen = dump();
	printf(", dump %.0f ms", (seconds() - start) * 1e3);
	ck_assert_uint_eq(seen.by_owner[2], 100000);
	ck_assert_int_eq(nft_owner_remove(nft, 2, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "pins still point"));
	ck_assert(nft_owner_known(nft, 2));
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 2, 0), 0);
	printf(", delete %.0f ms\n", (seconds() - start) * 1e3);
	ck_assert_uint_eq(dump().count, 0);
	ok(nft_owner_remove(nft, 2, &error));
}
END_TEST

START_TEST(others_change_pins)
{
	struct kernel_pin_change *changes;
	struct seen seen;
	double start;

	open_it();
	for (uint16_t id = 1; id < 4; id++)
		ok(nft_owner_add(nft, id, &error));
	ck_assert_uint_eq(change(0, 5000, 0, 1), 0);
	/* One removed, one added, one with another verdict; then changes that meet all of them. */
	run_ok("nft delete element ip holdfast pins '{ 10.0.0.0 . 1034 . " VIP " . 80 }'");
	run_ok("nft add element ip holdfast pins '{ 10.0.0.0 . 6030 . " VIP
	       " . 80 : goto owner_3 }'");
	run_ok("nft add element ip holdfast pins '{ 10.0.0.0 . 6031 . " VIP " . 80 : drop }'");
	start = seconds();
	ck_assert_uint_eq(change(0, 10000, 0, 2), 0);
	printf("10k changes against what others did: %.0f ms\n", (seconds() - start) * 1e3);
	seen = dump();
	ck_assert_uint_eq(seen.by_owner[2], 10000);
	ck_assert_uint_eq(seen.count, 10000);
	/* All gone behind our back, and then removed by us. */
	run_ok("nft flush map ip holdfast pins");
	ck_assert_uint_eq(change(0, 10000, 2, 0), 0);
	ck_assert_uint_eq(dump().count, 0);

	/* faulty changes do not harm the others */
	changes = changes_make(0, 100, 0, 1);
	changes[3].new_owner = 9;
	changes[4].flow.protocol = IPPROTO_UDP;
	address_parse("2001:db8::1", &changes[5].flow.client);
	address_parse("2001:db8::1", &changes[6].flow.client);
	address_parse("2001:db8::2", &changes[6].flow.vip);
	ck_assert_uint_eq(nft_pins_change(nft, changes, 100), 4);
	ck_assert_int_eq(changes[3].status, -ENOENT);
	ck_assert_int_eq(changes[4].status, -EINVAL);
	ck_assert_int_eq(changes[5].status, -EINVAL);
	ck_assert_int_eq(changes[6].status, -EAFNOSUPPORT);
	ck_assert_int_eq(changes[7].status, 0);
	free(changes);

	/* the same flow several times: the last one counts */
	changes = changes_make(200, 3, 0, 1);
	changes[1].flow = changes[2].flow = changes[0].flow;
	changes[1].new_owner = 2;
	changes[2].new_owner = 0;
	ck_assert_uint_eq(nft_pins_change(nft, changes, 3), 0);
	ck_assert_uint_eq(dump().count, 96);
	changes[2].new_owner = 3;
	ck_assert_uint_eq(nft_pins_change(nft, changes, 3), 0);
	ck_assert_uint_eq(dump().by_owner[3], 1);
	free(changes);

	/* a chain that others removed: its changes fail, the others succeed */
	run_ok("nft flush map ip holdfast pins && nft flush chain ip holdfast owner_3 && "
	       "nft delete chain ip holdfast owner_3");
	changes = changes_make(1000, 1000, 0, 1);
	changes[500].new_owner = changes[777].new_owner = 3;
	start = seconds();
	ck_assert_uint_eq(nft_pins_change(nft, changes, 1000), 2);
	printf("bisecting 2 of 1000: %.0f ms\n", (seconds() - start) * 1e3);
	ck_assert_int_eq(changes[500].status, -ENOENT);
	ck_assert_int_eq(changes[777].status, -ENOENT);
	ck_assert_uint_eq(dump().by_owner[1], 998);
	free(changes);
}
END_TEST

START_TEST(map_is_full)
{
	struct kernel_pin_change *changes;
	size_t full = 0;

	options.pins_max = 1000;
	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	changes = changes_make(0, 1500, 0, 1);
	ck_assert_uint_eq(nft_pins_change(nft, changes, 1500), 500);
	for (int i = 0; i < 1500; i++)
		full += changes[i].status == -ENFILE;
	ck_assert_uint_eq(full, 500);
	free(changes);
	ck_assert_uint_eq(dump().count, 1000);
	ck_assert_uint_eq(change(0, 1000, 1, 2), 0);
	ck_assert_uint_eq(dump().by_owner[2], 1000);
	ck_assert_uint_eq(change(0, 10, 2, 0), 0);
	/* others fill it behind our back */
	for (int i = 0; i < 5; i++)
		run_ok("nft add element ip holdfast pins '{ 10.9.9.9 . %d . " VIP " . 80 : drop }'",
		       1000 + i);
	ck_assert_uint_eq(change(0, 10, 0, 2), 5);
	ck_assert_uint_eq(dump().count, 995);
	options.pins_max = 200000;
}
END_TEST

static void changed(void *arg, const char *what)
{
	snprintf(arg, 96, "%s", what);
}

static void loop(struct event_base *base, int milliseconds)
{
	struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};

	event_base_loopexit(base, &time);
	event_base_dispatch(base);
}

START_TEST(others_change_rules)
{
	struct event_base *base = event_base_new();
	struct in6_addr vip;
	char what[96] = "";
	size_t restored;
	double start;

	open_it();
	ok(nft_watch(nft, base, changed, what, &error));
	address_parse(VIP, &vip);
	ok(nft_vips_set(nft, &vip, 1, &error));
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 0, 1), 0);
	printf("100k pins while watched: %.0f ms", (seconds() - start) * 1e3);
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 1, 0), 0);
	printf(", delete %.0f ms\n", (seconds() - start) * 1e3);
	ck_assert_uint_eq(change(0, 5000, 0, 1), 0);
	run_ok("nft add table ip other && nft add chain ip other holdfast");
	loop(base, 100);
	ck_assert_str_eq(what, "");

	run_ok("nft flush ruleset");
	loop(base, 100);
	ck_assert_msg(strstr(what, "another program"), "%s", what);
	puts(what);
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 5000);
	ck_assert_uint_eq(dump().by_owner[1], 5000);
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c '192.0.2.80 }'"), 1);
	ck_assert_int_eq(ask("nft list table ip holdfast | grep -c 'chain owner_'"), 2);

	what[0] = 0;
	run_ok("nft flush chain ip holdfast tunnel");
	loop(base, 1200);
	ck_assert_str_eq(what, "rule in tunnel deleted by another program");
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 0);
	ck_assert_int_eq(ask("nft list chain ip holdfast tunnel | grep -c drop"), 2);

	what[0] = 0;
	run_ok("nft 'add table ip holdfast { flags dormant; }'");
	loop(base, 1200);
	ck_assert_str_eq(what, "table changed by another program");
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 0);
	ck_assert_int_eq(ask("nft list table ip holdfast | grep -c dormant"), 0);

	what[0] = 0;
	run_ok("nft delete element ip holdfast pins '{ 10.0.0.0 . 1034 . " VIP " . 80 }'; "
	       "nft add element ip holdfast pins '{ 10.0.9.0 . 1034 . " VIP " . 80 : drop }'");
	run_ok("nft delete element ip holdfast pins '{ 10.0.0.0 . 1035 . " VIP " . 80 }'; "
	       "nft add element ip holdfast pins '{ 10.0.0.0 . 1035 . " VIP
	       " . 80 : goto owner_2 }'");
	loop(base, 1200);
	ck_assert_msg(strstr(what, "element of pins"), "%s", what);
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 3);
	ck_assert_uint_eq(dump().by_owner[1], 5000);
	what[0] = 0;
	loop(base, 100);
	ck_assert_str_eq(what, "");
	event_base_loopexit(base, NULL);
	teardown();
	event_base_free(base);
}
END_TEST

/* -- the queue, with TCP over the loopback device -- */

static struct queue *queue;
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

/* Everything but SYNs from the client gets *mark*, as the classifier would mark it; what our chain
 * made of it is counted after it. */
static void marks_load(unsigned int mark)
{
	run_ok("nft -f - <<'EOF'\n"
	       "table ip test {\n"
	       " chain before { type filter hook prerouting priority -300;\n"
	       "  ip saddr " CLIENT " tcp flags & syn == 0 meta mark set 0x%x\n"
	       " }\n"
	       " chain after { type filter hook prerouting priority -100;\n"
	       "  ip saddr " CLIENT " meta mark 0x4000 counter comment \"foreign\"\n"
	       "  ip saddr " CLIENT " meta mark 0x4005 counter comment \"detour\"\n"
	       "  ip saddr " CLIENT " meta mark 0x4001 counter comment \"pinned\"\n"
	       " }\n"
	       "}\n"
	       "EOF",
	       mark);
}

static long passed(const char *comment)
{
	return ask(
		"nft list chain ip test after | grep '\"%s\"' | sed 's/.*packets \\([0-9]*\\).*/\\1/'",
		comment);
}

static uint16_t client_port = 40311;

struct pair {
	int listener, client, server;
	size_t sent, got;
};

static void pair_connect6(struct pair *pair)
{
	struct sockaddr_in6 vip = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	struct sockaddr_in6 client = {.sin6_family = AF_INET6, .sin6_port = htons(++client_port)};

	memset(pair, 0, sizeof(*pair));
	inet_pton(AF_INET6, VIP6, &vip.sin6_addr);
	inet_pton(AF_INET6, CLIENT6, &client.sin6_addr);
	pair->listener = socket(AF_INET6, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(pair->listener, (void *)&vip, sizeof(vip)), 0);
	ck_assert_int_eq(listen(pair->listener, 5), 0);
	pair->client = peer_socket(AF_INET6, SOCK_STREAM);
	ck_assert_int_eq(bind(pair->client, (void *)&client, sizeof(client)), 0);
	ck_assert_int_eq(connect(pair->client, (void *)&vip, sizeof(vip)), 0);
	pair->server = accept(pair->listener, NULL, NULL);
	ck_assert_int_ge(pair->server, 0);
	fcntl(pair->client, F_SETFL, O_NONBLOCK);
	fcntl(pair->server, F_SETFL, O_NONBLOCK);
}

static void pair_connect(struct pair *pair)
{
	struct sockaddr_in vip = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct sockaddr_in client = {.sin_family = AF_INET, .sin_port = htons(++client_port)};
	int on = 1;

	memset(pair, 0, sizeof(*pair));
	inet_pton(AF_INET, VIP, &vip.sin_addr);
	inet_pton(AF_INET, CLIENT, &client.sin_addr);
	pair->listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(pair->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(pair->listener, (void *)&vip, sizeof(vip)), 0);
	ck_assert_int_eq(listen(pair->listener, 5), 0);
	pair->client = peer_socket(AF_INET, SOCK_STREAM);
	ck_assert_int_eq(bind(pair->client, (void *)&client, sizeof(client)), 0);
	ck_assert_int_eq(connect(pair->client, (void *)&vip, sizeof(vip)), 0);
	pair->server = accept(pair->listener, NULL, NULL);
	ck_assert_int_ge(pair->server, 0);
	fcntl(pair->client, F_SETFL, O_NONBLOCK);
	fcntl(pair->server, F_SETFL, O_NONBLOCK);
}

/* Sends *size* bytes more while the event loop runs; returns how many arrived, all of them right.
 */
static size_t transfer(struct pair *pair, struct event_base *base, size_t size, double limit)
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

static uint64_t counter_value(const char *name)
{
	struct kernel_counter counters[QUEUE_COUNTERS_MAX + NFT_COUNTERS_MAX];
	size_t count = queue_counters(queue, counters, QUEUE_COUNTERS_MAX);

	count += nft_counters(nft, counters + count, NFT_COUNTERS_MAX);
	for (size_t i = 0; i < count; i++)
		if (strcmp(counters[i].name, name) == 0)
			return counters[i].value;
	ck_abort_msg("no counter %s", name);
}

static uint64_t counter_of_nft(const char *name)
{
	struct kernel_counter counters[NFT_COUNTERS_MAX];
	size_t count = nft_counters(nft, counters, NFT_COUNTERS_MAX);

	for (size_t i = 0; i < count; i++)
		if (strcmp(counters[i].name, name) == 0)
			return counters[i].value;
	ck_abort_msg("no counter %s", name);
}

/* UDP from 198.51.100.9 to 203.0.114.2, out of device *from* to the MAC address of *to*. */
static void frame_send(const char *from, const char *to, int count)
{
	uint8_t frame[60] = {[12] = 8,	 [14] = 0x45, [17] = 29, [22] = 64, [23] = IPPROTO_UDP,
			     [26] = 198, 51,	      100,	 9,	    203,
			     0,		 114,	      2,	 0,	    9,
			     0,		 9,	      0,	 9};
	struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_halen = 6};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct ifreq request = {0};
	uint32_t sum = 0;

	ck_assert_int_ge(fd, 0);
	snprintf(request.ifr_name, IFNAMSIZ, "%s", to);
	ck_assert_int_eq(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(frame, request.ifr_hwaddr.sa_data, 6);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	link.sll_ifindex = (int)if_nametoindex(from);
	while (count--)
		ck_assert_int_eq(sendto(fd, frame, sizeof(frame), 0, (void *)&link, sizeof(link)),
				 60);
	close(fd);
	usleep(20000);
}

START_TEST(queue_gives_verdicts)
{
	struct event_base *base = event_base_new();
	struct queue *second;
	struct pair pair;

	open_it();
	pair_connect(&pair);
	marks_load(STRAY | 0x4000);

	/* nobody listens: dropped */
	ck_assert_uint_eq(transfer(&pair, base, 100, 0.4), 0);
	ck_assert_int_eq(passed("foreign"), 0);

	/* bound but not started: dropped as well */
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ck_assert_int_eq(queue_open(base, &options, stray_take, NULL, &second, &error), -1);
	ck_assert_ptr_null(second);
	ck_assert_ptr_nonnull(strstr(error.text, "queue 7939 is in use"));
	usleep(300000);
	ck_assert_int_eq(passed("foreign"), 0);
	close(pair.client);
	close(pair.server);
	close(pair.listener);
	run_ok("nft delete table ip test");

	/* local: ours are cleared, foreign bits stay, segments stay whole */
	ok(queue_start(queue, &error));
	pair_connect(&pair);
	marks_load(STRAY | 0x4000 | 9);
	next_verdict = KERNEL_LOCAL;
	strays = longest = 0;
	ck_assert_uint_eq(transfer(&pair, base, 4000000, 8), 4000000);
	ck_assert_uint_gt(strays, 10);
	ck_assert_uint_gt(longest, 20000);
	ck_assert_int_eq(passed("foreign"), (long)strays);
	ck_assert(!last_stray.tunnelled);
	ck_assert_uint_eq(last_stray.flow.client_port, client_port);
	ck_assert_uint_eq(last_stray.flow.vip_port, 80);
	ck_assert_uint_eq(last_stray.sender_id, 0);
	printf("4 MB through the queue: %zu segments, longest %u bytes\n", strays, longest);

	/* detour: the owner's id, foreign bits stay (delivered here all the same: no rule) */
	next_verdict = KERNEL_DETOUR;
	ck_assert_uint_eq(transfer(&pair, base, 1000, 2), 1000);
	ck_assert_int_ge(passed("detour"), 1);

	/* drop */
	next_verdict = KERNEL_DROP;
	ck_assert_uint_eq(transfer(&pair, base, 1000, 0.5), 0);
	next_verdict = KERNEL_LOCAL;
	ck_assert_uint_eq(transfer(&pair, base, 1000, 3), 2000); /* sent again */

	ck_assert_uint_eq(counter_value("queue-waiting"), 0);
	ck_assert_uint_eq(counter_value("queue-unparsed"), 0);
	ck_assert_uint_eq(counter_value("queue-verdict-failures"), 0);
	ck_assert_uint_gt(counter_value("strays"), 10);
	queue_close(queue);
	event_base_free(base);
}
END_TEST

START_TEST(pins_and_queue_off)
{
	struct event_base *base = event_base_new();
	struct kernel_pin_change pin = {
		.flow = {.protocol = IPPROTO_TCP, .client_port = 40312, .vip_port = 80},
		.new_owner = 1};
	struct pair pair;
	uint64_t packets, bytes;

	address_parse(CLIENT, &pin.flow.client);
	address_parse(VIP, &pin.flow.vip);
	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ck_assert_uint_eq(nft_pins_change(nft, &pin, 1), 0);
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ok(queue_start(queue, &error));
	next_verdict = KERNEL_LOCAL;
	pair_connect(&pair);
	marks_load(STRAY | 0x4000);
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, base, 100000, 3), 100000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_gt(passed("pinned"), 0);
	ok(nft_owner_counter(nft, 1, &packets, &bytes, &error));
	ck_assert_uint_eq(packets, (uint64_t)passed("pinned"));
	ck_assert_uint_gt(bytes, 100000);
	ck_assert_uint_eq(counter_value("detoured-packets"), packets);

	/* a takeover keeps the counters too */
	nft_close(nft);
	open_it();
	ck_assert_uint_eq(counter_value("detoured-packets"), packets);

	/* orderly stop: pins live, strays are left to the kernel with our bits cleared */
	ok(nft_queue_off(nft, &error));
	ck_assert_int_eq(nft_queue_kind(nft), NFT_QUEUE_NONE);
	ck_assert_uint_eq(transfer(&pair, base, 1000, 2), 1000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_eq(passed("foreign"), 0);
	pin.old_owner = 1;
	pin.new_owner = 0;
	ck_assert_uint_eq(nft_pins_change(nft, &pin, 1), 0);
	ck_assert_uint_eq(transfer(&pair, base, 1000, 2), 1000);
	ck_assert_int_gt(passed("foreign"), 0);
	queue_close(queue);
	event_base_free(base);
}
END_TEST

START_TEST(held_and_closed)
{
	struct event_base *base = event_base_new();
	struct pair pair;

	open_it();
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ok(queue_start(queue, &error));
	pair_connect(&pair);
	marks_load(STRAY | 0x4000);
	ck_assert_int_eq(send(pair.client, "x", 1, 0), 1);
	usleep(20000);
	queue_close(queue);
	ck_assert_int_eq(passed("foreign"), 0);
	event_base_free(base);
}
END_TEST

static void udp_send(const char *from, const char *to, uint16_t port, size_t count)
{
	struct sockaddr_in source = {.sin_family = AF_INET};
	struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = peer_socket(AF_INET, SOCK_DGRAM);

	inet_pton(AF_INET, from, &source.sin_addr);
	inet_pton(AF_INET, to, &target.sin_addr);
	ck_assert_int_eq(bind(fd, (void *)&source, sizeof(source)), 0);
	while (count--)
		sendto(fd, "x", 1, 0, (void *)&target, sizeof(target));
	close(fd);
}

/* hfin stands in for the tunnel. */
START_TEST(tunnel_delivers_or_drops)
{
	struct event_base *base = event_base_new();
	struct in6_addr vip;
	struct pair pair;

	ok(nft_open(&options, "hfin", &nft, &error));
	ok(nft_setup(nft, &error));
	address_parse(VIP, &vip);
	ok(nft_vips_set(nft, &vip, 1, &error));
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ok(queue_start(queue, &error));

	run_ok("ip addr add 192.0.2.81/32 dev lo");
	udp_send(CLIENT, "192.0.2.81", 9, 3);
	ck_assert_uint_eq(counter_value("tunnel-not-a-vip"), 3);
	udp_send(CLIENT, VIP, 9, 4);
	ck_assert_uint_eq(counter_value("tunnel-not-tcp"), 4);

	pair_connect(&pair);
	ck_assert_uint_eq(transfer(&pair, base, 1000, 2), 1000);

	/* no session at the owner: fpmd learns who sent it */
	marks_load(TUNNEL | 0x4000 | 9);
	next_verdict = KERNEL_LOCAL;
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, base, 1000, 2), 1000);
	ck_assert_uint_ge(strays, 1);
	ck_assert(last_stray.tunnelled);
	ck_assert_uint_eq(last_stray.sender_id, 9);
	ck_assert_int_ge(passed("foreign"), 1);
	ck_assert_uint_ge(counter_value("tunnel-no-session"), 1);

	/* without the tunnel's bit an owner's id does not stay in the mark */
	run_ok("nft delete table ip test");
	marks_load(0x4000 | 9);
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, base, 1000, 2), 1000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_ge(passed("foreign"), 1);
	queue_close(queue);
	event_base_free(base);
}
END_TEST

START_TEST(only_members_reach_the_tunnel_port)
{
	struct in6_addr member;

	open_it();
	address_parse(OTHER, &member);
	ok(nft_members_set(nft, &member, 1, &error));
	udp_send(CLIENT, VIP, 4790, 5);
	udp_send(OTHER, VIP, 4790, 7);
	udp_send(CLIENT, VIP, 4791, 9);
	ck_assert_uint_eq(counter_of_nft("tunnel-not-a-member"), 5);
}
END_TEST

START_TEST(nothing_else_is_forwarded)
{
	unsigned int uplinks[1];

	open_it();
	run_ok("ip link add in0 type veth peer name far && ip link set in0 up && "
	       "ip link set far up && ip link add out0 type veth peer name gone && "
	       "ip link set out0 up && ip link set gone up && "
	       "ip addr add 203.0.113.1/24 dev in0 && ip addr add 203.0.114.1/24 dev out0 && "
	       "ip neigh add 203.0.114.2 lladdr 02:00:00:00:00:02 dev out0 && "
	       "for s in ip_forward=1 conf.all.rp_filter=0 conf.in0.rp_filter=0; do "
	       "sysctl -qw net.ipv4.$s; done && ip route add 198.51.100.9 dev in0");
	run_ok("nft 'add table ip test; add chain ip test after { type filter hook postrouting priority 0; }; "
	       "add rule ip test after oifname out0 ip daddr 203.0.114.2 counter'");
	uplinks[0] = if_nametoindex("in0");
	ck_assert_uint_ne(uplinks[0], 0);
	frame_send("far", "in0", 3);
	ck_assert_uint_eq(counter_of_nft("transit-refused"), 0);
	ck_assert_int_eq(
		ask("nft list chain ip test after | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'"), 3);
	ok(nft_uplinks_set(nft, uplinks, 1, &error));
	frame_send("far", "in0", 4);
	ck_assert_uint_eq(counter_of_nft("transit-refused"), 4);
	ck_assert_int_eq(
		ask("nft list chain ip test after | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'"), 3);
	nft_close(nft);

	/* out0 stands in for the tunnel: into it with an owner's id only */
	ok(nft_open(&options, "out0", &nft, &error));
	ok(nft_setup(nft, &error));
	ok(nft_uplinks_set(nft, uplinks, 1, &error));
	frame_send("far", "in0", 5);
	ck_assert_uint_eq(counter_of_nft("tunnel-not-forwarded"), 5);
	run_ok("nft 'add chain ip test before { type filter hook prerouting priority -300; }; "
	       "add rule ip test before ip daddr 203.0.114.2 meta mark set 0x4007'");
	frame_send("far", "in0", 6);
	ck_assert_uint_eq(counter_of_nft("tunnel-not-forwarded"), 5);
	ck_assert_int_eq(
		ask("nft list chain ip test after | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'"), 9);
	ck_assert_uint_eq(counter_of_nft("transit-refused"), 4);
}
END_TEST

START_TEST(flood_is_bounded)
{
	struct event_base *base = event_base_new();
	uint64_t dropped, unparsed;

	open_it();
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ok(queue_start(queue, &error));
	run_ok("nft 'add table ip test; add chain ip test before { type filter hook prerouting priority -300; }; "
	       "add rule ip test before ip saddr " CLIENT " meta mark set 0x80000000'");
	udp_send(CLIENT, VIP, 9, 40000);
	loop(base, 500);
	dropped = counter_value("queue-dropped");
	unparsed = counter_value("queue-unparsed");
	printf("40000 strays at once: %lu held and judged, %lu dropped by the full queue\n",
	       unparsed, dropped);
	ck_assert_uint_le(dropped + unparsed, 40000);
	ck_assert_uint_ge(dropped + unparsed, 30000);
	ck_assert_uint_ge(unparsed, 10000);
	ck_assert_uint_eq(counter_value("queue-waiting"), 0);
	/* and it goes on */
	udp_send(CLIENT, VIP, 9, 10);
	loop(base, 50);
	ck_assert_uint_eq(counter_value("queue-unparsed"), unparsed + 10);
	queue_close(queue);
	event_base_free(base);
}
END_TEST

START_TEST(both_families)
{
	struct event_base *base = event_base_new();
	struct kernel_pin_change *changes;
	struct in6_addr vips[2];
	struct pair pair;
	struct seen seen;
	char what[96] = "";
	size_t restored;

	address_parse("2001:db8:ffff::3", &options.local_members[1]);
	open_it();
	address_parse(VIP, &vips[0]);
	address_parse(VIP6, &vips[1]);
	ok(nft_vips_set(nft, vips, 2, &error));
	ck_assert_int_eq(ask("nft list set ip6 holdfast vips | grep -c 2001:db8::80"), 1);
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	changes = changes_make(0, 20000, 0, 1);
	for (size_t i = 0; i < 20000; i += 2) {
		address_parse(CLIENT6, &changes[i].flow.client);
		changes[i].flow.vip = vips[1];
	}
	ck_assert_uint_eq(nft_pins_change(nft, changes, 20000), 0);
	seen = dump();
	ck_assert_uint_eq(seen.by_owner[1], 20000);
	ck_assert_int_eq(ask("nft list map ip6 holdfast pins | grep -o owner_1 | wc -l"), 10000);
	nft_close(nft);
	open_it();
	ck_assert_uint_eq(dump().count, 20000);
	ok(nft_watch(nft, base, changed, what, &error));
	run_ok("nft delete table ip6 holdfast");
	loop(base, 100);
	ck_assert_msg(strstr(what, "another program"), "%s", what);
	ck_assert_int_eq(nft_vips_set(nft, vips, 2, &error), -1); /* the table is gone */
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 10000);
	ok(nft_vips_set(nft, vips, 2, &error));
	ck_assert_uint_eq(dump().count, 20000);

	/* a pin and the queue */
	ok(queue_open(base, &options, stray_take, NULL, &queue, &error));
	ok(queue_start(queue, &error));
	pair_connect6(&pair);
	run_ok("nft 'add table ip6 test; add chain ip6 test before { type filter hook prerouting priority -300; }; "
	       "add rule ip6 test before ip6 saddr " CLIENT6
	       " tcp flags & syn == 0 meta mark set 0x80004000; "
	       "add chain ip6 test after { type filter hook prerouting priority -100; }; "
	       "add rule ip6 test after meta mark 0x4002 counter'");
	next_verdict = KERNEL_LOCAL;
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, base, 100000, 3), 100000);
	ck_assert_uint_ge(strays, 2);
	ck_assert(address_equal(&last_stray.flow.vip, &vips[1]));
	ck_assert_uint_eq(last_stray.flow.client_port, client_port);
	changes[0].flow = last_stray.flow;
	changes[0].old_owner = 0;
	changes[0].new_owner = 2;
	ck_assert_uint_eq(nft_pins_change(nft, changes, 1), 0);
	free(changes);
	strays = 0;
	ck_assert_uint_eq(transfer(&pair, base, 100000, 3), 100000);
	ck_assert_uint_eq(strays, 0);
	ck_assert_int_ge(
		ask("nft list chain ip6 test after | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'"),
		2);
	queue_close(queue);
	nft_close(nft);

	/* IPv6 is configured no more: its table goes */
	memset(&options.local_members[1], 0, 16);
	open_it();
	ck_assert_int_eq(ask("nft list tables ip6 | grep -c holdfast"), 0);
	ck_assert_uint_eq(dump().count, 10000);
	teardown();
	event_base_free(base);
}
END_TEST

static int translated(const char *vip)
{
	struct in6_addr address;

	address_parse(vip, &address);
	error.text[0] = 0;
	return nft_translated(nft, &address, &error);
}

START_TEST(translated_by_iptables)
{
	open_it();
	ck_assert_int_eq(translated(VIP), 0);
	run_ok("iptables-nft -t nat -A PREROUTING -d " VIP
	       " -p tcp --dport 80 -j DNAT --to 10.88.0.2:8080");
	ck_assert_int_eq(translated(VIP), 1);
	puts(error.text);
	ck_assert_ptr_nonnull(
		strstr(error.text, VIP
		       " port 80 is translated by a NAT rule in table ip nat chain PREROUTING"));
	ck_assert_int_eq(translated("192.0.2.81"), 0);
	ck_assert_int_eq(translated("2001:db8::1"), 0);
	run_ok("iptables-nft -t nat -F");
	ck_assert_int_eq(translated(VIP), 0);
	run_ok("iptables-nft -t nat -A PREROUTING -d 192.0.2.0/24 -p tcp -j REDIRECT --to-ports 81");
	ck_assert_int_eq(translated(VIP), 1);
	ck_assert_int_eq(translated("192.0.3.80"), 0);
	run_ok("iptables-nft -t nat -F");
	run_ok("iptables-nft -t nat -A PREROUTING -d 192.0.2.64/27 -p udp -j DNAT --to 10.88.0.2");
	ck_assert_int_eq(translated(VIP), 0);
	run_ok("iptables-nft -t nat -A PREROUTING -d 192.0.2.64/27 -p tcp -j DNAT --to 10.88.0.2");
	ck_assert_int_eq(translated(VIP), 1);
	ck_assert_int_eq(translated("192.0.2.99"), 0);
	run_ok("iptables-nft -t nat -F");
	run_ok("iptables-nft -t nat -A PREROUTING ! -d " VIP " -p tcp -j DNAT --to 10.88.0.2");
	ck_assert_int_eq(translated(VIP), 0);
}
END_TEST

START_TEST(translated_by_docker)
{
	open_it();
	run_ok("iptables-nft -t nat -N DOCKER && "
	       "iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER && "
	       "iptables-nft -t nat -A DOCKER -i docker0 -j RETURN");
	ck_assert_int_eq(translated(VIP), 0);
	run_ok("iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80");
	ck_assert_int_eq(translated(VIP), 1);
	puts(error.text);
	ck_assert_ptr_nonnull(strstr(error.text, VIP " port 8080 is translated"));
	ck_assert_ptr_nonnull(strstr(error.text, "chain DOCKER"));
	/* the remedy that the text names */
	run_ok("iptables-nft -t nat -I PREROUTING -d " VIP " -j ACCEPT");
	ck_assert_int_eq(translated(VIP), 0);
	ck_assert_int_eq(translated("192.0.2.81"), 1);
	/* published on another address */
	run_ok("iptables-nft -t nat -F DOCKER && iptables-nft -t nat -A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80");
	ck_assert_int_eq(translated("192.0.2.81"), 0);
}
END_TEST

START_TEST(translated_by_kube_proxy)
{
	open_it();
	run_ok("iptables-nft -t nat -N KUBE-SERVICES && iptables-nft -t nat -N KUBE-SVC-A && iptables-nft -t nat -N KUBE-SEP-A && "
	       "iptables-nft -t nat -A PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES && "
	       "iptables-nft -t nat -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j KUBE-SVC-A && "
	       "iptables-nft -t nat -A KUBE-SVC-A -m statistic --mode random --probability 0.5 -j KUBE-SEP-A && "
	       "iptables-nft -t nat -A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.0.5:53");
	ck_assert_int_eq(translated(VIP), 0);
	ck_assert_int_eq(translated("10.96.0.10"), 1);
	run_ok("iptables-nft -t nat -A KUBE-SERVICES -d " VIP
	       "/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-A");
	ck_assert_int_eq(translated(VIP), 1);
	ck_assert_ptr_nonnull(strstr(error.text, "port 443"));
	puts(error.text);
}
END_TEST

START_TEST(translated_by_nftables)
{
	open_it();
	run_ok("nft -f - <<'EOF'\n"
	       "table inet lb {\n"
	       " map services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.1 . tcp . 443 : goto svc } }\n"
	       " set nets { type ipv4_addr; flags interval; elements = { 203.0.113.0/24, 10.0.0.0-10.0.0.9 } }\n"
	       " map ports { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 198.18.0.1 . 80 : 10.0.0.1 . 80 } }\n"
	       " chain svc { meta l4proto tcp dnat ip to 10.244.0.9:6443; }\n"
	       " chain pre { type nat hook prerouting priority dstnat;\n"
	       "  ip daddr . meta l4proto . th dport vmap @services\n"
	       "  ip daddr @nets tcp dport 81 redirect to :8081\n"
	       "  ip daddr { 198.18.1.1, 198.18.1.2 } dnat ip to 10.0.0.1\n"
	       "  ip6 daddr 2001:db8::80 tcp dport 80 dnat ip6 to [2001:db8::99]:80\n"
	       " }\n"
	       "}\n"
	       "EOF");
	ck_assert_int_eq(translated(VIP), 0);
	ck_assert_int_eq(translated("10.96.0.1"), 1);
	ck_assert_int_eq(translated("203.0.113.200"), 1);
	ck_assert_int_eq(translated("203.0.114.0"), 0);
	ck_assert_int_eq(translated("10.0.0.9"), 1);
	ck_assert_int_eq(translated("10.0.0.10"), 0);
	ck_assert_int_eq(translated("198.18.1.2"), 1);
	ck_assert_int_eq(translated("198.18.1.3"), 0);
	ck_assert_int_eq(translated("2001:db8::80"), 1);
	ck_assert_int_eq(translated("2001:db8::81"), 0);
	run_ok("nft add rule inet lb pre fib daddr type local tcp dport 30080 jump svc");
	ck_assert_int_eq(translated(VIP), 1);
	ck_assert_ptr_nonnull(strstr(error.text, "port 30080"));
}
END_TEST

START_TEST(translated_by_conntrack)
{
	open_it();
	run_ok("conntrack -I -p tcp -s " CLIENT " -d " VIP
	       " --sport 1000 --dport 80 --dst-nat 10.88.0.2:8080 "
	       "--state ESTABLISHED -t 100 >/dev/null 2>&1");
	ck_assert_int_eq(translated(VIP), 1);
	puts(error.text);
	ck_assert_ptr_nonnull(strstr(error.text, VIP " port 80 is translated on this host"));
	ck_assert_int_eq(translated("192.0.2.81"), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("nft");
	TCase *c = tcase_create("kernel");

	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, rules_load);
	tcase_add_test(c, sets_are_replaced);
	tcase_add_test(c, takeover_keeps_pins);
	tcase_add_test(c, hundred_thousand);
	tcase_add_test(c, others_change_pins);
	tcase_add_test(c, map_is_full);
	tcase_add_test(c, others_change_rules);
	tcase_add_test(c, queue_gives_verdicts);
	tcase_add_test(c, pins_and_queue_off);
	tcase_add_test(c, held_and_closed);
	tcase_add_test(c, tunnel_delivers_or_drops);
	tcase_add_test(c, only_members_reach_the_tunnel_port);
	tcase_add_test(c, nothing_else_is_forwarded);
	tcase_add_test(c, flood_is_bounded);
	tcase_add_test(c, both_families);
	tcase_add_test(c, translated_by_iptables);
	tcase_add_test(c, translated_by_docker);
	tcase_add_test(c, translated_by_kube_proxy);
	tcase_add_test(c, translated_by_nftables);
	tcase_add_test(c, translated_by_conntrack);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	SRunner *runner;
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid() != 0 ||
	    system("for p in nft ip nsenter; do command -v $p || exit 1; done >/dev/null; unshare -n true") !=
		    0) {
		puts("skipped: needs root, nft, ip and network namespaces");
		return 77;
	}
	runner = srunner_create(suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
