/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/nft_rig.h"

struct kernel_options options = {
	.mark_owner_mask = 0x00000fffu,
	.mark_stray_bit = STRAY,
	.mark_tunnel_bit = TUNNEL,
	.tunnel_port = 4790,
	.queue = 7939,
	.pins_max = 200000,
};
struct event_base *base;
struct nft *nft;
struct queue *queue;
struct error error;

int run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

long ask(const char *format, ...)
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

long packets(const char *family, const char *comment)
{
	return ask("nft list chain %s test after | grep '\"%s\"' | "
		   "sed 's/.*packets \\([0-9]*\\).*/\\1/'",
		   family, comment);
}

double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void open_it(void)
{
	ok(nft_open(&options, "hf-vx0", &nft, &error));
	ok(nft_setup(nft, &error));
}

void loop(int milliseconds)
{
	struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};

	event_base_loopexit(base, &time);
	event_base_dispatch(base);
}

uint64_t counter(const char *name)
{
	struct kernel_counter counters[QUEUE_COUNTERS_MAX + NFT_COUNTERS_MAX];
	size_t count = queue ? queue_counters(queue, counters, QUEUE_COUNTERS_MAX) : 0;

	count += nft_counters(nft, counters + count, NFT_COUNTERS_MAX);
	for (size_t i = 0; i < count; i++)
		if (strcmp(counters[i].name, name) == 0)
			return counters[i].value;
	ck_abort_msg("no counter %s", name);
}

static struct flow flow_number(unsigned int n)
{
	struct flow flow = {.protocol = IPPROTO_TCP, .vip_port = 80};

	flow.client = address_from_ipv4(htonl(0x0a000000u + n / 50000));
	address_parse(VIP, &flow.vip);
	flow.client_port = (uint16_t)(1024 + n % 50000);
	return flow;
}

struct kernel_pin_change *changes_make(unsigned int first, size_t count, uint16_t old_owner,
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

size_t change(unsigned int first, size_t count, uint16_t old_owner, uint16_t new_owner)
{
	struct kernel_pin_change *changes = changes_make(first, count, old_owner, new_owner);
	size_t failed = nft_pins_change(nft, changes, count);

	free(changes);
	return failed;
}

static void seen_pin(void *arg, const struct flow *flow, uint16_t owner)
{
	struct seen *seen = arg;

	uint16_t id = owner & (uint16_t)~KERNEL_PIN_DIRECT;

	seen->count++;
	ck_assert_uint_lt(id, 16);
	(owner & KERNEL_PIN_DIRECT ? seen->direct : seen->by_owner)[id]++;
	ck_assert_int_eq(flow->protocol, IPPROTO_TCP);
}

struct seen dump(void)
{
	struct seen seen = {0};

	ok(nft_pins_dump(nft, seen_pin, &seen, &error));
	return seen;
}

void changed(void *arg, const char *what)
{
	snprintf(arg, 96, "%s", what);
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

int peer_socket(int family, int type)
{
	int fd;

	ck_assert_int_eq(setns(peer_net, CLONE_NEWNET), 0);
	fd = socket(family, type, 0);
	ck_assert_int_eq(setns(own_net, CLONE_NEWNET), 0);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void udp_send(const char *from, const char *to, uint16_t port, size_t count)
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

static void setup(void)
{
	pid_t peer;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
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
	queue_close(queue);
	nft_close(nft);
	event_base_free(base);
}

int nft_main(const char *name, const TTest *const cases[], size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create("kernel");
	SRunner *runner;
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid() != 0 || system("for p in nft ip nsenter; do command -v $p || exit 1; done "
				     ">/dev/null; unshare -n true") != 0) {
		puts("skipped: needs root, nft, ip and network namespaces");
		return 77;
	}
	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, cases[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
