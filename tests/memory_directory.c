/* SPDX-License-Identifier: GPL-2.0-or-later */
/* directory.h in memory, for unit tests of the rest of fpmd: no network, the test says what is
 * answered. */
#include "tests/memory_directory.h"

#include <stdlib.h>
#include <string.h>

struct question {
	struct directory *directory;
	struct flow flow;
	directory_get_fn *fn;
	void *arg;
	struct event *event;
	struct question *next;
};

struct directory {
	struct event_base *base;
	struct directory_handlers handlers;
	void *arg;
	struct event *changed;
	struct directory_member member[MEMORY_FLOWS];
	size_t members;
	struct {
		struct flow flow;
		struct directory_result result;
	} answer[MEMORY_FLOWS];
	size_t answers;
	struct flow published[MEMORY_FLOWS];
	size_t publications;
	struct question *questions;
	bool held;
	unsigned int gets, record_gets, refusals;
	bool busy;
	struct in6_addr refused_member;
	struct flow refused_flow;
	struct directory_server server;
};

static unsigned int opened;
static const char *fail_open;
static bool fail_once;

static void on_changed(evutil_socket_t fd, short what, void *arg)
{
	struct directory *directory = arg;

	if (directory->handlers.members_changed != NULL)
		directory->handlers.members_changed(directory->arg);
}

static const char *fail_check;

void memory_directory_fail_check(const char *text)
{
	fail_check = text;
}

bool directory_warning(struct directory *directory, struct error *warning)
{
	return false;
}

int directory_check(const struct directory_options *options, struct error *error)
{
	return fail_check ? error_set(error, "%s", fail_check) : 0;
}

int directory_open(struct event_base *base, const struct directory_options *options,
		   const struct directory_handlers *handlers, void *arg, struct directory **out,
		   struct error *error)
{
	const char *failure = fail_open;
	struct directory *directory;

	if (fail_once)
		fail_open = NULL;
	if (failure)
		return error_set(error, "%s", failure);
	directory = calloc(1, sizeof(*directory));
	if (directory == NULL)
		return error_set(error, "no memory");
	directory->base = base;
	directory->handlers = *handlers;
	directory->arg = arg;
	directory->changed = event_new(base, -1, 0, on_changed, directory);
	directory->member[0] = (struct directory_member){
		.address = options->local, .state = MEMBER_IN_RING, .epoch = 1, .local = true};
	directory->members = 1;
	opened++;
	*out = directory;
	return 0;
}

static void question_free(struct question *question)
{
	struct question **link = &question->directory->questions;

	while (*link != question)
		link = &(*link)->next;
	*link = question->next;
	event_free(question->event);
	free(question);
}

void directory_close(struct directory *directory)
{
	if (directory == NULL)
		return;
	while (directory->questions != NULL)
		question_free(directory->questions);
	event_free(directory->changed);
	free(directory);
}

static struct directory_member *member_of(struct directory *directory,
					  const struct in6_addr *address)
{
	for (size_t i = 0; i < directory->members; i++) {
		if (address_equal(&directory->member[i].address, address))
			return &directory->member[i];
	}
	return NULL;
}

void directory_reachable_set(struct directory *directory, const struct in6_addr *hosts,
			     size_t count)
{
	struct directory_member kept[MEMORY_FLOWS];
	size_t members = 1;

	kept[0] = directory->member[0];
	for (size_t i = 0; i < count && members < MEMORY_FLOWS; i++) {
		const struct directory_member *old = member_of(directory, &hosts[i]);

		kept[members++] = old ? *old
				      : (struct directory_member){.address = hosts[i],
								  .state = MEMBER_ROUTED,
								  .heard_ms_ago = UINT64_MAX};
	}
	if (members == directory->members &&
	    !memcmp(directory->member, kept, members * sizeof(kept[0])))
		return;
	memcpy(directory->member, kept, members * sizeof(kept[0]));
	directory->members = members;
	event_active(directory->changed, EV_TIMEOUT, 1);
}

size_t directory_members(struct directory *directory, struct directory_member *out, size_t max)
{
	for (size_t i = 0; i < directory->members && i < max; i++)
		out[i] = directory->member[i];
	return directory->members;
}

void directory_director_set(struct directory *directory, bool director)
{
	directory->member[0].director = director;
}

void directory_draining_set(struct directory *directory, bool draining)
{
	directory->member[0].draining = draining;
}

void memory_directory_draining(struct directory *directory, const struct in6_addr *address)
{
	for (size_t i = 1; i < directory->members; i++)
		if (address_equal(&directory->member[i].address, address))
			directory->member[i].draining = true;
}

void memory_directory_director(struct directory *directory, const struct in6_addr *address)
{
	for (size_t i = 1; i < directory->members; i++)
		if (address_equal(&directory->member[i].address, address))
			directory->member[i].director = true;
	event_active(directory->changed, EV_TIMEOUT, 1);
}

bool directory_is_member(struct directory *directory, const struct in6_addr *address)
{
	const struct directory_member *member = member_of(directory, address);

	return member != NULL && member->state != MEMBER_ROUTED;
}

static size_t published_index(struct directory *directory, const struct flow *flow)
{
	size_t i = 0;

	while (i < directory->publications && !flow_equal(&directory->published[i], flow))
		i++;
	return i;
}

bool directory_publish(struct directory *directory, const struct flow *flow)
{
	if (directory_published(directory, flow) || directory->publications == MEMORY_FLOWS)
		return false;
	directory->published[directory->publications++] = *flow;
	return true;
}

void directory_withdraw(struct directory *directory, const struct flow *flow)
{
	size_t i = published_index(directory, flow);

	if (i < directory->publications)
		directory->published[i] = directory->published[--directory->publications];
}

bool directory_published(struct directory *directory, const struct flow *flow)
{
	return published_index(directory, flow) < directory->publications;
}

size_t directory_published_count(struct directory *directory)
{
	return directory->publications;
}

void directory_published_each(struct directory *directory, directory_session_fn *fn, void *arg)
{
	for (size_t i = 0; i < directory->publications; i++)
		fn(arg, &directory->published[i], 0);
}

static void on_question(evutil_socket_t fd, short what, void *arg)
{
	struct directory_result result = {.answer = DIRECTORY_ABSENT};
	struct question *question = arg;
	struct directory *directory = question->directory;
	directory_get_fn *fn = question->fn;
	void *fn_arg = question->arg;

	if (directory->held)
		return;
	if (directory_published(directory, &question->flow)) {
		result.answer = DIRECTORY_FOUND;
		result.owner = directory->member[0].address;
	}
	for (size_t i = 0; i < directory->answers; i++) {
		if (flow_equal(&directory->answer[i].flow, &question->flow))
			result = directory->answer[i].result;
	}
	question_free(question);
	fn(fn_arg, &result);
}

int directory_get(struct directory *directory, const struct flow *flow, unsigned int deadline_ms,
		  directory_get_fn *fn, void *arg)
{
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL)
		return -1;
	*question = (struct question){.directory = directory,
				      .flow = *flow,
				      .fn = fn,
				      .arg = arg,
				      .next = directory->questions};
	question->event = event_new(directory->base, -1, 0, on_question, question);
	directory->questions = question;
	directory->gets++;
	event_active(question->event, EV_TIMEOUT, 1);
	return 0;
}

int directory_get_record(struct directory *directory, const struct flow *flow,
			 unsigned int deadline_ms, directory_get_fn *fn, void *arg)
{
	if (directory->busy || directory_get(directory, flow, deadline_ms, fn, arg))
		return -1;
	directory->record_gets++;
	return 0;
}

void directory_refuse(struct directory *directory, const struct in6_addr *member,
		      const struct flow *flow)
{
	directory->refusals++;
	directory->refused_member = *member;
	directory->refused_flow = *flow;
}

size_t directory_counters(struct directory *directory, struct directory_counter *out, size_t max)
{
	if (max > 0)
		out[0] = (struct directory_counter){"gets", "look-ups begun", directory->gets};
	return max > 0;
}

void memory_directory_fail_open(const char *text)
{
	fail_open = text;
	fail_once = false;
}

void memory_directory_fail_once(const char *text)
{
	fail_open = text;
	fail_once = true;
}

void memory_directory_answer(struct directory *directory, const struct flow *flow,
			     enum directory_answer answer, const struct in6_addr *owner)
{
	struct directory_result result = {.answer = answer, .messages = 1};
	size_t i = 0;

	if (owner != NULL)
		result.owner = *owner;
	while (i < directory->answers && !flow_equal(&directory->answer[i].flow, flow))
		i++;
	if (i == MEMORY_FLOWS)
		abort();
	if (i == directory->answers)
		directory->answers++;
	directory->answer[i].flow = *flow;
	directory->answer[i].result = result;
}

void memory_directory_hold(struct directory *directory)
{
	directory->held = true;
}

void memory_directory_release(struct directory *directory)
{
	directory->held = false;
	for (struct question *each = directory->questions; each != NULL; each = each->next)
		event_active(each->event, EV_TIMEOUT, 1);
}

void memory_directory_member(struct directory *directory, const struct in6_addr *address,
			     enum directory_member_state state, uint64_t epoch)
{
	struct directory_member *member = member_of(directory, address);

	if (member == NULL)
		return;
	member->state = state;
	member->epoch = epoch;
	event_active(directory->changed, EV_TIMEOUT, 1);
}

void memory_directory_refused(struct directory *directory, const struct in6_addr *member,
			      const struct flow *flow)
{
	directory->handlers.refused(directory->arg, member, flow);
}

void memory_directory_ended(struct directory *directory, const struct in6_addr *member,
			    const struct flow *flow)
{
	directory->handlers.ended(directory->arg, member, flow);
}

bool memory_directory_has_session(struct directory *directory, const struct flow *flow)
{
	return directory->handlers.has_session(directory->arg, flow) == 1;
}

unsigned int memory_directory_refusals(struct directory *directory, struct in6_addr *member,
				       struct flow *flow)
{
	if (member != NULL)
		*member = directory->refused_member;
	if (flow != NULL)
		*flow = directory->refused_flow;
	return directory->refusals;
}

unsigned int memory_directory_gets(struct directory *directory)
{
	return directory->gets;
}

unsigned int memory_directory_record_gets(struct directory *directory)
{
	return directory->record_gets;
}

void memory_directory_busy(struct directory *directory, bool busy)
{
	directory->busy = busy;
}

unsigned int memory_directory_opened(void)
{
	return opened;
}

void memory_directory_server(struct directory *directory, const struct directory_server *server)
{
	directory->server = *server;
}

bool directory_server(struct directory *directory, struct directory_server *out)
{
	*out = directory->server;
	return out->state != NULL;
}

size_t directory_server_nodes(struct directory *directory, struct directory_server_node *out,
			      size_t max)
{
	if (directory->server.state == NULL)
		return 0;
	if (max > 0)
		out[0] = (struct directory_server_node){.host = "10.0.0.8",
							.port = 6380,
							.slots = 16384,
							.role = "primary",
							.state = "ready"};
	return 1;
}
