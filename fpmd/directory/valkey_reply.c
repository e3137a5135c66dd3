/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the servers answer: outcomes go to the caller's handlers, redirects and refusals send the
 * command elsewhere or end it. Runs in the event loop.
 */
#include <stdlib.h>
#include <string.h>

#include "fpmd/directory/valkey_client.h"

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
		valkey_topology_soon(valkey);
	}
	command->asking = ask;
	if (index == VALKEY_MAP_NONE) {
		valkey->counters.node_limit++;
		valkey_give_up(valkey, command);
		return;
	}
	if (!ask && redirect_to->slot == valkey->bucket_slot[command->bucket])
		valkey->nodes.primary[redirect_to->slot] = index;
	valkey_send_again(valkey, command, valkey->nodes.node[index]->link);
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
	valkey_set_error(valkey, &error);
	if (kind == VALKEY_ERROR_FULL)
		valkey->counters.full++;
	else
		valkey->counters.refused++;
	valkey_topology_soon(valkey);
	if (!one_slot && valkey_changes_records(command)) {
		node->refuses_puts = true;
		valkey_backoff_next(&node->puts_refused, now_ms);
	} else if (!one_slot) {
		node->refuses = true;
		valkey_backoff_next(&node->refused, now_ms);
	}
	valkey_look(valkey, false);
	if (kind == VALKEY_ERROR_FULL && command->sent.kind == COMMAND_PUT) {
		struct record record = command->record;

		free(command);
		valkey->handlers.stored(valkey->arg, &record.key, record.version, false, ACK_FULL);
	} else if (command->sent.kind == COMMAND_GET) {
		/* To a replica, if there is one. */
		command->asking = false;
		valkey_send_again(valkey, command, valkey_route(valkey, command, now_ms));
	} else {
		valkey_give_up(valkey, command);
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
		if (valkey_changes_records(command) && !command->without_index) {
			command->without_index = true;
			valkey_send_again(valkey, command, node->link);
		} else {
			valkey_give_up(valkey, command);
		}
	} else if (kind == VALKEY_ERROR_NO_SCRIPT && valkey_changes_records(command)) {
		valkey->counters.scripts_loaded++;
		command->with_script = true;
		valkey_send_again(valkey, command, node->link);
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
		valkey_give_up(valkey, command);
		node->refuses = false;
		if (node == valkey->nodes.node[0] &&
		    (valkey->nodes.mode != VALKEY_MODE_CLUSTER || answering == 0)) {
			valkey_nodes_single(&valkey->nodes);
			valkey->counters.topologies++;
			valkey_look(valkey, false);
		}
		return 0;
	}
	valkey_give_up(valkey, command);
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
			valkey_set_error(valkey, &error);
		}
		valkey_look(valkey, promoted);
	}
	free(map);
	return result;
}

static uint64_t cursor_make(uint16_t bucket, uint64_t scan)
{
	return (uint64_t)bucket << VALKEY_CURSOR_BITS | scan;
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
		valkey_give_up(valkey, scan);
		return -1;
	}
	keys = reply->element[1];
	cursor = strtoull(reply->element[0]->str, &end, 10);
	if (*end != '\0' || cursor >> VALKEY_CURSOR_BITS != 0) {
		valkey_give_up(valkey, scan);
		return -1;
	}
	read = valkey_command_create(COMMAND_READ, keys->elements / 2);
	if (read == NULL) {
		valkey_give_up(valkey, scan);
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
		valkey_give_up(valkey, read);
	return 0;
}

static int take_read(struct valkey *valkey, struct valkey_command *read, const redisReply *reply)
{
	struct record *records;
	size_t count = 0;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != read->key_count) {
		valkey_give_up(valkey, read);
		return -1;
	}
	records = calloc(read->key_count, sizeof(*records));
	if (records == NULL) {
		valkey_give_up(valkey, read);
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
		valkey_give_up(valkey, command);
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
		valkey_set_error(valkey, &error);
		valkey_give_up(valkey, command);
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

int valkey_take_reply(void *arg, struct valkey_link *link, struct valkey_sent *sent,
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
