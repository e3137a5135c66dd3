/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The members as this host sees them. Pure; time is monotonic ms.
 * A host is in the ring while its route is there and its fpmd, since the route came, proved its
 * boot. It stays when it falls silent: what it knows cannot be known to be gone. It leaves at once
 * when the route goes.
 */
#ifndef HOLDFAST_DIRECTORY_MEMBER_H
#define HOLDFAST_DIRECTORY_MEMBER_H

#include "fpmd/flow.h"

/*
 * Of more hosts, this one included, only so many are members: the first in ring_order(), so that
 * all hosts take the same ones, whatever they learned first. Each look-up has sets of so many bits.
 */
#ifndef MEMBERS_MAX
#define MEMBERS_MAX 1024
#endif
#define MEMBER_WORDS (MEMBERS_MAX / 64 + 1)
#define MEMBER_LOCAL 0
/*
 * No member: the server that keeps all records, if the engine is Valkey. In the ring's bits while
 * it can be asked.
 */
#define MEMBER_KEEPER MEMBERS_MAX

/* After this time without silence's end a member counts as silent. */
#define MEMBER_SILENT_MS 3000
/* A host with a new route gets so long for its hello before it counts as no member at all. */
#define MEMBER_GRACE_MS 3000
/* A route may go and be back in a moment: for so long its host may still be a member. */
#define MEMBER_LOST_MS 300
/* For so long after its start, or since its route went, a member may lack records of its buckets.
 */
#define MEMBER_NEW_MS 5000

/* A set of members by id. */
struct member_bits {
	uint64_t word[MEMBER_WORDS];
};

static inline void member_bits_set(struct member_bits *bits, uint16_t id)
{
	bits->word[id / 64] |= UINT64_C(1) << (id % 64);
}

static inline void member_bits_clear(struct member_bits *bits, uint16_t id)
{
	bits->word[id / 64] &= ~(UINT64_C(1) << (id % 64));
}

static inline bool member_bits_has(const struct member_bits *bits, uint16_t id)
{
	return bits->word[id / 64] >> (id % 64) & 1;
}

/* The first member's id above *id* that is in the set; -1: none. Begin with -1. */
static inline int member_bits_next(const struct member_bits *bits, int id)
{
	unsigned int at = (unsigned int)(id + 1);
	uint64_t word;

	if (at >= MEMBERS_MAX)
		return -1;
	word = bits->word[at / 64] >> (at % 64) << (at % 64);
	for (at /= 64; word == 0; word = bits->word[at]) {
		if (++at == MEMBERS_MAX / 64)
			return -1;
	}
	return (int)(at * 64 + (unsigned int)__builtin_ctzll(word));
}

struct member {
	struct in6_addr address;
	bool routed;
	bool proven; /* an answer to a fresh challenge since the route came */
	bool silent;
	bool director;	/* it has no sessions of its own, as it said last */
	bool draining;	/* it takes no new ones, as it said last */
	uint64_t epoch; /* newest that was proven, 0: none */
	uint64_t routed_ms;
	uint64_t lost_ms;  /* when it left the ring, 0: it did not */
	uint64_t heard_ms; /* valid if epoch is not 0 */
	int64_t clock_ms;  /* of its clock, see group_clock_distance(); valid if epoch is not 0 */
};

struct member_set {
	struct member member[MEMBERS_MAX]; /* by id; MEMBER_LOCAL is this host */
	uint16_t count;
	bool known;	     /* routes were given at least once */
	size_t left_out;     /* reachable hosts for which there was no room */
	bool local_left_out; /* this host is one that all others leave out, if they see the same */
	struct member_bits ring;
	struct member_bits silent;
	uint16_t by_address[4 * MEMBERS_MAX]; /* id + 1 */
};

/* What a call changed, bits. */
#define MEMBER_CHANGED_STATE 1
#define MEMBER_CHANGED_RING 2

void member_set_init(struct member_set *set, const struct in6_addr *local, uint64_t epoch,
		     uint64_t now_ms);

/* Id of a host that was ever reachable, or -1. */
int member_find(const struct member_set *set, const struct in6_addr *address);

/*
 * The whole set of reachable hosts; others lose their route. Hosts of another address family than
 * the local member do not count. *replaced* (may be NULL) is called for each id that
 * now names another host.
 */
typedef void member_replaced_fn(void *arg, uint16_t id);
unsigned int member_set_routes(struct member_set *set, const struct in6_addr *hosts, size_t count,
			       uint64_t now_ms, member_replaced_fn *replaced, void *arg);

/* It answered a fresh challenge in this epoch. */
unsigned int member_set_proven(struct member_set *set, uint16_t id, uint64_t epoch,
			       uint64_t now_ms);

/* An authentic datagram of its proven boot arrived. */
unsigned int member_set_heard(struct member_set *set, uint16_t id, uint64_t now_ms);

/* Finds out who fell silent. */
unsigned int member_set_tick(struct member_set *set, uint64_t now_ms);

bool member_in_ring(const struct member_set *set, uint16_t id);

/* May it still lack records? *wall_ms*: since 1970, as epochs are. */
bool member_is_new(const struct member *member, uint64_t now_ms, uint64_t wall_ms);

/*
 * Might there be hosts with sessions that we do not ask: no routes were given, there was no room
 * for all hosts, a host whose route is new had no time for its hello, or a member lost its route
 * just now? Then absence cannot be proven.
 */
bool member_set_incomplete(const struct member_set *set, uint64_t now_ms);

#endif
