/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table of structures that begin with their record key. Pure. Open addressing with linear
 * probing: a look-up costs one cache miss for the table and, if it finds something, one for the
 * structure. The key is a keyed hash already, so its bytes are the hash.
 */
#ifndef HOLDFAST_DIRECTORY_KEY_TABLE_H
#define HOLDFAST_DIRECTORY_KEY_TABLE_H

#include "fpmd/directory/record.h"

struct key_slot {
	uint64_t hash;
	struct record_key *entry; /* NULL: empty */
};

struct key_table {
	struct key_slot *slots;
	size_t size; /* slots, 0 or a power of two */
	size_t count;
};

/* Frees the table, not what is in it. */
void key_table_free(struct key_table *table);

/* The structure with this key, or NULL. */
struct record_key *key_table_find(const struct key_table *table, const struct record_key *key);

/* *entry* stays where it is while it is in the table, which must not have its key yet. -1: no
 * memory. */
int key_table_add(struct key_table *table, struct record_key *entry);

/* *entry* is in the table. */
void key_table_remove(struct key_table *table, const struct record_key *entry);

/*
 * A batch is about to be looked up: the keys are at *keys*, each *stride* bytes after the other.
 * The table is larger than the CPU's caches; this waits for memory once, not once for each.
 */
void key_table_prefetch(const struct key_table *table, const uint8_t *keys, size_t stride,
			size_t count);

#endif
