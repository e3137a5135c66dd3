/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows by number, for tools/bench: the same numbers as those of tests/directory_node.c, so that
 * its members own what these programs send. Only IPv4.
 */
#ifndef HOLDFAST_TESTS_PACKET_FLOW_H
#define HOLDFAST_TESTS_PACKET_FLOW_H

#include <arpa/inet.h>
#include <stdint.h>

#define PACKET_FLOWS_MAX (1u << 23)
#define PACKET_VIP 0xc0000250u /* 192.0.2.80 */
#define PACKET_VIP_PORT 80
#define PACKET_CLIENTS 0xc6120000u /* 198.18.0.0, RFC 2544 */

/* Host byte order. */
static inline uint32_t packet_client(uint32_t number)
{
	return PACKET_CLIENTS | number >> 14;
}

static inline uint16_t packet_client_port(uint32_t number)
{
	return (uint16_t)(1024 + (number & 0x3fff));
}

/* PACKET_FLOWS_MAX or more: none of them. */
static inline uint32_t packet_number(uint32_t client, uint16_t port)
{
	if ((client & 0xffff0000u) != PACKET_CLIENTS || port < 1024 || port >= 1024 + 0x4000)
		return UINT32_MAX;
	return (client & 0xffff) << 14 | (uint32_t)(port - 1024);
}

/* The sequence number of the SYN-ACK: without having seen it, nobody can acknowledge it. */
static inline uint32_t packet_server_sequence(uint32_t number)
{
	return number * 2654435761u;
}

#endif
