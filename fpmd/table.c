// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/table.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

unsigned int table_hash(const void *key, size_t size)
{
	static unsigned char secret[crypto_shorthash_KEYBYTES];
	static bool ready;
	unsigned char out[crypto_shorthash_BYTES];
	unsigned int value;

	if (!ready) {
		randombytes_buf(secret, sizeof(secret));
		ready = true;
	}
	crypto_shorthash(out, key, size, secret);
	memcpy(&value, out, sizeof(value));
	return value;
}
