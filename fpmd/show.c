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

#define COUNTERS_MAX 128
#define SERVER_NODES_MAX 256

static void add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)value));
}

static void add_bool(json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static void add_address(json_object *o, const char *key, const struct in6_addr *address)
{
	char text[ADDRESS_TEXT_SIZE];

	add_text(o, key, address_text(address, text));
}

static void add_flow(json_object *o, const struct flow *flow)
{
	add_address(o, "client", &flow->client);
	add_number(o, "clientPort", flow->client_port);
	add_address(o, "vip", &flow->vip);
	add_number(o, "vipPort", flow->vip_port);
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

static const char *text_of(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : "";
}

static uint64_t number_of(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? (uint64_t)json_object_get_int64(value)
							 : 0;
}

static json_object *list_of(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? value : NULL;
}

static void print_duration(FILE *f, uint64_t ms)
{
	if (ms < 1000)
		fprintf(f, "%llums", (unsigned long long)ms);
	else if (ms < 3600000)
		fprintf(f, "%llu.%llus", (unsigned long long)ms / 1000,
			(unsigned long long)ms % 1000 / 100);
	else
		fprintf(f, "%lluh%02llum", (unsigned long long)ms / 3600000,
			(unsigned long long)ms / 60000 % 60);
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

static json_object *members_json(struct daemon *d)
{
	static struct directory_member members[REACH_MAX];
	json_object *root = json_object_new_object(), *list = json_object_new_array();
	size_t count = daemon_running(d) ? directory_members(d->directory, members, REACH_MAX) : 0;

	for (size_t i = 0; i < count && i < REACH_MAX; i++) {
		const struct directory_member *m = &members[i];
		json_object *o = json_object_new_object();
		uint16_t id = owner_find(&d->owners, &m->address);

		add_address(o, "address", &m->address);
		add_bool(o, "local", m->local);
		add_text(o, "state", member_states[m->state]);
		add_number(o, "epoch", m->epoch);
		if (m->heard_ms_ago != UINT64_MAX)
			add_number(o, "heardMsecAgo", m->heard_ms_ago);
		add_number(o, "records", m->records);
		if (id) {
			add_number(o, "ownerId", id);
			add_number(o, "pins", d->owners.table[id].pins);
		}
		json_object_array_add(list, o);
	}
	add_bool(root, "isolated", is_isolated(d));
	json_object_object_add(root, "members", list);
	return root;
}

static void members_text(FILE *f, json_object *root)
{
	json_object *list = list_of(root, "members");

	if (json_object_get_boolean(list_of(root, "isolated")))
		fprintf(f, "This host is cut off from all members: detours stay as they are.\n");
	fprintf(f, "%-39s %-8s %-10s %8s %8s %10s\n", "Member", "State", "Heard", "Owner id",
		"Pins", "Records");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		char heard[32] = "never";

		if (json_object_get_boolean(list_of(o, "local")))
			snprintf(heard, sizeof(heard), "this host");
		else if (list_of(o, "heardMsecAgo"))
			snprintf(heard, sizeof(heard), "%llums",
				 (unsigned long long)number_of(o, "heardMsecAgo"));
		fprintf(f, "%-39s %-8s %-10s %8llu %8llu %10llu\n", text_of(o, "address"),
			text_of(o, "state"), heard, (unsigned long long)number_of(o, "ownerId"),
			(unsigned long long)number_of(o, "pins"),
			(unsigned long long)number_of(o, "records"));
	}
}

/* More than an operator reads would hold up the loop, and zebra. */
#define ROWS_MAX 10000

static void add_count(json_object *root, uint64_t count)
{
	add_number(root, "count", count);
	if (count > ROWS_MAX)
		add_number(root, "listed", ROWS_MAX);
}

static void cut_note(FILE *f, json_object *root)
{
	if (number_of(root, "listed"))
		fprintf(f, "only %llu of them are listed\n",
			(unsigned long long)number_of(root, "listed"));
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

		add_flow(o, &pin->flow);
		add_address(o, "owner", &d->owners.table[pin->owner].address);
		add_number(o, "ownerId", pin->owner);
		add_number(o, "ageMsec", now - pin->since_ms);
		json_object_array_add(list, o);
	}
	add_count(root, pins_count(&d->pins));
	add_number(root, "max", d->pins.max);
	json_object_object_add(root, "pins", list);
	return root;
}

static void flow_list_text(FILE *f, json_object *list, const char *last_title, const char *last_key)
{
	fprintf(f, "%-45s %-45s %-39s Age\n", "Client", "VIP", last_title);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		char client[64], vip[64];

		snprintf(client, sizeof(client), "%s %llu", text_of(o, "client"),
			 (unsigned long long)number_of(o, "clientPort"));
		snprintf(vip, sizeof(vip), "%s %llu", text_of(o, "vip"),
			 (unsigned long long)number_of(o, "vipPort"));
		fprintf(f, "%-45s %-45s %-39s ", client, vip, last_key ? text_of(o, last_key) : "");
		print_duration(f, number_of(o, "ageMsec"));
		fputc('\n', f);
	}
}

static void pins_text(FILE *f, json_object *root)
{
	fprintf(f, "%llu pins, at most %llu\n", (unsigned long long)number_of(root, "count"),
		(unsigned long long)number_of(root, "max"));
	cut_note(f, root);
	flow_list_text(f, list_of(root, "pins"), "Owner", "owner");
}

/* Sessions */

static void add_session(void *arg, const struct flow *flow, uint64_t age_ms)
{
	json_object *o;

	if (json_object_array_length(arg) == ROWS_MAX)
		return;
	o = json_object_new_object();
	add_flow(o, flow);
	add_number(o, "ageMsec", age_ms);
	json_object_array_add(arg, o);
}

static json_object *sessions_json(struct daemon *d)
{
	json_object *root = json_object_new_object(), *list = json_object_new_array();

	add_count(root, daemon_running(d) ? directory_published_count(d->directory) : 0);
	add_number(root, "closing", closings_count(&d->closings));
	if (daemon_running(d))
		directory_published_each(d->directory, add_session, list);
	json_object_object_add(root, "sessions", list);
	return root;
}

static void sessions_text(FILE *f, json_object *root)
{
	fprintf(f, "%llu sessions of this host are published, %llu of them are closing\n",
		(unsigned long long)number_of(root, "count"),
		(unsigned long long)number_of(root, "closing"));
	cut_note(f, root);
	flow_list_text(f, list_of(root, "sessions"), "", NULL);
}

/* Counters */

static json_object *counter_object(const char *words, const char *help, uint64_t value)
{
	json_object *o = json_object_new_object();

	add_text(o, "words", words);
	add_text(o, "help", help);
	add_number(o, "value", value);
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
		fprintf(f, "  %-28s %14llu  %s\n", text_of(o, "words"),
			(unsigned long long)number_of(o, "value"), text_of(o, "help"));
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
		json_object_object_add(flat, key, json_object_get(list_of(o, "value")));
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

	add_text(root, "host", configured->host);
	add_number(root, "port", configured->port);
	add_text(root, "prefix", configured->prefix);
	add_bool(root, "tls", configured->tls);
	if (!daemon_running(d) || !directory_server(d->directory, &server))
		return root;
	add_text(root, "state", server.state);
	add_number(root, "sinceMsec", server.since_ms_ago);
	add_bool(root, "asked", server.asked);
	add_bool(root, "cluster", server.cluster);
	if (server.cluster)
		add_number(root, "slotsServed", server.slots_served);
	if (server.error[0]) {
		add_text(root, "lastError", server.error);
		add_number(root, "lastErrorMsec", server.error_ms_ago);
	}
	count = directory_server_nodes(d->directory, nodes, SERVER_NODES_MAX);
	for (size_t i = 0; i < count && i < SERVER_NODES_MAX; i++) {
		json_object *o = json_object_new_object();

		add_text(o, "host", nodes[i].host);
		add_number(o, "port", nodes[i].port);
		add_text(o, "role", nodes[i].role);
		add_text(o, "state", nodes[i].state);
		add_number(o, "slots", nodes[i].slots);
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

	add_text(root, "engine", valkey ? "valkey" : "one-hop");
	add_number(root, "port", d->settings.directory_port);
	add_number(root, "replicas", d->settings.directory_replicas);
	add_number(root, "ringMembersMax", d->settings.ring_members);
	add_text(root, "keyFile", d->settings.key_file);
	add_bool(root, "running", daemon_running(d));
	if (d->problems[PROBLEM_DIRECTORY][0])
		add_text(root, "problem", d->problems[PROBLEM_DIRECTORY]);
	if (daemon_running(d) && directory_warning(d->directory, &warning))
		add_text(root, "warning", warning.text);
	if (valkey)
		json_object_object_add(root, "server", server_json(d));
	json_object_object_add(root, "counters", directory_counters_json(d));
	return root;
}

static json_object *directory_flat(json_object *root)
{
	json_object_object_add(root, "counters", flatten(list_of(root, "counters")));
	return json_object_get(root);
}

static void server_text(FILE *f, json_object *server)
{
	json_object *nodes = list_of(server, "nodes");

	fprintf(f, "  server %s port %llu", text_of(server, "host"),
		(unsigned long long)number_of(server, "port"));
	if (!nodes) {
		fprintf(f, "\n");
		return;
	}
	fprintf(f, ": %s since ", text_of(server, "state"));
	print_duration(f, number_of(server, "sinceMsec"));
	if (list_of(server, "slotsServed"))
		fprintf(f, ", a cluster with a primary for %llu of 16384 slots",
			(unsigned long long)number_of(server, "slotsServed"));
	fprintf(f, "\n");
	if (!json_object_get_boolean(list_of(server, "asked")))
		fprintf(f,
			"%% it cannot be asked: look-ups ask all members, sessions are published "
			"when it is back\n");
	if (list_of(server, "lastError")) {
		fprintf(f, "%% ");
		print_duration(f, number_of(server, "lastErrorMsec"));
		fprintf(f, " ago: %s\n", text_of(server, "lastError"));
	}
	for (size_t i = 0; i < json_object_array_length(nodes); i++) {
		json_object *o = json_object_array_get_idx(nodes, i);

		fprintf(f, "  node %s port %llu: %s, %s, %llu slots\n", text_of(o, "host"),
			(unsigned long long)number_of(o, "port"), text_of(o, "role"),
			text_of(o, "state"), (unsigned long long)number_of(o, "slots"));
	}
}

static void directory_text(FILE *f, json_object *root)
{
	json_object *server = list_of(root, "server");

	fprintf(f, "Directory engine %s, UDP port %llu, ", text_of(root, "engine"),
		(unsigned long long)number_of(root, "port"));
	if (!server)
		fprintf(f, "%llu replicas, ", (unsigned long long)number_of(root, "replicas"));
	fprintf(f, "key file %s: %s\n", text_of(root, "keyFile"),
		json_object_get_boolean(list_of(root, "running")) ? "running" : "not running");
	if (list_of(root, "problem"))
		fprintf(f, "%% %s\n", text_of(root, "problem"));
	if (list_of(root, "warning"))
		fprintf(f, "%% %s\n", text_of(root, "warning"));
	if (server)
		server_text(f, server);
	counter_group_text(f, list_of(root, "counters"));
}

/* Summary */

static json_object *vip_json(struct daemon *d, const struct vip *vip)
{
	const struct prefix_address prefix = {.address = vip->address, .length = 128};
	const struct route *route = routes_find(&d->routes, &prefix);
	json_object *o = json_object_new_object(), *hops = json_object_new_array();

	add_address(o, "prefix", &vip->address);
	add_bool(o, "local", vip->local);
	add_bool(o, "served", vip->served);
	if (vip->refused.text[0])
		add_text(o, "refused", vip->refused.text);
	add_number(o, "sessions", vip->sessions);
	for (size_t i = 0; route && i < route->next_hop_count; i++) {
		json_object *hop = json_object_new_object();

		add_address(hop, "gateway", &route->next_hops[i].gateway);
		add_text(hop, "interface", route->next_hops[i].interface);
		add_number(hop, "weight", route->next_hops[i].weight);
		json_object_array_add(hops, hop);
	}
	json_object_object_add(o, "nextHops", hops);
	return o;
}

static json_object *summary_json(struct daemon *d)
{
	json_object *root = json_object_new_object(), *problems = json_object_new_array(),
		    *vips = json_object_new_array();
	struct in6_addr local = settings_local_member(&d->settings);
	const char *state = daemon_running(d) ? "running"
			    : d->configured   ? "stopped by a problem"
					      : "waiting for a complete configuration";

	add_text(root, "version", PACKAGE_VERSION);
	add_text(root, "state", state);
	add_number(root, "uptimeMsec", clock_ms() - d->started_ms);
	add_bool(root, "zebraConnected", fpm_server_connected(d->fpm));
	add_address(root, "localMember", &local);
	add_number(root, "membersReachable", d->reach.count);
	add_bool(root, "isolated", is_isolated(d));
	add_number(root, "sessions",
		   daemon_running(d) ? directory_published_count(d->directory) : 0);
	add_number(root, "pins", pins_count(&d->pins));
	add_number(root, "straysWaiting", strays_count(&d->strays));
	for (size_t i = 0; i < PROBLEM_COUNT; i++)
		if (d->problems[i][0])
			json_object_array_add(problems, json_object_new_string(d->problems[i]));
	json_object_object_add(root, "problems", problems);
	for (size_t i = 0; i < d->vip_count; i++)
		json_object_array_add(vips, vip_json(d, &d->vips[i]));
	json_object_object_add(root, "vips", vips);
	return root;
}

static void summary_text(FILE *f, json_object *root)
{
	json_object *problems = list_of(root, "problems"), *vips = list_of(root, "vips");

	fprintf(f, "Holdfast %s: %s, up ", text_of(root, "version"), text_of(root, "state"));
	print_duration(f, number_of(root, "uptimeMsec"));
	fprintf(f, "\n");
	for (size_t i = 0; i < json_object_array_length(problems); i++)
		fprintf(f, "%% %s\n",
			json_object_get_string(json_object_array_get_idx(problems, i)));
	fprintf(f, "  member %s, %llu other members reachable%s\n", text_of(root, "localMember"),
		(unsigned long long)number_of(root, "membersReachable"),
		json_object_get_boolean(list_of(root, "isolated"))
			? " before this host was cut off: detours stay as they are"
			: "");
	fprintf(f, "  %llu sessions published, %llu pins, %llu strays waiting for an answer\n",
		(unsigned long long)number_of(root, "sessions"),
		(unsigned long long)number_of(root, "pins"),
		(unsigned long long)number_of(root, "straysWaiting"));
	for (size_t i = 0; i < json_object_array_length(vips); i++) {
		json_object *o = json_object_array_get_idx(vips, i);

		fprintf(f, "  prefix %s: %s, %llu sessions, %zu next hops elsewhere\n",
			text_of(o, "prefix"),
			json_object_object_get_ex(o, "refused", NULL)  ? "refused, see above"
			: json_object_get_boolean(list_of(o, "local")) ? "on this host"
			: json_object_get_boolean(list_of(o, "served"))
				? "gone from this host, sessions are kept"
				: "not on this host",
			(unsigned long long)number_of(o, "sessions"),
			json_object_array_length(list_of(o, "nextHops")));
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
	[HOLDFAST__SHOW_REQUEST__TOPIC__COUNTERS] = {counters_json, counters_text, counters_flat},
};

char *show_render(struct daemon *d, Holdfast__ShowRequest__Topic topic, bool json)
{
	char *text = NULL;
	size_t size = 0;
	json_object *root;
	FILE *f;

	if ((size_t)topic >= sizeof(topics) / sizeof(topics[0]))
		return strdup(
			"% fpmd does not know this topic: is it older than zebra's module?\n");
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	root = topics[topic].json(d);
	if (json) {
		json_object *flat = topics[topic].for_programs ? topics[topic].for_programs(root)
							       : json_object_get(root);

		fprintf(f, "%s\n",
			json_object_to_json_string_ext(
				flat, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(flat);
	} else {
		topics[topic].text(f, root);
	}
	json_object_put(root);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
