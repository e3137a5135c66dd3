/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The share of all hosts' records that this host keeps for others. Pure; time is monotonic ms.
 * At most 64 bytes a record (48 and its bucket), allocated as the table fills, bounded.
 * Last writer wins by version; a deleted record leaves a tombstone, so that a datagram that was
 * overtaken does not bring it back; a newer epoch of an owner voids its older records at once.
 * A full store makes room for a client with few records by dropping one of a client with many.
 */
#ifndef HOLDFAST_DIRECTORY_STORE_H
#define HOLDFAST_DIRECTORY_STORE_H

#include "fpmd/directory/record.h"

#define STORE_TOMBSTONE_MS 60000
#ifndef STORE_OWNERS_MAX
#define STORE_OWNERS_MAX 2048
#endif

struct store;

enum store_status {
	STORE_DONE,	  /* it is as asked, now or already */
	STORE_SUPERSEDED, /* a newer record, tombstone or epoch stands there */
	STORE_FULL,
};

/* NULL: no memory. */
struct store *store_create(uint32_t records_max, uint64_t lifetime_ms);
void store_free(struct store *store);

enum store_status store_put(struct store *store, const struct record *record, uint64_t now_ms);

/* Deletes the record if it is of this owner and of this or an older version. */
enum store_status store_delete(struct store *store, const struct record_key *key,
			       const struct in6_addr *owner, uint64_t owner_epoch, uint64_t version,
			       uint64_t now_ms);

/*
 * A batch of records is about to be looked up, put or deleted: their keys are at *keys*, each
 * *stride* bytes after the other. The table is larger than the CPU's caches; this waits for memory
 * once, not once for each.
 */
void store_prefetch(const struct store *store, const uint8_t *keys, size_t stride, size_t count);

/* The version of the record or tombstone that stands there; 0: there is none. */
uint64_t store_version(const struct store *store, const struct record_key *key);

/* Drops all records and tombstones. */
void store_clear(struct store *store);

/* Returns true and fills *record* if there is one. */
bool store_get(const struct store *store, const struct record_key *key, struct record *record);

/* The owner was heard of at this time, in this epoch: its records live on, older epochs' do not. */
void store_owner_heard(struct store *store, const struct in6_addr *owner, uint64_t epoch,
		       uint64_t heard_ms);

/* Drops what is void by now; looks at *budget* tombstones at most. */
void store_expire(struct store *store, uint64_t now_ms, size_t budget);

/*
 * Looks at the next *budget* slots, in turn, and drops the records that *keep* does not want:
 * copies that the ring moved elsewhere.
 */
typedef bool store_keep_fn(void *arg, const struct record_key *key);
size_t store_sweep(struct store *store, store_keep_fn *keep, void *arg, size_t budget);

size_t store_records(const struct store *store);

/* Records that were dropped to make room for another client's. */
uint64_t store_evicted(const struct store *store);

size_t store_tombstones(const struct store *store);
size_t store_owner_records(const struct store *store, const struct in6_addr *owner);

/* Bytes allocated, all included. */
size_t store_memory(const struct store *store);

#endif
