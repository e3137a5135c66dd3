/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store: last writer wins, conditional deletion, epochs, expiry, bounds; against a simple
 * model. */
#include "tests/unit.h"

#include "fpmd/directory/store.h"

#define LIFETIME 600000

static struct record_key key_make(uint32_t number)
{
	struct record_key key = {{0}};

	memcpy(key.bytes, &number, sizeof(number));
	number *= 2654435761u;
	memcpy(key.bytes + 4, &number, sizeof(number));
	return key;
}

static struct in6_addr owner_make(uint32_t number)
{
	return address_from_ipv4(htonl(0x0a000000u + number));
}

static struct record record_make(uint32_t key, uint32_t owner, uint64_t epoch, uint64_t version)
{
	struct record record = {.owner_epoch = epoch, .version = version};

	record.key = key_make(key);
	record.owner = owner_make(owner);
	return record;
}

static enum store_status put(struct store *store, uint32_t key, uint32_t owner, uint64_t epoch,
			     uint64_t version, uint64_t now)
{
	struct record record = record_make(key, owner, epoch, version);

	return store_put(store, &record, now);
}

static enum store_status del(struct store *store, uint32_t number, uint32_t owner, uint64_t epoch,
			     uint64_t version, uint64_t now)
{
	struct record_key key = key_make(number);
	struct in6_addr address = owner_make(owner);

	return store_delete(store, &key, &address, epoch, version, now);
}

/* The owner's number, 0: no record. */
static uint32_t owner_of(struct store *store, uint32_t number)
{
	struct record_key key = key_make(number);
	struct record record;

	if (!store_get(store, &key, &record))
		return 0;
	return ntohl(address_to_ipv4(&record.owner)) - 0x0a000000u;
}

START_TEST(last_writer_wins)
{
	struct store *store = store_create(100, LIFETIME);

	ck_assert_int_eq(put(store, 1, 1, 10, 100, 0), STORE_DONE);
	ck_assert_int_eq(put(store, 1, 1, 10, 100, 0), STORE_DONE);
	ck_assert_int_eq(put(store, 1, 2, 10, 99, 0), STORE_SUPERSEDED);
	ck_assert_uint_eq(owner_of(store, 1), 1);
	ck_assert_int_eq(put(store, 1, 2, 10, 101, 0), STORE_DONE);
	ck_assert_uint_eq(owner_of(store, 1), 2);
	/* The same version of two owners: whichever came first, the result is the same. */
	ck_assert_int_eq(put(store, 2, 5, 10, 7, 0), STORE_DONE);
	ck_assert_int_eq(put(store, 2, 4, 10, 7, 0), STORE_SUPERSEDED);
	ck_assert_int_eq(put(store, 3, 4, 10, 7, 0), STORE_DONE);
	ck_assert_int_eq(put(store, 3, 5, 10, 7, 0), STORE_DONE);
	ck_assert_uint_eq(owner_of(store, 2), owner_of(store, 3));
	store_free(store);
}
END_TEST

/* The client uses its port again, the session lands on owner 2; owner 1's deletion is late. */
START_TEST(late_delete_of_a_reused_port)
{
	struct store *store = store_create(100, LIFETIME);

	put(store, 1, 1, 10, 100, 0);
	put(store, 1, 2, 10, 200, 0);
	ck_assert_int_eq(del(store, 1, 1, 10, 100, 0), STORE_SUPERSEDED);
	ck_assert_uint_eq(owner_of(store, 1), 2);
	/* Nor can one owner delete another's record with whatever version. */
	ck_assert_int_eq(del(store, 1, 1, 10, 300, 0), STORE_SUPERSEDED);
	ck_assert_uint_eq(owner_of(store, 1), 2);
	/* An older deletion of the same owner leaves the newer record. */
	put(store, 1, 2, 10, 250, 0);
	ck_assert_int_eq(del(store, 1, 2, 10, 200, 0), STORE_SUPERSEDED);
	ck_assert_uint_eq(owner_of(store, 1), 2);
	ck_assert_int_eq(del(store, 1, 2, 10, 250, 0), STORE_DONE);
	ck_assert_uint_eq(owner_of(store, 1), 0);
	store_free(store);
}
END_TEST

START_TEST(tombstones)
{
	struct store *store = store_create(100, LIFETIME);

	put(store, 1, 1, 10, 100, 0);
	ck_assert_int_eq(del(store, 1, 1, 10, 100, 0), STORE_DONE);
	ck_assert_int_eq(del(store, 1, 1, 10, 100, 0), STORE_DONE);
	ck_assert_uint_eq(store_tombstones(store), 1);
	/* What was overtaken does not come back; what is newer does. */
	ck_assert_int_eq(put(store, 1, 1, 10, 100, 0), STORE_SUPERSEDED);
	ck_assert_int_eq(put(store, 1, 2, 10, 99, 0), STORE_SUPERSEDED);
	ck_assert_int_eq(put(store, 1, 2, 10, 101, 0), STORE_DONE);
	ck_assert_uint_eq(store_tombstones(store), 0);
	/* The deletion overtook the put. */
	ck_assert_int_eq(del(store, 2, 1, 10, 50, 0), STORE_DONE);
	ck_assert_int_eq(put(store, 2, 1, 10, 50, 0), STORE_SUPERSEDED);
	store_expire(store, STORE_TOMBSTONE_MS - 1, 100);
	ck_assert_uint_eq(store_tombstones(store), 1);
	store_expire(store, STORE_TOMBSTONE_MS + 1000, 100);
	ck_assert_uint_eq(store_tombstones(store), 0);
	ck_assert_uint_eq(store_records(store), 1);
	store_free(store);
}
END_TEST

START_TEST(epochs)
{
	struct store *store = store_create(1000, LIFETIME);
	struct in6_addr one = owner_make(1);

	for (uint32_t i = 0; i < 100; i++) {
		put(store, i, 1, 10, 100, 0);
		put(store, i + 100, 2, 10, 100, 0);
	}
	ck_assert_uint_eq(store_owner_records(store, &one), 100);
	ck_assert_int_eq(put(store, 500, 1, 11, 1, 0), STORE_DONE);
	ck_assert_uint_eq(store_owner_records(store, &one), 1);
	ck_assert_uint_eq(store_records(store), 101);
	ck_assert_int_eq(put(store, 501, 1, 10, 999, 0), STORE_SUPERSEDED);
	ck_assert_int_eq(del(store, 500, 1, 10, 999, 0), STORE_SUPERSEDED);
	store_owner_heard(store, &one, 10, 0);
	ck_assert_uint_eq(store_owner_records(store, &one), 1);
	store_owner_heard(store, &one, 12, 0);
	ck_assert_uint_eq(store_owner_records(store, &one), 0);
	store_free(store);
}
END_TEST

START_TEST(expiry)
{
	struct store *store = store_create(1000, LIFETIME);
	struct in6_addr one = owner_make(1);

	put(store, 1, 1, 10, 100, 1000);
	put(store, 2, 2, 10, 100, 1000);
	store_owner_heard(store, &one, 10, 300000);
	store_expire(store, LIFETIME + 1000, 10);
	ck_assert_uint_eq(store_records(store), 2);
	store_expire(store, LIFETIME + 1001, 10);
	ck_assert_uint_eq(owner_of(store, 1), 1);
	ck_assert_uint_eq(owner_of(store, 2), 0);
	store_expire(store, LIFETIME + 300001, 10);
	ck_assert_uint_eq(store_records(store), 0);
	store_free(store);
}
END_TEST

START_TEST(bounds)
{
	const uint32_t max = 200000;
	struct store *store = store_create(max, LIFETIME);

	for (uint32_t i = 0; i < max; i++)
		ck_assert_int_eq(put(store, i, 1 + i % 12, 10, 100, 0), STORE_DONE);
	ck_assert_int_eq(put(store, max, 1, 10, 100, 0), STORE_FULL);
	ck_assert_int_eq(put(store, 5, 6, 10, 101, 0), STORE_DONE);
	ck_assert_uint_eq(store_records(store), max);
	ck_assert_uint_le(store_memory(store), (size_t)max * 96);
	/* Tombstones make room for records. */
	ck_assert_int_eq(del(store, 7, 1 + 7 % 12, 10, 100, 0), STORE_DONE);
	ck_assert_int_eq(put(store, max, 1, 10, 100, 0), STORE_DONE);
	ck_assert_uint_eq(store_tombstones(store), 0);
	ck_assert_int_eq(put(store, max + 1, 1, 10, 100, 0), STORE_FULL);
	store_free(store);
}
END_TEST

START_TEST(owners_bound)
{
	struct store *store = store_create(10000, LIFETIME);

	for (uint32_t i = 1; i <= STORE_OWNERS_MAX; i++)
		ck_assert_int_eq(put(store, i, i, 10, 100, 0), STORE_DONE);
	ck_assert_int_eq(put(store, 5000, 5000, 10, 100, 0), STORE_FULL);
	/* Owners that have nothing any more make room. */
	store_expire(store, LIFETIME + 1, 10);
	ck_assert_int_eq(put(store, 5000, 5000, 10, 100, LIFETIME + 1), STORE_DONE);
	ck_assert_uint_eq(owner_of(store, 5000), 5000);
	store_free(store);
}
END_TEST

static bool keep_even(void *arg, const struct record_key *key)
{
	return key->bytes[0] % 2 == 0;
}

START_TEST(sweeps)
{
	struct store *store = store_create(1000, LIFETIME);
	size_t dropped = 0;

	for (uint32_t i = 0; i < 200; i++)
		put(store, i, 1, 10, 100, 0);
	del(store, 3, 1, 10, 100, 0);
	for (int i = 0; i < 20; i++)
		dropped += store_sweep(store, keep_even, NULL, 10);
	ck_assert_uint_eq(dropped, 99);
	ck_assert_uint_eq(store_records(store), 100);
	ck_assert_uint_eq(store_tombstones(store), 1);
	store_free(store);
}
END_TEST

/* Random work on few keys, compared with a plain array. */
START_TEST(like_a_plain_table)
{
	struct {
		uint32_t owner;
		uint64_t version;
		bool live;
	} model[32] = {{0}};
	uint64_t epoch[5] = {1, 1, 1, 1, 1};
	struct store *store = store_create(64, LIFETIME);
	uint32_t state = 12345;

	for (int step = 0; step < 200000; step++) {
		uint32_t key, owner;
		uint64_t version;

		state = state * 1664525u + 1013904223u;
		key = state >> 8 & 31;
		owner = 1 + (state >> 13) % 4;
		version = 1 + (uint64_t)step / 64 + (state >> 20) % 16;
		switch (state >> 28) {
		case 0:
			if ((state >> 16) % 16 == 0) {
				put(store, key, owner, ++epoch[owner], version, 0);
				for (int i = 0; i < 32; i++) {
					if (model[i].live && model[i].owner == owner) {
						model[i].live = false;
						model[i].owner = 0;
						model[i].version = 0;
					}
				}
			} else {
				put(store, key, owner, epoch[owner], version, 0);
			}
			break;
		case 1:
		case 2:
		case 3:
		case 4:
			del(store, key, owner, epoch[owner], version, 0);
			if (model[key].owner == 0 ||
			    (!model[key].live && model[key].version < version) ||
			    (model[key].live && model[key].owner == owner &&
			     model[key].version <= version)) {
				model[key].owner = owner;
				model[key].version = version;
				model[key].live = false;
			}
			continue;
		default:
			put(store, key, owner, epoch[owner], version, 0);
		}
		if (model[key].owner == 0 || version > model[key].version ||
		    (version == model[key].version && model[key].live &&
		     owner >= model[key].owner)) {
			model[key].owner = owner;
			model[key].version = version;
			model[key].live = true;
		}
		ck_assert_uint_eq(owner_of(store, key), model[key].live ? model[key].owner : 0);
	}
	for (uint32_t i = 0; i < 32; i++)
		ck_assert_uint_eq(owner_of(store, i), model[i].live ? model[i].owner : 0);
	store_free(store);
}
END_TEST

static enum store_status put_client(struct store *store, uint32_t key, uint16_t client)
{
	struct record record = record_make(key, 1, 1, key + 1);

	record.client = client;
	return store_put(store, &record, 0);
}

static uint32_t records_of(struct store *store, uint32_t first, uint32_t count)
{
	uint32_t found = 0;

	for (uint32_t i = first; i < first + count; i++)
		found += owner_of(store, i) != 0;
	return found;
}

/* One client's flood fills the table; then others come, and it goes on. */
START_TEST(a_flood_of_one_client)
{
	enum { MAX = 10000, OTHERS = 3000 };
	struct store *store = store_create(MAX, LIFETIME);
	uint32_t refused = 0;

	for (uint32_t i = 0; i < MAX; i++)
		ck_assert_int_eq(put_client(store, i, 7), STORE_DONE);
	/* Not for itself: nothing is gained by it. */
	ck_assert_int_eq(put_client(store, MAX, 7), STORE_FULL);
	ck_assert_uint_eq(store_evicted(store), 0);
	for (uint32_t i = 0; i < OTHERS; i++) {
		ck_assert_int_eq(put_client(store, 100000 + i, (uint16_t)(100 + i)), STORE_DONE);
		refused += put_client(store, 200000 + i, 7) == STORE_FULL;
	}
	ck_assert_uint_eq(store_evicted(store), OTHERS);
	ck_assert_uint_eq(refused, OTHERS);
	ck_assert_uint_eq(records_of(store, 100000, OTHERS), OTHERS);
	ck_assert_uint_eq(records_of(store, 0, MAX), MAX - OTHERS);
	ck_assert_uint_eq(store_records(store), MAX);
	store_free(store);
}
END_TEST

/* Many clients with one session each lose nothing to each other. */
START_TEST(no_client_has_more_than_its_share)
{
	enum { MAX = 10000 };
	struct store *store = store_create(MAX, LIFETIME);

	for (uint32_t i = 0; i < MAX; i++)
		ck_assert_int_eq(put_client(store, i, (uint16_t)i), STORE_DONE);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_int_eq(put_client(store, MAX + i, (uint16_t)(MAX + i)), STORE_FULL);
	ck_assert_uint_eq(store_evicted(store), 0);
	ck_assert_uint_eq(records_of(store, 0, MAX), MAX);
	store_free(store);
}
END_TEST

/* A port is used twice within a moment, and each deletion overtakes its put. */
START_TEST(a_tombstone_takes_the_newest_version)
{
	struct store *store = store_create(100, LIFETIME);

	put(store, 1, 1, 10, 100, 0);
	ck_assert_int_eq(del(store, 1, 1, 10, 100, 0), STORE_DONE);
	ck_assert_int_eq(del(store, 1, 2, 10, 200, 1000), STORE_DONE);
	ck_assert_int_eq(put(store, 1, 2, 10, 200, 2000), STORE_SUPERSEDED);
	ck_assert_int_eq(del(store, 1, 1, 10, 100, 3000), STORE_DONE);
	ck_assert_int_eq(put(store, 1, 2, 10, 200, 4000), STORE_SUPERSEDED);
	ck_assert_uint_eq(store_tombstones(store), 1);
	ck_assert_int_eq(put(store, 1, 2, 10, 201, 5000), STORE_DONE);
	ck_assert_uint_eq(owner_of(store, 1), 2);
	store_free(store);
}
END_TEST

START_TEST(cleared)
{
	struct store *store = store_create(3, LIFETIME);
	const struct record_key key = key_make(3);

	put(store, 1, 1, 10, 100, 0);
	put(store, 2, 2, 10, 100, 0);
	del(store, 3, 1, 10, 201, 0);
	ck_assert_uint_eq(store_version(store, &key), 201);
	store_clear(store);
	ck_assert_uint_eq(store_version(store, &key), 0);
	ck_assert_uint_eq(owner_of(store, 1), 0);
	ck_assert_uint_eq(store_records(store), 0);
	ck_assert_uint_eq(store_tombstones(store), 0);
	for (uint32_t i = 3; i < 6; i++) {
		ck_assert_int_eq(put(store, i, 3, 10, 50, 0), STORE_DONE);
		ck_assert_uint_eq(owner_of(store, i), 3);
	}
	ck_assert_int_eq(put(store, 6, 3, 10, 50, 0), STORE_FULL);
	store_free(store);
}
END_TEST

UNIT_MAIN("store", a_tombstone_takes_the_newest_version, cleared, last_writer_wins,
	  late_delete_of_a_reused_port, tombstones, epochs, expiry, bounds, owners_bound, sweeps,
	  a_flood_of_one_client, no_client_has_more_than_its_share, like_a_plain_table)
