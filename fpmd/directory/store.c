/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record table: slots in chunks, chained by key; each live slot is also in its owner's list,
 * each tombstone in one list in the order in which they end. Pure; a slot is in exactly one of the
 * lists owner, tombstones, free.
 */
#include "fpmd/directory/store.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define CHUNK_BITS 12
#define CHUNK_SIZE (1u << CHUNK_BITS)
#define NO_OWNER UINT16_MAX
#define OWNER_HASH (2 * STORE_OWNERS_MAX)
#define CLIENTS 65536	/* values of record.client */
#define EVICT_SAMPLE 16 /* slots looked at for a client that has more than its share */

struct slot {
	struct record_key key;
	uint64_t version;
	uint32_t chain;
	uint32_t next; /* of the same owner, tombstones, or free slots */
	uint32_t previous;
	uint32_t ends_s; /* tombstone */
	uint16_t owner;	 /* index; NO_OWNER: free */
	uint16_t client;
	bool tombstone;
};

_Static_assert(sizeof(struct slot) <= 48, "slot size");

struct owner {
	struct in6_addr address;
	uint64_t epoch; /* 0: the entry is free */
	uint64_t heard_ms;
	uint32_t first;
	uint32_t records;
	uint32_t tombstones;
};

struct list {
	uint32_t first, last;
};

struct store {
	struct slot **chunk;
	uint32_t *bucket;
	uint32_t bucket_mask;
	uint32_t slots_max;
	uint32_t slots; /* taken from chunks so far, also those that are free again */
	uint32_t free;
	uint32_t records;
	uint32_t sweep;
	struct list tombstones;
	uint32_t tombstone_count;
	uint32_t by_client[CLIENTS]; /* records */
	uint32_t random;
	uint64_t evicted;
	uint64_t lifetime_ms;
	struct owner owner[STORE_OWNERS_MAX];
	uint16_t owners;		 /* entries ever used */
	uint16_t by_address[OWNER_HASH]; /* index + 1, 0: empty */
};

static struct slot *slot_at(const struct store *store, uint32_t index)
{
	return &store->chunk[index >> CHUNK_BITS][index & (CHUNK_SIZE - 1)];
}

static uint32_t *bucket_of(const struct store *store, const struct record_key *key)
{
	uint32_t hash;

	memcpy(&hash, key->bytes + 4, sizeof(hash));
	return &store->bucket[hash & store->bucket_mask];
}

struct store *store_create(uint32_t records_max, uint64_t lifetime_ms)
{
	struct store *store = calloc(1, sizeof(*store));
	uint32_t buckets = 1024;

	if (store == NULL)
		return NULL;
	if (records_max == 0)
		records_max = 1;
	if (records_max > UINT32_C(1) << 30)
		records_max = UINT32_C(1) << 30;
	while (buckets < records_max)
		buckets *= 2;
	store->slots_max = records_max;
	store->lifetime_ms = lifetime_ms;
	store->bucket_mask = buckets - 1;
	store->free = NONE;
	store->tombstones = (struct list){NONE, NONE};
	/* Index + 1, so that zero pages are empty buckets and untouched ones cost nothing. */
	store->bucket = calloc(buckets, sizeof(*store->bucket));
	store->chunk =
		calloc(((size_t)records_max + CHUNK_SIZE - 1) >> CHUNK_BITS, sizeof(*store->chunk));
	if (store->bucket == NULL || store->chunk == NULL) {
		store_free(store);
		return NULL;
	}
	return store;
}

void store_free(struct store *store)
{
	if (store == NULL)
		return;
	for (uint32_t i = 0; i < store->slots; i += CHUNK_SIZE)
		free(store->chunk[i >> CHUNK_BITS]);
	free(store->chunk);
	free(store->bucket);
	free(store);
}

static uint32_t owner_hash(const struct in6_addr *address)
{
	uint64_t high, low;

	memcpy(&high, address->s6_addr, 8);
	memcpy(&low, address->s6_addr + 8, 8);
	low = (low ^ high * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(low >> 40) % OWNER_HASH;
}

static uint16_t owner_find(const struct store *store, const struct in6_addr *address)
{
	for (uint32_t i = owner_hash(address); store->by_address[i]; i = (i + 1) % OWNER_HASH) {
		uint16_t index = (uint16_t)(store->by_address[i] - 1);

		if (store->owner[index].epoch != 0 &&
		    address_equal(&store->owner[index].address, address))
			return index;
	}
	return NO_OWNER;
}

static void owner_index(struct store *store, uint16_t index)
{
	uint32_t i = owner_hash(&store->owner[index].address);

	while (store->by_address[i])
		i = (i + 1) % OWNER_HASH;
	store->by_address[i] = (uint16_t)(index + 1);
}

static uint16_t owner_add(struct store *store, const struct in6_addr *address)
{
	uint16_t index = 0;

	while (index < store->owners &&
	       (store->owner[index].records > 0 || store->owner[index].tombstones > 0))
		index++;
	if (index == STORE_OWNERS_MAX)
		return NO_OWNER;
	if (index == store->owners)
		store->owners++;
	store->owner[index] = (struct owner){.address = *address, .first = NONE};
	memset(store->by_address, 0, sizeof(store->by_address));
	for (uint16_t i = 0; i < store->owners; i++) {
		if (i == index || store->owner[i].epoch != 0)
			owner_index(store, i);
	}
	return index;
}

static void owner_link(struct store *store, uint32_t index)
{
	struct slot *slot = slot_at(store, index);
	struct owner *owner = &store->owner[slot->owner];

	slot->previous = NONE;
	slot->next = owner->first;
	if (owner->first != NONE)
		slot_at(store, owner->first)->previous = index;
	owner->first = index;
	owner->records++;
	store->records++;
	store->by_client[slot->client]++;
}

static void owner_unlink(struct store *store, uint32_t index)
{
	struct slot *slot = slot_at(store, index);
	struct owner *owner = &store->owner[slot->owner];

	if (slot->previous != NONE)
		slot_at(store, slot->previous)->next = slot->next;
	else
		owner->first = slot->next;
	if (slot->next != NONE)
		slot_at(store, slot->next)->previous = slot->previous;
	owner->records--;
	store->records--;
	store->by_client[slot->client]--;
}

static void tombstone_link(struct store *store, uint32_t index, uint64_t now_ms)
{
	struct slot *slot = slot_at(store, index);
	struct list *list = &store->tombstones;

	slot->tombstone = true;
	slot->ends_s = (uint32_t)((now_ms + STORE_TOMBSTONE_MS + 999) / 1000);
	slot->next = NONE;
	slot->previous = list->last;
	if (list->last != NONE)
		slot_at(store, list->last)->next = index;
	else
		list->first = index;
	list->last = index;
	store->owner[slot->owner].tombstones++;
	store->tombstone_count++;
}

static void tombstone_unlink(struct store *store, uint32_t index)
{
	struct slot *slot = slot_at(store, index);
	struct list *list = &store->tombstones;

	if (slot->previous != NONE)
		slot_at(store, slot->previous)->next = slot->next;
	else
		list->first = slot->next;
	if (slot->next != NONE)
		slot_at(store, slot->next)->previous = slot->previous;
	else
		list->last = slot->previous;
	slot->tombstone = false;
	store->owner[slot->owner].tombstones--;
	store->tombstone_count--;
}

static uint32_t slot_find(const struct store *store, const struct record_key *key)
{
	for (uint32_t i = *bucket_of(store, key); i != 0; i = slot_at(store, i - 1)->chain) {
		if (record_key_equal(&slot_at(store, i - 1)->key, key))
			return i - 1;
	}
	return NONE;
}

/* Gives a slot that is in no list of owners or tombstones back. */
static void slot_release(struct store *store, uint32_t index)
{
	struct slot *slot = slot_at(store, index);
	uint32_t *link = bucket_of(store, &slot->key);

	while (*link != index + 1)
		link = &slot_at(store, *link - 1)->chain;
	*link = slot->chain;
	slot->owner = NO_OWNER;
	slot->next = store->free;
	store->free = index;
}

static uint32_t slot_take(struct store *store, const struct record_key *key)
{
	uint32_t index = store->free;
	uint32_t *bucket;
	struct slot *slot;

	if (index != NONE) {
		store->free = slot_at(store, index)->next;
	} else {
		if (store->slots == store->slots_max) {
			/* A tombstone is a precaution, a record is not. */
			index = store->tombstones.first;
			if (index == NONE)
				return NONE;
			tombstone_unlink(store, index);
			slot_release(store, index);
			store->free = slot_at(store, index)->next;
		} else {
			index = store->slots;
			if (index % CHUNK_SIZE == 0) {
				uint32_t left = store->slots_max - index;
				size_t count = left < CHUNK_SIZE ? left : CHUNK_SIZE;

				store->chunk[index >> CHUNK_BITS] =
					calloc(count, sizeof(struct slot));
				if (store->chunk[index >> CHUNK_BITS] == NULL)
					return NONE;
			}
			store->slots++;
		}
	}
	slot = slot_at(store, index);
	*slot = (struct slot){.key = *key, .owner = NO_OWNER};
	bucket = bucket_of(store, key);
	slot->chain = *bucket;
	*bucket = index + 1;
	return index;
}

static void owner_void(struct store *store, uint16_t index)
{
	struct owner *owner = &store->owner[index];

	while (owner->first != NONE) {
		uint32_t slot = owner->first;

		owner_unlink(store, slot);
		slot_release(store, slot);
	}
}

/* The owner's entry in this epoch; NO_OWNER with *status* when the epoch is old or no room. */
static uint16_t owner_enter(struct store *store, const struct in6_addr *address, uint64_t epoch,
			    uint64_t now_ms, enum store_status *status)
{
	uint16_t index = owner_find(store, address);

	if (index == NO_OWNER) {
		index = owner_add(store, address);
		if (index == NO_OWNER) {
			*status = STORE_FULL;
			return NO_OWNER;
		}
		store->owner[index].epoch = epoch;
		store->owner[index].heard_ms = now_ms;
	}
	if (epoch < store->owner[index].epoch) {
		*status = STORE_SUPERSEDED;
		return NO_OWNER;
	}
	if (epoch > store->owner[index].epoch) {
		owner_void(store, index);
		store->owner[index].epoch = epoch;
	}
	if (now_ms > store->owner[index].heard_ms)
		store->owner[index].heard_ms = now_ms;
	return index;
}

/*
 * Drops a record of the client that has the most of a few taken at random, if it has clearly more
 * than *client*: whoever floods the table loses to all others, and not to himself.
 */
static bool evict_for(struct store *store, uint16_t client)
{
	uint32_t most = store->by_client[client] + 1;
	uint32_t victim = NONE;

	for (int i = 0; i < EVICT_SAMPLE; i++) {
		const struct slot *slot;
		uint32_t index;

		/* Numerical Recipes' linear congruential generator; its high bits are the good
		 * ones. */
		store->random = store->random * 1664525 + 1013904223;
		index = (uint32_t)((uint64_t)store->random * store->slots >> 32);
		slot = slot_at(store, index);
		if (slot->owner == NO_OWNER || slot->tombstone ||
		    store->by_client[slot->client] <= most)
			continue;
		most = store->by_client[slot->client];
		victim = index;
	}
	if (victim == NONE)
		return false;
	owner_unlink(store, victim);
	slot_release(store, victim);
	store->evicted++;
	return true;
}

enum store_status store_put(struct store *store, const struct record *record, uint64_t now_ms)
{
	enum store_status status = STORE_DONE;
	uint16_t owner = owner_enter(store, &record->owner, record->owner_epoch, now_ms, &status);
	uint32_t index;
	struct slot *slot;

	if (owner == NO_OWNER)
		return status;
	index = slot_find(store, &record->key);
	if (index != NONE) {
		slot = slot_at(store, index);
		/* Equal versions of two owners: the higher address wins, the same everywhere. */
		if (record->version < slot->version ||
		    (record->version == slot->version &&
		     (slot->tombstone ||
		      memcmp(&record->owner, &store->owner[slot->owner].address, 16) < 0)))
			return STORE_SUPERSEDED;
		if (slot->tombstone)
			tombstone_unlink(store, index);
		else
			owner_unlink(store, index);
	} else {
		index = slot_take(store, &record->key);
		if (index == NONE && evict_for(store, record->client))
			index = slot_take(store, &record->key);
		if (index == NONE)
			return STORE_FULL;
		slot = slot_at(store, index);
	}
	slot->version = record->version;
	slot->client = record->client;
	slot->owner = owner;
	owner_link(store, index);
	return STORE_DONE;
}

enum store_status store_delete(struct store *store, const struct record_key *key,
			       const struct in6_addr *owner_address, uint64_t owner_epoch,
			       uint64_t version, uint64_t now_ms)
{
	enum store_status status = STORE_DONE;
	uint16_t owner = owner_enter(store, owner_address, owner_epoch, now_ms, &status);
	uint32_t index;
	struct slot *slot;

	if (owner == NO_OWNER)
		return status;
	index = slot_find(store, key);
	if (index != NONE) {
		slot = slot_at(store, index);
		if (slot->tombstone) {
			/* Its put may still be under way, too. */
			if (slot->version < version) {
				tombstone_unlink(store, index);
				slot->version = version;
				slot->owner = owner;
				tombstone_link(store, index, now_ms);
			}
			return STORE_DONE;
		}
		if (slot->owner != owner || slot->version > version)
			return STORE_SUPERSEDED;
		owner_unlink(store, index);
	} else {
		/* The put may still be under way. */
		index = slot_take(store, key);
		if (index == NONE)
			return STORE_FULL;
		slot = slot_at(store, index);
	}
	slot->version = version;
	slot->owner = owner;
	tombstone_link(store, index, now_ms);
	return STORE_DONE;
}

void store_prefetch(const struct store *store, const uint8_t *keys, size_t stride, size_t count)
{
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(
			bucket_of(store, (const struct record_key *)(keys + i * stride)));
	for (size_t i = 0; i < count; i++) {
		uint32_t index = *bucket_of(store, (const struct record_key *)(keys + i * stride));

		if (index != 0)
			__builtin_prefetch(slot_at(store, index - 1));
	}
}

uint64_t store_version(const struct store *store, const struct record_key *key)
{
	uint32_t index = slot_find(store, key);

	return index == NONE ? 0 : slot_at(store, index)->version;
}

void store_clear(struct store *store)
{
	for (uint32_t i = 0; i < store->slots; i++) {
		struct slot *slot = slot_at(store, i);

		if (slot->owner == NO_OWNER)
			continue;
		if (slot->tombstone)
			tombstone_unlink(store, i);
		else
			owner_unlink(store, i);
		slot_release(store, i);
	}
}

bool store_get(const struct store *store, const struct record_key *key, struct record *record)
{
	uint32_t index = slot_find(store, key);
	const struct slot *slot;

	if (index == NONE || slot_at(store, index)->tombstone)
		return false;
	slot = slot_at(store, index);
	record->key = *key;
	record->owner = store->owner[slot->owner].address;
	record->owner_epoch = store->owner[slot->owner].epoch;
	record->version = slot->version;
	record->client = slot->client;
	return true;
}

void store_owner_heard(struct store *store, const struct in6_addr *owner, uint64_t epoch,
		       uint64_t heard_ms)
{
	uint16_t index = owner_find(store, owner);

	if (index == NO_OWNER || epoch < store->owner[index].epoch)
		return;
	if (epoch > store->owner[index].epoch) {
		owner_void(store, index);
		store->owner[index].epoch = epoch;
	}
	if (heard_ms > store->owner[index].heard_ms)
		store->owner[index].heard_ms = heard_ms;
}

void store_expire(struct store *store, uint64_t now_ms, size_t budget)
{
	while (budget-- > 0 && store->tombstones.first != NONE) {
		uint32_t index = store->tombstones.first;

		if ((uint64_t)slot_at(store, index)->ends_s * 1000 > now_ms)
			break;
		tombstone_unlink(store, index);
		slot_release(store, index);
	}
	for (uint16_t i = 0; i < store->owners; i++) {
		struct owner *owner = &store->owner[i];

		if (owner->records > 0 && now_ms > owner->heard_ms &&
		    now_ms - owner->heard_ms > store->lifetime_ms)
			owner_void(store, i);
	}
}

size_t store_sweep(struct store *store, store_keep_fn *keep, void *arg, size_t budget)
{
	size_t dropped = 0;

	if (budget > store->slots)
		budget = store->slots;
	while (budget-- > 0) {
		struct slot *slot;

		if (store->sweep >= store->slots)
			store->sweep = 0;
		slot = slot_at(store, store->sweep++);
		if (slot->owner == NO_OWNER || slot->tombstone || keep(arg, &slot->key))
			continue;
		owner_unlink(store, store->sweep - 1);
		slot_release(store, store->sweep - 1);
		dropped++;
	}
	return dropped;
}

uint64_t store_evicted(const struct store *store)
{
	return store->evicted;
}

size_t store_records(const struct store *store)
{
	return store->records;
}

size_t store_tombstones(const struct store *store)
{
	return store->tombstone_count;
}

size_t store_owner_records(const struct store *store, const struct in6_addr *owner)
{
	uint16_t index = owner_find(store, owner);

	return index == NO_OWNER ? 0 : store->owner[index].records;
}

size_t store_memory(const struct store *store)
{
	size_t chunks = ((size_t)store->slots_max + CHUNK_SIZE - 1) >> CHUNK_BITS;
	size_t used = ((size_t)store->slots + CHUNK_SIZE - 1) >> CHUNK_BITS;

	return sizeof(*store) + chunks * sizeof(*store->chunk) +
	       ((size_t)store->bucket_mask + 1) * sizeof(*store->bucket) +
	       used * CHUNK_SIZE * sizeof(struct slot);
}
