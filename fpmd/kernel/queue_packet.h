/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of a held segment. Pure: bytes in, flow out. */
#ifndef HOLDFAST_QUEUE_PACKET_H
#define HOLDFAST_QUEUE_PACKET_H

#include "fpmd/flow.h"

struct queue_packet {
	struct flow flow; /* client = source, VIP = destination */
	bool reset;
};

/*
 * Parses the first *size* bytes of an IPv4 or IPv6 packet that carries TCP; the rest of it may be
 * missing, also its length field may say 0 (GSO). Returns 0, or -1 if that is not such a packet,
 * not the first fragment of one, or if the TCP header is not among the bytes.
 */
int queue_packet_parse(const uint8_t *bytes, size_t size, struct queue_packet *out);

#endif
