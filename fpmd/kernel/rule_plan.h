/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which policy rules there should be, and the steps from those there are to these. Pure.
 *
 * Up to RULE_LIST_MAX paths or owners of an address family are a list: one rule each, at one
 * preference. More are a tree: rules by the upper bits of the id lead to chunks of RULE_CHUNK ids,
 * each at a preference of its own and with a way past the other chunks behind it. `goto` leads
 * forward only, so with a tree all that comes behind the paths, local delivery too, has greater
 * preferences.
 */
#ifndef HOLDFAST_KERNEL_RULE_PLAN_H
#define HOLDFAST_KERNEL_RULE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fpmd/kernel/kernel.h"

#define RULE_LIST_MAX                                                                              \
	64		   /* a list of so many costs 6 % of the forwarding, one of 256 half of it \
			    */
#define RULE_LIST_AGAIN 48 /* a tree with so few becomes a list */
#define RULE_CHUNK 32
#define RULE_ID_MAX 4095

/* As the kernel has it: struct fib_rule_hdr and attributes FRA_* of linux/fib_rules.h. */
struct rule {
	uint32_t preference;
	uint32_t target; /* goto */
	uint32_t table;
	uint32_t mark, mask;
	uint16_t port; /* UDP destination; 0: any packet */
	uint8_t action;
	uint8_t protocol;
	bool from_host; /* iif lo */
	bool invert;	/* matches what does not match */
	bool foreign;	/* has selectors that ours never have */
};

/* What our rules look for; fixed for one run of fpmd. */
struct rule_marks {
	uint32_t stray_bit, tunnel_bit;
	uint32_t owner_mask, path_mask; /* contiguous; the path mask may be 0 */
	uint16_t tunnel_port;
};

struct rule_ids {
	uint8_t owners[RULE_ID_MAX / 8 + 1], paths[RULE_ID_MAX / 8 + 1]; /* bitmaps */
};

static inline bool rule_id_has(const uint8_t *ids, unsigned int id)
{
	return ids[id / 8] >> (id % 8) & 1;
}

static inline void rule_id_set(uint8_t *ids, unsigned int id, bool on)
{
	ids[id / 8] =
		(uint8_t)(on ? ids[id / 8] | 1u << (id % 8) : ids[id / 8] & ~(1u << (id % 8)));
}

struct rule_list {
	struct rule *items;
	size_t count, size;
	bool no_memory;
};

/* *list* starts as zeros; free list->items. */
void rule_list_add(struct rule_list *list, const struct rule *rule);

/*
 * All rules that should be there. *far* in and out: is `local` where a tree moves it?
 * *local_elsewhere*: others have put local delivery behind our rules, ours only marks the place.
 */
void rule_plan(const struct rule_marks *marks, const struct rule_ids *ids, bool local_elsewhere,
	       bool *far, struct rule_list *plan);

/* Is it one of ours, in any layout that fpmd has had? */
bool rule_is_ours(const struct rule *rule);
/* The one that leads to local delivery, whosever it is. */
bool rule_is_plain_local(const struct rule *rule);
/* Is it the guard's, or does it look at the bits of *marks* (also in the layout before paths)? */
bool rule_fits(const struct rule_marks *marks, const struct rule *rule);
bool rule_equal(const struct rule *a, const struct rule *b);
/* Does the kernel take one for the other? It does not look at where they lead (rule_exists() and
 * rule_find() of net/core/fib_rules.c). */
bool rule_is_taken_for(const struct rule *a, const struct rule *b);

/*
 * What has to be added and removed, in an order in which every packet finds its way at each step:
 * first all of *added*, then all of *removed*, and with each those of *added* once more that were
 * taken for it. Of *present* only what rule_is_ours() counts.
 */
void rule_steps(const struct rule_list *present, const struct rule_list *plan,
		struct rule_list *added, struct rule_list *removed);

#endif
