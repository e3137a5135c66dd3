/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When Holdfast's routes and nftables change in this network namespace, for tools/bench, by the
 * wall clock. Routes are announced by the kernel; of nftables the number of transactions is asked
 * for every millisecond, as announcements would make each element dearer. One thread. Commands on
 * standard input:
 *   forget    "done"
 *   times     "times routes-added=COUNT/FIRST_US/LAST_US routes-removed=... transactions=...
 * lost=N" since the last `forget`; lost: announcements that the socket had no room for
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL 79 /* of Holdfast's routes: README.md */
#define BUFFER_SIZE (256 << 20)

enum kind { ROUTES_ADDED, ROUTES_REMOVED, TRANSACTIONS, KINDS };
static const char *const names[KINDS] = {"routes-added", "routes-removed", "transactions"};

struct times {
	uint64_t count, first_us, last_us;
};

static struct times times[KINDS];
static unsigned int lost;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "netlink_times: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void note(enum kind kind, uint64_t count, uint64_t now_us)
{
	if (!times[kind].count)
		times[kind].first_us = now_us;
	times[kind].last_us = now_us;
	times[kind].count += count;
}

static int netlink_socket(int protocol)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW, protocol);
	const int size = BUFFER_SIZE;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("netlink socket");
	return fd;
}

static void take_routes(int fd)
{
	static uint8_t buffer[1 << 17];
	ssize_t size;

	while ((size = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0 || errno == ENOBUFS) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
		uint64_t now_us = clock_us();

		if (size < 0) {
			lost++;
			errno = 0;
			continue;
		}
		for (; NLMSG_OK(message, (size_t)size); message = NLMSG_NEXT(message, size)) {
			const struct rtmsg *route = NLMSG_DATA(message);

			if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) ||
			    route->rtm_protocol != PROTOCOL)
				continue;
			if (message->nlmsg_type == RTM_NEWROUTE)
				note(ROUTES_ADDED, 1, now_us);
			else if (message->nlmsg_type == RTM_DELROUTE)
				note(ROUTES_REMOVED, 1, now_us);
		}
	}
}

/* The generation of nftables' tables: the kernel counts transactions. */
static uint32_t ask_generation(int fd)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
			   .nlmsg_flags = NLM_F_REQUEST},
	};
	uint8_t buffer[4096];
	const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
	ssize_t size;

	if (send(fd, &request, sizeof(request), 0) < 0 ||
	    (size = recv(fd, buffer, sizeof(buffer), 0)) < 0)
		die("generation");
	if (NLMSG_OK(message, (size_t)size) &&
	    message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) {
		const uint8_t *end = buffer + message->nlmsg_len;
		const uint8_t *at =
			(const uint8_t *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg));

		while (at + sizeof(struct nlattr) <= end) {
			const struct nlattr *attribute = (const struct nlattr *)at;
			uint32_t generation;

			if (attribute->nla_type == NFTA_GEN_ID &&
			    attribute->nla_len >= sizeof(*attribute) + sizeof(generation)) {
				memcpy(&generation, attribute + 1, sizeof(generation));
				return ntohl(generation);
			}
			if (attribute->nla_len < sizeof(*attribute))
				break;
			at += NLA_ALIGN(attribute->nla_len);
		}
	}
	fprintf(stderr, "netlink_times: no generation in the answer\n");
	exit(1);
}

static void print_times(void)
{
	printf("times");
	for (int kind = 0; kind < KINDS; kind++)
		printf(" %s=%llu/%llu/%llu", names[kind], (unsigned long long)times[kind].count,
		       (unsigned long long)times[kind].first_us,
		       (unsigned long long)times[kind].last_us);
	printf(" lost=%u\n", lost);
}

int main(void)
{
	int routes = netlink_socket(NETLINK_ROUTE), tables = netlink_socket(NETLINK_NETFILTER);
	const int group = RTNLGRP_IPV4_ROUTE;
	uint32_t generation = ask_generation(tables);
	char line[64];

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setsockopt(routes, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		die("routes");
	printf("ready\n");
	for (;;) {
		struct pollfd fds[] = {{.fd = routes, .events = POLLIN},
				       {.fd = STDIN_FILENO, .events = POLLIN}};
		uint32_t now;

		if (poll(fds, 2, 1) < 0 && errno != EINTR)
			die("poll");
		take_routes(routes);
		now = ask_generation(tables);
		if (now != generation)
			note(TRANSACTIONS, now - generation, clock_us());
		generation = now;
		if (!fds[1].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		if (strcmp(line, "forget\n") == 0) {
			memset(times, 0, sizeof(times));
			lost = 0;
			printf("done\n");
		} else {
			print_times();
		}
	}
}
