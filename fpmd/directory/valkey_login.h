/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a connection to the servers is opened with: password and TLS, read from files once, at
 * valkey_open(). Blocks for as long as reading the files takes, then never again.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_LOGIN_H
#define HOLDFAST_DIRECTORY_VALKEY_LOGIN_H

#include <openssl/ssl.h>

#include "fpmd/directory/valkey.h"

#define VALKEY_PASSWORD_MAX 512

struct valkey_login {
	char user[64];
	char password[VALKEY_PASSWORD_MAX + 1]; /* empty: none is needed */
	SSL_CTX *tls;				/* NULL: no TLS */
	char server_name[VALKEY_HOST_SIZE];
};

/* Checks all *options* on the way. Returns 0, or -1 with cause and remedy in *error*. */
int valkey_login_load(const struct valkey_options *options, struct valkey_login *login,
		      struct error *error);

/* Wipes the password, frees the rest. */
void valkey_login_clear(struct valkey_login *login);

/*
 * TLS for a new connection to *host*, whose certificate will be checked against it, or against
 * *server_name* if there is one; the caller owns it. NULL: no memory, or no such name can be.
 */
SSL *valkey_login_tls(const struct valkey_login *login, const char *host);

#endif
