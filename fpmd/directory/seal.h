/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sealing and opening datagrams: ChaCha20-Poly1305 (IETF), nonce = salt and counter, the header as
 * associated data. A key serves one direction between two members during one boot of the sender, so
 * a counter never meets a key twice, and a datagram opens only for the receiver it was meant for.
 */
#ifndef HOLDFAST_DIRECTORY_SEAL_H
#define HOLDFAST_DIRECTORY_SEAL_H

#include "fpmd/directory/datagram.h"
#include "fpmd/directory/key.h"

struct seal {
	uint8_t bytes[KEY_SIZE];
};

/* The key for what *sender* in its *boot* sends to *receiver*. */
void seal_derive(struct seal *seal, const uint8_t group_key[KEY_SIZE],
		 const struct in6_addr *sender, const struct in6_addr *receiver, struct boot boot);

/*
 * Writes header, encrypted body and tag to *out* (DATAGRAM_MAX bytes) and returns the size.
 * *body_size* is at most DATAGRAM_BODY_MAX.
 */
size_t seal_datagram(const struct seal *seal, const struct datagram_header *header,
		     const uint8_t *body, size_t body_size, uint8_t *out);

/*
 * Opens a datagram that passed datagram_header_decode() into *body* (DATAGRAM_BODY_MAX bytes).
 * Returns 0 and the size of the body, or -1: it was not sealed with this key.
 */
int seal_open(const struct seal *seal, const struct datagram_header *header, const uint8_t *wire,
	      size_t size, uint8_t *body, size_t *body_size);

#endif
