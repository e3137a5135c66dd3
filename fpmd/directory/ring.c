/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rendezvous hashing of buckets over members. Pure; 16384 x 48 steps are a few ms. */
#include "fpmd/directory/ring.h"

#include <stdlib.h>
#include <string.h>

#include "fpmd/directory/wire.h"

/* The finalizer of splitmix64: part of the wire format, as all members must agree on it. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t member_seed(const struct in6_addr *address)
{
	uint64_t high = wire_read(address->s6_addr, 8);
	uint64_t low = wire_read(address->s6_addr + 8, 8);

	return mix(mix(high + UINT64_C(0x9e3779b97f4a7c15)) ^ low);
}

int ring_order(const struct in6_addr *a, const struct in6_addr *b)
{
	uint64_t left = member_seed(a);
	uint64_t right = member_seed(b);

	if (left != right)
		return left < right ? -1 : 1;
	return memcmp(a, b, sizeof(*a));
}

static int member_compare(const void *a, const void *b)
{
	const struct ring_member *left = a;
	const struct ring_member *right = b;

	return ring_order(&left->address, &right->address);
}

void ring_build(struct ring *ring, struct ring_member *members, size_t count, size_t limit,
		uint8_t replicas)
{
	uint64_t seed[RING_MEMBERS_MAX];

	memset(ring, 0, sizeof(*ring));
	if (count > 0)
		qsort(members, count, sizeof(*members), member_compare);
	if (limit > RING_MEMBERS_MAX)
		limit = RING_MEMBERS_MAX;
	if (count > limit)
		count = limit;
	if (replicas > RING_REPLICAS_MAX)
		replicas = RING_REPLICAS_MAX;
	ring->members = (uint16_t)count;
	ring->replicas = (uint8_t)(replicas < count ? replicas : count);
	for (size_t i = 0; i < count; i++)
		seed[i] = member_seed(&members[i].address);
	for (uint32_t bucket = 0; bucket < RING_BUCKETS; bucket++) {
		uint64_t best[RING_REPLICAS_MAX] = {0};
		size_t found = 0;

		for (size_t i = 0; i < count; i++) {
			uint64_t weight = mix(seed[i] ^ mix(bucket + 1));
			size_t at = found < ring->replicas ? found++ : ring->replicas;

			while (at > 0 && weight > best[at - 1]) {
				if (at < ring->replicas) {
					best[at] = best[at - 1];
					ring->holder[bucket][at] = ring->holder[bucket][at - 1];
				}
				at--;
			}
			if (at < ring->replicas) {
				best[at] = weight;
				ring->holder[bucket][at] = members[i].id;
			}
		}
	}
}

bool ring_holds(const struct ring *ring, uint16_t bucket, uint16_t id)
{
	for (uint8_t i = 0; i < ring->replicas; i++) {
		if (ring->holder[bucket][i] == id)
			return true;
	}
	return false;
}
