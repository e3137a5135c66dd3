// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/pin.h"

#include <stdlib.h>
#include <utlist.h>

void pins_init(struct pins *pins, size_t max)
{
	*pins = (struct pins){.max = max};
}

size_t pins_count(const struct pins *pins)
{
	return HASH_COUNT(pins->table);
}

struct pin *pin_find(const struct pins *pins, const struct flow *flow)
{
	struct pin *pin;

	HASH_FIND(hh, pins->table, flow, sizeof(*flow), pin);
	return pin;
}

static struct pin **list_of(struct pins *pins, const struct pin *pin)
{
	return pin->unverified ? &pins->unverified_list : &pins->check_list;
}

static struct pin *add(struct pins *pins, const struct flow *flow, uint16_t owner, bool unverified,
		       uint64_t now_ms)
{
	struct pin *pin = pins_count(pins) < pins->max ? calloc(1, sizeof(*pin)) : NULL;

	if (!pin)
		return NULL;
	pin->flow = *flow;
	pin->owner = owner;
	pin->unverified = unverified;
	pin->since_ms = pin->due_ms = pin->checked_ms = now_ms;
	HASH_ADD(hh, pins->table, flow, sizeof(pin->flow), pin);
	DL_APPEND2(*list_of(pins, pin), pin, check_prev, check_next);
	return pin;
}

struct pin *pin_add(struct pins *pins, const struct flow *flow, uint16_t owner, uint64_t now_ms)
{
	return add(pins, flow, owner, false, now_ms);
}

struct pin *pin_take_over(struct pins *pins, const struct flow *flow, uint16_t owner,
			  uint64_t now_ms)
{
	return add(pins, flow, owner, true, now_ms);
}

void pin_remove(struct pins *pins, struct pin *pin)
{
	HASH_DEL(pins->table, pin);
	if (pin->checking)
		pins->checking--;
	else
		DL_DELETE2(*list_of(pins, pin), pin, check_prev, check_next);
	free(pin);
}

void pin_doubt(struct pins *pins, struct pin *pin, uint64_t now_ms)
{
	if (!pin->checking)
		DL_DELETE2(*list_of(pins, pin), pin, check_prev, check_next);
	pin->unverified = true;
	pin->due_ms = now_ms + PIN_RETRY_MS;
	if (!pin->checking)
		DL_APPEND2(*list_of(pins, pin), pin, check_prev, check_next);
}

struct pin *pin_check_begin(struct pins *pins, uint64_t interval_ms, uint64_t now_ms)
{
	struct pin *pin = pins->unverified_list;

	if (!pin || now_ms < pin->due_ms) {
		pin = pins->check_list;
		if (!pin || now_ms < pin->checked_ms + interval_ms)
			return NULL;
	}
	DL_DELETE2(*list_of(pins, pin), pin, check_prev, check_next);
	pin->checking = true;
	pins->checking++;
	return pin;
}

void pin_check_end(struct pins *pins, struct pin *pin, bool confirmed, uint64_t now_ms)
{
	pin->checking = false;
	pins->checking--;
	pin->checked_ms = now_ms;
	pin->due_ms = now_ms + PIN_RETRY_MS;
	if (confirmed)
		pin->unverified = false;
	DL_APPEND2(*list_of(pins, pin), pin, check_prev, check_next);
}

void pins_clear(struct pins *pins)
{
	struct pin *pin, *next;

	HASH_ITER (hh, pins->table, pin, next)
		pin_remove(pins, pin);
}
