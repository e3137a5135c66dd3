// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/reach.h"

#include <string.h>

static struct reach_host *find(struct reach *reach, const struct in6_addr *address)
{
	for (size_t i = 0; i < reach->count; i++)
		if (address_equal(&reach->hosts[i].address, address))
			return &reach->hosts[i];
	return NULL;
}

static void drop_others(struct reach *reach, bool keep_frozen, uint64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < reach->count; i++) {
		struct reach_host *host = &reach->hosts[i];

		if (host->routed || (host->frozen && keep_frozen))
			reach->hosts[kept++] = *host;
		else
			reach->lost[reach->lost_next++ % REACH_LOST_MAX] =
				(struct reach_lost){.address = host->address, .at_ms = now_ms};
	}
	reach->count = kept;
}

void reach_update(struct reach *reach, const struct in6_addr *routed, size_t count, uint64_t now_ms)
{
	if (!count) {
		if (!reach->count)
			return;
		for (size_t i = 0; i < reach->count; i++) {
			reach->hosts[i].routed = false;
			reach->hosts[i].frozen = true;
		}
		reach->isolated = true;
		reach->returned_ms = 0;
		return;
	}

	if (reach->isolated) {
		reach->isolated = false;
		reach->returned_ms = now_ms ? now_ms : 1;
	}
	if (!reach->learnt_ms)
		reach->learnt_ms = now_ms ? now_ms : 1;
	reach->learned |= now_ms >= reach->learnt_ms + REACH_LEARN_MS;
	for (size_t i = 0; i < reach->count; i++)
		reach->hosts[i].routed = false;
	for (size_t i = 0; i < count; i++) {
		struct reach_host *host = find(reach, &routed[i]);

		if (!host && reach->count < REACH_MAX) {
			host = &reach->hosts[reach->count++];
			host->address = routed[i];
			reach->learnt_ms = now_ms ? now_ms : 1;
		}
		if (host) {
			host->routed = true;
			host->frozen = false;
		}
	}
	drop_others(reach, true, now_ms);
}

void reach_adopt(struct reach *reach, const struct in6_addr *address, uint64_t now_ms)
{
	bool routed = false;

	if (find(reach, address) || reach->count == REACH_MAX)
		return;
	for (size_t i = 0; i < reach->count; i++)
		routed |= reach->hosts[i].routed;
	reach->hosts[reach->count++] = (struct reach_host){.address = *address, .frozen = true};
	reach->isolated = !routed;
	if (routed && !reach->returned_ms)
		reach->returned_ms = now_ms ? now_ms : 1;
}

bool reach_expire(struct reach *reach, uint64_t now_ms)
{
	size_t before = reach->count;

	if (reach->isolated || !reach->returned_ms || now_ms < reach->returned_ms + REACH_RETURN_MS)
		return false;
	reach->returned_ms = 0;
	drop_others(reach, false, now_ms);
	return reach->count != before;
}

bool reach_has(const struct reach *reach, const struct in6_addr *address)
{
	return find((struct reach *)reach, address) != NULL;
}

bool reach_is_learning(const struct reach *reach, uint64_t since_ms, uint64_t now_ms)
{
	if (reach->learned)
		return false;
	return reach->learnt_ms ? now_ms < reach->learnt_ms + REACH_LEARN_MS
				: now_ms < since_ms + REACH_RETURN_MS;
}

bool reach_in_doubt(const struct reach *reach, const struct in6_addr *address, uint64_t now_ms)
{
	for (size_t i = 0; i < REACH_LOST_MAX && i < reach->lost_next; i++)
		if (address_equal(&reach->lost[i].address, address) &&
		    now_ms < reach->lost[i].at_ms + REACH_DOUBT_MS)
			return true;
	return false;
}
