/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole members over the loopback whose records a server keeps. The server is in memory and does
 * what the test says (valkey_memory.h).
 */
#include "tests/unit.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "fpmd/directory/directory.h"
#include "fpmd/directory/key.h"
#include "tests/directory_counter.h"
#include "tests/valkey_memory.h"

#define NODES 3
#define PORTS_MAX 65536

struct node {
	struct directory *directory;
	struct in6_addr address;
	bool knows[PORTS_MAX]; /* what has_session answers, by the client's port */
};

static struct event_base *base;
static struct node node[NODES];
static char key_path[] = "/tmp/holdfast-records-XXXXXX";
static uint32_t lifetime_s = 600;

/* Time goes on by a ms a turn of the loop, however busy the machine is. */
static uint64_t passed_ms;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	now->tv_sec = 1000000 + (time_t)(passed_ms / 1000);
	now->tv_nsec = (long)(passed_ms % 1000) * 1000000;
	return 0;
}

static int has_session(void *arg, const struct flow *flow)
{
	return ((const struct node *)arg)->knows[flow->client_port];
}

static void on_refused(void *arg, const struct in6_addr *member, const struct flow *flow)
{
}

static void node_open(unsigned int number, bool one_hop)
{
	const struct directory_handlers handlers = {
		.refused = on_refused,
		.has_session = has_session,
	};
	struct directory_options options = {
		.port = (uint16_t)(20000 + getpid() % 20000),
		.replicas = 3,
		.ring_members = 48,
		.record_lifetime_s = lifetime_s,
		.records_max = 10000,
		.local = address_from_ipv4(htonl(0x7f000001u + number)),
	};
	struct error error;

	snprintf(options.key_file, sizeof(options.key_file), "%s", key_path);
	engine_valkey_init(&options.valkey);
	if (!one_hop) {
		strcpy(options.valkey.host, "127.0.0.9");
		options.valkey.port = 6379;
	}
	node[number].address = options.local;
	ck_assert_msg(directory_open(base, &options, &handlers, &node[number],
				     &node[number].directory, &error) == 0,
		      "%s", error.text);
}

static void turn(unsigned int ms)
{
	for (; ms > 0; ms--) {
		struct timeval wait = {.tv_usec = 1000};

		event_base_loopexit(base, &wait);
		event_base_dispatch(base);
		passed_ms++;
	}
}

static uint64_t counter(size_t number, const char *name)
{
	return directory_counter_of(node[number].directory, name);
}

static bool settled(size_t number)
{
	return counter(number, "publish-waiting") == 0;
}

static void settle(size_t number)
{
	for (int i = 0; i < 500 && !settled(number); i++)
		turn(10);
	ck_assert(settled(number));
}

static void ring_await(size_t count)
{
	struct in6_addr hosts[NODES];
	struct directory_member members[NODES];

	for (size_t i = 0; i < NODES; i++)
		hosts[i] = node[i].address;
	for (size_t i = 0; i < NODES; i++) {
		if (node[i].directory != NULL)
			directory_reachable_set(node[i].directory, hosts, NODES);
	}
	for (int turns = 0; turns < 300; turns++) {
		size_t complete = 0;

		turn(10);
		for (size_t i = 0; i < NODES; i++) {
			size_t there = 0;

			if (node[i].directory == NULL)
				continue;
			directory_members(node[i].directory, members, NODES);
			for (size_t j = 0; j < NODES; j++)
				there += members[j].state == MEMBER_IN_RING;
			complete += there == count;
		}
		if (complete == count)
			return;
	}
	ck_abort_msg("no ring");
}

static void key_write(void)
{
	int fd = mkstemp(key_path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "1 %064d\n", 5), 67);
	close(fd);
}

static void setup(void)
{
	key_write();
	base = event_base_new();
	for (unsigned int i = 0; i < NODES; i++)
		node_open(i, false);
	ring_await(NODES);
}

static void teardown(void)
{
	for (size_t i = 0; i < NODES; i++)
		directory_close(node[i].directory);
	event_base_free(base);
	unlink(key_path);
}

static struct record_key key_of(uint16_t port)
{
	struct directory_keys keys;
	struct record_key key;
	struct flow flow = unit_flow(port);
	struct error error;

	ck_assert_int_eq(directory_key_load(key_path, &keys, &error), 0);
	record_key_make(keys.record_hash, &flow, &key);
	return key;
}

static const struct record *kept(uint16_t port)
{
	struct record_key key = key_of(port);

	return valkey_memory_record(&key);
}

/* A session begins or ends on a host: in its kernel, and in the directory. */
static void begin(size_t number, uint16_t port)
{
	struct flow flow = unit_flow(port);

	node[number].knows[port] = true;
	ck_assert(directory_publish(node[number].directory, &flow));
}

static void end(size_t number, uint16_t port)
{
	struct flow flow = unit_flow(port);

	node[number].knows[port] = false;
	directory_withdraw(node[number].directory, &flow);
}

static struct directory_result result;
static unsigned int results;

static void on_result(void *arg, const struct directory_result *given)
{
	result = *given;
	results++;
}

static void ask(size_t number, uint16_t port)
{
	struct flow flow = unit_flow(port);

	ck_assert_int_eq(directory_get(node[number].directory, &flow, 500, on_result, NULL), 0);
}

static void get(size_t number, uint16_t port)
{
	unsigned int before = results;

	ask(number, port);
	for (int i = 0; i < 100 && results == before; i++)
		turn(10);
	ck_assert_uint_eq(results, before + 1);
}

static void expect_owner(size_t asker, uint16_t port, size_t owner, unsigned int messages)
{
	get(asker, port);
	ck_assert_msg(result.answer == DIRECTORY_FOUND && result.messages == messages,
		      "host %zu asked for port %u: answer %d, %u messages", asker, port,
		      result.answer, result.messages);
	ck_assert(address_equal(&result.owner, &node[owner].address));
}

START_TEST(a_record_leads_to_its_owner)
{
	setup();
	begin(0, 1000);
	ck_assert(!settled(0));
	settle(0);
	ck_assert_ptr_nonnull(kept(1000));
	ck_assert_uint_eq(counter(0, "puts-sent"), 1);
	/* The server, then the owner; no member keeps anything. */
	expect_owner(1, 1000, 0, 2);
	expect_owner(2, 1000, 0, 2);
	for (size_t i = 0; i < NODES; i++)
		ck_assert_uint_eq(counter(i, "records"), 0);
	/* What the server does not know is asked of all. */
	get(1, 2000);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	ck_assert_uint_eq(result.messages, NODES);
	node[2].knows[2000] = true;
	expect_owner(1, 2000, 2, NODES);
	end(0, 1000);
	settle(0);
	ck_assert_ptr_null(kept(1000));
	get(1, 1000);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	teardown();
}
END_TEST

START_TEST(an_unreachable_server_costs_messages_and_nothing_else)
{
	struct directory_server server;

	setup();
	ck_assert(directory_server(node[0].directory, &server));
	ck_assert(server.asked);
	ck_assert_str_eq(server.state, "ready");
	begin(0, 1000);
	settle(0);
	valkey_memory_state(VALKEY_UNREACHABLE, false);
	turn(10);
	directory_server(node[0].directory, &server);
	ck_assert(!server.asked);
	ck_assert_str_eq(server.state, "unreachable");
	/* All members, at once. */
	expect_owner(1, 1000, 0, NODES - 1);
	get(1, 2000);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	ck_assert_uint_eq(result.messages, NODES - 1);
	/* Nothing is tried in vain; what begins and ends meanwhile is made up for. */
	begin(0, 1001);
	end(0, 1000);
	turn(200);
	ck_assert_uint_eq(valkey_memory_puts(), 1);
	ck_assert_uint_eq(counter(0, "publish-waiting"), 2);
	expect_owner(1, 1001, 0, NODES - 1);
	valkey_memory_state(VALKEY_READY, false);
	settle(0);
	ck_assert_ptr_null(kept(1000));
	ck_assert_ptr_nonnull(kept(1001));
	expect_owner(1, 1001, 0, 2);
	teardown();
}
END_TEST

START_TEST(a_silent_server_is_waited_for_a_moment)
{
	setup();
	begin(0, 1000);
	settle(0);
	valkey_memory_hold(true);
	expect_owner(1, 1000, 0, 1 + NODES - 1);
	get(1, 2000);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	/* Its late answers find nobody. */
	valkey_memory_hold(false);
	turn(20);
	ck_assert_uint_eq(counter(1, "get-answers-late"), 2);
	/* Broken connections do not wait: far below what silence takes. */
	valkey_memory_hold(true);
	ask(1, 1000);
	turn(1);
	valkey_memory_break();
	turn(10);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	ck_assert_uint_eq(counter(1, "server-gets-failed"), 1);
	teardown();
}
END_TEST

START_TEST(what_a_server_lost_is_there_again)
{
	setup();
	for (uint16_t port = 1; port <= 2000; port++)
		begin(0, port);
	settle(0);
	valkey_memory_flush();
	/* Nobody was told: found all the same. */
	expect_owner(1, 1000, 0, 1 + NODES - 1);
	valkey_memory_state(VALKEY_READY, true);
	turn(10);
	settle(0);
	for (uint16_t port = 1; port <= 2000; port++)
		ck_assert_ptr_nonnull(kept(port));
	ck_assert_uint_eq(counter(0, "server-restarts"), 1);
	expect_owner(1, 1000, 0, 2);
	/* What broke on its way is sent again. */
	valkey_memory_hold(true);
	begin(0, 3000);
	end(0, 1000);
	turn(20);
	valkey_memory_break();
	valkey_memory_hold(false);
	settle(0);
	ck_assert_ptr_nonnull(kept(3000));
	ck_assert_ptr_null(kept(1000));
	teardown();
}
END_TEST

START_TEST(records_are_put_again_before_they_expire)
{
	unsigned int puts;

	lifetime_s = 2;
	setup();
	for (uint16_t port = 1; port <= 400; port++)
		begin(0, port);
	settle(0);
	end(0, 7);
	settle(0);
	valkey_memory_flush();
	puts = valkey_memory_puts();
	/* Half of the lifetime, evenly: no tick of it takes more than its share. */
	turn(500);
	ck_assert_uint_gt(valkey_memory_puts() - puts, 40);
	turn(700);
	settle(0);
	for (uint16_t port = 1; port <= 400; port++)
		ck_assert_msg((kept(port) != NULL) == (port != 7), "port %u", port);
	ck_assert_uint_le(valkey_memory_puts() - puts, 800);
	teardown();
}
END_TEST

/* A former session of the port, late in every way. */
START_TEST(a_former_session_never_touches_the_new_one)
{
	struct record old;

	setup();
	begin(0, 1000);
	settle(0);
	old = *kept(1000);
	/* TIME_WAIT there: the port begins again elsewhere, before the end is seen. */
	node[0].knows[1000] = false;
	begin(1, 1000);
	settle(1);
	ck_assert(address_equal(&kept(1000)->owner, &node[1].address));
	for (size_t asker = 0; asker < NODES; asker++) {
		get(asker, 1000);
		ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
		ck_assert(address_equal(&result.owner, &node[1].address));
	}
	/* Also without the server, whose record tells which session is the newer one. */
	valkey_memory_state(VALKEY_UNREACHABLE, false);
	turn(10);
	expect_owner(2, 1000, 1, NODES - 1);
	valkey_memory_state(VALKEY_READY, false);
	turn(10);
	/* Late deletion. */
	end(0, 1000);
	settle(0);
	ck_assert_uint_eq(counter(0, "server-superseded"), 1);
	ck_assert(address_equal(&kept(1000)->owner, &node[1].address));
	/* The server forgot the new one, and got the old one back (an old copy). */
	valkey_memory_flush();
	valkey_memory_store(&old);
	expect_owner(2, 1000, 1, 1 + NODES - 1);
	expect_owner(0, 1000, 1, 1 + NODES - 1);
	/* Nor with the server away, whose records alone tell old from new. */
	valkey_memory_state(VALKEY_UNREACHABLE, false);
	turn(10);
	for (size_t asker = 0; asker < NODES; asker++) {
		get(asker, 1000);
		ck_assert(address_equal(&result.owner, &node[1].address));
	}
	teardown();
}
END_TEST

/* A clock that is ahead a little made a version above ours, for a session that ended. */
START_TEST(a_living_session_wins_in_the_end)
{
	struct record other;

	setup();
	begin(0, 1000);
	settle(0);
	other = *kept(1000);
	other.owner = node[1].address;
	other.version += 1;
	other.owner_epoch = 1;
	valkey_memory_store(&other);
	valkey_memory_state(VALKEY_READY, true);
	turn(50);
	ck_assert(!settled(0));
	ck_assert(address_equal(&kept(1000)->owner, &node[1].address));
	expect_owner(2, 1000, 0, 1 + NODES - 1);
	turn(1800);
	ck_assert(settled(0));
	ck_assert(address_equal(&kept(1000)->owner, &node[0].address));
	expect_owner(2, 1000, 0, 2);
	/* One that the kernel knows no more is not even tried. */
	node[0].knows[1000] = false;
	other.version += (uint64_t)10000 << 16;
	valkey_memory_store(&other);
	valkey_memory_state(VALKEY_READY, true);
	turn(50);
	ck_assert(settled(0));
	ck_assert(address_equal(&kept(1000)->owner, &node[1].address));
	teardown();
}
END_TEST

/* All hosts may have all to put at once. */
START_TEST(a_slow_server_is_not_flooded)
{
	setup();
	valkey_memory_delay(80);
	for (uint16_t port = 1; port <= 4000; port++)
		begin(0, port);
	for (int i = 0; i < 3000 && counter(0, "server-outstanding") < 256; i++)
		turn(1);
	for (int i = 0; i < 500; i++) {
		turn(1);
		ck_assert_uint_le(counter(0, "server-outstanding"), 256);
	}
	/* Now it answers late for nobody else but us. */
	ck_assert_uint_le(counter(0, "server-outstanding"), 64);
	valkey_memory_delay(0);
	settle(0);
	/* Some were refreshed meanwhile. */
	ck_assert_uint_le(counter(0, "puts-sent"), 4200);
	teardown();
}
END_TEST

/* The owner of the record is gone; the port lives elsewhere, whose put did not arrive. */
START_TEST(the_record_of_a_dead_owner_does_not_hide_a_living_session)
{
	struct in6_addr left[2];

	setup();
	begin(0, 1000);
	begin(0, 1001);
	settle(0);
	left[0] = node[1].address;
	left[1] = node[2].address;
	directory_close(node[0].directory);
	node[0].directory = NULL;
	directory_reachable_set(node[1].directory, &left[1], 1);
	directory_reachable_set(node[2].directory, &left[0], 1);
	turn(400);
	valkey_memory_full(true);
	begin(1, 1000);
	turn(50);
	ck_assert_uint_eq(counter(1, "server-full"), 1);
	ck_assert(!settled(1));
	get(2, 1000);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	ck_assert(address_equal(&result.owner, &node[1].address));
	/* Nobody has it: the record says whose it was. */
	get(2, 1001);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	ck_assert(address_equal(&result.owner, &node[0].address));
	/* There is room again: no need to wait for long. */
	valkey_memory_full(false);
	settle(1);
	ck_assert(address_equal(&kept(1000)->owner, &node[1].address));
	teardown();
}
END_TEST

START_TEST(a_new_start_of_the_owner_voids_its_records)
{
	setup();
	begin(0, 1000);
	settle(0);
	directory_close(node[0].directory);
	memset(node[0].knows, 0, sizeof(node[0].knows));
	node_open(0, false);
	ring_await(NODES);
	ck_assert_ptr_nonnull(kept(1000));
	get(1, 1000);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	/* It lives on: the new start publishes it again. */
	begin(0, 1000);
	settle(0);
	expect_owner(1, 1000, 0, 2);
	teardown();
}
END_TEST

/* While the engine is changed host by host: nothing is wrong, only messages are more. */
START_TEST(members_of_both_engines_find_each_other)
{
	key_write();
	base = event_base_new();
	node_open(0, false);
	node_open(1, true);
	node_open(2, true);
	ring_await(NODES);
	begin(0, 1000);
	begin(1, 1001);
	settle(0);
	turn(100);
	for (size_t asker = 0; asker < NODES; asker++) {
		get(asker, 1000);
		ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
		ck_assert(address_equal(&result.owner, &node[0].address));
		get(asker, 1001);
		ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
		ck_assert(address_equal(&result.owner, &node[1].address));
		get(asker, 1002);
		ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	}
	/* Nobody thinks that a host which keeps nothing has kept it. */
	ck_assert_uint_gt(counter(0, "other-engine"), 0);
	ck_assert_uint_eq(counter(0, "records"), 0);
	ck_assert(!settled(1));
	end(1, 1001);
	settle(1);
	teardown();
}
END_TEST

UNIT_MAIN("valkey_records", a_record_leads_to_its_owner,
	  an_unreachable_server_costs_messages_and_nothing_else,
	  a_silent_server_is_waited_for_a_moment, what_a_server_lost_is_there_again,
	  records_are_put_again_before_they_expire, a_former_session_never_touches_the_new_one,
	  a_living_session_wins_in_the_end, a_slow_server_is_not_flooded,
	  the_record_of_a_dead_owner_does_not_hide_a_living_session,
	  a_new_start_of_the_owner_voids_its_records, members_of_both_engines_find_each_other)
