/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client as `show` sees it. */
#include <string.h>

#include "fpmd/directory/valkey_client.h"

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
