/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one-hop engine from inside: what its files share. Every member knows all members, so
 * each question goes to the right one at once. Runs in the event loop.
 *   onehop.c          life, members, ring, ticks
 *   onehop_records.c  own sessions to the replicas, others' records into the store
 *   onehop_get.c      look-ups, and answers to those of others
 *   onehop_bulk.c     a member's sessions in pages
 *   valkey_records.c  the Valkey engine: a server keeps the records, the rest is the same
 */
#ifndef HOLDFAST_DIRECTORY_ONEHOP_H
#define HOLDFAST_DIRECTORY_ONEHOP_H

#include "fpmd/clock.h"
#include "fpmd/directory/directory.h"
#include "fpmd/directory/group_clock.h"
#include "fpmd/directory/hlc.h"
#include "fpmd/directory/key.h"
#include "fpmd/directory/lookup.h"
#include "fpmd/directory/member.h"
#include "fpmd/directory/published.h"
#include "fpmd/directory/ring.h"
#include "fpmd/directory/store.h"
#include "fpmd/directory/transport.h"
#include "fpmd/directory/valkey.h"
#include "fpmd/directory/wheel.h"

#ifndef LOOKUPS_MAX
#define LOOKUPS_MAX 65536
#endif
#ifndef DISBELIEFS
#define DISBELIEFS 4096
#endif
#define DISBELIEF_MS 10000
#define SWEEP_AFTER_MS 60000
#define SWEEP_SLOTS 2000  /* per tick */
#define PUMP_ENTRIES 2048 /* per turn of the loop */
#define PUMP_PAUSE_US 2000
#define TICK_MS 100
/*
 * Look-ups that may ask all members: so many at once, and so many more in each tick. Of more than
 * ASK_ALL_MEMBERS members, each one counts as several.
 */
#define ASK_ALL_MAX 4096
#define ASK_ALL_PER_TICK 100
#define ASK_ALL_MEMBERS 64

static inline uint32_t onehop_ask_all_cost(size_t members)
{
	return (uint32_t)((members + ASK_ALL_MEMBERS - 1) / ASK_ALL_MEMBERS);
}

struct pending; /* a look-up and who wants to know */

struct directory {
	struct event_base *base;
	struct directory_options options;
	struct directory_handlers handlers;
	void *arg;
	struct directory_keys keys;
	struct boot boot;
	struct group_clock clock;
	struct hlc hlc;
	struct member_set members;
	struct ring ring;
	struct store *store;
	struct published published;
	struct transport *transport;
	struct event *tick;	 /* every TICK_MS */
	struct event *work;	 /* what must not be done inside a call */
	struct event *pump;	 /* entries of published that are due */
	struct member_bits lost; /* members that left the ring since it was built */
	bool ring_changed;
	bool clock_moved; /* that of a member */
	bool members_changed;
	bool full_told;	       /* that the store is full */
	uint64_t ring_ms;      /* of the last change */
	size_t sweep_left;     /* slots to look at after it */
	uint64_t second_ms;    /* when on_second() ran last */
	int64_t clock_told_ms; /* what was logged last of the wall clock's error, 0: it is right */

	struct pending **pending; /* by slot */
	uint16_t *free_slots;
	size_t free_count;
	uint64_t generation;
	struct pending *all;   /* list */
	struct pending *fresh; /* list: not started yet */
	struct answer_time answer_time;
	struct wheel wheel;	/* when to look at those that are under way */
	struct event *wake;	/* for the wheel */
	uint64_t wake_us;	/* its time, UINT64_MAX: not set */
	uint64_t incomplete_ms; /* incomplete is of this ms, 0: unknown */
	bool incomplete;
	uint32_t ask_all_left;		 /* of ASK_ALL_MAX */
	uint64_t settle_us[MEMBERS_MAX]; /* see struct lookup_view */
	struct {
		struct record_key key;
		struct in6_addr owner;
		uint64_t until_ms;
	} * disbelief;
	struct bulk_ask *bulks; /* list: pages that are asked for */
	size_t bulk_count;
	uint64_t bulk_request;

	struct valkey *valkey; /* NULL: the one-hop engine */
	enum valkey_state keeper_state;
	uint64_t refreshed_ms; /* when it was looked last at what is about to expire */
	uint64_t refresh_owed;
	size_t put_window; /* so many puts and deletes may have no answer yet */
	bool put_window_full;
	uint64_t put_window_cut_ms; /* when it was made smaller */

	struct {
		uint64_t published, withdrawn, puts_sent, deletes_sent, confirmed;
		uint64_t puts_taken, deletes_taken, superseded, ahead, full, not_owner, swept;
		uint64_t gets, found, absent, timed_out, limited, overload, requests, answers_given;
		uint64_t answers_late, refuses_sent, refuses_taken, ends_sent, ends_taken,
			malformed, ring_changes;
		uint64_t members_left_out, boots, clock_steps, again, pages_asked, pages_repeated,
			pages_given;
		uint64_t keeper_gets, keeper_hits, keeper_failed, keeper_superseded, keeper_full;
		uint64_t keeper_restarts, refreshed, other_engine;
	} counters;
};

/* A version for a record, newer than all before. */
uint64_t onehop_version(struct directory *directory);
/* Is a member's version too far ahead of the members' clock? If not, ours will be newer. */
bool onehop_version_ahead(struct directory *directory, uint64_t version);
void onehop_pump_soon(struct directory *directory);
void onehop_on_pump(evutil_socket_t fd, short what, void *arg);
/* What is published of an own session. */
struct record onehop_record(const struct directory *directory, const struct published_entry *entry);
void onehop_place_all(struct directory *directory);
void onehop_take_put(struct directory *directory, uint16_t member, const uint8_t *wire);
void onehop_take_delete(struct directory *directory, uint16_t member, const uint8_t *wire);
void onehop_take_ack(struct directory *directory, uint16_t member, const uint8_t *wire,
		     bool ending);

int onehop_get_open(struct directory *directory);
void onehop_get_close(struct directory *directory);
void onehop_get_work(struct directory *directory);    /* starts the fresh ones */
void onehop_get_advance(struct directory *directory); /* the ring changed */
void onehop_take_gets(struct directory *directory, uint16_t member, const uint8_t *entries,
		      size_t count);
void onehop_take_answer(struct directory *directory, uint16_t member, const uint8_t *wire);
void onehop_take_keeper_answer(struct directory *directory, const struct get_answer *answer);
void onehop_bulk_close(struct directory *directory);
void onehop_take_bulk(struct directory *directory, uint16_t member, const uint8_t *wire);
void onehop_take_bulk_flow(struct directory *directory, uint16_t member, const uint8_t *wire);
void onehop_take_bulk_end(struct directory *directory, uint16_t member, const uint8_t *wire);
void onehop_take_refuse(struct directory *directory, uint16_t member, const uint8_t *wire,
			bool ended);
void onehop_tell_ended(struct directory *directory, const struct published_entry *entry);

/* valkey_records.c; but for check and open only if directory->valkey is there. */
int valkey_records_check(const struct directory_options *options, struct error *error);
int valkey_records_open(struct directory *directory, struct error *error);
bool valkey_records_usable(const struct directory *directory);
void valkey_records_tick(struct directory *directory, uint64_t now_ms);
/* How many puts and deletes may be sent now. */
size_t valkey_records_room(const struct directory *directory);
void valkey_records_send(struct directory *directory, const struct published_entry *entry);
/* 0: onehop_take_keeper_answer() will be called; -1: it cannot be asked. */
int valkey_records_get(struct directory *directory, const struct record_key *key, uint64_t request);
size_t valkey_records_counters(const struct directory *directory, struct directory_counter *out,
			       size_t max);

#endif
