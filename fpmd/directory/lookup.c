/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The look-up's state machine. Pure; a wrong owner or a wrong absence must not come out of it. */
#include "fpmd/directory/lookup.h"

#include <string.h>

void answer_time_sample(struct answer_time *time, uint64_t sample_us)
{
	uint32_t sample = sample_us < 1000000 ? (uint32_t)sample_us : 1000000;
	uint32_t error = sample > time->smoothed_us ? sample - time->smoothed_us
						    : time->smoothed_us - sample;

	if (time->smoothed_us == 0) {
		time->smoothed_us = sample > 0 ? sample : 1;
		time->variation_us = sample / 2;
		return;
	}
	time->variation_us = (3 * time->variation_us + error) / 4;
	time->smoothed_us = (7 * time->smoothed_us + sample) / 8;
}

uint32_t answer_time_hedge_us(const struct answer_time *time)
{
	uint32_t hedge_us = time->smoothed_us + 4 * time->variation_us;

	if (hedge_us < LOOKUP_HEDGE_MIN_US)
		return LOOKUP_HEDGE_MIN_US;
	return hedge_us < LOOKUP_HEDGE_MAX_US ? hedge_us : LOOKUP_HEDGE_MAX_US;
}

void lookup_start(struct lookup *lookup, const uint16_t *replica, uint8_t replicas,
		  const struct lookup_view *view, uint64_t now_us, uint64_t deadline_us)
{
	memset(lookup, 0, sizeof(*lookup));
	lookup->start_us = now_us;
	lookup->deadline_us = deadline_us;
	lookup->hedge_us = view->hedge_us;
	lookup->owner_id = UINT16_MAX;
	/* This host first, as it costs nothing; those that are silent last. */
	for (int pass = 0; pass < 3; pass++) {
		for (uint8_t i = 0; i < replicas && i < RING_REPLICAS_MAX; i++) {
			int class = replica[i] == MEMBER_LOCAL			? 0
				    : member_bits_has(view->silent, replica[i]) ? 2
										: 1;

			if (class == pass)
				lookup->replica[lookup->replicas++] = replica[i];
		}
	}
}

void lookup_in_parallel(struct lookup *lookup)
{
	lookup->parallel = true;
}

void lookup_disbelieve(struct lookup *lookup, const struct in6_addr *owner)
{
	lookup->disbelieving = true;
	lookup->disbelieved = *owner;
}

static bool answered(const struct lookup *lookup, uint16_t id)
{
	return member_bits_has(&lookup->missed, id) || member_bits_has(&lookup->record, id);
}

/*
 * Is there a record that its owner did not disown? It does so also if it knows another one: else it
 * would have claimed the session.
 */
static bool record_stands(const struct lookup *lookup)
{
	return lookup->recorded &&
	       (lookup->owner_id == UINT16_MAX || !answered(lookup, lookup->owner_id));
}

bool lookup_answer(struct lookup *lookup, uint16_t id, enum get_status status,
		   const struct record *record, int owner_id)
{
	if (id > MEMBER_KEEPER || !member_bits_has(&lookup->asked, id) ||
	    member_bits_has(&lookup->missed, id) || lookup->claimed)
		return false;
	switch (status) {
	case GET_MISS:
		member_bits_set(&lookup->missed, id);
		return true;
	case GET_CLAIM:
		lookup->claimed = true;
		lookup->owner = record->owner;
		lookup->owner_id = id;
		return true;
	case GET_RECORD:
		/* Only this host itself can say that it owns a session. */
		if (owner_id == MEMBER_LOCAL) {
			member_bits_set(&lookup->missed, id);
			return true;
		}
		member_bits_set(&lookup->record, id);
		if (!record_stands(lookup) || record->version > lookup->version) {
			lookup->recorded = true;
			lookup->version = record->version;
			lookup->owner = record->owner;
			lookup->doubted = lookup->disbelieving &&
					  address_equal(&lookup->disbelieved, &record->owner);
			lookup->owner_id = owner_id < 0 ? UINT16_MAX : (uint16_t)owner_id;
		}
		return true;
	default:
		return false;
	}
}

bool lookup_asked_first(const struct lookup *lookup, uint16_t id)
{
	return lookup->replicas > 0 &&
	       lookup->replica[lookup->replica[0] == MEMBER_LOCAL && lookup->replicas > 1] == id;
}

static void ask(struct lookup *lookup, struct lookup_step *step, uint16_t id)
{
	member_bits_set(&step->ask, id);
	member_bits_set(&lookup->asked, id);
	step->any = true;
	if (id != MEMBER_LOCAL)
		lookup->messages++;
}

static void finish(struct lookup_step *step, enum directory_answer answer)
{
	step->done = true;
	step->answer = answer;
	memset(&step->ask, 0, sizeof(step->ask));
	step->any = false;
}

static bool has_keeper(const struct lookup *lookup)
{
	return lookup->replicas > 0 && lookup->replica[lookup->replicas - 1] == MEMBER_KEEPER;
}

/* Asks replicas as far as it is their turn. Returns false when it is time to ask all. */
static bool ask_replicas(struct lookup *lookup, const struct lookup_view *view, uint64_t now_us,
			 struct lookup_step *step)
{
	uint64_t limit_us = (lookup->deadline_us - lookup->start_us) / 2;
	uint64_t hedges = 1 + (now_us - lookup->start_us) / lookup->hedge_us;
	uint64_t turns = lookup->parallel ? RING_REPLICAS_MAX : hedges;
	uint8_t asked = 0;
	uint8_t waiting = 0;

	if (limit_us > LOOKUP_ALL_US)
		limit_us = LOOKUP_ALL_US;
	if (limit_us > LOOKUP_KEEPER_US && has_keeper(lookup))
		limit_us = LOOKUP_KEEPER_US;
	for (uint8_t i = 0; i < lookup->replicas; i++) {
		uint16_t id = lookup->replica[i];

		if (!member_bits_has(view->ring, id))
			continue;
		if (!member_bits_has(&lookup->asked, id)) {
			if (asked >= turns)
				break;
			ask(lookup, step, id);
		}
		asked++;
		if (!answered(lookup, id))
			waiting++;
		else
			turns += id == MEMBER_LOCAL ? 1 : RING_REPLICAS_MAX;
		/* The local answer comes at once. */
		if (id == MEMBER_LOCAL && !answered(lookup, id))
			break;
	}
	if (waiting == 0 || now_us - lookup->start_us >= limit_us)
		return false;
	step->wake_us = lookup->start_us + limit_us;
	if (asked < lookup->replicas &&
	    lookup->start_us + hedges * lookup->hedge_us < step->wake_us)
		step->wake_us = lookup->start_us + hedges * lookup->hedge_us;
	return true;
}

/*
 * Those that are silent, instead of all members. Returns false when there are none, or they were
 * asked often enough.
 */
static bool ask_replicas_again(struct lookup *lookup, const struct lookup_view *view,
			       uint64_t now_us, struct lookup_step *step)
{
	bool again = now_us >= lookup->all_us + LOOKUP_REPEAT_US;
	bool waiting = false;

	for (uint8_t i = 0; i < lookup->replicas; i++) {
		uint16_t id = lookup->replica[i];

		if (!member_bits_has(view->ring, id) || answered(lookup, id))
			continue;
		waiting = true;
		if (again && lookup->repeats < LOOKUP_REPEATS)
			ask(lookup, step, id);
	}
	if (again) {
		lookup->all_us = now_us;
		if (lookup->repeats++ == LOOKUP_REPEATS)
			return false;
	}
	step->wake_us = lookup->all_us + LOOKUP_REPEAT_US;
	if (step->wake_us > lookup->deadline_us)
		step->wake_us = lookup->deadline_us;
	return waiting;
}

static bool replicas_missed(const struct lookup *lookup, const struct lookup_view *view)
{
	bool any = false;

	for (uint8_t i = 0; i < lookup->replicas; i++) {
		uint16_t id = lookup->replica[i];

		if (!member_bits_has(view->ring, id))
			continue;
		if (!member_bits_has(&lookup->missed, id))
			return false;
		any = true;
	}
	return any;
}

/* The members whose answer is still missing. */
static unsigned int count_waiting(const struct lookup *lookup, const struct lookup_view *view)
{
	unsigned int waiting = 0;

	for (uint16_t id = 0; id < view->members; id++)
		waiting += member_bits_has(view->ring, id) && !answered(lookup, id);
	return waiting;
}

/*
 * A record is known, its owner has not spoken. Asks it, again and again. Returns false when there
 * is nothing to wait for any more.
 */
static bool confirm(struct lookup *lookup, const struct lookup_view *view, uint64_t now_us,
		    struct lookup_step *step)
{
	uint16_t id = lookup->owner_id;
	/* Where answers are late, questions that come again make it worse. */
	uint64_t repeat_us = 2 * lookup->hedge_us > LOOKUP_CONFIRM_REPEAT_US
				     ? 2 * lookup->hedge_us
				     : LOOKUP_CONFIRM_REPEAT_US;

	if (id == UINT16_MAX || id == MEMBER_LOCAL || !member_bits_has(view->ring, id) ||
	    member_bits_has(view->silent, id) || answered(lookup, id))
		return false;
	if (lookup->confirm_us == 0 || lookup->confirm_id != id) {
		lookup->confirm_id = id;
		lookup->confirm_us = now_us;
		lookup->confirm_repeat_us = now_us + repeat_us;
		if (!member_bits_has(&lookup->asked, id))
			ask(lookup, step, id);
	}
	if (now_us >= lookup->confirm_us + LOOKUP_CONFIRM_US)
		return false;
	if (now_us >= lookup->confirm_repeat_us) {
		lookup->confirm_repeat_us = now_us + repeat_us;
		ask(lookup, step, id);
		if (now_us >= lookup->confirm_us + 2 * repeat_us)
			step->unheard = id;
	}
	step->wake_us = lookup->confirm_repeat_us;
	return true;
}

static void ask_all(struct lookup *lookup, const struct lookup_view *view, uint64_t now_us,
		    struct lookup_step *step)
{
	unsigned int waiting = count_waiting(lookup, view);
	bool recorded = record_stands(lookup);
	bool confirming = recorded && confirm(lookup, view, now_us, step);
	bool believed = recorded && !confirming && !lookup->doubted;
	uint64_t confirm_us = step->wake_us;
	bool repeat = lookup->repeats < LOOKUP_REPEATS &&
		      now_us >= lookup->all_us + (lookup->repeats + 1) * LOOKUP_REPEAT_US;

	if (believed && (waiting == 0 || now_us >= lookup->all_us + LOOKUP_CLAIM_US)) {
		finish(step, DIRECTORY_FOUND);
		return;
	}
	if (waiting == 0 && !view->incomplete) {
		finish(step, DIRECTORY_ABSENT);
		return;
	}
	if (now_us >= lookup->deadline_us)
		return;
	if (repeat)
		lookup->repeats++;
	for (uint16_t id = 0; id < view->members; id++) {
		if (member_bits_has(view->ring, id) && !answered(lookup, id) &&
		    !member_bits_has(&step->ask, id) &&
		    (repeat || !member_bits_has(&lookup->asked, id)))
			ask(lookup, step, id);
	}
	step->wake_us = lookup->deadline_us;
	if (lookup->repeats < LOOKUP_REPEATS)
		step->wake_us = lookup->all_us + (lookup->repeats + 1) * LOOKUP_REPEAT_US;
	if (believed)
		step->wake_us = lookup->all_us + LOOKUP_CLAIM_US;
	if (confirming && confirm_us < step->wake_us)
		step->wake_us = confirm_us;
}

void lookup_next(struct lookup *lookup, const struct lookup_view *view, uint64_t now_us,
		 struct lookup_step *step)
{
	bool late = now_us >= lookup->deadline_us;
	bool too_soon;

	memset(step, 0, sizeof(*step));
	step->unheard = -1;
	if (lookup->claimed) {
		uint64_t settle_us = view->settle_us ? view->settle_us[lookup->owner_id] : 0;

		if (late || now_us >= settle_us)
			finish(step, DIRECTORY_FOUND);
		else
			step->wake_us =
				settle_us < lookup->deadline_us ? settle_us : lookup->deadline_us;
		return;
	}
	/* Who has the session now may not have had the time to say so. */
	too_soon = lookup->asking_all && now_us < lookup->all_us + LOOKUP_CLAIM_US;
	if (record_stands(lookup) && !too_soon && (late || !lookup->asking_all)) {
		bool asks = !late && confirm(lookup, view, now_us, step);

		if (asks && step->wake_us > lookup->deadline_us)
			step->wake_us = lookup->deadline_us;
		/* A server may be out of reach of the session's owner, with an older record. */
		if (!asks && !lookup->doubted && (late || view->too_many || !has_keeper(lookup)))
			finish(step, DIRECTORY_FOUND);
		if (asks || step->done)
			return;
	}
	if (!lookup->asking_all && (late || !ask_replicas(lookup, view, now_us, step))) {
		/* Floods of made-up segments must not become questions to everybody. */
		if (view->too_many && !late && has_keeper(lookup) &&
		    member_bits_has(view->ring, MEMBER_KEEPER) &&
		    !answered(lookup, MEMBER_KEEPER)) {
			step->wake_us = now_us + LOOKUP_KEEPER_US;
			if (step->wake_us > lookup->deadline_us)
				step->wake_us = lookup->deadline_us;
			return;
		}
		if (view->too_many) {
			if (!late && ask_replicas_again(lookup, view, now_us, step))
				return;
			finish(step, DIRECTORY_TIMED_OUT);
			step->limited = true;
			step->missed = replicas_missed(lookup, view);
			return;
		}
		step->asks_all = true;
		lookup->asking_all = true;
		lookup->repeats = 0;
		lookup->all_us = now_us;
	}
	if (lookup->asking_all)
		ask_all(lookup, view, now_us, step);
	if (!step->done && late)
		finish(step, DIRECTORY_TIMED_OUT);
	if (step->wake_us > lookup->deadline_us)
		step->wake_us = lookup->deadline_us;
}
