// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `show holdfast ...` prints. Each topic is first made as a JSON object; the text for people
 * is rendered from the same object, so that both always agree.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fpmd/daemon.h"
#include "fpmd/show_private.h"

#define COUNTERS_MAX 128
#define SERVER_NODES_MAX 256

void show_add_flow(json_object *o, const struct flow *flow)
{
	show_add_address(o, "client", &flow->client);
	show_add_number(o, "clientPort", flow->client_port);
	show_add_address(o, "vip", &flow->vip);
	show_add_number(o, "vipPort", flow->vip_port);
}

/* "queue-dropped" -> "queueDropped" */
static void camel_case(const char *words, char *out, size_t size)
{
	size_t n = 0;

	for (; *words && n + 1 < size; words++) {
		if (*words == '-' && words[1]) {
			words++;
			out[n++] = *words >= 'a' && *words <= 'z' ? (char)(*words - 32) : *words;
		} else {
			out[n++] = *words;
		}
	}
	out[n] = '\0';
}

/* Members */

static const char *const member_states[] = {
	[MEMBER_ROUTED] = "routed",
	[MEMBER_IN_RING] = "in ring",
	[MEMBER_SILENT] = "silent",
};

/* Before the first replay those of an earlier fpmd only wait to be confirmed. */
static bool is_isolated(const struct daemon *d)
{
	return d->reach.isolated && d->replayed;
}

json_object *show_members_json(struct daemon *d, size_t rows)
{
	static struct directory_member members[REACH_MAX];
	json_object *root = json_object_new_object(), *list = json_object_new_array();
	size_t count = daemon_running(d) ? directory_members(d->directory, members, REACH_MAX) : 0;

	for (size_t i = 0; i < count && i < rows; i++) {
		const struct directory_member *m = &members[i];
		json_object *o = json_object_new_object();
		uint16_t id = owner_find(&d->owners, &m->address);

		show_add_address(o, "address", &m->address);
		show_add_bool(o, "local", m->local);
		show_add_text(o, "state", member_states[m->state]);
		show_add_bool(o, "draining", m->draining);
		show_add_number(o, "epoch", m->epoch);
		if (m->heard_ms_ago != UINT64_MAX)
			show_add_number(o, "heardMsecAgo", m->heard_ms_ago);
		show_add_number(o, "records", m->records);
		if (id) {
			show_add_number(o, "ownerId", id);
			show_add_number(o, "pins", d->owners.table[id].pins);
		}
		json_object_array_add(list, o);
	}
	show_add_bool(root, "isolated", is_isolated(d));
	json_object_object_add(root, "members", list);
	return root;
}

static json_object *members_json(struct daemon *d)
{
	return show_members_json(d, REACH_MAX);
}

/* That it is silent is worse than that it drains. */
static const char *member_state(json_object *o)
{
	const char *state = show_text(o, "state");

	return !strcmp(state, member_states[MEMBER_IN_RING]) &&
			       json_object_get_boolean(show_value(o, "draining"))
		       ? "draining"
		       : state;
}

static void members_text(FILE *f, json_object *root)
{
	json_object *list = show_value(root, "members");

	if (json_object_get_boolean(show_value(root, "isolated")))
		fprintf(f, "This host is cut off from all members: detours stay as they are.\n");
	fprintf(f, "%-39s %-8s %-10s %8s %8s %10s\n", "Member", "State", "Heard", "Owner id",
		"Pins", "Records");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		char heard[32] = "never";

		if (json_object_get_boolean(show_value(o, "local")))
			snprintf(heard, sizeof(heard), "this host");
		else if (show_value(o, "heardMsecAgo"))
			snprintf(heard, sizeof(heard), "%llums",
				 (unsigned long long)show_number(o, "heardMsecAgo"));
		fprintf(f, "%-39s %-8s %-10s %8llu %8llu %10llu\n", show_text(o, "address"),
			member_state(o), heard, (unsigned long long)show_number(o, "ownerId"),
			(unsigned long long)show_number(o, "pins"),
			(unsigned long long)show_number(o, "records"));
	}
}

/* More than an operator reads would hold up the loop, and zebra. */
#define ROWS_MAX 10000

static void add_count(json_object *root, uint64_t count)
{
	show_add_number(root, "count", count);
	if (count > ROWS_MAX)
		show_add_number(root, "listed", ROWS_MAX);
}

static void cut_note(FILE *f, json_object *root)
{
	if (show_number(root, "listed"))
		fprintf(f, "only %llu of them are listed\n",
			(unsigned long long)show_number(root, "listed"));
}

/* Pins */

static json_object *pins_json(struct daemon *d)
{
	json_object *root = json_object_new_object(), *list = json_object_new_array();
	uint64_t now = clock_ms();
	struct pin *pin, *next;

	HASH_ITER (hh, d->pins.table, pin, next) {
		json_object *o;

		if (json_object_array_length(list) == ROWS_MAX)
			break;
		o = json_object_new_object();

		show_add_flow(o, &pin->flow);
		if (pin->owner)
			show_add_address(o, "owner", &d->owners.table[pin->owner].address);
		show_add_number(o, "ownerId", pin->owner);
		show_add_bool(o, "direct", pin->direct);
		if (pin->path)
			show_add_number(o, "path", pin->path);
		show_add_number(o, "ageMsec", now - pin->since_ms);
		json_object_array_add(list, o);
	}
	add_count(root, pins_count(&d->pins));
	show_add_number(root, "max", d->pins.max);
	json_object_object_add(root, "pins", list);
	return root;
}

static void flow_list_text(FILE *f, json_object *list, const char *last_title,
			   void (*last)(json_object *flow, char *text, size_t size))
{
	fprintf(f, "%-45s %-45s %-39s Age\n", "Client", "VIP", last_title);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		char client[64], vip[64], last_text[64] = "";

		snprintf(client, sizeof(client), "%s %llu", show_text(o, "client"),
			 (unsigned long long)show_number(o, "clientPort"));
		snprintf(vip, sizeof(vip), "%s %llu", show_text(o, "vip"),
			 (unsigned long long)show_number(o, "vipPort"));
		if (last)
			last(o, last_text, sizeof(last_text));
		fprintf(f, "%-45s %-45s %-39s ", client, vip, last_text);
		show_duration(f, show_number(o, "ageMsec"));
		fputc('\n', f);
	}
}

/* On a director a pin may only count once the path is gone, or send a flow anywhere. */
static void pin_way(json_object *o, char *text, size_t size)
{
	if (!show_value(o, "owner"))
		snprintf(text, size, "any, to be reset");
	else if (show_number(o, "path") && !json_object_get_boolean(show_value(o, "direct")))
		snprintf(text, size, "%s behind path %llu", show_text(o, "owner"),
			 (unsigned long long)show_number(o, "path"));
	else
		snprintf(text, size, "%s", show_text(o, "owner"));
}

static void pins_text(FILE *f, json_object *root)
{
	fprintf(f, "%llu pins, at most %llu\n", (unsigned long long)show_number(root, "count"),
		(unsigned long long)show_number(root, "max"));
	cut_note(f, root);
	flow_list_text(f, show_value(root, "pins"), "Owner", pin_way);
}

/* Sessions */

static void add_session(void *arg, const struct flow *flow, uint64_t age_ms)
{
	json_object *o;

	if (json_object_array_length(arg) == ROWS_MAX)
		return;
	o = json_object_new_object();
	show_add_flow(o, flow);
	show_add_number(o, "ageMsec", age_ms);
	json_object_array_add(arg, o);
}

static json_object *sessions_json(struct daemon *d)
{
	json_object *root = json_object_new_object(), *list = json_object_new_array();

	add_count(root, daemon_running(d) ? directory_published_count(d->directory) : 0);
	show_add_number(root, "closing", closings_count(&d->closings));
	if (daemon_running(d))
		directory_published_each(d->directory, add_session, list);
	json_object_object_add(root, "sessions", list);
	return root;
}

static void sessions_text(FILE *f, json_object *root)
{
	fprintf(f, "%llu sessions of this host are published, %llu of them are closing\n",
		(unsigned long long)show_number(root, "count"),
		(unsigned long long)show_number(root, "closing"));
	cut_note(f, root);
	flow_list_text(f, show_value(root, "sessions"), "", NULL);
}

/* Counters */

static json_object *counter_object(const char *words, const char *help, uint64_t value)
{
	json_object *o = json_object_new_object();

	show_add_text(o, "words", words);
	show_add_text(o, "help", help);
	show_add_number(o, "value", value);
	return o;
}

static void add_counter(json_object *group, const char *words, const char *help, uint64_t value)
{
	char key[64];

	camel_case(words, key, sizeof(key));
	json_object_object_add(group, key, counter_object(words, help, value));
}

static json_object *directory_counters_json(struct daemon *d)
{
	struct directory_counter counters[COUNTERS_MAX];
	json_object *group = json_object_new_object();
	size_t count =
		daemon_running(d) ? directory_counters(d->directory, counters, COUNTERS_MAX) : 0;

	for (size_t i = 0; i < count && i < COUNTERS_MAX; i++)
		add_counter(group, counters[i].name, counters[i].help, counters[i].value);
	return group;
}

static json_object *kernel_counters_json(struct daemon *d)
{
	struct kernel_counter counters[COUNTERS_MAX];
	json_object *group = json_object_new_object();
	size_t count = daemon_running(d) ? kernel_counters(d->kernel, counters, COUNTERS_MAX) : 0;

	for (size_t i = 0; i < count && i < COUNTERS_MAX; i++)
		add_counter(group, counters[i].name, counters[i].help, counters[i].value);
	return group;
}

static json_object *counters_json(struct daemon *d)
{
	json_object *root = json_object_new_object(), *own = json_object_new_object(),
		    *fpm = json_object_new_object();
	const struct fpm_counters *c = fpm_server_counters(d->fpm);

#define COUNTER(field, words, help) add_counter(own, words, help, d->counters.field);
	DAEMON_COUNTERS(COUNTER)
#undef COUNTER
	add_counter(fpm, "connections", "of zebra", c->connections);
	add_counter(fpm, "frames", "received", c->frames);
	add_counter(fpm, "bad-frames", "each ended a connection", c->bad_frames);
	add_counter(fpm, "unknown-messages", "skipped", c->unknown_messages);
	add_counter(fpm, "refused", "connections of other users to the port of dplane_fpm_nl",
		    c->refused);
	json_object_object_add(root, "fpmd", own);
	json_object_object_add(root, "fpm", fpm);
	json_object_object_add(root, "directory", directory_counters_json(d));
	json_object_object_add(root, "kernel", kernel_counters_json(d));
	return root;
}

static void counter_group_text(FILE *f, json_object *group)
{
	json_object_object_foreach(group, key, o)
	{
		(void)key;
		fprintf(f, "  %-28s %14llu  %s\n", show_text(o, "words"),
			(unsigned long long)show_number(o, "value"), show_text(o, "help"));
	}
}

static void counters_text(FILE *f, json_object *root)
{
	json_object_object_foreach(root, key, group)
	{
		fprintf(f, "%s:\n", key);
		counter_group_text(f, group);
	}
}

/* For programs a counter is just its number. */
static json_object *flatten(json_object *group)
{
	json_object *flat = json_object_new_object();

	json_object_object_foreach(group, key, o)
		json_object_object_add(flat, key, json_object_get(show_value(o, "value")));
	return flat;
}

static json_object *counters_flat(json_object *root)
{
	json_object *flat = json_object_new_object();

	json_object_object_foreach(root, key, group)
		json_object_object_add(flat, key, flatten(group));
	return flat;
}

/* Directory */

static json_object *server_json(struct daemon *d)
{
	static struct directory_server_node nodes[SERVER_NODES_MAX];
	json_object *root = json_object_new_object(), *list = json_object_new_array();
	const struct engine_valkey *configured = &d->settings.valkey;
	struct directory_server server;
	size_t count;

	show_add_text(root, "host", configured->host);
	show_add_number(root, "port", configured->port);
	show_add_text(root, "prefix", configured->prefix);
	show_add_bool(root, "tls", configured->tls);
	if (!daemon_running(d) || !directory_server(d->directory, &server))
		return root;
	show_add_text(root, "state", server.state);
	show_add_number(root, "sinceMsec", server.since_ms_ago);
	show_add_bool(root, "asked", server.asked);
	show_add_bool(root, "cluster", server.cluster);
	if (server.cluster)
		show_add_number(root, "slotsServed", server.slots_served);
	if (server.error[0]) {
		show_add_text(root, "lastError", server.error);
		show_add_number(root, "lastErrorMsec", server.error_ms_ago);
	}
	count = directory_server_nodes(d->directory, nodes, SERVER_NODES_MAX);
	for (size_t i = 0; i < count && i < SERVER_NODES_MAX; i++) {
		json_object *o = json_object_new_object();

		show_add_text(o, "host", nodes[i].host);
		show_add_number(o, "port", nodes[i].port);
		show_add_text(o, "role", nodes[i].role);
		show_add_text(o, "state", nodes[i].state);
		show_add_number(o, "slots", nodes[i].slots);
		json_object_array_add(list, o);
	}
	json_object_object_add(root, "nodes", list);
	return root;
}

static json_object *directory_json(struct daemon *d)
{
	json_object *root = json_object_new_object();
	struct error warning;
	bool valkey = d->settings.valkey.host[0];

	show_add_text(root, "engine", valkey ? "valkey" : "one-hop");
	show_add_number(root, "port", d->settings.directory_port);
	show_add_number(root, "replicas", d->settings.directory_replicas);
	show_add_number(root, "ringMembersMax", d->settings.ring_members);
	show_add_text(root, "keyFile", d->settings.key_file);
	show_add_bool(root, "running", daemon_running(d));
	if (d->problems[PROBLEM_DIRECTORY][0])
		show_add_text(root, "problem", d->problems[PROBLEM_DIRECTORY]);
	if (daemon_running(d) && directory_warning(d->directory, &warning))
		show_add_text(root, "warning", warning.text);
	if (valkey)
		json_object_object_add(root, "server", server_json(d));
	json_object_object_add(root, "counters", directory_counters_json(d));
	return root;
}

static json_object *directory_flat(json_object *root)
{
	json_object_object_add(root, "counters", flatten(show_value(root, "counters")));
	return json_object_get(root);
}

static void server_text(FILE *f, json_object *server)
{
	json_object *nodes = show_value(server, "nodes");

	fprintf(f, "  server %s port %llu", show_text(server, "host"),
		(unsigned long long)show_number(server, "port"));
	if (!nodes) {
		fprintf(f, "\n");
		return;
	}
	fprintf(f, ": %s since ", show_text(server, "state"));
	show_duration(f, show_number(server, "sinceMsec"));
	if (show_value(server, "slotsServed"))
		fprintf(f, ", a cluster with a primary for %llu of 16384 slots",
			(unsigned long long)show_number(server, "slotsServed"));
	fprintf(f, "\n");
	if (!json_object_get_boolean(show_value(server, "asked")))
		fprintf(f,
			"%% it cannot be asked: look-ups ask all members, sessions are published "
			"when it is back\n");
	if (show_value(server, "lastError")) {
		fprintf(f, "%% ");
		show_duration(f, show_number(server, "lastErrorMsec"));
		fprintf(f, " ago: %s\n", show_text(server, "lastError"));
	}
	for (size_t i = 0; i < json_object_array_length(nodes); i++) {
		json_object *o = json_object_array_get_idx(nodes, i);

		fprintf(f, "  node %s port %llu: %s, %s, %llu slots\n", show_text(o, "host"),
			(unsigned long long)show_number(o, "port"), show_text(o, "role"),
			show_text(o, "state"), (unsigned long long)show_number(o, "slots"));
	}
}

static void directory_text(FILE *f, json_object *root)
{
	json_object *server = show_value(root, "server");

	fprintf(f, "Directory engine %s, UDP port %llu, ", show_text(root, "engine"),
		(unsigned long long)show_number(root, "port"));
	if (!server)
		fprintf(f, "%llu replicas, ", (unsigned long long)show_number(root, "replicas"));
	fprintf(f, "key file %s: %s\n", show_text(root, "keyFile"),
		json_object_get_boolean(show_value(root, "running")) ? "running" : "not running");
	if (show_value(root, "problem"))
		fprintf(f, "%% %s\n", show_text(root, "problem"));
	if (show_value(root, "warning"))
		fprintf(f, "%% %s\n", show_text(root, "warning"));
	if (server)
		server_text(f, server);
	counter_group_text(f, show_value(root, "counters"));
}

/* Summary */

static json_object *vip_json(struct daemon *d, const struct vip *vip, bool with_next_hops)
{
	const struct prefix_address prefix = {.address = vip->address, .length = 128};
	const struct route *route = routes_find(&d->routes, &prefix);
	json_object *o = json_object_new_object(), *hops = json_object_new_array();

	show_add_address(o, "prefix", &vip->address);
	show_add_bool(o, "local", vip->local);
	show_add_bool(o, "served", vip->served);
	show_add_text(o, "role", show_role(vip));
	if (vip->refused.text[0])
		show_add_text(o, "refused", vip->refused.text);
	show_add_number(o, "sessions", vip->sessions);
	for (size_t i = 0; with_next_hops && route && i < route->next_hop_count; i++) {
		json_object *hop = json_object_new_object();

		show_add_address(hop, "gateway", &route->next_hops[i].gateway);
		show_add_text(hop, "interface", route->next_hops[i].interface);
		show_add_number(hop, "weight", route->next_hops[i].weight);
		json_object_array_add(hops, hop);
	}
	json_object_object_add(o, "nextHops", hops);
	return o;
}

json_object *show_summary_json(struct daemon *d, bool with_next_hops)
{
	json_object *root = json_object_new_object(), *problems = json_object_new_array(),
		    *vips = json_object_new_array();
	struct in6_addr local = settings_local_member(&d->settings);
	const char *state = daemon_running(d) ? "running"
			    : d->configured   ? "stopped by a problem"
					      : "waiting for a complete configuration";

	show_add_text(root, "version", PACKAGE_VERSION);
	show_add_text(root, "state", state);
	show_add_number(root, "uptimeMsec", clock_ms() - d->started_ms);
	show_add_bool(root, "zebraConnected", fpm_server_connected(d->fpm));
	if (d->stock.path)
		show_add_text(root, "configFile", d->stock.path);
	show_add_address(root, "localMember", &local);
	show_add_number(root, "membersReachable", d->reach.count);
	show_add_bool(root, "isolated", is_isolated(d));
	show_add_number(root, "sessions",
			daemon_running(d) ? directory_published_count(d->directory) : 0);
	show_add_number(root, "pins", pins_count(&d->pins));
	show_add_number(root, "straysWaiting", strays_count(&d->strays));
	if (d->settings.drain)
		json_object_object_add(root, "drain", show_drain_json(d));
	for (size_t i = 0; i < PROBLEM_COUNT; i++)
		if (d->problems[i][0])
			json_object_array_add(problems, json_object_new_string(d->problems[i]));
	json_object_object_add(root, "problems", problems);
	for (size_t i = 0; i < d->vip_count; i++)
		json_object_array_add(vips, vip_json(d, &d->vips[i], with_next_hops));
	json_object_object_add(root, "vips", vips);
	return root;
}

static json_object *summary_json(struct daemon *d)
{
	return show_summary_json(d, true);
}

static json_object *paths_json(struct daemon *d)
{
	return show_paths_json(d, SIZE_MAX);
}

static const char *role_text(const char *role)
{
	return !strcmp(role, "refused")	 ? "refused, see above"
	       : !strcmp(role, "served") ? "served, on this host"
	       : !strcmp(role, "kept")	 ? "gone from this host, sessions are kept"
	       : !strcmp(role, "routed") ? "routed, see show holdfast paths"
					 : "neither on this host nor routed by it";
}

static void summary_text(FILE *f, json_object *root)
{
	json_object *problems = show_value(root, "problems"), *vips = show_value(root, "vips");

	fprintf(f, "Holdfast %s: %s, up ", show_text(root, "version"), show_text(root, "state"));
	show_duration(f, show_number(root, "uptimeMsec"));
	fprintf(f, "\n");
	for (size_t i = 0; i < json_object_array_length(problems); i++)
		fprintf(f, "%% %s\n",
			json_object_get_string(json_object_array_get_idx(problems, i)));
	if (show_value(root, "configFile"))
		fprintf(f, "  configuration of %s, zebra is %s\n", show_text(root, "configFile"),
			json_object_get_boolean(show_value(root, "zebraConnected"))
				? "connected"
				: "not connected: is dplane_fpm_nl loaded, and `fpm address` set?");
	fprintf(f, "  member %s, %llu other members reachable%s\n", show_text(root, "localMember"),
		(unsigned long long)show_number(root, "membersReachable"),
		json_object_get_boolean(show_value(root, "isolated"))
			? " before this host was cut off: detours stay as they are"
			: "");
	fprintf(f, "  %llu sessions published, %llu pins, %llu strays waiting for an answer\n",
		(unsigned long long)show_number(root, "sessions"),
		(unsigned long long)show_number(root, "pins"),
		(unsigned long long)show_number(root, "straysWaiting"));
	if (show_value(root, "drain"))
		show_drain_text(f, show_value(root, "drain"));
	for (size_t i = 0; i < json_object_array_length(vips); i++) {
		json_object *o = json_object_array_get_idx(vips, i);

		fprintf(f, "  prefix %s: %s, %llu sessions, %zu next hops elsewhere\n",
			show_text(o, "prefix"), role_text(show_text(o, "role")),
			(unsigned long long)show_number(o, "sessions"),
			json_object_array_length(show_value(o, "nextHops")));
	}
}

static const struct {
	json_object *(*json)(struct daemon *d);
	void (*text)(FILE *f, json_object *root);
	json_object *(*for_programs)(json_object *root); /* NULL: as it is */
} topics[] = {
	[HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY] = {summary_json, summary_text, NULL},
	[HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS] = {members_json, members_text, NULL},
	[HOLDFAST__SHOW_REQUEST__TOPIC__PINS] = {pins_json, pins_text, NULL},
	[HOLDFAST__SHOW_REQUEST__TOPIC__SESSIONS] = {sessions_json, sessions_text, NULL},
	[HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY] = {directory_json, directory_text,
						      directory_flat},
	[HOLDFAST__SHOW_REQUEST__TOPIC__PATHS] = {paths_json, show_paths_text, NULL},
	[HOLDFAST__SHOW_REQUEST__TOPIC__COUNTERS] = {counters_json, counters_text, counters_flat},
	[HOLDFAST__SHOW_REQUEST__TOPIC__STATE] = {show_state_json, NULL, NULL},
};

json_object *show_topic_json(struct daemon *d, Holdfast__ShowRequest__Topic topic)
{
	json_object *root = topics[topic].json(d), *flat;

	if (!topics[topic].for_programs)
		return root;
	flat = topics[topic].for_programs(root);
	json_object_put(root);
	return flat;
}

char *show_render(struct daemon *d, Holdfast__ShowRequest__Topic topic, bool json)
{
	char *text = NULL;
	size_t size = 0;
	json_object *root;
	FILE *f;

	if ((size_t)topic >= sizeof(topics) / sizeof(topics[0]) || !topics[topic].json)
		return strdup(
			"% fpmd does not know this topic: is it older than zebra's module?\n");
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	if (json || !topics[topic].text) {
		root = show_topic_json(d, topic);
		fprintf(f, "%s\n",
			json_object_to_json_string_ext(
				root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		root = topics[topic].json(d);
		topics[topic].text(f, root);
	}
	json_object_put(root);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
