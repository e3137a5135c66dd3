/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which members count as reachable, given the routes. It tells the loss of a member from the
 * isolation of this host: when the last routes go together, it is this host that is cut off, and
 * nothing may change. Pure; time is an argument.
 */
#ifndef HOLDFAST_REACH_H
#define HOLDFAST_REACH_H

#include "fpmd/flow.h"

#define REACH_MAX 4096

/* Losses that come closer together than this are one event. */
#define REACH_SETTLE_MS 10
#define REACH_SETTLE_MAX_MS 50
/* After isolation, how long a member may take to come back after the first one did. */
#define REACH_RETURN_MS 60000

/*
 * A route may go and come back while BGP looks for another path. For so long after a member was
 * lost its sessions are neither sent anywhere nor reset.
 */
#define REACH_DOUBT_MS 250
/*
 * At the start BGP tells one after the other who there is: the members are known when none was new
 * for so long.
 */
#define REACH_LEARN_MS 2000
#define REACH_LOST_MAX 64

struct reach_lost {
	struct in6_addr address;
	uint64_t at_ms;
};

struct reach_host {
	struct in6_addr address;
	bool routed;
	bool frozen; /* not routed, but kept since this host was isolated */
};

struct reach {
	struct reach_host hosts[REACH_MAX];
	size_t count;
	bool isolated;
	struct reach_lost lost[REACH_LOST_MAX]; /* the last ones, a ring */
	size_t lost_next;
	uint64_t returned_ms; /* when the first member came back after isolation; 0: no such time */
	uint64_t learnt_ms;   /* when the last member was new, as long as !learned; 0: none yet */
	bool learned;
};

/*
 * The routes say that *routed* are there now. Afterwards hosts[] holds all members to be treated as
 * reachable.
 */
void reach_update(struct reach *reach, const struct in6_addr *routed, size_t count,
		  uint64_t now_ms);

/*
 * A member that was reachable for an earlier fpmd: it has as long to come back as after isolation,
 * counted from when any member is routed.
 */
void reach_adopt(struct reach *reach, const struct in6_addr *address, uint64_t now_ms);

/* Time passed: frozen members that did not come back in time are given up. True if any was. */
bool reach_expire(struct reach *reach, uint64_t now_ms);

bool reach_has(const struct reach *reach, const struct in6_addr *address);

/*
 * Is BGP still telling who there is, since *since_ms*, when it began? Until then that nobody has a
 * session says nothing. Without any member it ends after REACH_RETURN_MS.
 */
bool reach_is_learning(const struct reach *reach, uint64_t since_ms, uint64_t now_ms);

/* Was the member lost less than REACH_DOUBT_MS ago? */
bool reach_in_doubt(const struct reach *reach, const struct in6_addr *address, uint64_t now_ms);

#endif
