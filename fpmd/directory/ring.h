/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring: which members keep the records of each bucket, by rendezvous hashing (highest random
 * weight). Pure. Two hosts that know the same members build the same ring, whatever the order.
 */
#ifndef HOLDFAST_DIRECTORY_RING_H
#define HOLDFAST_DIRECTORY_RING_H

#include "fpmd/directory/record.h"

#ifndef RING_BUCKETS
#define RING_BUCKETS 16384
#endif
#define RING_REPLICAS_MAX 3
#define RING_MEMBERS_MAX 1024

struct ring_member {
	struct in6_addr address;
	uint16_t id; /* the caller's name for it */
};

struct ring {
	uint8_t replicas; /* of every bucket; fewer than asked for in a small ring */
	uint16_t members;
	uint16_t holder[RING_BUCKETS][RING_REPLICAS_MAX]; /* ids, the primary first */
};

/*
 * The order in which hosts are taken where there is no room for all: by a hash of the address, the
 * same on all hosts. Below, equal to or above 0, as memcmp().
 */
int ring_order(const struct in6_addr *a, const struct in6_addr *b);

/*
 * Builds the ring over *members*, *count* may be 0. Of more than *limit* only so many are taken,
 * the first in ring_order(), at most RING_MEMBERS_MAX; *members* is put into another order.
 */
void ring_build(struct ring *ring, struct ring_member *members, size_t count, size_t limit,
		uint8_t replicas);

static inline uint16_t ring_bucket(const struct record_key *key)
{
	return (uint16_t)((key->bytes[0] << 8 | key->bytes[1]) & (RING_BUCKETS - 1));
}

bool ring_holds(const struct ring *ring, uint16_t bucket, uint16_t id);

#endif
