// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon: `drain` takes the addresses of VIPs away, and `no drain` brings them back. */
#include "tests/daemon_rig.h"

#define SUMMARY HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY

static struct in6_addr vip;
static struct flow flow;

static void drain(bool on)
{
	config.drain = on;
	config_send();
	/* The kernel tells. */
	kernel_mock_addresses_changed();
	run();
}

/* With one session. */
static void begin_serving(void)
{
	vip = unit_address(VIP);
	flow = unit_flow(1);
	begin_running();
	kernel_mock_session_open(&flow);
	run();
}

static json_object *value(json_object *o, const char *key)
{
	json_object *found;

	ck_assert_msg(json_object_object_get_ex(o, key, &found), "no %s", key);
	return found;
}

static bool summary_says(const char *part)
{
	return strstr(show(SUMMARY, false), part);
}

START_TEST(the_address_goes_and_the_sessions_stay)
{
	json_object *root, *told;

	begin_serving();
	ck_assert(!summary_says("draining"));
	drain(true);
	ck_assert(kernel_mock_away(&vip));
	ck_assert(kernel_mock_vip_held(&vip));
	ck_assert(directory_published(d->directory, &flow));
	pass(60000);
	ck_assert(kernel_mock_vip_held(&vip));
	ck_assert_str_eq(status_text, "");
	root = show_json(SUMMARY);
	told = value(root, "drain");
	ck_assert_int_ge(json_object_get_int64(value(told, "sinceMsec")), 60000);
	ck_assert_int_lt(json_object_get_int64(value(told, "sinceMsec")), 70000);
	ck_assert_int_eq(json_object_get_int64(value(told, "sessions")), 1);
	ck_assert_int_eq(json_object_get_int64(value(value(told, "ages"), "underMinute")), 1);
	ck_assert(!json_object_get_boolean(value(told, "done")));
	ck_assert_str_eq(
		json_object_get_string(json_object_array_get_idx(value(told, "addressesAway"), 0)),
		"192.0.2.80/32 dev lo");
	json_object_put(root);
	ck_assert(summary_says(": 1 sessions are left, the oldest known for "));
	ck_assert(summary_says("    by age: 1 under 1 min, 0 under 10 min, 0 under 1 h, 0 under 1 "
			       "day, 0 older\n"));
	ck_assert(summary_says("    away until `no drain`: 192.0.2.80/32 dev lo\n"));
	drain(false);
	ck_assert(!kernel_mock_away(&vip));
	ck_assert(kernel_address_is_local(d->kernel, &vip));
	ck_assert(kernel_mock_vip_held(&vip));
	ck_assert(directory_published(d->directory, &flow));
	ck_assert(!summary_says("draining"));
	end();
}
END_TEST

START_TEST(it_is_done_when_no_session_is_left)
{
	begin_serving();
	drain(true);
	kernel_mock_session_close(&flow, MOCK_END_GONE);
	run();
	ck_assert(!summary_says("done"));
	/* Detours of others may still come. */
	pass(2100);
	ck_assert(!summary_says("done"));
	pass(4000);
	ck_assert(!kernel_mock_vip(&vip));
	ck_assert(summary_says(": done, no session is left for "));
	pass(2100);
	ck_assert(kernel_mock_away(&vip));
	drain(false);
	ck_assert(!kernel_mock_away(&vip));
	ck_assert(kernel_mock_vip(&vip));
	end();
}
END_TEST

START_TEST(who_puts_it_back_is_told_and_not_fought_fast)
{
	begin_serving();
	drain(true);
	kernel_mock_address(&vip, true);
	kernel_mock_addresses_changed();
	run();
	ck_assert(kernel_address_is_local(d->kernel, &vip));
	pass(2100);
	pass(2100);
	ck_assert(!kernel_address_is_local(d->kernel, &vip));
	end();
}
END_TEST

START_TEST(another_fpmd_goes_on_with_it)
{
	struct error error;

	begin_serving();
	drain(true);
	daemon_close(d, KERNEL_KEEP_ALL);
	pass(5000);
	ck_assert(kernel_mock_away(&vip));
	ck_assert_int_eq(daemon_open(base, path, -1, &d, &error), 0);
	zebra_connect();
	config_send();
	replay_end_send();
	ck_assert(daemon_running(d));
	ck_assert(kernel_mock_away(&vip));
	ck_assert(kernel_mock_vip_held(&vip));
	ck_assert(directory_published(d->directory, &flow));
	ck_assert(drain_age_ms(d) >= 5000);
	drain(false);
	ck_assert(!kernel_mock_away(&vip));
	end();
}
END_TEST

START_TEST(what_is_no_vip_any_more_comes_back)
{
	begin_serving();
	drain(true);
	config.n_vips = 2;
	config_send();
	ck_assert(kernel_mock_away(&vip));
	config.vips++;
	config.n_vips = 1;
	config_send();
	ck_assert(!kernel_mock_away(&vip));
	config.vips--;
	config_send();
	ck_assert(kernel_mock_away(&vip));
	/* The configuration goes as a whole. */
	config_empty();
	config_send();
	event_active(d->remove_timer, EV_TIMEOUT, 1);
	run();
	ck_assert(!daemon_running(d));
	ck_assert(!kernel_mock_away(&vip));
	end();
}
END_TEST

START_TEST(what_cannot_be_done_is_told_and_tried_again)
{
	begin_serving();
	kernel_mock_fail_addresses("it has more than a host prefix");
	drain(true);
	ck_assert(kernel_address_is_local(d->kernel, &vip));
	ck_assert_str_eq(status_text,
			 "drain: it has more than a host prefix; tried again every 2 s\n");
	kernel_mock_fail_addresses(NULL);
	pass(2100);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	ck_assert(kernel_mock_away(&vip));
	kernel_mock_fail_addresses("there is no such device");
	drain(false);
	ck_assert(kernel_mock_away(&vip));
	ck_assert_str_eq(status_text, "drain: there is no such device; tried again every 2 s\n");
	kernel_mock_fail_addresses(NULL);
	pass(2100);
	ck_assert(!kernel_mock_away(&vip));
	end();
}
END_TEST

START_TEST(a_prefix_that_is_not_served_is_left_alone)
{
	begin_serving();
	kernel_mock_translate(&vip, "192.0.2.80 is translated");
	config_send();
	drain(true);
	pass(2100);
	ck_assert(kernel_address_is_local(d->kernel, &vip));
	ck_assert(!kernel_mock_away(&vip));
	end();
}
END_TEST

START_TEST(members_see_who_drains)
{
	struct in6_addr owner;
	json_object *root, *list;

	begin_serving();
	owner = unit_address(OWNER_1);
	memory_directory_draining(d->directory, &owner);
	drain(true);
	root = show_json(HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS);
	list = value(root, "members");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		const char *address = json_object_get_string(value(o, "address"));

		ck_assert_int_eq(json_object_get_boolean(value(o, "draining")),
				 !strcmp(address, OWNER_1) || !strcmp(address, LOCAL));
	}
	json_object_put(root);
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS, false),
				     "10.255.0.1                              draining "));
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS, false),
				     "10.255.0.2                              in ring "));
	end();
}
END_TEST

UNIT_MAIN("drain", the_address_goes_and_the_sessions_stay, it_is_done_when_no_session_is_left,
	  who_puts_it_back_is_told_and_not_fought_fast, another_fpmd_goes_on_with_it,
	  what_is_no_vip_any_more_comes_back, what_cannot_be_done_is_told_and_tried_again,
	  a_prefix_that_is_not_served_is_left_alone, members_see_who_drains)
