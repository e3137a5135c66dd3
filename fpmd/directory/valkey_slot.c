/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CRC16 and hash tags. Pure. */
#include "fpmd/directory/valkey_slot.h"

#include <string.h>

uint16_t valkey_crc16(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint16_t crc = 0;

	while (size-- > 0) {
		crc ^= (uint16_t)(*at++ << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

uint16_t valkey_slot(const void *key, size_t size)
{
	const char *text = key;
	const char *open = size > 0 ? memchr(text, '{', size) : NULL;

	if (open != NULL) {
		size_t left = size - (size_t)(open + 1 - text);
		const char *close = left > 0 ? memchr(open + 1, '}', left) : NULL;

		if (close != NULL && close > open + 1)
			return valkey_crc16(open + 1, (size_t)(close - open - 1)) % VALKEY_SLOTS;
	}
	return valkey_crc16(text, size) % VALKEY_SLOTS;
}
