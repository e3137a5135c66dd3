/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of held segments: whole, cut short, and odd. */
#include "fpmd/kernel/queue_packet.h"
#include "tests/unit.h"

#define TCP_ACK 0x10
#define TCP_RST 0x04

static size_t put_tcp(uint8_t *at, uint8_t flags)
{
	memset(at, 0, 20);
	at[0] = 40312 >> 8;
	at[1] = 40312 & 255;
	at[3] = 80;
	at[12] = 5 << 4;
	at[13] = flags;
	return 20;
}

static size_t put_ipv4(uint8_t *packet, size_t options, uint8_t flags)
{
	const uint8_t head[20] = {0x40, 0, 0,	0,  0,	 0, 0,	 0, 64, IPPROTO_TCP,
				  0,	0, 198, 51, 100, 7, 192, 0, 2,	80};

	memset(packet, 0, 60);
	memcpy(packet, head, sizeof(head));
	packet[0] = (uint8_t)(0x40 | (5 + options / 4));
	return 20 + options + put_tcp(packet + 20 + options, flags);
}

static size_t put_ipv6(uint8_t *packet, uint8_t next)
{
	const uint8_t client[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
	const uint8_t vip[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x80};

	memset(packet, 0, 40);
	packet[0] = 0x60;
	packet[6] = next;
	memcpy(packet + 8, client, 16);
	memcpy(packet + 24, vip, 16);
	return 40;
}

/* Parses a copy that ends where the heap block ends, so that a sanitizer sees every byte too far.
 */
static int parse(const uint8_t *packet, size_t size, struct queue_packet *out)
{
	uint8_t *copy = malloc(size ? size : 1);
	int result;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, packet, size);
	result = queue_packet_parse(copy, size, out);
	free(copy);
	return result;
}

START_TEST(ipv4_is_read)
{
	struct flow expected = unit_flow(40312);
	struct queue_packet out;
	uint8_t packet[200];
	size_t size;

	for (size_t options = 0; options <= 40; options += 4) {
		size = put_ipv4(packet, options, TCP_ACK);
		ck_assert_int_eq(parse(packet, size, &out), 0);
		ck_assert(flow_equal(&out.flow, &expected));
		ck_assert_int_eq(memcmp(&out.flow, &expected, sizeof(expected)), 0);
		ck_assert(!out.reset);
	}
	size = put_ipv4(packet, 0, TCP_ACK | TCP_RST);
	ck_assert_int_eq(parse(packet, size, &out), 0);
	ck_assert(out.reset);
}
END_TEST

START_TEST(every_cut_is_refused)
{
	struct queue_packet out;
	uint8_t packet[200];
	size_t size = put_ipv4(packet, 8, TCP_ACK);

	for (size_t cut = 0; cut < size; cut++)
		ck_assert_int_eq(parse(packet, cut, &out), -1);
	size = put_ipv6(packet, IPPROTO_TCP);
	size += put_tcp(packet + size, TCP_ACK);
	for (size_t cut = 0; cut < size; cut++)
		ck_assert_int_eq(parse(packet, cut, &out), -1);
	ck_assert_int_eq(parse(packet, size, &out), 0);
}
END_TEST

START_TEST(odd_ipv4_is_refused)
{
	struct queue_packet out;
	uint8_t packet[200];
	size_t size = put_ipv4(packet, 0, TCP_ACK);

	packet[9] = IPPROTO_UDP;
	ck_assert_int_eq(parse(packet, size, &out), -1);
	packet[9] = IPPROTO_TCP;
	packet[7] = 1; /* a later fragment */
	ck_assert_int_eq(parse(packet, size, &out), -1);
	packet[7] = 0;
	packet[6] = 0x20; /* the first one */
	ck_assert_int_eq(parse(packet, size, &out), 0);
	packet[0] = 0x44; /* header of 16 bytes */
	ck_assert_int_eq(parse(packet, size, &out), -1);
	packet[0] = 0x4f; /* header longer than the bytes */
	ck_assert_int_eq(parse(packet, size, &out), -1);
	packet[0] = 0x55;
	ck_assert_int_eq(parse(packet, size, &out), -1);
	size = put_ipv4(packet, 0, TCP_ACK);
	packet[32] = 4 << 4; /* TCP header of 16 bytes */
	ck_assert_int_eq(parse(packet, size, &out), -1);
}
END_TEST

START_TEST(ipv6_extensions_are_skipped)
{
	struct in6_addr client = unit_address("2001:db8::7"), vip = unit_address("2001:db8::80");
	struct queue_packet out;
	uint8_t packet[400];
	size_t size;

	size = put_ipv6(packet, IPPROTO_HOPOPTS);
	memset(packet + size, 0, 8 + 24 + 8);
	packet[size] = IPPROTO_DSTOPTS;
	size += 8;
	packet[size] = IPPROTO_FRAGMENT;
	packet[size + 1] = 2;
	size += 24;
	packet[size] = IPPROTO_TCP;
	packet[size + 3] = 1; /* first fragment, more follow */
	size += 8;
	size += put_tcp(packet + size, TCP_ACK);
	ck_assert_int_eq(parse(packet, size, &out), 0);
	ck_assert(address_equal(&out.flow.client, &client));
	ck_assert(address_equal(&out.flow.vip, &vip));
	ck_assert_uint_eq(out.flow.client_port, 40312);
	ck_assert_uint_eq(out.flow.vip_port, 80);
	for (size_t cut = 0; cut < size; cut++)
		ck_assert_int_eq(parse(packet, cut, &out), -1);
	packet[40 + 8 + 24 + 3] = 8; /* a later fragment */
	ck_assert_int_eq(parse(packet, size, &out), -1);
	packet[40 + 8 + 24 + 3] = 0;
	packet[40 + 8 + 1] = 255; /* longer than the bytes */
	ck_assert_int_eq(parse(packet, size, &out), -1);
	packet[40] = IPPROTO_NONE;
	ck_assert_int_eq(parse(packet, size, &out), -1);
}
END_TEST

START_TEST(noise_is_survived)
{
	struct queue_packet out;
	uint8_t packet[128];
	uint32_t random = 1;

	for (int i = 0; i < 200000; i++) {
		for (size_t j = 0; j < sizeof(packet); j++) {
			random = random * 1664525 + 1013904223;
			packet[j] = (uint8_t)(random >> 24);
		}
		packet[0] = (uint8_t)((i & 1 ? 0x40 : 0x60) | (packet[0] & 15));
		if (i & 2) {
			packet[6] = (uint8_t[]){0, 43, 44, 60}[i >> 2 & 3];
			packet[9] = IPPROTO_TCP;
		}
		parse(packet, random % (sizeof(packet) + 1), &out);
	}
}
END_TEST

UNIT_MAIN("queue_packet", ipv4_is_read, every_cut_is_refused, odd_ipv4_is_refused,
	  ipv6_extensions_are_skipped, noise_is_survived)
