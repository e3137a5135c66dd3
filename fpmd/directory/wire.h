/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Big-endian numbers of the directory's wire format. Pure; callers check sizes first. */
#ifndef HOLDFAST_DIRECTORY_WIRE_H
#define HOLDFAST_DIRECTORY_WIRE_H

#include <stddef.h>
#include <stdint.h>

static inline void wire_write(uint8_t *to, uint64_t value, size_t bytes)
{
	while (bytes > 0) {
		to[--bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static inline uint64_t wire_read(const uint8_t *from, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | from[i];
	return value;
}

#endif
