/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See engine.h. */
#include "fpmd/directory/engine.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

void engine_valkey_init(struct engine_valkey *valkey)
{
	memset(valkey, 0, sizeof(*valkey));
	memcpy(valkey->prefix, ENGINE_PREFIX_DEFAULT, sizeof(ENGINE_PREFIX_DEFAULT));
}

int engine_text_set(char *out, size_t size, const char *name, const char *text, struct error *error)
{
	size_t length = strlen(text);

	if (length >= size)
		return error_set(error, "%s: longer than %zu bytes", name, size - 1);
	memcpy(out, text, length + 1);
	return 0;
}

int engine_path_set(char out[ENGINE_PATH_SIZE], const char *name, const char *path,
		    struct error *error)
{
	if (path[0] != '\0' && path[0] != '/')
		return error_set(error, "%s %.100s: give the absolute path", name, path);
	return engine_text_set(out, ENGINE_PATH_SIZE, name, path, error);
}

int engine_valkey_check(const struct engine_valkey *valkey, struct error *error)
{
	/* IPv4, IPv6 and its zone, names. */
	if (valkey->host[0] == '\0' || valkey->host[0] == '-' ||
	    valkey->host[strspn(valkey->host, LETTERS DIGITS ".-_:%")] != '\0')
		return error_set(error, "engine valkey %.100s: this is no address and no name",
				 valkey->host);
	if (valkey->port == 0)
		return error_set(error, "engine valkey: port 0 is not in 1-65535");
	if (valkey->user[0] != '\0' && valkey->password_file[0] == '\0')
		return error_set(error, "engine valkey: user %s has no password: add password-file",
				 valkey->user);
	if (!valkey->tls && valkey->ca_file[0] != '\0')
		return error_set(error, "engine valkey: ca-file is for TLS: add tls");
	if (!valkey->tls && valkey->certificate_file[0] != '\0')
		return error_set(error, "engine valkey: certificate is for TLS: add tls");
	if ((valkey->certificate_file[0] == '\0') != (valkey->private_key_file[0] == '\0'))
		return error_set(error, "engine valkey: a certificate and its key go together");
	if (valkey->prefix[0] == '\0' ||
	    valkey->prefix[strspn(valkey->prefix, LETTERS DIGITS "._-")] != '\0')
		return error_set(
			error,
			"engine valkey: prefix %s: only letters, digits, `.`, `_` and `-` are taken",
			valkey->prefix);
	return 0;
}

bool engine_valkey_equal(const struct engine_valkey *a, const struct engine_valkey *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port &&
	       strcmp(a->user, b->user) == 0 && strcmp(a->password_file, b->password_file) == 0 &&
	       a->tls == b->tls && strcmp(a->ca_file, b->ca_file) == 0 &&
	       strcmp(a->certificate_file, b->certificate_file) == 0 &&
	       strcmp(a->private_key_file, b->private_key_file) == 0 &&
	       strcmp(a->prefix, b->prefix) == 0;
}
