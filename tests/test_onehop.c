/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole members of the directory over the loopback, without root: 127.0.0.1 and on, one event loop.
 * The wall clock of this process can be set back, see tests/subdir.am: --wrap=clock_gettime.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fpmd/directory/onehop.h"
#include "tests/directory_counter.h"
#include "tests/wall_clock.h"

#define NODES 3

struct node {
	struct directory *directory;
	struct in6_addr address;
	unsigned int refused;
	bool knows; /* what has_session answers */
};

static struct event_base *base;
static struct node node[NODES];
static uint8_t replicas = 3;
static char key_path[] = "/tmp/holdfast-onehop-XXXXXX";
static void on_refused(void *arg, const struct in6_addr *member, const struct flow *flow)
{
	((struct node *)arg)->refused++;
}

static int has_session(void *arg, const struct flow *flow)
{
	return ((struct node *)arg)->knows;
}

static struct directory_options options_make(unsigned int number)
{
	struct directory_options options = {
		.port = (uint16_t)(20000 + getpid() % 20000),
		.replicas = replicas,
		.ring_members = 48,
		.record_lifetime_s = 600,
		.records_max = 10000,
	};

	snprintf(options.key_file, sizeof(options.key_file), "%s", key_path);
	options.local = address_from_ipv4(htonl(0x7f000001u + number));
	return options;
}

static int node_open(unsigned int number, uint16_t port, struct error *error)
{
	const struct directory_handlers handlers = {
		.refused = on_refused,
		.has_session = has_session,
	};
	struct directory_options options = options_make(number);

	if (port != 0)
		options.port = port;
	node[number].address = options.local;
	return directory_open(base, &options, &handlers, &node[number], &node[number].directory,
			      error);
}

static void key_write(void)
{
	int fd = mkstemp(key_path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "1 %064d\n", 5), 67);
	close(fd);
}

static void turn(unsigned int ms)
{
	struct timeval wait = {.tv_usec = (suseconds_t)ms * 1000};

	event_base_loopexit(base, &wait);
	event_base_dispatch(base);
}

static void all_routes(void)
{
	struct in6_addr hosts[NODES];

	for (size_t i = 0; i < NODES; i++)
		hosts[i] = address_from_ipv4(htonl(0x7f000001u + (uint32_t)i));
	for (size_t i = 0; i < NODES; i++) {
		if (node[i].directory != NULL)
			directory_reachable_set(node[i].directory, hosts, NODES);
	}
}

static size_t in_ring(size_t number)
{
	struct directory_member members[NODES];
	size_t count = directory_members(node[number].directory, members, NODES);
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += members[i].state == MEMBER_IN_RING;
	return found;
}

static uint64_t counter(size_t number, const char *name)
{
	return directory_counter_of(node[number].directory, name);
}

static struct directory_result result;
static unsigned int results;

static void on_result(void *arg, const struct directory_result *given)
{
	result = *given;
	results++;
}

static void get(size_t number, const struct flow *flow)
{
	unsigned int before = results;

	ck_assert_int_eq(directory_get(node[number].directory, flow, 500, on_result, NULL), 0);
	ck_assert_uint_eq(results, before);
	for (int i = 0; i < 100 && results == before; i++)
		turn(10);
	ck_assert_uint_eq(results, before + 1);
}

/* For sessions that nobody has. */
static void ask_at_once(size_t number, unsigned int count)
{
	unsigned int before = results;

	for (unsigned int i = 0; i < count; i++) {
		struct flow flow = unit_flow((uint16_t)(20000 + i));

		ck_assert_int_eq(directory_get(node[number].directory, &flow, 500, on_result, NULL),
				 0);
	}
	for (int i = 0; i < 100 && results < before + count; i++)
		turn(10);
	ck_assert_uint_eq(results, before + count);
}

static void setup(void)
{
	struct error error = {""};

	key_write();
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	for (unsigned int i = 0; i < NODES; i++)
		ck_assert_msg(node_open(i, 0, &error) == 0, "%s", error.text);
	all_routes();
	for (int i = 0; i < 200; i++) {
		turn(10);
		if (in_ring(0) == NODES && in_ring(1) == NODES && in_ring(2) == NODES)
			return;
	}
	ck_abort_msg("no ring");
}

static void teardown(void)
{
	for (size_t i = 0; i < NODES; i++)
		directory_close(node[i].directory);
	event_base_free(base);
	unlink(key_path);
}

START_TEST(three_members)
{
	struct flow flow = unit_flow(1000), other = unit_flow(1001);

	setup();
	ck_assert(directory_publish(node[0].directory, &flow));
	ck_assert(!directory_publish(node[0].directory, &flow));
	turn(50);
	ck_assert_uint_eq(counter(0, "publish-waiting"), 0);
	for (size_t i = 0; i < NODES; i++) {
		get(i, &flow);
		ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
		ck_assert(address_equal(&result.owner, &node[0].address));
		ck_assert_uint_le(result.messages, 3);
		get(i, &other);
		ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
		ck_assert_uint_eq(result.messages, NODES - 1);
	}
	/* Not published, but in a kernel. */
	node[1].knows = true;
	get(2, &other);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	ck_assert(address_equal(&result.owner, &node[1].address));
	node[1].knows = false;
	directory_refuse(node[0].directory, &node[2].address, &flow);
	turn(50);
	ck_assert_uint_eq(node[2].refused, 1);
	directory_withdraw(node[0].directory, &flow);
	turn(50);
	get(2, &flow);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	ck_assert_uint_eq(directory_published_count(node[0].directory), 0);
	teardown();
}
END_TEST

static struct {
	unsigned int pages, flows;
	bool seen[65536];
	struct directory_page last;
} bulk;

static void on_page(void *arg, const struct directory_page *page)
{
	bulk.pages++;
	bulk.last = *page;
	for (size_t i = 0; i < page->count; i++) {
		ck_assert(!bulk.seen[page->flows[i].client_port]);
		bulk.seen[page->flows[i].client_port] = true;
		bulk.flows++;
	}
}

static void read_all(size_t reader, size_t owner)
{
	memset(&bulk, 0, sizeof(bulk));
	do {
		unsigned int before = bulk.pages;

		ck_assert_int_eq(directory_bulk(node[reader].directory, &node[owner].address,
						bulk.last.cursor, 500, on_page, NULL),
				 0);
		ck_assert_uint_eq(bulk.pages, before);
		for (int i = 0; i < 100 && bulk.pages == before; i++)
			turn(10);
		ck_assert_uint_eq(bulk.pages, before + 1);
	} while (bulk.last.cursor != 0);
}

START_TEST(all_sessions_of_a_member)
{
	struct in6_addr stranger = unit_address("127.0.0.99");

	setup();
	read_all(1, 0);
	ck_assert_int_eq(bulk.last.answer, DIRECTORY_FOUND);
	ck_assert_uint_eq(bulk.flows, 0);
	for (unsigned int port = 1; port <= 10000; port++) {
		struct flow flow = unit_flow((uint16_t)port);

		directory_publish(node[0].directory, &flow);
	}
	read_all(1, 0);
	ck_assert_uint_eq(bulk.flows, 10000);
	ck_assert_uint_eq(bulk.pages, 3);
	read_all(0, 0);
	ck_assert_uint_eq(bulk.flows, 10000);
	read_all(0, 1);
	ck_assert_uint_eq(bulk.flows, 0);
	/* One that is no member does not answer; nor does one that died. */
	memset(&bulk, 0, sizeof(bulk));
	directory_bulk(node[1].directory, &stranger, 0, 100, on_page, NULL);
	turn(50);
	ck_assert_uint_eq(bulk.pages, 1);
	ck_assert_int_eq(bulk.last.answer, DIRECTORY_TIMED_OUT);
	directory_close(node[0].directory);
	node[0].directory = NULL;
	directory_bulk(node[1].directory, &node[0].address, 0, 100, on_page, NULL);
	turn(80);
	ck_assert_uint_eq(bulk.pages, 1);
	turn(80);
	ck_assert_uint_eq(bulk.pages, 2);
	ck_assert_int_eq(bulk.last.answer, DIRECTORY_TIMED_OUT);
	ck_assert_uint_gt(counter(1, "pages-repeated"), 2);
	/* What is open ends silently with the directory. */
	ck_assert_int_eq(directory_bulk(node[1].directory, &node[2].address, 0, 100, on_page, NULL),
			 0);
	teardown();
	ck_assert_uint_eq(bulk.pages, 2);
}
END_TEST

/* The former owner has not seen yet that its session ended (TIME_WAIT): the port lives elsewhere.
 */
START_TEST(the_newer_session_of_a_port_is_found)
{
	setup();
	for (uint16_t port = 1000; port < 1016; port++) {
		struct flow flow = unit_flow(port);

		ck_assert(directory_publish(node[0].directory, &flow));
		turn(20);
		ck_assert(directory_publish(node[1].directory, &flow));
		turn(20);
		for (size_t i = 0; i < NODES; i++) {
			get(i, &flow);
			ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
			ck_assert(address_equal(&result.owner, &node[1].address));
		}
	}
	teardown();
}
END_TEST

START_TEST(lost_member_is_in_doubt_first)
{
	struct flow flow = unit_flow(1000);
	unsigned int before;

	setup();
	directory_reachable_set(node[0].directory, &node[1].address, 1);
	before = results;
	ck_assert_int_eq(directory_get(node[0].directory, &flow, 100, on_result, NULL), 0);
	turn(150);
	ck_assert_uint_eq(results, before + 1);
	ck_assert_int_eq(result.answer, DIRECTORY_TIMED_OUT);
	turn(250);
	get(0, &flow);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	/* Its route is gone: what it sends is not even opened. */
	before = (unsigned int)counter(0, "from-stranger");
	directory_refuse(node[2].directory, &node[0].address, &flow);
	turn(50);
	ck_assert_uint_gt(counter(0, "from-stranger"), before);
	ck_assert_uint_eq(node[0].refused, 0);
	teardown();
}
END_TEST

START_TEST(no_routes_prove_nothing)
{
	struct flow flow = unit_flow(1000);
	struct error error;

	key_write();
	base = event_base_new();
	ck_assert_int_eq(node_open(0, 0, &error), 0);
	get(0, &flow);
	ck_assert_int_eq(result.answer, DIRECTORY_TIMED_OUT);
	directory_reachable_set(node[0].directory, NULL, 0);
	get(0, &flow);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	ck_assert_uint_eq(result.messages, 0);
	/* Open look-ups end silently with the directory. */
	ck_assert_int_eq(directory_get(node[0].directory, &flow, 100, on_result, NULL), 0);
	teardown();
}
END_TEST

/* One life of member 1 in a process of its own: publishes one session, ends when that is confirmed.
 */
static void life(time_t offset_s, uint16_t port, const struct flow *flow)
{
	struct error error;
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		wall_clock_offset_s = offset_s;
		memset(node, 0, sizeof(node));
		base = event_base_new();
		if (base == NULL || node_open(1, port, &error) != 0)
			_exit(1);
		all_routes();
		directory_publish(node[1].directory, flow);
		/* The other one may follow its clock, and begin anew, a moment later. */
		for (int i = 0, settled = 0; i < 400; i++) {
			turn(10);
			settled = counter(1, "confirmed") > 0 && counter(1, "publish-waiting") == 0
					  ? settled + 1
					  : 0;
			if (settled == 30)
				_exit(0);
		}
		_exit(2);
	}
	for (int i = 0; i < 500; i++) {
		turn(10);
		if (waitpid(child, &status, WNOHANG) == child) {
			ck_assert_int_eq(WEXITSTATUS(status), 0);
			return;
		}
	}
	ck_abort_msg("member 1 hangs");
}

static uint64_t epoch_of_1(void)
{
	struct directory_member members[NODES];
	size_t count = directory_members(node[0].directory, members, NODES);

	for (size_t i = 0; i < count; i++) {
		if (address_equal(&members[i].address, &node[1].address))
			return members[i].epoch;
	}
	return 0;
}

static struct directory_member member_seen(size_t by, size_t number)
{
	struct directory_member members[NODES];
	size_t count = directory_members(node[by].directory, members, NODES);

	for (size_t i = 0; i < count; i++)
		if (address_equal(&members[i].address, &node[number].address))
			return members[i];
	return (struct directory_member){0};
}

/* With the next hello. */
static void await_flags(size_t by, size_t number, bool director, bool draining)
{
	for (int i = 0; i < 300; i++) {
		struct directory_member seen = member_seen(by, number);

		if (seen.director == director && seen.draining == draining)
			return;
		turn(10);
	}
	ck_abort_msg("%zu is not seen as it is", number);
}

START_TEST(a_director_says_so_and_who_drains_too)
{
	setup();
	await_flags(0, 1, false, false);
	directory_director_set(node[1].directory, true);
	await_flags(0, 1, true, false);
	await_flags(0, 0, false, false);
	await_flags(0, 2, false, false);
	await_flags(1, 1, true, false);
	directory_draining_set(node[1].directory, true);
	await_flags(0, 1, true, true);
	await_flags(1, 1, true, true);
	await_flags(0, 2, false, false);
	directory_director_set(node[1].directory, false);
	await_flags(0, 1, false, true);
	directory_draining_set(node[1].directory, false);
	await_flags(0, 1, false, false);
	teardown();
}
END_TEST

START_TEST(hosts_without_room_prove_nothing)
{
	static struct in6_addr hosts[MEMBERS_MAX + 100];
	struct flow flow = unit_flow(1000);

	setup();
	for (uint32_t i = 0; i < MEMBERS_MAX + 100; i++)
		hosts[i] = address_from_ipv4(htonl(i < NODES ? 0x7f000001u + i : 0x7f010000u + i));
	directory_reachable_set(node[0].directory, hosts, MEMBERS_MAX + 100);
	ck_assert_uint_eq(counter(0, "members-left-out"), 100);
	/* They had time for a hello, so that none is waited for any more. */
	for (int i = 0; i < MEMBER_GRACE_MS / 100 + 2; i++)
		turn(100);
	get(0, &flow);
	ck_assert_int_eq(result.answer, DIRECTORY_TIMED_OUT);
	/* Among so many, fewer look-ups may ask all. */
	ask_at_once(0, 1000);
	ck_assert_uint_ge(counter(0, "gets-limited"),
			  1000 - 2 * ASK_ALL_MAX / (MEMBERS_MAX / ASK_ALL_MEMBERS));
	directory_reachable_set(node[0].directory, hosts, NODES);
	ck_assert_uint_eq(counter(0, "members-left-out"), 0);
	for (int i = 0; i < 100 && in_ring(0) < NODES; i++)
		turn(10);
	for (int i = 0; i < MEMBER_LOST_MS / 100 + 1; i++)
		turn(100);
	get(0, &flow);
	ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
	ask_at_once(1, 1000);
	ck_assert_uint_eq(counter(1, "gets-limited"), 0);
	teardown();
}
END_TEST

/* A director's look-ups: there is nobody to be asked in vain. */
START_TEST(a_record_alone_is_asked_for)
{
	struct flow unknown = unit_flow(1000), known = unit_flow(1001);
	unsigned int messages = 0;

	replicas = 1;
	setup();
	for (int i = 0; i < MEMBER_LOST_MS / 100 + 1; i++)
		turn(100);
	ck_assert(directory_publish(node[1].directory, &known));
	turn(100);
	ck_assert_int_eq(directory_get_record(node[0].directory, &known, 500, on_result, NULL), 0);
	for (int i = 0; i < 20; i++)
		turn(10);
	ck_assert_uint_eq(results, 1);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	ck_assert(address_equal(&result.owner, &node[1].address));
	/* It waits for no network: no segment waits for it. */
	for (int i = 0; i < MEMBERS_MAX; i++)
		node[0].directory->settle_us[i] = UINT64_MAX;
	ck_assert_int_eq(directory_get_record(node[0].directory, &known, 500, on_result, NULL), 0);
	for (int i = 0; i < 20 && results < 2; i++)
		turn(10);
	ck_assert_uint_eq(results, 2);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	results = 1;
	for (uint16_t port = 2000; port < 2100; port++) {
		unknown.client_port = port;
		ck_assert_int_eq(
			directory_get_record(node[0].directory, &unknown, 500, on_result, NULL), 0);
		for (int i = 0; i < 20 && results < port - 1998u; i++)
			turn(5);
		ck_assert_int_eq(result.answer, DIRECTORY_ABSENT);
		messages += result.messages;
	}
	ck_assert_uint_eq(results, 101);
	/* All others would be 200; some may be late and asked again. */
	ck_assert_uint_lt(messages, 130);
	ck_assert_uint_eq(counter(0, "gets-limited"), 0);
	teardown();
}
END_TEST

START_TEST(clock_went_back)
{
	struct flow first = unit_flow(1000), second = unit_flow(1001);
	struct in6_addr hosts[2];
	struct error error;
	uint64_t epoch;
	uint16_t port = options_make(0).port;

	key_write();
	base = event_base_new();
	ck_assert_int_eq(node_open(0, 0, &error), 0);
	hosts[0] = node[1].address = address_from_ipv4(htonl(0x7f000002u));
	directory_reachable_set(node[0].directory, hosts, 1);
	life(0, port, &first);
	get(0, &first);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	epoch = epoch_of_1();
	ck_assert_uint_gt(epoch, 0);
	/* An hour back: it learns that its epoch is not new, takes a newer one, its old records are
	 * void. */
	life(-3600, port, &second);
	ck_assert_uint_gt(epoch_of_1(), epoch);
	get(0, &second);
	ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
	ck_assert(address_equal(&result.owner, &node[1].address));
	get(0, &first);
	ck_assert_int_eq(result.answer, DIRECTORY_TIMED_OUT);
	teardown();
}
END_TEST

static void all_find(const struct flow *flow, size_t owner)
{
	for (size_t i = 0; i < NODES; i++) {
		get(i, flow);
		ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
		ck_assert(address_equal(&result.owner, &node[owner].address));
	}
}

START_TEST(the_clock_jumps_while_it_runs)
{
	static const time_t offsets_s[] = {3600, -3600, (time_t)86400 * 365 * 80};
	struct error warning = {""};
	uint16_t port = 1000;

	setup();
	ck_assert(!directory_warning(node[0].directory, &warning));
	for (size_t i = 0; i < sizeof(offsets_s) / sizeof(offsets_s[0]); i++) {
		uint64_t off_ms = (uint64_t)llabs(offsets_s[i]) * 1000;
		struct flow flow = unit_flow(++port);
		const char *other = "clock-behind-ms", *name = "clock-ahead-ms";

		if (offsets_s[i] < 0) {
			name = "clock-behind-ms";
			other = "clock-ahead-ms";
		}
		wall_clock_offset_s = offsets_s[i];
		ck_assert(directory_publish(node[0].directory, &flow));
		turn(50);
		ck_assert_uint_eq(counter(0, "publish-waiting"), 0);
		all_find(&flow, 0);
		ck_assert(directory_warning(node[0].directory, &warning));
		ck_assert_ptr_nonnull(
			strstr(warning.text, offsets_s[i] > 0 ? "ahead of" : "behind"));
		ck_assert_uint_ge(counter(0, name) + 1000, off_ms);
		ck_assert_uint_le(counter(0, name), off_ms + 1000);
		ck_assert_uint_eq(counter(0, other), 0);
		/* The port is used again elsewhere: the later one counts. */
		directory_withdraw(node[0].directory, &flow);
		ck_assert(directory_publish(node[1].directory, &flow));
		turn(50);
		all_find(&flow, 1);
	}
	wall_clock_offset_s = 0;
	ck_assert(!directory_warning(node[0].directory, &warning));
	for (size_t i = 0; i < NODES; i++) {
		ck_assert_uint_eq(counter(i, "clock-steps"), 0);
		ck_assert_uint_eq(counter(i, "epoch-changes"), 0);
		ck_assert_uint_eq(counter(i, "version-ahead"), 0);
	}
	teardown();
}
END_TEST

/* No clock at the start is a reason not to be found, and none is for ever. */
START_TEST(started_with_any_clock)
{
	static const time_t year_s = 365 * 86400;
	const time_t offsets_s[] = {0, 60 - time(NULL), 3600, -3600, 75 * year_s, 0, -3600};
	uint16_t port = options_make(0).port;
	struct in6_addr other;
	struct error error;
	uint64_t epoch = 0;

	key_write();
	base = event_base_new();
	ck_assert_int_eq(node_open(0, 0, &error), 0);
	other = node[1].address = address_from_ipv4(htonl(0x7f000002u));
	directory_reachable_set(node[0].directory, &other, 1);
	for (size_t i = 0; i < sizeof(offsets_s) / sizeof(offsets_s[0]); i++) {
		struct flow flow = unit_flow((uint16_t)(1000 + i));

		life(offsets_s[i], port, &flow);
		ck_assert_uint_gt(epoch_of_1(), epoch);
		epoch = epoch_of_1();
		get(0, &flow);
		ck_assert_int_eq(result.answer, DIRECTORY_FOUND);
		ck_assert(address_equal(&result.owner, &node[1].address));
		/* This member was right all the while, and publishes as well. */
		ck_assert(directory_publish(node[0].directory, &flow));
		directory_withdraw(node[0].directory, &flow);
	}
	teardown();
}
END_TEST

START_TEST(errors_name_cause)
{
	struct directory_options options;
	const struct directory_handlers handlers = {0};
	struct directory *directory;
	struct error error;

	key_write();
	base = event_base_new();
	options = options_make(0);
	options.local = unit_address("192.0.2.1");
	ck_assert_int_eq(directory_open(base, &options, &handlers, NULL, &directory, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "192.0.2.1 is no address of this host"));
	ck_assert_int_eq(node_open(0, 0, &error), 0);
	ck_assert_int_eq(node_open(0, 0, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "in use"));
	options = options_make(1);
	snprintf(options.key_file, sizeof(options.key_file), "/nonexistent");
	ck_assert_int_eq(directory_open(base, &options, &handlers, NULL, &directory, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent is missing"));
	options = options_make(1);
	options.replicas = 4;
	ck_assert_int_eq(directory_open(base, &options, &handlers, NULL, &directory, &error), -1);
	options = options_make(1);
	options.port = 0;
	ck_assert_int_eq(directory_open(base, &options, &handlers, NULL, &directory, &error), -1);
	teardown();
}
END_TEST

UNIT_MAIN("onehop", three_members, a_record_alone_is_asked_for, all_sessions_of_a_member,
	  the_newer_session_of_a_port_is_found, lost_member_is_in_doubt_first,
	  no_routes_prove_nothing, hosts_without_room_prove_nothing,
	  a_director_says_so_and_who_drains_too, clock_went_back, the_clock_jumps_while_it_runs,
	  started_with_any_clock, errors_name_cause)
