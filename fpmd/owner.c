// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/owner.h"

#include <string.h>

void owners_init(struct owners *owners, uint32_t mask)
{
	uint32_t largest = mask ? mask >> __builtin_ctz(mask) : 0;

	memset(owners, 0, sizeof(*owners));
	owners->max = largest < OWNER_MAX ? (uint16_t)largest : OWNER_MAX;
}

bool owners_any(const struct owners *owners)
{
	for (uint16_t id = 1; id <= owners->max; id++)
		if (owners->table[id].used)
			return true;
	return false;
}

uint16_t owner_find(const struct owners *owners, const struct in6_addr *address)
{
	for (uint16_t id = 1; id <= owners->max; id++)
		if (owners->table[id].used && address_equal(&owners->table[id].address, address))
			return id;
	return OWNER_NONE;
}

uint16_t owner_retain(struct owners *owners, const struct in6_addr *address, uint64_t now_ms)
{
	uint16_t best = OWNER_NONE, id = owner_find(owners, address);

	if (id)
		return id;
	for (id = 1; id <= owners->max; id++) {
		struct owner *o = &owners->table[id];

		if (o->used)
			continue;
		if (o->ever && address_equal(&o->address, address)) {
			best = id;
			break;
		}
		if (o->ever && now_ms < o->released_ms + OWNER_REST_MS)
			continue;
		if (!best || o->released_ms < owners->table[best].released_ms)
			best = id;
	}
	if (best)
		owners->table[best] = (struct owner){
			.address = *address,
			.used = true,
			.ever = true,
		};
	return best;
}

int owner_adopt(struct owners *owners, uint16_t id, const struct in6_addr *address)
{
	struct owner *o = &owners->table[id <= owners->max ? id : 0];

	if (!id || id > owners->max || (o->used && !address_equal(&o->address, address)))
		return -1;
	*o = (struct owner){.address = *address, .used = true, .ever = true};
	return 0;
}

void owner_release(struct owners *owners, uint16_t id, uint64_t now_ms)
{
	if (!id || id > owners->max)
		return;
	owners->table[id].used = false;
	owners->table[id].released_ms = now_ms;
}
