// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/pending.h"

#include <stdlib.h>
#include <utlist.h>

static const unsigned int waits_ms[PENDING_WAITS] = PENDING_WAITS_MS;

size_t pendings_count(const struct pendings *pendings)
{
	return HASH_COUNT(pendings->table);
}

struct pending *pending_find(const struct pendings *pendings, const struct flow *flow)
{
	struct pending *pending;

	HASH_FIND(hh, pendings->table, flow, sizeof(*flow), pending);
	return pending;
}

static struct pending **list_of(struct pendings *pendings, const struct pending *pending)
{
	switch (pending->state) {
	case PENDING_READY:
		return &pendings->ready[pending->class];
	case PENDING_WAITING:
		return &pendings->waiting[pending->wait];
	case PENDING_ASKING:
		return &pendings->asking;
	case PENDING_FOUND:
		return &pendings->found;
	case PENDING_FORGOTTEN:
		break;
	}
	return &pendings->forgotten;
}

static void leave_list(struct pendings *pendings, struct pending *pending)
{
	DL_DELETE(*list_of(pendings, pending), pending);
	pendings->found_count -= pending->state == PENDING_FOUND;
}

static void make_ready(struct pendings *pendings, struct pending *pending)
{
	pending->state = PENDING_READY;
	DL_APPEND(pendings->ready[pending->class], pending);
}

static void make_wait(struct pendings *pendings, struct pending *pending, uint8_t wait,
		      uint64_t now_ms)
{
	pending->state = PENDING_WAITING;
	pending->wait = wait;
	pending->due_ms = now_ms + waits_ms[wait];
	DL_APPEND(pendings->waiting[wait], pending);
}

static void enter_path(struct pendings *pendings, struct pending *pending, uint16_t path)
{
	pending->path = path <= KERNEL_PATH_MAX ? path : 0;
	DL_APPEND2(pendings->of_path[pending->path], pending, path_prev, path_next);
	pendings->path_count[pending->path]++;
}

static void leave_path(struct pendings *pendings, struct pending *pending)
{
	DL_DELETE2(pendings->of_path[pending->path], pending, path_prev, path_next);
	pendings->path_count[pending->path]--;
}

/* While it is asked for, its question counts for the class that it had. */
static void set_class(struct pendings *pendings, struct pending *pending, enum pending_class class)
{
	bool asking = pending->state == PENDING_ASKING;

	if (pending->state == PENDING_READY || pending->state == PENDING_WAITING) {
		leave_list(pendings, pending);
		pending->state = PENDING_READY;
	}
	pendings->count[pending->class]--;
	pendings->outstanding[pending->class] -= asking;
	pending->class = class;
	pendings->count[class]++;
	pendings->outstanding[class] += asking;
	if (pending->state == PENDING_READY)
		DL_APPEND(pendings->ready[class], pending);
}

static struct pending *renew(struct pendings *pendings, struct pending *pending, uint16_t path,
			     enum pending_class class)
{
	pending->tries = 0;
	/* A new session has the port: whatever was found was another's. */
	if (class == PENDING_BEGAN && pending->state == PENDING_ASKING)
		pending->again = true;
	if (class == PENDING_BEGAN && pending->state == PENDING_FOUND) {
		leave_list(pendings, pending);
		make_ready(pendings, pending);
	}
	if (pending->path != path) {
		leave_path(pendings, pending);
		enter_path(pendings, pending, path);
	}
	if (class < pending->class)
		set_class(pendings, pending, class);
	return pending;
}

struct pending *pending_add(struct pendings *pendings, const struct flow *flow, uint16_t path,
			    enum pending_class class, uint64_t now_ms)
{
	struct pending *pending = pending_find(pendings, flow);

	if (pending)
		return renew(pendings, pending, path, class);
	if (pendings_count(pendings) >= pendings->max ||
	    (class == PENDING_ADOPTED && pendings->count[class] >= pendings->max / 2))
		return NULL;
	pending = calloc(1, sizeof(*pending));
	if (!pending)
		return NULL;
	pending->flow = *flow;
	pending->class = class;
	pendings->count[class]++;
	HASH_ADD(hh, pendings->table, flow, sizeof(pending->flow), pending);
	enter_path(pendings, pending, path);
	if (class == PENDING_BEGAN)
		make_wait(pendings, pending, 0, now_ms);
	else
		make_ready(pendings, pending);
	return pending;
}

void pending_hurry(struct pendings *pendings, uint16_t path)
{
	struct pending *pending;

	DL_FOREACH2(pendings->of_path[path], pending, path_next)
	{
		pending->tries = 0;
		if (pending->class == PENDING_BEGAN)
			set_class(pendings, pending, PENDING_URGENT);
		else if (pending->class == PENDING_ADOPTED)
			set_class(pendings, pending, PENDING_STRANDED);
	}
}

static void wake(struct pendings *pendings, uint64_t now_ms)
{
	for (int i = 0; i < PENDING_WAITS; i++) {
		struct pending *pending;

		while ((pending = pendings->waiting[i]) && now_ms >= pending->due_ms) {
			leave_list(pendings, pending);
			make_ready(pendings, pending);
		}
	}
}

struct pending *pending_take(struct pendings *pendings, enum pending_class class, uint64_t now_ms)
{
	struct pending *pending;

	wake(pendings, now_ms);
	pending = pendings->ready[class];
	if (!pending)
		return NULL;
	leave_list(pendings, pending);
	pending->state = PENDING_ASKING;
	pending->again = false;
	DL_APPEND(pendings->asking, pending);
	pendings->outstanding[class]++;
	return pending;
}

/* It is asked for no more. */
static void end_question(struct pendings *pendings, struct pending *pending)
{
	if (pending->state == PENDING_ASKING)
		pendings->outstanding[pending->class]--;
	leave_list(pendings, pending);
}

void pending_put_back(struct pendings *pendings, struct pending *pending)
{
	end_question(pendings, pending);
	pending->state = PENDING_READY;
	DL_PREPEND(pendings->ready[pending->class], pending);
}

void pending_found(struct pendings *pendings, struct pending *pending, uint16_t owner, bool direct)
{
	end_question(pendings, pending);
	pending->owner = owner;
	pending->direct = direct;
	pending->state = PENDING_FOUND;
	DL_APPEND(pendings->found, pending);
	pendings->found_count++;
}

static void take_out(struct pendings *pendings, struct pending *pending)
{
	HASH_DEL(pendings->table, pending);
	leave_path(pendings, pending);
	pendings->count[pending->class]--;
}

void pending_forget(struct pendings *pendings, struct pending *pending)
{
	bool asking = pending->state == PENDING_ASKING;

	leave_list(pendings, pending);
	take_out(pendings, pending);
	if (!asking) {
		free(pending);
		return;
	}
	pending->state = PENDING_FORGOTTEN;
	DL_APPEND(pendings->forgotten, pending);
}

bool pending_answered(struct pendings *pendings, struct pending *pending)
{
	if (pending->state == PENDING_ASKING)
		return true;
	pendings->outstanding[pending->class]--;
	leave_list(pendings, pending);
	free(pending);
	return false;
}

bool pending_again(struct pendings *pendings, struct pending *pending, bool missed, uint64_t now_ms)
{
	bool hurry = pending->class <= PENDING_STRANDED;
	bool unsure = pending->class == PENDING_STRANDED || pending->class == PENDING_ADOPTED;
	unsigned int tries_max = unsure ? PENDING_ADOPTED_TRIES : PENDING_WAITS;
	uint8_t wait;

	if (missed && ++pending->tries >= tries_max) {
		end_question(pendings, pending);
		pending->state = PENDING_READY;
		take_out(pendings, pending);
		free(pending);
		return false;
	}
	end_question(pendings, pending);
	wait = missed ? pending->tries : PENDING_WAIT_UNREACHABLE;
	if (hurry && wait > PENDING_HURRY)
		wait = PENDING_HURRY;
	make_wait(pendings, pending, wait, now_ms);
	return true;
}

void pendings_unask(struct pendings *pendings)
{
	struct pending *pending;

	while ((pending = pendings->forgotten)) {
		DL_DELETE(pendings->forgotten, pending);
		pendings->outstanding[pending->class]--;
		free(pending);
	}
	while ((pending = pendings->asking))
		pending_put_back(pendings, pending);
}

void pendings_clear(struct pendings *pendings)
{
	struct pending *pending, *next;

	pendings_unask(pendings);
	HASH_ITER (hh, pendings->table, pending, next)
		pending_forget(pendings, pending);
}
