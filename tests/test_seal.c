/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sealing: opens only whole, only for the right ends and boot; replays; boots proven by challenge.
 */
#include "tests/unit.h"

#include <sodium.h>

#include "fpmd/directory/hlc.h"
#include "fpmd/directory/peer.h"
#include "fpmd/directory/replay.h"
#include "fpmd/directory/seal.h"

static const uint8_t GROUP_KEY[KEY_SIZE] = {1, 2, 3};

static size_t sealed(struct seal *seal, struct datagram_header *header, uint8_t *wire)
{
	uint8_t body[100];
	struct in6_addr a = unit_address("10.0.0.1"), b = unit_address("10.0.0.2");

	memset(body, 0x5a, sizeof(body));
	*header = (struct datagram_header){.type = DATAGRAM_GET,
					   .key_id = 1,
					   .boot = {.epoch = 1000, .salt = 7},
					   .counter = 1};
	seal_derive(seal, GROUP_KEY, &a, &b, header->boot);
	return seal_datagram(seal, header, body, sizeof(body), wire);
}

START_TEST(opens)
{
	uint8_t wire[DATAGRAM_MAX], body[DATAGRAM_BODY_MAX];
	struct datagram_header header, back;
	struct seal seal;
	size_t size = sealed(&seal, &header, wire), body_size;

	ck_assert_uint_eq(size, DATAGRAM_HEADER_SIZE + 100 + DATAGRAM_TAG_SIZE);
	ck_assert_int_eq(datagram_header_decode(wire, size, &back), 0);
	ck_assert_int_eq(seal_open(&seal, &back, wire, size, body, &body_size), 0);
	ck_assert_uint_eq(body_size, 100);
	ck_assert_uint_eq(body[0], 0x5a);
	ck_assert_uint_eq(body[99], 0x5a);
	ck_assert_uint_ne(wire[DATAGRAM_HEADER_SIZE], 0x5a);
}
END_TEST

START_TEST(any_bit_flipped)
{
	uint8_t wire[DATAGRAM_MAX], body[DATAGRAM_BODY_MAX];
	struct datagram_header header, back;
	struct seal seal;
	size_t size = sealed(&seal, &header, wire), body_size;

	for (size_t bit = 0; bit < size * 8; bit++) {
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (datagram_header_decode(wire, size, &back) == 0)
			ck_assert_int_eq(seal_open(&seal, &back, wire, size, body, &body_size), -1);
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t cut = 0; cut < size; cut++)
		ck_assert_int_eq(seal_open(&seal, &header, wire, cut, body, &body_size), -1);
	ck_assert_int_eq(seal_open(&seal, &header, wire, size + 1, body, &body_size), -1);
}
END_TEST

START_TEST(key_names_ends_and_boot)
{
	struct in6_addr a = unit_address("10.0.0.1"), b = unit_address("10.0.0.2");
	struct boot boot = {.epoch = 1000, .salt = 7};
	uint8_t other_key[KEY_SIZE] = {1, 2, 4};
	struct seal seal[6];

	seal_derive(&seal[0], GROUP_KEY, &a, &b, boot);
	seal_derive(&seal[1], GROUP_KEY, &b, &a, boot);
	seal_derive(&seal[2], other_key, &a, &b, boot);
	boot.epoch++;
	seal_derive(&seal[3], GROUP_KEY, &a, &b, boot);
	boot.epoch--;
	boot.salt++;
	seal_derive(&seal[4], GROUP_KEY, &a, &b, boot);
	a = unit_address("2001:db8::1");
	seal_derive(&seal[5], GROUP_KEY, &a, &b, boot);
	for (int i = 0; i < 6; i++) {
		for (int j = 0; j < i; j++)
			ck_assert_mem_ne(seal[i].bytes, seal[j].bytes, KEY_SIZE);
	}
}
END_TEST

START_TEST(replay_window)
{
	struct replay replay;

	replay_reset(&replay);
	ck_assert(!replay_check(&replay, 0));
	ck_assert(!replay_check(&replay, UINT64_MAX));
	for (uint64_t i = 1; i < 5000; i++) {
		ck_assert(replay_check(&replay, i));
		replay_take(&replay, i);
		ck_assert(!replay_check(&replay, i));
	}
	ck_assert(!replay_check(&replay, 1));
	replay_take(&replay, 10000);
	ck_assert(replay_check(&replay, 10000 - REPLAY_WINDOW + 1));
	ck_assert(!replay_check(&replay, 10000 - REPLAY_WINDOW));
	replay_take(&replay, 9999);
	ck_assert(!replay_check(&replay, 9999));
	ck_assert(replay_check(&replay, 9998));
}
END_TEST

/* Against a plain table: each counter once, in any order, jumps included. */
START_TEST(replay_random)
{
	static uint8_t taken[200000];
	struct replay replay;
	uint64_t highest = 0;

	replay_reset(&replay);
	for (int i = 0; i < 100000; i++) {
		uint64_t counter = highest + randombytes_uniform(300);

		counter = counter > 250 ? counter - 250 : 1;
		if (randombytes_uniform(5000) == 0)
			counter += 1500;
		if (counter >= sizeof(taken))
			break;
		if (replay_check(&replay, counter)) {
			ck_assert(!taken[counter]);
			taken[counter] = 1;
			replay_take(&replay, counter);
		} else {
			ck_assert(taken[counter] || highest >= counter + REPLAY_WINDOW);
		}
		if (counter > highest)
			highest = counter;
	}
}
END_TEST

START_TEST(boots_are_proven)
{
	struct boot first = {.epoch = 1000, .salt = 1}, second = {.epoch = 2000, .salt = 2};
	struct in6_addr address = unit_address("10.0.0.1");
	uint8_t challenge[CHALLENGE_SIZE] = {0}, older[CHALLENGE_SIZE];
	uint64_t asked_ms = 0;
	struct peer peer;

	peer_init(&peer, &address);
	ck_assert_int_eq(peer_prove(&peer, first, challenge, 1, &asked_ms), PEER_STALE);
	memcpy(older, peer_challenge(&peer, 100), CHALLENGE_SIZE);
	memcpy(challenge, peer_challenge(&peer, 200), CHALLENGE_SIZE);
	/* The one before the newest counts, too: its answer may just be late. */
	ck_assert_int_eq(peer_prove(&peer, first, older, 5, &asked_ms), PEER_RESTARTED);
	ck_assert_uint_eq(asked_ms, 100);
	ck_assert(boot_equal(peer.boot, first));
	ck_assert(!replay_check(&peer.replay, 5));
	/* A challenge proves once. */
	ck_assert_int_eq(peer_prove(&peer, second, challenge, 1, &asked_ms), PEER_STALE);
	memcpy(challenge, peer_challenge(&peer, 300), CHALLENGE_SIZE);
	ck_assert_int_eq(peer_prove(&peer, first, challenge, 6, &asked_ms), PEER_SAME);
	ck_assert_uint_eq(asked_ms, 300);
	memcpy(challenge, peer_challenge(&peer, 300), CHALLENGE_SIZE);
	ck_assert_int_eq(peer_prove(&peer, second, challenge, 1, &asked_ms), PEER_RESTARTED);
	/* Never back, not even with an answer to a fresh challenge. */
	memcpy(challenge, peer_challenge(&peer, 300), CHALLENGE_SIZE);
	ck_assert_int_eq(peer_prove(&peer, first, challenge, 7, &asked_ms), PEER_STALE);
	second.salt++;
	ck_assert_int_eq(peer_prove(&peer, second, challenge, 7, &asked_ms), PEER_STALE);
	peer_clear(&peer);
}
END_TEST

START_TEST(hellos_are_limited)
{
	struct in6_addr address = unit_address("10.0.0.1");
	unsigned int sent = 0, admitted = 0;
	struct peer peer;

	peer_init(&peer, &address);
	for (uint64_t now = 1; now < 10000; now++) {
		peer_hello_soon(&peer);
		sent += peer_hello_due(&peer, now);
		admitted += peer_admit_strange(&peer, now);
	}
	ck_assert_uint_le(sent, 101);
	ck_assert_uint_ge(sent, 10);
	ck_assert_uint_le(admitted, 10 * PEER_STRANGE_PER_S);
	peer_clear(&peer);
	peer_init(&peer, &address);
	sent = 0;
	for (uint64_t now = 1; now < 10000; now++)
		sent += peer_hello_due(&peer, now);
	ck_assert_uint_ge(sent, 10);
	ck_assert_uint_le(sent, 14);
	peer_clear(&peer);
}
END_TEST

START_TEST(clock)
{
	struct hlc hlc = {0};
	uint64_t last = 0;

	for (uint64_t now = 1000; now < 2000; now += 1) {
		/* Forward, standing, and back. */
		uint64_t version = hlc_next(&hlc, now % 7 ? now : now - 500);

		ck_assert_uint_gt(version, last);
		last = version;
	}
	ck_assert_uint_eq(hlc_ms(last), 1999);
	ck_assert(!hlc_observe(&hlc, (UINT64_C(2000) + HLC_AHEAD_MAX_MS + 1) << 16, 2000));
	ck_assert_uint_eq(hlc.last, last);
	ck_assert(hlc_observe(&hlc, (UINT64_C(2000) + HLC_AHEAD_MAX_MS) << 16, 2000));
	ck_assert_uint_gt(hlc_next(&hlc, 2000), (UINT64_C(2000) + HLC_AHEAD_MAX_MS) << 16);
}
END_TEST

UNIT_MAIN("seal", opens, any_bit_flipped, key_names_ends_and_boot, replay_window, replay_random,
	  boots_are_proven, hellos_are_limited, clock)
