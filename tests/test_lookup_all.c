/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All members are asked: what proves absence, what does not, and how many look-ups may do it. */
#include "tests/lookup_rig.h"

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
	ck_assert(step.missed);
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
	ck_assert(!step.missed);
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

UNIT_MAIN("lookup: all members", absent_is_proven_by_all, too_many_look_ups_do_not_ask_all,
	  too_many_look_ups_ask_silent_replicas_again,
	  a_record_is_not_believed_just_after_all_were_asked, last_one_claims,
	  incomplete_ring_proves_nothing, member_leaves, never_wrong)
