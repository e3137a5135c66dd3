/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The servers that are known and who serves what. Runs in the event loop. Each node has one link.
 * The first one is where to begin, as configured; it is never forgotten.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_NODES_H
#define HOLDFAST_DIRECTORY_VALKEY_NODES_H

#include "fpmd/directory/valkey_link.h"
#include "fpmd/directory/valkey_map.h"

#define VALKEY_SILENT_MS 100 /* a primary that owes an answer for so long is not read from */

enum valkey_mode {
	VALKEY_MODE_UNKNOWN,
	VALKEY_MODE_SINGLE,
	VALKEY_MODE_CLUSTER,
};

struct valkey_node {
	struct valkey_link *link;
	bool mapped; /* in the slot map, or the single server */
	bool primary;
	uint16_t slots;
	uint16_t of;		/* of a replica: index of its primary, or VALKEY_MAP_NONE */
	uint64_t keep_until_ms; /* not in the map, but named by a redirect */
	/* It refused a read: nothing is sent before the time is over; *refuses* until it answers.
	 */
	bool refuses;
	struct valkey_backoff refused;
	/* The same for what changes records. */
	bool refuses_puts;
	struct valkey_backoff puts_refused;
};

struct valkey_nodes {
	struct valkey_links *links;
	enum valkey_mode mode;
	size_t count; /* entries ever used; node[0] is the configured one */
	struct valkey_node *node[VALKEY_NODES_MAX];
	uint16_t primary[VALKEY_SLOTS]; /* index into node[], or VALKEY_MAP_NONE */
};

/* Returns 0, or -1: no memory. */
int valkey_nodes_open(struct valkey_nodes *nodes, struct valkey_links *links, const char *host,
		      uint16_t port);
void valkey_nodes_close(struct valkey_nodes *nodes);

/* A node that a redirect names, known or new; its index, or VALKEY_MAP_NONE: no room. */
uint16_t valkey_nodes_redirected(struct valkey_nodes *nodes, const char *host, uint16_t port,
				 uint64_t now_ms);

/* A new slot map. *promoted*: a replica is a primary now. Returns how many nodes had no room. */
size_t valkey_nodes_apply(struct valkey_nodes *nodes, const struct valkey_map *map, bool *promoted);

/* The configured server is no cluster. */
void valkey_nodes_single(struct valkey_nodes *nodes);

/* Who takes puts and deletes of the slot now; NULL: nobody. */
struct valkey_node *valkey_nodes_writer(const struct valkey_nodes *nodes, uint16_t slot,
					uint64_t now_ms);

/* Who is asked about the slot now; *replica*: since the primary is away or silent. NULL: nobody. */
struct valkey_node *valkey_nodes_reader(const struct valkey_nodes *nodes, uint16_t slot,
					uint64_t now_ms, bool *replica);

/* Slots whose primary answers, and of those the ones whose primary takes puts. */
void valkey_nodes_served(const struct valkey_nodes *nodes, uint16_t *answering, uint16_t *taking);

/* The links' tick; forgets nodes that are of no use any more. */
void valkey_nodes_tick(struct valkey_nodes *nodes, uint64_t now_ms);

/* The next one, in turn, that could be asked who serves what; NULL: none is connected. */
struct valkey_node *valkey_nodes_any(const struct valkey_nodes *nodes, size_t *turn,
				     uint64_t now_ms);

#endif
