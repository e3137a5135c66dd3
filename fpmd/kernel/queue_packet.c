/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of a held segment. Pure; never reads past the bytes it was given. */
#include <string.h>

#include "fpmd/kernel/queue_packet.h"

#define TCP_HEADER_SIZE 20
#define TCP_FLAGS 13
#define TCP_RST 0x04

static uint16_t read16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static int parse_tcp(const uint8_t *tcp, size_t size, struct queue_packet *out)
{
	if (size < TCP_HEADER_SIZE || (tcp[12] >> 4) < 5)
		return -1;
	out->flow.protocol = IPPROTO_TCP;
	out->flow.client_port = read16(tcp);
	out->flow.vip_port = read16(tcp + 2);
	out->reset = tcp[TCP_FLAGS] & TCP_RST;
	return 0;
}

static int parse_ipv4(const uint8_t *ip, size_t size, struct queue_packet *out)
{
	size_t header = (size_t)(ip[0] & 15) * 4;

	if (header < 20 || size < header || ip[9] != IPPROTO_TCP)
		return -1;
	if (read16(ip + 6) & 0x1fff) /* not the first fragment */
		return -1;
	if (address_from_bytes(ip + 12, 4, &out->flow.client) ||
	    address_from_bytes(ip + 16, 4, &out->flow.vip))
		return -1;
	return parse_tcp(ip + header, size - header, out);
}

static int parse_ipv6(const uint8_t *ip, size_t size, struct queue_packet *out)
{
	size_t offset = 40, length;
	uint8_t next;

	if (size < offset)
		return -1;
	next = ip[6];
	memcpy(&out->flow.client, ip + 8, 16);
	memcpy(&out->flow.vip, ip + 24, 16);
	/* Extension headers; each step consumes at least eight bytes of a bounded buffer. */
	while (next != IPPROTO_TCP) {
		if (size - offset < 8)
			return -1;
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			length = (size_t)(ip[offset + 1] + 1) * 8;
			break;
		case IPPROTO_FRAGMENT:
			if (read16(ip + offset + 2) & 0xfff8)
				return -1;
			length = 8;
			break;
		default:
			return -1;
		}
		if (length > size - offset)
			return -1;
		next = ip[offset];
		offset += length;
	}
	return parse_tcp(ip + offset, size - offset, out);
}

int queue_packet_parse(const uint8_t *bytes, size_t size, struct queue_packet *out)
{
	memset(out, 0, sizeof(*out));
	if (size < 20)
		return -1;
	switch (bytes[0] >> 4) {
	case 4:
		return parse_ipv4(bytes, size, out);
	case 6:
		return parse_ipv6(bytes, size, out);
	default:
		return -1;
	}
}
