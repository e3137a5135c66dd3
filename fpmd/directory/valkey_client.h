/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's inside, shared by valkey.c (calls, commands, connections), valkey_reply.c (what the
 * servers answer) and valkey_status.c. Runs in the event loop. Invariant: a command is either a
 * link's or in the hands of one function, which sends it again, or tells its outcome and frees it.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_CLIENT_H
#define HOLDFAST_DIRECTORY_VALKEY_CLIENT_H

#include "fpmd/directory/valkey_command.h"
#include "fpmd/directory/valkey_nodes.h"

#define VALKEY_CURSOR_BITS 54 /* of the server's cursor; above it the bucket */

struct valkey {
	struct valkey_links links;
	struct valkey_login login;
	struct valkey_words words;
	struct valkey_counters counters;
	struct valkey_nodes nodes;
	struct valkey_handlers handlers;
	void *arg;
	struct event *tick;
	enum valkey_state state;
	uint64_t since_ms;
	struct error error;
	uint64_t error_ms;
	uint64_t topology_due_ms;
	uint64_t topology_asked_ms;
	bool topology_asked; /* the answer is not here yet */
	size_t turn;
	uint16_t bucket_slot[VALKEY_BUCKETS];
};

/* The last failure, for `show`. */
void valkey_set_error(struct valkey *valkey, const struct error *error);

/* Takes note of the state as it is now, and tells the caller what changed. */
void valkey_look(struct valkey *valkey, bool records_lost);

/* The slot map is asked for again soon. */
void valkey_topology_soon(struct valkey *valkey);

/* Ends a command that will not be answered. */
void valkey_give_up(struct valkey *valkey, struct valkey_command *command);

/* On *link*, unless it was sent too often already; NULL: to nobody, it is given up. */
void valkey_send_again(struct valkey *valkey, struct valkey_command *command,
		       struct valkey_link *link);

/* Where the command belongs now; NULL: nobody could answer it. */
struct valkey_link *valkey_route(struct valkey *valkey, const struct valkey_command *command,
				 uint64_t now_ms);

/* Puts and deletes, which only a primary takes. */
bool valkey_changes_records(const struct valkey_command *command);

/* As struct valkey_link_handlers' reply(). */
int valkey_take_reply(void *arg, struct valkey_link *link, struct valkey_sent *sent,
		      const redisReply *reply);

#endif
