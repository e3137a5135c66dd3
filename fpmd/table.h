/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uthash with a keyed hash (SipHash-2-4 of libsodium, a key of its own for each process), so that a
 * client cannot choose ports that all fall into one bucket. Include this instead of uthash.h.
 */
#ifndef HOLDFAST_TABLE_H
#define HOLDFAST_TABLE_H

#include <stddef.h>

unsigned int table_hash(const void *key, size_t size);

#define HASH_FUNCTION(key, size, value) ((value) = table_hash((key), (size)))
#include <uthash.h>

#endif
