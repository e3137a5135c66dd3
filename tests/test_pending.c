// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/pending.h"
#include "tests/unit.h"

static struct pendings pendings;
static uint64_t now;

static void begin(size_t max)
{
	pendings_clear(&pendings);
	memset(&pendings, 0, sizeof(pendings));
	pendings.max = max;
	now = 1000;
}

static struct pending *add(uint16_t port, uint16_t path, enum pending_class class)
{
	struct flow flow = unit_flow(port);

	return pending_add(&pendings, &flow, path, class, now);
}

/* The port of the next one of a class; 0: none is due. */
static uint16_t take(enum pending_class class)
{
	struct pending *pending = pending_take(&pendings, class, now);

	return pending ? pending->flow.client_port : 0;
}

static struct pending *find(uint16_t port)
{
	struct flow flow = unit_flow(port);

	return pending_find(&pendings, &flow);
}

START_TEST(a_flow_that_began_waits_a_moment)
{
	begin(10);
	add(1, 7, PENDING_BEGAN);
	add(2, 7, PENDING_ADOPTED);
	ck_assert_uint_eq(pendings.path_count[7], 2);
	ck_assert_uint_eq(take(PENDING_BEGAN), 0);
	ck_assert_uint_eq(take(PENDING_ADOPTED), 2);
	now += 49;
	ck_assert_uint_eq(take(PENDING_BEGAN), 0);
	now += 1;
	ck_assert_uint_eq(take(PENDING_BEGAN), 1);
	ck_assert_uint_eq(take(PENDING_BEGAN), 0);
	ck_assert_uint_eq(pendings.outstanding[PENDING_BEGAN], 1);
	ck_assert(pending_answered(&pendings, find(1)));
	pending_found(&pendings, find(1), 5, false);
	ck_assert_uint_eq(pendings.outstanding[PENDING_BEGAN], 0);
	ck_assert_uint_eq(pendings.found_count, 1);
	ck_assert_uint_eq(pendings.found->owner, 5);
	pending_forget(&pendings, find(1));
	ck_assert_uint_eq(pendings.found_count, 0);
	ck_assert_uint_eq(pendings_count(&pendings), 1);
	ck_assert_uint_eq(pendings.path_count[7], 1);
}
END_TEST

START_TEST(it_is_asked_for_less_and_less_often)
{
	static const unsigned int waits[] = {50, 200, 1000, 5000, 30000};

	begin(10);
	add(1, 7, PENDING_BEGAN);
	for (int i = 0; i < 5; i++) {
		now += waits[i] - 1;
		ck_assert_uint_eq(take(PENDING_BEGAN), 0);
		now++;
		ck_assert_uint_eq(take(PENDING_BEGAN), 1);
		ck_assert_int_eq(pending_again(&pendings, find(1), true, now), i < 4);
	}
	ck_assert_uint_eq(pendings_count(&pendings), 0);
	ck_assert_uint_eq(pendings.outstanding[PENDING_BEGAN], 0);
	ck_assert_uint_eq(pendings.count[PENDING_BEGAN], 0);
	/* Not while nobody can be asked. */
	add(1, 7, PENDING_BEGAN);
	now += 50;
	for (int i = 0; i < 50; i++) {
		ck_assert_uint_eq(take(PENDING_BEGAN), 1);
		ck_assert(pending_again(&pendings, find(1), false, now));
		now += 999;
		ck_assert_uint_eq(take(PENDING_BEGAN), 0);
		now++;
	}
	/* One that may be made up is given up sooner. */
	add(2, 7, PENDING_ADOPTED);
	ck_assert_uint_eq(take(PENDING_ADOPTED), 2);
	ck_assert(pending_again(&pendings, find(2), true, now));
	now += 200;
	ck_assert_uint_eq(take(PENDING_ADOPTED), 2);
	ck_assert(!pending_again(&pendings, find(2), true, now));
	ck_assert_ptr_null(find(2));
}
END_TEST

START_TEST(a_withdrawn_paths_flows_come_first)
{
	begin(10);
	add(1, 7, PENDING_BEGAN);
	add(2, 8, PENDING_BEGAN);
	add(3, 7, PENDING_ADOPTED);
	add(4, 7, PENDING_BEGAN);
	now += 50;
	ck_assert_uint_eq(take(PENDING_BEGAN), 1);
	ck_assert(pending_again(&pendings, find(1), true, now));
	ck_assert_uint_eq(take(PENDING_BEGAN), 2);
	pending_put_back(&pendings, find(2));
	ck_assert_uint_eq(take(PENDING_BEGAN), 2);
	ck_assert_uint_eq(take(PENDING_BEGAN), 4); /* under way */
	pending_hurry(&pendings, 7);
	ck_assert_uint_eq(pendings.outstanding[PENDING_BEGAN], 1);
	ck_assert_uint_eq(pendings.outstanding[PENDING_URGENT], 1);
	ck_assert_uint_eq(take(PENDING_URGENT), 1);
	ck_assert_uint_eq(take(PENDING_URGENT), 0);
	ck_assert_uint_eq(take(PENDING_STRANDED), 3);
	ck_assert_uint_eq(take(PENDING_ADOPTED), 0);
	/* They never wait long. */
	for (int i = 0; i < 4; i++) {
		ck_assert(pending_again(&pendings, find(1), true, now));
		now += 200;
		ck_assert_uint_eq(take(PENDING_URGENT), 1);
	}
	ck_assert(pending_again(&pendings, find(4), false, now));
	now += 200;
	ck_assert_uint_eq(take(PENDING_URGENT), 4);
}
END_TEST

START_TEST(made_up_flows_have_half_of_the_room)
{
	begin(6);
	for (uint16_t port = 1; port <= 3; port++)
		ck_assert_ptr_nonnull(add(port, 7, PENDING_ADOPTED));
	ck_assert_ptr_null(add(4, 7, PENDING_ADOPTED));
	ck_assert_ptr_nonnull(add(3, 7, PENDING_ADOPTED));
	for (uint16_t port = 11; port <= 13; port++)
		ck_assert_ptr_nonnull(add(port, 7, PENDING_BEGAN));
	ck_assert_ptr_null(add(14, 7, PENDING_BEGAN));
	ck_assert_uint_eq(pendings_count(&pendings), 6);
	/* One that proves itself is better than one in mid-life, and never the other way. */
	add(1, 8, PENDING_BEGAN);
	ck_assert_int_eq(find(1)->class, PENDING_BEGAN);
	ck_assert_uint_eq(find(1)->path, 8);
	ck_assert_uint_eq(pendings.path_count[8], 1);
	add(1, 7, PENDING_ADOPTED);
	ck_assert_int_eq(find(1)->class, PENDING_BEGAN);
	ck_assert_uint_eq(pendings.path_count[8], 0);
}
END_TEST

START_TEST(a_question_outlives_its_flow)
{
	struct pending *asked;

	begin(10);
	add(1, 7, PENDING_ADOPTED);
	asked = pending_take(&pendings, PENDING_ADOPTED, now);
	pending_forget(&pendings, asked);
	ck_assert_ptr_null(find(1));
	ck_assert_uint_eq(pendings_count(&pendings), 0);
	ck_assert_uint_eq(pendings.outstanding[PENDING_ADOPTED], 1);
	add(1, 7, PENDING_ADOPTED); /* the same again is another */
	ck_assert_ptr_ne(find(1), asked);
	ck_assert(!pending_answered(&pendings, asked));
	ck_assert_uint_eq(pendings.outstanding[PENDING_ADOPTED], 0);
	/* A session that took over the port meanwhile: what is answered was another's. */
	ck_assert_uint_eq(take(PENDING_ADOPTED), 1);
	add(1, 7, PENDING_BEGAN);
	ck_assert(find(1)->again);
	pending_put_back(&pendings, find(1));
	ck_assert_uint_eq(take(PENDING_BEGAN), 1);
	ck_assert(!find(1)->again);
	pending_found(&pendings, find(1), 5, false);
	add(1, 7, PENDING_BEGAN);
	ck_assert_uint_eq(pendings.found_count, 0);
	ck_assert_uint_eq(take(PENDING_BEGAN), 1);
	/* The directory is closed. */
	add(2, 7, PENDING_ADOPTED);
	pending_forget(&pendings, pending_take(&pendings, PENDING_ADOPTED, now));
	pendings_unask(&pendings);
	for (int class = 0; class < PENDING_CLASSES; class ++)
		ck_assert_uint_eq(pendings.outstanding[class], 0);
	ck_assert_uint_eq(take(PENDING_BEGAN), 1);
	pendings_clear(&pendings);
	ck_assert_uint_eq(pendings_count(&pendings), 0);
	ck_assert_uint_eq(pendings.path_count[7], 0);
}
END_TEST

UNIT_MAIN("pending", a_flow_that_began_waits_a_moment, it_is_asked_for_less_and_less_often,
	  a_withdrawn_paths_flows_come_first, made_up_flows_have_half_of_the_room,
	  a_question_outlives_its_flow)
