// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon, as zebra sees it: the stream and the answers to `show`. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/frame.h"
#include "tests/daemon_rig.h"

/* -- show -- */

static void show_all(void)
{
	for (uint32_t topic = 0; topic < 7; topic++) {
		json_object *root = show_json(topic);

		ck_assert(json_object_is_type(root, json_type_object));
		json_object_put(root);
		ck_assert_uint_gt(strlen(show(topic, false)), 10);
	}
	ck_assert_ptr_nonnull(strstr(show(99, true), "does not know this topic"));
	ck_assert_ptr_nonnull(strstr(show(0x7fffffff, false), "does not know this topic"));
}

START_TEST(show_answers_before_there_is_a_configuration)
{
	begin();
	show_all();
	ck_assert_ptr_nonnull(strstr(show(0, false), "waiting for a complete configuration"));
	end();
}
END_TEST

START_TEST(show_answers_in_text_and_json)
{
	json_object *root, *list, *value;
	struct flow flow = unit_flow(9000);

	begin();
	config.pins_max = 20000;
	config_send();
	replay_end_send();
	member_add(OWNER_1);
	detour(1, OWNER_1);
	kernel_mock_session_open(&flow);
	memory_directory_hold(d->directory); /* their checks */
	for (uint16_t port = 2; port <= 12000; port++) {
		flow = unit_flow(port);
		kernel_mock_pin_put(&flow, 1);
		pinning_adopt(d, &flow, 1);
	}
	show_all();
	root = show_json(HOLDFAST__SHOW_REQUEST__TOPIC__PINS);
	ck_assert(json_object_object_get_ex(root, "pins", &list));
	ck_assert_uint_eq(json_object_array_length(list), 10000);
	ck_assert(json_object_object_get_ex(root, "listed", &value));
	ck_assert_int_eq(json_object_get_int(value), 10000);
	ck_assert(json_object_object_get_ex(root, "count", &value));
	ck_assert_int_eq(json_object_get_int(value), 12000);
	json_object_put(root);

	root = show_json(HOLDFAST__SHOW_REQUEST__TOPIC__COUNTERS);
	ck_assert(json_object_object_get_ex(root, "fpmd", &list));
	ck_assert(json_object_object_get_ex(list, "lookupMessages", &value));
	ck_assert_int_eq(json_object_get_int(value), 1);
	json_object_put(root);

	root = show_json(HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY);
	ck_assert(json_object_object_get_ex(root, "vips", &list));
	ck_assert(
		json_object_object_get_ex(json_object_array_get_idx(list, 0), "sessions", &value));
	ck_assert_int_eq(json_object_get_int(value), 1);
	json_object_put(root);
	end();
}
END_TEST

/* -- the stream -- */

START_TEST(bad_frames_end_the_connection_and_a_new_one_works)
{
	static const uint8_t bad[] = {9, 2, 0, 4}, short_length[] = {1, 2, 0, 3};
	static const uint8_t junk[] = {1, 2, 0, 8, 0xff, 0xff, 0xff, 0xff},
			     netlink[] = {1, 1, 0, 5, 0};

	begin_running();
	detour(1, OWNER_1);
	zebra_write(junk, sizeof(junk));
	zebra_write(netlink, sizeof(netlink));
	run();
	ck_assert(zebra_read());
	ck_assert_uint_eq(fpm_server_counters(d->fpm)->unknown_messages, 2);
	zebra_write(bad, sizeof(bad));
	run();
	ck_assert(!zebra_read());
	ck_assert(!fpm_server_connected(d->fpm));
	zebra_connect();
	zebra_write(short_length, sizeof(short_length));
	run();
	ck_assert(!zebra_read());
	ck_assert_uint_eq(fpm_server_counters(d->fpm)->bad_frames, 2);

	zebra_connect();
	config_send();
	ck_assert(fpm_server_connected(d->fpm));
	ck_assert(daemon_running(d));
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	show_all();
	end();
}
END_TEST

START_TEST(frames_may_come_byte_by_byte)
{
	uint8_t bytes[64];
	Holdfast__ReplayEnd replay_end = HOLDFAST__REPLAY_END__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	size_t size;

	begin();
	frame.body_case = HOLDFAST__FRAME__BODY_REPLAY_END;
	frame.replay_end = &replay_end;
	size = holdfast__frame__pack(&frame, bytes + FRAME_HEADER_SIZE);
	frame_header_write(bytes, FRAME_PROTOBUF, size);
	for (size_t i = 0; i < size + FRAME_HEADER_SIZE; i++) {
		ck_assert(!d->replayed);
		zebra_write(&bytes[i], 1);
		run_ms(5);
	}
	ck_assert(d->replayed);
	/* Half a frame, then the end. */
	zebra_write(bytes, 3);
	close(zebra);
	zebra = -1;
	run();
	ck_assert(!fpm_server_connected(d->fpm));
	end();
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	unsigned int seed = 1;

	begin_running();
	detour(1, OWNER_1);
	for (int round = 0; round < 60; round++) {
		uint8_t bytes[300];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		frame_header_write(bytes, FRAME_PROTOBUF, sizeof(bytes) - FRAME_HEADER_SIZE);
		/* Often a tag of the message, so that something of it decodes. */
		bytes[4] = (uint8_t)((1 + round % 6) << 3 | 2);
		bytes[5] = (uint8_t)(round % 2 ? 0x80 : 20);
		if (round % 2)
			bytes[6] = 2;
		zebra_write(bytes, sizeof(bytes));
		run_ms(2);
		zebra_read();
		if (!fpm_server_connected(d->fpm))
			zebra_connect();
	}
	ck_assert(daemon_running(d));
	ck_assert_uint_ne(pin_of(1), 0);
	end();
}
END_TEST

START_TEST(a_second_fpmd_is_refused_and_does_not_disturb)
{
	struct daemon *second = NULL;
	struct error error;

	begin_running();
	ck_assert_int_eq(daemon_open(base, path, -1, &second, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "listens on"));
	run();
	ck_assert(zebra_read());
	ck_assert(fpm_server_connected(d->fpm));
	ck_assert_uint_eq(fpm_server_counters(d->fpm)->connections, 1);
	ck_assert_int_eq(access(path, F_OK), 0);
	end();
}
END_TEST

START_TEST(a_socket_that_was_left_behind_is_no_obstacle)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct error error;
	int left = socket(AF_UNIX, SOCK_STREAM, 0);

	begin();
	daemon_close(d, KERNEL_KEEP_ALL);
	d = NULL;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(bind(left, (struct sockaddr *)&address, sizeof(address)), 0);
	close(left);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(daemon_open(base, path, -1, &d, &error), 0);
	zebra_connect();
	config_send();
	ck_assert(daemon_running(d));
	end();
}
END_TEST

/* Connects anew, and leaves the last connection as it is. */
static int another_connect(void)
{
	int last = zebra;

	zebra = -1;
	zebra_connect();
	return last;
}

START_TEST(others_may_ask_and_do_not_disturb)
{
	int first;

	begin_running();
	detour(1, OWNER_1);
	first = another_connect();
	show_all();
	ck_assert_uint_eq(fpm_server_counters(d->fpm)->connections, 1);
	close(zebra);
	zebra = first;
	run();
	ck_assert(zebra_read());
	ck_assert(fpm_server_connected(d->fpm));
	show_all();
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(who_sends_a_configuration_replaces_the_last_who_did)
{
	int first;

	begin_running();
	first = another_connect();
	ck_assert_uint_eq(fpm_server_counters(d->fpm)->connections, 1);
	config_send();
	ck_assert_uint_eq(fpm_server_counters(d->fpm)->connections, 2);
	show_all();
	close(zebra);
	zebra = first;
	ck_assert(!zebra_read());
	run();
	ck_assert(!fpm_server_connected(d->fpm));
	ck_assert(daemon_running(d));
	end();
}
END_TEST

START_TEST(those_who_ask_are_bounded_and_zebra_stays)
{
	int others[20], first;

	begin_running();
	first = another_connect();
	others[0] = zebra;
	for (size_t i = 1; i < 20; i++) {
		another_connect();
		others[i] = zebra;
	}
	show_all();
	zebra = others[0];
	ck_assert(!zebra_read());
	for (size_t i = 0; i < 20; i++)
		close(others[i]);
	zebra = first;
	run();
	ck_assert(zebra_read());
	ck_assert(fpm_server_connected(d->fpm));
	show_all();
	end();
}
END_TEST

START_TEST(an_answer_for_who_has_gone_is_dropped)
{
	begin_running();
	fpm_server_show_reply(d->fpm, 0, "nobody");
	fpm_server_show_reply(d->fpm, 99, "nobody");
	run();
	ck_assert(zebra_read());
	show_all();
	end();
}
END_TEST

UNIT_MAIN("fpm_server", show_answers_before_there_is_a_configuration, show_answers_in_text_and_json,
	  bad_frames_end_the_connection_and_a_new_one_works, frames_may_come_byte_by_byte,
	  random_bytes_do_no_harm, a_second_fpmd_is_refused_and_does_not_disturb,
	  a_socket_that_was_left_behind_is_no_obstacle, others_may_ask_and_do_not_disturb,
	  who_sends_a_configuration_replaces_the_last_who_did,
	  those_who_ask_are_bounded_and_zebra_stays, an_answer_for_who_has_gone_is_dropped)
