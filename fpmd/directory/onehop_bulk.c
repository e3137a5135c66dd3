/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A member's sessions in pages, asked of the member itself: what it says is the truth, and no
 * record tells a flow. A page is a burst of datagrams; if one is lost the page is asked for again.
 * Runs in the event loop.
 */
#include "fpmd/directory/onehop.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define BULK_PAGE 4096
#define BULK_ASKS_MAX 64
#define BULK_RETRY_MS 20

struct bulk_ask {
	struct directory *directory;
	struct in6_addr owner;
	uint16_t member;
	struct bulk bulk; /* .count: how many flows have come */
	uint32_t expected;
	uint64_t next; /* the cursor of the answer */
	bool ended;    /* expected and next are known */
	uint64_t deadline_ms;
	directory_page_fn *fn;
	void *arg;
	struct event *timer;
	bool seen[BULK_PAGE];
	struct flow flows[BULK_PAGE];
	struct bulk_ask *next_ask, *prev_ask;
};

static void ask_free(struct bulk_ask *ask)
{
	struct directory *directory = ask->directory;

	DL_DELETE2(directory->bulks, ask, prev_ask, next_ask);
	directory->bulk_count--;
	event_free(ask->timer);
	free(ask);
}

static void ask_end(struct bulk_ask *ask, enum directory_answer answer)
{
	const struct directory_page page = {
		.answer = answer,
		.flows = ask->flows,
		.count = answer == DIRECTORY_FOUND ? ask->expected : 0,
		.cursor = answer == DIRECTORY_FOUND ? ask->next : 0,
	};

	ask->fn(ask->arg, &page);
	ask_free(ask);
}

static void ask_send(struct bulk_ask *ask)
{
	struct directory *directory = ask->directory;
	struct bulk bulk = {
		.request = ++directory->bulk_request,
		.cursor = ask->bulk.cursor,
		.count = BULK_PAGE,
	};
	uint64_t left_ms = ask->deadline_ms - clock_ms();
	struct timeval wait = {
		.tv_usec = (left_ms < BULK_RETRY_MS ? (suseconds_t)left_ms : BULK_RETRY_MS) * 1000};
	uint8_t wire[BULK_SIZE];

	ask->bulk.request = bulk.request;
	ask->bulk.count = 0;
	ask->ended = false;
	memset(ask->seen, 0, sizeof(ask->seen));
	bulk_encode(&bulk, wire);
	transport_send(directory->transport, ask->member, DATAGRAM_BULK, wire);
	event_add(ask->timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct bulk_ask *ask = arg;
	struct directory *directory = ask->directory;
	int member = member_find(&directory->members, &ask->owner);

	if (member == MEMBER_LOCAL) {
		ask->next = ask->bulk.cursor;
		ask->expected = (uint32_t)published_page(&directory->published, &ask->next,
							 ask->flows, BULK_PAGE);
		ask_end(ask, DIRECTORY_FOUND);
		return;
	}
	if (member < 0 || !member_in_ring(&directory->members, (uint16_t)member) ||
	    clock_ms() >= ask->deadline_ms) {
		ask_end(ask, DIRECTORY_TIMED_OUT);
		return;
	}
	directory->counters.pages_repeated += ask->bulk.request != 0;
	ask->member = (uint16_t)member;
	ask_send(ask);
}

int directory_bulk(struct directory *directory, const struct in6_addr *owner, uint64_t cursor,
		   unsigned int deadline_ms, directory_page_fn *fn, void *arg)
{
	struct bulk_ask *ask =
		directory->bulk_count < BULK_ASKS_MAX ? calloc(1, sizeof(*ask)) : NULL;

	if (ask != NULL)
		ask->timer = evtimer_new(directory->base, on_timer, ask);
	if (ask == NULL || ask->timer == NULL) {
		free(ask);
		return -1;
	}
	ask->directory = directory;
	ask->owner = *owner;
	ask->bulk.cursor = cursor;
	ask->deadline_ms = clock_ms() + deadline_ms;
	ask->fn = fn;
	ask->arg = arg;
	DL_APPEND2(directory->bulks, ask, prev_ask, next_ask);
	directory->bulk_count++;
	directory->counters.pages_asked++;
	event_active(ask->timer, EV_TIMEOUT, 1);
	return 0;
}

void onehop_bulk_close(struct directory *directory)
{
	while (directory->bulks != NULL)
		ask_free(directory->bulks);
}

/* What member *member* was asked under this number; NULL: it was not, or no longer. */
static struct bulk_ask *ask_find(struct directory *directory, uint16_t member, uint64_t request)
{
	struct bulk_ask *ask;

	DL_FOREACH2(directory->bulks, ask, next_ask)
	{
		if (ask->bulk.request == request && ask->member == member)
			return ask;
	}
	directory->counters.answers_late++;
	return NULL;
}

static void ask_advance(struct bulk_ask *ask)
{
	if (ask->ended && ask->bulk.count == ask->expected &&
	    memchr(ask->seen, false, ask->expected) == NULL)
		ask_end(ask, DIRECTORY_FOUND);
}

void onehop_take_bulk_flow(struct directory *directory, uint16_t member, const uint8_t *wire)
{
	struct bulk_flow flow;
	struct bulk_ask *ask;

	if (bulk_flow_decode(wire, &flow) != 0 || flow.number >= BULK_PAGE) {
		directory->counters.malformed++;
		return;
	}
	ask = ask_find(directory, member, flow.request);
	if (ask == NULL || ask->seen[flow.number])
		return;
	ask->seen[flow.number] = true;
	ask->flows[flow.number] = flow.flow;
	ask->bulk.count++;
	ask_advance(ask);
}

void onehop_take_bulk_end(struct directory *directory, uint16_t member, const uint8_t *wire)
{
	struct bulk_ask *ask;
	struct bulk end;

	if (bulk_decode(wire, &end) != 0 || end.count > BULK_PAGE) {
		directory->counters.malformed++;
		return;
	}
	ask = ask_find(directory, member, end.request);
	if (ask == NULL)
		return;
	/* Pages go on, or they would have no end. */
	if (end.cursor != 0 && end.cursor <= ask->bulk.cursor) {
		directory->counters.malformed++;
		return;
	}
	ask->ended = true;
	ask->expected = end.count;
	ask->next = end.cursor;
	ask_advance(ask);
}

void onehop_take_bulk(struct directory *directory, uint16_t member, const uint8_t *wire)
{
	static struct flow flows[BULK_PAGE];
	uint8_t out[BULK_FLOW_SIZE];
	struct bulk bulk;

	if (bulk_decode(wire, &bulk) != 0 || bulk.count == 0) {
		directory->counters.malformed++;
		return;
	}
	directory->counters.pages_given++;
	bulk.count = (uint32_t)published_page(&directory->published, &bulk.cursor, flows,
					      bulk.count < BULK_PAGE ? bulk.count : BULK_PAGE);
	for (uint32_t i = 0; i < bulk.count; i++) {
		const struct bulk_flow flow = {
			.request = bulk.request, .number = i, .flow = flows[i]};

		bulk_flow_encode(&flow, out);
		transport_send(directory->transport, member, DATAGRAM_BULK_FLOW, out);
	}
	bulk_encode(&bulk, out);
	transport_send(directory->transport, member, DATAGRAM_BULK_END, out);
}
