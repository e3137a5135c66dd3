/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CLUSTER SLOTS. Pure: any reply is a map or refused. */
#include "fpmd/directory/valkey_map.h"

#include <string.h>

/*
 * An endpoint [host, port, ...] -> its index; NONE if it cannot be reached by what is known of it,
 * or there is no room. Returns -1 if it is no endpoint.
 */
static int take_node(const redisReply *reply, const char *asked, struct valkey_map *map,
		     uint16_t *index)
{
	const redisReply *host, *port;
	struct valkey_map_node *node;
	const char *name;

	*index = VALKEY_MAP_NONE;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
		return -1;
	host = reply->element[0];
	port = reply->element[1];
	if ((host->type != REDIS_REPLY_STRING && host->type != REDIS_REPLY_NIL) ||
	    port->type != REDIS_REPLY_INTEGER || port->integer < 0 || port->integer > UINT16_MAX)
		return -1;
	name = host->type == REDIS_REPLY_NIL || host->len == 0 ? asked : host->str;
	if (strlen(name) >= VALKEY_HOST_SIZE || (name == host->str && strlen(name) != host->len))
		return -1;
	if (strcmp(name, "?") == 0 || port->integer == 0)
		return 0;
	for (size_t i = 0; i < map->count; i++) {
		if (map->node[i].port == port->integer && strcmp(map->node[i].host, name) == 0) {
			*index = (uint16_t)i;
			return 0;
		}
	}
	if (map->count == VALKEY_NODES_MAX) {
		map->left_out++;
		return 0;
	}
	node = &map->node[map->count];
	memset(node, 0, sizeof(*node));
	memcpy(node->host, name, strlen(name));
	node->port = (uint16_t)port->integer;
	node->primary = VALKEY_MAP_NONE;
	*index = (uint16_t)map->count++;
	return 0;
}

/* [first slot, last slot, primary, replica ...] */
static int take_range(const redisReply *reply, const char *asked, struct valkey_map *map)
{
	long long first, last;
	uint16_t primary;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 ||
	    reply->element[0]->type != REDIS_REPLY_INTEGER ||
	    reply->element[1]->type != REDIS_REPLY_INTEGER)
		return -1;
	first = reply->element[0]->integer;
	last = reply->element[1]->integer;
	if (first < 0 || last < first || last >= VALKEY_SLOTS ||
	    take_node(reply->element[2], asked, map, &primary) != 0)
		return -1;
	for (long long slot = first; slot <= last; slot++) {
		if (map->slot[slot] != VALKEY_MAP_NONE)
			return -1; /* twice */
		map->slot[slot] = primary;
	}
	if (primary != VALKEY_MAP_NONE) {
		map->node[primary].slots += (uint16_t)(last - first + 1);
		map->node[primary].primary = VALKEY_MAP_NONE;
	}
	for (size_t i = 3; i < reply->elements; i++) {
		uint16_t replica;

		if (take_node(reply->element[i], asked, map, &replica) != 0)
			return -1;
		if (replica != VALKEY_MAP_NONE && replica != primary &&
		    map->node[replica].slots == 0)
			map->node[replica].primary = primary;
	}
	return 0;
}

int valkey_map_parse(const redisReply *reply, const char *host, struct valkey_map *map)
{
	map->count = map->left_out = 0;
	for (size_t slot = 0; slot < VALKEY_SLOTS; slot++)
		map->slot[slot] = VALKEY_MAP_NONE;
	if (reply->type != REDIS_REPLY_ARRAY)
		return -1;
	for (size_t i = 0; i < reply->elements; i++) {
		if (take_range(reply->element[i], host, map) != 0)
			return -1;
	}
	return 0;
}
