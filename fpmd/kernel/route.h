/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our routes: in each owner's table one per VIP, encapsulated to the owner; in each path's table up
 * to two per VIP, the path and its backup; in the table `local` one per VIP that holds it; in the
 * guard's table one per VIP that leads nowhere; in a table of their own the steered ways to owners.
 * All carry our protocol number.
 */
#ifndef HOLDFAST_KERNEL_ROUTE_H
#define HOLDFAST_KERNEL_ROUTE_H

#include <stdbool.h>

#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/rtnl.h"

struct routes {
	struct rtnl *rtnl;
	const struct kernel_options *options;
	int tunnel_index;
	int loopback_index;
};

/* Can segments for *vip* be detoured to *owner*? Not if their families differ. */
bool route_fits(const struct in6_addr *vip, const struct in6_addr *owner);

/* Sets or replaces the route to *vip* in the owner's table. */
int route_owner_set(struct routes *routes, uint16_t id, const struct in6_addr *owner,
		    const struct in6_addr *vip, struct error *error);
/* No such route is no error. */
int route_owner_remove(struct routes *routes, uint16_t id, const struct in6_addr *vip,
		       struct error *error);

/* Where a route in a path's table leads. */
struct route_hop {
	struct in6_addr gateway; /* of either family */
	int device;
};

struct route_way {
	struct in6_addr owner; /* encapsulated to it; ::, by the hops */
	struct route_hop hops[KERNEL_BACKUP_HOPS_MAX];
	size_t hops_count;
};

/*
 * Sets or replaces the route to *vip* in a path's table; *metric*: LAYOUT_PATH_METRIC or
 * LAYOUT_BACKUP_METRIC. Returns 0, 1: a device is down or gone, so that there can be none now, or
 * -1.
 */
int route_path_set(struct routes *routes, uint16_t id, uint32_t metric, const struct in6_addr *vip,
		   const struct route_way *way, struct error *error);
/* No such route is no error. */
int route_path_remove(struct routes *routes, uint16_t id, uint32_t metric,
		      const struct in6_addr *vip, struct error *error);
bool route_way_equal(const struct route_way *a, const struct route_way *b);

/* The VIP's own `local` route: sets it or takes it away. */
int route_hold(struct routes *routes, const struct in6_addr *vip, bool hold, struct error *error);

/* The VIP's route in the guard's table; see rule.h. */
int route_guard(struct routes *routes, const struct in6_addr *vip, bool guard, struct error *error);

/*
 * The way that tunnel packets to *owner* take; *gateway* may be of the other family. It lives
 * apart from the others: not told by routes_dump(), and gone for good when its device goes.
 */
int route_steer(struct routes *routes, const struct in6_addr *owner, const struct in6_addr *gateway,
		int device, struct error *error);
/* No such way is no error. */
int route_steer_end(struct routes *routes, const struct in6_addr *owner, struct error *error);
/* All of them. *family* as in routes_dump(). */
int routes_steer_end(struct routes *routes, int family, struct error *error);

/* The device by which the routing table reaches *address*; 0: by none. */
int route_device(struct routes *routes, const struct in6_addr *address);

enum route_kind { ROUTE_OWNER, ROUTE_HOLD, ROUTE_GUARD, ROUTE_PATH };

struct our_route {
	enum route_kind kind;
	struct in6_addr vip;
	struct in6_addr owner; /* of ROUTE_OWNER only, as id, vni and device are */
	uint16_t id;	       /* of ROUTE_PATH: the path's */
	uint32_t metric;       /* of ROUTE_PATH only, as the way is */
	struct route_way way;
	uint32_t vni;
	int device;
	bool as_ours; /* in all else as the functions above make it */
};

typedef void our_route_fn(void *arg, const struct our_route *route);

/* All routes with our protocol number but steered ways. *family*: AF_INET or AF_INET6. */
int routes_dump(struct routes *routes, int family, our_route_fn *fn, void *arg,
		struct error *error);

/* Takes one of them away; that it is gone already is no error. */
int route_remove(struct routes *routes, const struct our_route *route, struct error *error);

/* Takes all of them away, and steered ways too. */
int routes_remove(struct routes *routes, int family, struct error *error);

#endif
