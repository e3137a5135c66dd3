// SPDX-License-Identifier: GPL-2.0-or-later
/* What the northbound of zebra's module asks for: the parts, and pins by owner. */
#include "fpmd/show_private.h"
#include "tests/daemon_rig.h"

#define STATE HOLDFAST__SHOW_REQUEST__TOPIC__STATE

static json_object *value(json_object *o, const char *key)
{
	json_object *found;

	ck_assert_msg(json_object_object_get_ex(o, key, &found), "no %s", key);
	return found;
}

static int64_t number(json_object *o, const char *key)
{
	return json_object_get_int64(value(o, key));
}

START_TEST(pins_are_told_by_owner)
{
	json_object *root, *pins, *owners, *first;

	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_2);
	detour(3, OWNER_2);
	root = show_json(STATE);
	pins = value(root, "pins");
	owners = value(pins, "owners");
	ck_assert_int_eq(number(pins, "count"), 3);
	ck_assert_uint_eq(json_object_array_length(owners), 2);
	for (size_t i = 0; i < 2; i++) {
		bool second;

		first = json_object_array_get_idx(owners, i);
		second = !strcmp(json_object_get_string(value(first, "address")), OWNER_2);
		ck_assert_int_eq(number(first, "pins"), second ? 2 : 1);
		ck_assert_int_eq(number(first, "ownerId"), owner_id(second ? OWNER_2 : OWNER_1));
	}
	json_object_put(root);
	end();
}
END_TEST

/* As each topic has it for programs: counters are plain numbers. */
START_TEST(all_parts_are_told)
{
	json_object *root;

	begin_running();
	detour(1, OWNER_1);
	root = show_json(STATE);
	ck_assert_str_eq(json_object_get_string(value(value(root, "summary"), "state")), "running");
	ck_assert_uint_eq(json_object_array_length(value(value(root, "members"), "members")), 3);
	ck_assert_uint_eq(json_object_array_length(value(value(root, "paths"), "paths")), 0);
	ck_assert_str_eq(json_object_get_string(value(value(root, "directory"), "engine")),
			 "one-hop");
	ck_assert_int_eq(number(value(value(root, "counters"), "fpmd"), "detours"), 1);
	json_object_put(root);
	end();
}
END_TEST

static size_t rows(json_object *root, const char *list)
{
	size_t count = json_object_array_length(value(root, list));

	json_object_put(root);
	return count;
}

START_TEST(what_may_be_many_is_cut)
{
	struct in6_addr vip = unit_address(VIP);
	json_object *root;

	begin();
	kernel_mock_address(&vip, false);
	config_send();
	route_send_via(VIP, "ab");
	route_send_via(OWNER_1, "a");
	route_send_via(OWNER_2, "b");
	replay_end_send();
	pass(REACH_LEARN_MS);
	ck_assert_uint_eq(rows(show_members_json(d, 9), "members"), 3);
	ck_assert_uint_eq(rows(show_members_json(d, 2), "members"), 2);
	ck_assert_uint_eq(rows(show_paths_json(d, 9), "paths"), 2);
	ck_assert_uint_eq(rows(show_paths_json(d, 1), "paths"), 1);
	/* Next hops of the VIPs are left out, in the state as well. */
	root = show_json(STATE);
	ck_assert_uint_eq(json_object_array_length(value(value(root, "paths"), "paths")), 2);
	ck_assert_int_eq(
		json_object_array_length(
			value(json_object_array_get_idx(value(value(root, "summary"), "vips"), 0),
			      "nextHops")),
		0);
	json_object_put(root);
	end();
}
END_TEST

/* Topics with numbers that are not given out, or too high, are known to nobody. */
START_TEST(a_topic_that_is_none_is_answered)
{
	begin_running();
	ck_assert_ptr_nonnull(strstr(show(STATE - 1, false), "does not know this topic"));
	ck_assert_ptr_nonnull(strstr(show(STATE + 1, true), "does not know this topic"));
	end();
}
END_TEST

UNIT_MAIN("show_state", pins_are_told_by_owner, all_parts_are_told, what_may_be_many_is_cut,
	  a_topic_that_is_none_is_answered)
