/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sealed datagrams between members: the UDP socket, the keys of each peer, hellos, batches. Runs in
 * the event loop. A message reaches the handler only from a reachable member, authentic, once, and
 * from the boot that answered a challenge of ours.
 */
#ifndef HOLDFAST_DIRECTORY_TRANSPORT_H
#define HOLDFAST_DIRECTORY_TRANSPORT_H

#include <event2/event.h>

#include "fpmd/directory/datagram.h"
#include "fpmd/directory/group_clock.h"
#include "fpmd/directory/key.h"
#include "fpmd/directory/member.h"

/* A steady stream of records and deletions leaves so often. */
#define TRANSPORT_WINDOW_MS 25

struct transport;

/* A member answered a fresh challenge. */
struct transport_proof {
	uint64_t epoch;
	bool restarted;	   /* in another boot than before */
	uint64_t clock_ms; /* what it said that the time is, ms since 1970, ... */
	uint64_t asked_ms; /* ... between this moment, monotonic, and now */
	bool director;	   /* it has no sessions of its own */
	bool draining;	   /* it takes no new ones */
};

struct transport_handlers {
	/* *count* entries of *type* at *entries*, from a boot that is proven. */
	void (*message)(void *arg, uint16_t member, uint8_t type, const uint8_t *entries,
			size_t count);
	void (*proven)(void *arg, uint16_t member, const struct transport_proof *proof);
	/* Any other authentic datagram of its proven boot. */
	void (*heard)(void *arg, uint16_t member);
	/* Others know a boot of ours that is not older than this one: take a newer one. */
	void (*outdated)(void *arg, uint64_t known_epoch);
};

struct transport_counters {
	uint64_t received;
	uint64_t sent;
	uint64_t send_failed;
	uint64_t from_stranger; /* source is no reachable member, or another port */
	uint64_t malformed;	/* size, magic, wire version, type, entries */
	uint64_t unknown_key;
	uint64_t unknown_boot; /* from a boot that was not proven yet */
	uint64_t replayed;
	uint64_t not_authentic;
	uint64_t hello_stale; /* answer to no challenge of ours, or from an older boot */
	uint64_t hello_limited;
};

/* Opens and binds the socket. *keys*, *members* and *clock* must outlive the transport. */
int transport_open(struct event_base *base, const struct in6_addr *local, uint16_t port,
		   const struct directory_keys *keys, const struct member_set *members,
		   const struct group_clock *clock, struct boot boot,
		   const struct transport_handlers *handlers, void *arg,
		   struct transport **transport, struct error *error);
void transport_close(struct transport *transport);

/* Starts a new boot of this host; all peers have to learn it. */
void transport_set_boot(struct transport *transport, struct boot boot);

/*
 * Adds an entry to the batch for a member. It leaves at the end of the loop's turn, or when the
 * batch is full; records and deletions, when there is a steady stream of them, wait for up to
 * TRANSPORT_WINDOW_MS.
 */
void transport_send(struct transport *transport, uint16_t member, uint8_t type,
		    const uint8_t *entry);

/* What our hellos say of this host, see struct hello; false at first. */
void transport_director_set(struct transport *transport, bool director);
void transport_draining_set(struct transport *transport, bool draining);

/* Sends the hellos that are due; to be called every 100 ms or more often. */
void transport_tick(struct transport *transport, uint64_t now_ms);

/* The id names another host from now on. */
void transport_forget(struct transport *transport, uint16_t member);

/* The member has no route any more: before it counts again it has to answer a new challenge. */
void transport_unroute(struct transport *transport, uint16_t member);

const struct transport_counters *transport_counters(const struct transport *transport);

#endif
