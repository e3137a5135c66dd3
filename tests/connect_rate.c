/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many TCP connections a second a network carries, for tools/bench: real sockets on both sides,
 * opened and closed again. One epoll loop, one thread.
 *
 *   connect_rate serve             accepts on all addresses, port 80, and closes what the client
 *                                  closed
 *   connect_rate AHEAD             connects from the flows of packet_flow.h, AHEAD at a time.
 *                                  Commands on standard input:
 *     connect FIRST COUNT MS       flows from FIRST on, COUNT at most, for so long; "connected
 *                                  count=.. failed=.. us=.."
 */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/packet_flow.h"

#define EVENTS 256
#define AHEAD_MAX 4096

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "connect_rate: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int tcp_socket(uint32_t address, uint16_t port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address),
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	const int yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("socket");
	return fd;
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll");
}

static _Noreturn void serve(void)
{
	int epoll = epoll_create1(0), listener = tcp_socket(INADDR_ANY, PACKET_VIP_PORT);
	struct epoll_event events[EVENTS];

	if (epoll < 0 || listen(listener, 65535))
		die("listen");
	watch(epoll, listener, EPOLLIN);
	printf("ready\n");
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			char byte;
			int fd;

			if (events[i].data.fd != listener) {
				if (read(events[i].data.fd, &byte, 1) <= 0)
					close(events[i].data.fd);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
				watch(epoll, fd, EPOLLIN);
		}
	}
}

/* Returns false if it failed at once. */
static bool begin(int epoll, uint32_t number)
{
	static const struct sockaddr_in vip = {.sin_family = AF_INET};
	struct sockaddr_in to = vip;
	int fd = tcp_socket(packet_client(number), packet_client_port(number));

	to.sin_addr.s_addr = htonl(PACKET_VIP);
	to.sin_port = htons(PACKET_VIP_PORT);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) {
		close(fd);
		return false;
	}
	watch(epoll, fd, EPOLLOUT);
	return true;
}

static void connect_flows(int epoll, uint32_t first, uint32_t count, unsigned int duration_ms,
			  unsigned int ahead)
{
	uint64_t start_us = clock_us(), end_us = start_us + (uint64_t)duration_ms * 1000, now_us;
	unsigned int open = 0, connected = 0, failed = 0;
	struct epoll_event events[EVENTS];
	uint32_t next = 0;

	do {
		int got;

		while (open < ahead && next < count) {
			if (begin(epoll, first + next++))
				open++;
			else
				failed++;
		}
		got = epoll_wait(epoll, events, EVENTS, 100);
		for (int i = 0; i < got; i++) {
			if (events[i].events & (EPOLLERR | EPOLLHUP))
				failed++;
			else
				connected++;
			close(events[i].data.fd);
			open--;
		}
		now_us = clock_us();
	} while (now_us < end_us && (open > 0 || next < count));
	printf("connected count=%u failed=%u us=%llu\n", connected, failed,
	       (unsigned long long)(now_us - start_us));
	/* What is under way ends before the next round. */
	while (open > 0) {
		int got = epoll_wait(epoll, events, EVENTS, 3000);

		if (got <= 0)
			die("connections that never end");
		for (int i = 0; i < got; i++)
			close(events[i].data.fd);
		open -= (unsigned int)got;
	}
}

int main(int argc, char **argv)
{
	unsigned int ahead, first, count, duration_ms;
	char line[128];
	int epoll;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		serve();
	if (argc != 2 || sscanf(argv[1], "%u", &ahead) != 1 || ahead == 0 || ahead > AHEAD_MAX) {
		fprintf(stderr, "usage: connect_rate serve | connect_rate AHEAD\n");
		return 2;
	}
	epoll = epoll_create1(0);
	if (epoll < 0)
		die("epoll");
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "connect %u %u %u", &first, &count, &duration_ms) == 3)
			connect_flows(epoll, first, count, duration_ms, ahead);
		else
			printf("what? %s", line);
	}
	return 0;
}
