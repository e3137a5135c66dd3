/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames for fpmd, made from plain structs without allocating. Pure: no FRR, no I/O; any pthread.
 * Each function writes one whole frame to *out* and returns its size, 0 when it does not fit.
 */
#ifndef HOLDFAST_WIRE_H
#define HOLDFAST_WIRE_H

#include <net/if.h>

#include "zebra-plugin/holdfast_config.h"

#define HOLDFAST_NEXT_HOPS_MAX 256
#define HOLDFAST_ROUTE_FRAME_SIZE 16384
#define HOLDFAST_CONFIG_FRAME_SIZE 16384
#define HOLDFAST_SMALL_FRAME_SIZE 128

struct holdfast_next_hop {
	uint8_t gateway[16];
	uint8_t gateway_size; /* 0: directly connected, 4, 16 */
	char interface[IF_NAMESIZE];
	uint32_t weight;
};

struct holdfast_route {
	struct holdfast_prefix prefix;
	bool connected;
	size_t count; /* 0: withdrawn */
	struct holdfast_next_hop next_hops[HOLDFAST_NEXT_HOPS_MAX];
};

/* A TCP session; the lengths of the prefixes do not count. */
struct holdfast_flow {
	struct holdfast_prefix client, vip;
	uint16_t client_port, vip_port;
};

size_t holdfast_wire_config(const struct holdfast_config *config, uint8_t *out, size_t size);
size_t holdfast_wire_route(const struct holdfast_route *route, uint8_t *out, size_t size);
size_t holdfast_wire_replay_end(uint8_t *out, size_t size);

/* What fpmd is asked. */
struct holdfast_question {
	unsigned int topic; /* Holdfast__ShowRequest__Topic */
	bool json;
	struct holdfast_flow flow;    /* family 0: of no flow */
	struct holdfast_prefix owner; /* family 0: of no owner */
};
size_t holdfast_wire_show_request(uint32_t id, const struct holdfast_question *question,
				  uint8_t *out, size_t size);

#endif
