/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What routes say of next hops and of members, for one comparison with the paths: part of paths.c.
 * Pure. */
#ifndef HOLDFAST_PATHS_COMPARE_H
#define HOLDFAST_PATHS_COMPARE_H

#include <sys/socket.h>

#include "fpmd/paths.h"

#define FAMILIES 2

/* Compared and hashed as bytes: always start from zero. */
struct hop_key {
	struct in6_addr gateway;
	char interface[KERNEL_INTERFACE_SIZE];
};

/* A next hop of a VIP's route or of a path. */
struct hop {
	struct hop_key key;
	bool alive; /* a route has it */
	struct {
		uint16_t vips;
		uint32_t weight;
		size_t members;			  /* of this family that it leads to */
		const struct paths_route *member; /* the last of them */
		struct path *paths;		  /* that are up */
		bool seen, wanted;		  /* the caller's */
	} family[FAMILIES];
	UT_hash_handle hh;
};

struct compared_member {
	const struct paths_route *route;
	UT_hash_handle hh;
};

struct comparison {
	const struct paths_view *view;
	struct hop *hops;
	struct compared_member *members, *member_list;
	bool vip_has_hops[FAMILIES];
	bool any; /* VIP or member has a route */
};

/* -1: no memory; *c* is empty then. */
int comparison_make(struct comparison *c, const struct paths *paths, const struct paths_view *view);
void comparison_free(struct comparison *c);

/* NULL: no VIP's route and no path has it. */
struct hop *comparison_hop(const struct comparison *c, const struct in6_addr *gateway,
			   const char *interface);
/* NULL: it is not reachable. */
const struct paths_route *comparison_member(const struct comparison *c,
					    const struct in6_addr *address);

/* May a path be made of it? */
bool hop_is_usable(const struct route_next_hop *hop);
/* Behind the name is nothing but zeros. */
void interface_copy(char to[KERNEL_INTERFACE_SIZE], const char *name);

static inline int family_index(const struct in6_addr *address)
{
	return address_is_ipv4(address) ? 0 : 1;
}

static inline int path_family(const struct path *path)
{
	return path->now.family == AF_INET ? 0 : 1;
}

#endif
