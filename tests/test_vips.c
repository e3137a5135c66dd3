// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon: prefixes that come, go, and cannot be served. */
#include "tests/daemon_rig.h"

START_TEST(a_prefix_that_is_not_here_is_no_problem)
{
	struct in6_addr vip = unit_address(VIP);

	begin();
	kernel_mock_address(&vip, false);
	config_send();
	ck_assert_str_eq(status_text, "");
	ck_assert(daemon_running(d));
	ck_assert(!kernel_mock_vip(&vip));
	kernel_mock_address(&vip, true);
	kernel_mock_addresses_changed();
	ck_assert(kernel_mock_vip(&vip));
	ck_assert(kernel_mock_vip_held(&vip));
	end();
}
END_TEST

START_TEST(a_prefix_is_held_until_its_last_session_ended)
{
	struct in6_addr vip = unit_address(VIP);
	struct flow flow = unit_flow(1);

	begin_running();
	kernel_mock_session_open(&flow);
	kernel_mock_address(&vip, false);
	kernel_mock_addresses_changed();
	pass(2100);
	ck_assert(kernel_mock_vip_held(&vip));
	kernel_mock_session_close(&flow, MOCK_END_GONE);
	/* Detours of others may cross this host until BGP told everybody. */
	pass(2100);
	ck_assert(kernel_mock_vip(&vip));
	pass(2100);
	ck_assert(!kernel_mock_vip(&vip));
	end();
}
END_TEST

START_TEST(a_new_prefix_brings_the_sessions_that_it_has)
{
	struct in6_addr vip = unit_address(VIP_2);
	struct flow flow = unit_flow(1);

	begin_running();
	flow.vip = vip;
	kernel_mock_address(&vip, true);
	kernel_mock_session_put(&flow);
	config.n_vips = 2;
	config_send();
	ck_assert(kernel_mock_vip(&vip));
	ck_assert(directory_published(d->directory, &flow));

	/* ... and takes them along when it goes. */
	config.n_vips = 1;
	config_send();
	ck_assert(!kernel_mock_vip(&vip));
	ck_assert(!directory_published(d->directory, &flow));
	end();
}
END_TEST

START_TEST(a_prefix_that_goes_takes_its_pins_along)
{
	struct in6_addr vip = unit_address(VIP_2), owner = unit_address(OWNER_1);
	struct flow flow = unit_flow(1);

	begin_running();
	flow.vip = vip;
	kernel_mock_address(&vip, true);
	config.n_vips = 2;
	config_send();
	detour(1, OWNER_1);
	memory_directory_answer(d->directory, &flow, DIRECTORY_FOUND, &owner);
	ck_assert_uint_ne(kernel_mock_stray(&flow), 0);
	run();
	ck_assert_uint_eq(kernel_mock_pins(), 2);
	config.n_vips = 1;
	config_send();
	ck_assert_uint_eq(kernel_mock_pin(&flow), 0);
	ck_assert_uint_eq(kernel_mock_pins(), 1);
	ck_assert_uint_eq(pins_count(&d->pins), 1);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 1);
	end();
}
END_TEST

START_TEST(a_translated_prefix_is_refused_with_a_reason)
{
	struct in6_addr vip = unit_address(VIP);

	begin_running();
	kernel_mock_translate(&vip, "a DNAT rule");
	pass(31000);
	zebra_read();
	ck_assert_str_eq(status_text, "a DNAT rule\n");
	ck_assert(!kernel_mock_vip(&vip));
	kernel_mock_translate(&vip, NULL);
	pass(31000);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	ck_assert(kernel_mock_vip(&vip));
	end();
}
END_TEST

START_TEST(a_prefix_of_the_other_family_is_refused_alone)
{
	struct in6_addr vip = unit_address(VIP);
	static uint8_t other[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

	begin();
	config.n_vips = 2;
	prefix_set(&vips[1], other, 128);
	vips[1].address.len = 16;
	config_send();
	ck_assert_ptr_nonnull(strstr(status_text, "2001:db8::1 is not served"));
	ck_assert_ptr_nonnull(strstr(show(0, false), "prefix 2001:db8::1: refused"));
	ck_assert(kernel_mock_vip(&vip));
	ck_assert_uint_eq(kernel_mock_vips(), 1);
	end();
}
END_TEST

START_TEST(a_prefix_that_the_kernel_does_not_take_is_tried_again)
{
	struct in6_addr vip = unit_address(VIP);

	begin_running();
	kernel_mock_address(&vip, false);
	kernel_mock_addresses_changed();
	pass(8000);
	ck_assert(!kernel_mock_vip(&vip));
	kernel_mock_fail_vips("no such table");
	kernel_mock_address(&vip, true);
	kernel_mock_addresses_changed();
	run();
	zebra_read();
	ck_assert(!kernel_mock_vip(&vip));
	ck_assert_str_eq(status_text, "vips: no such table; tried again every 2 s\n");
	kernel_mock_fail_vips(NULL);
	pass(2100);
	zebra_read();
	ck_assert(kernel_mock_vip(&vip));
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

UNIT_MAIN("vips", a_prefix_that_is_not_here_is_no_problem,
	  a_prefix_is_held_until_its_last_session_ended,
	  a_new_prefix_brings_the_sessions_that_it_has, a_prefix_that_goes_takes_its_pins_along,
	  a_translated_prefix_is_refused_with_a_reason,
	  a_prefix_of_the_other_family_is_refused_alone,
	  a_prefix_that_the_kernel_does_not_take_is_tried_again)
