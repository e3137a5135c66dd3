// SPDX-License-Identifier: GPL-2.0-or-later
/* `show holdfast paths`, and the role of a prefix in `show holdfast`. */
#include "tests/daemon_rig.h"

#define PATHS HOLDFAST__SHOW_REQUEST__TOPIC__PATHS
#define OWNER_4 "10.255.0.4"

/* The VIP by two next hops: behind upa there is OWNER_1, behind upb there are two. */
static void direct(void)
{
	struct in6_addr vip = unit_address(VIP);

	begin();
	kernel_mock_address(&vip, false);
	config_send();
	route_send_via(VIP, "ab");
	route_send_via(OWNER_1, "a");
	route_send_via(OWNER_2, "b");
	route_send_via(OWNER_4, "b");
	replay_end_send();
	ck_assert(daemon_running(d));
	pass(REACH_LEARN_MS);
}

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

static const char *text(json_object *o, const char *key)
{
	return json_object_get_string(value(o, key));
}

/* The path in use by that interface. */
static json_object *path_by(json_object *root, const char *interface)
{
	json_object *paths = value(root, "paths");

	for (size_t i = 0; i < json_object_array_length(paths); i++) {
		json_object *o = json_object_array_get_idx(paths, i);

		if (!strcmp(text(o, "interface"), interface) && !strcmp(text(o, "state"), "in-use"))
			return o;
	}
	ck_abort_msg("no path by %s", interface);
	return NULL;
}

static const char *role(uint32_t topic, const char *list)
{
	static char kept[32];
	json_object *root = show_json(topic);

	snprintf(kept, sizeof(kept), "%s",
		 text(json_object_array_get_idx(value(root, list), 0), "role"));
	json_object_put(root);
	return kept;
}

static void expect_text(const char *expected)
{
	const char *shown = show(PATHS, false);

	ck_assert_msg(strstr(shown, expected), "%s\nis not in\n%s", expected, shown);
}

START_TEST(paths_are_told_with_whom_they_lead_to)
{
	json_object *root, *single, *shared;

	direct();
	root = show_json(PATHS);
	ck_assert_uint_eq(json_object_array_length(value(root, "paths")), 2);
	single = path_by(root, "upa");
	ck_assert_str_eq(text(single, "family"), "ipv4");
	ck_assert_str_eq(text(single, "gateway"), "10.0.97.1");
	ck_assert_str_eq(text(single, "member"), OWNER_1);
	ck_assert_int_eq(number(single, "members"), 1);
	ck_assert_int_eq(number(single, "weight"), 1);
	ck_assert_int_eq(number(single, "prefixes"), 1);
	ck_assert(json_object_get_boolean(value(single, "up")));
	shared = path_by(root, "upb");
	ck_assert(!json_object_object_get_ex(shared, "member", NULL));
	ck_assert_int_eq(number(shared, "members"), 2);
	ck_assert_int_ne(number(single, "id"), number(shared, "id"));
	json_object_put(root);
	expect_text("upa             10.0.97.1                               in-use          1 "
		    "10.255.0.1 ");
	expect_text("upb             10.0.98.1                               in-use          1 "
		    "2 members ");
	ck_assert_str_eq(role(PATHS, "prefixes"), "routed");
	ck_assert_str_eq(role(HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY, "vips"), "routed");
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY, false),
				     "prefix 192.0.2.80: routed, see show holdfast paths"));
	end();
}
END_TEST

START_TEST(flows_are_counted_by_path)
{
	json_object *root, *shared;
	uint16_t id;

	direct();
	root = show_json(PATHS);
	id = (uint16_t)number(path_by(root, "upb"), "id");
	json_object_put(root);
	kernel_mock_counts(id, 12, 3);
	for (uint16_t port = 1; port <= 3; port++) {
		struct flow flow = unit_flow(port);

		kernel_mock_flow(&flow, id, KERNEL_FLOW_BEGAN);
	}
	pass(100);
	answer(1, DIRECTORY_FOUND, OWNER_2);
	for (int i = 0; i < 12; i++)
		pass(1000);
	root = show_json(PATHS);
	shared = path_by(root, "upb");
	ck_assert_int_eq(number(root, "flows"), 12);
	ck_assert_int_eq(number(root, "probation"), 3);
	ck_assert_int_eq(number(shared, "flows"), 12);
	ck_assert_int_eq(number(shared, "probation"), 3);
	ck_assert_int_eq(number(shared, "ownersKnown"), 1);
	ck_assert_int_eq(number(shared, "lookupsOutstanding"), 2);
	json_object_put(root);
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__PINS, false),
				     "10.255.0.2 behind path 2 "));
	expect_text("12 flows are recorded, at most 100000, each until 900 s after its last "
		    "packet; 3 more are on probation\n");
	expect_text("% records end with fpmd: it has no directory on a bpffs");
	end();
}
END_TEST

START_TEST(a_path_that_is_lost_is_told_as_failed)
{
	json_object *root, *paths;
	unsigned int failed = 0;

	direct();
	kernel_mock_counts(1, 5, 0);
	kernel_mock_counts(2, 5, 0);
	route_send_via(VIP, "b");
	route_send_via(OWNER_1, "b");
	pass(REACH_SETTLE_MS + 1000);
	root = show_json(PATHS);
	paths = value(root, "paths");
	for (size_t i = 0; i < json_object_array_length(paths); i++) {
		json_object *o = json_object_array_get_idx(paths, i);

		if (strcmp(text(o, "interface"), "upa"))
			continue;
		ck_assert_str_eq(text(o, "state"), "failed");
		ck_assert(!json_object_get_boolean(value(o, "up")));
		ck_assert(!json_object_get_boolean(value(o, "newFlows")));
		ck_assert_int_eq(number(o, "members"), 1);
		ck_assert_str_eq(text(o, "member"), OWNER_1);
		failed++;
	}
	ck_assert_uint_eq(failed, 1);
	json_object_put(root);
	end();
}
END_TEST

START_TEST(who_directs_nothing_is_told_why)
{
	const char *shown;

	begin_running();
	shown = show(PATHS, false);
	ck_assert_ptr_nonnull(strstr(shown, "prefix 192.0.2.80: served\n"));
	ck_assert_ptr_null(strstr(shown, "directs nothing"));
	ck_assert_ptr_null(strstr(shown, "Next hop"));
	ck_assert_str_eq(role(HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY, "vips"), "served");
	config.role = HOLDFAST__ROLE__ROLE_SERVER;
	config_send();
	expect_text("This host directs nothing: it has `role server`.\n");
	config.role = HOLDFAST__ROLE__ROLE_AUTO;
	config.mark_path_mask = 0;
	config_send();
	expect_text("This host directs nothing: it has no `mark path-mask`.\n");
	end();
}
END_TEST

UNIT_MAIN("show_paths", paths_are_told_with_whom_they_lead_to, flows_are_counted_by_path,
	  a_path_that_is_lost_is_told_as_failed, who_directs_nothing_is_told_why)
