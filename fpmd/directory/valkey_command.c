/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of each command. */
#include "fpmd/directory/valkey_command.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/directory/store.h"

static int hash_script(const char *script, char out[41])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	if (EVP_Digest(script, strlen(script), digest, &size, EVP_sha1(), NULL) != 1 || size != 20)
		return -1;
	sodium_bin2hex(out, 41, digest, size);
	return 0;
}

int valkey_words_make(struct valkey_words *words, const char *prefix, uint32_t lifetime_s)
{
	snprintf(words->prefix, sizeof(words->prefix), "%s",
		 prefix[0] != '\0' ? prefix : VALKEY_PREFIX_DEFAULT);
	snprintf(words->lifetime_ms, sizeof(words->lifetime_ms), "%" PRIu64,
		 (uint64_t)lifetime_s * 1000);
	return hash_script(valkey_put_script, words->put_hash) == 0 &&
			       hash_script(valkey_delete_script, words->delete_hash) == 0
		       ? 0
		       : -1;
}

struct valkey_command *valkey_command_create(enum valkey_command_kind kind, size_t keys)
{
	struct valkey_command *command =
		calloc(1, sizeof(*command) + keys * sizeof(command->keys[0]));

	if (command == NULL)
		return NULL;
	command->sent.kind = (uint8_t)kind;
	command->key_count = keys;
	return command;
}

static int send_script(struct valkey_command *command, struct valkey_link *link,
		       const struct valkey_words *words, uint64_t now_ms)
{
	bool put = command->sent.kind == COMMAND_PUT;
	const struct record_key *key = &command->record.key;
	char record_key[VALKEY_KEY_SIZE], owner_key[VALKEY_KEY_SIZE], tombstone_ms[24];
	uint8_t value[VALKEY_VALUE_SIZE];
	const char *argv[8];
	size_t sizes[8];
	int argc = 0;

	valkey_value_encode(&command->record, !put, value);
	snprintf(tombstone_ms, sizeof(tombstone_ms), "%d", STORE_TOMBSTONE_MS);
	argv[argc++] = command->with_script ? "EVAL" : "EVALSHA";
	if (command->with_script)
		argv[argc++] = put ? valkey_put_script : valkey_delete_script;
	else
		argv[argc++] = put ? words->put_hash : words->delete_hash;
	argv[argc++] = command->without_index ? "1" : "2";
	for (int i = 0; i < argc; i++)
		sizes[i] = strlen(argv[i]);
	sizes[argc] = valkey_record_key(words->prefix, key, record_key);
	argv[argc++] = record_key;
	if (!command->without_index) {
		sizes[argc] = valkey_owner_key(words->prefix, valkey_bucket(key),
					       &command->record.owner, owner_key);
		argv[argc++] = owner_key;
	}
	sizes[argc] = sizeof(value);
	argv[argc++] = (const char *)value;
	sizes[argc] = sizeof(*key);
	argv[argc++] = (const char *)key->bytes;
	argv[argc] = put ? words->lifetime_ms : tombstone_ms;
	sizes[argc] = strlen(argv[argc]);
	argc++;
	return valkey_link_send(link, &command->sent, argc, argv, sizes, now_ms);
}

static int send_scan(struct valkey_command *command, struct valkey_link *link,
		     const struct valkey_words *words, uint64_t now_ms)
{
	char key[VALKEY_KEY_SIZE], cursor[24], count[24];
	const char *argv[] = {"ZSCAN", key, cursor, "COUNT", count};

	valkey_owner_key(words->prefix, command->bucket, &command->record.owner, key);
	snprintf(cursor, sizeof(cursor), "%" PRIu64, command->cursor);
	snprintf(count, sizeof(count), "%d", VALKEY_SCAN_COUNT);
	return valkey_link_send(link, &command->sent, 5, argv, NULL, now_ms);
}

static int send_read(struct valkey_command *command, struct valkey_link *link,
		     const struct valkey_words *words, uint64_t now_ms)
{
	const char **argv = calloc(command->key_count + 1, sizeof(*argv));
	char(*key)[VALKEY_KEY_SIZE] = calloc(command->key_count, sizeof(*key));
	int result = -1;

	if (argv != NULL && key != NULL) {
		argv[0] = "MGET";
		for (size_t i = 0; i < command->key_count; i++) {
			valkey_record_key(words->prefix, &command->keys[i], key[i]);
			argv[i + 1] = key[i];
		}
		result = valkey_link_send(link, &command->sent, (int)command->key_count + 1, argv,
					  NULL, now_ms);
	}
	free(key);
	free(argv);
	return result;
}

int valkey_command_send(struct valkey_command *command, struct valkey_link *link,
			const struct valkey_words *words, uint64_t now_ms)
{
	static const char *const slots[] = {"CLUSTER", "SLOTS"};
	static const char *const asking[] = {"ASKING"};
	const char *get[] = {"GET", NULL};
	char key[VALKEY_KEY_SIZE];

	if (command->asking && valkey_link_send(link, NULL, 1, asking, NULL, now_ms) != 0)
		return -1;
	switch ((enum valkey_command_kind)command->sent.kind) {
	case COMMAND_SLOTS:
		return valkey_link_send(link, &command->sent, 2, slots, NULL, now_ms);
	case COMMAND_PUT:
	case COMMAND_DELETE:
		return send_script(command, link, words, now_ms);
	case COMMAND_GET:
		valkey_record_key(words->prefix, &command->record.key, key);
		get[1] = key;
		return valkey_link_send(link, &command->sent, 2, get, NULL, now_ms);
	case COMMAND_SCAN:
		return send_scan(command, link, words, now_ms);
	case COMMAND_READ:
		return send_read(command, link, words, now_ms);
	}
	return -1;
}
