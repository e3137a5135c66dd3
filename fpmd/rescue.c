// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Strays and pins: a segment that met no session is held, the directory is asked, and the flow gets
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
#define CHECKS_MAX 500 /* pins that are being checked at a time */
#define PIN_BATCH 1024

/* A look-up under way, for a stray or to check a pin. */
struct question {
	struct daemon *daemon;
	struct flow flow;
	bool tunnelled;
	bool check;
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

static void note_failed(struct daemon *d, int status)
{
	if (!d->counters.pins_failed++)
		log_error("pins: the kernel refuses a change of pins: error %d", -status);
}

static void unpin(struct daemon *d, struct pin *pin, uint64_t *counter)
{
	struct kernel_pin_change change = {.flow = pin->flow, .old_owner = pin->owner};
	char text[FLOW_TEXT_SIZE];

	if (kernel_pins_change(d->kernel, &change, 1)) {
		note_failed(d, change.status);
		pin_doubt(&d->pins, pin, clock_ms());
		return;
	}
	d->owners.table[pin->owner].pins--;
	pin_remove(&d->pins, pin);
	(*counter)++;
	log_debug(TOPIC_STRAYS, "pins: %s removed", flow_text(&change.flow, text));
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

/* Of the pins that the kernel did not take the table has what was before; returns how many. */
static size_t give_up_failed(struct daemon *d, const struct kernel_pin_change *changes,
			     size_t count)
{
	size_t given_up = 0;

	for (size_t i = 0; i < count; i++) {
		struct pin *pin = changes[i].status ? pin_find(&d->pins, &changes[i].flow) : NULL;

		if (!pin)
			continue;
		note_failed(d, changes[i].status);
		d->owners.table[pin->owner].pins--;
		if (changes[i].old_owner) {
			pin->owner = changes[i].old_owner;
			d->owners.table[pin->owner].pins++;
		} else {
			pin_remove(&d->pins, pin);
		}
		given_up++;
	}
	return given_up;
}

/* Installs the pins that the decisions need; the kernel has them before any segment is let go. */
static void install(struct daemon *d)
{
	static struct kernel_pin_change changes[DECISIONS_MAX];
	uint64_t now = clock_ms();
	size_t count = 0;

	for (size_t i = 0; i < d->decision_count; i++) {
		struct decision *decision = &d->decisions[i];
		const struct flow *flow = &decision->stray->key.flow;
		struct pin *pin;

		if (decision->verdict != KERNEL_DETOUR || decision->stray->only_resets)
			continue;
		pin = pin_find(&d->pins, flow);
		if (pin && pin->owner == decision->owner)
			continue;
		changes[count] =
			(struct kernel_pin_change){.flow = *flow,
						   .old_owner = pin ? pin->owner : OWNER_NONE,
						   .new_owner = decision->owner};
		if (pin) {
			d->owners.table[pin->owner].pins--;
			pin->owner = decision->owner;
		} else if (!pin_add(&d->pins, flow, decision->owner, now)) {
			d->counters.pins_full++;
			daemon_problem(
				d, PROBLEM_PINS,
				"%zu pins: the table is full, further detours cost a look-up "
				"for each segment; raise `pins max`",
				pins_count(&d->pins));
			continue;
		}
		d->owners.table[decision->owner].pins++;
		count++;
	}
	if (!count)
		return;
	d->counters.detours += count;
	if (kernel_pins_change(d->kernel, changes, count))
		d->counters.detours -= give_up_failed(d, changes, count);
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

/* That those who are known have no session says nothing while others may be unknown. */
static enum directory_answer answer_of(const struct daemon *d,
				       const struct directory_result *result)
{
	return result->answer == DIRECTORY_ABSENT && members_are_unknown(d) ? DIRECTORY_TIMED_OUT
									    : result->answer;
}

static void stray_answer(void *arg, const struct directory_result *result)
{
	struct question *q = arg;
	struct daemon *d = q->daemon;
	struct stray *stray = stray_find(&d->strays, &q->flow, q->tunnelled);
	struct decision *decision;
	struct stray_facts facts = {.answer = answer_of(d, result), .tunnelled = q->tunnelled};
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
		     uint64_t *counter)
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
		unpin(d, pin, counter);
}

/* The next segment asks anew. */
void rescue_refused(void *arg, const struct in6_addr *member, const struct flow *flow)
{
	struct daemon *d = arg;

	d->counters.refusals_received++;
	disowned(d, member, flow, &d->counters.pins_refused);
}

void rescue_ended(void *arg, const struct in6_addr *member, const struct flow *flow)
{
	struct daemon *d = arg;

	d->counters.ends_received++;
	disowned(d, member, flow, &d->counters.pins_told);
}

void rescue_accepted(struct daemon *d, const struct flow *flow)
{
	struct pin *pin = pin_find(&d->pins, flow);

	if (pin)
		unpin(d, pin, &d->counters.pins_accepted);
}

/* Takes those out of the table that the kernel has removed; returns how many. */
static size_t forget_removed(struct daemon *d, struct kernel_pin_change *changes, size_t count)
{
	size_t removed = 0;

	kernel_pins_change(d->kernel, changes, count);
	for (size_t i = 0; i < count; i++) {
		if (changes[i].status) {
			note_failed(d, changes[i].status);
			continue;
		}
		d->owners.table[changes[i].old_owner].pins--;
		pin_remove(&d->pins, pin_find(&d->pins, &changes[i].flow));
		removed++;
	}
	return removed;
}

/* Removes the pins that *wanted* takes, in as few transactions as possible; returns how many. */
static size_t remove_pins(struct daemon *d,
			  bool (*wanted)(const struct daemon *d, const struct pin *pin,
					 uint16_t owner),
			  uint16_t owner)
{
	static struct kernel_pin_change changes[PIN_BATCH];
	struct pin *pin, *next;
	size_t count = 0, removed = 0;

	HASH_ITER (hh, d->pins.table, pin, next) {
		if (!wanted(d, pin, owner))
			continue;
		changes[count++] =
			(struct kernel_pin_change){.flow = pin->flow, .old_owner = pin->owner};
		if (count == PIN_BATCH) {
			removed += forget_removed(d, changes, count);
			count = 0;
		}
	}
	return removed + (count ? forget_removed(d, changes, count) : 0);
}

static bool is_of_owner(const struct daemon *d, const struct pin *pin, uint16_t owner)
{
	return pin->owner == owner;
}

static bool is_foreign(const struct daemon *d, const struct pin *pin, uint16_t owner)
{
	return !settings_is_vip(&d->settings, &pin->flow.vip);
}

bool rescue_owner_gone(struct daemon *d, uint16_t owner)
{
	/* Answers that are not put into effect yet. */
	for (size_t i = 0; i < d->decision_count; i++)
		if (d->decisions[i].verdict == KERNEL_DETOUR && d->decisions[i].owner == owner)
			d->decisions[i].verdict = KERNEL_DROP;
	d->counters.pins_owner_gone += remove_pins(d, is_of_owner, owner);
	return !d->owners.table[owner].pins;
}

void rescue_forget_foreign(struct daemon *d)
{
	remove_pins(d, is_foreign, OWNER_NONE);
}

/* Pins in the kernel that do not fit: the table is smaller now, or their owner is not known. */
static struct kernel_pin_change surplus[PIN_BATCH];
static size_t surplus_count;

void rescue_adopt_pin(void *arg, const struct flow *flow, uint16_t owner)
{
	struct daemon *d = arg;

	if (pin_find(&d->pins, flow))
		return;
	if (owner > d->owners.max || !d->owners.table[owner].used ||
	    !pin_take_over(&d->pins, flow, owner, clock_ms())) {
		if (surplus_count < PIN_BATCH)
			surplus[surplus_count++] =
				(struct kernel_pin_change){.flow = *flow, .old_owner = owner};
		return;
	}
	d->owners.table[owner].pins++;
	d->counters.pins_taken_over++;
}

int rescue_take_over(struct daemon *d, struct error *error)
{
	size_t failed = 0;

	do {
		surplus_count = 0;
		if (kernel_pins_dump(d->kernel, rescue_adopt_pin, d, error))
			return -1;
		d->counters.pins_failed += surplus_count;
		if (surplus_count)
			failed = kernel_pins_change(d->kernel, surplus, surplus_count);
	} while (surplus_count == PIN_BATCH && !failed);
	return 0;
}

/* The session's end, if the pin's owner was among those that were asked. */
static bool has_ended(const struct daemon *d, const struct pin *pin,
		      const struct directory_result *result)
{
	if (result->answer == DIRECTORY_FOUND)
		return members_is_local(d, &result->owner);
	return answer_of(d, result) == DIRECTORY_ABSENT &&
	       directory_is_member(d->directory, &d->owners.table[pin->owner].address);
}

static void check_answer(void *arg, const struct directory_result *result)
{
	struct question *q = arg;
	struct daemon *d = q->daemon;
	struct pin *pin = pin_find(&d->pins, &q->flow);
	uint16_t owner;

	question_free(q);
	if (!pin || !pin->checking)
		return;
	pin_check_end(&d->pins, pin, answer_of(d, result) != DIRECTORY_TIMED_OUT, clock_ms());
	if (has_ended(d, pin, result)) {
		unpin(d, pin, &d->counters.pins_ended);
		return;
	}
	if (result->answer != DIRECTORY_FOUND ||
	    address_equal(&d->owners.table[pin->owner].address, &result->owner))
		return;
	owner = members_owner(d, &result->owner);
	if (owner) {
		struct kernel_pin_change change = {
			.flow = pin->flow, .old_owner = pin->owner, .new_owner = owner};

		if (!kernel_pins_change(d->kernel, &change, 1)) {
			d->owners.table[pin->owner].pins--;
			d->owners.table[owner].pins++;
			pin->owner = owner;
			d->counters.pins_moved++;
		}
	}
}

/* Before a replay ended nobody could be asked. Strays keep their share of the look-ups. */
static void check_pins(struct daemon *d)
{
	uint64_t now = clock_ms();

	while (d->replayed && d->pins.checking < CHECKS_MAX) {
		struct pin *pin = pin_check_begin(&d->pins, d->settings.pin_check_s * 1000ull, now);
		struct question *q;

		if (!pin)
			return;
		q = question_new(d, &pin->flow);
		if (!q ||
		    directory_get(d->directory, &q->flow, LOOKUP_DEADLINE_MS, check_answer, q)) {
			if (q)
				question_free(q);
			pin_check_end(&d->pins, pin, false, now);
			return;
		}
		d->counters.pin_checks++;
	}
}

void rescue_abandon(struct daemon *d)
{
	struct question *q, *next_question;
	struct stray *stray, *next;
	struct pin *pin, *next_pin;

	DL_FOREACH_SAFE(d->questions, q, next_question)
	question_free(q);
	d->decision_count = 0;
	HASH_ITER (hh, d->strays.table, stray, next)
		for (uint16_t i = 0; i < stray->segment_count; i++)
			drop(d, stray->segments[i]);
	strays_clear(&d->strays);
	members_steer_end(d);
	HASH_ITER (hh, d->pins.table, pin, next_pin)
		if (pin->checking)
			pin_check_end(&d->pins, pin, false, clock_ms());
}

void rescue_tick(struct daemon *d)
{
	check_pins(d);
	strays_expire(&d->strays, clock_ms());
	if (pins_count(&d->pins) < d->pins.max - d->pins.max / 10)
		daemon_problem(d, PROBLEM_PINS, NULL);
}
