// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Strays: a segment that met no session is held, the directory is asked, and the flow gets
 * a pin to its owner. What the directory answers in one turn of the loop goes to the kernel in one
 * transaction. Invariant: a segment is sent on only to the owner that the directory named.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fpmd/daemon.h"
#include "fpmd/log.h"

/* A held segment that comes late is still better than one that is dropped and sent again. */
#define LOOKUP_DEADLINE_MS 1000

/* A look-up under way. */
struct question {
	struct daemon *daemon;
	struct flow flow;
	bool tunnelled;
	struct question *next, *prev;
};

static struct question *question_new(struct daemon *d, const struct flow *flow)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->daemon = d;
	q->flow = *flow;
	DL_APPEND(d->questions, q);
	return q;
}

static void question_free(struct question *q)
{
	DL_DELETE(q->daemon->questions, q);
	free(q);
}

static void verdicts(struct daemon *d, struct decision *decision)
{
	struct stray *stray = decision->stray;
	uint64_t *counter = decision->verdict == KERNEL_DETOUR	? &d->counters.segments_detoured
			    : decision->verdict == KERNEL_LOCAL ? &d->counters.segments_local
								: &d->counters.segments_dropped;

	for (uint16_t i = 0; i < stray->segment_count; i++)
		kernel_stray_verdict(d->kernel, stray->segments[i], decision->verdict,
				     decision->owner);
	*counter += stray->segment_count;
}

/* Installs the pins that the decisions need; the kernel has them before any segment is let go. */
static void install(struct daemon *d)
{
	static struct pin_wish wishes[DECISIONS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < d->decision_count; i++) {
		struct decision *decision = &d->decisions[i];

		if (decision->verdict != KERNEL_DETOUR || decision->stray->only_resets)
			continue;
		wishes[count++] = (struct pin_wish){.flow = decision->stray->key.flow,
						    .owner = decision->owner};
	}
	d->counters.detours += pinning_put(d, wishes, count);
}

void rescue_decide(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	uint64_t now = clock_ms();

	install(d);
	for (size_t i = 0; i < d->decision_count; i++) {
		verdicts(d, &d->decisions[i]);
		stray_answered(&d->strays, d->decisions[i].stray, d->decisions[i].timed_out, now);
	}
	d->decision_count = 0;
}

static void stray_answer(void *arg, const struct directory_result *result)
{
	struct question *q = arg;
	struct daemon *d = q->daemon;
	struct stray *stray = stray_find(&d->strays, &q->flow, q->tunnelled);
	struct decision *decision;
	struct stray_facts facts = {.answer = members_answer(d, result), .tunnelled = q->tunnelled};
	char flow[FLOW_TEXT_SIZE], owner[ADDRESS_TEXT_SIZE];

	question_free(q);
	d->counters.lookup_messages += result->messages;
	if (!stray)
		return;
	if (facts.answer == DIRECTORY_FOUND) {
		d->counters.lookups_found++;
		facts.owner_is_local = members_is_local(d, &result->owner);
		facts.owner_is_reachable = reach_has(&d->reach, &result->owner);
		facts.owner_is_in_doubt = members_are_unknown(d) ||
					  reach_in_doubt(&d->reach, &result->owner, clock_ms());
	} else if (facts.answer == DIRECTORY_ABSENT) {
		d->counters.lookups_absent++;
	} else {
		d->counters.lookups_timed_out++;
	}

	if (d->decision_count == DECISIONS_MAX)
		rescue_decide(-1, 0, d);
	decision = &d->decisions[d->decision_count++];
	*decision = (struct decision){
		.stray = stray,
		.verdict = stray_decide(&facts),
		.timed_out = facts.answer == DIRECTORY_TIMED_OUT,
	};
	if (decision->verdict == KERNEL_DETOUR) {
		decision->owner = members_owner(d, &result->owner);
		if (!decision->owner)
			decision->verdict = KERNEL_DROP;
		else
			members_steer(d, decision->owner, stray->interface);
	}
	log_debug(TOPIC_STRAYS, "strays: %s%s: %s%s in %llu ms, %u messages, %s %u segments",
		  flow_text(&stray->key.flow, flow), facts.tunnelled ? " (by detour)" : "",
		  facts.answer == DIRECTORY_FOUND    ? "owner "
		  : facts.answer == DIRECTORY_ABSENT ? "nobody has it"
						     : "no answer",
		  facts.answer == DIRECTORY_FOUND ? address_text(&result->owner, owner) : "",
		  (unsigned long long)(clock_ms() - stray->asked_ms), result->messages,
		  decision->verdict == KERNEL_DETOUR  ? "detour for"
		  : decision->verdict == KERNEL_LOCAL ? "local:"
						      : "dropped",
		  stray->segment_count);
	event_active(d->decide_event, EV_TIMEOUT, 0);
}

static void drop(struct daemon *d, uint32_t segment)
{
	d->counters.segments_dropped++;
	kernel_stray_verdict(d->kernel, segment, KERNEL_DROP, OWNER_NONE);
}

static void ask(struct daemon *d, struct stray *stray)
{
	struct question *q = question_new(d, &stray->key.flow);

	if (q) {
		q->tunnelled = stray->key.tunnelled;
		if (!directory_get(d->directory, &q->flow, LOOKUP_DEADLINE_MS, stray_answer, q)) {
			d->counters.lookups++;
			return;
		}
		question_free(q);
	}
	d->counters.lookups_refused++;
	drop(d, stray->segments[0]);
	stray_answered(&d->strays, stray, true, clock_ms());
}

void rescue_stray(void *arg, const struct kernel_stray *segment)
{
	struct daemon *d = arg;
	struct stray *stray;
	struct pin *pin;

	if (!settings_is_vip(&d->settings, &segment->flow.vip) || !flow_is_valid(&segment->flow)) {
		d->counters.strays_unexpected++;
		drop(d, segment->id);
		return;
	}
	if (segment->tunnelled) {
		struct owner *sender =
			&d->owners.table[segment->sender_id <= d->owners.max ? segment->sender_id
									     : OWNER_NONE];

		d->counters.strays_tunnelled++;
		/* The socket table is right, whatever was published. */
		if (directory_published(d->directory, &segment->flow))
			sessions_event(d, &segment->flow, KERNEL_SESSION_CLOSED);
		if (segment->sender_id && sender->used) {
			d->counters.refusals_sent++;
			directory_refuse(d->directory, &sender->address, &segment->flow);
		}
	} else {
		d->counters.strays++;
		/* It was queued before its pin was there. */
		pin = pin_find(&d->pins, &segment->flow);
		if (pin) {
			members_steer(d, pin->owner, segment->interface);
			d->counters.segments_detoured++;
			kernel_stray_verdict(d->kernel, segment->id, KERNEL_DETOUR, pin->owner);
			return;
		}
	}

	switch (stray_arrive(&d->strays, &segment->flow, segment->tunnelled, segment->id,
			     clock_ms(), &stray)) {
	case STRAY_ASK:
		stray->only_resets = segment->reset;
		memcpy(stray->interface, segment->interface, sizeof(stray->interface));
		ask(d, stray);
		break;
	case STRAY_HOLD:
		stray->only_resets &= segment->reset;
		memcpy(stray->interface, segment->interface, sizeof(stray->interface));
		break;
	case STRAY_DROP:
		drop(d, segment->id);
		break;
	}
}

/* *member* has no such session. What led there goes; *counter* counts the pin. */
static void disowned(struct daemon *d, const struct in6_addr *member, const struct flow *flow,
		     bool refused, uint64_t *counter)
{
	struct pin *pin = pin_find(&d->pins, flow);

	/* It may have claimed the session a moment before: that answer is not put into effect yet.
	 */
	for (size_t i = 0; i < d->decision_count; i++) {
		struct decision *decision = &d->decisions[i];

		if (decision->verdict == KERNEL_DETOUR &&
		    flow_equal(&decision->stray->key.flow, flow) &&
		    address_equal(&d->owners.table[decision->owner].address, member))
			decision->verdict = KERNEL_DROP;
	}
	if (pin && address_equal(&d->owners.table[pin->owner].address, member))
		pinning_remove(d, pin, counter);
	director_disowned(d, member, flow, refused);
}

/* The next segment asks anew. */
void rescue_refused(void *arg, const struct in6_addr *member, const struct flow *flow)
{
	struct daemon *d = arg;

	d->counters.refusals_received++;
	disowned(d, member, flow, true, &d->counters.pins_refused);
}

void rescue_ended(void *arg, const struct in6_addr *member, const struct flow *flow)
{
	struct daemon *d = arg;

	d->counters.ends_received++;
	disowned(d, member, flow, false, &d->counters.pins_told);
}

void rescue_accepted(struct daemon *d, const struct flow *flow)
{
	struct pin *pin = pin_find(&d->pins, flow);

	if (pin)
		pinning_remove(d, pin, &d->counters.pins_accepted);
}

bool rescue_owner_gone(struct daemon *d, uint16_t owner)
{
	/* Answers that are not put into effect yet. */
	for (size_t i = 0; i < d->decision_count; i++)
		if (d->decisions[i].verdict == KERNEL_DETOUR && d->decisions[i].owner == owner)
			d->decisions[i].verdict = KERNEL_DROP;
	director_owner_gone(d, owner);
	return pinning_owner_gone(d, owner);
}

void rescue_abandon(struct daemon *d)
{
	struct question *q, *next_question;
	struct stray *stray, *next;

	DL_FOREACH_SAFE(d->questions, q, next_question)
	question_free(q);
	d->decision_count = 0;
	HASH_ITER (hh, d->strays.table, stray, next)
		for (uint16_t i = 0; i < stray->segment_count; i++)
			drop(d, stray->segments[i]);
	strays_clear(&d->strays);
	members_steer_end(d);
}

void rescue_tick(struct daemon *d)
{
	strays_expire(&d->strays, clock_ms());
}
