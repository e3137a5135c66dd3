/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look-up's state machine without a network, in a ring of six: for the tests of what it asks and
 * what it answers. Two things must never come out: a wrong absence, a disowned owner.
 */
#ifndef HOLDFAST_TEST_LOOKUP_RIG_H
#define HOLDFAST_TEST_LOOKUP_RIG_H

#include "tests/unit.h"

#include "fpmd/directory/lookup.h"

#define MEMBERS 6
#define DEADLINE_US 1000000

static struct member_bits ring_bits, silent_bits;
static struct lookup_view view;
static struct lookup lookup;
static struct lookup_step step;
static const uint16_t REPLICAS[3] = {3, 1, 4};

static inline void setup(void)
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

static inline void next(uint64_t now_us)
{
	lookup_next(&lookup, &view, now_us, &step);
}

static inline bool asks(uint16_t id)
{
	return member_bits_has(&step.ask, id);
}

static inline unsigned int asked_count(void)
{
	unsigned int count = 0;

	for (uint16_t id = 0; id < MEMBERS; id++)
		count += asks(id);
	return count;
}

static inline struct record record_of(uint16_t owner, uint64_t version)
{
	struct record record = {.version = version, .owner_epoch = 1};

	record.owner = address_from_ipv4(htonl(0x0a000000u + owner));
	return record;
}

static inline bool reply(uint16_t from, enum get_status status, uint16_t owner, uint64_t version)
{
	struct record record = record_of(owner, version);

	return lookup_answer(&lookup, from, status, &record, owner);
}

static inline void expect_found(uint16_t owner)
{
	struct record record = record_of(owner, 1);

	ck_assert(step.done);
	ck_assert(!step.any);
	ck_assert_int_eq(step.answer, DIRECTORY_FOUND);
	ck_assert(address_equal(&lookup.owner, &record.owner));
}

static inline void expect(enum directory_answer answer)
{
	ck_assert(step.done);
	ck_assert_int_eq(step.answer, answer);
}

/* Misses from all that were asked and did not answer, until nothing new is asked. */
static inline void miss_all(uint64_t now_us, int but)
{
	for (int turn = 0; turn < 10 && !step.done; turn++) {
		for (uint16_t id = 0; id < MEMBERS; id++) {
			if (id != but)
				reply(id, GET_MISS, 0, 0);
		}
		next(now_us);
	}
}

#endif
