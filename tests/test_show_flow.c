// SPDX-License-Identifier: GPL-2.0-or-later
/* `show holdfast flow`, from zebra's question to the answer. */
#include <netinet/tcp.h>

#include "tests/daemon_rig.h"

static json_object *root;

static void ask(uint16_t port)
{
	json_object_put(root);
	root = json_tokener_parse(show_flow_of("198.51.100.7", port, VIP, 80, true));
	ck_assert_ptr_nonnull(root);
}

static const char *text(const char *object, const char *key)
{
	json_object *o = root, *found;

	if (object[0])
		ck_assert_msg(json_object_object_get_ex(root, object, &o), "no %s", object);
	return json_object_object_get_ex(o, key, &found) ? json_object_get_string(found) : "";
}

static void expect_error(const char *client, uint32_t client_port, const char *vip,
			 uint32_t vip_port, const char *error)
{
	char line[ERROR_TEXT_SIZE];

	json_object_put(root);
	root = json_tokener_parse(show_flow_of(client, client_port, vip, vip_port, true));
	ck_assert_str_eq(text("", "error"), error);
	snprintf(line, sizeof(line), "%% %s\n", error);
	ck_assert_str_eq(show_flow_of(client, client_port, vip, vip_port, false), line);
}

static void finish(void)
{
	json_object_put(root);
	root = NULL;
	end();
}

START_TEST(questions_that_have_no_answer)
{
	begin();
	expect_error("198.51.100.7", 1, VIP, 80,
		     "fpmd does nothing to any flow now: see show holdfast");
	config_send();
	replay_end_send();
	expect_error("198.51.100.7", 1, "192.0.2.99", 80,
		     "192.0.2.99 is no configured prefix: show holdfast lists them");
	expect_error("198.51.100.7", 0, VIP, 80, "port 0 is no port of a TCP session");
	expect_error("198.51.100.7", 1, VIP, 70000,
		     "fpmd does not understand the question: is it older than zebra's module?");
	expect_error("2001:db8::1", 1, VIP, 80, "client and VIP are of different address families");
	finish();
}
END_TEST

START_TEST(a_session_of_this_host)
{
	struct flow flow = unit_flow(1);

	begin_running();
	kernel_mock_session_open(&flow);
	run();
	ask(1);
	ck_assert_str_eq(text("", "role"), "served");
	ck_assert_str_eq(text("", "goes"), "here");
	ck_assert_str_eq(text("", "client"), "198.51.100.7");
	ck_assert_str_eq(text("", "vipPort"), "80");
	ck_assert_str_eq(text("socket", "state"), "ESTABLISHED");
	ck_assert_str_eq(text("socket", "published"), "true");
	ck_assert_str_eq(text("directory", "answer"), "found");
	ck_assert_str_eq(text("directory", "ownerIsLocal"), "true");
	ck_assert_ptr_nonnull(strstr(show_flow_of("198.51.100.7", 1, VIP, 80, false),
				     "198.51.100.7 port 1 to 192.0.2.80 port 80 is delivered here: "
				     "this host has the session.\n  This host's kernel has a "
				     "socket for it, in state ESTABLISHED.\n"));
	finish();
}
END_TEST

START_TEST(a_detour_and_a_stray)
{
	begin_running();
	detour(1, OWNER_1);
	ask(1);
	ck_assert_str_eq(text("", "goes"), "owner");
	ck_assert_str_eq(text("", "to"), OWNER_1);
	ck_assert_str_eq(text("pin", "owner"), OWNER_1);
	ck_assert_str_eq(text("pin", "ownerReachable"), "true");
	ck_assert_str_eq(text("pin", "gateway"), "10.0.0.1");
	ck_assert_str_eq(text("pin", "interface"), "eth0");
	ck_assert_str_eq(text("socket", "state"), "none");
	ask(2);
	ck_assert_str_eq(text("", "goes"), "reset");
	ck_assert_str_eq(text("directory", "answer"), "absent");
	answer(2, DIRECTORY_TIMED_OUT, NULL);
	stray(2);
	run();
	ask(2);
	ck_assert_str_eq(text("", "goes"), "dropped");
	ck_assert_str_eq(text("stray", "asking"), "false");
	ck_assert_str_eq(text("directory", "answer"), "timed-out");
	finish();
}
END_TEST

START_TEST(a_refused_prefix_is_explained_without_a_question)
{
	struct in6_addr vip = unit_address(VIP);
	unsigned int gets;

	begin();
	kernel_mock_translate(&vip, "192.0.2.80 is translated");
	config_send();
	replay_end_send();
	gets = memory_directory_gets(d->directory);
	ask(1);
	ck_assert_str_eq(text("", "role"), "refused");
	ck_assert_str_eq(text("", "goes"), "routing-table");
	ck_assert_uint_eq(memory_directory_gets(d->directory), gets);
	kernel_mock_translate(&vip, NULL);
	config_send();
	kernel_mock_address(&vip, false);
	pass(3000);
	pass(6000);
	ask(1);
	ck_assert_str_eq(text("", "role"), "neither");
	finish();
}
END_TEST

START_TEST(a_recorded_flow_of_a_director)
{
	struct kernel_flow_record record = {.path = 2, .seen_ms_ago = 5000};
	struct in6_addr vip = unit_address(VIP);
	struct flow flow = unit_flow(1);

	begin();
	kernel_mock_address(&vip, false);
	config_send();
	route_send_via(VIP, "ab");
	route_send_via(OWNER_1, "a");
	route_send_via(OWNER_2, "b");
	route_send_via("10.255.0.4", "b");
	replay_end_send();
	pass(REACH_LEARN_MS);
	kernel_mock_record_put(&flow, &record);
	answer(1, DIRECTORY_FOUND, OWNER_2);
	ask(1);
	ck_assert_str_eq(text("", "role"), "routed");
	ck_assert_str_eq(text("", "goes"), "path");
	ck_assert_str_eq(text("path", "id"), "2");
	ck_assert_str_eq(text("path", "interface"), "upb");
	ck_assert_str_eq(text("path", "state"), "in-use");
	ck_assert_str_eq(text("path", "members"), "2");
	ck_assert_str_eq(text("path", "seenMsecAgo"), "5000");
	ck_assert_str_eq(text("path", "probation"), "false");
	ck_assert_str_eq(text("directory", "owner"), OWNER_2);
	ask(2);
	ck_assert_str_eq(text("", "goes"), "routing-table");
	ck_assert(!json_object_object_get_ex(root, "path", NULL));
	finish();
}
END_TEST

/* The directory holds its answers: the questions stay. */
static void begin_held(void)
{
	begin_running();
	memory_directory_hold(d->directory);
}

static void send_question(uint16_t port)
{
	struct in6_addr client = unit_address("198.51.100.7"), vip = unit_address(VIP);
	Holdfast__ShowRequest request = HOLDFAST__SHOW_REQUEST__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	Holdfast__Flow flow = HOLDFAST__FLOW__INIT;

	flow.client = (ProtobufCBinaryData){.data = &client.s6_addr[12], .len = 4};
	flow.vip = (ProtobufCBinaryData){.data = &vip.s6_addr[12], .len = 4};
	flow.client_port = port;
	flow.vip_port = 80;
	request.id = 7;
	request.topic = HOLDFAST__SHOW_REQUEST__TOPIC__FLOW;
	request.flow = &flow;
	frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REQUEST;
	frame.show_request = &request;
	zebra_send(&frame);
	run();
}

START_TEST(so_many_questions_and_no_more)
{
	begin_held();
	for (uint16_t port = 1; port <= 16; port++)
		send_question(port);
	ck_assert_uint_eq(d->flow_question_count, 16);
	ask(17);
	ck_assert_str_eq(text("directory", "answer"), "not-asked");
	ck_assert_uint_eq(d->flow_question_count, 16);
	memory_directory_release(d->directory);
	run();
	ck_assert_uint_eq(d->flow_question_count, 0);
	finish();
}
END_TEST

START_TEST(who_asked_is_told_when_the_directory_goes)
{
	begin_held();
	send_question(1);
	ck_assert_uint_eq(d->flow_question_count, 1);
	config.directory_port++;
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_uint_eq(d->flow_question_count, 0);
	ck_assert_ptr_nonnull(strstr(last_reply(), "% the directory was opened anew"));
	finish();
}
END_TEST

START_TEST(another_zebra_does_not_get_the_answer)
{
	begin_held();
	send_question(1);
	zebra_connect();
	forget_reply();
	memory_directory_release(d->directory);
	run();
	ck_assert(zebra_read());
	ck_assert_str_eq(last_reply(), "");
	ck_assert_uint_eq(d->flow_question_count, 0);
	finish();
}
END_TEST

UNIT_MAIN("show_flow", questions_that_have_no_answer, a_session_of_this_host, a_detour_and_a_stray,
	  a_refused_prefix_is_explained_without_a_question, a_recorded_flow_of_a_director,
	  so_many_questions_and_no_more, who_asked_is_told_when_the_directory_goes,
	  another_zebra_does_not_get_the_answer)
