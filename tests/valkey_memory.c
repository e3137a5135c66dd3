/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See valkey_memory.h. Answers come from the event loop, in the order of the questions. */
#include "tests/valkey_memory.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fpmd/clock.h"

#define CLIENTS_MAX 8
#define RECORDS_MAX 4096

enum question_kind { PUT, DELETE, GET };

struct question {
	enum question_kind kind;
	struct record record;
	uint64_t request;
	uint64_t asked_ms;
	struct question *next, *prev;
};

struct valkey {
	struct event *event;
	struct valkey_handlers handlers;
	void *arg;
	struct question *questions; /* list */
	size_t outstanding;
	enum valkey_state told;
	bool lost; /* and not told yet */
	struct valkey_counters counters;
};

static struct valkey *client[CLIENTS_MAX];
static struct stored {
	struct record record;
	bool tombstone;
} stored[RECORDS_MAX];
static size_t stored_count;
static enum valkey_state state = VALKEY_READY;
static bool held, broken, memory_full;
static unsigned int delay_ms;
static unsigned int put_count;

static struct stored *find(const struct record_key *key)
{
	for (size_t i = 0; i < stored_count; i++) {
		if (record_key_equal(&stored[i].record.key, key))
			return &stored[i];
	}
	return NULL;
}

static enum ack_status store(const struct record *record, bool ending)
{
	struct stored *there = find(&record->key);

	if (!ending && memory_full)
		return ACK_FULL;
	if (there != NULL && there->record.version > record->version)
		return ACK_SUPERSEDED;
	if (ending && there != NULL && !there->tombstone &&
	    !address_equal(&there->record.owner, &record->owner))
		return ACK_SUPERSEDED;
	if (there == NULL) {
		if (stored_count == RECORDS_MAX)
			return ACK_FULL;
		there = &stored[stored_count++];
	}
	*there = (struct stored){.record = *record, .tombstone = ending};
	return ACK_DONE;
}

static void answer(struct valkey *valkey, const struct question *question)
{
	const struct stored *there = find(&question->record.key);
	enum ack_status status;

	switch (question->kind) {
	case PUT:
	case DELETE:
		if (broken)
			return;
		status = store(&question->record, question->kind == DELETE);
		valkey->handlers.stored(valkey->arg, &question->record.key,
					question->record.version, question->kind == DELETE, status);
		return;
	case GET:
		if (broken)
			valkey->handlers.failed(valkey->arg, question->request);
		else if (there != NULL && !there->tombstone)
			valkey->handlers.got(valkey->arg, question->request, GET_RECORD,
					     &there->record);
		else
			valkey->handlers.got(valkey->arg, question->request, GET_MISS, NULL);
	}
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct valkey *valkey = arg;
	struct timeval soon = {.tv_usec = 1000};
	struct question *question, *next;

	DL_FOREACH_SAFE(valkey->questions, question, next)
	{
		if (!broken && (held || clock_ms() < question->asked_ms + delay_ms)) {
			event_add(valkey->event, &soon);
			break;
		}
		DL_DELETE(valkey->questions, question);
		valkey->outstanding--;
		answer(valkey, question);
		free(question);
	}
	if (valkey->told != state || valkey->lost) {
		bool lost = valkey->lost;

		valkey->told = state;
		valkey->lost = false;
		valkey->handlers.changed(valkey->arg, state, lost);
	}
}

static void wake_all(void)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (client[i] != NULL)
			event_active(client[i]->event, EV_TIMEOUT, 1);
	}
}

void valkey_memory_state(enum valkey_state wanted, bool records_lost)
{
	state = wanted;
	broken = wanted == VALKEY_UNREACHABLE || wanted == VALKEY_CONNECTING;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (client[i] != NULL)
			client[i]->lost = records_lost;
	}
	wake_all();
}

void valkey_memory_hold(bool hold)
{
	held = hold;
	wake_all();
}

void valkey_memory_break(void)
{
	broken = true;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (client[i] != NULL)
			on_event(-1, 0, client[i]);
	}
	broken = false;
}

void valkey_memory_delay(unsigned int ms)
{
	delay_ms = ms;
}

void valkey_memory_flush(void)
{
	stored_count = 0;
}

void valkey_memory_full(bool full)
{
	memory_full = full;
}

const struct record *valkey_memory_record(const struct record_key *key)
{
	const struct stored *there = find(key);

	return there != NULL && !there->tombstone ? &there->record : NULL;
}

void valkey_memory_store(const struct record *record)
{
	store(record, false);
}

unsigned int valkey_memory_puts(void)
{
	return put_count;
}

int valkey_check(const struct valkey_options *options, struct error *error)
{
	return 0;
}

int valkey_open(struct event_base *base, const struct valkey_options *options,
		const struct valkey_handlers *handlers, void *arg, struct valkey **out,
		struct error *error)
{
	size_t slot = 0;

	while (slot < CLIENTS_MAX && client[slot] != NULL)
		slot++;
	if (slot == CLIENTS_MAX)
		return error_set(error, "too many clients");
	client[slot] = calloc(1, sizeof(*client[slot]));
	if (client[slot] == NULL)
		return error_set(error, "no memory");
	client[slot]->event = event_new(base, -1, 0, on_event, client[slot]);
	client[slot]->handlers = *handlers;
	client[slot]->arg = arg;
	client[slot]->told = VALKEY_CONNECTING;
	event_active(client[slot]->event, EV_TIMEOUT, 1);
	*out = client[slot];
	return 0;
}

void valkey_close(struct valkey *valkey)
{
	struct question *question, *next;

	if (valkey == NULL)
		return;
	DL_FOREACH_SAFE(valkey->questions, question, next)
	free(question);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (client[i] == valkey)
			client[i] = NULL;
	}
	event_free(valkey->event);
	free(valkey);
}

static int ask(struct valkey *valkey, enum question_kind kind, const struct record *record,
	       uint64_t request)
{
	struct question *question;

	if (broken)
		return -1;
	question = calloc(1, sizeof(*question));
	if (question == NULL)
		return -1;
	*question = (struct question){
		.kind = kind, .record = *record, .request = request, .asked_ms = clock_ms()};
	DL_APPEND(valkey->questions, question);
	valkey->outstanding++;
	valkey->counters.commands++;
	event_active(valkey->event, EV_TIMEOUT, 1);
	return 0;
}

int valkey_put(struct valkey *valkey, const struct record *record)
{
	put_count++;
	return ask(valkey, PUT, record, 0);
}

int valkey_delete(struct valkey *valkey, const struct record_key *key, const struct in6_addr *owner,
		  uint64_t owner_epoch, uint64_t version)
{
	const struct record record = {
		.key = *key, .owner = *owner, .owner_epoch = owner_epoch, .version = version};

	return ask(valkey, DELETE, &record, 0);
}

int valkey_get(struct valkey *valkey, const struct record_key *key, uint64_t request)
{
	const struct record record = {.key = *key};

	return ask(valkey, GET, &record, request);
}

void valkey_status(const struct valkey *valkey, struct valkey_status *status)
{
	*status = (struct valkey_status){
		.state = valkey->told,
		.slots_served = 16384,
		.nodes = 1,
		.nodes_ready = valkey->told == VALKEY_READY,
		.outstanding = valkey->outstanding,
		.counters = &valkey->counters,
	};
}

size_t valkey_nodes(const struct valkey *valkey, struct valkey_node_status *out, size_t max)
{
	return 0;
}

const char *valkey_state_text(enum valkey_state which)
{
	return which == VALKEY_READY ? "ready" : "unreachable";
}

const char *valkey_role_text(enum valkey_role role)
{
	return "single";
}

const char *valkey_node_state_text(enum valkey_node_state which)
{
	return "ready";
}
