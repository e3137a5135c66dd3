/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy rules as packets meet them, on a model of how the kernel walks them. */
#include "config.h"

#include <check.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/rule_plan.h"
#include "tests/unit.h"

#define STRAY 0x80000000u
#define TUNNEL 0x40000000u
#define OWNERS 0x00000fffu
#define PATHS 0x0fff0000u
#define VISITS_MAX 16

static const struct rule_marks marks = {.stray_bit = STRAY,
					.tunnel_bit = TUNNEL,
					.owner_mask = OWNERS,
					.path_mask = PATHS,
					.tunnel_port = 4790};

static uint32_t mark_of(unsigned int path, unsigned int owner)
{
	return path << 16 | (owner ? STRAY | owner : 0);
}

/* As net/core/fib_rules.c has it: where a rule leads makes no difference. */
static bool same_to_kernel(const struct rule *a, const struct rule *b)
{
	struct rule twin = *a;

	if (a->preference != b->preference)
		return false;
	twin.target = b->target;
	return rule_equal(&twin, b);
}

/* Behind those of the same preference. False: there is such a one. */
static bool kernel_add(struct rule_list *kernel, const struct rule *rule)
{
	size_t place = kernel->count;

	for (size_t i = 0; rule->action == FR_ACT_GOTO && i < kernel->count; i++)
		if (same_to_kernel(&kernel->items[i], rule))
			return false;
	rule_list_add(kernel, rule);
	while (place && kernel->items[place - 1].preference > rule->preference)
		place--;
	memmove(&kernel->items[place + 1], &kernel->items[place],
		(kernel->count - 1 - place) * sizeof(*rule));
	kernel->items[place] = *rule;
	return true;
}

static void kernel_delete(struct rule_list *kernel, const struct rule *rule)
{
	for (size_t i = 0; i < kernel->count; i++) {
		if (!same_to_kernel(&kernel->items[i], rule))
			continue;
		kernel->count--;
		memmove(&kernel->items[i], &kernel->items[i + 1],
			(kernel->count - i) * sizeof(*rule));
		return;
	}
	ck_abort_msg("removed what is not there");
}

struct walk {
	uint32_t tables[VISITS_MAX]; /* in which there was no way */
	size_t count;
	size_t looked; /* rules until the first table */
};

static struct walk walk(const struct rule_list *kernel, uint32_t mark, bool from_host)
{
	struct walk walk = {0};
	size_t i = 0;

	while (i < kernel->count) {
		const struct rule *rule = &kernel->items[i++];
		bool matches = !((mark ^ rule->mark) & rule->mask);
		size_t target = 0;

		walk.looked += !walk.count;
		if (rule->from_host && !from_host)
			matches = false;
		else if (rule->invert)
			matches = !matches;
		if (!matches || rule->port)
			continue;
		if (rule->action == FR_ACT_TO_TBL) {
			ck_assert_uint_lt(walk.count, VISITS_MAX);
			walk.tables[walk.count++] = rule->table;
		} else if (rule->action == FR_ACT_GOTO) {
			ck_assert_uint_gt(rule->target, rule->preference);
			while (target < kernel->count &&
			       kernel->items[target].preference != rule->target)
				target++;
			if (target < kernel->count)
				i = target;
		}
	}
	return walk;
}

/* Where in the walk a table is; SIZE_MAX: nowhere. */
static size_t place(const struct walk *walk, uint32_t table)
{
	for (size_t i = 0; i < walk->count; i++)
		if (walk->tables[i] == table)
			return i;
	return SIZE_MAX;
}

#define GUARD LAYOUT_TABLE_GUARD
#define LOCAL RT_TABLE_LOCAL

/* All that has to hold at any moment. Ids of 0 are none. */
static void check_packet(const struct rule_list *kernel, unsigned int path, unsigned int owner)
{
	struct walk marked = walk(kernel, mark_of(path, owner), false);
	struct walk plain = walk(kernel, 0x1000, false), own = walk(kernel, STRAY | PATHS, true);
	struct walk stray = walk(kernel, STRAY | (path << 16), false);
	size_t path_place = path ? place(&marked, LAYOUT_TABLE_PATH_BASE + path) : 0;
	size_t owner_place = owner ? place(&marked, LAYOUT_TABLE_BASE + owner) : 0;

	ck_assert_uint_eq(plain.tables[0], LOCAL);
	ck_assert_uint_eq(place(&plain, GUARD), SIZE_MAX);
	ck_assert_uint_eq(own.tables[0], LOCAL);
	ck_assert_uint_lt(place(&stray, GUARD), place(&stray, LOCAL));
	ck_assert_uint_lt(place(&marked, LOCAL), SIZE_MAX);
	if (path)
		ck_assert_uint_eq(path_place, 0);
	if (owner) {
		ck_assert_uint_lt(owner_place, place(&marked, GUARD));
		ck_assert_uint_lt(owner_place, place(&marked, LOCAL));
		ck_assert_uint_lt(place(&marked, GUARD), place(&marked, LOCAL));
	} else {
		ck_assert_uint_eq(place(&marked, GUARD), SIZE_MAX);
	}
	if (path && owner)
		ck_assert_uint_lt(path_place, owner_place);
	for (size_t i = 0; i < marked.count; i++)
		if (marked.tables[i] > LAYOUT_TABLE_BASE)
			ck_assert(marked.tables[i] == LAYOUT_TABLE_BASE + owner ||
				  marked.tables[i] == LAYOUT_TABLE_PATH_BASE + path);
}

static struct rule_ids ids_of(unsigned int paths, unsigned int owners)
{
	struct rule_ids ids = {0};

	for (unsigned int id = 1; id <= paths; id++)
		rule_id_set(ids.paths, id, true);
	for (unsigned int id = 1; id <= owners; id++)
		rule_id_set(ids.owners, id, true);
	return ids;
}

/* Some of the ids 1..*count*, and none. */
static unsigned int sample(unsigned int count, unsigned int number)
{
	const unsigned int samples[] = {0, count ? 1 : 0, count / 2, count};

	return samples[number];
}

static void check_all(const struct rule_list *kernel, unsigned int paths, unsigned int owners)
{
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int j = 0; j < 4; j++)
			check_packet(kernel, sample(paths, i), sample(owners, j));
}

static void go(struct rule_list *kernel, const struct rule_ids *ids, bool *far, unsigned int paths,
	       unsigned int owners)
{
	struct rule_list plan = {0}, added = {0}, removed = {0};
	bool first = !kernel->count;
	size_t every;

	rule_plan(&marks, ids, false, far, &plan);
	rule_steps(kernel, &plan, &added, &removed);
	/* Of thousands of steps some: the walks take long. */
	every = (added.count + removed.count) / 200 + 1;
	for (size_t i = 0; i < added.count; i++) {
		ck_assert(kernel_add(kernel, &added.items[i]));
		if (!first && i % every == 0)
			check_all(kernel, paths, owners);
	}
	for (size_t i = 0; i < removed.count; i++) {
		kernel_delete(kernel, &removed.items[i]);
		if (!first && i % every == 0)
			check_all(kernel, paths, owners);
	}
	free(added.items);
	free(removed.items);
	ck_assert_uint_eq(kernel->count, plan.count);
	free(plan.items);
}

static const unsigned int counts[] = {0, 1, 64, 65, 1024, 4095};
#define COUNTS (sizeof(counts) / sizeof(*counts))

START_TEST(every_packet_finds_its_way)
{
	for (size_t p = 0; p < COUNTS; p++)
		for (size_t o = 0; o < COUNTS; o++) {
			struct rule_ids ids = ids_of(counts[p], counts[o]);
			struct rule_list kernel = {0};
			bool far = false;

			go(&kernel, &ids, &far, 0, 0);
			ck_assert_int_eq(far, counts[p] > 64 || counts[o] > 64);
			check_all(&kernel, counts[p], counts[o]);
			free(kernel.items);
		}
}
END_TEST

START_TEST(every_packet_finds_its_way_at_each_step)
{
	static const unsigned int steps[][2] = {{0, 0},	  {1, 0},    {1, 3},   {65, 3},	 {64, 3},
						{40, 3},  {40, 65},  {65, 65}, {65, 40}, {300, 300},
						{300, 1}, {10, 300}, {10, 40}, {0, 0}};
	struct rule_list kernel = {0};
	unsigned int paths = 0, owners = 0;
	bool far = false;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct rule_ids ids = ids_of(steps[i][0], steps[i][1]);

		/* Those that are there before and after. */
		go(&kernel, &ids, &far, paths < steps[i][0] ? paths : steps[i][0],
		   owners < steps[i][1] ? owners : steps[i][1]);
		paths = steps[i][0];
		owners = steps[i][1];
		check_all(&kernel, paths, owners);
	}
	ck_assert(!far);
	free(kernel.items);
}
END_TEST

START_TEST(an_older_layout_is_turned_into_this_one)
{
	const struct rule before[] = {
		{.preference = 1,
		 .action = FR_ACT_GOTO,
		 .target = 4,
		 .mask = STRAY | TUNNEL,
		 .protocol = LAYOUT_PROTOCOL},
		{.preference = 1,
		 .action = FR_ACT_GOTO,
		 .target = 4,
		 .from_host = true,
		 .protocol = LAYOUT_PROTOCOL},
		{.preference = 2,
		 .action = FR_ACT_TO_TBL,
		 .table = LAYOUT_TABLE_BASE + 1,
		 .mark = STRAY | 1,
		 .mask = STRAY | TUNNEL | OWNERS,
		 .protocol = LAYOUT_PROTOCOL},
		{.preference = 3,
		 .action = FR_ACT_TO_TBL,
		 .table = GUARD,
		 .mask = STRAY | TUNNEL,
		 .invert = true,
		 .protocol = LAYOUT_PROTOCOL},
		{.preference = 4,
		 .action = FR_ACT_TO_TBL,
		 .table = LOCAL,
		 .protocol = RTPROT_KERNEL},
		{.preference = 5,
		 .action = FR_ACT_TO_TBL,
		 .table = LAYOUT_TABLE_STEER,
		 .from_host = true,
		 .port = 4790,
		 .protocol = LAYOUT_PROTOCOL},
		{.preference = 32766,
		 .action = FR_ACT_TO_TBL,
		 .table = RT_TABLE_MAIN,
		 .protocol = RTPROT_KERNEL},
	};

	for (unsigned int owners = 1; owners <= 65; owners += 64) {
		struct rule_ids ids = ids_of(0, owners);
		struct rule_list kernel = {0}, plan = {0}, added = {0}, removed = {0};
		bool far = false;

		for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
			kernel_add(&kernel, &before[i]);
			ck_assert(rule_fits(&marks, &before[i]));
		}
		rule_plan(&marks, &ids, false, &far, &plan);
		rule_steps(&kernel, &plan, &added, &removed);
		for (size_t i = 0; i < added.count; i++) {
			kernel_add(&kernel, &added.items[i]);
			check_packet(&kernel, 0, 1);
		}
		for (size_t i = 0; i < removed.count; i++) {
			kernel_delete(&kernel, &removed.items[i]);
			/* The host's own packets had a rule that is taken for the new one. */
			for (size_t k = 0; k < added.count; k++)
				if (rule_is_taken_for(&added.items[k], &removed.items[i]))
					kernel_add(&kernel, &added.items[k]);
			check_packet(&kernel, 0, 1);
		}
		ck_assert_uint_eq(kernel.count, plan.count + 1); /* main */
		check_packet(&kernel, 0, owners);
		free(kernel.items);
		free(plan.items);
		free(added.items);
		free(removed.items);
	}
}
END_TEST

START_TEST(a_tree_is_short)
{
	struct rule_ids ids = ids_of(1024, 1024);
	struct rule_list kernel = {0};
	size_t looked = 0;
	bool far = false;

	go(&kernel, &ids, &far, 0, 0);
	for (unsigned int id = 1; id <= 1024; id++) {
		looked += walk(&kernel, mark_of(id, 0), false).looked;
		ck_assert_uint_le(walk(&kernel, mark_of(0, id), false).looked, 2 + 33 + 33 + 32);
	}
	/* Half of the ways to the chunks and half of a chunk, behind the two that skip. */
	ck_assert_uint_lt(looked / 1024, 2 + 17 + 17);
	ck_assert_uint_eq(walk(&kernel, 0, false).looked, 2); /* goto, local */
	free(kernel.items);
}
END_TEST

START_TEST(it_becomes_a_list_again_with_fewer)
{
	struct rule_ids ids = ids_of(65, 0);
	struct rule_list kernel = {0};
	bool far = false;

	go(&kernel, &ids, &far, 0, 0);
	ck_assert(far);
	ids = ids_of(RULE_LIST_AGAIN + 1, 0);
	go(&kernel, &ids, &far, 0, 0);
	ck_assert(far);
	ids = ids_of(RULE_LIST_AGAIN, 0);
	go(&kernel, &ids, &far, 0, 0);
	ck_assert(!far);
	free(kernel.items);
}
END_TEST

START_TEST(local_delivery_that_others_moved_stays_theirs)
{
	struct rule_ids ids = ids_of(1, 1);
	struct rule_list plan = {0};
	bool far = false;

	rule_plan(&marks, &ids, true, &far, &plan);
	for (size_t i = 0; i < plan.count; i++) {
		ck_assert(!rule_is_plain_local(&plan.items[i]));
		ck_assert(rule_is_ours(&plan.items[i]));
		if (plan.items[i].preference == LAYOUT_PREF_LOCAL)
			ck_assert_int_eq(plan.items[i].action, FR_ACT_NOP);
	}
	free(plan.items);
}
END_TEST

START_TEST(rules_of_other_bits_are_told_apart)
{
	struct rule_marks other = marks;
	struct rule_ids ids = ids_of(65, 65);
	struct rule_list plan = {0};
	bool far = false;
	size_t fits = 0;

	rule_plan(&marks, &ids, false, &far, &plan);
	for (size_t i = 0; i < plan.count; i++)
		ck_assert(rule_fits(&marks, &plan.items[i]));
	other.owner_mask = 0x0000fff0;
	other.path_mask = 0x00fff000;
	for (size_t i = 0; i < plan.count; i++)
		fits += rule_fits(&other, &plan.items[i]);
	/* Those without a mark, and the guard: ways past the other chunks, sent by this host, ...
	 */
	ck_assert_uint_eq(fits, 3 + 3 + 1 + 1 + 1 + 1);
	free(plan.items);
}
END_TEST

UNIT_MAIN("rule_plan", every_packet_finds_its_way, every_packet_finds_its_way_at_each_step,
	  an_older_layout_is_turned_into_this_one, a_tree_is_short,
	  it_becomes_a_list_again_with_fewer, local_delivery_that_others_moved_stays_theirs,
	  rules_of_other_bits_are_told_apart)
