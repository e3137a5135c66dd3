/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The datagram codec: sizes, header, entries; truncated, oversized and random input. */
#include "tests/unit.h"

#include <sodium.h>

#include "fpmd/directory/datagram.h"
#include "fpmd/directory/wire.h"

START_TEST(all_fit)
{
	for (uint8_t type = 1; type < DATAGRAM_TYPES; type++) {
		size_t max = datagram_entries_max(type);

		ck_assert_uint_ge(max, 1);
		ck_assert_uint_le(DATAGRAM_HEADER_SIZE + DATAGRAM_COUNT_SIZE +
					  max * datagram_entry_size(type) + DATAGRAM_TAG_SIZE,
				  DATAGRAM_MAX);
		ck_assert_uint_ge(DATAGRAM_COUNT_SIZE + datagram_entry_size(type),
				  DATAGRAM_BODY_MIN);
	}
	ck_assert_uint_eq(datagram_entry_size(0), 0);
	ck_assert_uint_eq(datagram_entry_size(DATAGRAM_TYPES), 0);
	ck_assert_uint_eq(datagram_entry_size(255), 0);
}
END_TEST

START_TEST(header_there_and_back)
{
	struct datagram_header header = {
		.type = DATAGRAM_PUT,
		.key_id = 0x01020304,
		.boot = {.epoch = UINT64_C(0x0000aabbccddeeff), .salt = 0xfffefdfc},
		.counter = UINT64_C(0x1122334455667788),
	};
	struct datagram_header back;
	uint8_t wire[DATAGRAM_MAX] = {0};
	char hex[2 * DATAGRAM_HEADER_SIZE + 1];

	datagram_header_encode(&header, wire);
	sodium_bin2hex(hex, sizeof(hex), wire, DATAGRAM_HEADER_SIZE);
	ck_assert_str_eq(hex, "4846"
			      "01"
			      "03"
			      "01020304"
			      "0000aabbccddeeff"
			      "fffefdfc"
			      "1122334455667788");
	ck_assert_int_eq(datagram_header_decode(wire, sizeof(wire), &back), 0);
	ck_assert_uint_eq(back.type, header.type);
	ck_assert_uint_eq(back.key_id, header.key_id);
	ck_assert_uint_eq(back.boot.epoch, header.boot.epoch);
	ck_assert_uint_eq(back.boot.salt, header.boot.salt);
	ck_assert_uint_eq(back.counter, header.counter);
}
END_TEST

START_TEST(header_refused)
{
	const struct datagram_header header = {.type = DATAGRAM_GET, .boot = {.epoch = 1}};
	struct datagram_header back;
	uint8_t wire[DATAGRAM_MAX + 1] = {0};
	size_t least = DATAGRAM_HEADER_SIZE + DATAGRAM_BODY_MIN + DATAGRAM_TAG_SIZE;

	datagram_header_encode(&header, wire);
	ck_assert_int_eq(datagram_header_decode(wire, least, &back), 0);
	for (size_t size = 0; size < least; size++)
		ck_assert_int_eq(datagram_header_decode(wire, size, &back), -1);
	ck_assert_int_eq(datagram_header_decode(wire, DATAGRAM_MAX + 1, &back), -1);
	/* Magic and version, any bit; type; epoch 0 and over 48 bits. */
	for (size_t bit = 0; bit < 24; bit++) {
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(datagram_header_decode(wire, 200, &back), -1);
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (unsigned int type = 0; type < 256; type++) {
		wire[3] = (uint8_t)type;
		ck_assert_int_eq(datagram_header_decode(wire, 200, &back),
				 type >= 1 && type < DATAGRAM_TYPES ? 0 : -1);
	}
	wire[3] = DATAGRAM_GET;
	wire_write(wire + 8, 0, 8);
	ck_assert_int_eq(datagram_header_decode(wire, 200, &back), -1);
	wire_write(wire + 8, RECORD_EPOCH_MAX + 1, 8);
	ck_assert_int_eq(datagram_header_decode(wire, 200, &back), -1);
}
END_TEST

START_TEST(body_fits_exactly)
{
	uint8_t body[DATAGRAM_BODY_MAX] = {0};

	for (uint8_t type = 1; type < DATAGRAM_TYPES; type++) {
		size_t entry = datagram_entry_size(type);

		for (size_t count = 0; count < 80; count++) {
			for (size_t size = 0; size <= sizeof(body); size++) {
				bool fits = count > 0 && count <= datagram_entries_max(type) &&
					    size == DATAGRAM_COUNT_SIZE + count * entry;

				wire_write(body, count, 2);
				ck_assert_uint_eq(datagram_body_count(type, body, size),
						  fits ? count : 0);
			}
		}
		wire_write(body, 0xffff, 2);
		ck_assert_uint_eq(datagram_body_count(type, body, sizeof(body)), 0);
	}
	ck_assert_uint_eq(datagram_body_count(0, body, 100), 0);
}
END_TEST

START_TEST(entries_there_and_back)
{
	struct hello hello = {.known = {.epoch = 77, .salt = 88}, .clock_ms = 99}, hello_back;
	struct ack ack = {.version = 5, .status = ACK_AHEAD}, ack_back;
	struct get get = {.request = 1234, .flow = unit_flow(1)}, get_back;
	struct get_answer answer = {.request = 99, .status = GET_CLAIM}, answer_back;
	struct bulk bulk = {.request = 3, .cursor = UINT64_C(1) << 40, .count = 4096}, bulk_back;
	struct bulk_flow bulk_flow = {.request = 4, .number = 5, .flow = unit_flow(6)},
			 bulk_flow_back;
	uint8_t wire[64];

	memset(hello.challenge, 9, sizeof(hello.challenge));
	hello_encode(&hello, wire);
	ck_assert_int_eq(hello_decode(wire, &hello_back), 0);
	ck_assert_mem_eq(hello.challenge, hello_back.challenge, CHALLENGE_SIZE);
	ck_assert_uint_eq(hello_back.known.epoch, 77);
	ck_assert_uint_eq(hello_back.known.salt, 88);
	ck_assert_uint_eq(hello_back.clock_ms, 99);
	ck_assert(!hello_back.director);
	hello.director = true;
	hello_encode(&hello, wire);
	ck_assert_int_eq(hello_decode(wire, &hello_back), 0);
	ck_assert(hello_back.director);
	ck_assert(!hello_back.draining);
	ck_assert_uint_eq(hello_back.clock_ms, 99);
	hello.director = false;
	hello.draining = true;
	hello_encode(&hello, wire);
	ck_assert_int_eq(hello_decode(wire, &hello_back), 0);
	ck_assert(hello_back.draining);
	ck_assert(!hello_back.director);
	ck_assert_uint_eq(hello_back.clock_ms, 99);
	/* Of a newer fpmd, maybe. */
	wire_write(wire + 28, UINT64_C(0x3f) << 56 | 99, 8);
	ck_assert_int_eq(hello_decode(wire, &hello_back), 0);
	ck_assert(!hello_back.draining);
	ck_assert(!hello_back.director);
	ck_assert_uint_eq(hello_back.clock_ms, 99);
	wire_write(wire + 28, RECORD_EPOCH_MAX, 8);
	ck_assert_int_eq(hello_decode(wire, &hello_back), 0);
	wire_write(wire + 28, RECORD_EPOCH_MAX + 1, 8);
	ck_assert_int_eq(hello_decode(wire, &hello_back), -1);
	wire_write(wire + 28, 0, 8);
	ck_assert_int_eq(hello_decode(wire, &hello_back), -1);

	ack_encode(&ack, wire);
	ck_assert_int_eq(ack_decode(wire, &ack_back), 0);
	ck_assert_uint_eq(ack_back.version, 5);
	ck_assert_uint_eq(ack_back.status, ACK_AHEAD);
	wire[24] = ACK_STATUSES;
	ck_assert_int_eq(ack_decode(wire, &ack_back), -1);
	ack.version = 0;
	ack_encode(&ack, wire);
	ck_assert_int_eq(ack_decode(wire, &ack_back), -1);

	get_encode(&get, wire);
	ck_assert_int_eq(get_decode(wire, &get_back), 0);
	ck_assert_uint_eq(get_back.request, 1234);
	ck_assert(flow_equal(&get.flow, &get_back.flow));

	bulk_encode(&bulk, wire);
	ck_assert_int_eq(bulk_decode(wire, &bulk_back), 0);
	ck_assert_uint_eq(bulk_back.request, 3);
	ck_assert_uint_eq(bulk_back.cursor, UINT64_C(1) << 40);
	ck_assert_uint_eq(bulk_back.count, 4096);
	wire[23] = 1;
	ck_assert_int_eq(bulk_decode(wire, &bulk_back), -1);
	bulk_flow_encode(&bulk_flow, wire);
	ck_assert_int_eq(bulk_flow_decode(wire, &bulk_flow_back), 0);
	ck_assert_uint_eq(bulk_flow_back.request, 4);
	ck_assert_uint_eq(bulk_flow_back.number, 5);
	ck_assert(flow_equal(&bulk_flow.flow, &bulk_flow_back.flow));

	answer.record.owner = unit_address("10.0.0.1");
	answer.record.version = answer.record.owner_epoch = 1;
	get_answer_encode(&answer, wire);
	ck_assert_int_eq(get_answer_decode(wire, &answer_back), 0);
	ck_assert_uint_eq(answer_back.request, 99);
	ck_assert_uint_eq(answer_back.status, GET_CLAIM);
	ck_assert(address_equal(&answer_back.record.owner, &answer.record.owner));
	wire[8] = GET_STATUSES;
	ck_assert_int_eq(get_answer_decode(wire, &answer_back), -1);
	answer.status = GET_MISS;
	get_answer_encode(&answer, wire);
	ck_assert_int_eq(get_answer_decode(wire, &answer_back), 0);
	wire[8] = GET_RECORD;
	ck_assert_int_eq(get_answer_decode(wire, &answer_back), -1);
}
END_TEST

START_TEST(random_bytes)
{
	struct datagram_header header;
	uint8_t wire[DATAGRAM_MAX + 100];

	for (int i = 0; i < 50000; i++) {
		size_t size = randombytes_uniform(sizeof(wire));

		randombytes_buf(wire, 64);
		if (i % 2) {
			wire_write(wire, DATAGRAM_MAGIC, 2);
			wire[2] = DATAGRAM_VERSION;
		}
		if (datagram_header_decode(wire, size, &header) == 0) {
			ck_assert_uint_le(size, DATAGRAM_MAX);
			ck_assert_uint_gt(datagram_entry_size(header.type), 0);
		}
	}
}
END_TEST

UNIT_MAIN("datagram", all_fit, header_there_and_back, header_refused, body_fits_exactly,
	  entries_there_and_back, random_bytes)
