/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/daemon_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fpm/frame.h"
#include "fpmd/log.h"

struct event_base *base;
struct daemon *d;
char path[64];
static char folder[] = "/tmp/test_daemon.XXXXXX";
int zebra = -1;
static uint64_t later_ms;
static bool stopped;
static struct timespec stopped_at;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int status = __real_clock_gettime(clock, now);

	if (stopped && clock == CLOCK_MONOTONIC)
		*now = stopped_at;
	now->tv_sec += (time_t)(later_ms / 1000);
	now->tv_nsec += (long)(later_ms % 1000) * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_sec++;
		now->tv_nsec -= 1000000000;
	}
	return status;
}

void clock_stop(void)
{
	__real_clock_gettime(CLOCK_MONOTONIC, &stopped_at);
	stopped = true;
}

/* The loop runs for a moment. */
void run_ms(unsigned int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	ck_assert_int_eq(event_base_loopexit(base, &wait), 0);
	ck_assert_int_ge(event_base_dispatch(base), 0);
}

void run(void)
{
	run_ms(40);
}

/* Time passes, and two ticks: also on a machine that stops for a while, where one may make up for
 * several. */
void pass(uint64_t ms)
{
	later_ms += ms;
	for (int i = 0; i < 6; i++)
		run_ms(25);
}

/* -- zebra -- */

static char reply[4 << 20];
static size_t reply_size;
static bool reply_complete;
char status_text[4096]; /* the problems of the last one, a line each */
unsigned int log_lines;
char log_line[256];
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
	} else if (message->body_case == HOLDFAST__FRAME__BODY_LOG) {
		log_lines++;
		snprintf(log_line, sizeof(log_line), "%s", message->log->line);
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
bool zebra_read(void)
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

void zebra_connect(void)
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

void zebra_write(const void *bytes, size_t size)
{
	ck_assert_int_eq(send(zebra, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

void zebra_send(const Holdfast__Frame *message)
{
	uint8_t bytes[4096];
	size_t size = holdfast__frame__get_packed_size(message);

	ck_assert_uint_lt(size + FRAME_HEADER_SIZE, sizeof(bytes));
	ck_assert_int_eq(frame_header_write(bytes, FRAME_PROTOBUF, size), 0);
	holdfast__frame__pack(message, bytes + FRAME_HEADER_SIZE);
	zebra_write(bytes, size + FRAME_HEADER_SIZE);
}

void config_empty(void)
{
	config.n_vips = config.n_member_ranges = config.n_local_members = 0;
	config.directory_key_file = (char *)"";
}

void config_send(void)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	frame.body_case = HOLDFAST__FRAME__BODY_CONFIG;
	frame.config = &config;
	zebra_send(&frame);
	run();
	zebra_read();
}

/* Through *count* next hops: 10.0.0.1 on eth0, 10.0.0.2 on eth1 ... */
void route_send_by(const char *address, unsigned int count)
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

#define LETTERS_MAX 8

void route_send_via(const char *address, const char *letters)
{
	struct in6_addr mapped = unit_address(address);
	uint32_t bytes = address_to_ipv4(&mapped);
	static uint8_t gateways[LETTERS_MAX][4];
	static char names[LETTERS_MAX][8];
	Holdfast__Prefix prefix;
	Holdfast__NextHop hop[LETTERS_MAX], *hops[LETTERS_MAX];
	Holdfast__Route route = HOLDFAST__ROUTE__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	size_t count = strlen(letters);

	ck_assert_uint_le(count, LETTERS_MAX);
	prefix_set(&prefix, (uint8_t *)&bytes, 32);
	for (size_t i = 0; i < count; i++) {
		memcpy(gateways[i], (uint8_t[]){10, 0, (uint8_t)letters[i], 1}, 4);
		snprintf(names[i], sizeof(names[i]), "up%c", letters[i]);
		holdfast__next_hop__init(&hop[i]);
		hop[i].gateway.data = gateways[i];
		hop[i].gateway.len = 4;
		hop[i].interface = names[i];
		hop[i].weight = 1;
		hops[i] = &hop[i];
	}
	route.prefix = &prefix;
	route.next_hops = hops;
	route.n_next_hops = count;
	frame.body_case = HOLDFAST__FRAME__BODY_ROUTE;
	frame.route = &route;
	zebra_send(&frame);
}

void route_send(const char *address, bool there)
{
	route_send_by(address, there);
}

void replay_end_send(void)
{
	Holdfast__ReplayEnd end = HOLDFAST__REPLAY_END__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	frame.body_case = HOLDFAST__FRAME__BODY_REPLAY_END;
	frame.replay_end = &end;
	zebra_send(&frame);
	run();
}

static const char *ask_and_wait(Holdfast__ShowRequest *request)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	request->id = 7;
	frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REQUEST;
	frame.show_request = request;
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

const char *show(uint32_t topic, bool json)
{
	Holdfast__ShowRequest request = HOLDFAST__SHOW_REQUEST__INIT;

	request.topic = (Holdfast__ShowRequest__Topic)topic;
	request.json = json;
	return ask_and_wait(&request);
}

static ProtobufCBinaryData address_bytes(const struct in6_addr *address)
{
	bool ipv4 = address_is_ipv4(address);

	return (ProtobufCBinaryData){.data = (uint8_t *)address + (ipv4 ? 12 : 0),
				     .len = ipv4 ? 4 : 16};
}

const char *show_flow_of(const char *client, uint32_t client_port, const char *vip,
			 uint32_t vip_port, bool json)
{
	struct in6_addr client_address = unit_address(client), vip_address = unit_address(vip);
	Holdfast__ShowRequest request = HOLDFAST__SHOW_REQUEST__INIT;
	Holdfast__Flow flow = HOLDFAST__FLOW__INIT;

	flow.client = address_bytes(&client_address);
	flow.client_port = client_port;
	flow.vip = address_bytes(&vip_address);
	flow.vip_port = vip_port;
	request.flow = &flow;
	request.topic = HOLDFAST__SHOW_REQUEST__TOPIC__FLOW;
	request.json = json;
	return ask_and_wait(&request);
}

const char *clear_pins_of(const char *owner, uint16_t client_port, bool json)
{
	Holdfast__ShowRequest request = HOLDFAST__SHOW_REQUEST__INIT;
	Holdfast__Flow wire = HOLDFAST__FLOW__INIT;
	struct flow flow = unit_flow(client_port);
	struct in6_addr address;

	if (owner) {
		address = unit_address(owner);
		request.owner = address_bytes(&address);
	}
	if (client_port) {
		wire.client = address_bytes(&flow.client);
		wire.client_port = flow.client_port;
		wire.vip = address_bytes(&flow.vip);
		wire.vip_port = flow.vip_port;
		request.flow = &wire;
	}
	request.topic = HOLDFAST__SHOW_REQUEST__TOPIC__CLEAR_PINS;
	request.json = json;
	return ask_and_wait(&request);
}

const char *last_reply(void)
{
	return reply;
}

void forget_reply(void)
{
	reply_size = 0;
	reply[0] = '\0';
}

json_object *show_json(uint32_t topic)
{
	json_object *root = json_tokener_parse(show(topic, true));

	ck_assert_ptr_nonnull(root);
	return root;
}

/* -- the host -- */

void begin(void)
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
	ck_assert_int_eq(daemon_open(base, path, -1, &d, &error), 0);
	zebra_connect();
}

void end(void)
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

void member_add(const char *text)
{
	struct in6_addr address = unit_address(text);

	route_send(text, true);
	run();
	memory_directory_member(d->directory, &address, MEMBER_IN_RING, 5);
	run();
}

/* Running, with two members. */
void begin_running(void)
{
	begin();
	config_send();
	replay_end_send();
	ck_assert(daemon_running(d));
	member_add(OWNER_1);
	member_add(OWNER_2);
	pass(REACH_LEARN_MS);
}

uint16_t owner_id(const char *text)
{
	struct in6_addr address = unit_address(text);

	return owner_find(&d->owners, &address);
}

void answer(uint16_t port, enum directory_answer what, const char *owner)
{
	struct in6_addr address = unit_address(owner ? owner : OWNER_1);
	struct flow flow = unit_flow(port);

	memory_directory_answer(d->directory, &flow, what, owner ? &address : NULL);
}

uint32_t stray(uint16_t port)
{
	struct flow flow = unit_flow(port);
	uint32_t id = kernel_mock_stray(&flow);

	ck_assert_uint_ne(id, 0);
	return id;
}

uint16_t pin_of(uint16_t port)
{
	struct flow flow = unit_flow(port);
	struct pin *pin = pin_find(&d->pins, &flow);

	ck_assert_uint_eq(pin ? pin->owner : 0, kernel_mock_pin(&flow));
	return kernel_mock_pin(&flow);
}

void expect(uint32_t id, enum kernel_verdict wanted, uint16_t wanted_owner)
{
	enum kernel_verdict verdict;
	uint16_t owner;

	ck_assert(kernel_mock_verdict(id, &verdict, &owner));
	ck_assert_int_eq(verdict, wanted);
	if (wanted == KERNEL_DETOUR)
		ck_assert_uint_eq(owner, wanted_owner);
}

void expect_stray(uint16_t port, enum kernel_verdict wanted, uint16_t wanted_owner)
{
	uint32_t id = stray(port);

	run();
	expect(id, wanted, wanted_owner);
}

/* A flow with a pin to *owner*. */
void detour(uint16_t port, const char *owner)
{
	answer(port, DIRECTORY_FOUND, owner);
	expect_stray(port, KERNEL_DETOUR, owner_id(owner));
	ck_assert_uint_eq(pin_of(port), owner_id(owner));
}
