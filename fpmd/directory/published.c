/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of own sessions and its queues. Pure; every step costs O(1) for an entry. */
#include "fpmd/directory/published.h"

#include <stdlib.h>
#include <string.h>

static void queue_add(struct published *published, struct published_entry *entry, int8_t level)
{
	struct published_queue *queue = &published->queue[level];

	entry->level = level;
	entry->next = NULL;
	entry->previous = queue->last;
	if (queue->last != NULL)
		queue->last->next = entry;
	else
		queue->first = entry;
	queue->last = entry;
	published->waiting++;
}

static void queue_remove(struct published *published, struct published_entry *entry)
{
	struct published_queue *queue;

	if (entry->level < 0)
		return;
	queue = &published->queue[entry->level];
	if (entry->previous != NULL)
		entry->previous->next = entry->next;
	else
		queue->first = entry->next;
	if (entry->next != NULL)
		entry->next->previous = entry->previous;
	else
		queue->last = entry->previous;
	entry->level = -1;
	published->waiting--;
}

/* At the end of the order. */
static void order_add(struct published *published, struct published_entry *entry)
{
	entry->serial = ++published->serials;
	entry->newer = NULL;
	entry->older = published->newest;
	if (published->newest != NULL)
		published->newest->newer = entry;
	else
		published->oldest = entry;
	published->newest = entry;
}

static void order_remove(struct published *published, struct published_entry *entry)
{
	if (published->page_end == entry)
		published->page_end = entry->older;
	if (published->refresh_next == entry)
		published->refresh_next = entry->newer;
	if (entry->older != NULL)
		entry->older->newer = entry->newer;
	else
		published->oldest = entry->newer;
	if (entry->newer != NULL)
		entry->newer->older = entry->older;
	else
		published->newest = entry->older;
}

static void entry_free(struct published *published, struct published_entry *entry)
{
	queue_remove(published, entry);
	if (entry->ending)
		published->ending--;
	else
		published->live--;
	order_remove(published, entry);
	key_table_remove(&published->by_key, &entry->key);
	free(entry);
}

bool published_wants(const struct published_entry *entry, size_t holder)
{
	uint8_t bit = (uint8_t)(1u << holder);

	return !(entry->confirmed & bit) && (entry->ending || entry->replica & bit);
}

/* Puts the entry where it belongs: due if there is work, in no queue if not. */
static void entry_schedule(struct published *published, struct published_entry *entry)
{
	bool work = false;

	for (size_t i = 0; i < entry->holders; i++)
		work = work || published_wants(entry, i);
	queue_remove(published, entry);
	entry->tries = 0;
	if (work)
		queue_add(published, entry, 0);
	else if (entry->ending)
		entry_free(published, entry);
}

void published_free(struct published *published)
{
	while (published->oldest != NULL)
		entry_free(published, published->oldest);
	key_table_free(&published->by_key);
}

struct published_entry *published_find(const struct published *published,
				       const struct record_key *key)
{
	/* The key is the first member. */
	return (struct published_entry *)key_table_find(&published->by_key, key);
}

void published_prefetch(const struct published *published, const uint8_t *keys, size_t stride,
			size_t count)
{
	key_table_prefetch(&published->by_key, keys, stride, count);
}

struct published_entry *published_add(struct published *published, const struct record_key *key,
				      const struct flow *flow, uint64_t version, uint64_t now_ms)
{
	struct published_entry *entry = published_find(published, key);

	if (entry != NULL && !entry->ending)
		return NULL;
	if (entry != NULL) {
		/* The port is used again before the deletion was done: a newer version of the same
		 * record. */
		queue_remove(published, entry);
		order_remove(published, entry);
		published->ending--;
		entry->ending = false;
		entry->confirmed = 0;
	} else {
		entry = calloc(1, sizeof(*entry));
		if (entry == NULL)
			return NULL;
		entry->key = *key;
		entry->level = -1;
		if (key_table_add(&published->by_key, &entry->key) != 0) {
			free(entry);
			return NULL;
		}
	}
	order_add(published, entry);
	published->live++;
	entry->flow = *flow;
	entry->version = version;
	entry->since_ms = now_ms;
	return entry;
}

static void holder_remove(struct published_entry *entry, size_t at)
{
	uint8_t below = (uint8_t)((1u << at) - 1);

	for (size_t i = at; i + 1 < entry->holders; i++)
		entry->holder[i] = entry->holder[i + 1];
	entry->holders--;
	entry->replica = (uint8_t)((entry->replica & below) | (entry->replica >> 1 & ~below));
	entry->confirmed = (uint8_t)((entry->confirmed & below) | (entry->confirmed >> 1 & ~below));
}

static bool holder_add(struct published_entry *entry, uint16_t id)
{
	for (size_t i = 0; i < entry->holders; i++) {
		if (entry->holder[i] == id) {
			entry->replica |= (uint8_t)(1u << i);
			return !(entry->confirmed & 1u << i);
		}
	}
	/* The oldest member that was a replica once makes room; its copy is swept there. */
	for (size_t i = 0; entry->holders == PUBLISHED_HOLDERS && i < entry->holders; i++) {
		if (!(entry->replica & 1u << i))
			holder_remove(entry, i);
	}
	entry->replica |= (uint8_t)(1u << entry->holders);
	entry->holder[entry->holders++] = id;
	return true;
}

void published_place(struct published *published, struct published_entry *entry,
		     const struct ring *ring, uint16_t local)
{
	uint16_t bucket = ring_bucket(&entry->key);
	bool work = false;

	if (entry->ending)
		return;
	entry->replica = 0;
	/* Those that stay keep their bits before others may have to make room. */
	for (uint8_t i = 0; i < ring->replicas; i++) {
		for (size_t at = 0; at < entry->holders; at++) {
			if (entry->holder[at] == ring->holder[bucket][i])
				entry->replica |= (uint8_t)(1u << at);
		}
	}
	for (uint8_t i = 0; i < ring->replicas; i++) {
		if (ring->holder[bucket][i] != local)
			work = holder_add(entry, ring->holder[bucket][i]) || work;
	}
	if (work || entry->level >= 0)
		entry_schedule(published, entry);
}

void published_end(struct published *published, struct published_entry *entry)
{
	if (entry->ending)
		return;
	entry->ending = true;
	entry->confirmed = 0;
	published->live--;
	published->ending++;
	if (published->ending > PUBLISHED_ENDING_MAX)
		entry_free(published, entry);
	else
		entry_schedule(published, entry);
}

void published_again(struct published *published, struct published_entry *entry, uint64_t version)
{
	entry->version = version;
	entry->confirmed = 0;
	entry_schedule(published, entry);
}

void published_renew(struct published *published, published_version_fn *version, void *arg)
{
	struct published_entry *entry, *next;

	for (entry = published->oldest; entry != NULL; entry = next) {
		next = entry->newer;
		/* The new epoch voids what was to be deleted. */
		if (entry->ending) {
			entry_free(published, entry);
			continue;
		}
		published_again(published, entry, version(arg, entry));
	}
}

struct published_entry *published_due(struct published *published, uint64_t now_ms)
{
	for (int8_t level = 0; level < PUBLISHED_LEVELS; level++) {
		struct published_entry *entry = published->queue[level].first;

		if (entry != NULL && (level == 0 || entry->due_ms <= now_ms)) {
			queue_remove(published, entry);
			return entry;
		}
	}
	return NULL;
}

void published_sent(struct published *published, struct published_entry *entry, uint64_t now_ms)
{
	int8_t level;

	if (entry->ending && entry->tries >= PUBLISHED_ENDING_TRIES) {
		entry_free(published, entry);
		return;
	}
	if (entry->tries < UINT8_MAX)
		entry->tries++;
	if (entry->tries < published->patience)
		entry->tries = (uint8_t)published->patience;
	level = (int8_t)(entry->tries < PUBLISHED_LEVELS ? entry->tries : PUBLISHED_LEVELS - 1);
	entry->due_ms = now_ms + ((uint64_t)PUBLISHED_BACKOFF_MS << (level - 1));
	queue_add(published, entry, level);
}

uint64_t published_sent_ms(const struct published_entry *entry)
{
	return entry->level > 0
		       ? entry->due_ms - ((uint64_t)PUBLISHED_BACKOFF_MS << (entry->level - 1))
		       : 0;
}

uint64_t published_next_ms(const struct published *published)
{
	uint64_t next_ms = UINT64_MAX;

	if (published->queue[0].first != NULL)
		return 0;
	for (int8_t level = 1; level < PUBLISHED_LEVELS; level++) {
		const struct published_entry *entry = published->queue[level].first;

		if (entry != NULL && entry->due_ms < next_ms)
			next_ms = entry->due_ms;
	}
	return next_ms;
}

bool published_confirm(struct published *published, const struct record_key *key, uint64_t version,
		       uint16_t id, bool ending)
{
	struct published_entry *entry = published_find(published, key);
	bool work = false;
	bool known = false;

	if (entry == NULL || entry->version != version || entry->ending != ending)
		return false;
	for (size_t i = 0; i < entry->holders; i++) {
		if (entry->holder[i] == id) {
			entry->confirmed |= (uint8_t)(1u << i);
			known = true;
		}
		work = work || published_wants(entry, i);
	}
	if (!work)
		entry_schedule(published, entry);
	return known;
}

void published_forget(struct published *published, uint16_t id, bool gone)
{
	struct published_entry *entry, *next;

	for (entry = published->oldest; entry != NULL; entry = next) {
		next = entry->newer;
		for (size_t i = 0; i < entry->holders; i++) {
			if (entry->holder[i] != id)
				continue;
			/* A member that restarted has nothing left to delete. */
			if (gone || entry->ending || !(entry->replica & 1u << i)) {
				holder_remove(entry, i);
				if (entry->ending || entry->level >= 0)
					entry_schedule(published, entry);
			} else {
				entry->confirmed &= (uint8_t) ~(1u << i);
				entry_schedule(published, entry);
			}
			break;
		}
	}
}

static void entry_repeat(struct published *published, struct published_entry *entry, uint16_t id)
{
	for (size_t i = 0; i < entry->holders; i++) {
		if (entry->holder[i] != id || !(entry->confirmed & 1u << i))
			continue;
		entry->confirmed &= (uint8_t) ~(1u << i);
		entry_schedule(published, entry);
	}
}

void published_repeat(struct published *published, uint16_t id)
{
	struct published_entry *entry;

	for (entry = published->oldest; entry != NULL; entry = entry->newer) {
		if (!entry->ending)
			entry_repeat(published, entry, id);
	}
}

void published_refresh(struct published *published, uint16_t id, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct published_entry *entry = published->refresh_next;

		if (entry == NULL)
			entry = published->oldest;
		if (entry == NULL)
			return;
		published->refresh_next = entry->newer;
		if (!entry->ending)
			entry_repeat(published, entry, id);
	}
}

void published_hurry(struct published *published)
{
	for (int8_t level = 1; level < PUBLISHED_LEVELS; level++) {
		while (published->queue[level].first != NULL) {
			struct published_entry *entry = published->queue[level].first;

			queue_remove(published, entry);
			entry->tries = 0;
			queue_add(published, entry, 0);
		}
	}
}

void published_asked(struct published_entry *entry, uint16_t id)
{
	for (uint8_t i = 0; i < entry->askers; i++)
		if (entry->asker[i] == id)
			return;
	entry->asker[entry->asker_next] = id;
	entry->asker_next = (uint8_t)((entry->asker_next + 1) % PUBLISHED_ASKERS);
	if (entry->askers < PUBLISHED_ASKERS)
		entry->askers++;
}

size_t published_page(struct published *published, uint64_t *cursor, struct flow *out, size_t max)
{
	struct published_entry *entry = published->oldest;
	size_t count = 0;

	/* From where the last page ended, as pages are asked for one after the other. */
	if (*cursor != 0 && published->page_end != NULL)
		entry = published->page_end;
	while (entry != published->oldest && entry->serial > *cursor)
		entry = entry->older;
	while (entry != NULL && entry->serial <= *cursor)
		entry = entry->newer;
	for (; entry != NULL && count < max; entry = entry->newer) {
		*cursor = entry->serial;
		published->page_end = entry;
		if (!entry->ending)
			out[count++] = entry->flow;
	}
	if (entry == NULL)
		*cursor = 0;
	return count;
}
