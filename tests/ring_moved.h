/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a change of the ring moves: for the ring's test and the simulation. */
#ifndef HOLDFAST_TEST_RING_MOVED_H
#define HOLDFAST_TEST_RING_MOVED_H

#include "fpmd/directory/ring.h"

/* Do the same members keep this bucket, in whatever order? */
static inline bool ring_bucket_same(const struct ring *a, const struct ring *b, uint16_t bucket)
{
	if (a->replicas != b->replicas)
		return false;
	for (uint8_t i = 0; i < a->replicas; i++) {
		if (!ring_holds(b, bucket, a->holder[bucket][i]))
			return false;
	}
	return true;
}

/* How many buckets have another set of members in *b* than in *a*. */
static inline size_t ring_moved(const struct ring *a, const struct ring *b)
{
	size_t moved = 0;

	for (uint32_t bucket = 0; bucket < RING_BUCKETS; bucket++)
		moved += !ring_bucket_same(a, b, (uint16_t)bucket);
	return moved;
}

#endif
