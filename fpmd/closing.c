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
	DL_DELETE(closings->queue, c);
	free(c);
}

bool closing_add(struct closings *closings, const struct flow *flow, uint64_t wait_ms,
		 uint64_t now_ms)
{
	struct closing *c;

	closing_cancel(closings, flow);
	c = closings_count(closings) < CLOSING_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return false;
	c->flow = *flow;
	c->due_ms = now_ms + wait_ms;
	HASH_ADD(hh, closings->table, flow, sizeof(c->flow), c);
	DL_APPEND(closings->queue, c);
	return true;
}

void closing_cancel(struct closings *closings, const struct flow *flow)
{
	struct closing *c;

	HASH_FIND(hh, closings->table, flow, sizeof(*flow), c);
	if (c)
		closing_free(closings, c);
}

bool closing_take(struct closings *closings, uint64_t now_ms, struct flow *flow)
{
	struct closing *c = closings->queue;

	if (!c || now_ms < c->due_ms)
		return false;
	*flow = c->flow;
	closing_free(closings, c);
	return true;
}

void closings_clear(struct closings *closings)
{
	struct closing *c, *next;

	HASH_ITER (hh, closings->table, c, next)
		closing_free(closings, c);
}
