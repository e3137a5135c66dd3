/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A slot holds the nodes of one tick: all set ticks are within WHEEL_SLOTS of each other. Pure. */
#include "fpmd/directory/wheel.h"

void wheel_unset(struct wheel *wheel, struct wheel_node *node)
{
	unsigned int slot = node->tick % WHEEL_SLOTS;

	if (node->tick == 0)
		return;
	if (node->next != NULL)
		node->next->previous = node->previous;
	if (node->previous != NULL)
		node->previous->next = node->next;
	else
		wheel->slot[slot] = node->next;
	if (wheel->slot[slot] == NULL)
		wheel->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	node->tick = 0;
	wheel->set--;
}

void wheel_set(struct wheel *wheel, struct wheel_node *node, uint64_t at_us, uint64_t now_us)
{
	uint64_t tick = at_us / WHEEL_TICK_US + (at_us % WHEEL_TICK_US != 0);
	unsigned int slot;

	wheel_unset(wheel, node);
	if (wheel->set++ == 0)
		wheel->tick = now_us / WHEEL_TICK_US + 1;
	if (tick < wheel->tick)
		tick = wheel->tick;
	if (tick >= wheel->tick + WHEEL_SLOTS)
		tick = wheel->tick + WHEEL_SLOTS - 1;
	slot = tick % WHEEL_SLOTS;
	node->tick = tick;
	node->previous = NULL;
	node->next = wheel->slot[slot];
	if (node->next != NULL)
		node->next->previous = node;
	wheel->slot[slot] = node;
	wheel->used[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* Ticks from wheel->tick to the first slot in use; WHEEL_SLOTS: none is. */
static unsigned int distance(const struct wheel *wheel)
{
	unsigned int first = wheel->tick % WHEEL_SLOTS;

	for (unsigned int i = 0; i <= WHEEL_SLOTS / 64; i++) {
		unsigned int word = (first / 64 + i) % (WHEEL_SLOTS / 64);
		uint64_t bits = wheel->used[word];

		/* The first word is looked at twice: from *first* on, and at the end up to it. */
		if (i == 0)
			bits &= UINT64_MAX << (first % 64);
		if (bits != 0)
			return (word * 64 + (unsigned int)__builtin_ctzll(bits) - first) %
			       WHEEL_SLOTS;
	}
	return WHEEL_SLOTS;
}

struct wheel_node *wheel_due(struct wheel *wheel, uint64_t now_us)
{
	uint64_t now = now_us / WHEEL_TICK_US;
	struct wheel_node *node;
	unsigned int ahead;

	if (now < wheel->tick)
		return NULL;
	ahead = distance(wheel);
	if (ahead == WHEEL_SLOTS || wheel->tick + ahead > now) {
		wheel->tick = now + 1;
		return NULL;
	}
	wheel->tick += ahead;
	node = wheel->slot[wheel->tick % WHEEL_SLOTS];
	wheel_unset(wheel, node);
	return node;
}

uint64_t wheel_next_us(const struct wheel *wheel)
{
	unsigned int ahead = distance(wheel);

	return ahead == WHEEL_SLOTS ? UINT64_MAX : (wheel->tick + ahead) * WHEEL_TICK_US;
}
