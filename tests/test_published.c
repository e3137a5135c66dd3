/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Own sessions: sent until confirmed, sent again only where the ring moved them, deleted
 * everywhere. */
#include "tests/unit.h"

#include "fpmd/directory/published.h"

static struct published published;
static struct ring ring;

static void ring_make(const uint16_t *ids, size_t count)
{
	struct ring_member members[16];

	for (size_t i = 0; i < count; i++) {
		members[i].id = ids[i];
		members[i].address = address_from_ipv4(htonl(0x0a000000u + ids[i]));
	}
	ring_build(&ring, members, count, 48, 3);
}

static struct record_key key_make(uint32_t number)
{
	struct record_key key = {{0}};

	number *= 2654435761u;
	memcpy(key.bytes, &number, sizeof(number));
	return key;
}

static struct published_entry *add(uint32_t number, uint64_t version)
{
	struct record_key key = key_make(number);
	struct flow flow = unit_flow((uint16_t)(1 + number % 60000));
	struct published_entry *entry;

	entry = published_add(&published, &key, &flow, version, 0);
	if (entry)
		published_place(&published, entry, &ring, 0);
	return entry;
}

/* Sends all that is due; counts the datagrams' entries; confirms what *but* did not lose. */
static size_t work(uint64_t now, int but)
{
	struct published_entry *entry;
	size_t sent = 0;

	while ((entry = published_due(&published, now)) != NULL) {
		uint16_t to[PUBLISHED_HOLDERS];
		struct record_key key = entry->key;
		uint64_t version = entry->version;
		bool ending = entry->ending;
		size_t count = 0;

		for (size_t i = 0; i < entry->holders; i++) {
			if (published_wants(entry, i))
				to[count++] = entry->holder[i];
		}
		published_sent(&published, entry, now);
		sent += count;
		for (size_t i = 0; i < count; i++) {
			if (to[i] != but)
				published_confirm(&published, &key, version, to[i], ending);
		}
	}
	return sent;
}

static const uint16_t SIX[] = {0, 1, 2, 3, 4, 5};
static const uint16_t FIVE[] = {0, 1, 2, 4, 5};

static void place_all(void)
{
	for (struct published_entry *entry = published.oldest; entry != NULL; entry = entry->newer)
		published_place(&published, entry, &ring, 0);
}

START_TEST(until_confirmed)
{
	uint64_t now = 0;
	size_t sent = 0;

	ring_make(SIX, 4); /* 0 to 3: each record at some of 1, 2, 3 */
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_ptr_nonnull(add(i, 10));
	ck_assert_ptr_null(add(5, 11));
	ck_assert_uint_eq(published.live, 100);
	ck_assert_uint_eq(published_next_ms(&published), 0);
	sent = work(now, 2);
	ck_assert_uint_ge(sent, 200);
	ck_assert_uint_gt(published.waiting, 0);
	/* Member 2 loses all: only what it lacks is repeated, ever more slowly, without end. */
	sent = 0;
	for (now = 1; now < 60000; now += 10)
		sent += work(now, 2);
	ck_assert_uint_gt(published.waiting, 50);
	ck_assert_uint_le(sent, 100 * 18);
	ck_assert_uint_ge(sent, 50 * 10);
	work(now + 7000, -1);
	ck_assert_uint_eq(published.waiting, 0);
	ck_assert_uint_eq(published_next_ms(&published), UINT64_MAX);
	published_free(&published);
	ck_assert_uint_eq(published.live, 0);
}
END_TEST

START_TEST(confirmation_must_fit)
{
	struct published_entry *entry;
	struct record_key key = key_make(1);

	ring_make(SIX, 4);
	entry = add(1, 10);
	work(0, 99);
	entry = published_find(&published, &key);
	published_forget(&published, entry->holder[0], false);
	ck_assert_uint_eq(published.waiting, 1);
	ck_assert(!published_confirm(&published, &key, 9, entry->holder[0], false));
	ck_assert(!published_confirm(&published, &key, 10, entry->holder[0], true));
	ck_assert(!published_confirm(&published, &key, 10, 77, false));
	ck_assert_uint_eq(published.waiting, 1);
	ck_assert(published_confirm(&published, &key, 10, entry->holder[0], false));
	ck_assert_uint_eq(published.waiting, 0);
	published_free(&published);
}
END_TEST

START_TEST(only_what_moved)
{
	size_t sent;

	ring_make(SIX, 6);
	for (uint32_t i = 0; i < 3000; i++)
		add(i, 10);
	work(0, -1);
	place_all();
	ck_assert_uint_eq(work(1, -1), 0);
	published_forget(&published, 3, true);
	ring_make(FIVE, 5);
	place_all();
	sent = work(2, -1);
	/* Half of the records were at member 3; of those, some go to this host itself. */
	ck_assert_uint_ge(sent, 900);
	ck_assert_uint_le(sent, 1500);
	/* It comes back, empty. */
	ring_make(SIX, 6);
	place_all();
	sent = work(3, -1);
	ck_assert_uint_ge(sent, 1300);
	ck_assert_uint_le(sent, 1700);
	/* It comes back again in another epoch without having left. */
	published_forget(&published, 3, false);
	sent = work(4, -1);
	ck_assert_uint_ge(sent, 1300);
	ck_assert_uint_le(sent, 1700);
	published_free(&published);
}
END_TEST

START_TEST(ends_everywhere)
{
	struct published_entry *entry;
	struct record_key key = key_make(1);
	uint64_t now = 1;
	uint16_t dead;

	ring_make(SIX, 6);
	add(1, 10);
	work(0, -1);
	/* A replica once, and it still has a copy. */
	ring_make(FIVE, 3);
	place_all();
	work(0, -1);
	entry = published_find(&published, &key);
	ck_assert_uint_ge(entry->holders, 2);
	published_end(&published, entry);
	ck_assert_uint_eq(published.live, 0);
	ck_assert_uint_eq(published.ending, 1);
	ck_assert_uint_ge(work(now, entry->holder[0]), 2);
	ck_assert_uint_eq(published.ending, 1);
	ck_assert_uint_eq(work(now + 100, -1), 1);
	ck_assert_uint_eq(published.ending, 0);
	ck_assert_ptr_null(published_find(&published, &key));
	/* The port is used again before the deletion is through. */
	entry = add(1, 20);
	work(now, -1);
	published_end(&published, entry);
	entry = add(1, 30);
	ck_assert_ptr_nonnull(entry);
	ck_assert_uint_eq(published.ending, 0);
	ck_assert_uint_eq(published.live, 1);
	ck_assert_uint_gt(work(now, -1), 0);
	ck_assert_uint_eq(published.waiting, 0);
	/* A deletion is not tried for ever. */
	dead = entry->holder[0];
	published_end(&published, entry);
	for (; now < 1000000; now += 100)
		work(now, dead);
	ck_assert_uint_eq(published.ending, 0);
	published_free(&published);
}
END_TEST

static uint64_t version_next;

static uint64_t give_version(void *arg, const struct published_entry *entry)
{
	return ++version_next;
}

START_TEST(new_epoch)
{
	ring_make(SIX, 6);
	for (uint32_t i = 0; i < 100; i++)
		add(i, 10);
	work(0, -1);
	version_next = 1000;
	published_renew(&published, give_version, NULL);
	ck_assert_uint_eq(version_next, 1100);
	ck_assert_uint_ge(work(0, -1), 200);
	published_free(&published);
}
END_TEST

START_TEST(the_last_askers_are_remembered_once)
{
	struct published_entry entry = {0};

	published_asked(&entry, 7);
	published_asked(&entry, 7);
	ck_assert_uint_eq(entry.askers, 1);
	for (uint16_t id = 10; id < 10 + PUBLISHED_ASKERS; id++)
		published_asked(&entry, id);
	ck_assert_uint_eq(entry.askers, PUBLISHED_ASKERS);
	for (size_t i = 0; i < PUBLISHED_ASKERS; i++)
		ck_assert_uint_ge(entry.asker[i], 10);
}
END_TEST

/* All pages from *cursor* on: how often each number is on one. */
static unsigned int pages(uint64_t cursor, size_t max, unsigned int *times)
{
	struct flow flows[64];
	unsigned int count = 0;

	do {
		size_t got = published_page(&published, &cursor, flows, max);

		ck_assert_uint_le(got, max);
		for (size_t i = 0; i < got; i++)
			times[flows[i].client_port - 1]++;
		ck_assert_uint_lt(++count, 200);
	} while (cursor != 0);
	return count;
}

START_TEST(each_session_is_on_one_page)
{
	unsigned int times[200] = {0};
	struct flow flows[64];
	uint64_t cursor = 0, other = 0;
	struct record_key key;

	ring_make(SIX, 3);
	ck_assert_uint_eq(pages(0, 10, times), 1);
	for (uint32_t number = 0; number < 100; number++)
		add(number, 10 + number);
	ck_assert_uint_eq(pages(0, 64, times), 2);
	for (size_t i = 0; i < 100; i++)
		ck_assert_uint_eq(times[i], 1);
	/* Some end and some begin while the pages are turned, by two readers. */
	memset(times, 0, sizeof(times));
	for (unsigned int turn = 0; turn < 4; turn++) {
		size_t got = published_page(&published, &cursor, flows, 20);

		for (size_t i = 0; i < got; i++)
			times[flows[i].client_port - 1]++;
		for (uint32_t number = 0; number < 3; number++) {
			key = key_make(10 * turn + 19 + number);
			published_end(&published, published_find(&published, &key));
		}
		add(100 + turn, 300 + turn);
		published_page(&published, &other, flows, 7);
	}
	pages(cursor, 20, times);
	for (uint32_t number = 0; number < 104; number++) {
		struct published_entry *entry;

		key = key_make(number);
		entry = published_find(&published, &key);
		ck_assert_uint_le(times[number], 1);
		if (!entry->ending)
			ck_assert_uint_eq(times[number], 1);
	}
	/* A port that is used again is a new session, behind all others. */
	key = key_make(19);
	ck_assert(published_find(&published, &key)->ending);
	cursor = published_find(&published, &key)->serial + 1;
	add(19, 500);
	ck_assert_uint_gt(published_find(&published, &key)->serial, cursor);
	published_free(&published);
	ck_assert_ptr_null(published.page_end);
}
END_TEST

START_TEST(alone)
{
	ring_make(SIX, 1);
	ck_assert_ptr_nonnull(add(1, 10));
	ck_assert_uint_eq(published.waiting, 0);
	ring_make(SIX, 2);
	place_all();
	ck_assert_uint_eq(work(0, -1), 1);
	published_forget(&published, 1, true);
	ring_make(SIX, 1);
	place_all();
	published_end(&published, published.oldest);
	ck_assert_ptr_null(published.oldest);
	published_free(&published);
}
END_TEST

/* A server that keeps all records: the ring has one holder, nothing gets lost on the way. */
static void keeper_make(void)
{
	struct ring_member keeper = {.id = 1024};

	ring_build(&ring, &keeper, 1, 1, 1);
	published.patience = 6;
}

START_TEST(a_server_is_given_time)
{
	keeper_make();
	add(1, 10);
	ck_assert_uint_eq(work(0, 1024), 1);
	/* Not 50 ms, as with datagrams. */
	ck_assert_uint_eq(published_next_ms(&published), 1600);
	ck_assert_uint_eq(work(1600, 1024), 1);
	ck_assert_uint_eq(published_next_ms(&published), 1600 + 3200);
	published_hurry(&published);
	ck_assert_uint_eq(work(1601, -1), 1);
	ck_assert_uint_eq(published_next_ms(&published), UINT64_MAX);
	published_free(&published);
}
END_TEST

START_TEST(each_session_is_refreshed_in_turn)
{
	struct record_key third = key_make(3), first = key_make(1);
	unsigned int times[11] = {0};

	keeper_make();
	for (uint32_t i = 1; i <= 10; i++)
		add(i, 10);
	ck_assert_uint_eq(work(0, -1), 10);
	for (int round = 0; round < 5; round++) {
		struct published_entry *entry;

		published_refresh(&published, 1024, 2);
		ck_assert_uint_eq(published.waiting, 2);
		while ((entry = published_due(&published, 0)) != NULL) {
			struct record_key key = entry->key;

			times[entry->flow.client_port - 1]++;
			published_sent(&published, entry, 0);
			published_confirm(&published, &key, 10, 1024, false);
		}
		/* The one whose turn is next ends, so does one that had its turn. */
		if (round == 0) {
			published_end(&published, published_find(&published, &third));
			published_end(&published, published_find(&published, &first));
			ck_assert_uint_eq(work(0, -1), 2);
		}
	}
	for (uint32_t i = 1; i <= 10; i++)
		ck_assert_msg(times[i] == (i == 3   ? 0u
					   : i == 2 ? 2u
						    : 1u),
			      "session %u: %u times", i, times[i]);
	published_free(&published);
	published_refresh(&published, 1024, 5);
}
END_TEST

START_TEST(what_a_server_may_have_lost_is_sent_again)
{
	struct record_key ending = key_make(4), ended = key_make(5);

	keeper_make();
	for (uint32_t i = 1; i <= 10; i++)
		add(i, 10);
	work(0, -1);
	published_end(&published, published_find(&published, &ended));
	work(0, -1);
	/* Deletions go on: it may have lost something else. */
	published_end(&published, published_find(&published, &ending));
	published_repeat(&published, 1024);
	ck_assert_uint_eq(published.waiting, 9);
	ck_assert_uint_eq(work(0, -1), 9);
	ck_assert_uint_eq(published.live, 8);
	ck_assert_uint_eq(published.ending, 0);
	published_free(&published);
}
END_TEST

UNIT_MAIN("published", until_confirmed, confirmation_must_fit, only_what_moved, ends_everywhere,
	  new_epoch, each_session_is_on_one_page, alone, the_last_askers_are_remembered_once,
	  a_server_is_given_time, each_session_is_refreshed_in_turn,
	  what_a_server_may_have_lost_is_sent_again)
