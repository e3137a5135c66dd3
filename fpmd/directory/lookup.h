/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One look-up of a session's owner, as a state machine. Pure: answers and time go in; whom to ask
 * now, when to look again and the answer come out. Time is monotonic microseconds.
 *
 *   replicas: the primary is asked, the next one when a hedge time passed or one of them missed;
 *             or all in parallel, while membership changes;
 *             the first claim is the answer; a record names an owner that must be heard first:
 *   confirm:  the owner is asked until it claims (or disowns) the session, so that its segments
 *             wait here, not get lost, while the network still looks for a path to it; an owner
 *             that is silent, or stays so, is believed by the record
 *   all:      on a miss of all replicas, or their silence, each other member of the ring is asked,
 *             if the view allows it. A claim (it has the session itself) is the answer at once. A
 *             record counts after a short wait for claims, when its owner was asked as above, and
 *             not if it disowned it
 *   absent:   only when each member of the ring missed, and the ring is known entirely
 *
 * If a server keeps the records it is the only replica. What it does not know, or does not answer,
 * is asked of all members: its miss alone never proves absence. So is what it knows of an owner
 * that does not answer: whoever has the session now may not reach the server.
 *
 * A member that misses has looked into its records and into its kernel.
 */
#ifndef HOLDFAST_DIRECTORY_LOOKUP_H
#define HOLDFAST_DIRECTORY_LOOKUP_H

#include "fpmd/directory/datagram.h"
#include "fpmd/directory/directory.h"
#include "fpmd/directory/member.h"
#include "fpmd/directory/ring.h"

#define LOOKUP_HEDGE_MIN_US 500
#define LOOKUP_HEDGE_MAX_US 20000
#define LOOKUP_ALL_US 50000	 /* silence of the replicas; half of the deadline if that is less */
#define LOOKUP_KEEPER_US 20000	 /* the same of a server that keeps all records */
#define LOOKUP_CLAIM_US 10000	 /* how long a record waits for claims */
#define LOOKUP_CONFIRM_US 150000 /* less than a client takes to send again */
#define LOOKUP_CONFIRM_REPEAT_US 10000
/*
 * An owner that is heard again was out of reach: the network found one path to it, others follow.
 * Its sessions' segments take paths of their own, so they wait a little longer.
 */
#define LOOKUP_SETTLE_US 50000
#define LOOKUP_REPEAT_US 100000
#define LOOKUP_REPEATS 3

/*
 * How long replicas take to answer, smoothed as RFC 6298 does for TCP: the next one is asked when
 * an answer is later than can be expected. All zeros at first.
 */
struct answer_time {
	uint32_t smoothed_us;
	uint32_t variation_us;
};

void answer_time_sample(struct answer_time *time, uint64_t sample_us);

/* Between LOOKUP_HEDGE_MIN_US and _MAX_US. */
uint32_t answer_time_hedge_us(const struct answer_time *time);

/* The members as they are at this moment. */
struct lookup_view {
	const struct member_bits *ring;
	const struct member_bits *silent;
	uint16_t members;	   /* ids are below */
	bool incomplete;	   /* see member_set_incomplete() */
	bool too_many;		   /* as many look-ups as may be have asked all members lately */
	uint32_t hedge_us;	   /* for look-ups that start now */
	const uint64_t *settle_us; /* by id: no owner is found before; NULL: none has to settle */
};

struct lookup {
	uint64_t start_us;
	uint64_t deadline_us;
	uint64_t hedge_us; /* after this time without an answer the next replica is asked */
	bool asking_all;
	uint64_t all_us;     /* since when; or when silent replicas were asked again instead */
	uint64_t confirm_us; /* when the record's owner was asked, 0: not yet */
	uint64_t confirm_repeat_us;
	uint16_t confirm_id; /* who that was */
	uint16_t replica[RING_REPLICAS_MAX];
	uint8_t replicas;
	uint8_t repeats;
	bool claimed;
	bool recorded;
	bool doubted; /* the record: its owner's own word counts, its silence does not */
	bool parallel;
	bool disbelieving;
	struct in6_addr disbelieved;
	uint16_t owner_id; /* of the record, UINT16_MAX: no member that we know */
	uint64_t version;
	struct in6_addr owner;
	unsigned int messages;
	struct member_bits asked;
	struct member_bits missed; /* answered with a miss */
	struct member_bits record; /* answered with a record */
};

struct lookup_step {
	struct member_bits ask; /* MEMBER_LOCAL: answer it from this host, now */
	bool any;
	bool asks_all; /* from now on all members */
	int unheard;   /* a member that did not answer several times, it has to settle; or -1 */
	bool done;
	bool limited;		      /* it timed out at once: view->too_many */
	bool missed;		      /* then: each replica answered that it knows nothing */
	enum directory_answer answer; /* when done; the owner is in the lookup */
	uint64_t wake_us;
};

/* *replica* in the order of the ring. Ask lookup_next() right after. */
void lookup_start(struct lookup *lookup, const uint16_t *replica, uint8_t replicas,
		  const struct lookup_view *view, uint64_t now_us, uint64_t deadline_us);

/* Some replicas may not have the record yet: all are asked at once. */
void lookup_in_parallel(struct lookup *lookup);

/* This owner denied the session lately: a record of it does not count unless it claims it. */
void lookup_disbelieve(struct lookup *lookup, const struct in6_addr *owner);

/*
 * Member *id* answered. *owner_id* is the owner's id if it is a member. Returns false, and takes
 * no notice, if it was not asked.
 */
bool lookup_answer(struct lookup *lookup, uint16_t id, enum get_status status,
		   const struct record *record, int owner_id);

/* Was *id* the first other host that was asked, right at the start? */
bool lookup_asked_first(const struct lookup *lookup, uint16_t id);

/* What to do now; to be called after the start, after answers, at wake_us, on changes of the view.
 */
void lookup_next(struct lookup *lookup, const struct lookup_view *view, uint64_t now_us,
		 struct lookup_step *step);

#endif
