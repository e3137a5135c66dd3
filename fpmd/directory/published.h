/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host's own sessions, and which members have confirmed the record (or its deletion) of each.
 * Pure; time is monotonic ms. An entry with work left is in exactly one queue: due now, or a
 * back-off level. It is worked at until every holder confirmed; it is never given up while the
 * session lives.
 */
#ifndef HOLDFAST_DIRECTORY_PUBLISHED_H
#define HOLDFAST_DIRECTORY_PUBLISHED_H

#include "fpmd/directory/directory.h"
#include "fpmd/directory/key_table.h"
#include "fpmd/directory/ring.h"

#define PUBLISHED_HOLDERS 6
#define PUBLISHED_ASKERS DIRECTORY_WATCHERS
#define PUBLISHED_LEVELS 9 /* 0: due; then 50 ms, 100 ms, ... 6.4 s */
#define PUBLISHED_BACKOFF_MS 50
#define PUBLISHED_ENDING_MAX 65536
#define PUBLISHED_ENDING_TRIES 40 /* about 4 minutes: longer than any tombstone counts */

struct published_entry {
	struct record_key
		key; /* first, for the table; what an acknowledgement needs is next to it */
	uint64_t version;
	uint16_t holder[PUBLISHED_HOLDERS]; /* member ids that have, or shall have, a record */
	uint8_t holders;
	uint8_t replica;   /* bits of holder[]: in the ring's set for this key now */
	uint8_t confirmed; /* bits of holder[] */
	uint8_t tries;
	int8_t level;				 /* -1: in no queue */
	bool ending;				 /* withdrawn: the holders shall delete */
	struct published_entry *next, *previous; /* in its queue */
	struct flow flow;
	uint64_t since_ms;
	uint64_t due_ms;
	uint64_t serial;
	struct published_entry *newer, *older; /* all, in the order of serial */
	uint16_t asker[PUBLISHED_ASKERS]; /* members that asked for it last: they may have a detour
					   */
	uint8_t askers;			  /* valid ones in asker[] */
	uint8_t asker_next;
};

struct published_queue {
	struct published_entry *first, *last;
};

struct published {
	struct key_table by_key;
	struct published_entry *oldest, *newest;
	struct published_queue queue[PUBLISHED_LEVELS];
	uint64_t serials;
	struct published_entry *page_end; /* the last one of the last page, NULL: unknown */
	size_t live;
	size_t ending;
	size_t waiting; /* entries with work left */
	/* Entries that were sent wait at this level at least: 0 if what is sent may get lost. */
	int8_t patience;
	struct published_entry *refresh_next; /* whose turn it is; NULL: the first one's */
};

void published_free(struct published *published);

struct published_entry *published_find(const struct published *published,
				       const struct record_key *key);

/* As key_table_prefetch(). */
void published_prefetch(const struct published *published, const uint8_t *keys, size_t stride,
			size_t count);

/*
 * A new session. Returns its entry, to be given its holders with published_place(); NULL: it is
 * there already, or no memory.
 */
struct published_entry *published_add(struct published *published, const struct record_key *key,
				      const struct flow *flow, uint64_t version, uint64_t now_ms);

/* The ring says who keeps the record. New holders make the entry due. */
void published_place(struct published *published, struct published_entry *entry,
		     const struct ring *ring, uint16_t local);

/* The session ended. Frees the entry at once if nobody else has the record. */
void published_end(struct published *published, struct published_entry *entry);

/* Member *id* asked who owns it, and was told. The last ones are remembered. */
void published_asked(struct published_entry *entry, uint16_t id);

/* All entries get a version anew (a new epoch) and lose their confirmations. */
typedef uint64_t published_version_fn(void *arg, const struct published_entry *entry);
void published_renew(struct published *published, published_version_fn *version, void *arg);

/* The session's record gets a newer version; all replicas have to confirm it. */
void published_again(struct published *published, struct published_entry *entry, uint64_t version);

/*
 * The next entry whose time has come, taken from its queue; NULL: none. The caller sends to the
 * holders that published_wants() names, then calls published_sent().
 */
struct published_entry *published_due(struct published *published, uint64_t now_ms);
bool published_wants(const struct published_entry *entry, size_t holder);
void published_sent(struct published *published, struct published_entry *entry, uint64_t now_ms);

/* When the entry was sent last; 0: it is not waiting for an answer. */
uint64_t published_sent_ms(const struct published_entry *entry);

/* When the next one is due; UINT64_MAX: none. */
uint64_t published_next_ms(const struct published *published);

/* Member *id* has done what was asked for this version. Frees an ending entry when all have. */
bool published_confirm(struct published *published, const struct record_key *key, uint64_t version,
		       uint16_t id, bool ending);

/* The member lost its records (restart) or its place (*gone*). */
void published_forget(struct published *published, uint16_t id, bool gone);

/* Holder *id* may have lost records: it is sent all live ones again, deletions go on. */
void published_repeat(struct published *published, uint16_t id);

/*
 * The records of the next *count* live entries, in turn, are due again at holder *id*, if they are
 * not waiting anyway: they are about to expire there.
 */
void published_refresh(struct published *published, uint16_t id, size_t count);

/*
 * The live flows after *cursor* (0: from the first one), *max* at most; returns how many. *cursor*
 * becomes where to go on, 0 if there are no more. A session that lives all the while is on exactly
 * one page.
 */
size_t published_page(struct published *published, uint64_t *cursor, struct flow *out, size_t max);

/* Everything that waits is due now. */
void published_hurry(struct published *published);

#endif
