/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an error reply of the server means. Pure. The words are those of Redis 7.0 (src/server.c,
 * createSharedObjects(); src/cluster.c, clusterRedirectClient()), which Valkey kept.
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_ERROR_H
#define HOLDFAST_DIRECTORY_VALKEY_ERROR_H

#include <stddef.h>
#include <stdint.h>

#define VALKEY_ENDPOINT_SIZE 256

enum valkey_error {
	VALKEY_ERROR_MOVED,	   /* another node serves the slot: see the redirect */
	VALKEY_ERROR_ASK,	   /* another node has this key already: see the redirect */
	VALKEY_ERROR_TRY_AGAIN,	   /* some of the keys are here, some there: the slot is moving */
	VALKEY_ERROR_CLUSTER_DOWN, /* nobody serves the slot */
	VALKEY_ERROR_LOADING,	   /* the server is starting */
	VALKEY_ERROR_MASTER_DOWN,  /* a replica without its primary */
	VALKEY_ERROR_READ_ONLY,	   /* a write to a replica */
	VALKEY_ERROR_NO_SCRIPT,	   /* EVALSHA of a script that it does not have */
	VALKEY_ERROR_FULL,	   /* OOM: maxmemory */
	VALKEY_ERROR_NO_LOGIN,	   /* it wants a password */
	VALKEY_ERROR_WRONG_LOGIN,  /* it wants another password or user */
	VALKEY_ERROR_NO_RIGHT,	   /* the account lacks a right */
	VALKEY_ERROR_NO_CLUSTER,   /* a server on its own: it knows no slots */
	VALKEY_ERROR_OTHER,	   /* anything else, malformed redirects included */
};

struct valkey_redirect {
	uint16_t slot;
	uint16_t port;
	char host[VALKEY_ENDPOINT_SIZE]; /* name or address without brackets; empty: the host that
					    said so */
};

/* *text*, *size*: the reply without its '-'. Fills *redirect* for MOVED and ASK only. */
enum valkey_error valkey_error_parse(const char *text, size_t size,
				     struct valkey_redirect *redirect);

/* What the operator can do about it; NULL: nothing, or not known. */
const char *valkey_error_remedy(enum valkey_error error);

#endif
