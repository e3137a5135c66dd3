/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records as a Valkey or Redis server keeps them: keys, values, and the scripts that change them.
 * Pure.
 *
 *   PREFIX:{BUCKET}:r:KEY     BUCKET 3 hex digits, KEY 32 hex digits
 *     kind 1 ('R' a record, 'T' a tombstone) | version 8 | owner 16 | owner epoch 6 | client 2
 *     Numbers are big-endian. Expires after the record's lifetime, the tombstone's
 *     STORE_TOMBSTONE_MS.
 *   PREFIX:{BUCKET}:o:OWNER   OWNER as text ("10.255.0.3", "2001:db8::1")
 *     A sorted set of the keys (16 bytes each) of the owner's records in this bucket; the score is
 *     the second, of the server's clock, at which the record expires. It is an index only: it may
 *     name records that ended, or are another owner's by now.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_RECORD_H
#define HOLDFAST_DIRECTORY_VALKEY_RECORD_H

#include "fpmd/directory/record.h"
#include "fpmd/directory/valkey.h"

#define VALKEY_BUCKETS 1024
#define VALKEY_VALUE_SIZE 33
#define VALKEY_KEY_SIZE (VALKEY_PREFIX_MAX + ADDRESS_TEXT_SIZE + 16)

enum valkey_value {
	VALKEY_VALUE_RECORD,
	VALKEY_VALUE_TOMBSTONE,
	VALKEY_VALUE_FOREIGN, /* not ours, or of another version of Holdfast */
};

/* 0 to VALKEY_BUCKETS - 1. */
uint16_t valkey_bucket(const struct record_key *key);

/* Both write a C string and return its length. */
size_t valkey_record_key(const char *prefix, const struct record_key *key,
			 char out[VALKEY_KEY_SIZE]);
size_t valkey_owner_key(const char *prefix, uint16_t bucket, const struct in6_addr *owner,
			char out[VALKEY_KEY_SIZE]);

/* The key is not part of the value. */
void valkey_value_encode(const struct record *record, bool tombstone,
			 uint8_t value[VALKEY_VALUE_SIZE]);

/* Fills *record*, with *key*, unless it is foreign. */
enum valkey_value valkey_value_decode(const void *value, size_t size, const struct record_key *key,
				      struct record *record);

/*
 * KEYS: the record's, and the owner's (may be left out: the index stays as it is).
 * ARGV: the value, the key as 16 bytes, the time in ms after which it expires.
 * Both return 0: done, or 1: superseded. They do the same as store_put() and store_delete(), but
 * know an owner's epoch only by what they replace. A delete that finds no memory for its tombstone
 * deletes all the same.
 */
extern const char valkey_put_script[];
extern const char valkey_delete_script[];

#endif
