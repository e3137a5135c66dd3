/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group's keys: what all members share, read from a file once, at directory_open().
 *
 * The file: one or two lines `<id> <64 hex digits>`; the first seals what this host sends, both
 * open what it receives. To change keys without a gap: old new, then new old, then new, on all
 * hosts each time. Empty lines and lines that begin with # do not count.
 */
#ifndef HOLDFAST_DIRECTORY_KEY_H
#define HOLDFAST_DIRECTORY_KEY_H

#include "fpmd/directory/record.h"
#include "fpmd/error.h"

#define KEYS_MAX 2
#define KEY_SIZE 32

struct directory_keys {
	size_t count;
	struct {
		uint32_t id; /* 1 or more */
		uint8_t bytes[KEY_SIZE];
	} key[KEYS_MAX];
	uint8_t record_hash[RECORD_HASH_SIZE]; /* from the first key */
};

/* Returns 0, or -1 with cause and remedy in *error*. */
int directory_key_load(const char *path, struct directory_keys *keys, struct error *error);

/* The same for text that is in memory; *path* is for the error only. */
int directory_key_parse(const char *text, const char *path, struct directory_keys *keys,
			struct error *error);

/* Wipes the keys from memory. */
void directory_key_clear(struct directory_keys *keys);

/* Index of the key with this id, or -1. */
int directory_key_find(const struct directory_keys *keys, uint32_t id);

#endif
