/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The director's part of the daemon's state: paths, and the flows whose owner is looked up in the
 * background. Acted on by director.c and director_flows.c alone.
 */
#ifndef HOLDFAST_DIRECTOR_H
#define HOLDFAST_DIRECTOR_H

#include <event2/event.h>

#include "fpmd/paths.h"
#include "fpmd/pending.h"
#include "fpmd/pin.h"
#include "fpmd/settings.h"

struct daemon;

struct director {
	/* Paths (director.c). */
	struct paths paths;
	struct event *look_event; /* routes changed in this turn of the loop */
	bool presume; /* an earlier fpmd's paths: VIPs are routed until the routes say otherwise */
	bool untold;  /* the kernel did not take a change */
	uint64_t tell_ms; /* when it was tried last */
	struct event *sweep_timer;
	uint64_t swept_ms; /* when the last sweep began */
	bool sweeping;
	uint32_t flows, probation;		   /* of all paths, by the last sweep */
	uint64_t full, full_ms;			   /* the kernel's counter, and when it last grew */
	uint64_t reused;			   /* of paths.ids_reused, said so far */
	struct in6_addr routed[SETTINGS_VIPS_MAX]; /* as the kernel has them */
	size_t routed_count;
	bool routed_told; /* false: what the kernel has is an earlier fpmd's */

	/* Flows (director_flows.c). */
	struct pendings pendings;
	uint32_t path_pins[KERNEL_PATH_MAX + 1];
	struct event *work_event;
	bool read[KERNEL_PATH_MAX + 1]; /* flows of this path are to be read from the kernel */
	bool read_any, read_all;
	uint64_t read_all_ms;  /* when all were read last */
	uint32_t adopted_left; /* look-ups for flows in mid-life until the next tick */
	struct flow *ended;    /* their pins are to be removed */
	size_t ended_count;
};

/* director.c */
int director_open(struct daemon *d);
void director_close(struct daemon *d);
/* Paths of an earlier fpmd become ours. */
int director_take_over(struct daemon *d, struct error *error);
/* The kernel runs. */
void director_start(struct daemon *d);
/* The kernel is about to be closed. */
void director_stop(struct daemon *d);
/* The routes of VIPs or members changed; more may follow in this moment. */
void director_routes_changed(struct daemon *d);
/* They did not change for a while, or owners came or went. */
void director_settled(struct daemon *d);
/* Can this host have paths at all, by its configuration? */
static inline bool director_is_possible(const struct settings *settings)
{
	return settings->mark_path_mask && settings->role != SETTINGS_ROLE_SERVER;
}
/* The whole set of routed VIPs. */
int director_routed_set(struct daemon *d, const struct in6_addr *vips, size_t count,
			struct error *error);
void director_tick(struct daemon *d);

/* What is to be shown of a path. */
struct director_path {
	const struct path *path;
	size_t members;		    /* it leads to, 0: none is known */
	size_t owners_known;	    /* flows whose owner is known beforehand */
	size_t lookups_outstanding; /* flows whose owner is being looked for */
};
typedef void director_path_fn(void *arg, const struct director_path *path);
/* In the order of their ids. */
void director_paths_each(struct daemon *d, director_path_fn *fn, void *arg);

/* director_flows.c */
void director_flow(void *d, const struct flow *flow, uint16_t path, enum kernel_flow_event event);
void director_flows_lost(void *d);
/* The path was withdrawn, the kernel has been told. */
void director_path_failed(struct daemon *d, uint16_t path);
/* The owner's pins are about to go. */
void director_owner_gone(struct daemon *d, uint16_t owner);
/* *member* says that it has no such session; *refused*: it got a segment. */
void director_disowned(struct daemon *d, const struct in6_addr *member, const struct flow *flow,
		       bool refused);
/* The directory is about to be closed. */
void director_abandon(struct daemon *d);
/* Look-ups for what is due. */
void director_work(evutil_socket_t fd, short what, void *d);
void director_flows_tick(struct daemon *d);
/* The pin's flow is recorded on the path (0: not known now). */
void director_pin_path(struct daemon *d, struct pin *pin, uint16_t path);
/* A pin of the path went. */
void director_unpinned(struct daemon *d, uint16_t path);

#endif
