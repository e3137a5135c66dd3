// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/routes.h"

#include <stdlib.h>
#include <string.h>

static void route_free(struct routes *routes, struct route *r)
{
	HASH_DEL(routes->table, r);
	free(r->next_hops);
	free(r);
}

void routes_replay_begin(struct routes *routes)
{
	struct route *r, *next;

	HASH_ITER (hh, routes->table, r, next)
		r->confirmed = false;
	routes->replaying = true;
}

size_t routes_replay_end(struct routes *routes)
{
	struct route *r, *next;
	size_t removed = 0;

	if (!routes->replaying)
		return 0;
	HASH_ITER (hh, routes->table, r, next) {
		if (r->confirmed)
			continue;
		route_free(routes, r);
		removed++;
	}
	routes->replaying = false;
	return removed;
}

const struct route *routes_find(const struct routes *routes, const struct prefix_address *prefix)
{
	struct route *r;

	HASH_FIND(hh, routes->table, prefix, sizeof(*prefix), r);
	return r;
}

int routes_update(struct routes *routes, const struct prefix_address *prefix, bool connected,
		  const struct route_next_hop *next_hops, size_t count)
{
	struct route *r = (struct route *)routes_find(routes, prefix);
	struct route_next_hop *copy = NULL;

	if (!count && !connected) {
		if (!r)
			return 0;
		route_free(routes, r);
		return 1;
	}
	if (count > ROUTE_NEXT_HOPS_MAX)
		return -1;
	if (r && r->connected == connected && r->next_hop_count == count &&
	    (!count || !memcmp(r->next_hops, next_hops, count * sizeof(*next_hops)))) {
		r->confirmed = true;
		return 0;
	}

	if (count) {
		copy = malloc(count * sizeof(*copy));
		if (!copy)
			return -1;
		memcpy(copy, next_hops, count * sizeof(*copy));
	}
	if (!r) {
		r = HASH_COUNT(routes->table) < ROUTES_MAX ? calloc(1, sizeof(*r)) : NULL;
		if (!r) {
			free(copy);
			return -1;
		}
		r->prefix = *prefix;
		HASH_ADD(hh, routes->table, prefix, sizeof(r->prefix), r);
	}
	free(r->next_hops);
	r->next_hops = copy;
	r->next_hop_count = count;
	r->connected = connected;
	r->confirmed = true;
	return 1;
}

size_t routes_hosts(const struct routes *routes,
		    bool (*wanted)(const void *arg, const struct in6_addr *address),
		    const void *arg, struct in6_addr *out, size_t max)
{
	struct route *r, *next;
	size_t count = 0;

	HASH_ITER (hh, routes->table, r, next) {
		if (r->connected || r->prefix.length != 128 || count == max)
			continue;
		if (wanted(arg, &r->prefix.address))
			out[count++] = r->prefix.address;
	}
	return count;
}

void routes_clear(struct routes *routes)
{
	struct route *r, *next;

	HASH_ITER (hh, routes->table, r, next)
		route_free(routes, r);
}
