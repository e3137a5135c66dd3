/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which way tunnel packets to an owner take. A router that sent us a stray of the owner's may have
 * lost its way to it, and our route to the owner may lead through the same router: until the
 * routing protocol has converged, another next hop of the route is used. Pure; time is an argument.
 */
#ifndef HOLDFAST_STEER_H
#define HOLDFAST_STEER_H

#include "fpmd/routes.h"

/* So long after the last stray the routing table has the word again. */
#define STEER_MS 3000
#define STEER_HOPS_MAX 64 /* routes with more next hops are left alone */
#define STEER_PLAIN 0

/* Of one owner; all zero: nothing is known. It belongs to the owner's route as it is: a change of
 * the route ends it. */
struct steering {
	uint64_t suspects; /* bit i: next hop i sent us a stray of the owner's */
	uint64_t until_ms;
	uint16_t way; /* 1 + the next hop in use, or STEER_PLAIN */
};

/*
 * A stray came in by *interface*; *hops* are the next hops of the owner's route. Returns whether
 * the way changed. When all next hops are under suspicion the way is STEER_PLAIN.
 */
bool steer_stray(struct steering *steering, const struct route_next_hop *hops, size_t count,
		 const char *interface, uint64_t now_ms);

/* Forgets everything. Returns whether the way changed, which is STEER_PLAIN now. */
bool steer_end(struct steering *steering);

bool steer_is_due(const struct steering *steering, uint64_t now_ms);

#endif
