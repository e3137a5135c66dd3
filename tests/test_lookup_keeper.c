/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server keeps the records: its answer, its silence, and all members behind it. */
#include "tests/lookup_rig.h"

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

UNIT_MAIN("lookup: a server keeps the records", a_server_names_the_owner,
	  the_miss_of_a_server_proves_nothing, without_a_server_all_are_asked_at_once,
	  a_slow_server_is_waited_for_if_not_all_can_be_asked,
	  a_servers_word_on_a_silent_owner_is_not_enough)
