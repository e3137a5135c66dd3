// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole daemon without a network: zebra's side of the FPM socket is here, kernel and directory
 * are those in memory. Time goes on as the test says (clock_gettime is wrapped), but for libevent's
 * timers.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fpm/frame.h"
#include "fpmd/daemon.h"
#include "fpmd/log.h"
#include "tests/kernel_mock.h"
#include "tests/memory_directory.h"
#include "tests/unit.h"

#define OWNER_1 "10.255.0.1"
#define OWNER_2 "10.255.0.2"
#define LOCAL "10.255.0.3"
#define VIP "192.0.2.80"
#define VIP_2 "192.0.2.81"

static struct event_base *base;
static struct daemon *d;
static char folder[] = "/tmp/test_daemon.XXXXXX", path[64];
static int zebra = -1;
static uint64_t later_ms;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int status = __real_clock_gettime(clock, now);

	now->tv_sec += (time_t)(later_ms / 1000);
	now->tv_nsec += (long)(later_ms % 1000) * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_sec++;
		now->tv_nsec -= 1000000000;
	}
	return status;
}

/* The loop runs for a moment. */
static void run_ms(unsigned int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	ck_assert_int_eq(event_base_loopexit(base, &wait), 0);
	ck_assert_int_ge(event_base_dispatch(base), 0);
}

static void run(void)
{
	run_ms(40);
}

/* Time passes, and two ticks. */
static void pass(uint64_t ms)
{
	later_ms += ms;
	run_ms(120);
}

/* -- zebra -- */

static char reply[4 << 20];
static size_t reply_size;
static bool reply_complete;
static char status_text[4096]; /* the problems of the last one, a line each */
static unsigned int statuses;
static uint8_t received[256 << 10];
static size_t received_size;

static void take(const struct frame *frame)
{
	Holdfast__Frame *message =
		holdfast__frame__unpack(NULL, frame->payload_size, frame->payload);

	ck_assert_ptr_nonnull(message);
	if (message->body_case == HOLDFAST__FRAME__BODY_STATUS) {
		statuses++;
		status_text[0] = '\0';
		for (size_t i = 0; i < message->status->n_problems; i++) {
			strcat(status_text, message->status->problems[i]);
			strcat(status_text, "\n");
		}
	} else {
		size_t size = strlen(message->show_reply->text);

		ck_assert_int_eq(message->body_case, HOLDFAST__FRAME__BODY_SHOW_REPLY);
		ck_assert_uint_eq(message->show_reply->id, 7);
		ck_assert_uint_lt(reply_size + size, sizeof(reply));
		memcpy(reply + reply_size, message->show_reply->text, size + 1);
		reply_size += size;
		reply_complete = message->show_reply->last;
	}
	holdfast__frame__free_unpacked(message, NULL);
}

/* False: fpmd closed the connection. */
static bool zebra_read(void)
{
	for (;;) {
		ssize_t size = recv(zebra, received + received_size,
				    sizeof(received) - received_size, MSG_DONTWAIT);
		struct frame frame;
		size_t used = 0;

		if (size <= 0)
			return size < 0 && errno == EAGAIN;
		received_size += (size_t)size;
		while (frame_parse(received + used, received_size - used, &frame) ==
		       FRAME_COMPLETE) {
			take(&frame);
			used += frame.size;
		}
		memmove(received, received + used, received_size - used);
		received_size -= used;
	}
}

static void zebra_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (zebra >= 0)
		close(zebra);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	zebra = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(zebra, (struct sockaddr *)&address, sizeof(address)), 0);
	received_size = 0;
	run();
}

static void zebra_write(const void *bytes, size_t size)
{
	ck_assert_int_eq(send(zebra, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void zebra_send(const Holdfast__Frame *message)
{
	uint8_t bytes[4096];
	size_t size = holdfast__frame__get_packed_size(message);

	ck_assert_uint_lt(size + FRAME_HEADER_SIZE, sizeof(bytes));
	ck_assert_int_eq(frame_header_write(bytes, FRAME_PROTOBUF, size), 0);
	holdfast__frame__pack(message, bytes + FRAME_HEADER_SIZE);
	zebra_write(bytes, size + FRAME_HEADER_SIZE);
}

static uint8_t vip_bytes[2][4] = {{192, 0, 2, 80}, {192, 0, 2, 81}},
	       range_bytes[4] = {10, 255, 0, 0}, local_bytes[4] = {10, 255, 0, 3};
static Holdfast__Prefix vips[2], range, *vip_list[2], *range_list[1];
static ProtobufCBinaryData local_list[1];
static Holdfast__Config config;

static void prefix_set(Holdfast__Prefix *prefix, uint8_t *bytes, uint32_t length)
{
	*prefix = (Holdfast__Prefix)HOLDFAST__PREFIX__INIT;
	prefix->address.data = bytes;
	prefix->address.len = 4;
	prefix->length = length;
}

static void config_good(void)
{
	prefix_set(&vips[0], vip_bytes[0], 32);
	prefix_set(&vips[1], vip_bytes[1], 32);
	prefix_set(&range, range_bytes, 24);
	vip_list[0] = &vips[0];
	vip_list[1] = &vips[1];
	range_list[0] = &range;
	local_list[0].data = local_bytes;
	local_list[0].len = 4;
	config = (Holdfast__Config)HOLDFAST__CONFIG__INIT;
	config.n_vips = 1;
	config.vips = vip_list;
	config.n_member_ranges = 1;
	config.member_ranges = range_list;
	config.n_local_members = 1;
	config.local_members = local_list;
	config.directory_key_file = (char *)"/etc/frr/holdfast.key";
	config.directory_port = 7939;
	config.directory_replicas = 3;
	config.tunnel_port = 4790;
	config.tunnel_vni = 77;
	config.mark_owner_mask = 0xfff;
	config.mark_stray_bit = 0x80000000;
	config.mark_tunnel_bit = 0x40000000;
	config.queue = 7939;
	config.record_lifetime_s = 600;
	config.pin_check_s = 60;
	config.pins_max = 1000;
}

static void config_empty(void)
{
	config.n_vips = config.n_member_ranges = config.n_local_members = 0;
	config.directory_key_file = (char *)"";
}

static void config_send(void)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	frame.body_case = HOLDFAST__FRAME__BODY_CONFIG;
	frame.config = &config;
	zebra_send(&frame);
	run();
	zebra_read();
}

/* Through *count* next hops: 10.0.0.1 on eth0, 10.0.0.2 on eth1 ... */
static void route_send_by(const char *address, unsigned int count)
{
	struct in6_addr mapped = unit_address(address);
	uint32_t bytes = address_to_ipv4(&mapped);
	uint8_t gateways[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
	Holdfast__Prefix prefix;
	Holdfast__NextHop hop[2], *hops[2] = {&hop[0], &hop[1]};
	Holdfast__Route route = HOLDFAST__ROUTE__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	prefix_set(&prefix, (uint8_t *)&bytes, 32);
	for (unsigned int i = 0; i < 2; i++) {
		holdfast__next_hop__init(&hop[i]);
		hop[i].gateway.data = gateways[i];
		hop[i].gateway.len = 4;
		hop[i].interface = (char *)(i ? "eth1" : "eth0");
		hop[i].weight = 1;
	}
	route.prefix = &prefix;
	route.next_hops = hops;
	route.n_next_hops = count;
	frame.body_case = HOLDFAST__FRAME__BODY_ROUTE;
	frame.route = &route;
	zebra_send(&frame);
}

static void route_send(const char *address, bool there)
{
	route_send_by(address, there);
}

static void replay_end_send(void)
{
	Holdfast__ReplayEnd end = HOLDFAST__REPLAY_END__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	frame.body_case = HOLDFAST__FRAME__BODY_REPLAY_END;
	frame.replay_end = &end;
	zebra_send(&frame);
	run();
}

static const char *show(uint32_t topic, bool json)
{
	Holdfast__ShowRequest request = HOLDFAST__SHOW_REQUEST__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	request.id = 7;
	request.topic = (Holdfast__ShowRequest__Topic)topic;
	request.json = json;
	frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REQUEST;
	frame.show_request = &request;
	zebra_send(&frame);
	reply_size = 0;
	reply_complete = false;
	for (int i = 0; i < 100 && !reply_complete; i++) {
		run_ms(5);
		ck_assert(zebra_read());
	}
	ck_assert(reply_complete);
	return reply;
}

static json_object *show_json(uint32_t topic)
{
	json_object *root = json_tokener_parse(show(topic, true));

	ck_assert_ptr_nonnull(root);
	return root;
}

/* -- the host -- */

static void begin(void)
{
	struct in6_addr vip = unit_address(VIP);
	struct error error;

	log_open(true);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fpmd.sock", folder);
	base = event_base_new();
	kernel_mock_reset();
	memory_directory_fail_open(NULL);
	kernel_mock_address(&vip, true);
	config_good();
	ck_assert_int_eq(daemon_open(base, path, &d, &error), 0);
	zebra_connect();
}

static void end(void)
{
	if (d)
		daemon_close(d, KERNEL_KEEP_ALL);
	if (zebra >= 0)
		close(zebra);
	event_base_free(base);
	kernel_mock_reset();
	unlink(path);
	rmdir(folder);
}

static void member_add(const char *text)
{
	struct in6_addr address = unit_address(text);

	route_send(text, true);
	run();
	memory_directory_member(d->directory, &address, MEMBER_IN_RING, 5);
	run();
}

/* Running, with two members. */
static void begin_running(void)
{
	begin();
	config_send();
	replay_end_send();
	ck_assert(daemon_running(d));
	member_add(OWNER_1);
	member_add(OWNER_2);
}

static uint16_t owner_id(const char *text)
{
	struct in6_addr address = unit_address(text);

	return owner_find(&d->owners, &address);
}

static void answer(uint16_t port, enum directory_answer what, const char *owner)
{
	struct in6_addr address = unit_address(owner ? owner : OWNER_1);
	struct flow flow = unit_flow(port);

	memory_directory_answer(d->directory, &flow, what, owner ? &address : NULL);
}

static uint32_t stray(uint16_t port)
{
	struct flow flow = unit_flow(port);
	uint32_t id = kernel_mock_stray(&flow);

	ck_assert_uint_ne(id, 0);
	return id;
}

static uint16_t pin_of(uint16_t port)
{
	struct flow flow = unit_flow(port);
	struct pin *pin = pin_find(&d->pins, &flow);

	ck_assert_uint_eq(pin ? pin->owner : 0, kernel_mock_pin(&flow));
	return kernel_mock_pin(&flow);
}

static void expect(uint32_t id, enum kernel_verdict wanted, uint16_t wanted_owner)
{
	enum kernel_verdict verdict;
	uint16_t owner;

	ck_assert(kernel_mock_verdict(id, &verdict, &owner));
	ck_assert_int_eq(verdict, wanted);
	if (wanted == KERNEL_DETOUR)
		ck_assert_uint_eq(owner, wanted_owner);
}

/* A flow with a pin to *owner*. */
static void detour(uint16_t port, const char *owner)
{
	uint32_t id;

	answer(port, DIRECTORY_FOUND, owner);
	id = stray(port);
	run();
	expect(id, KERNEL_DETOUR, owner_id(owner));
	ck_assert_uint_eq(pin_of(port), owner_id(owner));
}

/* -- configuration -- */

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
	config.directory_port = 8000;
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_int_eq(kernel_mock_kept(), KERNEL_KEEP_ALL);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));

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

/* -- VIPs -- */

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
	ck_assert_str_eq(status_text, "prefix 192.0.2.80 is not served: a DNAT rule\n");
	ck_assert(!kernel_mock_vip(&vip));
	kernel_mock_translate(&vip, NULL);
	pass(31000);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	ck_assert(kernel_mock_vip(&vip));
	end();
}
END_TEST

/* -- members -- */

START_TEST(what_a_replay_does_not_confirm_is_gone)
{
	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_2);
	zebra_connect();
	ck_assert_uint_eq(kernel_mock_pins(), 2);
	config_send();
	route_send(OWNER_2, true);
	run();
	ck_assert_uint_eq(kernel_mock_pins(), 2);
	replay_end_send();
	ck_assert_uint_eq(owner_id(OWNER_1), 0);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(pin_of(2), owner_id(OWNER_2));
	ck_assert(!kernel_mock_owner(1, NULL) || owner_id(OWNER_2) == 1);
	ck_assert_uint_eq(d->counters.pins_owner_gone, 1);
	end();
}
END_TEST

START_TEST(a_replay_that_breaks_off_takes_nothing)
{
	begin_running();
	detour(1, OWNER_1);
	zebra_connect();
	route_send(OWNER_2, true);
	close(zebra);
	zebra = -1;
	run();
	zebra_connect();
	route_send(OWNER_1, true);
	route_send(OWNER_2, true);
	replay_end_send();
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	end();
}
END_TEST

START_TEST(when_all_are_gone_this_host_is_the_isolated_one)
{
	begin_running();
	detour(1, OWNER_1);
	route_send(OWNER_1, false);
	route_send(OWNER_2, false);
	run();
	ck_assert(d->reach.isolated);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	ck_assert_uint_eq(d->counters.isolations, 1);
	ck_assert_ptr_nonnull(
		strstr(show(HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS, false), "cut off"));

	/* One is back, the other one never. */
	route_send(OWNER_2, true);
	run();
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	pass(REACH_RETURN_MS + 1);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(owner_id(OWNER_1), 0);
	end();
}
END_TEST

START_TEST(the_pins_of_a_member_that_is_gone_go_at_once)
{
	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_2);
	route_send(OWNER_1, false);
	run();
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_ne(pin_of(2), 0);
	ck_assert_uint_eq(owner_id(OWNER_1), 0);
	end();
}
END_TEST

START_TEST(an_owner_that_goes_between_answer_and_verdict_gets_nothing)
{
	struct in6_addr owner = unit_address(OWNER_1);
	uint32_t id;

	begin_running();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	id = stray(1);
	run();
	/* The answer is there, its pin is not yet. */
	memory_directory_release(d->directory);
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	if (!kernel_mock_verdict(id, NULL, NULL)) {
		rescue_owner_gone(d, owner_find(&d->owners, &owner));
		run();
		expect(id, KERNEL_DROP, 0);
	}
	ck_assert_uint_eq(d->decision_count, 0);
	end();
}
END_TEST

/* -- strays -- */

START_TEST(the_pin_is_there_before_the_verdict)
{
	struct flow flow = unit_flow(1);
	uint32_t first, second, third;
	uint16_t owner;

	begin_running();
	owner = owner_id(OWNER_1);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	first = stray(1);
	second = stray(1);
	run();
	ck_assert(!kernel_mock_verdict(first, NULL, NULL));
	ck_assert_uint_eq(kernel_mock_pin(&flow), 0);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 1);
	memory_directory_release(d->directory);
	run();
	expect(first, KERNEL_DETOUR, owner);
	expect(second, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(pin_of(1), owner);
	/* One that was queued before the pin was there. */
	third = stray(1);
	expect(third, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 1);
	ck_assert_uint_eq(kernel_mock_held(), 0);
	ck_assert_uint_eq(d->counters.segments_detoured, 3);
	ck_assert_uint_eq(d->counters.detours, 1);
	end();
}
END_TEST

/* It ends the session: a pin would never be used. */
START_TEST(a_reset_is_sent_on_without_a_pin)
{
	struct flow flow = unit_flow(1);
	uint32_t first, second;
	uint16_t owner;

	begin_running();
	owner = owner_id(OWNER_1);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	first = kernel_mock_stray_reset(&flow);
	run();
	expect(first, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(d->counters.detours, 0);
	/* Not if anything else is held with it. */
	memory_directory_hold(d->directory);
	first = kernel_mock_stray_reset(&flow);
	second = stray(1);
	memory_directory_release(d->directory);
	run();
	expect(first, KERNEL_DETOUR, owner);
	expect(second, KERNEL_DETOUR, owner);
	ck_assert_uint_eq(pin_of(1), owner);
	end();
}
END_TEST

/* A stray of an owner's session that came in by *interface*. */
static void stray_by(uint16_t port, const char *owner, const char *interface)
{
	struct flow flow = unit_flow(port);

	answer(port, DIRECTORY_FOUND, owner);
	ck_assert_uint_ne(kernel_mock_stray_by(&flow, interface), 0);
	run();
	ck_assert_uint_eq(pin_of(port), owner_id(owner));
}

static void expect_way(const char *owner, const char *interface, unsigned int changes)
{
	struct mock_way way = kernel_mock_way(owner_id(owner));

	ck_assert_str_eq(way.interface, interface);
	ck_assert_uint_eq(way.changes, changes);
}

START_TEST(detours_do_not_go_back_where_the_stray_came_from)
{
	struct in6_addr gateway = unit_address("10.0.0.2");
	struct mock_way way;

	begin_running();
	stray_by(1, OWNER_1, "eth0");
	expect_way(OWNER_1, "", 0); /* there is only one next hop */
	route_send_by(OWNER_1, 2);
	run();
	stray_by(2, OWNER_1, "eth0");
	expect_way(OWNER_1, "eth1", 1);
	way = kernel_mock_way(owner_id(OWNER_1));
	ck_assert(address_equal(&way.gateway, &gateway));
	stray_by(3, OWNER_1, "eth0");
	expect_way(OWNER_1, "eth1", 1);
	expect_way(OWNER_2, "", 0);
	/* Time ends it, if the routing protocol has nothing to say. */
	pass(STEER_MS - 1000);
	expect_way(OWNER_1, "eth1", 1);
	pass(2000);
	expect_way(OWNER_1, "", 2);
	/* Strays from everywhere: nobody is to blame. */
	stray_by(4, OWNER_1, "eth1");
	expect_way(OWNER_1, "eth0", 3);
	stray_by(5, OWNER_1, "eth0");
	expect_way(OWNER_1, "", 4);
	pass(STEER_MS + 1000);
	expect_way(OWNER_1, "", 4);
	/* A change of the route ends it at once, the same route told again does not. */
	stray_by(6, OWNER_1, "eth0");
	route_send_by(OWNER_1, 2);
	run();
	expect_way(OWNER_1, "eth1", 5);
	route_send_by(OWNER_1, 1);
	run();
	expect_way(OWNER_1, "", 6);
	ck_assert_uint_eq(d->counters.detours_steered, 3);
	end();
}
END_TEST

START_TEST(a_way_that_the_kernel_refuses_does_not_stop_the_detour)
{
	begin_running();
	route_send_by(OWNER_1, 2);
	run();
	kernel_mock_fail_owners("no such device");
	stray_by(1, OWNER_1, "eth0");
	stray_by(2, OWNER_1, "eth0");
	expect_way(OWNER_1, "", 0);
	ck_assert_uint_eq(d->counters.detours_steered, 0);
	kernel_mock_fail_owners(NULL);
	end();
}
END_TEST

START_TEST(a_pin_that_the_kernel_refuses_does_not_stop_the_segment)
{
	uint32_t id;

	begin_running();
	kernel_mock_fail_pins(-ENFILE);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	id = stray(1);
	run();
	expect(id, KERNEL_DETOUR, owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(d->counters.pins_failed, 1);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 0);
	kernel_mock_fail_pins(0);
	detour(1, OWNER_1);
	end();
}
END_TEST

START_TEST(when_the_table_is_full_segments_still_go_to_their_owner)
{
	struct in6_addr member = unit_address(OWNER_1);
	struct flow flow;
	uint32_t id;

	begin();
	config.pins_max = 4;
	config_send();
	replay_end_send();
	member_add(OWNER_1);
	for (uint16_t port = 1; port <= 4; port++)
		detour(port, OWNER_1);
	answer(5, DIRECTORY_FOUND, OWNER_1);
	for (int i = 0; i < 3; i++) {
		id = stray(5);
		run();
		expect(id, KERNEL_DETOUR, owner_id(OWNER_1));
		ck_assert_uint_eq(pin_of(5), 0);
	}
	zebra_read();
	ck_assert_ptr_nonnull(strstr(status_text, "the table is full"));
	for (uint16_t port = 1; port <= 3; port++) {
		flow = unit_flow(port);
		memory_directory_refused(d->directory, &member, &flow);
	}
	pass(0);
	zebra_read();
	ck_assert_str_eq(status_text, "");
	detour(5, OWNER_1);
	end();
}
END_TEST

START_TEST(every_answer_has_its_verdict)
{
	uint32_t absent, timed_out, self, unknown;

	begin_running();
	answer(1, DIRECTORY_ABSENT, NULL);
	answer(2, DIRECTORY_TIMED_OUT, NULL);
	answer(3, DIRECTORY_FOUND, LOCAL);
	answer(4, DIRECTORY_FOUND, "10.255.0.99");
	absent = stray(1);
	timed_out = stray(2);
	self = stray(3);
	unknown = stray(4);
	run();
	expect(absent, KERNEL_LOCAL, 0);
	expect(timed_out, KERNEL_DROP, 0);
	expect(self, KERNEL_LOCAL, 0);
	expect(unknown, KERNEL_LOCAL, 0);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	ck_assert_uint_eq(strays_count(&d->strays), 1);
	ck_assert_uint_eq(d->counters.lookups_absent, 1);
	ck_assert_uint_eq(d->counters.lookups_timed_out, 1);
	ck_assert_uint_eq(d->counters.lookups_found, 2);
	end();
}
END_TEST

START_TEST(sessions_of_a_member_lost_just_now_are_in_doubt)
{
	uint32_t id;

	begin_running();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	route_send(OWNER_1, false);
	run();
	id = stray(1);
	run();
	expect(id, KERNEL_DROP, 0);
	pass(REACH_DOUBT_MS);
	id = stray(1);
	run();
	expect(id, KERNEL_LOCAL, 0);
	end();
}
END_TEST

START_TEST(before_the_first_replay_ended_nobody_is_gone)
{
	uint32_t id;

	begin();
	config_send();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	answer(2, DIRECTORY_ABSENT, NULL);
	id = stray(1);
	run();
	expect(id, KERNEL_DROP, 0);
	/* Those who were asked are not all there are. */
	id = stray(2);
	run();
	expect(id, KERNEL_DROP, 0);
	replay_end_send();
	id = stray(2);
	run();
	expect(id, KERNEL_LOCAL, 0);
	end();
}
END_TEST

START_TEST(a_flow_without_an_answer_asks_less_and_less)
{
	unsigned int gets;

	begin_running();
	answer(1, DIRECTORY_TIMED_OUT, NULL);
	stray(1);
	run();
	pass(STRAY_ASK_MS + 1);
	gets = memory_directory_gets(d->directory);
	stray(1);
	run();
	expect(stray(1), KERNEL_DROP, 0);
	ck_assert_uint_eq(memory_directory_gets(d->directory), gets + 1);
	pass(STRAY_FORGET_MS);
	ck_assert_uint_eq(strays_count(&d->strays), 0);
	end();
}
END_TEST

START_TEST(too_many_segments_of_a_flow_are_dropped)
{
	uint32_t id = 0;

	begin_running();
	memory_directory_hold(d->directory);
	for (int i = 0; i < STRAY_SEGMENTS_MAX; i++)
		id = stray(1);
	ck_assert(!kernel_mock_verdict(id, NULL, NULL));
	expect(stray(1), KERNEL_DROP, 0);
	ck_assert_uint_eq(kernel_mock_held(), STRAY_SEGMENTS_MAX);
	/* Questions under way when the daemon stops: no answer comes, nothing leaks. */
	end();
}
END_TEST

START_TEST(many_answers_at_once_all_get_their_verdict)
{
	enum kernel_verdict verdict;
	uint32_t first = 0, id = 0;

	begin_running();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	memory_directory_hold(d->directory);
	for (uint16_t port = 1; port <= 3 * DECISIONS_MAX; port++) {
		id = stray(port);
		first = first ? first : id;
	}
	memory_directory_release(d->directory);
	run_ms(200);
	ck_assert_uint_eq(kernel_mock_held(), 0);
	for (uint32_t i = first; i <= id; i++) {
		ck_assert(kernel_mock_verdict(i, &verdict, NULL));
		ck_assert_int_eq(verdict, i == first ? KERNEL_DETOUR : KERNEL_LOCAL);
	}
	end();
}
END_TEST

START_TEST(a_stray_of_a_foreign_address_is_dropped)
{
	struct flow flow = unit_flow(1);

	begin_running();
	flow.vip = unit_address(VIP_2);
	expect(kernel_mock_stray(&flow), KERNEL_DROP, 0);
	ck_assert_uint_eq(d->counters.strays_unexpected, 1);
	ck_assert_uint_eq(memory_directory_gets(d->directory), 0);
	end();
}
END_TEST

/* -- through the tunnel -- */

START_TEST(a_tunnelled_stray_is_refused_and_never_sent_on)
{
	struct in6_addr member;
	struct flow flow = unit_flow(1), refused;
	uint16_t sender;
	uint32_t id;

	begin_running();
	sender = owner_id(OWNER_2);
	answer(1, DIRECTORY_FOUND, OWNER_1);
	id = kernel_mock_stray_tunnelled(&flow, sender);
	run();
	expect(id, KERNEL_DROP, 0);
	ck_assert_uint_eq(memory_directory_refusals(d->directory, &member, &refused), 1);
	ck_assert(flow_equal(&refused, &flow));
	ck_assert_uint_eq(owner_find(&d->owners, &member), sender);

	answer(1, DIRECTORY_ABSENT, NULL);
	id = kernel_mock_stray_tunnelled(&flow, sender);
	run();
	expect(id, KERNEL_LOCAL, 0);
	/* Of a sender that is not known any more, and one that cannot be. */
	kernel_mock_stray_tunnelled(&flow, KERNEL_OWNER_NONE);
	kernel_mock_stray_tunnelled(&flow, 77);
	kernel_mock_stray_tunnelled(&flow, 65535);
	run();
	ck_assert_uint_eq(memory_directory_refusals(d->directory, NULL, NULL), 2);
	ck_assert_uint_eq(kernel_mock_pins(), 0);
	end();
}
END_TEST

START_TEST(a_tunnelled_stray_does_not_follow_a_pin)
{
	struct flow flow = unit_flow(1);
	uint32_t id;

	begin_running();
	detour(1, OWNER_1);
	id = kernel_mock_stray_tunnelled(&flow, owner_id(OWNER_2));
	run();
	expect(id, KERNEL_DROP, 0);
	end();
}
END_TEST

START_TEST(a_refusal_ends_the_pin_of_that_owner_only)
{
	struct in6_addr first = unit_address(OWNER_1), second = unit_address(OWNER_2);
	struct flow flow = unit_flow(1);

	begin_running();
	detour(1, OWNER_1);
	memory_directory_refused(d->directory, &second, &flow);
	ck_assert_uint_ne(pin_of(1), 0);
	memory_directory_refused(d->directory, &first, &flow);
	ck_assert_uint_eq(pin_of(1), 0);
	memory_directory_refused(d->directory, &first, &flow);
	ck_assert_uint_eq(d->counters.pins_refused, 1);
	ck_assert_uint_eq(d->counters.refusals_received, 3);
	end();
}
END_TEST

/* -- pins -- */

START_TEST(an_accepted_connection_ends_the_pin)
{
	struct flow flow = unit_flow(1);

	begin_running();
	detour(1, OWNER_1);
	kernel_mock_session_open(&flow);
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(d->counters.pins_accepted, 1);
	end();
}
END_TEST

START_TEST(pins_are_checked)
{
	begin_running();
	detour(1, OWNER_1);
	detour(2, OWNER_1);
	detour(3, OWNER_1);
	detour(4, OWNER_1);
	detour(5, OWNER_1);
	answer(2, DIRECTORY_FOUND, OWNER_2);
	answer(3, DIRECTORY_ABSENT, NULL);
	answer(4, DIRECTORY_TIMED_OUT, NULL);
	answer(5, DIRECTORY_FOUND, LOCAL);
	pass(59000);
	ck_assert_uint_eq(d->counters.pin_checks, 0);
	pass(1100);
	ck_assert_uint_eq(d->counters.pin_checks, 5);
	ck_assert_uint_eq(pin_of(1), owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(2), owner_id(OWNER_2));
	ck_assert_uint_eq(pin_of(3), 0);
	ck_assert_uint_eq(pin_of(4), owner_id(OWNER_1));
	ck_assert_uint_eq(pin_of(5), 0);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_1)].pins, 2);
	ck_assert_uint_eq(d->owners.table[owner_id(OWNER_2)].pins, 1);
	ck_assert_uint_eq(d->counters.pins_moved, 1);
	ck_assert_uint_eq(d->counters.pins_ended, 2);
	end();
}
END_TEST

START_TEST(a_pin_that_goes_while_it_is_checked)
{
	struct flow flow = unit_flow(1);

	begin_running();
	detour(1, OWNER_1);
	memory_directory_hold(d->directory);
	pass(60100);
	ck_assert_uint_eq(d->counters.pin_checks, 1);
	kernel_mock_session_open(&flow);
	ck_assert_uint_eq(pin_of(1), 0);
	memory_directory_release(d->directory);
	run();
	ck_assert_uint_eq(pins_count(&d->pins), 0);
	end();
}
END_TEST

START_TEST(pins_and_owners_are_taken_over)
{
	struct in6_addr owner = unit_address(OWNER_1), other = unit_address("10.255.0.9");
	struct flow first = unit_flow(1), second = unit_flow(2);
	uint32_t id;

	begin();
	kernel_mock_owner_put(4, &owner);
	kernel_mock_owner_put(9, &other);
	kernel_mock_pin_put(&first, 4);
	kernel_mock_pin_put(&second, 9);
	config_send();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	answer(2, DIRECTORY_TIMED_OUT, NULL);
	ck_assert_uint_eq(owner_id(OWNER_1), 4);
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 9);
	ck_assert_uint_eq(d->counters.pins_taken_over, 2);
	/* Before the replay ended a stray goes to an owner that was found. */
	answer(3, DIRECTORY_FOUND, OWNER_1);
	id = stray(3);
	run();
	expect(id, KERNEL_DETOUR, 4);
	/* The replay says who is there: one by one, so no member is given up at once. */
	replay_end_send();
	ck_assert_uint_eq(pin_of(2), 9);
	route_send(OWNER_1, true);
	run();
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 9);
	ck_assert(!d->reach.isolated);
	pass(REACH_RETURN_MS + 1);
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 0);
	ck_assert(!kernel_mock_owner(9, NULL));
	end();
}
END_TEST

/* What ended while fpmd was away was told to nobody. */
START_TEST(pins_that_were_taken_over_are_checked_at_once)
{
	struct in6_addr owner = unit_address(OWNER_1), mute = unit_address(OWNER_2);
	struct flow flow;

	begin();
	kernel_mock_owner_put(4, &owner);
	kernel_mock_owner_put(5, &mute);
	for (uint16_t port = 1; port <= 4; port++) {
		flow = unit_flow(port);
		kernel_mock_pin_put(&flow, port == 4 ? 5 : 4);
	}
	config_send();
	answer(1, DIRECTORY_FOUND, OWNER_1);
	answer(2, DIRECTORY_ABSENT, NULL);
	answer(3, DIRECTORY_TIMED_OUT, NULL);
	answer(4, DIRECTORY_ABSENT, NULL);
	member_add(OWNER_1);
	route_send(OWNER_2, true); /* no fpmd there: it could not speak for its sessions */
	run();
	ck_assert_uint_eq(d->counters.pin_checks, 0);
	replay_end_send();
	pass(0);
	ck_assert_uint_eq(d->counters.pin_checks, 4);
	ck_assert_uint_eq(pin_of(1), 4);
	ck_assert_uint_eq(pin_of(2), 0);
	ck_assert_uint_eq(pin_of(3), 4);
	ck_assert_uint_eq(pin_of(4), 5);
	answer(3, DIRECTORY_ABSENT, NULL);
	pass(PIN_RETRY_MS);
	ck_assert_uint_eq(d->counters.pin_checks, 5);
	ck_assert_uint_eq(pin_of(3), 0);
	end();
}
END_TEST

START_TEST(an_owner_found_late_does_not_cut_this_host_off)
{
	struct in6_addr other = unit_address("10.255.0.9");

	begin();
	kernel_mock_owner_put(9, &other);
	memory_directory_fail_open("the key file cannot be read");
	config_send();
	route_send(OWNER_1, true);
	replay_end_send();
	memory_directory_fail_open(NULL);
	pass(2100);
	ck_assert(daemon_running(d));
	ck_assert(!d->reach.isolated);
	ck_assert_uint_eq(owner_id("10.255.0.9"), 9);
	pass(REACH_RETURN_MS + 1);
	ck_assert_uint_eq(owner_id("10.255.0.9"), 0);
	end();
}
END_TEST

START_TEST(pins_that_cannot_be_taken_over_are_removed)
{
	struct in6_addr owner = unit_address(OWNER_1);
	struct flow flow;

	begin();
	config.pins_max = 2;
	kernel_mock_owner_put(4, &owner);
	for (uint16_t port = 1; port <= 4; port++) {
		flow = unit_flow(port);
		kernel_mock_pin_put(&flow, port == 1 ? 7 : 4);
	}
	config_send();
	ck_assert(daemon_running(d));
	ck_assert_uint_eq(pin_of(1), 0);
	ck_assert_uint_eq(pins_count(&d->pins), 2);
	ck_assert_uint_eq(kernel_mock_pins(), 2);
	end();
}
END_TEST

/* -- sessions -- */

START_TEST(sessions_are_published_until_the_kernel_forgot_them)
{
	struct flow old = unit_flow(1), first = unit_flow(2), second = unit_flow(3);

	begin();
	kernel_mock_session_put(&old);
	config_send();
	ck_assert(directory_published(d->directory, &old));
	kernel_mock_session_open(&first);
	kernel_mock_session_open(&second);
	ck_assert_uint_eq(directory_published_count(d->directory), 3);
	ck_assert(memory_directory_has_session(d->directory, &first));

	kernel_mock_session_close(&first, MOCK_END_GONE);
	ck_assert(!directory_published(d->directory, &first));
	kernel_mock_session_close(&second, MOCK_END_TIME_WAIT);
	ck_assert(directory_published(d->directory, &second));
	ck_assert(!memory_directory_has_session(d->directory, &second));
	ck_assert_uint_eq(closings_count(&d->closings), 1);
	kernel_mock_session_take(&second);
	pass(CLOSING_WAIT_MAX_MS);
	ck_assert(!directory_published(d->directory, &second));
	ck_assert_uint_eq(d->counters.sessions_begun, 3);
	ck_assert_uint_eq(d->counters.sessions_ended, 2);
	end();
}
END_TEST

START_TEST(a_port_that_lives_again_stays_published)
{
	struct flow flow = unit_flow(1);

	begin_running();
	kernel_mock_session_open(&flow);
	kernel_mock_session_close(&flow, MOCK_END_TIME_WAIT);
	kernel_mock_session_open(&flow);
	ck_assert_uint_eq(closings_count(&d->closings), 0);
	pass(CLOSING_WAIT_MAX_MS);
	ck_assert(directory_published(d->directory, &flow));
	end();
}
END_TEST

START_TEST(a_session_that_cannot_be_looked_up_is_kept)
{
	struct flow flow = unit_flow(1);

	begin_running();
	kernel_mock_session_open(&flow);
	kernel_mock_fail_sessions(-ENOBUFS);
	kernel_mock_session_close(&flow, MOCK_END_GONE);
	ck_assert(directory_published(d->directory, &flow));
	ck_assert(!memory_directory_has_session(d->directory, &flow));
	kernel_mock_fail_sessions(0);
	pass(CLOSING_WAIT_MAX_MS);
	ck_assert(!directory_published(d->directory, &flow));
	end();
}
END_TEST

START_TEST(lost_events_are_made_good)
{
	struct flow gone = unit_flow(1), stays = unit_flow(2), new = unit_flow(3);

	begin_running();
	kernel_mock_session_open(&gone);
	kernel_mock_session_open(&stays);
	kernel_mock_session_take(&gone);
	kernel_mock_session_put(&new);
	kernel_mock_events_lost();
	ck_assert(!directory_published(d->directory, &gone));
	ck_assert(directory_published(d->directory, &stays));
	ck_assert(directory_published(d->directory, &new));
	ck_assert_uint_eq(d->counters.sessions_resynced, 1);
	end();
}
END_TEST

/* -- show -- */

static void show_all(void)
{
	for (uint32_t topic = 0; topic < 6; topic++) {
		json_object *root = show_json(topic);

		ck_assert(json_object_is_type(root, json_type_object));
		json_object_put(root);
		ck_assert_uint_gt(strlen(show(topic, false)), 10);
	}
	ck_assert_ptr_nonnull(strstr(show(6, true), "does not know this topic"));
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
	config.pins_max = 10000;
	config_send();
	replay_end_send();
	member_add(OWNER_1);
	detour(1, OWNER_1);
	kernel_mock_session_open(&flow);
	memory_directory_hold(d->directory); /* their checks */
	for (uint16_t port = 2; port <= 3000; port++) {
		flow = unit_flow(port);
		kernel_mock_pin_put(&flow, 1);
		rescue_adopt_pin(d, &flow, 1);
	}
	show_all();
	root = show_json(HOLDFAST__SHOW_REQUEST__TOPIC__PINS);
	ck_assert(json_object_object_get_ex(root, "pins", &list));
	ck_assert_uint_eq(json_object_array_length(list), 3000);
	ck_assert(json_object_object_get_ex(root, "count", &value));
	ck_assert_int_eq(json_object_get_int(value), 3000);
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
	ck_assert_int_eq(daemon_open(base, path, &second, &error), -1);
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
	ck_assert_int_eq(daemon_open(base, path, &d, &error), 0);
	zebra_connect();
	config_send();
	ck_assert(daemon_running(d));
	end();
}
END_TEST

UNIT_MAIN("daemon", it_runs_when_the_configuration_is_complete,
	  hostile_configuration_is_refused_and_the_last_one_stays,
	  a_problem_is_tried_again_until_it_is_solved,
	  an_empty_configuration_ends_the_problems_of_the_last,
	  an_empty_configuration_is_removed_only_after_a_while,
	  a_change_that_reopens_keeps_the_pins, a_smaller_pin_table_loses_pins_but_not_the_service,
	  a_change_that_cannot_work_closes_nothing,
	  a_change_that_fails_leaves_the_last_one_in_effect,
	  a_prefix_that_is_not_here_is_no_problem, a_prefix_is_held_until_its_last_session_ended,
	  a_new_prefix_brings_the_sessions_that_it_has, a_prefix_that_goes_takes_its_pins_along,
	  a_translated_prefix_is_refused_with_a_reason, what_a_replay_does_not_confirm_is_gone,
	  a_replay_that_breaks_off_takes_nothing, when_all_are_gone_this_host_is_the_isolated_one,
	  the_pins_of_a_member_that_is_gone_go_at_once,
	  an_owner_that_goes_between_answer_and_verdict_gets_nothing,
	  the_pin_is_there_before_the_verdict, detours_do_not_go_back_where_the_stray_came_from,
	  a_way_that_the_kernel_refuses_does_not_stop_the_detour,
	  a_pin_that_the_kernel_refuses_does_not_stop_the_segment,
	  when_the_table_is_full_segments_still_go_to_their_owner, every_answer_has_its_verdict,
	  sessions_of_a_member_lost_just_now_are_in_doubt,
	  before_the_first_replay_ended_nobody_is_gone, a_flow_without_an_answer_asks_less_and_less,
	  too_many_segments_of_a_flow_are_dropped, many_answers_at_once_all_get_their_verdict,
	  a_reset_is_sent_on_without_a_pin, a_stray_of_a_foreign_address_is_dropped,
	  a_tunnelled_stray_is_refused_and_never_sent_on, a_tunnelled_stray_does_not_follow_a_pin,
	  a_refusal_ends_the_pin_of_that_owner_only, an_accepted_connection_ends_the_pin,
	  pins_are_checked, a_pin_that_goes_while_it_is_checked, pins_and_owners_are_taken_over,
	  pins_that_were_taken_over_are_checked_at_once,
	  an_owner_found_late_does_not_cut_this_host_off,
	  pins_that_cannot_be_taken_over_are_removed,
	  sessions_are_published_until_the_kernel_forgot_them,
	  a_port_that_lives_again_stays_published, a_session_that_cannot_be_looked_up_is_kept,
	  lost_events_are_made_good, show_answers_before_there_is_a_configuration,
	  show_answers_in_text_and_json, bad_frames_end_the_connection_and_a_new_one_works,
	  frames_may_come_byte_by_byte, random_bytes_do_no_harm,
	  a_second_fpmd_is_refused_and_does_not_disturb,
	  a_socket_that_was_left_behind_is_no_obstacle)
