/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error replies. Pure: any bytes are some error. */
#include "fpmd/directory/valkey_error.h"

#include <stdbool.h>
#include <string.h>

#include "fpmd/directory/valkey_slot.h"

/* Those that have no word of their own. */
static const struct {
	const char *text;
	enum valkey_error error;
} sentences[] = {
	{"ERR This instance has cluster support disabled", VALKEY_ERROR_NO_CLUSTER},
	/* A script's command: Redis 7.0, then 7.2 and Valkey. */
	{"ERR The user executing the script can't run this command", VALKEY_ERROR_NO_RIGHT},
	{"ERR ACL failure in script", VALKEY_ERROR_NO_RIGHT},
};

static const struct {
	const char *word;
	enum valkey_error error;
} words[] = {
	{"MOVED", VALKEY_ERROR_MOVED},
	{"ASK", VALKEY_ERROR_ASK},
	{"TRYAGAIN", VALKEY_ERROR_TRY_AGAIN},
	{"CLUSTERDOWN", VALKEY_ERROR_CLUSTER_DOWN},
	{"LOADING", VALKEY_ERROR_LOADING},
	{"MASTERDOWN", VALKEY_ERROR_MASTER_DOWN},
	{"READONLY", VALKEY_ERROR_READ_ONLY},
	{"NOSCRIPT", VALKEY_ERROR_NO_SCRIPT},
	{"OOM", VALKEY_ERROR_FULL},
	{"NOAUTH", VALKEY_ERROR_NO_LOGIN},
	{"WRONGPASS", VALKEY_ERROR_WRONG_LOGIN},
	{"NOPERM", VALKEY_ERROR_NO_RIGHT},
};

/* Digits up to *end*, none of them missing. */
static bool read_number(const char *at, const char *end, unsigned long max, uint16_t *out)
{
	unsigned long value = 0;

	if (at == end || end - at > 5)
		return false;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
		value = value * 10 + (unsigned long)(*at - '0');
	}
	*out = (uint16_t)value;
	return value <= max;
}

/* " SLOT HOST:PORT"; the host of an IPv6 address has colons of its own and no brackets. */
static bool read_redirect(const char *at, const char *end, struct valkey_redirect *redirect)
{
	const char *space, *colon;

	memset(redirect, 0, sizeof(*redirect));
	if (at == end)
		return false;
	at++;
	space = memchr(at, ' ', (size_t)(end - at));
	if (space == NULL || !read_number(at, space, VALKEY_SLOTS - 1, &redirect->slot))
		return false;
	at = space + 1;
	space = memchr(at, ' ', (size_t)(end - at));
	if (space != NULL)
		end = space;
	for (colon = end; colon > at && colon[-1] != ':';)
		colon--;
	if (colon == at || !read_number(colon, end, UINT16_MAX, &redirect->port) ||
	    redirect->port == 0)
		return false;
	end = colon - 1;
	if (end - at >= 2 && *at == '[' && end[-1] == ']') {
		at++;
		end--;
	}
	if ((size_t)(end - at) >= sizeof(redirect->host) || (end - at == 1 && *at == '?'))
		return false;
	for (const char *c = at; c < end; c++) {
		if (*c <= ' ' || *c > '~')
			return false;
	}
	memcpy(redirect->host, at, (size_t)(end - at));
	return true;
}

enum valkey_error valkey_error_parse(const char *text, size_t size,
				     struct valkey_redirect *redirect)
{
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		size_t length = strlen(sentences[i].text);

		if (size >= length && memcmp(text, sentences[i].text, length) == 0)
			return sentences[i].error;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t length = strlen(words[i].word);

		if (size < length || memcmp(text, words[i].word, length) != 0 ||
		    (size > length && text[length] != ' '))
			continue;
		if ((words[i].error == VALKEY_ERROR_MOVED || words[i].error == VALKEY_ERROR_ASK) &&
		    !read_redirect(text + length, text + size, redirect))
			return VALKEY_ERROR_OTHER;
		return words[i].error;
	}
	return VALKEY_ERROR_OTHER;
}

const char *valkey_error_remedy(enum valkey_error error)
{
	switch (error) {
	case VALKEY_ERROR_NO_LOGIN:
		return "give `directory engine valkey` a password-file (and user)";
	case VALKEY_ERROR_WRONG_LOGIN:
		return "correct user and password-file of `directory engine valkey`";
	case VALKEY_ERROR_NO_RIGHT:
		return "give the account the rights that doc/valkey.md names";
	case VALKEY_ERROR_FULL:
		return "raise the server's maxmemory";
	case VALKEY_ERROR_READ_ONLY:
		return "it is a replica: name its primary";
	case VALKEY_ERROR_CLUSTER_DOWN:
		return "see `CLUSTER INFO` there";
	default:
		return NULL;
	}
}
