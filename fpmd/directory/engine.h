/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which engine keeps the records: the members themselves (one-hop), or a Valkey or Redis server or
 * cluster, and how that is reached. Pure: what may be configured, shared by fpmd and zebra's
 * module.
 */
#ifndef HOLDFAST_DIRECTORY_ENGINE_H
#define HOLDFAST_DIRECTORY_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fpmd/error.h"

#define ENGINE_PATH_SIZE 256
#define ENGINE_HOST_SIZE 256 /* a name has 255 octets at most: RFC 1035, section 2.3.4 */
#define ENGINE_USER_SIZE 64
#define ENGINE_PREFIX_SIZE 33
#define ENGINE_PREFIX_DEFAULT "holdfast"

/* A string that is empty was not given. */
struct engine_valkey {
	char host[ENGINE_HOST_SIZE]; /* address or name; empty: the one-hop engine */
	uint16_t port;		     /* TCP */
	char user[ENGINE_USER_SIZE]; /* empty: the server's user `default` */
	char password_file[ENGINE_PATH_SIZE];
	bool tls;
	char ca_file[ENGINE_PATH_SIZE]; /* empty: the authorities that the system trusts */
	char certificate_file[ENGINE_PATH_SIZE];
	char private_key_file[ENGINE_PATH_SIZE];
	char prefix[ENGINE_PREFIX_SIZE]; /* of all keys in the server */
};

/* The one-hop engine. */
void engine_valkey_init(struct engine_valkey *valkey);

/*
 * Sets a string of the struct. Returns 0, or -1 with *error* and the string as it was: too long,
 * a path that is not absolute. *name* is the word of the command, for the error.
 */
int engine_text_set(char *out, size_t size, const char *name, const char *text,
		    struct error *error);
int engine_path_set(char out[ENGINE_PATH_SIZE], const char *name, const char *path,
		    struct error *error);

/*
 * Does all of it fit together? Returns 0, or -1 with cause and remedy in *error*: a host that is no
 * address and no name, port 0, a user without a password, files of TLS without `tls`, a certificate
 * without its key, a prefix of other characters than letters, digits, `.`, `_`, `-`.
 */
int engine_valkey_check(const struct engine_valkey *valkey, struct error *error);

bool engine_valkey_equal(const struct engine_valkey *a, const struct engine_valkey *b);

#endif
