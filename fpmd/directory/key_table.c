/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open addressing: no slot between a key's place and its entry is ever empty. Pure. */
#include "fpmd/directory/key_table.h"

#include <stdlib.h>

#define FIRST_SIZE 1024

/* Not the bytes that choose the ring's bucket: those are the same for many of a replica's keys. */
static uint64_t hash_of(const struct record_key *key)
{
	uint64_t hash;

	memcpy(&hash, key->bytes + 4, sizeof(hash));
	return hash;
}

static size_t next_slot(const struct key_table *table, size_t at)
{
	return (at + 1) & (table->size - 1);
}

void key_table_free(struct key_table *table)
{
	free(table->slots);
	*table = (struct key_table){0};
}

struct record_key *key_table_find(const struct key_table *table, const struct record_key *key)
{
	uint64_t hash = hash_of(key);

	if (table->size == 0)
		return NULL;
	for (size_t at = hash & (table->size - 1); table->slots[at].entry != NULL;
	     at = next_slot(table, at)) {
		if (table->slots[at].hash == hash && record_key_equal(table->slots[at].entry, key))
			return table->slots[at].entry;
	}
	return NULL;
}

static void place(struct key_table *table, struct key_slot slot)
{
	size_t at = slot.hash & (table->size - 1);

	while (table->slots[at].entry != NULL)
		at = next_slot(table, at);
	table->slots[at] = slot;
}

static int grow(struct key_table *table)
{
	struct key_table larger = {
		.size = table->size == 0 ? FIRST_SIZE : 2 * table->size,
		.count = table->count,
	};

	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return -1;
	for (size_t i = 0; i < table->size; i++) {
		if (table->slots[i].entry != NULL)
			place(&larger, table->slots[i]);
	}
	free(table->slots);
	*table = larger;
	return 0;
}

int key_table_add(struct key_table *table, struct record_key *entry)
{
	if (2 * (table->count + 1) > table->size && grow(table) != 0)
		return -1;
	place(table, (struct key_slot){.hash = hash_of(entry), .entry = entry});
	table->count++;
	return 0;
}

void key_table_remove(struct key_table *table, const struct record_key *entry)
{
	size_t at = hash_of(entry) & (table->size - 1);
	size_t hole;

	while (table->slots[at].entry != entry)
		at = next_slot(table, at);
	hole = at;
	/* What was pushed on by it, or could not be where it belongs, moves up. */
	for (at = next_slot(table, at); table->slots[at].entry != NULL; at = next_slot(table, at)) {
		size_t home = table->slots[at].hash & (table->size - 1);

		if (((at - home) & (table->size - 1)) < ((at - hole) & (table->size - 1)))
			continue;
		table->slots[hole] = table->slots[at];
		hole = at;
	}
	table->slots[hole].entry = NULL;
	table->count--;
}

void key_table_prefetch(const struct key_table *table, const uint8_t *keys, size_t stride,
			size_t count)
{
	size_t mask = table->size - 1;

	if (table->size == 0)
		return;
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(
			&table->slots[hash_of((const struct record_key *)(keys + i * stride)) &
				      mask]);
	for (size_t i = 0; i < count; i++) {
		const struct record_key *entry =
			table->slots[hash_of((const struct record_key *)(keys + i * stride)) & mask]
				.entry;

		/* A null pointer does no harm, but adding to it is undefined. Two lines: what is
		 * asked for is in the first 100 bytes. */
		__builtin_prefetch(entry);
		__builtin_prefetch((const void *)((uintptr_t)entry + 64));
	}
}
