/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Look-ups, and answers to those of others. Runs in the event loop. Each look-up ends once, by an
 * answer or by its deadline; late answers find its slot in another generation.
 */
#include "fpmd/directory/onehop.h"

#include <stdlib.h>
#include <string.h>

struct pending {
	struct wheel_node wake; /* first, for the wheel */
	struct directory *directory;
	struct lookup lookup;
	struct flow flow;
	struct record_key key;
	uint64_t request; /* generation << 16 | slot */
	directory_get_fn *fn;
	void *arg;
	bool record_only; /* never asks all members */
	bool started;
	struct pending *next, *previous; /* of directory->all, once started */
	struct pending *next_fresh;
};

static void on_wake(evutil_socket_t fd, short what, void *arg);

int onehop_get_open(struct directory *directory)
{
	directory->pending = calloc(LOOKUPS_MAX, sizeof(struct pending *));
	directory->free_slots = calloc(LOOKUPS_MAX, sizeof(*directory->free_slots));
	directory->disbelief = calloc(DISBELIEFS, sizeof(*directory->disbelief));
	if (directory->pending == NULL || directory->free_slots == NULL ||
	    directory->disbelief == NULL)
		return -1;
	for (size_t i = 0; i < LOOKUPS_MAX; i++)
		directory->free_slots[i] = (uint16_t)(LOOKUPS_MAX - 1 - i);
	directory->free_count = LOOKUPS_MAX;
	directory->wake_us = UINT64_MAX;
	directory->wake = evtimer_new(directory->base, on_wake, directory);
	return directory->wake != NULL ? 0 : -1;
}

void onehop_get_close(struct directory *directory)
{
	for (size_t i = 0; directory->pending != NULL && i < LOOKUPS_MAX; i++) {
		free(directory->pending[i]);
	}
	if (directory->wake != NULL)
		event_free(directory->wake);
	free(directory->pending);
	free(directory->free_slots);
	free(directory->disbelief);
}

static size_t disbelief_slot(const struct record_key *key)
{
	return ((size_t)key->bytes[8] << 8 | key->bytes[9]) % DISBELIEFS;
}

/* This host's word on a flow: its kernel first, then its sessions and records. False: the kernel
 * cannot tell. */
static bool answer_flow(struct directory *directory, const struct flow *flow,
			const struct record_key *key, struct get_answer *answer)
{
	const struct published_entry *entry = published_find(&directory->published, key);
	bool stored = store_get(directory->store, key, &answer->record);
	/* Below a newer record our session has ended (TIME_WAIT), unless the kernel knows better.
	 */
	int own = entry != NULL && !entry->ending &&
		  !(stored && answer->record.version > entry->version);

	/* With a server no record here tells that a newer session has the port: only the kernel. */
	if ((!own || directory->valkey != NULL) && directory->handlers.has_session != NULL)
		own = directory->handlers.has_session(directory->arg, flow);
	if (own < 0)
		return false;
	if (own) {
		answer->status = GET_CLAIM;
		answer->record = (struct record){
			.key = *key,
			.owner = directory->options.local,
			.version = entry != NULL ? entry->version : onehop_version(directory),
			.owner_epoch = directory->boot.epoch,
		};
	} else {
		answer->status = stored ? GET_RECORD : GET_MISS;
	}
	return true;
}

static void finish(struct pending *pending, const struct lookup_step *step)
{
	struct directory *directory = pending->directory;
	struct directory_result result = {
		.answer = step->answer,
		.messages = pending->lookup.messages,
	};
	uint16_t slot = (uint16_t)pending->request;

	switch (step->answer) {
	case DIRECTORY_FOUND:
		result.owner = pending->lookup.owner;
		directory->counters.found++;
		break;
	case DIRECTORY_ABSENT:
		directory->counters.absent++;
		break;
	case DIRECTORY_TIMED_OUT:
		directory->counters.timed_out++;
		break;
	}
	if (pending->previous != NULL)
		pending->previous->next = pending->next;
	else
		directory->all = pending->next;
	if (pending->next != NULL)
		pending->next->previous = pending->previous;
	wheel_unset(&directory->wheel, &pending->wake);
	directory->pending[slot] = NULL;
	directory->free_slots[directory->free_count++] = slot;
	pending->fn(pending->arg, &result);
	free(pending);
}

static void take_answer(struct pending *pending, uint16_t id, const struct get_answer *answer)
{
	struct directory *directory = pending->directory;
	enum get_status status = (enum get_status)answer->status;
	int owner = -1;

	if (status != GET_MISS)
		owner = member_find(&directory->members, &answer->record.owner);
	/* A record of a former start of its owner is void. */
	if (status == GET_RECORD && owner >= 0 &&
	    answer->record.owner_epoch < directory->members.member[owner].epoch)
		status = GET_MISS;
	if (!lookup_answer(&pending->lookup, id, status, &answer->record, owner))
		directory->counters.answers_late++;
}

/* As member_set_incomplete(), which looks at all members. */
static bool incomplete(struct directory *directory, uint64_t now_ms)
{
	if (directory->incomplete_ms != now_ms) {
		directory->incomplete_ms = now_ms;
		directory->incomplete = member_set_incomplete(&directory->members, now_ms);
	}
	return directory->incomplete;
}

/* The wheel has something at *at_us*. */
static void wake_by(struct directory *directory, uint64_t at_us, uint64_t now_us)
{
	uint64_t wait_us = at_us > now_us ? at_us - now_us : 0;
	struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
			       .tv_usec = (suseconds_t)(wait_us % 1000000)};

	if (at_us >= directory->wake_us)
		return;
	directory->wake_us = at_us;
	event_add(directory->wake, &wait);
}

/* Returns true when the look-up is over, and freed. */
static bool advance(struct pending *pending)
{
	struct directory *directory = pending->directory;
	struct lookup_step step;
	uint8_t wire[GET_SIZE];
	uint64_t now_us = clock_us();
	uint32_t ask_all_cost = onehop_ask_all_cost(directory->members.count);
	bool at_once;

	get_encode(&(struct get){.request = pending->request, .flow = pending->flow}, wire);
	do {
		struct lookup_view view = {
			.ring = &directory->members.ring,
			.silent = &directory->members.silent,
			.members = directory->members.count,
			.incomplete = incomplete(directory, now_us / 1000),
			.too_many = pending->record_only || directory->ask_all_left < ask_all_cost,
			/* No segment waits for it. */
			.settle_us = pending->record_only ? NULL : directory->settle_us,
		};

		lookup_next(&pending->lookup, &view, now_us, &step);
		if (step.unheard >= 0 && !pending->record_only)
			directory->settle_us[step.unheard] = now_us + LOOKUP_SETTLE_US;
		directory->ask_all_left -= step.asks_all ? ask_all_cost : 0;
		if (step.done) {
			if (pending->record_only && step.missed)
				step.answer = DIRECTORY_ABSENT;
			directory->counters.limited += step.limited && !pending->record_only;
			finish(pending, &step);
			return true;
		}
		at_once = false;
		if (step.any && member_bits_has(&step.ask, MEMBER_KEEPER) &&
		    valkey_records_get(directory, &pending->key, pending->request) != 0) {
			take_answer(pending, MEMBER_KEEPER,
				    &(struct get_answer){.status = GET_MISS});
			at_once = true;
		}
		for (int id = -1; step.any && (id = member_bits_next(&step.ask, id)) >= 0;) {
			struct get_answer answer = {0};

			if (id != MEMBER_LOCAL) {
				transport_send(directory->transport, (uint16_t)id, DATAGRAM_GET,
					       wire);
				directory->counters.requests++;
				continue;
			}
			if (answer_flow(directory, &pending->flow, &pending->key, &answer)) {
				take_answer(pending, MEMBER_LOCAL, &answer);
				at_once = true;
			}
		}
	} while (at_once);
	/* Not in this tick again. */
	wheel_set(&directory->wheel, &pending->wake,
		  step.wake_us > now_us ? step.wake_us : now_us + WHEEL_TICK_US, now_us);
	wake_by(directory, pending->wake.tick * WHEEL_TICK_US, now_us);
	return false;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct directory *directory = arg;
	uint64_t now_us = clock_us();
	struct wheel_node *node;

	directory->wake_us = UINT64_MAX;
	while ((node = wheel_due(&directory->wheel, now_us)) != NULL)
		advance((struct pending *)node);
	wake_by(directory, wheel_next_us(&directory->wheel), now_us);
}

static int get(struct directory *directory, const struct flow *flow, bool record_only,
	       unsigned int deadline_ms, directory_get_fn *fn, void *arg)
{
	struct pending *pending;
	uint16_t slot;

	pending = directory->free_count > 0 ? calloc(1, sizeof(*pending)) : NULL;
	if (pending == NULL) {
		directory->counters.overload++;
		return -1;
	}
	slot = directory->free_slots[--directory->free_count];
	directory->pending[slot] = pending;
	pending->directory = directory;
	pending->request = ++directory->generation << 16 | slot;
	pending->flow = *flow;
	pending->record_only = record_only;
	pending->fn = fn;
	pending->arg = arg;
	pending->lookup.start_us = clock_us();
	pending->lookup.deadline_us = pending->lookup.start_us + (uint64_t)deadline_ms * 1000;
	record_key_make(directory->keys.record_hash, flow, &pending->key);
	pending->next_fresh = directory->fresh;
	directory->fresh = pending;
	directory->counters.gets++;
	event_active(directory->work, EV_TIMEOUT, 1);
	return 0;
}

int directory_get(struct directory *directory, const struct flow *flow, unsigned int deadline_ms,
		  directory_get_fn *fn, void *arg)
{
	return get(directory, flow, false, deadline_ms, fn, arg);
}

int directory_get_record(struct directory *directory, const struct flow *flow,
			 unsigned int deadline_ms, directory_get_fn *fn, void *arg)
{
	return get(directory, flow, true, deadline_ms, fn, arg);
}

/* Has one of the bucket's members just come, so that it may lack records? */
static bool replicas_change(const struct directory *directory, uint16_t bucket)
{
	uint64_t now_ms = clock_ms();

	for (uint8_t i = 0; i < directory->ring.replicas; i++) {
		uint16_t id = directory->ring.holder[bucket][i];

		if (id != MEMBER_KEEPER && member_is_new(&directory->members.member[id], now_ms,
							 group_clock_ms(&directory->clock, now_ms)))
			return true;
	}
	return false;
}

void onehop_get_work(struct directory *directory)
{
	struct pending *fresh = directory->fresh;

	directory->fresh = NULL;
	while (fresh != NULL) {
		struct pending *pending = fresh;
		const struct lookup_view view = {
			.ring = &directory->members.ring,
			.silent = &directory->members.silent,
			.members = directory->members.count,
			.hedge_us = answer_time_hedge_us(&directory->answer_time),
		};
		size_t disbelief = disbelief_slot(&pending->key);
		uint16_t bucket = ring_bucket(&pending->key);

		fresh = pending->next_fresh;
		lookup_start(&pending->lookup, directory->ring.holder[bucket],
			     directory->ring.replicas, &view, pending->lookup.start_us,
			     pending->lookup.deadline_us);
		if (replicas_change(directory, bucket))
			lookup_in_parallel(&pending->lookup);
		if (directory->disbelief[disbelief].until_ms > clock_ms() &&
		    record_key_equal(&directory->disbelief[disbelief].key, &pending->key))
			lookup_disbelieve(&pending->lookup, &directory->disbelief[disbelief].owner);
		pending->started = true;
		pending->next = directory->all;
		if (directory->all != NULL)
			directory->all->previous = pending;
		directory->all = pending;
		advance(pending);
	}
}

void onehop_get_advance(struct directory *directory)
{
	uint64_t now_us = clock_us();
	struct pending *pending;

	/* Through the wheel: a handler that is called may begin or end anything. */
	for (pending = directory->all; pending != NULL; pending = pending->next)
		wheel_set(&directory->wheel, &pending->wake, now_us, now_us);
	event_active(directory->wake, EV_TIMEOUT, 1);
}

static void answer_get(struct directory *directory, uint16_t member, const struct get *get,
		       const struct record_key *key)
{
	struct get_answer answer = {.request = get->request};
	uint8_t out[GET_ANSWER_SIZE];

	if (!answer_flow(directory, &get->flow, key, &answer))
		return;
	if (answer.status == GET_CLAIM) {
		struct published_entry *entry = published_find(&directory->published, key);

		if (entry != NULL)
			published_asked(entry, member);
	}
	get_answer_encode(&answer, out);
	transport_send(directory->transport, member, DATAGRAM_GET_ANSWER, out);
	directory->counters.answers_given++;
}

void onehop_take_gets(struct directory *directory, uint16_t member, const uint8_t *entries,
		      size_t count)
{
	struct get get[DATAGRAM_BODY_MAX / GET_SIZE];
	struct record_key key[DATAGRAM_BODY_MAX / GET_SIZE];
	size_t valid = 0;

	for (size_t i = 0; i < count; i++) {
		if (get_decode(entries + i * GET_SIZE, &get[valid]) != 0) {
			directory->counters.malformed++;
			continue;
		}
		record_key_make(directory->keys.record_hash, &get[valid].flow, &key[valid]);
		valid++;
	}
	if (valid == 0)
		return;
	published_prefetch(&directory->published, (const uint8_t *)key, sizeof(key[0]), valid);
	store_prefetch(directory->store, (const uint8_t *)key, sizeof(key[0]), valid);
	for (size_t i = 0; i < valid; i++)
		answer_get(directory, member, &get[i], &key[i]);
}

void onehop_take_keeper_answer(struct directory *directory, const struct get_answer *answer)
{
	struct pending *pending = directory->pending[answer->request & (LOOKUPS_MAX - 1)];

	if (pending == NULL || pending->request != answer->request || !pending->started) {
		directory->counters.answers_late++;
		return;
	}
	take_answer(pending, MEMBER_KEEPER, answer);
	advance(pending);
}

void onehop_take_answer(struct directory *directory, uint16_t member, const uint8_t *wire)
{
	const struct in6_addr *sender = &directory->members.member[member].address;
	struct get_answer answer;
	struct pending *pending;

	if (get_answer_decode(wire, &answer) != 0) {
		directory->counters.malformed++;
		return;
	}
	pending = directory->pending[answer.request & (LOOKUPS_MAX - 1)];
	if (pending == NULL || pending->request != answer.request || !pending->started) {
		directory->counters.answers_late++;
		return;
	}
	/* The key is not compared: while keys change, members hash the same flow differently. */
	if (answer.status != GET_MISS &&
	    (answer.status == GET_CLAIM) != address_equal(&answer.record.owner, sender)) {
		directory->counters.not_owner++;
		return;
	}
	if (lookup_asked_first(&pending->lookup, member))
		answer_time_sample(&directory->answer_time, clock_us() - pending->lookup.start_us);
	take_answer(pending, member, &answer);
	advance(pending);
}

void onehop_take_refuse(struct directory *directory, uint16_t member, const uint8_t *wire,
			bool ended)
{
	const struct in6_addr *sender = &directory->members.member[member].address;
	struct record record;
	struct record_key key;
	struct flow flow;
	size_t slot;

	if (flow_decode(wire, &flow) != 0) {
		directory->counters.malformed++;
		return;
	}
	directory->counters.refuses_taken += !ended;
	directory->counters.ends_taken += ended;
	record_key_make(directory->keys.record_hash, &flow, &key);
	slot = disbelief_slot(&key);
	directory->disbelief[slot].key = key;
	directory->disbelief[slot].owner = *sender;
	directory->disbelief[slot].until_ms = clock_ms() + DISBELIEF_MS;
	if (store_get(directory->store, &key, &record) && address_equal(&record.owner, sender))
		store_delete(directory->store, &key, sender, record.owner_epoch, record.version,
			     clock_ms());
	if (ended && directory->handlers.ended != NULL)
		directory->handlers.ended(directory->arg, sender, &flow);
	if (!ended && directory->handlers.refused != NULL)
		directory->handlers.refused(directory->arg, sender, &flow);
}

/* Returns how many were sent. */
static unsigned int send_flow(struct directory *directory, int id, uint8_t type,
			      const struct flow *flow)
{
	uint8_t wire[FLOW_WIRE_SIZE];

	if (id <= MEMBER_LOCAL || !directory->members.member[id].routed)
		return 0;
	flow_encode(flow, wire);
	transport_send(directory->transport, (uint16_t)id, type, wire);
	return 1;
}

void directory_refuse(struct directory *directory, const struct in6_addr *member,
		      const struct flow *flow)
{
	directory->counters.refuses_sent += send_flow(
		directory, member_find(&directory->members, member), DATAGRAM_REFUSE, flow);
}

void onehop_tell_ended(struct directory *directory, const struct published_entry *entry)
{
	for (uint8_t i = 0; i < entry->askers; i++)
		directory->counters.ends_sent +=
			send_flow(directory, entry->asker[i], DATAGRAM_ENDED, &entry->flow);
}
