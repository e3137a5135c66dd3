// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `show holdfast flow`: what this host knows of one flow is put together when the directory has
 * answered, and explained. At most QUESTIONS_MAX wait for that.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fpmd/explain.h"
#include "fpmd/show_private.h"

#define QUESTIONS_MAX 16
#define LOOKUP_DEADLINE_MS 1000

struct flow_question {
	struct daemon *daemon;
	uint32_t id; /* the server's */
	bool json;
	struct flow flow;
	uint64_t asked_ms;
	struct flow_question *next, *prev;
};

/* -- what is known -- */

static void know_pin(struct daemon *d, struct explain_facts *facts)
{
	const struct pin *pin = pin_find(&d->pins, &facts->flow);
	const struct owner *owner;
	const struct route *route;
	struct prefix_address prefix = {.length = 128};
	size_t hop;

	if (!pin)
		return;
	facts->pin.known = true;
	facts->pin.direct = pin->direct;
	facts->pin.age_ms = clock_ms() - pin->since_ms;
	facts->pin.has_owner = pin->owner;
	if (!pin->owner)
		return;
	owner = &d->owners.table[pin->owner];
	facts->pin.owner = prefix.address = owner->address;
	facts->pin.owner_reachable = reach_has(&d->reach, &owner->address);
	route = routes_find(&d->routes, &prefix);
	facts->pin.next_hops = route ? route->next_hop_count : 0;
	if (facts->pin.next_hops != 1 && !owner->steering.way)
		return;
	hop = owner->steering.way ? owner->steering.way - 1u : 0;
	if (hop >= facts->pin.next_hops)
		return;
	facts->pin.gateway = route->next_hops[hop].gateway;
	memcpy(facts->pin.interface, route->next_hops[hop].interface, sizeof(facts->pin.interface));
}

static void know_stray(struct daemon *d, struct explain_facts *facts)
{
	const struct stray *stray = stray_find(&d->strays, &facts->flow, false);

	if (!stray)
		return;
	facts->stray.known = true;
	facts->stray.asking = stray->asking;
	facts->stray.segments = stray->segment_count;
	facts->stray.asked_ms_ago = clock_ms() - stray->asked_ms;
}

static void know_record(struct daemon *d, struct explain_facts *facts)
{
	const struct pending *pending = pending_find(&d->director.pendings, &facts->flow);
	const struct path *path;
	struct prefix_address prefix = {.address = facts->flow.vip, .length = 128};
	const struct route *route = routes_find(&d->routes, &prefix);
	struct error error;
	int found;

	facts->routed_next_hops = route ? route->next_hop_count : 0;
	facts->owner_wanted = pending;
	facts->owner_tries = pending ? pending->tries : 0;
	found = kernel_flow_find(d->kernel, &facts->flow, &facts->recorded.record, &error);
	facts->recorded.unreadable = found < 0;
	facts->recorded.known = found > 0;
	if (!facts->recorded.known)
		return;
	facts->recorded.fast_path = d->settings.flows_fast_path;
	path = path_find(&d->director.paths, facts->recorded.record.path);
	if (!path)
		return;
	facts->recorded.path_known = true;
	facts->recorded.path = path->now;
	facts->recorded.state = path->state;
	facts->recorded.members = path->members;
}

static enum explain_role role_of(const struct vip *vip)
{
	return vip->refused.text[0] ? EXPLAIN_REFUSED
	       : vip->served	    ? EXPLAIN_SERVED
	       : vip->routed	    ? EXPLAIN_ROUTED
				    : EXPLAIN_NEITHER;
}

static void know(struct daemon *d, const struct vip *vip, struct explain_facts *facts)
{
	facts->role = role_of(vip);
	memcpy(facts->refused, vip->refused.text, sizeof(facts->refused));
	if (facts->role != EXPLAIN_SERVED && facts->role != EXPLAIN_ROUTED)
		return;
	if (facts->role == EXPLAIN_SERVED) {
		facts->socket_state = kernel_session_state(d->kernel, &facts->flow);
		facts->published = directory_published(d->directory, &facts->flow);
		know_stray(d, facts);
	} else {
		know_record(d, facts);
	}
	know_pin(d, facts);
}

/* -- as JSON and text -- */

static json_object *pin_json(const struct explain_facts *facts)
{
	json_object *o = json_object_new_object();

	if (facts->pin.has_owner) {
		show_add_address(o, "owner", &facts->pin.owner);
		show_add_bool(o, "ownerReachable", facts->pin.owner_reachable);
	}
	show_add_bool(o, "direct", facts->pin.direct);
	show_add_number(o, "ageMsec", facts->pin.age_ms);
	if (facts->pin.interface[0]) {
		show_add_address(o, "gateway", &facts->pin.gateway);
		show_add_text(o, "interface", facts->pin.interface);
	}
	return o;
}

static json_object *stray_json(const struct explain_facts *facts)
{
	json_object *o = json_object_new_object();

	show_add_bool(o, "asking", facts->stray.asking);
	show_add_number(o, "segmentsHeld", facts->stray.segments);
	show_add_number(o, "askedMsecAgo", facts->stray.asked_ms_ago);
	return o;
}

static json_object *record_json(const struct explain_facts *facts)
{
	const struct kernel_path *path = &facts->recorded.path;
	json_object *o = json_object_new_object();

	show_add_number(o, "id", facts->recorded.record.path);
	show_add_bool(o, "probation", facts->recorded.record.probation);
	show_add_bool(o, "closing", facts->recorded.record.closing);
	show_add_number(o, "seenMsecAgo", facts->recorded.record.seen_ms_ago);
	show_add_bool(o, "fastPath", facts->recorded.fast_path);
	if (!facts->recorded.path_known)
		return o;
	show_add_text(o, "interface", path->hop.interface);
	show_add_address(o, "gateway", &path->hop.gateway);
	show_add_text(o, "state", path_state_text(facts->recorded.state));
	show_add_bool(o, "up", path->up);
	if (!IN6_IS_ADDR_UNSPECIFIED(&path->member))
		show_add_address(o, "member", &path->member);
	show_add_number(o, "members", facts->recorded.members);
	if (!IN6_IS_ADDR_UNSPECIFIED(&path->backup_owner))
		show_add_address(o, "backupOwner", &path->backup_owner);
	show_add_number(o, "backupNextHops", path->backup_count);
	return o;
}

static json_object *directory_json(const struct explain_facts *facts)
{
	static const char *const answers[] = {
		[DIRECTORY_FOUND] = "found",
		[DIRECTORY_ABSENT] = "absent",
		[DIRECTORY_TIMED_OUT] = "timed-out",
	};
	const struct stray_facts *answer = &facts->directory.facts;
	json_object *o = json_object_new_object();

	show_add_text(o, "answer", facts->directory.asked ? answers[answer->answer] : "not-asked");
	if (!facts->directory.asked)
		return o;
	if (answer->answer == DIRECTORY_FOUND) {
		show_add_address(o, "owner", &facts->directory.owner);
		show_add_bool(o, "ownerIsLocal", answer->owner_is_local);
		show_add_bool(o, "ownerReachable", answer->owner_is_reachable);
	}
	show_add_number(o, "messages", facts->directory.messages);
	show_add_number(o, "tookMsec", facts->directory.took_ms);
	return o;
}

static json_object *flow_json(const struct explain_facts *facts, const struct vip *vip,
			      const struct explanation *explanation)
{
	json_object *root = json_object_new_object(), *why = json_object_new_array(), *socket;

	show_add_flow(root, &facts->flow);
	show_add_text(root, "role", show_role(vip));
	show_add_text(root, "goes", explain_goes_text(explanation->goes));
	if (!IN6_IS_ADDR_UNSPECIFIED(&explanation->to))
		show_add_address(root, "to", &explanation->to);
	for (size_t i = 0; i < explanation->count; i++)
		json_object_array_add(why, json_object_new_string(explanation->line[i]));
	json_object_object_add(root, "why", why);
	if (facts->role == EXPLAIN_SERVED) {
		socket = json_object_new_object();
		show_add_text(socket, "state", explain_socket_text(facts->socket_state));
		show_add_bool(socket, "published", facts->published);
		json_object_object_add(root, "socket", socket);
	}
	if (facts->pin.known)
		json_object_object_add(root, "pin", pin_json(facts));
	if (facts->stray.known)
		json_object_object_add(root, "stray", stray_json(facts));
	if (facts->recorded.known)
		json_object_object_add(root, "path", record_json(facts));
	if (facts->role == EXPLAIN_SERVED || facts->role == EXPLAIN_ROUTED)
		json_object_object_add(root, "directory", directory_json(facts));
	return root;
}

static const char *goes_words(const char *goes)
{
	static const char *const words[][2] = {
		{"unknown", "goes where the kernel does not tell"},
		{"here", "is delivered here: this host has the session"},
		{"reset", "is delivered here, and reset: nobody has the session"},
		{"owner", "goes to its owner"},
		{"path", "goes by the path that is recorded for it"},
		{"backup", "goes past its withdrawn path"},
		{"routing-table", "goes by the routing table, as without Holdfast"},
		{"held", "waits for the directory's answer"},
		{"dropped", "is dropped for now, and will be looked up again"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], goes))
			return words[i][1];
	return goes;
}

static void flow_text_print(FILE *f, json_object *root)
{
	json_object *why = show_value(root, "why");

	if (show_value(root, "error")) {
		fprintf(f, "%% %s\n", show_text(root, "error"));
		return;
	}
	fprintf(f, "%s port %llu to %s port %llu %s", show_text(root, "client"),
		(unsigned long long)show_number(root, "clientPort"), show_text(root, "vip"),
		(unsigned long long)show_number(root, "vipPort"),
		goes_words(show_text(root, "goes")));
	if (show_value(root, "to"))
		fprintf(f, ", %s", show_text(root, "to"));
	fprintf(f, ".\n");
	for (size_t i = 0; i < json_object_array_length(why); i++)
		fprintf(f, "  %s\n", json_object_get_string(json_object_array_get_idx(why, i)));
}

/* -- questions and answers -- */

void show_reply(struct daemon *d, uint32_t id, json_object *root, bool json,
		void (*print)(FILE *f, json_object *root))
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f && json)
		fprintf(f, "%s\n",
			json_object_to_json_string_ext(
				root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (f)
		print(f, root);
	if (!f || fclose(f) || !text)
		fpm_server_show_reply(d->fpm, id, "% fpmd: no memory\n");
	else
		fpm_server_show_reply(d->fpm, id, text);
	free(text);
	json_object_put(root);
}

static void reply_error(struct daemon *d, uint32_t id, bool json, const char *why)
{
	json_object *root = json_object_new_object();

	show_add_text(root, "error", why);
	show_reply(d, id, root, json, flow_text_print);
}

static void question_free(struct flow_question *question)
{
	struct daemon *d = question->daemon;

	DL_DELETE(d->flow_questions, question);
	d->flow_question_count--;
	free(question);
}

static void answer(struct daemon *d, uint32_t id, bool json, struct explain_facts *facts)
{
	const struct vip *vip = vips_find(d, &facts->flow.vip);
	struct explanation explanation;

	if (!vip) {
		reply_error(d, id, json, "the prefix was removed just now");
		return;
	}
	know(d, vip, facts);
	explain(facts, &explanation);
	show_reply(d, id, flow_json(facts, vip, &explanation), json, flow_text_print);
}

static void answered(void *arg, const struct directory_result *result)
{
	struct flow_question *question = arg;
	struct daemon *d = question->daemon;
	struct explain_facts facts = {.flow = question->flow};
	uint64_t now = clock_ms();

	facts.directory.asked = true;
	facts.directory.owner = result->owner;
	facts.directory.messages = result->messages;
	facts.directory.took_ms = now - question->asked_ms;
	facts.directory.facts.answer = members_answer(d, result);
	if (result->answer == DIRECTORY_FOUND) {
		facts.directory.facts.owner_is_local = members_is_local(d, &result->owner);
		facts.directory.facts.owner_is_reachable = reach_has(&d->reach, &result->owner);
		facts.directory.facts.owner_is_in_doubt =
			members_are_unknown(d) || reach_in_doubt(&d->reach, &result->owner, now);
	}
	answer(d, question->id, question->json, &facts);
	question_free(question);
}

/* False: it cannot be asked now. */
static bool ask(struct daemon *d, const struct flow *flow, uint32_t id, bool json)
{
	struct flow_question *question =
		d->flow_question_count < QUESTIONS_MAX ? calloc(1, sizeof(*question)) : NULL;

	if (!question)
		return false;
	*question = (struct flow_question){
		.daemon = d, .id = id, .json = json, .flow = *flow, .asked_ms = clock_ms()};
	DL_APPEND(d->flow_questions, question);
	d->flow_question_count++;
	if (!directory_get(d->directory, flow, LOOKUP_DEADLINE_MS, answered, question))
		return true;
	question_free(question);
	return false;
}

int show_flow_take(const Holdfast__Flow *wire, struct flow *flow, struct error *error)
{
	memset(flow, 0, sizeof(*flow));
	if (!wire || wire->client_port > UINT16_MAX || wire->vip_port > UINT16_MAX ||
	    address_from_bytes(wire->client.data, wire->client.len, &flow->client) ||
	    address_from_bytes(wire->vip.data, wire->vip.len, &flow->vip))
		return error_set(error, "fpmd does not understand the question: is it older than "
					"zebra's module?");
	flow->client_port = (uint16_t)wire->client_port;
	flow->vip_port = (uint16_t)wire->vip_port;
	flow->protocol = IPPROTO_TCP;
	return explain_check(flow, error);
}

void show_flow(struct daemon *d, const Holdfast__ShowRequest *request)
{
	char text[ADDRESS_TEXT_SIZE];
	struct explain_facts facts = {0};
	const struct vip *vip = NULL;
	struct error error;

	if (show_flow_take(request->flow, &facts.flow, &error)) {
		reply_error(d, request->id, request->json, error.text);
		return;
	}
	if (daemon_running(d))
		vip = vips_find(d, &facts.flow.vip);
	if (!daemon_running(d))
		error_set(&error, "fpmd does nothing to any flow now: see show holdfast");
	else if (!vip)
		error_set(&error, "%s is no configured prefix: show holdfast lists them",
			  address_text(&facts.flow.vip, text));
	if (!vip)
		reply_error(d, request->id, request->json, error.text);
	else if ((role_of(vip) != EXPLAIN_SERVED && role_of(vip) != EXPLAIN_ROUTED) ||
		 !ask(d, &facts.flow, request->id, request->json))
		answer(d, request->id, request->json, &facts);
}

void show_flow_abandon(struct daemon *d)
{
	struct flow_question *question, *next;

	DL_FOREACH_SAFE(d->flow_questions, question, next)
	{
		reply_error(d, question->id, question->json,
			    "the directory was opened anew meanwhile: ask again");
		question_free(question);
	}
}
