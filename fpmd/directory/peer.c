/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A peer's keys, boot and challenges. A challenge proves a boot once. */
#include "fpmd/directory/peer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

bool boot_equal(struct boot a, struct boot b)
{
	return a.epoch == b.epoch && a.salt == b.salt;
}

void peer_init(struct peer *peer, const struct in6_addr *address)
{
	memset(peer, 0, sizeof(*peer));
	peer->address = *address;
	peer->hello_interval_ms = PEER_HELLO_FIRST_MS;
}

void peer_clear(struct peer *peer)
{
	for (size_t i = 0; i < PEER_BATCHES; i++)
		free(peer->batch[i]);
	sodium_memzero(peer, sizeof(*peer));
}

const uint8_t *peer_challenge(struct peer *peer, uint64_t now_ms)
{
	memmove(peer->challenge[1], peer->challenge[0], CHALLENGE_SIZE);
	randombytes_buf(peer->challenge[0], CHALLENGE_SIZE);
	peer->challenge_ms[1] = peer->challenge_ms[0];
	peer->challenge_ms[0] = now_ms;
	if (peer->challenges < PEER_CHALLENGES)
		peer->challenges++;
	return peer->challenge[0];
}

enum peer_answer peer_prove(struct peer *peer, struct boot boot,
			    const uint8_t challenge[CHALLENGE_SIZE], uint64_t counter,
			    uint64_t *asked_ms)
{
	bool ours = false;

	for (uint8_t i = 0; i < peer->challenges; i++) {
		if (sodium_memcmp(peer->challenge[i], challenge, CHALLENGE_SIZE) == 0) {
			*asked_ms = peer->challenge_ms[i];
			ours = true;
		}
	}
	if (!ours)
		return PEER_STALE;
	if (boot_equal(boot, peer->boot)) {
		peer->challenges = 0;
		peer->fresh = true;
		return PEER_SAME;
	}
	if (boot.epoch <= peer->boot.epoch)
		return PEER_STALE;
	peer->challenges = 0;
	peer->fresh = true;
	peer->boot = boot;
	memset(peer->receive_ready, 0, sizeof(peer->receive_ready));
	replay_reset(&peer->replay);
	replay_take(&peer->replay, counter);
	return PEER_RESTARTED;
}

bool peer_admit_strange(struct peer *peer, uint64_t now_ms)
{
	if (peer->strange_ms == 0 || now_ms >= peer->strange_ms + 1000) {
		peer->strange_ms = now_ms;
		peer->strange = 0;
	}
	if (peer->strange >= PEER_STRANGE_PER_S)
		return false;
	peer->strange++;
	return true;
}

bool peer_hello_due(struct peer *peer, uint64_t now_ms)
{
	if (now_ms < peer->hello_ms)
		return false;
	if (peer->fresh)
		peer->hello_interval_ms = PEER_HELLO_LAST_MS;
	peer->hello_sent_ms = now_ms;
	peer->hello_ms = now_ms + peer->hello_interval_ms;
	peer->hello_interval_ms *= 2;
	if (peer->hello_interval_ms > PEER_HELLO_LAST_MS)
		peer->hello_interval_ms = PEER_HELLO_LAST_MS;
	return true;
}

void peer_hello_soon(struct peer *peer)
{
	if (peer->hello_ms > peer->hello_sent_ms + PEER_HELLO_FIRST_MS)
		peer->hello_ms = peer->hello_sent_ms + PEER_HELLO_FIRST_MS;
}
