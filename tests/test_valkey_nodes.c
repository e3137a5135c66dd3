/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of nodes: what a slot map changes, and back-off. No connection is made. */
#include "tests/unit.h"

#include <stdio.h>

#include "fpmd/directory/valkey_nodes.h"

static struct valkey_links links;
static struct valkey_nodes nodes;

static void map_node(struct valkey_map *map, const char *host, uint16_t slots, uint16_t primary)
{
	struct valkey_map_node *node = &map->node[map->count++];

	strcpy(node->host, host);
	node->port = 7000;
	node->slots = slots;
	node->primary = primary;
}

/* *first* has all slots, *second* is its replica. */
static void map_make(struct valkey_map *map, const char *first, const char *second)
{
	memset(map, 0, sizeof(*map));
	map_node(map, first, VALKEY_SLOTS, VALKEY_MAP_NONE);
	map_node(map, second, 0, 0);
}

static const struct valkey_node *node_of(const char *host)
{
	for (size_t i = 0; i < nodes.count; i++) {
		if (nodes.node[i] != NULL &&
		    strcmp(valkey_link_host(nodes.node[i]->link), host) == 0)
			return nodes.node[i];
	}
	return NULL;
}

static void setup(void)
{
	ck_assert_int_eq(valkey_nodes_open(&nodes, &links, "entry", 7000), 0);
}

START_TEST(a_replica_that_takes_over)
{
	static struct valkey_map map;
	bool promoted;

	setup();
	map_make(&map, "a", "b");
	ck_assert_uint_eq(valkey_nodes_apply(&nodes, &map, &promoted), 0);
	ck_assert(!promoted);
	ck_assert_int_eq(nodes.mode, VALKEY_MODE_CLUSTER);
	ck_assert_uint_eq(nodes.count, 3);
	ck_assert(node_of("a")->primary && !node_of("b")->primary && !node_of("entry")->mapped);
	ck_assert_ptr_eq(nodes.node[node_of("b")->of], node_of("a"));
	ck_assert_ptr_eq(nodes.node[nodes.primary[77]], node_of("a"));
	ck_assert_uint_eq(valkey_nodes_apply(&nodes, &map, &promoted), 0);
	ck_assert(!promoted);
	map_make(&map, "b", "a");
	ck_assert_uint_eq(valkey_nodes_apply(&nodes, &map, &promoted), 0);
	ck_assert(promoted);
	ck_assert_ptr_eq(nodes.node[nodes.primary[77]], node_of("b"));
	valkey_nodes_close(&nodes);
}
END_TEST

START_TEST(slots_that_move_are_no_loss)
{
	static struct valkey_map map;
	bool promoted;

	setup();
	map_make(&map, "a", "b");
	valkey_nodes_apply(&nodes, &map, &promoted);
	map.node[0].slots--;
	map_node(&map, "c", 1, VALKEY_MAP_NONE);
	map.slot[5] = 2;
	ck_assert_uint_eq(valkey_nodes_apply(&nodes, &map, &promoted), 0);
	ck_assert(!promoted);
	ck_assert_ptr_eq(nodes.node[nodes.primary[5]], node_of("c"));
	ck_assert_uint_eq(node_of("a")->slots, VALKEY_SLOTS - 1);
	valkey_nodes_close(&nodes);
}
END_TEST

static void on_ended(void *arg, struct valkey_link *link, struct valkey_sent *unanswered,
		     const struct error *error)
{
	ck_assert_ptr_null(unanswered);
	ck_assert_ptr_nonnull(strstr(error->text, valkey_link_host(link)));
}

START_TEST(what_is_not_in_the_map_is_forgotten)
{
	static struct valkey_login login;
	static struct valkey_counters counters;
	static struct valkey_map map;
	bool promoted;
	uint16_t index;

	/* Connections begin, to the loopback, and fail or get no further without the loop. */
	links.base = event_base_new();
	links.login = &login;
	links.counters = &counters;
	links.handlers.ended = on_ended;
	ck_assert_int_eq(valkey_nodes_open(&nodes, &links, "127.0.0.1", 7000), 0);
	map_make(&map, "127.0.0.2", "127.0.0.3");
	valkey_nodes_apply(&nodes, &map, &promoted);
	index = valkey_nodes_redirected(&nodes, "127.0.0.4", 7000, 1000);
	ck_assert_uint_eq(valkey_nodes_redirected(&nodes, "127.0.0.4", 7000, 1000), index);
	nodes.primary[9] = index;
	valkey_nodes_tick(&nodes, 1001);
	ck_assert_ptr_nonnull(node_of("127.0.0.4"));
	map_make(&map, "127.0.0.3", "127.0.0.5");
	valkey_nodes_apply(&nodes, &map, &promoted);
	nodes.primary[9] = index;
	valkey_nodes_tick(&nodes, 1002);
	ck_assert_ptr_null(node_of("127.0.0.2"));
	ck_assert_ptr_nonnull(node_of("127.0.0.4")); /* a redirect named it just now */
	valkey_nodes_tick(&nodes, 100000);
	ck_assert_ptr_null(node_of("127.0.0.4"));
	ck_assert_uint_eq(nodes.primary[9], VALKEY_MAP_NONE);
	ck_assert_ptr_nonnull(node_of("127.0.0.1"));
	valkey_nodes_close(&nodes);
	event_base_free(links.base);
}
END_TEST

START_TEST(a_single_server)
{
	static struct valkey_map map;
	uint16_t answering, taking;
	bool promoted, replica;

	setup();
	map_make(&map, "a", "b");
	valkey_nodes_apply(&nodes, &map, &promoted);
	valkey_nodes_single(&nodes);
	ck_assert_int_eq(nodes.mode, VALKEY_MODE_SINGLE);
	ck_assert(!node_of("a")->mapped && node_of("entry")->primary);
	ck_assert_uint_eq(nodes.primary[16383], 0);
	/* It is not connected. */
	valkey_nodes_served(&nodes, &answering, &taking);
	ck_assert_uint_eq(answering, 0);
	ck_assert_uint_eq(taking, 0);
	ck_assert_ptr_null(valkey_nodes_writer(&nodes, 5, 1000));
	ck_assert_ptr_null(valkey_nodes_reader(&nodes, 5, 1000, &replica));
	valkey_nodes_close(&nodes);
}
END_TEST

START_TEST(room_for_so_many)
{
	char host[16];

	setup();
	for (int i = 1; i < VALKEY_NODES_MAX; i++) {
		snprintf(host, sizeof(host), "h%d", i);
		ck_assert_uint_eq(valkey_nodes_redirected(&nodes, host, 1, 0), i);
	}
	ck_assert_uint_eq(valkey_nodes_redirected(&nodes, "more", 1, 0), VALKEY_MAP_NONE);
	valkey_nodes_close(&nodes);
}
END_TEST

START_TEST(pauses_grow)
{
	struct valkey_backoff backoff = {0};
	uint64_t now_ms = 1000, least = 37;

	for (int i = 0; i < 10; i++) {
		uint64_t pause;

		valkey_backoff_next(&backoff, now_ms);
		pause = backoff.until_ms - now_ms;
		ck_assert_uint_ge(pause, least);
		ck_assert_uint_le(pause, VALKEY_BACKOFF_MAX_MS * 5 / 4);
		/* Another failure meanwhile changes nothing. */
		valkey_backoff_next(&backoff, now_ms + pause - 1);
		ck_assert_uint_eq(backoff.until_ms, now_ms + pause);
		now_ms += pause;
		least = least * 2 < 1500 ? least * 2 : 1500;
	}
}
END_TEST

UNIT_MAIN("valkey_nodes", a_replica_that_takes_over, slots_that_move_are_no_loss,
	  what_is_not_in_the_map_is_forgotten, a_single_server, room_for_so_many, pauses_grow)
