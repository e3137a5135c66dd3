/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to one server: TCP or TLS, log-in, and a pipeline of commands whose replies come
 * in the same order. Runs in the event loop. It connects again, ever later, until it is freed; what
 * was not answered when it ended is given back, never sent again by itself.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_LINK_H
#define HOLDFAST_DIRECTORY_VALKEY_LINK_H

#include <event2/event.h>
#include <hiredis.h>

#include "fpmd/directory/valkey_error.h"
#include "fpmd/directory/valkey_login.h"

#define VALKEY_BACKOFF_MIN_MS 50
#define VALKEY_BACKOFF_MAX_MS 2000

struct valkey_link;
struct evdns_base;

/* CLOCK_MONOTONIC. */
uint64_t valkey_now_ms(void);

/* A series of attempts, each after a longer pause. Zero is one that has not begun. */
struct valkey_backoff {
	uint64_t until_ms;
	unsigned int level;
};

/* The next pause begins, unless one is under way: 50 ms, 100 ms ... 2 s, a quarter more or less. */
void valkey_backoff_next(struct valkey_backoff *backoff, uint64_t now_ms);

/* The first member of what the caller sends; the link owns it until reply() or ended(). */
struct valkey_sent {
	struct valkey_sent *next;
	uint64_t sent_ms;
	uint8_t kind; /* the caller's, VALKEY_SENT_FIRST or above */
};

#define VALKEY_SENT_FIRST 16 /* below: the link's own */

struct valkey_link_handlers {
	/* Connected and logged in. *restarted*: the server is another process than before. */
	void (*ready)(void *arg, struct valkey_link *link, bool restarted);
	/*
	 * A reply, which is the link's. *sent* is the caller's again. Returns 0, or -1 if it is not
	 * what such a command can be answered with: the connection ends.
	 */
	int (*reply)(void *arg, struct valkey_link *link, struct valkey_sent *sent,
		     const redisReply *reply);
	/* The connection ended, or did not come about; *unanswered* is the caller's again. */
	void (*ended)(void *arg, struct valkey_link *link, struct valkey_sent *unanswered,
		      const struct error *error);
};

/* What all links share; outlives them. */
struct valkey_links {
	struct event_base *base;
	struct evdns_base *names; /* made at the first name */
	const struct valkey_login *login;
	struct valkey_counters *counters;
	struct valkey_link_handlers handlers;
	void *arg;
	size_t outstanding; /* over all links, their own commands not counted */
};

/* *user*: for the caller. Connects at the next tick. NULL: no memory. */
struct valkey_link *valkey_link_create(struct valkey_links *links, const char *host, uint16_t port,
				       void *user);

/* The unanswered are freed with free(); no handler is called. NULL is allowed. */
void valkey_link_free(struct valkey_link *link);

void *valkey_link_user(const struct valkey_link *link);
const char *valkey_link_host(const struct valkey_link *link);
uint16_t valkey_link_port(const struct valkey_link *link);

/* It shall be connected (so it begins), or not: then it ends as soon as nothing is unanswered. */
void valkey_link_want(struct valkey_link *link, bool wanted);

bool valkey_link_ready(const struct valkey_link *link);
bool valkey_link_connecting(const struct valkey_link *link);

/* For how long the oldest command has had no answer; 0: there is none. */
uint64_t valkey_link_silent_ms(const struct valkey_link *link, uint64_t now_ms);
uint32_t valkey_link_outstanding(const struct valkey_link *link);

/*
 * Sends *argc* words, at the end of the loop's turn. On success *sent* is the link's; NULL: it
 * wants no answer to this one (ASKING). Returns 0, or -1: not ready, or no memory.
 */
int valkey_link_send(struct valkey_link *link, struct valkey_sent *sent, int argc,
		     const char *const *argv, const size_t *sizes, uint64_t now_ms);

/* Connects, gives up, asks whether it is there; to be called every 50 ms or more often. */
void valkey_link_tick(struct valkey_link *link, uint64_t now_ms);

#endif
