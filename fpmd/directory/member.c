/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The member set. Pure; ids stay with their host as long as there is room for all. */
#include "fpmd/directory/member.h"

#include <string.h>

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

/* A free id, or that of a host without route; -1: there is none. */
static int member_place(struct member_set *set, const struct member_bits *wanted,
			member_replaced_fn *replaced, void *arg)
{
	if (set->count < MEMBERS_MAX)
		return set->count++;
	for (uint16_t id = 1; id < set->count; id++) {
		if (set->member[id].routed || member_bits_has(wanted, id))
			continue;
		if (replaced != NULL)
			replaced(arg, id);
		return id;
	}
	return -1;
}

unsigned int member_set_routes(struct member_set *set, const struct in6_addr *hosts, size_t count,
			       uint64_t now_ms, member_replaced_fn *replaced, void *arg,
			       size_t *left_out)
{
	bool ipv4 = address_is_ipv4(&set->member[MEMBER_LOCAL].address);
	struct member_bits wanted = {{0}};
	unsigned int changed = 0;

	set->known = true;
	for (size_t i = 0; i < count; i++) {
		int id = member_find(set, &hosts[i]);

		if (id > 0)
			member_bits_set(&wanted, (uint16_t)id);
	}
	for (uint16_t id = 1; id < set->count; id++) {
		if (set->member[id].routed && !member_bits_has(&wanted, id))
			changed |= member_unroute(set, id, now_ms);
	}
	for (size_t i = 0; i < count; i++) {
		int id = member_find(set, &hosts[i]);

		if (id == MEMBER_LOCAL || address_is_ipv4(&hosts[i]) != ipv4)
			continue;
		if (id < 0) {
			id = member_place(set, &wanted, replaced, arg);
			if (id < 0) {
				if (left_out != NULL)
					++*left_out;
				continue;
			}
			set->member[id] = (struct member){.address = hosts[i]};
			memset(set->by_address, 0, sizeof(set->by_address));
			for (uint16_t each = 0; each < set->count; each++)
				index_add(set, each);
			member_bits_set(&wanted, (uint16_t)id);
		}
		if (!set->member[id].routed) {
			set->member[id].routed = true;
			set->member[id].routed_ms = now_ms;
			changed |= MEMBER_CHANGED_STATE;
		}
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

bool member_set_incomplete(const struct member_set *set, uint64_t now_ms)
{
	if (!set->known)
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
