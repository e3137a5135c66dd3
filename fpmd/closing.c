// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/closing.h"

#include <stdlib.h>
#include <utlist.h>

size_t closings_count(const struct closings *closings)
{
	return HASH_COUNT(closings->table);
}

static void closing_free(struct closings *closings, struct closing *c)
{
	HASH_DEL(closings->table, c);
	DL_DELETE(closings->queue[c->looks], c);
	free(c);
}

bool closing_add(struct closings *closings, const struct flow *flow, uint8_t looks, uint64_t now_ms)
{
	static const uint64_t waits_ms[CLOSING_LOOKS] = CLOSING_WAITS_MS;
	struct closing *c;

	closing_cancel(closings, flow);
	c = closings_count(closings) < CLOSING_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return false;
	c->flow = *flow;
	c->looks = looks < CLOSING_LOOKS ? looks : CLOSING_LOOKS - 1;
	c->due_ms = now_ms + waits_ms[c->looks];
	HASH_ADD(hh, closings->table, flow, sizeof(c->flow), c);
	DL_APPEND(closings->queue[c->looks], c);
	return true;
}

void closing_cancel(struct closings *closings, const struct flow *flow)
{
	struct closing *c;

	HASH_FIND(hh, closings->table, flow, sizeof(*flow), c);
	if (c)
		closing_free(closings, c);
}

bool closing_take(struct closings *closings, uint64_t now_ms, struct flow *flow, uint8_t *looks)
{
	for (size_t i = 0; i < CLOSING_LOOKS; i++) {
		struct closing *c = closings->queue[i];

		if (!c || now_ms < c->due_ms)
			continue;
		*flow = c->flow;
		*looks = (uint8_t)(c->looks + 1);
		closing_free(closings, c);
		return true;
	}
	return false;
}

void closings_clear(struct closings *closings)
{
	struct closing *c, *next;

	HASH_ITER (hh, closings->table, c, next)
		closing_free(closings, c);
}
