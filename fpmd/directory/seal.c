/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sealing with libsodium. Pure but for libsodium; the caller gives a counter once per key. */
#include "fpmd/directory/seal.h"

#include <sodium.h>
#include <string.h>

#include "fpmd/directory/wire.h"

#define NONCE_SIZE crypto_aead_chacha20poly1305_ietf_NPUBBYTES

static const char PURPOSE[16] = "holdfast seal 1";

static void nonce_make(const struct datagram_header *header, uint8_t nonce[NONCE_SIZE])
{
	_Static_assert(NONCE_SIZE == 12, "nonce size");
	wire_write(nonce, header->boot.salt, 4);
	wire_write(nonce + 4, header->counter, 8);
}

void seal_derive(struct seal *seal, const uint8_t group_key[KEY_SIZE],
		 const struct in6_addr *sender, const struct in6_addr *receiver, struct boot boot)
{
	uint8_t input[sizeof(PURPOSE) + 16 + 16 + 8 + 4];

	_Static_assert(KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "key size");
	memcpy(input, PURPOSE, sizeof(PURPOSE));
	memcpy(input + 16, sender->s6_addr, 16);
	memcpy(input + 32, receiver->s6_addr, 16);
	wire_write(input + 48, boot.epoch, 8);
	wire_write(input + 56, boot.salt, 4);
	crypto_generichash_blake2b(seal->bytes, sizeof(seal->bytes), input, sizeof(input),
				   group_key, KEY_SIZE);
}

size_t seal_datagram(const struct seal *seal, const struct datagram_header *header,
		     const uint8_t *body, size_t body_size, uint8_t *out)
{
	uint8_t nonce[NONCE_SIZE];

	_Static_assert(DATAGRAM_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES, "tag size");
	nonce_make(header, nonce);
	datagram_header_encode(header, out);
	crypto_aead_chacha20poly1305_ietf_encrypt(out + DATAGRAM_HEADER_SIZE, NULL, body, body_size,
						  out, DATAGRAM_HEADER_SIZE, NULL, nonce,
						  seal->bytes);
	return DATAGRAM_HEADER_SIZE + body_size + DATAGRAM_TAG_SIZE;
}

int seal_open(const struct seal *seal, const struct datagram_header *header, const uint8_t *wire,
	      size_t size, uint8_t *body, size_t *body_size)
{
	uint8_t nonce[NONCE_SIZE];
	unsigned long long length;

	if (size < DATAGRAM_HEADER_SIZE + DATAGRAM_TAG_SIZE || size > DATAGRAM_MAX)
		return -1;
	nonce_make(header, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(
		    body, &length, NULL, wire + DATAGRAM_HEADER_SIZE, size - DATAGRAM_HEADER_SIZE,
		    wire, DATAGRAM_HEADER_SIZE, nonce, seal->bytes) != 0)
		return -1;
	*body_size = (size_t)length;
	return 0;
}
