/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two traffic programs of the lab share: the clock, socket addresses from text, and the
 * line protocol. A request is "q SEQ\n" or "close SEQ\n"; a reply is "NAME COUNT SEQ PADDING\n",
 * COUNT being the number of requests of this connection so far. Requests and replies differ in
 * length: a SYN cookie would else stay valid in mid-session (all namespaces of a lab share the
 * kernel's cookie secret).
 */
#ifndef HOLDFAST_LAB_BEAT_H
#define HOLDFAST_LAB_BEAT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BEAT_LINE_MAX 512

static inline int64_t beat_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* "192.0.2.80:7000" to a socket address; false if the text is neither. */
static inline bool beat_address(const char *text, struct sockaddr_in *address)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	char *end;
	unsigned long port;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	memcpy(host, text, colon - text);
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end || end == colon + 1 || port > 65535)
		return false;
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

#endif
