// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/stray.h"
#include "tests/unit.h"

START_TEST(one_question_holds_all_segments)
{
	struct strays strays = {0};
	struct flow flow = unit_flow(1);
	struct stray *stray, *again;

	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 100, 0, &stray), STRAY_ASK);
	for (uint32_t i = 1; i < STRAY_SEGMENTS_MAX; i++)
		ck_assert_int_eq(stray_arrive(&strays, &flow, false, 100 + i, 1, &again),
				 STRAY_HOLD);
	ck_assert_ptr_eq(stray, again);
	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 999, 2, &again), STRAY_DROP);
	ck_assert_uint_eq(stray->segment_count, STRAY_SEGMENTS_MAX);
	for (uint32_t i = 0; i < STRAY_SEGMENTS_MAX; i++)
		ck_assert_uint_eq(stray->segments[i], 100 + i);
	stray_answered(&strays, stray, false, 3);
	ck_assert_uint_eq(strays_count(&strays), 0);
}
END_TEST

START_TEST(the_same_flow_by_detour_is_another_stray)
{
	struct strays strays = {0};
	struct flow flow = unit_flow(1);
	struct stray *direct, *tunnelled;

	stray_arrive(&strays, &flow, false, 1, 0, &direct);
	ck_assert_int_eq(stray_arrive(&strays, &flow, true, 2, 0, &tunnelled), STRAY_ASK);
	ck_assert_ptr_ne(direct, tunnelled);
	strays_clear(&strays);
}
END_TEST

START_TEST(without_an_answer_it_is_asked_again_then_slowly)
{
	struct strays strays = {0};
	struct flow flow = unit_flow(1);
	struct stray *stray;
	uint64_t now;

	for (now = 0; now < STRAY_ASK_MS; now += 250) {
		ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, now, &stray), STRAY_ASK);
		stray_answered(&strays, stray, true, now);
	}
	now = STRAY_ASK_MS;
	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, now, &stray), STRAY_DROP);
	now += STRAY_ASK_SLOWLY_MS;
	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, now, &stray), STRAY_ASK);
	stray_answered(&strays, stray, true, now);
	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, now + 1, &stray), STRAY_DROP);
	strays_expire(&strays, now + STRAY_FORGET_MS - 1);
	ck_assert_uint_eq(strays_count(&strays), 1);
	strays_expire(&strays, now + STRAY_FORGET_MS);
	ck_assert_uint_eq(strays_count(&strays), 0);
}
END_TEST

START_TEST(a_flood_is_bounded_and_pushes_out_no_question)
{
	struct strays strays = {0};
	struct flow flow = unit_flow(1);
	struct stray *stray, *idle;

	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, 0, &idle), STRAY_ASK);
	stray_answered(&strays, idle, true, 0);
	for (uint32_t i = 1; i < STRAY_FLOWS_MAX; i++) {
		flow.client_port = (uint16_t)(i + 1);
		ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, 1, &stray), STRAY_ASK);
	}
	/* One idle flow gives way, the others wait for answers and stay. */
	flow.client_port = 60001;
	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, 2, &stray), STRAY_ASK);
	flow.client_port = 60002;
	ck_assert_int_eq(stray_arrive(&strays, &flow, false, 1, 2, &stray), STRAY_DROP);
	ck_assert_uint_eq(strays_count(&strays), STRAY_FLOWS_MAX);
	strays_clear(&strays);
}
END_TEST

START_TEST(decisions)
{
	static const struct {
		struct stray_facts facts;
		enum kernel_verdict verdict;
	} table[] = {
		/* answer, owner is local, is reachable, is in doubt, tunnelled */
		{{DIRECTORY_FOUND, false, true, false, false}, KERNEL_DETOUR},
		{{DIRECTORY_FOUND, false, false, false, false}, KERNEL_LOCAL},
		{{DIRECTORY_FOUND, false, false, true, false}, KERNEL_DROP},
		{{DIRECTORY_FOUND, false, true, true, false}, KERNEL_DETOUR},
		{{DIRECTORY_FOUND, true, false, false, false}, KERNEL_LOCAL},
		{{DIRECTORY_FOUND, true, true, false, false}, KERNEL_LOCAL},
		{{DIRECTORY_FOUND, false, true, false, true}, KERNEL_DROP},
		{{DIRECTORY_FOUND, false, false, false, true}, KERNEL_DROP},
		{{DIRECTORY_FOUND, true, false, false, true}, KERNEL_LOCAL},
		{{DIRECTORY_ABSENT, false, false, false, false}, KERNEL_LOCAL},
		{{DIRECTORY_ABSENT, false, false, false, true}, KERNEL_LOCAL},
		{{DIRECTORY_TIMED_OUT, false, false, false, false}, KERNEL_DROP},
		{{DIRECTORY_TIMED_OUT, false, true, false, false}, KERNEL_DROP},
		{{DIRECTORY_TIMED_OUT, false, false, false, true}, KERNEL_DROP},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ck_assert_int_eq(stray_decide(&table[i].facts), table[i].verdict);
}
END_TEST

UNIT_MAIN("stray", one_question_holds_all_segments, the_same_flow_by_detour_is_another_stray,
	  without_an_answer_it_is_asked_again_then_slowly,
	  a_flood_is_bounded_and_pushes_out_no_question, decisions)
