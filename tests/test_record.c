/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record and flow codecs: there and back, limits, random bytes. */
#include "tests/unit.h"

#include <sodium.h>

#include "fpmd/directory/record.h"

static struct record sample(void)
{
	struct record record = {
		.owner = unit_address("10.255.0.3"),
		.version = UINT64_C(0x0123456789abcdef),
		.owner_epoch = RECORD_EPOCH_MAX,
		.client = 0x4711,
	};

	for (uint8_t i = 0; i < RECORD_KEY_SIZE; i++)
		record.key.bytes[i] = (uint8_t)(i * 7);
	return record;
}

START_TEST(record_there_and_back)
{
	static const char *const owners[] = {"10.255.0.3", "2001:db8::3", "fd00::1"};

	for (size_t i = 0; i < 3; i++) {
		struct record record = sample(), back;
		uint8_t wire[RECORD_SIZE];

		record.owner = unit_address(owners[i]);
		record_encode(&record, wire);
		ck_assert_int_eq(record_decode(wire, &back), 0);
		ck_assert(record_key_equal(&record.key, &back.key));
		ck_assert(address_equal(&record.owner, &back.owner));
		ck_assert_uint_eq(record.version, back.version);
		ck_assert_uint_eq(record.owner_epoch, back.owner_epoch);
		ck_assert_uint_eq(record.client, back.client);
	}
}
END_TEST

/* The format is final: these bytes must not change. */
START_TEST(record_bytes)
{
	struct record record = sample();
	uint8_t wire[RECORD_SIZE];
	char hex[2 * RECORD_SIZE + 1];

	record_encode(&record, wire);
	sodium_bin2hex(hex, sizeof(hex), wire, sizeof(wire));
	ck_assert_str_eq(hex, "00070e151c232a31383f464d545b6269"
			      "00000000000000000000ffff0aff0003"
			      "0123456789abcdef"
			      "ffffffffffff"
			      "4711");
}
END_TEST

START_TEST(record_refused)
{
	struct record record, back;
	uint8_t wire[RECORD_SIZE];

	for (int i = 0; i < 5; i++) {
		record = sample();
		if (i == 0)
			record.version = 0;
		if (i == 1)
			record.owner_epoch = 0;
		if (i == 2)
			record.owner = in6addr_any;
		if (i == 3)
			record.owner = unit_address("224.0.0.5");
		if (i == 4)
			record.owner = unit_address("ff02::1");
		record_encode(&record, wire);
		ck_assert_int_eq(record_decode(wire, &back), -1);
	}
}
END_TEST

START_TEST(flow_there_and_back)
{
	struct flow flow = unit_flow(40312), back;
	uint8_t wire[FLOW_WIRE_SIZE];

	flow_encode(&flow, wire);
	ck_assert_int_eq(flow_decode(wire, &back), 0);
	ck_assert(flow_equal(&flow, &back));
	flow.client = unit_address("2001:db8::7");
	flow.vip = unit_address("2001:db8::80");
	flow_encode(&flow, wire);
	ck_assert_int_eq(flow_decode(wire, &back), 0);
	ck_assert(flow_equal(&flow, &back));
}
END_TEST

START_TEST(flow_refused)
{
	uint8_t wire[FLOW_WIRE_SIZE];
	struct flow flow, back;

	for (int i = 0; i < 6; i++) {
		flow = unit_flow(40312);
		if (i == 0)
			flow.protocol = IPPROTO_UDP;
		if (i == 1)
			flow.client_port = 0;
		if (i == 2)
			flow.vip_port = 0;
		if (i == 3)
			flow.vip = unit_address("2001:db8::80");
		if (i == 4)
			flow.client = unit_address("239.1.1.1");
		if (i == 5)
			flow.vip = unit_address("0.0.0.0");
		flow_encode(&flow, wire);
		ck_assert_int_eq(flow_decode(wire, &back), -1);
	}
}
END_TEST

/* Whatever random bytes decode to, encodes to the same bytes. */
START_TEST(random_bytes)
{
	uint8_t wire[RECORD_SIZE], again[RECORD_SIZE];
	struct record record;
	struct flow flow;

	for (int i = 0; i < 20000; i++) {
		randombytes_buf(wire, sizeof(wire));
		if (i % 2)
			wire[46] = wire[47] = 0;
		if (record_decode(wire, &record) == 0) {
			record_encode(&record, again);
			ck_assert_mem_eq(wire, again, RECORD_SIZE);
		}
		wire[36] = IPPROTO_TCP;
		if (flow_decode(wire, &flow) == 0) {
			flow_encode(&flow, again);
			ck_assert_mem_eq(wire, again, FLOW_WIRE_SIZE);
		}
	}
}
END_TEST

START_TEST(key_depends_on_all)
{
	uint8_t secret[RECORD_HASH_SIZE] = {1};
	struct record_key key, other;
	struct flow flow = unit_flow(40312);

	record_key_make(secret, &flow, &key);
	record_key_make(secret, &flow, &other);
	ck_assert(record_key_equal(&key, &other));
	flow.client_port++;
	record_key_make(secret, &flow, &other);
	ck_assert(!record_key_equal(&key, &other));
	flow.client_port--;
	flow.vip_port++;
	record_key_make(secret, &flow, &other);
	ck_assert(!record_key_equal(&key, &other));
	flow.vip_port--;
	secret[0] = 2;
	record_key_make(secret, &flow, &other);
	ck_assert(!record_key_equal(&key, &other));
}
END_TEST

/* Of IPv6 the first 64 bits count: a client has as many addresses as it likes. */
START_TEST(client_of_a_record)
{
	static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "2001:db8:0:1::1",
						"2001:db8:0:1::2", "2001:db8:0:2::1"};
	const uint8_t hash_key[RECORD_HASH_SIZE] = {1}, other_key[RECORD_HASH_SIZE] = {2};
	uint16_t client[5];

	for (size_t i = 0; i < 5; i++) {
		struct in6_addr address = unit_address(addresses[i]);

		client[i] = record_client_make(hash_key, &address);
		ck_assert_uint_eq(client[i], record_client_make(hash_key, &address));
		ck_assert_uint_ne(client[i], record_client_make(other_key, &address));
	}
	ck_assert_uint_ne(client[0], client[1]);
	ck_assert_uint_eq(client[2], client[3]);
	ck_assert_uint_ne(client[2], client[4]);
}
END_TEST

UNIT_MAIN("record", record_there_and_back, record_bytes, record_refused, client_of_a_record,
	  flow_there_and_back, flow_refused, random_bytes, key_depends_on_all)
