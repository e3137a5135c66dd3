/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the owner says counts more than a record: until it is heard, when it disowns, when it is
 * gone. */
#include "tests/lookup_rig.h"

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

UNIT_MAIN("lookup: owners", an_owner_is_asked_until_it_is_heard,
	  an_owner_that_is_heard_again_settles_first, an_owner_that_disowns_is_not_found,
	  disowned_record, an_owner_that_names_another_disowns, claim_beats_record,
	  the_owner_of_a_late_record_is_heard_first, refused_owner_is_not_believed,
	  stale_record_of_this_host, owner_that_is_no_member)
