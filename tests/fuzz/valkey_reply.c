/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever a server sends: the protocol (hiredis' reader), the slot map, error lines, keys of
 * others. */
#include <hiredis.h>
#include <string.h>

#include "fpmd/directory/valkey_error.h"
#include "fpmd/directory/valkey_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_map(const struct valkey_map *map)
{
	size_t slots = 0;

	if (map->count > VALKEY_NODES_MAX)
		__builtin_trap();
	for (size_t slot = 0; slot < VALKEY_SLOTS; slot++) {
		if (map->slot[slot] == VALKEY_MAP_NONE)
			continue;
		if (map->slot[slot] >= map->count ||
		    map->node[map->slot[slot]].primary != VALKEY_MAP_NONE)
			__builtin_trap();
		slots++;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct valkey_map_node *node = &map->node[i];

		slots -= node->slots;
		if (node->port == 0 || strlen(node->host) == 0 ||
		    (node->primary != VALKEY_MAP_NONE &&
		     (node->primary >= map->count || node->slots > 0)))
			__builtin_trap();
	}
	if (slots != 0)
		__builtin_trap(); /* the sum over all nodes is what is served */
}

static void take(const redisReply *reply)
{
	static struct valkey_map map;
	struct valkey_redirect redirect;
	enum valkey_error error;

	if (valkey_map_parse(reply, "entry", &map) == 0)
		check_map(&map);
	if (reply->type != REDIS_REPLY_ERROR)
		return;
	error = valkey_error_parse(reply->str, reply->len, &redirect);
	if ((error == VALKEY_ERROR_MOVED || error == VALKEY_ERROR_ASK) &&
	    (redirect.port == 0 || redirect.slot >= VALKEY_SLOTS ||
	     memchr(redirect.host, '\0', sizeof(redirect.host)) == NULL))
		__builtin_trap();
	(void)valkey_error_remedy(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	if (reader == NULL)
		return 0;
	redisReaderFeed(reader, (const char *)data, size);
	while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
		take(reply);
		freeReplyObject(reply);
		reply = NULL;
	}
	redisReaderFree(reader);
	return 0;
}
