/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The paths of a director: each ECMP next hop of a routed VIP, whom it leads to, and the id under
 * which the kernel records the flows that took it. Pure: routes and time are arguments, what comes
 * out is what the kernel is to be told.
 *
 * An id belongs to one next hop, one address family of VIPs, and whom the next hop leads to: one
 * member, or several. It is offered to new flows while the VIP's route has the next hop and that is
 * whom it leads to. It stays up, for the flows it has, as long as a route of a VIP or of any member
 * has the next hop; then it has failed, and never comes back: the same next hop gets another id.
 * When all routes go together it is this host that is cut off, and nothing changes.
 */
#ifndef HOLDFAST_PATHS_H
#define HOLDFAST_PATHS_H

#include "fpmd/kernel/kernel.h"
#include "fpmd/reach.h"
#include "fpmd/routes.h"

/* A failed or superseded id without flows rests for so long before it is free. */
#define PATH_REST_MS 2000

/* The routes of one routed VIP or of one member. */
struct paths_route {
	struct in6_addr address;
	const struct route_next_hop *hops;
	size_t hop_count;
	bool owner; /* of a member: the kernel has a tunnel to it */
};

/* What the routing table says now. */
struct paths_view {
	const struct paths_route *vips;
	size_t vip_count;
	const struct paths_route *members; /* all that may have sessions and have a route */
	size_t member_count;
};

enum path_state {
	PATH_IN_USE,	 /* new flows take it */
	PATH_DRAINED,	 /* its flows stay, no VIP's route has it now */
	PATH_SUPERSEDED, /* the next hop leads to others now: its flows stay, new ones get another
			    id */
	PATH_FAILED,	 /* no route has it: its flows go by the backup or to their owners */
};

struct path {
	struct kernel_path now; /* as the kernel is to have it; padding is zero */
	enum path_state state;
	bool frozen;			  /* no route has it, kept since this host was cut off */
	uint32_t weight;		  /* of the first VIP's route that has it, 0: none does */
	uint16_t members;		  /* it leads to, by the routes; 0: none was known yet */
	uint16_t vips;			  /* how many routed VIPs' routes have it */
	uint64_t since_ms;		  /* when its state began */
	struct kernel_path_flows counted; /* by the last sweep */
	struct kernel_path told;	  /* what the kernel has; id 0: nothing */
	struct path *next;		  /* while the routes are compared */
};

struct paths {
	struct path *table[KERNEL_PATH_MAX + 1]; /* by id; NULL: free */
	bool remove[KERNEL_PATH_MAX + 1];	 /* the kernel is to forget the id first */
	uint16_t max;				 /* largest id that the mark's mask can hold */
	uint16_t last; /* that was given; ids go round, so that one rests as long as can be */
	size_t count;
	bool cut_off;	     /* no VIP and no member has a route */
	uint64_t thaw_ms;    /* until then frozen paths may come back; 0: no such time */
	bool adopted;	     /* what is frozen is an earlier fpmd's */
	size_t without_id;   /* next hops that got none the last time */
	uint64_t ids_reused; /* ids taken from flows that may live, as none was free */
};

/* *mask* is the path field of the mark; 0: there are no ids. */
void paths_init(struct paths *paths, uint32_t mask);
void paths_clear(struct paths *paths);

/* A path that an earlier fpmd left in the kernel. Returns 0, or -1 if the id does not fit, or no
 * memory. */
int paths_adopt(struct paths *paths, const struct kernel_path *path, uint64_t now_ms);

/*
 * The routes changed. *settled* false: more changes may follow in this moment, so only that is seen
 * what cannot be another way any more: a next hop that a VIP with others lost, and no member's
 * route has. -1: no memory, nothing changed.
 */
int paths_update(struct paths *paths, const struct paths_view *view, bool settled, uint64_t now_ms);

/* Is it time to call paths_update() because of frozen paths that did not come back? */
bool paths_thaw_is_due(const struct paths *paths, uint64_t now_ms);

/*
 * Tells the kernel what it does not have yet: *path*, or that *id* is forgotten (NULL). *fn*
 * returns 0 if that is done; else it is told again the next time. What fails comes first, what is
 * offered last. Returns how many could not be told.
 */
typedef int paths_report_fn(void *arg, uint16_t id, const struct kernel_path *path);
size_t paths_report(struct paths *paths, paths_report_fn *fn, void *arg);

/* What a sweep that began at *now_ms* counted; ids that nobody needs any more become free. */
void paths_counted(struct paths *paths, const struct kernel_path_flows *counts, size_t count,
		   uint64_t now_ms);

/* NULL: there is no such path. */
const struct path *path_find(const struct paths *paths, uint16_t id);

const char *path_state_text(enum path_state state);

#endif
