/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is sent to a server, kept until it is answered so that it can be sent again elsewhere. */
#ifndef HOLDFAST_DIRECTORY_VALKEY_COMMAND_H
#define HOLDFAST_DIRECTORY_VALKEY_COMMAND_H

#include "fpmd/directory/valkey_link.h"
#include "fpmd/directory/valkey_record.h"

#define VALKEY_SCAN_COUNT 100

enum valkey_command_kind {
	COMMAND_SLOTS = VALKEY_SENT_FIRST, /* who serves what? */
	COMMAND_PUT,
	COMMAND_DELETE,
	COMMAND_GET,
	COMMAND_SCAN, /* of an owner's keys in one bucket */
	COMMAND_READ, /* the records of keys */
};

struct valkey_command {
	struct valkey_sent sent; /* the link's; first */
	uint8_t attempts;
	bool asking;	      /* the node is told first that it was named by ASK */
	bool without_index;   /* of PUT, DELETE */
	bool with_script;     /* of PUT, DELETE: the script itself, not its hash */
	uint64_t request;     /* of GET, SCAN, READ */
	struct record record; /* PUT: all; DELETE: without client; GET: key; SCAN, READ: owner */
	uint64_t cursor;      /* SCAN: where to begin; READ: where to go on */
	bool more;	      /* READ */
	uint16_t bucket;
	size_t key_count; /* READ */
	struct record_key keys[];
};

/* What all commands of a group have in common. */
struct valkey_words {
	char prefix[VALKEY_PREFIX_MAX + 1];
	char lifetime_ms[24];
	char put_hash[41]; /* SHA-1 of the scripts, as EVALSHA wants it */
	char delete_hash[41];
};

/* Returns 0, or -1: OpenSSL has no SHA-1. */
int valkey_words_make(struct valkey_words *words, const char *prefix, uint32_t lifetime_s);

/* NULL: no memory. Freed with free(). */
struct valkey_command *valkey_command_create(enum valkey_command_kind kind, size_t keys);

/* As valkey_link_send(). */
int valkey_command_send(struct valkey_command *command, struct valkey_link *link,
			const struct valkey_words *words, uint64_t now_ms);

#endif
