/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client: calls in, commands out, replies back to handlers. Runs in the event loop. Invariant:
 * a command is either a link's or in the hands of one function here, which sends it again, or tells
 * its outcome and frees it.
 */
#include "fpmd/directory/valkey.h"

#include <event2/dns.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/directory/valkey_command.h"
#include "fpmd/directory/valkey_nodes.h"

#define TICK_US 50000
#define ATTEMPTS_MAX 6
#define TOPOLOGY_MS 30000
#define TOPOLOGY_SOON_MS 100	 /* after a redirect or a loss, and from one to the next */
#define TOPOLOGY_DEGRADED_MS 250 /* while some slots are not served */
#define PUTS_REFUSED_MS 10000	 /* after so long without a refusal puts are thought to be taken */
#define CURSOR_BITS 54		 /* of the server's cursor; above it the bucket */

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

static void set_error(struct valkey *valkey, const struct error *error)
{
	valkey->error = *error;
	valkey->error_ms = valkey_now_ms();
}

/* Takes note of the state as it is now. */
static void look(struct valkey *valkey, bool records_lost)
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

static void topology_soon(struct valkey *valkey)
{
	uint64_t due_ms = valkey->topology_asked_ms + TOPOLOGY_SOON_MS;

	if (due_ms < valkey->topology_due_ms)
		valkey->topology_due_ms = due_ms;
}

/* Ends a command that will not be answered. */
static void give_up(struct valkey *valkey, struct valkey_command *command)
{
	uint64_t request = command->request;
	uint8_t kind = command->sent.kind;

	free(command);
	if (kind == COMMAND_SLOTS)
		valkey->topology_asked = false;
	else if (kind == COMMAND_GET || kind == COMMAND_SCAN || kind == COMMAND_READ)
		valkey->handlers.failed(valkey->arg, request);
}

static bool changes_records(const struct valkey_command *command)
{
	return command->sent.kind == COMMAND_PUT || command->sent.kind == COMMAND_DELETE;
}

static void send_again(struct valkey *valkey, struct valkey_command *command,
		       struct valkey_link *link)
{
	if (link == NULL || ++command->attempts >= ATTEMPTS_MAX ||
	    valkey_command_send(command, link, &valkey->words, valkey_now_ms()) != 0)
		give_up(valkey, command);
}

static struct valkey_link *route(struct valkey *valkey, const struct valkey_command *command,
				 uint64_t now_ms)
{
	uint16_t slot = valkey->bucket_slot[command->bucket];
	struct valkey_node *node;
	bool replica = false;

	node = changes_records(command)
		       ? valkey_nodes_writer(&valkey->nodes, slot, now_ms)
		       : valkey_nodes_reader(&valkey->nodes, slot, now_ms, &replica);
	valkey->counters.replica_reads += replica;
	return node != NULL ? node->link : NULL;
}

static void redirect(struct valkey *valkey, struct valkey_command *command,
		     const struct valkey_redirect *redirect_to, bool ask,
		     const struct valkey_link *from)
{
	const char *host =
		redirect_to->host[0] != '\0' ? redirect_to->host : valkey_link_host(from);
	uint16_t index =
		valkey_nodes_redirected(&valkey->nodes, host, redirect_to->port, valkey_now_ms());

	if (ask) {
		valkey->counters.asked++;
	} else {
		valkey->counters.moved++;
		topology_soon(valkey);
	}
	command->asking = ask;
	if (index == VALKEY_MAP_NONE) {
		valkey->counters.node_limit++;
		give_up(valkey, command);
		return;
	}
	if (!ask && redirect_to->slot == valkey->bucket_slot[command->bucket])
		valkey->nodes.primary[redirect_to->slot] = index;
	send_again(valkey, command, valkey->nodes.node[index]->link);
}

/* A refusal that sending again at once does not mend. */
static void take_refusal(struct valkey *valkey, struct valkey_command *command,
			 struct valkey_node *node, const redisReply *reply, enum valkey_error kind)
{
	const char *remedy = valkey_error_remedy(kind);
	/* One slot that nobody serves says nothing of the node. */
	bool one_slot =
		kind == VALKEY_ERROR_CLUSTER_DOWN && strstr(reply->str, "slot not served") != NULL;
	uint64_t now_ms = valkey_now_ms();
	struct error error;

	error_set(&error, "%s port %u refuses: %.*s%s%s", valkey_link_host(node->link),
		  valkey_link_port(node->link), (int)(reply->len < 100 ? reply->len : 100),
		  reply->str, remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
	set_error(valkey, &error);
	if (kind == VALKEY_ERROR_FULL)
		valkey->counters.full++;
	else
		valkey->counters.refused++;
	topology_soon(valkey);
	if (!one_slot && changes_records(command)) {
		node->refuses_puts = true;
		valkey_backoff_next(&node->puts_refused, now_ms);
	} else if (!one_slot) {
		node->refuses = true;
		valkey_backoff_next(&node->refused, now_ms);
	}
	look(valkey, false);
	if (kind == VALKEY_ERROR_FULL && command->sent.kind == COMMAND_PUT) {
		struct record record = command->record;

		free(command);
		valkey->handlers.stored(valkey->arg, &record.key, record.version, false, ACK_FULL);
	} else if (command->sent.kind == COMMAND_GET) {
		/* To a replica, if there is one. */
		command->asking = false;
		send_again(valkey, command, route(valkey, command, now_ms));
	} else {
		give_up(valkey, command);
	}
}

static void take_error(struct valkey *valkey, struct valkey_command *command,
		       struct valkey_node *node, const redisReply *reply)
{
	struct valkey_redirect redirect_to;
	enum valkey_error kind = valkey_error_parse(reply->str, reply->len, &redirect_to);

	if (kind == VALKEY_ERROR_MOVED || kind == VALKEY_ERROR_ASK) {
		redirect(valkey, command, &redirect_to, kind == VALKEY_ERROR_ASK, node->link);
	} else if (kind == VALKEY_ERROR_TRY_AGAIN) {
		/* The record alone has a place at any time, while its slot moves. */
		valkey->counters.try_again++;
		if (changes_records(command) && !command->without_index) {
			command->without_index = true;
			send_again(valkey, command, node->link);
		} else {
			give_up(valkey, command);
		}
	} else if (kind == VALKEY_ERROR_NO_SCRIPT && changes_records(command)) {
		valkey->counters.scripts_loaded++;
		command->with_script = true;
		send_again(valkey, command, node->link);
	} else {
		take_refusal(valkey, command, node, reply, kind);
	}
}

static int take_topology(struct valkey *valkey, struct valkey_command *command,
			 struct valkey_node *node, const redisReply *reply)
{
	struct valkey_redirect none;
	struct valkey_map *map;
	uint16_t answering, taking;
	bool promoted = false;
	int result;

	valkey_nodes_served(&valkey->nodes, &answering, &taking);
	if (reply->type == REDIS_REPLY_ERROR) {
		if (valkey_error_parse(reply->str, reply->len, &none) != VALKEY_ERROR_NO_CLUSTER) {
			take_error(valkey, command, node, reply);
			return 0;
		}
		give_up(valkey, command);
		node->refuses = false;
		if (node == valkey->nodes.node[0] &&
		    (valkey->nodes.mode != VALKEY_MODE_CLUSTER || answering == 0)) {
			valkey_nodes_single(&valkey->nodes);
			valkey->counters.topologies++;
			look(valkey, false);
		}
		return 0;
	}
	give_up(valkey, command);
	map = malloc(sizeof(*map));
	if (map == NULL)
		return 0;
	result = valkey_map_parse(reply, valkey_link_host(node->link), map);
	/* A node that lost its memory does not undo what others say. */
	if (result == 0 && (map->count > 0 || answering == 0)) {
		struct error error;

		valkey->counters.topologies++;
		node->refuses = false;
		valkey->counters.node_limit += valkey_nodes_apply(&valkey->nodes, map, &promoted);
		if (map->count == 0) {
			error_set(&error,
				  "%s port %u: its cluster serves no slots; see `CLUSTER "
				  "INFO` there",
				  valkey_link_host(node->link), valkey_link_port(node->link));
			set_error(valkey, &error);
		}
		look(valkey, promoted);
	}
	free(map);
	return result;
}

static uint64_t cursor_make(uint16_t bucket, uint64_t scan)
{
	return (uint64_t)bucket << CURSOR_BITS | scan;
}

static int take_scan(struct valkey *valkey, struct valkey_command *scan, struct valkey_node *node,
		     const redisReply *reply)
{
	const redisReply *keys;
	struct valkey_command *read;
	uint64_t cursor;
	char *end;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY) {
		give_up(valkey, scan);
		return -1;
	}
	keys = reply->element[1];
	cursor = strtoull(reply->element[0]->str, &end, 10);
	if (*end != '\0' || cursor >> CURSOR_BITS != 0) {
		give_up(valkey, scan);
		return -1;
	}
	read = valkey_command_create(COMMAND_READ, keys->elements / 2);
	if (read == NULL) {
		give_up(valkey, scan);
		return 0;
	}
	read->request = scan->request;
	read->record = scan->record;
	read->bucket = scan->bucket;
	read->asking = scan->asking;
	read->more = cursor != 0 || scan->bucket + 1 < VALKEY_BUCKETS;
	if (read->more)
		read->cursor = cursor != 0 ? cursor_make(scan->bucket, cursor)
					   : cursor_make((uint16_t)(scan->bucket + 1), 0);
	free(scan);
	read->key_count = 0;
	for (size_t i = 0; i + 1 < keys->elements; i += 2) {
		const redisReply *key = keys->element[i];

		/* What is not ours is skipped. */
		if (key->type == REDIS_REPLY_STRING && key->len == RECORD_KEY_SIZE)
			memcpy(read->keys[read->key_count++].bytes, key->str, RECORD_KEY_SIZE);
	}
	if (read->key_count == 0) {
		valkey->handlers.page(valkey->arg, read->request, NULL, 0, read->cursor,
				      read->more);
		free(read);
		return 0;
	}
	if (valkey_command_send(read, node->link, &valkey->words, valkey_now_ms()) != 0)
		give_up(valkey, read);
	return 0;
}

static int take_read(struct valkey *valkey, struct valkey_command *read, const redisReply *reply)
{
	struct record *records;
	size_t count = 0;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != read->key_count) {
		give_up(valkey, read);
		return -1;
	}
	records = calloc(read->key_count, sizeof(*records));
	if (records == NULL) {
		give_up(valkey, read);
		return 0;
	}
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *value = reply->element[i];

		if (value->type == REDIS_REPLY_STRING &&
		    valkey_value_decode(value->str, value->len, &read->keys[i], &records[count]) ==
			    VALKEY_VALUE_RECORD &&
		    address_equal(&records[count].owner, &read->record.owner))
			count++;
	}
	valkey->handlers.page(valkey->arg, read->request, records, count, read->cursor, read->more);
	free(records);
	free(read);
	return 0;
}

static int take_get(struct valkey *valkey, struct valkey_command *command, struct valkey_node *node,
		    const redisReply *reply)
{
	uint64_t request = command->request;
	struct record record;
	struct error error;

	if (reply->type == REDIS_REPLY_NIL) {
		free(command);
		valkey->handlers.got(valkey->arg, request, GET_MISS, NULL);
		return 0;
	}
	if (reply->type != REDIS_REPLY_STRING) {
		give_up(valkey, command);
		return -1;
	}
	switch (valkey_value_decode(reply->str, reply->len, &command->record.key, &record)) {
	case VALKEY_VALUE_RECORD:
		free(command);
		valkey->handlers.got(valkey->arg, request, GET_RECORD, &record);
		break;
	case VALKEY_VALUE_TOMBSTONE:
		free(command);
		valkey->handlers.got(valkey->arg, request, GET_MISS, NULL);
		break;
	case VALKEY_VALUE_FOREIGN:
		valkey->counters.garbage++;
		error_set(&error,
			  "%s port %u: a value under prefix %s is no record; does another program "
			  "use that prefix?",
			  valkey_link_host(node->link), valkey_link_port(node->link),
			  valkey->words.prefix);
		set_error(valkey, &error);
		give_up(valkey, command);
		break;
	}
	return 0;
}

static int take_stored(struct valkey *valkey, struct valkey_command *command,
		       struct valkey_node *node, const redisReply *reply)
{
	bool ending = command->sent.kind == COMMAND_DELETE;
	struct record record = command->record;

	free(command);
	if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0 || reply->integer > 1)
		return -1;
	if (!ending) {
		node->refuses_puts = false;
		node->puts_refused = (struct valkey_backoff){0};
	}
	valkey->handlers.stored(valkey->arg, &record.key, record.version, ending,
				reply->integer == 0 ? ACK_DONE : ACK_SUPERSEDED);
	return 0;
}

static int on_reply(void *arg, struct valkey_link *link, struct valkey_sent *sent,
		    const redisReply *reply)
{
	struct valkey_command *command = (struct valkey_command *)sent;
	struct valkey_node *node = valkey_link_user(link);
	struct valkey *valkey = arg;

	if (sent->kind == COMMAND_SLOTS)
		return take_topology(valkey, command, node, reply);
	if (reply->type == REDIS_REPLY_ERROR) {
		take_error(valkey, command, node, reply);
		return 0;
	}
	if (node->refuses || node->refused.level > 0) {
		node->refuses = false;
		node->refused = (struct valkey_backoff){0};
	}
	switch ((enum valkey_command_kind)sent->kind) {
	case COMMAND_PUT:
	case COMMAND_DELETE:
		return take_stored(valkey, command, node, reply);
	case COMMAND_GET:
		return take_get(valkey, command, node, reply);
	case COMMAND_SCAN:
		return take_scan(valkey, command, node, reply);
	default:
		return take_read(valkey, command, reply);
	}
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
	look(valkey, restarted && node->primary);
}

static void on_ended(void *arg, struct valkey_link *link, struct valkey_sent *unanswered,
		     const struct error *error)
{
	struct valkey *valkey = arg;
	uint64_t now_ms = valkey_now_ms();

	set_error(valkey, error);
	topology_soon(valkey);
	look(valkey, false);
	while (unanswered != NULL) {
		struct valkey_command *command = (struct valkey_command *)unanswered;

		unanswered = unanswered->next;
		if (command->sent.kind == COMMAND_GET) {
			command->asking = false;
			send_again(valkey, command, route(valkey, command, now_ms));
		} else {
			give_up(valkey, command);
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
	look(valkey, false);
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
		.handlers = {.ready = on_ready, .reply = on_reply, .ended = on_ended},
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
		evdns_base_free(valkey->links.names, 0);
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
	link = route(valkey, command, now_ms);
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
		command->bucket = (uint16_t)(cursor >> CURSOR_BITS);
		command->cursor = cursor & ((UINT64_C(1) << CURSOR_BITS) - 1);
		command->request = request;
	}
	return begin(valkey, command);
}

void valkey_status(const struct valkey *valkey, struct valkey_status *status)
{
	uint16_t answering, taking;

	memset(status, 0, sizeof(*status));
	valkey_nodes_served(&valkey->nodes, &answering, &taking);
	status->state = valkey->state;
	status->since_ms = valkey->since_ms;
	status->cluster = valkey->nodes.mode == VALKEY_MODE_CLUSTER;
	status->slots_served = answering;
	status->nodes = valkey_nodes(valkey, NULL, 0);
	for (size_t i = 0; i < valkey->nodes.count; i++)
		status->nodes_ready += valkey->nodes.node[i] != NULL &&
				       valkey_link_ready(valkey->nodes.node[i]->link);
	status->outstanding = valkey->links.outstanding;
	memcpy(status->error, valkey->error.text, sizeof(status->error));
	status->error_ms = valkey->error_ms;
	status->counters = &valkey->counters;
}

size_t valkey_nodes(const struct valkey *valkey, struct valkey_node_status *out, size_t max)
{
	uint64_t now_ms = valkey_now_ms();
	size_t count = 0;

	for (size_t i = 0; i < valkey->nodes.count; i++) {
		const struct valkey_node *node = valkey->nodes.node[i];
		struct valkey_node_status *status;

		/* The entry to a cluster that is known by other names counts while it is in use. */
		if (node == NULL || (!node->mapped && valkey->nodes.mode == VALKEY_MODE_CLUSTER &&
				     !valkey_link_ready(node->link)))
			continue;
		if (count++ >= max)
			continue;
		status = &out[count - 1];
		memset(status, 0, sizeof(*status));
		memcpy(status->host, valkey_link_host(node->link),
		       strlen(valkey_link_host(node->link)));
		status->port = valkey_link_port(node->link);
		status->slots = node->slots;
		status->outstanding = valkey_link_outstanding(node->link);
		if (!node->mapped)
			status->role = VALKEY_ENTRY;
		else if (valkey->nodes.mode == VALKEY_MODE_SINGLE)
			status->role = VALKEY_SINGLE;
		else
			status->role = node->primary ? VALKEY_PRIMARY : VALKEY_REPLICA;
		if (valkey_link_connecting(node->link))
			status->state = VALKEY_NODE_CONNECTING;
		else if (!valkey_link_ready(node->link))
			status->state = VALKEY_NODE_WAITING;
		else if (node->refuses || node->refuses_puts || now_ms < node->refused.until_ms)
			status->state = VALKEY_NODE_REFUSING;
		else
			status->state = VALKEY_NODE_READY;
	}
	return count;
}

const char *valkey_state_text(enum valkey_state state)
{
	switch (state) {
	case VALKEY_CONNECTING:
		return "connecting";
	case VALKEY_READY:
		return "ready";
	case VALKEY_DEGRADED:
		return "degraded";
	case VALKEY_UNREACHABLE:
		return "unreachable";
	}
	return "?";
}

const char *valkey_role_text(enum valkey_role role)
{
	switch (role) {
	case VALKEY_SINGLE:
		return "single";
	case VALKEY_PRIMARY:
		return "primary";
	case VALKEY_REPLICA:
		return "replica";
	case VALKEY_ENTRY:
		return "entry";
	}
	return "?";
}

const char *valkey_node_state_text(enum valkey_node_state state)
{
	switch (state) {
	case VALKEY_NODE_WAITING:
		return "waiting";
	case VALKEY_NODE_CONNECTING:
		return "connecting";
	case VALKEY_NODE_READY:
		return "ready";
	case VALKEY_NODE_REFUSING:
		return "refusing";
	}
	return "?";
}
