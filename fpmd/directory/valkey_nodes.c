/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of nodes. Invariant: primary[] names nodes that exist; nodes are freed in
 * valkey_nodes_tick() and valkey_nodes_close() alone, so that a handler of a link may change the
 * map.
 */
#include "fpmd/directory/valkey_nodes.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_MS 10000

static uint16_t find(const struct valkey_nodes *nodes, const char *host, uint16_t port)
{
	for (size_t i = 0; i < nodes->count; i++) {
		const struct valkey_node *node = nodes->node[i];

		if (node != NULL && valkey_link_port(node->link) == port &&
		    strcmp(valkey_link_host(node->link), host) == 0)
			return (uint16_t)i;
	}
	return VALKEY_MAP_NONE;
}

static uint16_t find_or_add(struct valkey_nodes *nodes, const char *host, uint16_t port)
{
	uint16_t index = find(nodes, host, port);
	struct valkey_node *node;
	size_t at = 0;

	if (index != VALKEY_MAP_NONE)
		return index;
	while (at < nodes->count && nodes->node[at] != NULL)
		at++;
	if (at == VALKEY_NODES_MAX)
		return VALKEY_MAP_NONE;
	node = calloc(1, sizeof(*node));
	if (node == NULL)
		return VALKEY_MAP_NONE;
	node->link = valkey_link_create(nodes->links, host, port, node);
	if (node->link == NULL) {
		free(node);
		return VALKEY_MAP_NONE;
	}
	node->of = VALKEY_MAP_NONE;
	nodes->node[at] = node;
	if (at == nodes->count)
		nodes->count++;
	return (uint16_t)at;
}

static void unmap_all(struct valkey_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++) {
		struct valkey_node *node = nodes->node[i];

		if (node == NULL)
			continue;
		node->mapped = node->primary = false;
		node->slots = 0;
		node->of = VALKEY_MAP_NONE;
	}
	for (size_t slot = 0; slot < VALKEY_SLOTS; slot++)
		nodes->primary[slot] = VALKEY_MAP_NONE;
}

int valkey_nodes_open(struct valkey_nodes *nodes, struct valkey_links *links, const char *host,
		      uint16_t port)
{
	memset(nodes, 0, sizeof(*nodes));
	nodes->links = links;
	unmap_all(nodes);
	return find_or_add(nodes, host, port) == 0 ? 0 : -1;
}

static void forget(struct valkey_nodes *nodes, size_t index)
{
	valkey_link_free(nodes->node[index]->link);
	free(nodes->node[index]);
	nodes->node[index] = NULL;
}

void valkey_nodes_close(struct valkey_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++) {
		if (nodes->node[i] != NULL)
			forget(nodes, i);
	}
}

uint16_t valkey_nodes_redirected(struct valkey_nodes *nodes, const char *host, uint16_t port,
				 uint64_t now_ms)
{
	uint16_t index = find_or_add(nodes, host, port);

	if (index != VALKEY_MAP_NONE)
		nodes->node[index]->keep_until_ms = now_ms + KEEP_MS;
	return index;
}

size_t valkey_nodes_apply(struct valkey_nodes *nodes, const struct valkey_map *map, bool *promoted)
{
	uint16_t index[VALKEY_NODES_MAX];
	bool was_replica[VALKEY_NODES_MAX];
	size_t left_out = map->left_out;

	*promoted = false;
	for (size_t i = 0; i < VALKEY_NODES_MAX; i++)
		was_replica[i] = nodes->node[i] != NULL && nodes->node[i]->mapped &&
				 !nodes->node[i]->primary;
	nodes->mode = VALKEY_MODE_CLUSTER;
	unmap_all(nodes);
	for (size_t i = 0; i < map->count; i++) {
		struct valkey_node *node;

		index[i] = find_or_add(nodes, map->node[i].host, map->node[i].port);
		if (index[i] == VALKEY_MAP_NONE) {
			left_out++;
			continue;
		}
		node = nodes->node[index[i]];
		node->mapped = true;
		node->primary = map->node[i].primary == VALKEY_MAP_NONE;
		node->slots = map->node[i].slots;
		if (node->primary && was_replica[index[i]])
			*promoted = true;
	}
	for (size_t i = 0; i < map->count; i++) {
		if (index[i] != VALKEY_MAP_NONE && map->node[i].primary != VALKEY_MAP_NONE)
			nodes->node[index[i]]->of = index[map->node[i].primary];
	}
	for (size_t slot = 0; slot < VALKEY_SLOTS; slot++) {
		if (map->slot[slot] != VALKEY_MAP_NONE)
			nodes->primary[slot] = index[map->slot[slot]];
	}
	return left_out;
}

void valkey_nodes_single(struct valkey_nodes *nodes)
{
	struct valkey_node *node = nodes->node[0];

	unmap_all(nodes);
	nodes->mode = VALKEY_MODE_SINGLE;
	node->mapped = node->primary = true;
	node->slots = VALKEY_SLOTS;
	for (size_t slot = 0; slot < VALKEY_SLOTS; slot++)
		nodes->primary[slot] = 0;
}

static struct valkey_node *primary_of(const struct valkey_nodes *nodes, uint16_t slot)
{
	uint16_t index = nodes->primary[slot];

	return index == VALKEY_MAP_NONE ? NULL : nodes->node[index];
}

static bool usable(const struct valkey_node *node, uint64_t now_ms)
{
	return valkey_link_ready(node->link) && now_ms >= node->refused.until_ms;
}

struct valkey_node *valkey_nodes_writer(const struct valkey_nodes *nodes, uint16_t slot,
					uint64_t now_ms)
{
	struct valkey_node *node = primary_of(nodes, slot);

	return node != NULL && usable(node, now_ms) && now_ms >= node->puts_refused.until_ms ? node
											     : NULL;
}

struct valkey_node *valkey_nodes_reader(const struct valkey_nodes *nodes, uint16_t slot,
					uint64_t now_ms, bool *replica)
{
	struct valkey_node *primary = primary_of(nodes, slot);
	bool primary_usable = primary != NULL && usable(primary, now_ms);
	struct valkey_node *chosen = NULL;

	*replica = false;
	if (primary == NULL ||
	    (primary_usable && valkey_link_silent_ms(primary->link, now_ms) < VALKEY_SILENT_MS))
		return primary;
	for (size_t i = 0; i < nodes->count; i++) {
		struct valkey_node *node = nodes->node[i];

		if (node == NULL || node->of != nodes->primary[slot] || !usable(node, now_ms))
			continue;
		chosen = node;
		if (valkey_link_silent_ms(node->link, now_ms) < VALKEY_SILENT_MS) {
			*replica = true;
			return node;
		}
	}
	/* All of them are slow. */
	if (primary_usable || chosen == NULL)
		return primary_usable ? primary : NULL;
	*replica = true;
	return chosen;
}

void valkey_nodes_served(const struct valkey_nodes *nodes, uint16_t *answering, uint16_t *taking)
{
	*answering = *taking = 0;
	for (size_t i = 0; i < nodes->count; i++) {
		const struct valkey_node *node = nodes->node[i];

		if (node == NULL || !node->primary || !valkey_link_ready(node->link) ||
		    node->refuses)
			continue;
		*answering += node->slots;
		if (!node->refuses_puts)
			*taking += node->slots;
	}
}

void valkey_nodes_tick(struct valkey_nodes *nodes, uint64_t now_ms)
{
	bool any_ready = false;

	for (size_t i = 0; i < nodes->count; i++) {
		if (nodes->node[i] != NULL && nodes->node[i]->mapped &&
		    valkey_link_ready(nodes->node[i]->link))
			any_ready = true;
	}
	for (size_t i = 0; i < nodes->count; i++) {
		struct valkey_node *node = nodes->node[i];

		if (node == NULL)
			continue;
		if (i > 0 && !node->mapped && now_ms >= node->keep_until_ms &&
		    valkey_link_outstanding(node->link) == 0) {
			for (size_t slot = 0; slot < VALKEY_SLOTS; slot++) {
				if (nodes->primary[slot] == i)
					nodes->primary[slot] = VALKEY_MAP_NONE;
			}
			forget(nodes, i);
			continue;
		}
		if (i == 0)
			valkey_link_want(node->link, node->mapped || !any_ready);
		valkey_link_tick(node->link, now_ms);
	}
}

struct valkey_node *valkey_nodes_any(const struct valkey_nodes *nodes, size_t *turn,
				     uint64_t now_ms)
{
	for (size_t i = 0; i < nodes->count; i++) {
		struct valkey_node *node = nodes->node[++*turn % nodes->count];

		if (node != NULL && valkey_link_ready(node->link) &&
		    valkey_link_silent_ms(node->link, now_ms) < VALKEY_SILENT_MS)
			return node;
	}
	return NULL;
}
