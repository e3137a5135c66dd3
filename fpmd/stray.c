// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/stray.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

size_t strays_count(const struct strays *strays)
{
	return HASH_COUNT(strays->table);
}

struct stray *stray_find(const struct strays *strays, const struct flow *flow, bool tunnelled)
{
	struct stray_key key = {.flow = *flow, .tunnelled = tunnelled};
	struct stray *stray;

	HASH_FIND(hh, strays->table, &key, sizeof(key), stray);
	return stray;
}

static void forget(struct strays *strays, struct stray *stray)
{
	if (!stray->asking)
		DL_DELETE(strays->idle, stray);
	HASH_DEL(strays->table, stray);
	free(stray);
}

static struct stray *remember(struct strays *strays, const struct flow *flow, bool tunnelled,
			      uint64_t now_ms)
{
	struct stray *stray;

	/* Flows that wait for an answer are never pushed out by new ones. */
	if (strays_count(strays) >= STRAY_FLOWS_MAX) {
		if (!strays->idle)
			return NULL;
		forget(strays, strays->idle);
	}
	stray = calloc(1, sizeof(*stray));
	if (!stray)
		return NULL;
	stray->key.flow = *flow;
	stray->key.tunnelled = tunnelled;
	stray->first_ms = now_ms;
	HASH_ADD(hh, strays->table, key, sizeof(stray->key), stray);
	DL_APPEND(strays->idle, stray);
	return stray;
}

enum stray_action stray_arrive(struct strays *strays, const struct flow *flow, bool tunnelled,
			       uint32_t segment, uint64_t now_ms, struct stray **out)
{
	struct stray *stray = stray_find(strays, flow, tunnelled);

	if (!stray) {
		stray = remember(strays, flow, tunnelled, now_ms);
		if (!stray)
			return STRAY_DROP;
	} else if (stray->asking) {
		if (stray->segment_count == STRAY_SEGMENTS_MAX)
			return STRAY_DROP;
		stray->segments[stray->segment_count++] = segment;
		*out = stray;
		return STRAY_HOLD;
	} else if (now_ms >= stray->first_ms + STRAY_ASK_MS &&
		   now_ms < stray->asked_ms + STRAY_ASK_SLOWLY_MS) {
		return STRAY_DROP;
	}

	DL_DELETE(strays->idle, stray);
	stray->asking = true;
	stray->asked_ms = now_ms;
	stray->segments[0] = segment;
	stray->segment_count = 1;
	*out = stray;
	return STRAY_ASK;
}

void stray_answered(struct strays *strays, struct stray *stray, bool timed_out, uint64_t now_ms)
{
	stray->asking = false;
	stray->segment_count = 0;
	stray->asked_ms = now_ms;
	DL_APPEND(strays->idle, stray);
	if (!timed_out)
		forget(strays, stray);
}

void strays_expire(struct strays *strays, uint64_t now_ms)
{
	while (strays->idle && now_ms >= strays->idle->asked_ms + STRAY_FORGET_MS)
		forget(strays, strays->idle);
}

void strays_clear(struct strays *strays)
{
	struct stray *stray, *next;

	HASH_ITER (hh, strays->table, stray, next)
		forget(strays, stray);
}

enum kernel_verdict stray_decide(const struct stray_facts *facts)
{
	switch (facts->answer) {
	case DIRECTORY_ABSENT:
		return KERNEL_LOCAL;
	case DIRECTORY_FOUND:
		if (facts->owner_is_local)
			return KERNEL_LOCAL;
		if (facts->tunnelled)
			return KERNEL_DROP;
		if (facts->owner_is_reachable)
			return KERNEL_DETOUR;
		return facts->owner_is_in_doubt ? KERNEL_DROP : KERNEL_LOCAL;
	case DIRECTORY_TIMED_OUT:
		break;
	}
	return KERNEL_DROP;
}
