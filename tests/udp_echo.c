/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a question costs on this machine and network without any directory: plain UDP, blocking
 * sockets, no seal. For tools/bench, as the floor under every engine.
 *
 *   udp_echo serve ADDRESS PORT               sends back what comes
 *   udp_echo ask PORT COUNT PAUSE_US ADDRESS...   asks all at once, waits for all answers;
 *                                             "echo p50=..us p99=..us cpu=..us"
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpmd/clock.h"

#define SIZE 128
#define ADDRESSES_MAX 128

static struct sockaddr_in address_of(const char *text, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
	};

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		fprintf(stderr, "udp_echo: no IPv4 address: %s\n", text);
		exit(2);
	}
	return address;
}

static int serve(int fd, const char *text, const char *port)
{
	struct sockaddr_in own = address_of(text, port), from;
	socklen_t length = sizeof(from);
	char data[SIZE];
	ssize_t got;

	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0)
		return 1;
	printf("ready\n");
	fflush(stdout);
	while ((got = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &length)) >= 0)
		(void)sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&from, length);
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
	struct timeval limit = {.tv_sec = 1};
	struct sockaddr_in to[ADDRESSES_MAX];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct rusage usage;
	char data[SIZE] = "";
	uint64_t *times;
	long count;

	if (fd < 0)
		return 1;
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(fd, argv[2], argv[3]);
	if (argc < 6 || argc - 5 > ADDRESSES_MAX || strcmp(argv[1], "ask") != 0 ||
	    (count = atol(argv[3])) <= 0) {
		fprintf(stderr, "usage: udp_echo serve ADDRESS PORT | ask PORT COUNT PAUSE_US "
				"ADDRESS...\n");
		return 2;
	}
	times = calloc((size_t)count, sizeof(*times));
	if (times == NULL || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		return 1;
	for (int i = 5; i < argc; i++)
		to[i - 5] = address_of(argv[i], argv[2]);
	for (long round = 0; round < count; round++) {
		uint64_t start_us = clock_us();

		for (int i = 5; i < argc; i++)
			if (sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to[i - 5],
				   sizeof(to[0])) < 0)
				return 1;
		for (int i = 5; i < argc; i++)
			if (recv(fd, data, sizeof(data), 0) < 0)
				return 1;
		times[round] = clock_us() - start_us;
		if (atoi(argv[4]) > 0)
			usleep((useconds_t)atoi(argv[4]));
	}
	qsort(times, (size_t)count, sizeof(*times), compare);
	getrusage(RUSAGE_SELF, &usage);
	printf("echo p50=%lluus p99=%lluus cpu=%lluus\n", (unsigned long long)times[count / 2],
	       (unsigned long long)times[count * 99 / 100],
	       (unsigned long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		       (unsigned long long)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
	return 0;
}
