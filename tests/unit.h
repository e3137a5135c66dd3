/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each unit test of one file needs: its cases are listed once, in UNIT_MAIN. */
#ifndef HOLDFAST_TEST_UNIT_H
#define HOLDFAST_TEST_UNIT_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/flow.h"

/* Runs the cases and frees them. Returns what main() is to return. */
static inline int unit_run(const char *name, TCase *tcase)
{
	Suite *suite = suite_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(name, ...)                                                                       \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *const cases[] = {__VA_ARGS__};                                        \
		TCase *tcase = tcase_create(name);                                                 \
                                                                                                   \
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)                      \
			tcase_add_test(tcase, cases[i]);                                           \
		tcase_set_timeout(tcase, 60);                                                      \
		return unit_run(name, tcase);                                                      \
	}

static inline struct in6_addr unit_address(const char *text)
{
	struct in6_addr address;

	ck_assert_int_eq(address_parse(text, &address), 0);
	return address;
}

static inline struct flow unit_flow(uint16_t client_port)
{
	struct flow flow = {0};

	flow.client = unit_address("198.51.100.7");
	flow.vip = unit_address("192.0.2.80");
	flow.client_port = client_port;
	flow.vip_port = 80;
	flow.protocol = IPPROTO_TCP;
	return flow;
}

#endif
