/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long the kernel takes to have pins, for tools/bench: kernel.h as fpmd uses it, in the network
 * namespace that it is started in, without any traffic.
 *
 *   pins_commit LOCAL COUNT ROUNDS    flows 0 to COUNT - 1 of packet_flow.h are pinned to 8 owners
 *   and unpinned again, ROUNDS times; a line "pins added_us=.. removed_us=.." for each
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fpmd/kernel/kernel.h"
#include "fpmd/log.h"
#include "tests/packet_flow.h"

#define OWNERS 8
#define FIRST_OWNER 0x0a4d0001 /* 10.77.0.1 */

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static _Noreturn void fail(const char *what, const struct error *error)
{
	fprintf(stderr, "pins_commit: %s: %s\n", what, error->text);
	exit(1);
}

/* Returns the time it took. */
static uint64_t change(struct kernel *kernel, struct kernel_pin_change *changes, size_t count,
		       bool add)
{
	uint64_t start_us;
	size_t failed;

	for (size_t i = 0; i < count; i++) {
		uint16_t owner = (uint16_t)(1 + i % OWNERS);

		changes[i].old_owner = add ? KERNEL_OWNER_NONE : owner;
		changes[i].new_owner = add ? owner : KERNEL_OWNER_NONE;
		changes[i].status = 0;
	}
	start_us = clock_us();
	failed = kernel_pins_change(kernel, changes, count);
	if (failed) {
		fprintf(stderr, "pins_commit: %zu of %zu changes failed\n", failed, count);
		exit(1);
	}
	return clock_us() - start_us;
}

static void count_pin(void *arg, const struct flow *flow, uint16_t owner)
{
	++*(size_t *)arg;
}

static void commit(struct kernel *kernel, size_t count, int rounds)
{
	struct kernel_pin_change *changes = calloc(count, sizeof(*changes));
	struct error error;

	if (!changes)
		exit(1);
	for (uint32_t i = 0; i < count; i++)
		changes[i].flow = (struct flow){
			.client = address_from_ipv4(htonl(packet_client(i))),
			.vip = address_from_ipv4(htonl(PACKET_VIP)),
			.client_port = packet_client_port(i),
			.vip_port = PACKET_VIP_PORT,
			.protocol = IPPROTO_TCP,
		};
	while (rounds-- > 0) {
		uint64_t added_us = change(kernel, changes, count, true), removed_us;
		size_t there = 0;

		if (kernel_pins_dump(kernel, count_pin, &there, &error) < 0)
			fail("pins", &error);
		removed_us = change(kernel, changes, count, false);
		if (there != count) {
			fprintf(stderr, "pins_commit: %zu of %zu pins are there\n", there, count);
			exit(1);
		}
		printf("pins added_us=%llu removed_us=%llu\n", (unsigned long long)added_us,
		       (unsigned long long)removed_us);
	}
	free(changes);
}

int main(int argc, char **argv)
{
	static const struct kernel_handlers handlers;
	const struct in6_addr vip = address_from_ipv4(htonl(PACKET_VIP));
	struct kernel_options options = {
		.mark_owner_mask = 0x00000fff,
		.mark_stray_bit = 0x80000000,
		.mark_tunnel_bit = 0x40000000,
		.tunnel_port = 4790,
		.tunnel_vni = 7939,
		.queue = 7939,
		.bpf_directory = -1,
	};
	struct event_base *base = event_base_new();
	struct kernel *kernel;
	struct error error;
	long count, rounds;

	log_open(true);
	if (argc != 4 || address_parse(argv[1], &options.local_members[0]) != 0 ||
	    (count = atol(argv[2])) <= 0 || count > PACKET_FLOWS_MAX ||
	    (rounds = atol(argv[3])) <= 0) {
		fprintf(stderr, "usage: pins_commit LOCAL COUNT ROUNDS\n");
		return 2;
	}
	options.pins_max = (uint32_t)count;
	if (!base || kernel_open(base, &options, &handlers, NULL, &kernel, &error) < 0)
		fail("open", &error);
	if (kernel_vips_set(kernel, &vip, 1, &error) < 0)
		fail("VIP", &error);
	for (uint16_t id = 1; id <= OWNERS; id++) {
		struct in6_addr owner = address_from_ipv4(htonl(FIRST_OWNER + id - 1));

		if (kernel_owner_set(kernel, id, &owner, &error) < 0)
			fail("owner", &error);
	}
	commit(kernel, (size_t)count, (int)rounds);
	kernel_close(kernel, KERNEL_KEEP_NOTHING);
	event_base_free(base);
	return 0;
}
