/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The look-up asks replicas: in which order, when the next one, when not at all. */
#include "tests/lookup_rig.h"

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

UNIT_MAIN("lookup: replicas", primary_answers, hedges, replicas_are_silent, local_replica_first,
	  silent_replica_last, ring_of_one, in_parallel, hedges_follow_the_answers,
	  who_was_asked_first, unasked_answers_do_not_count)
