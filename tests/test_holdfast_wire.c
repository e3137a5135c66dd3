// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <sys/socket.h>

#include "fpm/frame.h"
#include "fpm/holdfast.pb-c.h"
#include "tests/unit.h"
#include "zebra-plugin/holdfast_wire.h"

static Holdfast__Frame *decode(const uint8_t *data, size_t size)
{
	struct frame frame;
	Holdfast__Frame *message;

	ck_assert_uint_gt(size, 0);
	ck_assert_int_eq(frame_parse(data, size, &frame), FRAME_COMPLETE);
	ck_assert_uint_eq(frame.size, size);
	ck_assert_uint_eq(frame.type, FRAME_PROTOBUF);
	message = holdfast__frame__unpack(NULL, frame.payload_size, frame.payload);
	ck_assert_ptr_nonnull(message);
	return message;
}

static void fill(char *text, size_t size)
{
	memset(text, 'x', size - 1);
}

START_TEST(the_server_is_told_if_there_is_one)
{
	static struct holdfast_config config;
	uint8_t data[HOLDFAST_CONFIG_FRAME_SIZE];
	const Holdfast__Valkey *valkey;
	Holdfast__Frame *message;

	holdfast_config_init(&config);
	message = decode(data, holdfast_wire_config(&config, data, sizeof(data)));
	ck_assert_ptr_null(message->config->valkey);
	holdfast__frame__free_unpacked(message, NULL);
	strcpy(config.valkey.host, "10.0.0.7");
	config.valkey.port = 6379;
	strcpy(config.valkey.user, "holdfast");
	strcpy(config.valkey.password_file, "/password");
	config.valkey.tls = true;
	strcpy(config.valkey.ca_file, "/ca");
	strcpy(config.valkey.certificate_file, "/certificate");
	strcpy(config.valkey.private_key_file, "/key");
	message = decode(data, holdfast_wire_config(&config, data, sizeof(data)));
	valkey = message->config->valkey;
	ck_assert_ptr_nonnull(valkey);
	ck_assert_str_eq(valkey->host, "10.0.0.7");
	ck_assert_uint_eq(valkey->port, 6379);
	ck_assert_str_eq(valkey->user, "holdfast");
	ck_assert_str_eq(valkey->password_file, "/password");
	ck_assert(valkey->tls);
	ck_assert_str_eq(valkey->ca_file, "/ca");
	ck_assert_str_eq(valkey->certificate_file, "/certificate");
	ck_assert_str_eq(valkey->private_key_file, "/key");
	ck_assert_str_eq(valkey->prefix, "holdfast");
	holdfast__frame__free_unpacked(message, NULL);
}
END_TEST

START_TEST(a_path_mask_that_does_not_count_is_not_told)
{
	static struct holdfast_config config;
	uint8_t data[HOLDFAST_CONFIG_FRAME_SIZE];
	Holdfast__Frame *message;

	holdfast_config_init(&config);
	config.role = HOLDFAST_ROLE_SERVER;
	config.mark_owner_mask = 0xff000000;
	message = decode(data, holdfast_wire_config(&config, data, sizeof(data)));
	ck_assert_uint_eq(message->config->mark_path_mask, 0);
	ck_assert_int_eq(message->config->role, HOLDFAST__ROLE__ROLE_SERVER);
	holdfast__frame__free_unpacked(message, NULL);
	config.role = HOLDFAST_ROLE_DIRECTOR;
	config.mark_path_mask = 0xff00;
	message = decode(data, holdfast_wire_config(&config, data, sizeof(data)));
	ck_assert_uint_eq(message->config->mark_path_mask, 0xff00);
	ck_assert_int_eq(message->config->role, HOLDFAST__ROLE__ROLE_DIRECTOR);
	holdfast__frame__free_unpacked(message, NULL);
}
END_TEST

START_TEST(the_largest_configuration_fits)
{
	static struct holdfast_config config;
	uint8_t data[HOLDFAST_CONFIG_FRAME_SIZE];
	struct holdfast_prefix prefix = {.family = AF_INET6, .length = 128};
	struct error error;
	Holdfast__Frame *message;

	holdfast_config_init(&config);
	for (unsigned int i = 0; i < HOLDFAST_VIPS_MAX; i++) {
		prefix.address[0] = 0x20;
		prefix.address[15] = (uint8_t)i;
		ck_assert_int_eq(holdfast_vip_add(&config, &prefix, &error), 0);
	}
	prefix.length = 64;
	for (unsigned int i = 0; i < HOLDFAST_RANGES_MAX; i++) {
		prefix.address[0] = 0xfd;
		prefix.address[7] = (uint8_t)i;
		ck_assert_int_eq(holdfast_range_add(&config, &prefix, &error), 0);
	}
	prefix.length = 128;
	ck_assert_int_eq(holdfast_member_set(&config, &prefix, &error), 0);
	memset(config.key_file, 'k', sizeof(config.key_file) - 1);
	fill(config.valkey.host, sizeof(config.valkey.host));
	fill(config.valkey.user, sizeof(config.valkey.user));
	fill(config.valkey.password_file, sizeof(config.valkey.password_file));
	fill(config.valkey.ca_file, sizeof(config.valkey.ca_file));
	fill(config.valkey.certificate_file, sizeof(config.valkey.certificate_file));
	fill(config.valkey.private_key_file, sizeof(config.valkey.private_key_file));
	fill(config.valkey.prefix, sizeof(config.valkey.prefix));
	config.valkey.port = UINT16_MAX;
	config.valkey.tls = true;
	config.role = HOLDFAST_ROLE_DIRECTOR;
	config.flows_fast_path = true;
	config.drain = true;
	message = decode(data, holdfast_wire_config(&config, data, sizeof(data)));
	ck_assert_int_eq(message->body_case, HOLDFAST__FRAME__BODY_CONFIG);
	ck_assert_uint_eq(message->config->n_vips, HOLDFAST_VIPS_MAX);
	ck_assert_uint_eq(message->config->n_member_ranges, HOLDFAST_RANGES_MAX);
	ck_assert_uint_eq(message->config->n_local_members, 1);
	ck_assert_uint_eq(message->config->local_members[0].len, 16);
	ck_assert_uint_eq(message->config->tunnel_port, 4790);
	ck_assert_uint_eq(message->config->pins_max, 1048576);
	ck_assert_uint_eq(message->config->mark_path_mask, 0x0ff00000);
	ck_assert_uint_eq(message->config->flows_max, 1048576);
	ck_assert_uint_eq(message->config->flow_lifetime_s, 900);
	ck_assert(message->config->flows_fast_path);
	ck_assert(message->config->drain);
	ck_assert_uint_eq(strlen(message->config->directory_key_file), HOLDFAST_KEY_FILE_SIZE - 1);
	ck_assert_uint_eq(strlen(message->config->valkey->host), ENGINE_HOST_SIZE - 1);
	holdfast__frame__free_unpacked(message, NULL);
	ck_assert_uint_eq(holdfast_wire_config(&config, data, 100), 0);
}
END_TEST

START_TEST(the_largest_route_fits)
{
	static struct holdfast_route route;
	uint8_t data[HOLDFAST_ROUTE_FRAME_SIZE];
	Holdfast__Frame *message;

	route.prefix.family = AF_INET6;
	route.prefix.length = 128;
	route.count = HOLDFAST_NEXT_HOPS_MAX;
	for (size_t i = 0; i < route.count; i++) {
		route.next_hops[i].gateway_size = 16;
		memset(route.next_hops[i].interface, 'i', IF_NAMESIZE - 1);
		route.next_hops[i].weight = UINT32_MAX;
	}
	message = decode(data, holdfast_wire_route(&route, data, sizeof(data)));
	ck_assert_int_eq(message->body_case, HOLDFAST__FRAME__BODY_ROUTE);
	ck_assert_uint_eq(message->route->n_next_hops, HOLDFAST_NEXT_HOPS_MAX);
	ck_assert_uint_eq(message->route->next_hops[255]->gateway.len, 16);
	holdfast__frame__free_unpacked(message, NULL);
	route.count++;
	ck_assert_uint_eq(holdfast_wire_route(&route, data, sizeof(data)), 0);
}
END_TEST

START_TEST(a_withdrawn_route_has_no_next_hops)
{
	static struct holdfast_route route;
	uint8_t data[HOLDFAST_ROUTE_FRAME_SIZE];
	Holdfast__Frame *message;

	route.prefix = (struct holdfast_prefix){AF_INET, 32, {192, 0, 2, 80}};
	message = decode(data, holdfast_wire_route(&route, data, sizeof(data)));
	ck_assert_uint_eq(message->route->n_next_hops, 0);
	ck_assert_uint_eq(message->route->prefix->length, 32);
	ck_assert_uint_eq(message->route->prefix->address.len, 4);
	ck_assert_uint_eq(message->route->prefix->address.data[3], 80);
	holdfast__frame__free_unpacked(message, NULL);
	route.prefix = (struct holdfast_prefix){AF_INET, 32, {10, 255, 0, 3}};
	route.connected = true;
	route.count = 1;
	memcpy(route.next_hops[0].interface, "lo", 3);
	message = decode(data, holdfast_wire_route(&route, data, sizeof(data)));
	ck_assert(message->route->connected);
	ck_assert_uint_eq(message->route->next_hops[0]->gateway.len, 0);
	ck_assert_str_eq(message->route->next_hops[0]->interface, "lo");
	holdfast__frame__free_unpacked(message, NULL);
}
END_TEST

START_TEST(a_flow_or_an_owner_is_told_with_the_question)
{
	struct holdfast_question question = {
		.topic = HOLDFAST__SHOW_REQUEST__TOPIC__FLOW,
		.json = true,
		.flow = {.client = {.family = AF_INET6, .address = {0x20, 1}},
			 .vip = {.family = AF_INET6, .address = {0x20, 2}},
			 .client_port = UINT16_MAX,
			 .vip_port = UINT16_MAX - 1},
	};
	uint8_t data[HOLDFAST_SMALL_FRAME_SIZE];
	Holdfast__Frame *message;
	const Holdfast__Flow *told;

	message =
		decode(data, holdfast_wire_show_request(UINT32_MAX, &question, data, sizeof(data)));
	ck_assert_int_eq(message->show_request->topic, HOLDFAST__SHOW_REQUEST__TOPIC__FLOW);
	told = message->show_request->flow;
	ck_assert_ptr_nonnull(told);
	ck_assert_uint_eq(told->client.len, 16);
	ck_assert_mem_eq(told->client.data, question.flow.client.address, 16);
	ck_assert_mem_eq(told->vip.data, question.flow.vip.address, 16);
	ck_assert_uint_eq(told->client_port, UINT16_MAX);
	ck_assert_uint_eq(told->vip_port, UINT16_MAX - 1);
	ck_assert_uint_eq(message->show_request->owner.len, 0);
	holdfast__frame__free_unpacked(message, NULL);
	question = (struct holdfast_question){
		.topic = HOLDFAST__SHOW_REQUEST__TOPIC__CLEAR_PINS,
		.owner = {.family = AF_INET, .address = {10, 255, 0, 1}},
	};
	message = decode(data, holdfast_wire_show_request(1, &question, data, sizeof(data)));
	ck_assert_ptr_null(message->show_request->flow);
	ck_assert_uint_eq(message->show_request->owner.len, 4);
	ck_assert_mem_eq(message->show_request->owner.data, question.owner.address, 4);
	holdfast__frame__free_unpacked(message, NULL);
}
END_TEST

START_TEST(small_frames)
{
	const struct holdfast_question question = {.topic = 5, .json = true};
	uint8_t data[HOLDFAST_SMALL_FRAME_SIZE];
	Holdfast__Frame *message;

	message = decode(data, holdfast_wire_replay_end(data, sizeof(data)));
	ck_assert_int_eq(message->body_case, HOLDFAST__FRAME__BODY_REPLAY_END);
	holdfast__frame__free_unpacked(message, NULL);
	message =
		decode(data, holdfast_wire_show_request(UINT32_MAX, &question, data, sizeof(data)));
	ck_assert_int_eq(message->body_case, HOLDFAST__FRAME__BODY_SHOW_REQUEST);
	ck_assert_uint_eq(message->show_request->id, UINT32_MAX);
	ck_assert_int_eq(message->show_request->topic, HOLDFAST__SHOW_REQUEST__TOPIC__COUNTERS);
	ck_assert(message->show_request->json);
	ck_assert_ptr_null(message->show_request->flow);
	holdfast__frame__free_unpacked(message, NULL);
	ck_assert_uint_eq(holdfast_wire_show_request(1, &question, data, 4), 0);
}
END_TEST

UNIT_MAIN("holdfast_wire", a_path_mask_that_does_not_count_is_not_told,
	  the_server_is_told_if_there_is_one, the_largest_configuration_fits,
	  the_largest_route_fits, a_withdrawn_route_has_no_next_hops,
	  a_flow_or_an_owner_is_told_with_the_question, small_frames)
