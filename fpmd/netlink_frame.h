/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the frames that FRR's own module dplane_fpm_nl sends (FPM type 1): netlink messages of the
 * kernel's rtnetlink, in the byte order of the host (FRR: zebra/dplane_fpm_nl.c and
 * zebra/rt_netlink.c; linux/rtnetlink.h, linux/nexthop.h). Pure: any bytes may come.
 */
#ifndef HOLDFAST_NETLINK_FRAME_H
#define HOLDFAST_NETLINK_FRAME_H

#include "fpmd/flow.h"

/* As ROUTE_NEXT_HOPS_MAX: FRR as Debian builds it knows no more. Further ones are left out. */
#define NETLINK_HOPS_MAX 256

enum netlink_kind {
	NETLINK_MESSAGE_OTHER,	    /* nothing for us: MAC addresses, labels, other tables ... */
	NETLINK_MESSAGE_ROUTE,	    /* a route of the main table, as it is now */
	NETLINK_MESSAGE_ROUTE_GONE, /* FRR 8.4 sends that before each change, too, in the same frame
				     */
	NETLINK_MESSAGE_NEXT_HOP,   /* one next hop, or a group of them, by its id */
	NETLINK_MESSAGE_NEXT_HOP_GONE,
};

struct netlink_hop {
	uint32_t id;		 /* of a member of a group; else 0 */
	struct in6_addr gateway; /* :: is directly connected */
	uint32_t interface;	 /* index; 0: not told */
	uint32_t weight;	 /* 1 and up */
};

struct netlink_message {
	enum netlink_kind kind;
	struct prefix_address prefix; /* of routes */
	bool by_kernel;		      /* route: zebra knows it from the kernel, not from BGP */
	uint32_t id;	  /* next hop: its own; route: that of its next hops, 0: *hops* */
	bool group;	  /* next hop: *hops* are ids and weights of its members */
	size_t hop_count; /* 0 in a route without an id: blackhole, or nothing usable */
	struct netlink_hop hops[NETLINK_HOPS_MAX];
};

/*
 * The message at *at* of the frame's payload; moves *at* on. Returns 1, 0 at the end, or -1 if the
 * rest cannot be read: sizes do not add up, or an attribute is shorter than what it stands for.
 */
int netlink_frame_next(const uint8_t *payload, size_t size, size_t *at,
		       struct netlink_message *message);

#endif
