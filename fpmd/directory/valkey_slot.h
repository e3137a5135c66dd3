/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of a cluster's slots a key is in. Pure. After the Redis cluster specification, "Key
 * distribution model" and "Hash tags": CRC16 (XMODEM: polynomial 0x1021, from 0, not reflected)
 * modulo 16384, of the part between the first '{' and the next '}' if that is not empty.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_SLOT_H
#define HOLDFAST_DIRECTORY_VALKEY_SLOT_H

#include <stddef.h>
#include <stdint.h>

#define VALKEY_SLOTS 16384

uint16_t valkey_crc16(const void *bytes, size_t size);

/* 0 to VALKEY_SLOTS - 1; any bytes are a key. */
uint16_t valkey_slot(const void *key, size_t size);

#endif
