/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who serves which slots, from the reply to CLUSTER SLOTS (the command's page in the Redis and
 * Valkey documentation; since 7.0 an endpoint may be null: the one that was asked, or "?": not
 * known). Pure.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_MAP_H
#define HOLDFAST_DIRECTORY_VALKEY_MAP_H

#include <hiredis.h>
#include <stdbool.h>

#include "fpmd/directory/valkey.h"
#include "fpmd/directory/valkey_slot.h"

#define VALKEY_MAP_NONE UINT16_MAX

struct valkey_map_node {
	char host[VALKEY_HOST_SIZE];
	uint16_t port;
	uint16_t slots;	  /* served as a primary */
	uint16_t primary; /* of a replica: index of its primary; NONE: it is a primary itself */
};

struct valkey_map {
	size_t count;
	size_t left_out; /* nodes above VALKEY_NODES_MAX */
	struct valkey_map_node node[VALKEY_NODES_MAX];
	uint16_t slot[VALKEY_SLOTS]; /* index of the primary, or NONE */
};

/*
 * *host*: the endpoint that was asked. Returns 0, or -1 if the reply is no slot map; the content of
 * *map* is not defined then.
 */
int valkey_map_parse(const redisReply *reply, const char *host, struct valkey_map *map);

#endif
