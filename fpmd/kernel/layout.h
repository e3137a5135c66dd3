/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and names that are ours in a host's routing, as others see them in `ip rule` and `ip
 * route`. */
#ifndef HOLDFAST_KERNEL_LAYOUT_H
#define HOLDFAST_KERNEL_LAYOUT_H

#include <stdint.h>
#include <strings.h>

#include "fpmd/kernel/kernel.h"

#define LAYOUT_PROTOCOL 79	  /* RTPROT of our routes, FRA_PROTOCOL of our rules but `local` */
#define LAYOUT_TABLE_BASE 7939000 /* + owner id: the owner's table */
#define LAYOUT_TABLE_GUARD (LAYOUT_TABLE_BASE - 1) /* no way for what must not get lost */
#define LAYOUT_TABLE_STEER LAYOUT_TABLE_BASE	   /* steered ways to owners: no owner has id 0 */
#define LAYOUT_TABLE_PATH_BASE 8039000 /* + path id: the path's table; no owner's is so great */
#define LAYOUT_HOLD_METRIC 7939	       /* of the routes that hold VIPs */
#define LAYOUT_PATH_METRIC 10	       /* in a path's table: the path itself */
#define LAYOUT_BACKUP_METRIC 20	       /* and what the kernel takes without it */

/*
 * Preferences of our rules. The kernel's `local` rule moves from 0 to LAYOUT_PREF_LOCAL, so that
 * pins come before local delivery and every other rule keeps its place.
 */
#define LAYOUT_PREF_SKIP 1
#define LAYOUT_PREF_PATH 2
#define LAYOUT_PREF_OWNER 3
#define LAYOUT_PREF_GUARD 4
#define LAYOUT_PREF_LOCAL 5
#define LAYOUT_PREF_STEER 6 /* owners are elsewhere: after local delivery is early enough */

/* With so many paths or owners that a list of them is slow (rule_plan.h): two for each chunk. */
/* Another one, as the kernel does not tell rules apart by where they lead. */
#define LAYOUT_PREF_SKIP_FAR 0
#define LAYOUT_PREF_PATH_CHUNKS 10
#define LAYOUT_PREF_OWNER_FAR 300
#define LAYOUT_PREF_OWNER_CHUNKS 301
#define LAYOUT_PREF_GUARD_FAR 600
#define LAYOUT_PREF_LOCAL_FAR 601
#define LAYOUT_PREF_STEER_FAR 602

/* Of fpmd before there were paths. */
#define LAYOUT_PREF_LOCAL_BEFORE 4

#define LAYOUT_TUNNEL "hf-vx0"
#define LAYOUT_TUNNEL_ADDRESS 0xa9fe4f4f /* 169.254.79.79, host byte order */
#define LAYOUT_TTL 64

#define LAYOUT_OVERHEAD_IPV4 36 /* IP, UDP, VXLAN-GPE */
#define LAYOUT_OVERHEAD_IPV6 56

/* All that is ours in a mark. */
static inline uint32_t layout_our_bits(const struct kernel_options *options)
{
	return options->mark_owner_mask | options->mark_stray_bit | options->mark_tunnel_bit |
	       options->mark_path_mask;
}

/* An owner's id as it stands in a mark, and back; the greatest id that fits. */
static inline uint32_t layout_owner_mark(const struct kernel_options *options, uint16_t id)
{
	return (uint32_t)id << (ffs((int)options->mark_owner_mask) - 1);
}

static inline uint16_t layout_mark_owner(const struct kernel_options *options, uint32_t mark)
{
	return (uint16_t)((mark & options->mark_owner_mask) >>
			  (ffs((int)options->mark_owner_mask) - 1));
}

static inline uint32_t layout_owner_max(const struct kernel_options *options)
{
	return options->mark_owner_mask >> (ffs((int)options->mark_owner_mask) - 1);
}

static inline uint32_t layout_path_max(const struct kernel_options *options)
{
	uint32_t greatest = options->mark_path_mask;

	if (greatest)
		greatest >>= ffs((int)options->mark_path_mask) - 1;
	return greatest < KERNEL_PATH_MAX ? greatest : KERNEL_PATH_MAX;
}

/* What a detoured packet bears: without the bit for strays an id is somebody else's mark. */
static inline uint32_t layout_detour_mark(const struct kernel_options *options, uint16_t id)
{
	return options->mark_stray_bit | layout_owner_mark(options, id);
}

#endif
