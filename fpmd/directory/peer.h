/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the transport knows of one peer: keys of both directions, the proven boot, challenges.
 * Pure but for libsodium's random numbers; time is monotonic ms.
 */
#ifndef HOLDFAST_DIRECTORY_PEER_H
#define HOLDFAST_DIRECTORY_PEER_H

#include "fpmd/directory/replay.h"
#include "fpmd/directory/seal.h"

#define PEER_CHALLENGES 2
#define PEER_HELLO_FIRST_MS 100
#define PEER_HELLO_LAST_MS 1000
#define PEER_STRANGE_PER_S 500 /* hellos of unproven boots that are opened and answered */
#define PEER_BATCHES DATAGRAM_TYPES

struct peer {
	struct in6_addr address;
	struct boot boot; /* proven; epoch 0: none yet */
	struct replay replay;
	struct seal receive[KEYS_MAX];
	bool receive_ready[KEYS_MAX];
	struct seal send;
	bool send_ready;
	uint64_t counter;				    /* last one sent */
	uint8_t challenge[PEER_CHALLENGES][CHALLENGE_SIZE]; /* the newest first */
	uint64_t challenge_ms[PEER_CHALLENGES];		    /* when they were made */
	uint8_t challenges;
	bool fresh;	   /* answered since the route came */
	uint64_t hello_ms; /* the next one is due */
	uint64_t hello_sent_ms;
	uint32_t hello_interval_ms;
	uint64_t strange_ms;
	uint16_t strange; /* in the second that began at strange_ms */
	uint8_t *batch[PEER_BATCHES];
	uint16_t batched[PEER_BATCHES];
};

void peer_init(struct peer *peer, const struct in6_addr *address);
void peer_clear(struct peer *peer);

/* Makes a new challenge; returns it. */
const uint8_t *peer_challenge(struct peer *peer, uint64_t now_ms);

enum peer_answer {
	PEER_STALE,	/* no challenge of ours, or an older boot: not taken */
	PEER_SAME,	/* the boot that was proven already */
	PEER_RESTARTED, /* a newer boot, now proven */
};

/*
 * An authentic answer of *boot* to *challenge*, with this counter. A boot that is older than the
 * one proven is not taken: the next hello tells the peer, and it takes a newer one. Unless stale,
 * *asked_ms* is when the challenge was made.
 */
enum peer_answer peer_prove(struct peer *peer, struct boot boot,
			    const uint8_t challenge[CHALLENGE_SIZE], uint64_t counter,
			    uint64_t *asked_ms);

/* May one more hello of a boot that is not proven be opened now? */
bool peer_admit_strange(struct peer *peer, uint64_t now_ms);

/* Is a hello due? Then moves the time of the next one. */
bool peer_hello_due(struct peer *peer, uint64_t now_ms);

/* The peer seems to have a boot that we do not know: say hello soon, not more often than 1 in 100
 * ms. */
void peer_hello_soon(struct peer *peer);

bool boot_equal(struct boot a, struct boot b);

#endif
