/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routes that zebra told of: those of the VIPs and of the hosts in the member range. A replay
 * confirms what still holds; what it did not confirm is gone at its end. Pure.
 */
#ifndef HOLDFAST_ROUTES_H
#define HOLDFAST_ROUTES_H

#include "fpmd/table.h"

#include "fpmd/flow.h"

#define ROUTES_MAX	    65536
#define ROUTE_NEXT_HOPS_MAX 256

struct route_next_hop {
	struct in6_addr gateway; /* :: is directly connected */
	char interface[16];
	uint32_t weight;
};

struct route {
	struct prefix_address prefix; /* the key */
	bool connected;		      /* an address of this host */
	bool confirmed;		      /* by the replay that runs */
	size_t next_hop_count;
	struct route_next_hop *next_hops;
	UT_hash_handle hh;
};

struct routes {
	struct route *table; /* hash by prefix; may be read with HASH_ITER */
	bool replaying;
};

/* A replay begins: nothing is confirmed. */
void routes_replay_begin(struct routes *routes);

/* It ends: what was not confirmed is removed. Returns how many that were. */
size_t routes_replay_end(struct routes *routes);

/*
 * A route as it is now; no next hops and not connected: it is withdrawn. The next hops are copied.
 * Returns 1 if it changed anything, 0 if not, -1 if there is no room or no memory for it.
 */
int routes_update(struct routes *routes, const struct prefix_address *prefix, bool connected,
		  const struct route_next_hop *next_hops, size_t count);

const struct route *routes_find(const struct routes *routes, const struct prefix_address *prefix);

/* The host routes among them that *wanted* takes, connected ones left out; up to *max*. */
size_t routes_hosts(const struct routes *routes,
		    bool (*wanted)(const void *arg, const struct in6_addr *address),
		    const void *arg, struct in6_addr *out, size_t max);

void routes_clear(struct routes *routes);

#endif
