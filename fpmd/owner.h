/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owner ids: the number that the mark of a detoured packet carries for each member. An id that was
 * given up rests before another member gets it, so that no packet under way is sent to the wrong
 * one. Pure; time is an argument.
 */
#ifndef HOLDFAST_OWNER_H
#define HOLDFAST_OWNER_H

#include "fpmd/flow.h"
#include "fpmd/steer.h"

#define OWNER_NONE 0
#define OWNER_MAX 4095
/* Longer than a packet can stay inside a host. */
#define OWNER_REST_MS 10000

struct owner {
	struct in6_addr address;
	bool used;
	bool ever;	      /* the address is that of its last user */
	uint64_t released_ms; /* when it was given up */
	uint64_t pins;	      /* how many pins point to it */
	bool director;	      /* it says that it has no sessions of its own */
	struct steering steering;
};

struct owners {
	struct owner table[OWNER_MAX + 1]; /* by id; 0 is not used */
	uint16_t max;			   /* largest id that the mark's mask can hold */
};

/* *mask* is the owner field of the mark. */
void owners_init(struct owners *owners, uint32_t mask);

/*
 * The id of a member: the one that it has, the one that it had last, or one that rested long
 * enough. OWNER_NONE if all are in use or resting.
 */
uint16_t owner_retain(struct owners *owners, const struct in6_addr *address, uint64_t now_ms);

/* Takes over an id that the kernel has. Returns 0, or -1 if the id is out of range or taken by
 * another. */
int owner_adopt(struct owners *owners, uint16_t id, const struct in6_addr *address);

/* The member is gone and has no pins any more. */
void owner_release(struct owners *owners, uint16_t id, uint64_t now_ms);

/* Is any id in use? */
bool owners_any(const struct owners *owners);

uint16_t owner_find(const struct owners *owners, const struct in6_addr *address);

#endif
