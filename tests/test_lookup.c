/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The look-up's state machine, without a network: found, absent and timed out in every combination,
 * and the two things that must never come out: a wrong absence, a disowned owner.
 */
#include "tests/unit.h"

#include "fpmd/directory/lookup.h"

#define MEMBERS 6
#define DEADLINE_US 1000000

static struct member_bits ring_bits, silent_bits;
static struct lookup_view view;
static struct lookup lookup;
static struct lookup_step step;
static const uint16_t REPLICAS[3] = {3, 1, 4};

static void setup(void)
{
	memset(&ring_bits, 0, sizeof(ring_bits));
	memset(&silent_bits, 0, sizeof(silent_bits));
	for (uint16_t id = 0; id < MEMBERS; id++)
		member_bits_set(&ring_bits, id);
	view = (struct lookup_view){
		.ring = &ring_bits,
		.silent = &silent_bits,
		.members = MEMBERS,
		.hedge_us = LOOKUP_HEDGE_MIN_US,
	};
	lookup_start(&lookup, REPLICAS, 3, &view, 0, DEADLINE_US);
}

static void next(uint64_t now_us)
{
	lookup_next(&lookup, &view, now_us, &step);
}

static bool asks(uint16_t id)
{
	return member_bits_has(&step.ask, id);
}

static unsigned int asked_count(void)
{
	unsigned int count = 0;

	for (uint16_t id = 0; id < MEMBERS; id++)
		count += asks(id);
	return count;
}

static struct record record_of(uint16_t owner, uint64_t version)
{
	struct record record = {.version = version, .owner_epoch = 1};

	record.owner = address_from_ipv4(htonl(0x0a000000u + owner));
	return record;
}

static bool reply(uint16_t from, enum get_status status, uint16_t owner, uint64_t version)
{
	struct record record = record_of(owner, version);

	return lookup_answer(&lookup, from, status, &record, owner);
}

static void expect_found(uint16_t owner)
{
	struct record record = record_of(owner, 1);

	ck_assert(step.done);
	ck_assert(!step.any);
	ck_assert_int_eq(step.answer, DIRECTORY_FOUND);
	ck_assert(address_equal(&lookup.owner, &record.owner));
}

static void expect(enum directory_answer answer)
{
	ck_assert(step.done);
	ck_assert_int_eq(step.answer, answer);
}

/* Misses from all that were asked and did not answer, until nothing new is asked. */
static void miss_all(uint64_t now_us, int but)
{
	for (int turn = 0; turn < 10 && !step.done; turn++) {
		for (uint16_t id = 0; id < MEMBERS; id++) {
			if (id != but)
				reply(id, GET_MISS, 0, 0);
		}
		next(now_us);
	}
}

START_TEST(primary_answers)
{
	setup();
	next(0);
	ck_assert(asks(3));
	ck_assert_uint_eq(asked_count(), 1);
	ck_assert_uint_eq(step.wake_us, LOOKUP_HEDGE_MIN_US);
	ck_assert(reply(3, GET_RECORD, 5, 10));
	next(100);
	ck_assert(!step.done);
	ck_assert(asks(5));
	ck_assert_uint_eq(asked_count(), 1);
	ck_assert(reply(5, GET_CLAIM, 5, 10));
	next(200);
	expect_found(5);
	ck_assert_uint_eq(lookup.messages, 2);
}
END_TEST

START_TEST(an_owner_is_asked_until_it_is_heard)
{
	uint64_t now_us = 100;
	unsigned int asked = 0;

	setup();
	next(0);
	reply(3, GET_RECORD, 5, 10);
	for (next(now_us); !step.done; next(now_us)) {
		asked += asks(5);
		ck_assert_uint_gt(step.wake_us, now_us);
		now_us = step.wake_us;
	}
	/* The record is believed, as the owner's fpmd may be away while its kernel serves. */
	expect_found(5);
	ck_assert_uint_ge(now_us, 100 + LOOKUP_CONFIRM_US);
	ck_assert_uint_eq(asked, LOOKUP_CONFIRM_US / LOOKUP_CONFIRM_REPEAT_US);

	/* Less often where answers are late: they are not lost. */
	setup();
	view.hedge_us = LOOKUP_HEDGE_MAX_US;
	lookup_start(&lookup, REPLICAS, 3, &view, 0, DEADLINE_US);
	next(0);
	reply(3, GET_RECORD, 5, 10);
	asked = 0;
	for (next(now_us = 100); !step.done; next(now_us = step.wake_us))
		asked += asks(5);
	ck_assert_uint_eq(asked, 1 + LOOKUP_CONFIRM_US / (2 * LOOKUP_HEDGE_MAX_US));

	/* One that is known to be silent is not waited for. */
	setup();
	member_bits_set(&silent_bits, 5);
	next(0);
	reply(3, GET_RECORD, 5, 10);
	next(1);
	expect_found(5);
	ck_assert_uint_eq(lookup.messages, 1);
}
END_TEST

START_TEST(an_owner_that_is_heard_again_settles_first)
{
	uint64_t settle_us[MEMBERS] = {0}, now_us = 100;

	setup();
	view.settle_us = settle_us;
	next(0);
	reply(3, GET_RECORD, 5, 10);
	for (next(now_us); step.unheard < 0; next(now_us)) {
		ck_assert(!step.done);
		now_us = step.wake_us;
	}
	ck_assert_int_eq(step.unheard, 5);
	ck_assert_uint_lt(now_us, LOOKUP_CONFIRM_US);
	settle_us[5] = now_us + LOOKUP_SETTLE_US;
	reply(5, GET_CLAIM, 5, 10);
	next(now_us + 1);
	ck_assert(!step.done);
	ck_assert_uint_eq(step.wake_us, settle_us[5]);
	next(settle_us[5]);
	expect_found(5);

	/* Another look-up of that time waits, too, but never beyond its deadline. */
	setup();
	view.settle_us = settle_us;
	settle_us[5] = DEADLINE_US + 1000;
	next(0);
	reply(5, GET_CLAIM, 5, 10);
	reply(3, GET_RECORD, 5, 10);
	next(1);
	reply(5, GET_CLAIM, 5, 10);
	next(2);
	ck_assert(!step.done);
	ck_assert_uint_eq(step.wake_us, DEADLINE_US);
	next(DEADLINE_US);
	expect_found(5);
	view.settle_us = NULL;
}
END_TEST

START_TEST(an_owner_that_disowns_is_not_found)
{
	setup();
	next(0);
	reply(3, GET_RECORD, 5, 10);
	next(1);
	ck_assert(asks(5));
	reply(5, GET_MISS, 0, 0);
	next(2);
	ck_assert(!step.done);
	miss_all(3, 3);
	expect(DIRECTORY_ABSENT);
}
END_TEST

START_TEST(hedges)
{
	setup();
	next(0);
	next(LOOKUP_HEDGE_MIN_US - 1);
	ck_assert_uint_eq(asked_count(), 0);
	next(LOOKUP_HEDGE_MIN_US);
	ck_assert(asks(1));
	ck_assert_uint_eq(asked_count(), 1);
	ck_assert_uint_eq(step.wake_us, 2 * LOOKUP_HEDGE_MIN_US);
	next(2 * LOOKUP_HEDGE_MIN_US);
	ck_assert(asks(4));
	ck_assert_uint_eq(asked_count(), 1);
	ck_assert_uint_eq(step.wake_us, LOOKUP_ALL_US);
	next(LOOKUP_ALL_US - 1);
	ck_assert_uint_eq(asked_count(), 0);
	ck_assert(reply(4, GET_RECORD, 2, 10));
	next(LOOKUP_ALL_US - 1);
	ck_assert(asks(2));
	reply(2, GET_CLAIM, 2, 10);
	next(LOOKUP_ALL_US);
	expect_found(2);
	ck_assert_uint_eq(lookup.messages, 4);
}
END_TEST

START_TEST(replicas_are_silent)
{
	setup();
	next(0);
	next(LOOKUP_ALL_US);
	ck_assert(asks(0) && asks(2) && asks(5));
	/* Everyone was asked once: this host without a message. */
	ck_assert_uint_eq(lookup.messages, 5);
	reply(0, GET_MISS, 0, 0);
	reply(2, GET_CLAIM, 2, 1);
	next(LOOKUP_ALL_US + 1);
	expect_found(2);
}
END_TEST

START_TEST(absent_is_proven_by_all)
{
	for (int without = -1; without < MEMBERS; without++) {
		setup();
		next(0);
		miss_all(100, without);
		if (without < 0) {
			expect(DIRECTORY_ABSENT);
			ck_assert_uint_eq(lookup.messages, MEMBERS - 1);
			continue;
		}
		ck_assert(!step.done);
		for (uint64_t now = 0; now < DEADLINE_US; now += 1000) {
			miss_all(now, without);
			next(now);
			ck_assert(!step.done);
		}
		next(DEADLINE_US);
		expect(DIRECTORY_TIMED_OUT);
		ck_assert(!step.any);
		ck_assert_uint_le(lookup.messages, MEMBERS - 1 + LOOKUP_REPEATS);
	}
}
END_TEST

START_TEST(too_many_look_ups_do_not_ask_all)
{
	setup();
	view.too_many = true;
	next(0);
	for (int i = 0; i < 3 && !step.done; i++) {
		for (uint16_t id = 0; id < MEMBERS; id++)
			reply(id, GET_MISS, 0, 0);
		next(10);
	}
	expect(DIRECTORY_TIMED_OUT);
	ck_assert(step.limited);
	ck_assert_uint_le(lookup.messages, 3);
	/* What the replicas know is found all the same. */
	setup();
	view.too_many = true;
	next(0);
	reply(3, GET_CLAIM, 3, 1);
	next(10);
	expect_found(3);
}
END_TEST

/* Lost datagrams are no reason to give up early. */
START_TEST(too_many_look_ups_ask_silent_replicas_again)
{
	uint64_t now_us = LOOKUP_ALL_US;

	setup();
	view.too_many = true;
	for (uint64_t us = 0; us < LOOKUP_ALL_US; us += LOOKUP_HEDGE_MIN_US)
		next(us);
	ck_assert_uint_eq(lookup.messages, 3);
	reply(1, GET_MISS, 0, 0);
	next(now_us);
	for (int i = 0; i < LOOKUP_REPEATS; i++) {
		while (!step.any) {
			ck_assert(!step.done);
			ck_assert_uint_gt(step.wake_us, now_us);
			now_us = step.wake_us;
			next(now_us);
		}
		ck_assert_uint_eq(asked_count(), 2);
		ck_assert(!asks(1));
		next(now_us + 1);
		ck_assert(!step.any && !step.done);
	}
	reply(4, GET_CLAIM, 4, 1);
	next(now_us + 2);
	expect_found(4);
	ck_assert_uint_eq(lookup.messages, 3 + 2 * LOOKUP_REPEATS);

	/* Not for ever, and not when they have answered. */
	setup();
	view.too_many = true;
	next(0);
	while (!step.done)
		next(step.wake_us);
	expect(DIRECTORY_TIMED_OUT);
	ck_assert(step.limited);
	ck_assert_uint_le(lookup.messages, 3 + 3 * LOOKUP_REPEATS);
	/* There is room again: all are asked. */
	setup();
	view.too_many = true;
	for (now_us = 0; now_us < 2 * LOOKUP_REPEAT_US; now_us = step.wake_us)
		next(now_us);
	view.too_many = false;
	next(now_us);
	ck_assert_uint_eq(asked_count(), MEMBERS - 3);
}
END_TEST

/* A copy that was left where the ring kept it once is no word of the members. */
START_TEST(a_record_is_not_believed_just_after_all_were_asked)
{
	static const uint64_t deadlines_us[] = {5000, 3 * LOOKUP_CLAIM_US};

	for (size_t i = 0; i < 2; i++) {
		uint64_t deadline_us = deadlines_us[i];

		setup();
		lookup_start(&lookup, REPLICAS, 3, &view, 0, deadline_us);
		for (uint64_t now_us = 0; !lookup.asking_all; now_us += LOOKUP_HEDGE_MIN_US)
			next(now_us);
		/* Of an owner that is no member any more. */
		ck_assert(reply(2, GET_RECORD, 77, 10));
		next(deadline_us);
		if (i == 0)
			expect(DIRECTORY_TIMED_OUT);
		else
			expect_found(77);
	}
}
END_TEST

START_TEST(last_one_claims)
{
	for (uint16_t owner = 0; owner < MEMBERS; owner++) {
		setup();
		next(0);
		miss_all(100, owner);
		ck_assert(!step.done || owner == 0);
		if (member_bits_has(&lookup.asked, owner))
			ck_assert(reply(owner, GET_CLAIM, owner, 1));
		next(200);
		expect_found(owner);
	}
}
END_TEST

START_TEST(incomplete_ring_proves_nothing)
{
	setup();
	view.incomplete = true;
	next(0);
	miss_all(100, -1);
	ck_assert(!step.done);
	/* The host turns out to be a member: it is asked, too. */
	member_bits_set(&ring_bits, 6);
	view.members = 7;
	view.incomplete = false;
	next(500);
	ck_assert(asks(6));
	ck_assert_uint_eq(asked_count(), 0);
	ck_assert(reply(6, GET_CLAIM, 6, 1));
	next(600);
	expect_found(6);
	setup();
	view.incomplete = true;
	next(0);
	miss_all(100, -1);
	next(DEADLINE_US);
	expect(DIRECTORY_TIMED_OUT);
}
END_TEST

START_TEST(member_leaves)
{
	setup();
	next(0);
	miss_all(100, 5);
	ck_assert(!step.done);
	member_bits_clear(&ring_bits, 5);
	next(200);
	expect(DIRECTORY_ABSENT);
}
END_TEST

START_TEST(disowned_record)
{
	/* 1 has a record that names 5; 5 says that it has no such session. */
	setup();
	next(0);
	reply(3, GET_MISS, 0, 0);
	next(1);
	ck_assert(asks(1) && asks(4));
	reply(4, GET_MISS, 0, 0);
	next(2);
	ck_assert(!step.done);
	next(LOOKUP_ALL_US);
	ck_assert(asks(5));
	reply(5, GET_MISS, 0, 0);
	reply(1, GET_RECORD, 5, 10);
	next(LOOKUP_ALL_US + 1);
	ck_assert(!step.done);
	reply(0, GET_MISS, 0, 0);
	reply(2, GET_MISS, 0, 0);
	next(LOOKUP_ALL_US + 2);
	expect(DIRECTORY_ABSENT);
}
END_TEST

/* An owner whose session ended knows of a session before it, or after it. */
START_TEST(an_owner_that_names_another_disowns)
{
	for (uint64_t version = 9; version <= 11; version++) {
		setup();
		next(0);
		reply(3, GET_RECORD, 5, 10);
		next(100);
		ck_assert(asks(5));
		ck_assert(reply(5, GET_RECORD, 2, version));
		next(200);
		ck_assert(!step.done);
		ck_assert(asks(2));
		reply(2, GET_CLAIM, 2, version);
		next(300);
		expect_found(2);
	}
	/* The other way round in time: its answer is there before the record that names it. */
	setup();
	next(0);
	next(LOOKUP_ALL_US);
	ck_assert(reply(5, GET_RECORD, 2, 9));
	ck_assert(reply(2, GET_MISS, 0, 0));
	ck_assert(reply(3, GET_RECORD, 5, 10));
	miss_all(LOOKUP_ALL_US + 100, -1);
	expect(DIRECTORY_ABSENT);
}
END_TEST

START_TEST(claim_beats_record)
{
	setup();
	next(0);
	next(LOOKUP_ALL_US);
	reply(1, GET_RECORD, 5, 10);
	next(LOOKUP_ALL_US + 100);
	ck_assert(!step.done);
	reply(2, GET_CLAIM, 2, 1);
	next(LOOKUP_ALL_US + 200);
	expect_found(2);
	/* Without a claim the record of a silent owner counts after a while. */
	setup();
	next(0);
	next(LOOKUP_ALL_US);
	member_bits_set(&silent_bits, 4);
	reply(1, GET_RECORD, 5, 10);
	reply(3, GET_RECORD, 4, 11);
	next(LOOKUP_ALL_US + 100);
	ck_assert_uint_eq(step.wake_us, LOOKUP_ALL_US + LOOKUP_CLAIM_US);
	next(step.wake_us);
	expect_found(4);
}
END_TEST

/* Some member has an old copy; the owner's answer takes its time. */
START_TEST(the_owner_of_a_late_record_is_heard_first)
{
	uint64_t now_us = LOOKUP_ALL_US + 100;

	setup();
	next(0);
	next(LOOKUP_ALL_US);
	ck_assert(asks(2) && asks(5));
	reply(2, GET_RECORD, 5, 10);
	for (next(now_us); now_us < LOOKUP_ALL_US + 3 * LOOKUP_CLAIM_US; next(now_us)) {
		ck_assert(!step.done);
		ck_assert_uint_gt(step.wake_us, now_us);
		now_us = step.wake_us;
	}
	ck_assert(reply(5, GET_MISS, 0, 0));
	miss_all(now_us, -1);
	expect(DIRECTORY_ABSENT);

	/* It never answers: then its record is believed, but no earlier. */
	setup();
	next(0);
	next(LOOKUP_ALL_US);
	reply(2, GET_RECORD, 5, 10);
	for (now_us = LOOKUP_ALL_US + 100, next(now_us); !step.done; next(now_us))
		now_us = step.wake_us;
	expect_found(5);
	ck_assert_uint_ge(now_us, LOOKUP_ALL_US + LOOKUP_CONFIRM_US);
	ck_assert_uint_lt(now_us, DEADLINE_US);
}
END_TEST

START_TEST(refused_owner_is_not_believed)
{
	struct record record = record_of(5, 1);

	setup();
	lookup_disbelieve(&lookup, &record.owner);
	next(0);
	reply(3, GET_RECORD, 5, 10);
	next(1);
	ck_assert(!step.done);
	ck_assert(asks(5));
	/* Its own word counts. */
	reply(5, GET_CLAIM, 5, 11);
	next(3);
	expect_found(5);
	/* Its silence does not, nor does its end. */
	for (int gone = 0; gone <= 1; gone++) {
		uint64_t now_us = 0;

		setup();
		lookup_disbelieve(&lookup, &record.owner);
		for (next(now_us); !step.done; next(now_us)) {
			bool news = false;

			if (gone)
				member_bits_clear(&ring_bits, 5);
			for (uint16_t id = 0; id < 5; id++) {
				if (asks(id))
					news = reply(id, id == 3 ? GET_RECORD : GET_MISS, 5, 10) ||
					       news;
			}
			if (!news)
				now_us = step.wake_us;
		}
		expect(gone ? DIRECTORY_ABSENT : DIRECTORY_TIMED_OUT);
	}
}
END_TEST

START_TEST(stale_record_of_this_host)
{
	setup();
	next(0);
	reply(3, GET_RECORD, MEMBER_LOCAL, 10);
	next(1);
	ck_assert(!step.done);
	miss_all(2, -1);
	expect(DIRECTORY_ABSENT);
}
END_TEST

START_TEST(owner_that_is_no_member)
{
	struct record record = record_of(77, 1);

	setup();
	next(0);
	ck_assert(lookup_answer(&lookup, 3, GET_RECORD, &record, -1));
	next(1);
	expect_found(77);
}
END_TEST

START_TEST(local_replica_first)
{
	const uint16_t replicas[3] = {3, 0, 4};

	setup();
	lookup_start(&lookup, replicas, 3, &view, 0, DEADLINE_US);
	next(0);
	ck_assert(asks(0));
	ck_assert_uint_eq(asked_count(), 1);
	ck_assert_uint_eq(lookup.messages, 0);
	reply(0, GET_MISS, 0, 0);
	next(0);
	ck_assert(asks(3));
	ck_assert_uint_eq(asked_count(), 1);
	reply(3, GET_RECORD, 5, 1);
	next(1);
	ck_assert(asks(5));
	reply(5, GET_CLAIM, 5, 1);
	next(2);
	expect_found(5);
	ck_assert_uint_eq(lookup.messages, 2);
}
END_TEST

START_TEST(silent_replica_last)
{
	setup();
	member_bits_set(&silent_bits, 3);
	lookup_start(&lookup, REPLICAS, 3, &view, 0, DEADLINE_US);
	next(0);
	ck_assert(asks(1));
	ck_assert_uint_eq(asked_count(), 1);
}
END_TEST

START_TEST(ring_of_one)
{
	const uint16_t replicas[3] = {0};

	setup();
	memset(&ring_bits, 0, sizeof(ring_bits));
	member_bits_set(&ring_bits, 0);
	lookup_start(&lookup, replicas, 1, &view, 0, DEADLINE_US);
	next(0);
	ck_assert(asks(0));
	reply(0, GET_MISS, 0, 0);
	next(0);
	expect(DIRECTORY_ABSENT);
	ck_assert_uint_eq(lookup.messages, 0);
}
END_TEST

START_TEST(unasked_answers_do_not_count)
{
	setup();
	next(0);
	ck_assert(!reply(5, GET_CLAIM, 5, 1));
	ck_assert(!reply(1, GET_MISS, 0, 0));
	ck_assert(reply(3, GET_MISS, 0, 0));
	ck_assert(!reply(3, GET_CLAIM, 3, 1));
	ck_assert(
		!lookup_answer(&lookup, UINT16_MAX, GET_MISS, &(struct record){.version = 1}, -1));
}
END_TEST

/* Every combination of what six members know, in random order of answers and losses. */
START_TEST(never_wrong)
{
	uint32_t state = 1;

	for (int round = 0; round < 10000; round++) {
		/* 0 miss, 1 record of 5, 2 claim, 3 no answer */
		unsigned int says[MEMBERS];
		bool heard_all = true, claimed = false, recorded = false, disowned;
		uint64_t now = 0;

		setup();
		for (uint16_t id = 0; id < MEMBERS; id++) {
			state = state * 1664525u + 1013904223u;
			says[id] = (state >> 20) % 10;
			says[id] = says[id] < 6 ? 0 : says[id] < 8 ? 1 : says[id] - 6;
			if (says[id] == 2 && (state >> 8) % 4)
				says[id] = 0;
			if (says[id] == 3 && (id == MEMBER_LOCAL || (state >> 8) % 2))
				says[id] = 0;
			if (says[id] == 1 && id == 5)
				says[id] = 0;
			heard_all = heard_all && says[id] != 3;
			claimed = claimed || says[id] == 2;
			recorded = recorded || says[id] == 1;
		}
		disowned = says[5] == 0;
		next(0);
		while (!step.done) {
			uint16_t first = (uint16_t)(state >> 16);
			bool news = false;

			for (uint16_t i = 0; i < MEMBERS; i++) {
				uint16_t id = (uint16_t)((i + first) % MEMBERS);

				if (says[id] == 3 || !member_bits_has(&lookup.asked, id))
					continue;
				state = state * 1664525u + 1013904223u;
				if ((state >> 24) % 3 == 0)
					continue;
				news = reply(id, (enum get_status)says[id], says[id] == 2 ? id : 5,
					     10) ||
				       news;
			}
			now += news ? 10 : 1000;
			ck_assert_uint_le(now, DEADLINE_US + 1000);
			next(now);
		}
		ck_assert_uint_le(lookup.messages,
				  (MEMBERS - 1) * (1 + LOOKUP_REPEATS) +
					  LOOKUP_CONFIRM_US / LOOKUP_CONFIRM_REPEAT_US);
		switch (step.answer) {
		case DIRECTORY_ABSENT:
			ck_assert(heard_all && !claimed && (!recorded || disowned));
			break;
		case DIRECTORY_FOUND:
			ck_assert(claimed || recorded);
			break;
		case DIRECTORY_TIMED_OUT:
			ck_assert(!heard_all && !claimed);
			break;
		}
	}
}
END_TEST

/* -- a server keeps the records -- */

static void setup_keeper(void)
{
	static const uint16_t keeper[] = {MEMBER_KEEPER};

	setup();
	member_bits_set(&ring_bits, MEMBER_KEEPER);
	lookup_start(&lookup, keeper, 1, &view, 0, DEADLINE_US);
}

START_TEST(a_server_names_the_owner)
{
	setup_keeper();
	next(0);
	ck_assert(asks(MEMBER_KEEPER));
	ck_assert_uint_eq(asked_count(), 0);
	ck_assert_uint_eq(step.wake_us, LOOKUP_KEEPER_US);
	ck_assert(reply(MEMBER_KEEPER, GET_RECORD, 5, 10));
	next(100);
	ck_assert(asks(5));
	ck_assert_uint_eq(asked_count(), 1);
	ck_assert(reply(5, GET_CLAIM, 5, 10));
	next(200);
	expect_found(5);
	ck_assert_uint_eq(lookup.messages, 2);
}
END_TEST

START_TEST(the_miss_of_a_server_proves_nothing)
{
	setup_keeper();
	next(0);
	ck_assert(reply(MEMBER_KEEPER, GET_MISS, 0, 0));
	next(100);
	ck_assert(!step.done);
	ck_assert_uint_eq(asked_count(), MEMBERS);
	ck_assert(!asks(MEMBER_KEEPER));
	miss_all(200, 4);
	ck_assert(!step.done);
	next(DEADLINE_US);
	expect(DIRECTORY_TIMED_OUT);

	setup_keeper();
	next(0);
	reply(MEMBER_KEEPER, GET_MISS, 0, 0);
	next(100);
	miss_all(200, -1);
	expect(DIRECTORY_ABSENT);
}
END_TEST

START_TEST(without_a_server_all_are_asked_at_once)
{
	setup_keeper();
	member_bits_clear(&ring_bits, MEMBER_KEEPER);
	next(0);
	ck_assert(!asks(MEMBER_KEEPER));
	ck_assert_uint_eq(asked_count(), MEMBERS);

	/* A silent one is not waited for as long as replicas are; its record still counts. */
	setup_keeper();
	next(0);
	next(LOOKUP_KEEPER_US - 1);
	ck_assert(!step.any);
	next(LOOKUP_KEEPER_US);
	ck_assert_uint_eq(asked_count(), MEMBERS);
	member_bits_set(&silent_bits, 5);
	ck_assert(reply(MEMBER_KEEPER, GET_RECORD, 5, 10));
	next(LOOKUP_KEEPER_US + LOOKUP_CLAIM_US);
	expect_found(5);
}
END_TEST

/* A server that has much to do is slow for all: then its answer is waited for. */
START_TEST(a_slow_server_is_waited_for_if_not_all_can_be_asked)
{
	setup_keeper();
	view.too_many = true;
	next(0);
	next(LOOKUP_KEEPER_US);
	ck_assert(!step.done);
	ck_assert(!step.any);
	ck_assert_uint_eq(step.wake_us, 2 * LOOKUP_KEEPER_US);
	reply(MEMBER_KEEPER, GET_RECORD, 5, 10);
	next(LOOKUP_KEEPER_US + 100);
	ck_assert(asks(5));

	setup_keeper();
	view.too_many = true;
	next(0);
	reply(MEMBER_KEEPER, GET_MISS, 0, 0);
	next(100);
	expect(DIRECTORY_TIMED_OUT);
	ck_assert(step.limited);

	setup_keeper();
	view.too_many = true;
	next(0);
	next(DEADLINE_US);
	expect(DIRECTORY_TIMED_OUT);

	/* Not for one that cannot be asked. */
	setup_keeper();
	view.too_many = true;
	member_bits_clear(&ring_bits, MEMBER_KEEPER);
	next(0);
	expect(DIRECTORY_TIMED_OUT);
}
END_TEST

/* Whoever has the session now may not reach the server: an older record must not hide it. */
START_TEST(a_servers_word_on_a_silent_owner_is_not_enough)
{
	/* 0: silent; 1: no member; 2: does not answer, nor does anybody else. */
	for (int way = 0; way < 3; way++) {
		uint64_t now = 100;

		setup_keeper();
		if (way == 0)
			member_bits_set(&silent_bits, 5);
		if (way == 1)
			member_bits_clear(&ring_bits, 5);
		next(0);
		reply(MEMBER_KEEPER, GET_RECORD, 5, 10);
		next(now);
		if (way == 2) {
			ck_assert_uint_eq(asked_count(), 1);
			now = 100 + LOOKUP_CONFIRM_US;
			next(now);
		}
		ck_assert(!step.done);
		ck_assert_uint_ge(asked_count(), MEMBERS - 1);
		if (way == 0)
			reply(2, GET_CLAIM, 2, 11);
		next(now + LOOKUP_CLAIM_US);
		expect_found(way == 0 ? 2 : 5);
	}
	/* A flood is no reason to forget what the server said. */
	setup_keeper();
	view.too_many = true;
	member_bits_clear(&ring_bits, 5);
	next(0);
	reply(MEMBER_KEEPER, GET_RECORD, 5, 10);
	next(100);
	expect_found(5);
}
END_TEST

START_TEST(in_parallel)
{
	setup();
	lookup_in_parallel(&lookup);
	next(0);
	ck_assert_uint_eq(asked_count(), 3);
	reply(1, GET_MISS, 0, 0);
	reply(3, GET_MISS, 0, 0);
	next(10);
	ck_assert(!step.done && !step.any);
	reply(4, GET_CLAIM, 4, 1);
	next(20);
	expect_found(4);
	ck_assert_uint_eq(lookup.messages, 3);
}
END_TEST

/* Late answers are waited for where answers are late, within bounds. */
START_TEST(hedges_follow_the_answers)
{
	struct answer_time time = {0};

	ck_assert_uint_eq(answer_time_hedge_us(&time), LOOKUP_HEDGE_MIN_US);
	for (int i = 0; i < 100; i++)
		answer_time_sample(&time, 30);
	ck_assert_uint_eq(answer_time_hedge_us(&time), LOOKUP_HEDGE_MIN_US);
	for (int i = 0; i < 100; i++)
		answer_time_sample(&time, i % 2 ? 1000 : 3000);
	ck_assert_uint_gt(answer_time_hedge_us(&time), 3000);
	ck_assert_uint_lt(answer_time_hedge_us(&time), 9000);
	for (int i = 0; i < 10; i++)
		answer_time_sample(&time, UINT64_MAX);
	ck_assert_uint_eq(answer_time_hedge_us(&time), LOOKUP_HEDGE_MAX_US);
	for (int i = 0; i < 200; i++)
		answer_time_sample(&time, 0);
	ck_assert_uint_eq(answer_time_hedge_us(&time), LOOKUP_HEDGE_MIN_US);
}
END_TEST

/* This host's own answer says nothing about the others'. */
START_TEST(who_was_asked_first)
{
	struct lookup first;

	setup();
	lookup_start(&first, (const uint16_t[]){3, MEMBER_LOCAL, 2}, 3, &view, 0, 1000);
	ck_assert(lookup_asked_first(&first, 3));
	ck_assert(!lookup_asked_first(&first, 2));
	lookup_start(&first, (const uint16_t[]){MEMBER_LOCAL}, 1, &view, 0, 1000);
	ck_assert(!lookup_asked_first(&first, 2));
	lookup_start(&first, NULL, 0, &view, 0, 1000);
	ck_assert(!lookup_asked_first(&first, 0));
}
END_TEST

UNIT_MAIN("lookup", primary_answers, an_owner_is_asked_until_it_is_heard,
	  an_owner_that_is_heard_again_settles_first, an_owner_that_disowns_is_not_found, hedges,
	  replicas_are_silent, absent_is_proven_by_all, too_many_look_ups_do_not_ask_all,
	  a_record_is_not_believed_just_after_all_were_asked,
	  too_many_look_ups_ask_silent_replicas_again, last_one_claims,
	  incomplete_ring_proves_nothing, member_leaves, disowned_record,
	  an_owner_that_names_another_disowns, claim_beats_record,
	  the_owner_of_a_late_record_is_heard_first, refused_owner_is_not_believed,
	  stale_record_of_this_host, owner_that_is_no_member, local_replica_first,
	  silent_replica_last, ring_of_one, in_parallel, hedges_follow_the_answers,
	  who_was_asked_first, unasked_answers_do_not_count, never_wrong, a_server_names_the_owner,
	  the_miss_of_a_server_proves_nothing, without_a_server_all_are_asked_at_once,
	  a_slow_server_is_waited_for_if_not_all_can_be_asked,
	  a_servers_word_on_a_silent_owner_is_not_enough)
