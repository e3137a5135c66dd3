/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What dplane_fpm_nl has told of routes and next hops, put together: a route may name its next hops
 * by an id, a group may come before its members and may change in place. Pure and bounded.
 */
#ifndef HOLDFAST_NETLINK_ROUTES_H
#define HOLDFAST_NETLINK_ROUTES_H

#include "fpmd/netlink_frame.h"
#include "fpmd/table.h"

#define NETLINK_ROUTES_MAX 65536
#define NETLINK_OBJECTS_MAX 65536
/* Next hops that all routes and groups hold together. */
#define NETLINK_HOPS_TOTAL_MAX (1 << 20)

struct netlink_hops {
	size_t count;
	struct netlink_hop *list;
};

/* A next hop or a group of them. */
struct netlink_object {
	uint32_t id; /* the key */
	bool known;  /* else it was named, but not told yet, or is gone */
	bool gone;   /* its routes and places in groups went with it, as in the kernel */
	bool group;
	bool changed;	/* since the routes were settled */
	uint32_t users; /* routes and groups that name it */
	struct netlink_hops hops;
	UT_hash_handle hh;
};

struct netlink_route {
	struct prefix_address prefix; /* the key */
	bool by_kernel;
	struct netlink_object *object; /* NULL: *hops* */
	struct netlink_hops hops;
	bool changed; /* it is in the list of those */
	struct netlink_route *changed_next;
	UT_hash_handle hh;
};

struct netlink_routes {
	struct netlink_object *objects;
	struct netlink_route *routes;
	struct netlink_route *changed; /* since they were settled */
	size_t hop_total;
	bool objects_changed; /* some that are in use */
};

/*
 * Takes over what a message says; the caller leaves out routes that it does not want. Returns 0, or
 * -1 if there is no room or no memory: what the message says is then unknown.
 */
int netlink_routes_take(struct netlink_routes *routes, const struct netlink_message *message);

/* A route as it is now, next hops and all. *count* 0: it has none, or is gone. */
typedef void netlink_route_fn(void *arg, const struct prefix_address *prefix, bool by_kernel,
			      const struct netlink_hop *hops, size_t count);

/*
 * Calls *fn* for each route that changed since the last time, itself or by its next hops; not for
 * one with next hops that were not told yet.
 */
void netlink_routes_settle(struct netlink_routes *routes, netlink_route_fn *fn, void *arg);

/* How many routes have next hops that were not told. */
size_t netlink_routes_unknown(const struct netlink_routes *routes);

/* All is forgotten, without a call for it. */
void netlink_routes_clear(struct netlink_routes *routes);

#endif
