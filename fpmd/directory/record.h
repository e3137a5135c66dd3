/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One entry of the directory and how it looks on the wire. Pure. All numbers are big-endian.
 *
 *   record: key 16 | owner 16 (IPv4 mapped) | version 8 | owner epoch 6 | client 2   = 48 bytes
 *   flow:   client 16 | VIP 16 | client port 2 | VIP port 2 | protocol 1             = 37 bytes
 */
#ifndef HOLDFAST_DIRECTORY_RECORD_H
#define HOLDFAST_DIRECTORY_RECORD_H

#include <string.h>

#include "fpmd/flow.h"

#define RECORD_SIZE 48
#define RECORD_KEY_SIZE 16
#define RECORD_HASH_SIZE 16
#define RECORD_EPOCH_MAX ((UINT64_C(1) << 48) - 1)
#define FLOW_WIRE_SIZE 37

/* A keyed hash of the flow: clients cannot aim at a bucket. */
struct record_key {
	uint8_t bytes[RECORD_KEY_SIZE];
};

struct record {
	struct record_key key;
	struct in6_addr owner;
	uint64_t version;     /* hybrid logical clock of the publication, never 0 */
	uint64_t owner_epoch; /* start of the owner's fpmd, ms since 1970, 48 bits, never 0 */
	uint16_t client;      /* record_client_make() */
};

void record_encode(const struct record *record, uint8_t wire[RECORD_SIZE]);

/* Returns 0, or -1: version or epoch 0, owner no unicast address. */
int record_decode(const uint8_t wire[RECORD_SIZE], struct record *record);

void flow_encode(const struct flow *flow, uint8_t wire[FLOW_WIRE_SIZE]);

/* Returns 0, or -1: not TCP, a port 0, an address that is unspecified or multicast. */
int flow_decode(const uint8_t wire[FLOW_WIRE_SIZE], struct flow *flow);

/*
 * A keyed hash of the client's address, of its /64 for IPv6: so that one client's records can be
 * counted. *hash_key* is the same on all members, see struct directory_keys.
 */
uint16_t record_client_make(const uint8_t hash_key[RECORD_HASH_SIZE],
			    const struct in6_addr *client);

/* With the same *hash_key*. */
void record_key_make(const uint8_t hash_key[RECORD_HASH_SIZE], const struct flow *flow,
		     struct record_key *key);

static inline bool record_key_equal(const struct record_key *a, const struct record_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
