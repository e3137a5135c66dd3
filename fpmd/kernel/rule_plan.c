// SPDX-License-Identifier: GPL-2.0-or-later
/* Which policy rules there should be, and in which order to make and remove them. Pure. */
#include "fpmd/kernel/rule_plan.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/list.h"

_Static_assert(LAYOUT_PREF_PATH_CHUNKS + 2 * (RULE_ID_MAX / RULE_CHUNK + 1) <=
		       LAYOUT_PREF_OWNER_FAR,
	       "room for the chunks of paths");
_Static_assert(LAYOUT_PREF_OWNER_CHUNKS + 2 * (RULE_ID_MAX / RULE_CHUNK + 1) <=
		       LAYOUT_PREF_GUARD_FAR,
	       "room for the chunks of owners");

void rule_list_add(struct rule_list *list, const struct rule *rule)
{
	struct rule *items = list_room(list->items, list->count, &list->size, sizeof(*items));

	if (!items) {
		list->no_memory = true;
		return;
	}
	list->items = items;
	list->items[list->count++] = *rule;
}

static uint32_t shift_of(uint32_t mask)
{
	return mask ? (uint32_t)ffs((int)mask) - 1 : 0;
}

/* The bits of the mark that say in which chunk an id is. */
static uint32_t chunk_mask(uint32_t id_mask)
{
	return id_mask & ~((RULE_CHUNK - 1u) << shift_of(id_mask));
}

/* One kind of ids, in a list or a tree. */
struct group {
	const uint8_t *ids;
	uint32_t id_mask;	   /* where the id is in the mark */
	uint32_t mark, mask;	   /* and what else is looked for */
	uint32_t table;		   /* of id 0 */
	uint32_t preference;	   /* of the list, or of the rules that lead to the chunks */
	uint32_t chunk_preference; /* of chunk 0 */
	uint32_t next;		   /* preference of what comes behind the group */
};

static size_t count_ids(const uint8_t *ids, unsigned int from, unsigned int to)
{
	size_t count = 0;

	for (unsigned int id = from; id < to; id++)
		count += rule_id_has(ids, id);
	return count;
}

static void id_put(const struct group *group, unsigned int id, uint32_t preference,
		   struct rule_list *plan)
{
	rule_list_add(plan, &(struct rule){.preference = preference,
					   .action = FR_ACT_TO_TBL,
					   .table = group->table + id,
					   .mark = group->mark | id << shift_of(group->id_mask),
					   .mask = group->mask | group->id_mask,
					   .protocol = LAYOUT_PROTOCOL});
}

static void goto_put(uint32_t preference, uint32_t target, uint32_t mark, uint32_t mask,
		     struct rule_list *plan)
{
	rule_list_add(plan, &(struct rule){.preference = preference,
					   .action = FR_ACT_GOTO,
					   .target = target,
					   .mark = mark,
					   .mask = mask,
					   .protocol = LAYOUT_PROTOCOL});
}

static void group_put(const struct group *group, bool tree, struct rule_list *plan)
{
	for (unsigned int first = 0; first <= RULE_ID_MAX; first += RULE_CHUNK) {
		uint32_t preference = group->preference;

		if (!count_ids(group->ids, first, first + RULE_CHUNK))
			continue;
		if (tree) {
			preference = group->chunk_preference + first / RULE_CHUNK * 2;
			goto_put(group->preference, preference, first << shift_of(group->id_mask),
				 chunk_mask(group->id_mask), plan);
		}
		for (unsigned int id = first; id < first + RULE_CHUNK; id++)
			if (rule_id_has(group->ids, id))
				id_put(group, id, preference, plan);
		if (tree)
			goto_put(preference + 1, group->next, 0, 0, plan);
	}
}

static uint32_t signs(const struct rule_marks *marks)
{
	return marks->stray_bit | marks->tunnel_bit;
}

void rule_plan(const struct rule_marks *marks, const struct rule_ids *ids, bool local_elsewhere,
	       bool *far, struct rule_list *plan)
{
	size_t list_max = *far ? RULE_LIST_AGAIN : RULE_LIST_MAX;
	bool paths_tree = count_ids(ids->paths, 0, RULE_ID_MAX + 1) > list_max;
	bool owners_tree = count_ids(ids->owners, 0, RULE_ID_MAX + 1) > list_max;
	bool is_far = paths_tree || owners_tree;
	uint32_t skip = is_far ? LAYOUT_PREF_SKIP_FAR : LAYOUT_PREF_SKIP;
	uint32_t local = is_far ? LAYOUT_PREF_LOCAL_FAR : LAYOUT_PREF_LOCAL;
	uint32_t guard = is_far ? LAYOUT_PREF_GUARD_FAR : LAYOUT_PREF_GUARD;
	uint32_t owners = is_far ? LAYOUT_PREF_OWNER_FAR : LAYOUT_PREF_OWNER;
	/* A list has nothing behind it that would have to be skipped: `goto` needs its target. */
	struct group path_group = {
		ids->paths,	  marks->path_mask,	   0,	  0, LAYOUT_TABLE_PATH_BASE,
		LAYOUT_PREF_PATH, LAYOUT_PREF_PATH_CHUNKS, owners};
	/* What comes from the tunnel has its sender's id; without the bit for strays an id is
	 * somebody else's mark. */
	struct group owner_group = {ids->owners,
				    marks->owner_mask,
				    marks->stray_bit,
				    signs(marks),
				    LAYOUT_TABLE_BASE,
				    owners,
				    LAYOUT_PREF_OWNER_CHUNKS,
				    guard};

	*far = is_far;
	goto_put(skip, local, 0, signs(marks) | marks->path_mask, plan);
	rule_list_add(plan, &(struct rule){.preference = skip,
					   .action = FR_ACT_GOTO,
					   .target = local,
					   .from_host = true,
					   .protocol = LAYOUT_PROTOCOL});
	group_put(&path_group, paths_tree, plan);
	group_put(&owner_group, owners_tree, plan);
	rule_list_add(plan, &(struct rule){.preference = guard,
					   .action = FR_ACT_TO_TBL,
					   .table = LAYOUT_TABLE_GUARD,
					   .mask = signs(marks),
					   .invert = true,
					   .protocol = LAYOUT_PROTOCOL});
	/*
	 * The rule that leads to local delivery carries the kernel's own protocol number:
	 * systemd-networkd removes the rules of others, and this one the host cannot do without.
	 */
	rule_list_add(plan, &(struct rule){.preference = local,
					   .action = local_elsewhere ? FR_ACT_NOP : FR_ACT_TO_TBL,
					   .table = local_elsewhere ? 0 : RT_TABLE_LOCAL,
					   .protocol = local_elsewhere ? LAYOUT_PROTOCOL
								       : RTPROT_KERNEL});
	/* `iif lo` spares the kernel the dissection of what it forwards. */
	rule_list_add(plan, &(struct rule){.preference = is_far ? LAYOUT_PREF_STEER_FAR
								: LAYOUT_PREF_STEER,
					   .action = FR_ACT_TO_TBL,
					   .table = LAYOUT_TABLE_STEER,
					   .port = marks->tunnel_port,
					   .from_host = true,
					   .protocol = LAYOUT_PROTOCOL});
}

bool rule_is_plain_local(const struct rule *rule)
{
	return rule->action == FR_ACT_TO_TBL && rule->table == RT_TABLE_LOCAL && !rule->mask &&
	       !rule->from_host && !rule->invert && !rule->port && !rule->foreign;
}

bool rule_is_ours(const struct rule *rule)
{
	return rule->protocol == LAYOUT_PROTOCOL ||
	       (rule_is_plain_local(rule) && rule->protocol == RTPROT_KERNEL &&
		(rule->preference == LAYOUT_PREF_LOCAL ||
		 rule->preference == LAYOUT_PREF_LOCAL_FAR ||
		 rule->preference == LAYOUT_PREF_LOCAL_BEFORE));
}

bool rule_fits(const struct rule_marks *marks, const struct rule *rule)
{
	if (!rule->mask || rule->invert)
		return true;
	if (rule->action == FR_ACT_GOTO)
		return rule->mask == (signs(marks) | marks->path_mask) ||
		       rule->mask == signs(marks) || rule->mask == chunk_mask(marks->owner_mask) ||
		       rule->mask == chunk_mask(marks->path_mask);
	if (rule->table > LAYOUT_TABLE_PATH_BASE)
		return rule->mask == marks->path_mask;
	return rule->mask == (signs(marks) | marks->owner_mask);
}

/* By preference; what forwarded packets meet comes before what the host's own do. */
static int compare(const struct rule *a, const struct rule *b)
{
#define DIFFERENCE(field)                                                                          \
	if (a->field != b->field)                                                                  \
		return a->field < b->field ? -1 : 1;
	DIFFERENCE(preference)
	DIFFERENCE(from_host)
	DIFFERENCE(action)
	DIFFERENCE(mark)
	DIFFERENCE(mask)
	DIFFERENCE(table)
	DIFFERENCE(target)
	DIFFERENCE(port)
	DIFFERENCE(protocol)
	DIFFERENCE(invert)
	DIFFERENCE(foreign)
#undef DIFFERENCE
	return 0;
}

bool rule_equal(const struct rule *a, const struct rule *b)
{
	return compare(a, b) == 0;
}

bool rule_is_taken_for(const struct rule *a, const struct rule *b)
{
	struct rule twin = *a;

	if (a->action != FR_ACT_GOTO || a->target == b->target)
		return false;
	twin.target = b->target;
	return compare(&twin, b) == 0;
}

static int compare_items(const void *a, const void *b)
{
	return compare(a, b);
}

static bool leads(const struct rule *rule)
{
	return rule->action == FR_ACT_GOTO;
}

/* What leads elsewhere comes last, and its own way on before it: nobody is led to half of it. */
static int compare_added(const void *one, const void *other)
{
	const struct rule *a = one, *b = other;

	if (leads(a) != leads(b))
		return leads(a) ? 1 : -1;
	if (leads(a) && a->preference != b->preference)
		return compare(b, a);
	return compare(a, b);
}

/*
 * What leads elsewhere goes first, so that no packet comes to where rules are being removed; of
 * the rest the last first, so that before a guard goes no owner has gone.
 */
static int compare_removed(const void *one, const void *other)
{
	const struct rule *a = one, *b = other;

	if (leads(a) != leads(b))
		return leads(a) ? -1 : 1;
	return leads(a) ? compare(a, b) : compare(b, a);
}

static void sort(struct rule_list *list, int (*order)(const void *, const void *))
{
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), order);
}

static struct rule_list sorted_copy(const struct rule_list *list, bool only_ours)
{
	struct rule_list copy = {0};

	for (size_t i = 0; i < list->count; i++)
		if (!only_ours || rule_is_ours(&list->items[i]))
			rule_list_add(&copy, &list->items[i]);
	sort(&copy, compare_items);
	return copy;
}

void rule_steps(const struct rule_list *present, const struct rule_list *plan,
		struct rule_list *added, struct rule_list *removed)
{
	struct rule_list before = sorted_copy(present, true), after = sorted_copy(plan, false);
	size_t i = 0, j = 0;

	while (i < before.count || j < after.count) {
		int order = i == before.count  ? 1
			    : j == after.count ? -1
					       : compare(&before.items[i], &after.items[j]);

		if (order < 0)
			rule_list_add(removed, &before.items[i++]);
		else if (order > 0)
			rule_list_add(added, &after.items[j++]);
		else
			i++, j++;
	}
	sort(added, compare_added);
	sort(removed, compare_removed);
	added->no_memory |= before.no_memory || after.no_memory;
	free(before.items);
	free(after.items);
}
