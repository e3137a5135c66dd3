// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon: its configuration. */
#include "fpmd/log.h"
#include "tests/daemon_rig.h"

START_TEST(it_runs_when_the_configuration_is_complete)
{
	begin();
	config.n_vips = 0;
	config_send();
	ck_assert(!daemon_running(d));
	ck_assert_str_eq(status_text, "no prefix is configured: nothing is changed until it is\n");
	config_good();
	config.n_local_members = 0;
	config_send();
	ck_assert_ptr_nonnull(strstr(status_text, "no local-member"));
	config_good();
	config.directory_key_file = (char *)"";
	config_send();
	ck_assert_ptr_nonnull(strstr(status_text, "no directory key-file"));
	ck_assert(!daemon_running(d));
	config_good();
	config_send();
	ck_assert(daemon_running(d));
	ck_assert(kernel_mock_started());
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

START_TEST(hostile_configuration_is_refused_and_the_last_one_stays)
{
	static char long_path[400];

	begin_running();
	for (int i = 0; i < 9; i++) {
		config_good();
		switch (i) {
		case 0:
			vips[0].length = 24;
			break;
		case 1:
			vips[0].address.len = 3;
			break;
		case 2:
			config.n_vips = 2;
			vip_list[1] = &vips[0];
			break;
		case 3:
			config.mark_stray_bit = 1;
			break;
		case 4:
			config.directory_port = 65536;
			break;
		case 5:
			config.pins_max = 0;
			break;
		case 6:
			local_list[0].data = vip_bytes[0];
			break;
		case 7:
			memset(long_path, 'x', sizeof(long_path) - 1);
			config.directory_key_file = long_path;
			break;
		case 8:
			config.tunnel_port = config.directory_port;
			break;
		}
		config_send();
		ck_assert_msg(strstr(status_text, "configuration refused") != NULL, "%d: %s", i,
			      status_text);
		ck_assert(daemon_running(d));
		ck_assert_uint_eq(kernel_mock_vips(), 1);
	}
	config_good();
	config_send();
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

START_TEST(a_problem_is_tried_again_until_it_is_solved)
{
	begin();
	memory_directory_fail_open("the key file cannot be read");
	config_send();
	ck_assert(!daemon_running(d));
	ck_assert_str_eq(status_text, "the key file cannot be read\n");
	memory_directory_fail_open(NULL);
	kernel_mock_fail_open("no CAP_BPF");
	pass(2100);
	zebra_read();
	ck_assert_str_eq(status_text, "no CAP_BPF\n");
	kernel_mock_fail_open(NULL);
	pass(2100);
	zebra_read();
	ck_assert(daemon_running(d));
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

START_TEST(an_empty_configuration_ends_the_problems_of_the_last)
{
	begin();
	memory_directory_fail_open("the key file cannot be read");
	config_send();
	ck_assert_str_ne(status_text, "");
	config_empty();
	config_send();
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

START_TEST(an_empty_configuration_is_removed_only_after_a_while)
{
	struct timeval due, now;

	begin_running();
	detour(1, OWNER_1);
	config_empty();
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_uint_eq(kernel_mock_pins(), 1);
	ck_assert(evtimer_pending(d->remove_timer, &due));
	gettimeofday(&now, NULL);
	ck_assert_int_ge(due.tv_sec - now.tv_sec, 10);

	/* frr-reload: line by line */
	config_good();
	config.n_vips = 0;
	config_send();
	ck_assert_ptr_nonnull(strstr(status_text, "nothing is changed"));
	ck_assert(!evtimer_pending(d->remove_timer, NULL));
	config_good();
	config_send();
	ck_assert_uint_eq(kernel_mock_pins(), 1);

	config_empty();
	config_send();
	event_active(d->remove_timer, EV_TIMEOUT, 1);
	run();
	ck_assert(!daemon_running(d));
	ck_assert_int_eq(kernel_mock_kept(), KERNEL_KEEP_NOTHING);
	ck_assert_uint_eq(pins_count(&d->pins), 0);

	config_good();
	config_send();
	ck_assert(daemon_running(d));
	member_add(OWNER_1);
	ck_assert_uint_ne(owner_id(OWNER_1), 0);
	end();
}
END_TEST

START_TEST(a_change_that_reopens_keeps_the_pins)
{
	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_2);
	config.tunnel_port = 4791;
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_int_eq(kernel_mock_kept(), KERNEL_KEEP_ALL);
	ck_assert_uint_eq(kernel_mock_options()->tunnel_port, 4791);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(2), owner_id(OWNER_2));

	config.mark_owner_mask = 0xff;
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_uint_eq(d->owners.max, 0xff);
	ck_assert_int_eq(kernel_mock_kept(), KERNEL_KEEP_ALL);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(2), owner_id(OWNER_2));
	end();
}
END_TEST

START_TEST(a_change_of_the_directory_leaves_the_kernel_alone)
{
	static Holdfast__Valkey server;
	struct flow flow = unit_flow(3);
	struct directory_member members[4];
	struct kernel *kernel;

	begin_running();
	kernel = kernel_mock_open();
	detour(1, OWNER_1);
	kernel_mock_session_open(&flow);
	for (int change = 0; change < 6; change++) {
		switch (change) {
		case 0:
			config.directory_port = 8000;
			break;
		case 1:
			config.directory_replicas = 2;
			break;
		case 2:
			config.ring_members = 64;
			break;
		case 3:
			config.record_lifetime_s = 60;
			break;
		case 4:
			server = (Holdfast__Valkey)HOLDFAST__VALKEY__INIT;
			server.host = (char *)"10.0.0.7";
			server.port = 6379;
			server.prefix = (char *)"holdfast";
			config.valkey = &server;
			break;
		case 5:
			config.directory_key_file = (char *)"/etc/frr/other.key";
			/* At the same time: nothing of it may be left out. */
			config.n_vips = 2;
			break;
		}
		config_send();
		ck_assert_str_eq(status_text, "");
		ck_assert_uint_eq(memory_directory_opened(), (unsigned int)change + 2);
		ck_assert_ptr_eq(kernel_mock_open(), kernel);
		ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
		ck_assert(directory_published(d->directory, &flow));
		ck_assert_uint_eq(directory_members(d->directory, members, 4), 3);
		ck_assert_uint_eq(d->vips[0].sessions, 1);
	}
	ck_assert_str_eq(d->running.valkey.host, "10.0.0.7");
	ck_assert_uint_eq(d->vip_count, 2);
	/* What ends is withdrawn, though another directory published it. */
	kernel_mock_session_close(&flow, MOCK_END_GONE);
	run();
	ck_assert(!directory_published(d->directory, &flow));
	ck_assert_uint_eq(d->vips[0].sessions, 0);

	/* Neither the new one nor the last one opens: it is tried again, with the new one. */
	memory_directory_fail_open("no");
	config.valkey = NULL;
	config_send();
	ck_assert(!daemon_running(d));
	ck_assert_int_eq(kernel_mock_kept(), KERNEL_KEEP_ALL);
	memory_directory_fail_open(NULL);
	pass(2100);
	ck_assert(daemon_running(d));
	ck_assert_str_eq(d->running.valkey.host, "");
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(the_server_that_keeps_the_records_is_shown)
{
	struct directory_server server = {.state = "ready", .asked = true, .since_ms_ago = 5000};
	Holdfast__Valkey wire = HOLDFAST__VALKEY__INIT;
	json_object *root, *o;

	begin_running();
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY, false),
				     "engine one-hop, UDP port 7939, 3 replicas"));
	wire.host = (char *)"10.0.0.7";
	wire.port = 6379;
	wire.prefix = (char *)"holdfast";
	config.valkey = &wire;
	config_send();
	memory_directory_server(d->directory, &server);
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY, false),
				     "server 10.0.0.7 port 6379: ready since"));
	ck_assert_ptr_null(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY, false), "%"));
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY, false),
				     "node 10.0.0.8 port 6380: primary, ready, 16384 slots"));
	server.state = "unreachable";
	server.asked = false;
	server.error_ms_ago = 1000;
	strcpy(server.error, "10.0.0.7 port 6379: Connection refused");
	memory_directory_server(d->directory, &server);
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY, false),
				     "look-ups ask all members"));
	ck_assert_ptr_nonnull(strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY, false),
				     "ago: 10.0.0.7 port 6379: Connection refused"));
	root = show_json(HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY);
	ck_assert(json_object_object_get_ex(root, "engine", &o));
	ck_assert_str_eq(json_object_get_string(o), "valkey");
	ck_assert(json_object_object_get_ex(root, "server", &o));
	ck_assert(json_object_object_get_ex(o, "asked", &o));
	ck_assert(!json_object_get_boolean(o));
	json_object_put(root);
	end();
}
END_TEST

START_TEST(a_smaller_pin_table_loses_pins_but_not_the_service)
{
	begin_running();
	for (uint16_t port = 1; port <= 5; port++)
		detour(port, OWNER_1);
	config.pins_max = 3;
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_str_eq(status_text, "");
	ck_assert_uint_eq(kernel_mock_pins(), 3);
	ck_assert_uint_eq(pins_count(&d->pins), 3);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 3);
	end();
}
END_TEST

START_TEST(a_change_that_cannot_work_closes_nothing)
{
	struct kernel *kernel;

	begin_running();
	kernel = kernel_mock_open();
	memory_directory_fail_check("the key file cannot be read");
	config.directory_port = 8000;
	config_send();
	ck_assert_ptr_nonnull(strstr(status_text, "not in effect"));
	ck_assert_ptr_eq(kernel_mock_open(), kernel);
	ck_assert(daemon_running(d));
	detour(1, OWNER_1);
	memory_directory_fail_check(NULL);
	config_send();
	ck_assert_str_eq(status_text, "");
	ck_assert_uint_eq(d->running.directory_port, 8000);
	end();
}
END_TEST

START_TEST(a_change_that_fails_leaves_the_last_one_in_effect)
{
	begin_running();
	detour(1, OWNER_1);
	memory_directory_fail_once("the key file cannot be read");
	config.directory_key_file = (char *)"/nonexistent";
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_ptr_nonnull(strstr(status_text, "the key file cannot be read"));
	ck_assert_str_eq(d->running.key_file, "/etc/frr/holdfast.key");
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	config_send();
	ck_assert_str_eq(d->running.key_file, "/nonexistent");
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

START_TEST(a_kernel_that_cannot_be_put_right_is_told)
{
	begin_running();
	kernel_mock_problem("up0: no");
	run();
	zebra_read();
	ck_assert_ptr_nonnull(strstr(status_text, "cannot be put right: up0: no"));
	ck_assert(daemon_running(d));
	kernel_mock_problem(NULL);
	run();
	zebra_read();
	ck_assert_str_eq(status_text, "");
	end();
}
END_TEST

START_TEST(debug_lines_are_told_to_zebra_but_not_a_flood)
{
	begin_running();
	log_debug(TOPIC_STRAYS, "nobody wants it");
	run();
	zebra_read();
	ck_assert_uint_eq(log_lines, 0);
	config.debug = TOPIC_STRAYS;
	config_send();
	log_debug(TOPIC_STRAYS, "strays: %d", 1);
	log_debug(TOPIC_KERNEL, "not this one");
	log_info("nor this one");
	run();
	zebra_read();
	ck_assert_uint_eq(log_lines, 1);
	ck_assert_str_eq(log_line, "strays: 1");
	pass(1100);
	for (int i = 0; i < 300; i++)
		log_debug(TOPIC_STRAYS, "strays: %d", i);
	run();
	zebra_read();
	ck_assert_uint_eq(log_lines, 1 + 200);
	ck_assert_str_eq(log_line, "strays: 199");
	pass(1100);
	log_debug(TOPIC_STRAYS, "strays: on");
	run();
	zebra_read();
	ck_assert_uint_eq(log_lines, 1 + 200 + 2);
	ck_assert_str_eq(log_line, "strays: on");
	end();
}
END_TEST

UNIT_MAIN("daemon", debug_lines_are_told_to_zebra_but_not_a_flood,
	  it_runs_when_the_configuration_is_complete, a_kernel_that_cannot_be_put_right_is_told,
	  hostile_configuration_is_refused_and_the_last_one_stays,
	  a_problem_is_tried_again_until_it_is_solved,
	  an_empty_configuration_ends_the_problems_of_the_last,
	  an_empty_configuration_is_removed_only_after_a_while,
	  a_change_that_reopens_keeps_the_pins, a_change_of_the_directory_leaves_the_kernel_alone,
	  the_server_that_keeps_the_records_is_shown,
	  a_smaller_pin_table_loses_pins_but_not_the_service,
	  a_change_that_cannot_work_closes_nothing,
	  a_change_that_fails_leaves_the_last_one_in_effect)
