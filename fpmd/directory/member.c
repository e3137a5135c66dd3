/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The member set. Pure; ids stay with their host as long as there is room for all. */
#include "fpmd/directory/member.h"

#include <string.h>

#include "fpmd/directory/ring.h"

_Static_assert(RING_MEMBERS_MAX >= MEMBERS_MAX, "all members must fit into a ring");

/* This host has a place of its own. */
#define CHOSEN_MAX (MEMBERS_MAX - 1)
#define HASH_SIZE (4 * MEMBERS_MAX)

static uint32_t address_hash(const struct in6_addr *address)
{
	uint64_t high, low;

	memcpy(&high, address->s6_addr, 8);
	memcpy(&low, address->s6_addr + 8, 8);
	low = (low ^ high * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(low >> 40) % HASH_SIZE;
}

static void index_add(struct member_set *set, uint16_t id)
{
	uint32_t i = address_hash(&set->member[id].address);

	while (set->by_address[i])
		i = (i + 1) % HASH_SIZE;
	set->by_address[i] = (uint16_t)(id + 1);
}

void member_set_init(struct member_set *set, const struct in6_addr *local, uint64_t epoch,
		     uint64_t now_ms)
{
	memset(set, 0, sizeof(*set));
	set->member[MEMBER_LOCAL] = (struct member){
		.address = *local,
		.routed = true,
		.proven = true,
		.epoch = epoch,
		.routed_ms = now_ms,
		.heard_ms = now_ms,
	};
	set->count = 1;
	member_bits_set(&set->ring, MEMBER_LOCAL);
	index_add(set, MEMBER_LOCAL);
}

int member_find(const struct member_set *set, const struct in6_addr *address)
{
	for (uint32_t i = address_hash(address); set->by_address[i]; i = (i + 1) % HASH_SIZE) {
		if (address_equal(&set->member[set->by_address[i] - 1].address, address))
			return set->by_address[i] - 1;
	}
	return -1;
}

static unsigned int member_unroute(struct member_set *set, uint16_t id, uint64_t now_ms)
{
	struct member *member = &set->member[id];
	unsigned int changed = MEMBER_CHANGED_STATE;

	if (member_in_ring(set, id)) {
		changed |= MEMBER_CHANGED_RING;
		member->lost_ms = now_ms;
	}
	member->routed = false;
	member->proven = false;
	member->silent = false;
	member_bits_clear(&set->ring, id);
	member_bits_clear(&set->silent, id);
	return changed;
}

/*
 * The hosts that become members, in ring_order(). The array is kept sorted; the last one makes room
 * for one that comes before it.
 */
struct chosen {
	const struct in6_addr *host[CHOSEN_MAX];
	size_t count;
	size_t left_out;
	size_t before_local; /* hosts that come before this one, also such as are left out */
};

static void chosen_add(struct chosen *chosen, const struct in6_addr *host)
{
	size_t low = 0, high = chosen->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = ring_order(chosen->host[middle], host);

		if (order == 0)
			return;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (chosen->count == CHOSEN_MAX)
		chosen->left_out++;
	else
		chosen->count++;
	if (low == chosen->count)
		return;
	memmove(chosen->host + low + 1, chosen->host + low,
		(chosen->count - low - 1) * sizeof(chosen->host[0]));
	chosen->host[low] = host;
}

/* A free id, or that of a host without route: there is one, as at most CHOSEN_MAX are wanted. */
static uint16_t member_place(struct member_set *set, const struct member_bits *wanted,
			     member_replaced_fn *replaced, void *arg)
{
	uint16_t id = 1;

	if (set->count < MEMBERS_MAX)
		return set->count++;
	while (set->member[id].routed || member_bits_has(wanted, id))
		id++;
	if (replaced != NULL)
		replaced(arg, id);
	return id;
}

unsigned int member_set_routes(struct member_set *set, const struct in6_addr *hosts, size_t count,
			       uint64_t now_ms, member_replaced_fn *replaced, void *arg)
{
	const struct in6_addr *local = &set->member[MEMBER_LOCAL].address;
	struct member_bits wanted = {{0}};
	struct chosen chosen = {.count = 0};
	unsigned int changed = 0;
	bool placed = false;

	for (size_t i = 0; i < count; i++) {
		if (address_equal(&hosts[i], local) ||
		    address_is_ipv4(&hosts[i]) != address_is_ipv4(local))
			continue;
		chosen_add(&chosen, &hosts[i]);
		chosen.before_local += ring_order(&hosts[i], local) < 0;
	}
	set->known = true;
	set->left_out = chosen.left_out;
	set->local_left_out = chosen.left_out > 0 && chosen.before_local >= MEMBERS_MAX;
	for (size_t i = 0; i < chosen.count; i++) {
		int id = member_find(set, chosen.host[i]);

		if (id > 0)
			member_bits_set(&wanted, (uint16_t)id);
	}
	for (uint16_t id = 1; id < set->count; id++) {
		if (set->member[id].routed && !member_bits_has(&wanted, id))
			changed |= member_unroute(set, id, now_ms);
	}
	/* The hosts differ, so that each is looked for before the index is made anew. */
	for (size_t i = 0; i < chosen.count; i++) {
		int id = member_find(set, chosen.host[i]);

		if (id < 0) {
			id = member_place(set, &wanted, replaced, arg);
			set->member[id] = (struct member){.address = *chosen.host[i]};
			placed = true;
			member_bits_set(&wanted, (uint16_t)id);
		}
		if (!set->member[id].routed) {
			set->member[id].routed = true;
			set->member[id].routed_ms = now_ms;
			changed |= MEMBER_CHANGED_STATE;
		}
	}
	if (placed) {
		memset(set->by_address, 0, sizeof(set->by_address));
		for (uint16_t id = 0; id < set->count; id++)
			index_add(set, id);
	}
	return changed;
}

unsigned int member_set_proven(struct member_set *set, uint16_t id, uint64_t epoch, uint64_t now_ms)
{
	struct member *member = &set->member[id];
	unsigned int changed = member_set_heard(set, id, now_ms);

	if (member->epoch != epoch)
		changed |= MEMBER_CHANGED_STATE;
	member->epoch = epoch;
	member->heard_ms = now_ms;
	if (member->routed && !member->proven) {
		member->proven = true;
		member_bits_set(&set->ring, id);
		changed |= MEMBER_CHANGED_STATE | MEMBER_CHANGED_RING;
	}
	return changed;
}

unsigned int member_set_heard(struct member_set *set, uint16_t id, uint64_t now_ms)
{
	struct member *member = &set->member[id];

	member->heard_ms = now_ms;
	if (!member->silent)
		return 0;
	member->silent = false;
	member_bits_clear(&set->silent, id);
	return MEMBER_CHANGED_STATE;
}

unsigned int member_set_tick(struct member_set *set, uint64_t now_ms)
{
	unsigned int changed = 0;

	for (uint16_t id = 1; id < set->count; id++) {
		struct member *member = &set->member[id];

		if (!member_in_ring(set, id) || member->silent ||
		    now_ms < member->heard_ms + MEMBER_SILENT_MS)
			continue;
		member->silent = true;
		member_bits_set(&set->silent, id);
		changed |= MEMBER_CHANGED_STATE;
	}
	return changed;
}

bool member_in_ring(const struct member_set *set, uint16_t id)
{
	return id < set->count && member_bits_has(&set->ring, id);
}

bool member_is_new(const struct member *member, uint64_t now_ms, uint64_t wall_ms)
{
	return (member->lost_ms != 0 && now_ms < member->lost_ms + MEMBER_NEW_MS) ||
	       (member->epoch <= wall_ms && wall_ms < member->epoch + MEMBER_NEW_MS);
}

bool member_set_incomplete(const struct member_set *set, uint64_t now_ms)
{
	if (!set->known || set->left_out > 0)
		return true;
	for (uint16_t id = 1; id < set->count; id++) {
		const struct member *member = &set->member[id];

		if (member->routed && !member->proven &&
		    now_ms < member->routed_ms + MEMBER_GRACE_MS)
			return true;
		if (!member->routed && member->lost_ms != 0 &&
		    now_ms < member->lost_ms + MEMBER_LOST_MS)
			return true;
	}
	return false;
}
