// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/steer.h"

#include <string.h>

static uint64_t hops_of(const struct route_next_hop *hops, size_t count, const char *interface)
{
	uint64_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (!strcmp(hops[i].interface, interface))
			found |= UINT64_C(1) << i;
	return found;
}

static uint16_t choose(const struct route_next_hop *hops, size_t count, uint64_t suspects)
{
	for (size_t i = 0; i < count; i++)
		if (!(suspects >> i & 1) && !IN6_IS_ADDR_UNSPECIFIED(&hops[i].gateway) &&
		    hops[i].interface[0])
			return (uint16_t)(i + 1);
	return STEER_PLAIN;
}

bool steer_stray(struct steering *steering, const struct route_next_hop *hops, size_t count,
		 const char *interface, uint64_t now_ms)
{
	uint64_t senders;
	uint16_t way;

	if (count < 2 || count > STEER_HOPS_MAX || !interface[0])
		return false;
	senders = hops_of(hops, count, interface);
	if (!senders)
		return false;
	if (steer_is_due(steering, now_ms))
		steering->suspects = 0;
	steering->suspects |= senders;
	steering->until_ms = now_ms + STEER_MS;
	/* A way that works is not changed. */
	if (steering->way && !(steering->suspects >> (steering->way - 1) & 1))
		return false;
	way = choose(hops, count, steering->suspects);
	if (way == steering->way)
		return false;
	steering->way = way;
	return true;
}

bool steer_end(struct steering *steering)
{
	bool steered = steering->way != STEER_PLAIN;

	memset(steering, 0, sizeof(*steering));
	return steered;
}

bool steer_is_due(const struct steering *steering, uint64_t now_ms)
{
	return steering->until_ms && now_ms >= steering->until_ms;
}
