// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/kernel/address_note.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ADDRESS_NOTE_FLAGS == (IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |
				      IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN),
	       "what ip-address(8) can say");

static const struct {
	uint32_t flag;
	const char *word;
} flag_words[] = {
	{IFA_F_NODAD, "nodad"},
	{IFA_F_HOMEADDRESS, "home"},
	{IFA_F_MANAGETEMPADDR, "mngtmpaddr"},
	{IFA_F_NOPREFIXROUTE, "noprefixroute"},
	{IFA_F_MCAUTOJOIN, "autojoin"},
};

static const struct {
	uint8_t scope;
	const char *word;
} scope_words[] = {
	{RT_SCOPE_UNIVERSE, "global"},
	{RT_SCOPE_SITE, "site"},
	{RT_SCOPE_LINK, "link"},
	{RT_SCOPE_HOST, "host"},
};

#define FLAG_WORDS (sizeof(flag_words) / sizeof(flag_words[0]))
#define SCOPE_WORDS (sizeof(scope_words) / sizeof(scope_words[0]))

static void add(char line[ADDRESS_NOTE_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* All of it fits: two addresses, two names and 100 characters. */
static void add(char line[ADDRESS_NOTE_SIZE], const char *format, ...)
{
	size_t used = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + used, ADDRESS_NOTE_SIZE - used, format, args);
	va_end(args);
}

static void add_scope(char line[ADDRESS_NOTE_SIZE], uint8_t scope)
{
	for (size_t i = 0; i < SCOPE_WORDS; i++)
		if (scope_words[i].scope == scope) {
			add(line, " scope %s", scope_words[i].word);
			return;
		}
	add(line, " scope %u", scope);
}

const char *address_note_write(const struct address_note *note, char line[ADDRESS_NOTE_SIZE])
{
	char text[ADDRESS_TEXT_SIZE];

	line[0] = '\0';
	add(line, "%s/%d dev %s", address_text(&note->address, text),
	    address_is_ipv4(&note->address) ? 32 : 128, note->device);
	if (!IN6_IS_ADDR_UNSPECIFIED(&note->broadcast))
		add(line, " broadcast %s", address_text(&note->broadcast, text));
	add_scope(line, note->scope);
	if (note->label[0])
		add(line, " label %s", note->label);
	if (note->metric)
		add(line, " metric %u", note->metric);
	for (size_t i = 0; i < FLAG_WORDS; i++)
		if (note->flags & flag_words[i].flag)
			add(line, " %s", flag_words[i].word);
	add(line, "; since %llu", (unsigned long long)note->since_s);
	if (note->protocol)
		add(line, " proto %u", note->protocol);
	return line;
}

static int read_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return -1;
	*number = strtoull(text, &end, 10);
	return *end || *number > max ? -1 : 0;
}

static int read_name(const char *text, char name[IF_NAMESIZE])
{
	if (!text || !*text || strlen(text) >= IF_NAMESIZE)
		return -1;
	memset(name, 0, IF_NAMESIZE);
	memcpy(name, text, strlen(text));
	return 0;
}

static int read_prefix(char *text, struct in6_addr *address)
{
	char *slash = text ? strchr(text, '/') : NULL;

	if (!slash)
		return -1;
	*slash++ = '\0';
	if (address_parse(text, address))
		return -1;
	return strcmp(slash, address_is_ipv4(address) ? "32" : "128") ? -1 : 0;
}

static int read_scope(const char *text, uint8_t *scope)
{
	uint64_t number;

	for (size_t i = 0; text && i < SCOPE_WORDS; i++)
		if (!strcmp(text, scope_words[i].word)) {
			*scope = scope_words[i].scope;
			return 0;
		}
	if (read_number(text, UINT8_MAX, &number))
		return -1;
	*scope = (uint8_t)number;
	return 0;
}

/* One word of the line and what belongs to it. */
static int read_word(const char *word, char **rest, struct address_note *note)
{
	uint64_t number;

	for (size_t i = 0; i < FLAG_WORDS; i++)
		if (!strcmp(word, flag_words[i].word)) {
			note->flags |= flag_words[i].flag;
			return 0;
		}
	if (!strcmp(word, "dev"))
		return read_name(strsep(rest, " "), note->device);
	if (!strcmp(word, "label"))
		return read_name(strsep(rest, " "), note->label);
	if (!strcmp(word, "scope"))
		return read_scope(strsep(rest, " "), &note->scope);
	if (!strcmp(word, "broadcast")) {
		const char *text = strsep(rest, " ");

		return text ? address_parse(text, &note->broadcast) : -1;
	}
	if (!strcmp(word, "metric")) {
		if (read_number(strsep(rest, " "), UINT32_MAX, &number))
			return -1;
		note->metric = (uint32_t)number;
		return 0;
	}
	return -1;
}

/* What stands behind "; since ". */
static int read_rest(char *rest, struct address_note *note)
{
	const char *word;
	uint64_t number;

	if (read_number(strsep(&rest, " "), UINT64_MAX, &note->since_s))
		return -1;
	if (!rest)
		return 0;
	word = strsep(&rest, " ");
	if (strcmp(word, "proto") || read_number(rest, UINT8_MAX, &number))
		return -1;
	note->protocol = (uint8_t)number;
	return 0;
}

int address_note_read(const char *line, struct address_note *note)
{
	static const char since[] = "; since ";
	char copy[ADDRESS_NOTE_SIZE], *rest = copy, *end;
	const char *word;

	memset(note, 0, sizeof(*note));
	if (strlen(line) >= sizeof(copy))
		return -1;
	memcpy(copy, line, strlen(line) + 1);
	end = strstr(copy, since);
	if (!end || read_rest(end + sizeof(since) - 1, note))
		return -1;
	*end = '\0';
	if (read_prefix(strsep(&rest, " "), &note->address))
		return -1;
	while ((word = strsep(&rest, " ")))
		if (read_word(word, &rest, note))
			return -1;
	return note->device[0] ? 0 : -1;
}

bool address_note_equal(const struct address_note *a, const struct address_note *b)
{
	return address_equal(&a->address, &b->address) &&
	       address_equal(&a->broadcast, &b->broadcast) && !strcmp(a->device, b->device) &&
	       !strcmp(a->label, b->label) && a->scope == b->scope && a->protocol == b->protocol &&
	       a->flags == b->flags && a->metric == b->metric;
}
