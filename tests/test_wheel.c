/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fpmd/directory/wheel.h"

#include "tests/unit.h"

#define NODES 500

static struct wheel wheel;
static struct wheel_node nodes[NODES];
static uint64_t due_us[NODES];

START_TEST(each_comes_up_at_its_time)
{
	uint64_t now_us = 123456789;
	uint32_t random = 7;

	memset(nodes, 0, sizeof(nodes));
	memset(due_us, 0, sizeof(due_us));
	memset(&wheel, 0, sizeof(wheel));
	ck_assert_uint_eq(wheel_next_us(&wheel), UINT64_MAX);
	for (unsigned int step = 0; step < 10000; step++) {
		uint64_t next_us = UINT64_MAX;
		struct wheel_node *node;
		unsigned int i;

		random = random * 1664525 + 1013904223;
		i = (random >> 8) % NODES;
		if (random % 11 == 0) {
			wheel_unset(&wheel, &nodes[i]);
			due_us[i] = 0;
		} else {
			/* Also the past. */
			due_us[i] = now_us - 500 + (random >> 4) % (WHEEL_HORIZON_US - 1000);
			wheel_set(&wheel, &nodes[i], due_us[i], now_us);
			if (due_us[i] < now_us)
				due_us[i] = now_us;
		}
		now_us += (random >> 16) % 700;
		while ((node = wheel_due(&wheel, now_us)) != NULL) {
			i = (unsigned int)(node - nodes);
			ck_assert_uint_ne(due_us[i], 0);
			ck_assert_uint_le(due_us[i], now_us);
			due_us[i] = 0;
		}
		for (i = 0; i < NODES; i++) {
			if (due_us[i] == 0)
				continue;
			ck_assert_uint_gt(due_us[i] + WHEEL_TICK_US, now_us);
			if (due_us[i] < next_us)
				next_us = due_us[i];
		}
		if (next_us == UINT64_MAX) {
			ck_assert_uint_eq(wheel_next_us(&wheel), UINT64_MAX);
			continue;
		}
		ck_assert_uint_ge(wheel_next_us(&wheel), next_us);
		ck_assert_uint_le(wheel_next_us(&wheel),
				  (next_us > now_us ? next_us : now_us) + WHEEL_TICK_US);
	}
}
END_TEST

START_TEST(beyond_the_horizon_comes_up_early)
{
	uint64_t now_us = 5000000;
	struct wheel_node node = {0};

	memset(&wheel, 0, sizeof(wheel));
	wheel_set(&wheel, &node, now_us + 10 * WHEEL_HORIZON_US, now_us);
	ck_assert_ptr_null(wheel_due(&wheel, now_us + WHEEL_HORIZON_US / 2));
	ck_assert_ptr_eq(wheel_due(&wheel, now_us + 2 * WHEEL_HORIZON_US), &node);
	ck_assert_ptr_null(wheel_due(&wheel, now_us + 20 * WHEEL_HORIZON_US));
}
END_TEST

/* Time that nobody looked at does not bring nodes up late or twice. */
START_TEST(a_long_pause)
{
	uint64_t now_us = 5000000;
	struct wheel_node early = {0}, late = {0};

	memset(&wheel, 0, sizeof(wheel));
	wheel_set(&wheel, &early, now_us + 1000, now_us);
	now_us += 100 * WHEEL_HORIZON_US;
	wheel_set(&wheel, &late, now_us + 3000, now_us);
	ck_assert_ptr_nonnull(wheel_due(&wheel, now_us));
	ck_assert_ptr_nonnull(wheel_due(&wheel, now_us));
	ck_assert_ptr_null(wheel_due(&wheel, now_us));
	ck_assert_uint_eq(wheel_next_us(&wheel), UINT64_MAX);
}
END_TEST

UNIT_MAIN("wheel", each_comes_up_at_its_time, beyond_the_horizon_comes_up_early, a_long_pause)
