/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client: calls in, commands out, connections that come and go. Runs in the event loop. See
 * valkey_client.h for the invariant.
 */
#include "fpmd/directory/valkey.h"

#include <event2/dns.h>
#include <sodium.h>
#include <stdlib.h>

#include "fpmd/directory/valkey_client.h"

#define TICK_US 50000
#define ATTEMPTS_MAX 6
#define TOPOLOGY_MS 5000
#define TOPOLOGY_SOON_MS 100	 /* after a redirect or a loss, and from one to the next */
#define TOPOLOGY_DEGRADED_MS 250 /* while some slots are not served */
#define PUTS_REFUSED_MS 10000	 /* after so long without a refusal puts are thought to be taken */

void valkey_set_error(struct valkey *valkey, const struct error *error)
{
	valkey->error = *error;
	valkey->error_ms = valkey_now_ms();
}

void valkey_look(struct valkey *valkey, bool records_lost)
{
	enum valkey_state state = valkey->state;
	uint16_t answering, taking;

	valkey_nodes_served(&valkey->nodes, &answering, &taking);
	if (taking == VALKEY_SLOTS)
		state = VALKEY_READY;
	else if (answering > 0)
		state = VALKEY_DEGRADED;
	else if (state != VALKEY_CONNECTING || valkey->counters.connect_failed > 0)
		state = VALKEY_UNREACHABLE;
	if (state == valkey->state && !records_lost)
		return;
	if (state != valkey->state)
		valkey->since_ms = valkey_now_ms();
	valkey->state = state;
	valkey->handlers.changed(valkey->arg, state, records_lost);
}

static void ask_topology(struct valkey *valkey, struct valkey_node *node, uint64_t now_ms)
{
	struct valkey_command *command;

	if (valkey->topology_asked || node == NULL)
		return;
	command = valkey_command_create(COMMAND_SLOTS, 0);
	if (command == NULL)
		return;
	if (valkey_command_send(command, node->link, &valkey->words, now_ms) != 0) {
		free(command);
		return;
	}
	valkey->topology_asked = true;
	valkey->topology_asked_ms = now_ms;
}

void valkey_topology_soon(struct valkey *valkey)
{
	uint64_t due_ms = valkey->topology_asked_ms + TOPOLOGY_SOON_MS;

	if (due_ms < valkey->topology_due_ms)
		valkey->topology_due_ms = due_ms;
}

void valkey_give_up(struct valkey *valkey, struct valkey_command *command)
{
	uint64_t request = command->request;
	uint8_t kind = command->sent.kind;

	free(command);
	if (kind == COMMAND_SLOTS)
		valkey->topology_asked = false;
	else if (kind == COMMAND_GET || kind == COMMAND_SCAN || kind == COMMAND_READ)
		valkey->handlers.failed(valkey->arg, request);
}

bool valkey_changes_records(const struct valkey_command *command)
{
	return command->sent.kind == COMMAND_PUT || command->sent.kind == COMMAND_DELETE;
}

void valkey_send_again(struct valkey *valkey, struct valkey_command *command,
		       struct valkey_link *link)
{
	if (link == NULL || ++command->attempts >= ATTEMPTS_MAX ||
	    valkey_command_send(command, link, &valkey->words, valkey_now_ms()) != 0)
		valkey_give_up(valkey, command);
}

struct valkey_link *valkey_route(struct valkey *valkey, const struct valkey_command *command,
				 uint64_t now_ms)
{
	uint16_t slot = valkey->bucket_slot[command->bucket];
	struct valkey_node *node;
	bool replica = false;

	node = valkey_changes_records(command)
		       ? valkey_nodes_writer(&valkey->nodes, slot, now_ms)
		       : valkey_nodes_reader(&valkey->nodes, slot, now_ms, &replica);
	valkey->counters.replica_reads += replica;
	return node != NULL ? node->link : NULL;
}

static void on_ready(void *arg, struct valkey_link *link, bool restarted)
{
	struct valkey_node *node = valkey_link_user(link);
	struct valkey *valkey = arg;
	uint64_t now_ms = valkey_now_ms();

	node->refuses = node->refuses_puts = false;
	node->refused = node->puts_refused = (struct valkey_backoff){0};
	if (valkey->state != VALKEY_READY)
		ask_topology(valkey, node, now_ms);
	valkey_look(valkey, restarted && node->primary);
}

static void on_ended(void *arg, struct valkey_link *link, struct valkey_sent *unanswered,
		     const struct error *error)
{
	struct valkey *valkey = arg;
	uint64_t now_ms = valkey_now_ms();

	valkey_set_error(valkey, error);
	valkey_topology_soon(valkey);
	valkey_look(valkey, false);
	while (unanswered != NULL) {
		struct valkey_command *command = (struct valkey_command *)unanswered;

		unanswered = unanswered->next;
		if (command->sent.kind == COMMAND_GET) {
			command->asking = false;
			valkey_send_again(valkey, command, valkey_route(valkey, command, now_ms));
		} else {
			valkey_give_up(valkey, command);
		}
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct valkey *valkey = arg;
	uint64_t now_ms = valkey_now_ms();

	for (size_t i = 0; i < valkey->nodes.count; i++) {
		struct valkey_node *node = valkey->nodes.node[i];

		if (node != NULL && node->refuses_puts &&
		    now_ms >= node->puts_refused.until_ms + PUTS_REFUSED_MS)
			node->refuses_puts = false;
	}
	valkey_nodes_tick(&valkey->nodes, now_ms);
	if (now_ms >= valkey->topology_due_ms && !valkey->topology_asked) {
		ask_topology(valkey, valkey_nodes_any(&valkey->nodes, &valkey->turn, now_ms),
			     now_ms);
		valkey->topology_due_ms =
			now_ms +
			(valkey->state == VALKEY_READY ? TOPOLOGY_MS : TOPOLOGY_DEGRADED_MS);
	}
	valkey_look(valkey, false);
}

int valkey_check(const struct valkey_options *options, struct error *error)
{
	struct valkey_login login;

	if (valkey_login_load(options, &login, error) != 0)
		return -1;
	valkey_login_clear(&login);
	return 0;
}

int valkey_open(struct event_base *base, const struct valkey_options *options,
		const struct valkey_handlers *handlers, void *arg, struct valkey **out,
		struct error *error)
{
	static const struct timeval period = {.tv_usec = TICK_US};
	struct valkey *valkey;

	if (sodium_init() < 0)
		return error_set(error, "libsodium does not start: no source of random numbers");
	valkey = calloc(1, sizeof(*valkey));
	if (valkey == NULL)
		return error_set(error, "directory: no memory");
	if (valkey_login_load(options, &valkey->login, error) != 0) {
		free(valkey);
		return -1;
	}
	valkey->handlers = *handlers;
	valkey->arg = arg;
	valkey->since_ms = valkey_now_ms();
	valkey->links = (struct valkey_links){
		.base = base,
		.login = &valkey->login,
		.counters = &valkey->counters,
		.handlers = {.ready = on_ready, .reply = valkey_take_reply, .ended = on_ended},
		.arg = valkey,
	};
	valkey->tick = event_new(base, -1, EV_PERSIST, on_tick, valkey);
	if (valkey_words_make(&valkey->words, options->prefix, options->record_lifetime_s) != 0) {
		valkey_close(valkey);
		return error_set(error, "OpenSSL has no SHA-1, which EVALSHA takes");
	}
	if (valkey->tick == NULL || event_add(valkey->tick, &period) != 0 ||
	    valkey_nodes_open(&valkey->nodes, &valkey->links, options->host, options->port) != 0) {
		valkey_close(valkey);
		return error_set(error, "directory: no memory");
	}
	for (unsigned int bucket = 0; bucket < VALKEY_BUCKETS; bucket++) {
		struct record_key key = {{(uint8_t)(bucket >> 2), (uint8_t)(bucket << 6)}};
		char text[VALKEY_KEY_SIZE];

		valkey->bucket_slot[bucket] =
			valkey_slot(text, valkey_record_key(valkey->words.prefix, &key, text));
	}
	event_active(valkey->tick, EV_TIMEOUT, 1);
	*out = valkey;
	return 0;
}

void valkey_close(struct valkey *valkey)
{
	if (valkey == NULL)
		return;
	if (valkey->tick != NULL)
		event_free(valkey->tick);
	valkey_nodes_close(&valkey->nodes);
	if (valkey->links.names != NULL)
		evdns_base_free(valkey->links.names, 1);
	valkey_login_clear(&valkey->login);
	free(valkey);
}

/* Sends a new command, or frees it and returns -1. */
static int begin(struct valkey *valkey, struct valkey_command *command)
{
	uint64_t now_ms = valkey_now_ms();
	struct valkey_link *link;

	if (command == NULL)
		return -1;
	if (valkey->links.outstanding >= VALKEY_OUTSTANDING_MAX) {
		valkey->counters.overflow++;
		free(command);
		return -1;
	}
	link = valkey_route(valkey, command, now_ms);
	if (link == NULL || valkey_command_send(command, link, &valkey->words, now_ms) != 0) {
		free(command);
		return -1;
	}
	return 0;
}

int valkey_put(struct valkey *valkey, const struct record *record)
{
	struct valkey_command *command = valkey_command_create(COMMAND_PUT, 0);

	if (command != NULL) {
		command->record = *record;
		command->bucket = valkey_bucket(&record->key);
	}
	return begin(valkey, command);
}

int valkey_delete(struct valkey *valkey, const struct record_key *key, const struct in6_addr *owner,
		  uint64_t owner_epoch, uint64_t version)
{
	struct valkey_command *command = valkey_command_create(COMMAND_DELETE, 0);

	if (command != NULL) {
		command->record = (struct record){.key = *key,
						  .owner = *owner,
						  .owner_epoch = owner_epoch,
						  .version = version};
		command->bucket = valkey_bucket(key);
	}
	return begin(valkey, command);
}

int valkey_get(struct valkey *valkey, const struct record_key *key, uint64_t request)
{
	struct valkey_command *command = valkey_command_create(COMMAND_GET, 0);

	if (command != NULL) {
		command->record.key = *key;
		command->bucket = valkey_bucket(key);
		command->request = request;
	}
	return begin(valkey, command);
}

int valkey_owner_page(struct valkey *valkey, const struct in6_addr *owner, uint64_t cursor,
		      uint64_t request)
{
	struct valkey_command *command = valkey_command_create(COMMAND_SCAN, 0);

	if (command != NULL) {
		command->record.owner = *owner;
		command->bucket = (uint16_t)(cursor >> VALKEY_CURSOR_BITS);
		command->cursor = cursor & ((UINT64_C(1) << VALKEY_CURSOR_BITS) - 1);
		command->request = request;
	}
	return begin(valkey, command);
}
