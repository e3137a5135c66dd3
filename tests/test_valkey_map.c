/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CLUSTER SLOTS: replies as a server sends them become a slot map, or are refused. */
#include "tests/unit.h"

#include <stdio.h>

#include "fpmd/directory/valkey_map.h"

/* *text* in the protocol's form. The reply is the caller's. */
static redisReply *reply_make(const char *text)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	ck_assert_int_eq(redisReaderFeed(reader, text, strlen(text)), REDIS_OK);
	ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
	ck_assert_ptr_nonnull(reply);
	redisReaderFree(reader);
	return reply;
}

static struct valkey_map map;

static int parse(const char *text)
{
	redisReply *reply = reply_make(text);
	int result = valkey_map_parse(reply, "entry.example", &map);

	freeReplyObject(reply);
	return result;
}

#define NODE(length, host, port) "*3\r\n$" #length "\r\n" host "\r\n:" #port "\r\n$2\r\nid\r\n"

START_TEST(a_cluster)
{
	ck_assert_int_eq(
		parse("*3\r\n"
		      "*4\r\n:0\r\n:5460\r\n" NODE(8, "10.0.0.1", 7000)
			      NODE(8, "10.0.0.4", 7003) "*3\r\n:5461\r\n:16382\r\n" NODE(
				      11, "2001:db8::2",
				      7001) "*5\r\n:16383\r\n:16383\r\n" NODE(8, "10.0.0.1", 7000)
				      NODE(8, "10.0.0.4", 7003) NODE(8, "10.0.0.5", 7003)),
		0);
	ck_assert_uint_eq(map.count, 4);
	ck_assert_uint_eq(map.left_out, 0);
	ck_assert_str_eq(map.node[0].host, "10.0.0.1");
	ck_assert_uint_eq(map.node[0].port, 7000);
	ck_assert_uint_eq(map.node[0].slots, 5462);
	ck_assert_uint_eq(map.node[0].primary, VALKEY_MAP_NONE);
	ck_assert_str_eq(map.node[1].host, "10.0.0.4");
	ck_assert_uint_eq(map.node[1].primary, 0);
	ck_assert_uint_eq(map.node[1].slots, 0);
	ck_assert_str_eq(map.node[2].host, "2001:db8::2");
	ck_assert_uint_eq(map.node[3].primary, 0);
	ck_assert_uint_eq(map.slot[0], 0);
	ck_assert_uint_eq(map.slot[5460], 0);
	ck_assert_uint_eq(map.slot[5461], 2);
	ck_assert_uint_eq(map.slot[16382], 2);
	ck_assert_uint_eq(map.slot[16383], 0);
}
END_TEST

START_TEST(holes)
{
	ck_assert_int_eq(parse("*1\r\n*3\r\n:5\r\n:6\r\n" NODE(1, "h", 1)), 0);
	ck_assert_uint_eq(map.slot[4], VALKEY_MAP_NONE);
	ck_assert_uint_eq(map.slot[5], 0);
	ck_assert_uint_eq(map.slot[7], VALKEY_MAP_NONE);
	ck_assert_int_eq(parse("*0\r\n"), 0);
	ck_assert_uint_eq(map.count, 0);
	ck_assert_uint_eq(map.slot[5], VALKEY_MAP_NONE);
}
END_TEST

/* Null or empty: whoever was asked. "?" and port 0: nobody can connect there. */
START_TEST(endpoints_that_are_not_told)
{
	ck_assert_int_eq(parse("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$-1\r\n:7000\r\n"), 0);
	ck_assert_str_eq(map.node[0].host, "entry.example");
	ck_assert_int_eq(parse("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$0\r\n\r\n:7000\r\n"), 0);
	ck_assert_str_eq(map.node[0].host, "entry.example");
	ck_assert_int_eq(parse("*1\r\n*4\r\n:0\r\n:1\r\n" NODE(1, "?", 7000) NODE(1, "r", 7000)),
			 0);
	ck_assert_uint_eq(map.count, 1);
	ck_assert_uint_eq(map.slot[0], VALKEY_MAP_NONE);
	ck_assert_int_eq(parse("*1\r\n*3\r\n:0\r\n:1\r\n" NODE(1, "h", 0)), 0);
	ck_assert_uint_eq(map.count, 0);
}
END_TEST

START_TEST(what_is_no_map)
{
	static const char *const table[] = {
		"+OK\r\n",
		":1\r\n",
		"$-1\r\n",
		"*1\r\n:1\r\n",
		"*1\r\n*0\r\n",
		"*1\r\n*2\r\n:0\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n$1\r\n1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n" NODE(1, "h", 65536),
		"*1\r\n*3\r\n:0\r\n:1\r\n" NODE(1, "h", -1),
		"*1\r\n*3\r\n:-1\r\n:1\r\n" NODE(1, "h", 1),
		"*1\r\n*3\r\n:2\r\n:1\r\n" NODE(1, "h", 1),
		"*1\r\n*3\r\n:0\r\n:16384\r\n" NODE(1, "h", 1),
		"*1\r\n*3\r\n$1\r\n0\r\n:1\r\n" NODE(1, "h", 1),
		"*2\r\n*3\r\n:0\r\n:5\r\n" NODE(1, "h", 1) "*3\r\n:5\r\n:6\r\n" NODE(1, "g", 1),
		"*1\r\n*4\r\n:0\r\n:1\r\n" NODE(1, "h", 1) ":7\r\n",
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ck_assert_msg(parse(table[i]) == -1, "%zu", i);
}
END_TEST

START_TEST(a_name_too_long)
{
	char text[600];

	for (int length = VALKEY_HOST_SIZE - 1; length <= VALKEY_HOST_SIZE; length++) {
		snprintf(text, sizeof(text), "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$%d\r\n%0*d\r\n:1\r\n",
			 length, length, 0);
		ck_assert_int_eq(parse(text), length < VALKEY_HOST_SIZE ? 0 : -1);
	}
}
END_TEST

START_TEST(too_many_nodes)
{
	size_t size = 0, room = 100 * 400;
	char *text = malloc(room);

	size += (size_t)snprintf(text, room, "*300\r\n");
	for (int i = 0; i < 300; i++)
		size += (size_t)snprintf(text + size, room - size,
					 "*3\r\n:%d\r\n:%d\r\n*2\r\n$1\r\nh\r\n:%d\r\n", i, i,
					 i + 1);
	ck_assert_int_eq(parse(text), 0);
	ck_assert_uint_eq(map.count, VALKEY_NODES_MAX);
	ck_assert_uint_eq(map.left_out, 300 - VALKEY_NODES_MAX);
	ck_assert_uint_eq(map.slot[255], 255);
	ck_assert_uint_eq(map.slot[256], VALKEY_MAP_NONE);
	free(text);
}
END_TEST

UNIT_MAIN("valkey_map", a_cluster, holes, endpoints_that_are_not_told, what_is_no_map,
	  a_name_too_long, too_many_nodes)
