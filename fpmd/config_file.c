// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/config_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fpm/frame.h"
#include "fpmd/log.h"
#include "zebra-plugin/holdfast_wire.h"

#define WORDS_MAX 32
#define BLANKS " \t\r"

/* A line in its words. */
struct line {
	char *words[WORDS_MAX + 1]; /* NULL behind the last */
	size_t count;
	size_t at; /* the next one to be read */
};

/* Numbers: the ranges are those of the commands (zebra-plugin/holdfast_cli.c). */
struct number {
	const char *first, *second; /* NULL: one word only */
	unsigned long min, max;
	size_t offset, size;
};

#define FIELD(name)                                                                                \
	offsetof(struct holdfast_config, name), sizeof(((struct holdfast_config *)0)->name)

static const struct number numbers[] = {
	{"directory", "port", 1, 65535, FIELD(directory_port)},
	{"directory", "replicas", 1, 3, FIELD(directory_replicas)},
	{"directory", "ring-members", 3, 1024, FIELD(ring_members)},
	{"directory", "record-lifetime", 5, 86400, FIELD(record_lifetime_s)},
	{"queue", NULL, 0, 65535, FIELD(queue)},
	{"pins", "max", 1, 16777216, FIELD(pins_max)},
	{"pins", "check-interval", 1, 86400, FIELD(pin_check_s)},
	{"flows", "max", 1000, 10000000, FIELD(flows_max)},
	{"flows", "lifetime", 5, 86400, FIELD(flow_lifetime_s)},
};

static const struct number tunnel_port = {"port", NULL, 1, 65535, FIELD(tunnel_port)};
static const struct number tunnel_vni = {"vni", NULL, 1, 16777215, FIELD(tunnel_vni)};

static const struct {
	const char *word;
	uint32_t bit;
} debug_topics[] = {
	{"fpm", TOPIC_FPM},	  {"members", TOPIC_MEMBERS},	  {"sessions", TOPIC_SESSIONS},
	{"strays", TOPIC_STRAYS}, {"directory", TOPIC_DIRECTORY}, {"kernel", TOPIC_KERNEL},
	{"paths", TOPIC_PATHS},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static int line_split(char *text, struct line *line, struct error *error)
{
	char *rest = text, *word;

	*line = (struct line){0};
	while ((word = strtok_r(rest, BLANKS, &rest))) {
		if (line->count == WORDS_MAX)
			return error_set(error, "more than %d words: no line has so many",
					 WORDS_MAX);
		line->words[line->count++] = word;
	}
	return 0;
}

/* Takes the next word if it is *word*. */
static bool take(struct line *line, const char *word)
{
	if (line->at == line->count || strcmp(line->words[line->at], word) != 0)
		return false;
	line->at++;
	return true;
}

/* The next word, whatever it is; *what* says what it should be. */
static const char *take_any(struct line *line, const char *what, struct error *error)
{
	if (line->at < line->count)
		return line->words[line->at++];
	error_set(error, "%s is missing", what);
	return NULL;
}

static int expect_end(const struct line *line, struct error *error)
{
	if (line->at == line->count)
		return 0;
	return error_set(error,
			 "`%.60s` is not expected here: remove it, or see the README for the line",
			 line->words[line->at]);
}

static int take_number(struct line *line, const struct number *number,
		       struct holdfast_config *config, struct error *error)
{
	const char *word = take_any(line, "a number", error);
	uint8_t *field = (uint8_t *)config + number->offset;
	unsigned long value;
	char *end;

	if (!word)
		return -1;
	errno = 0;
	value = strtoul(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end || errno || value < number->min ||
	    value > number->max)
		return error_set(error, "%.60s is not in %lu-%lu", word, number->min, number->max);
	if (number->size == sizeof(uint8_t))
		*field = (uint8_t)value;
	else if (number->size == sizeof(uint16_t))
		memcpy(field, &(uint16_t){(uint16_t)value}, sizeof(uint16_t));
	else
		memcpy(field, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
	return 0;
}

static int parse_address(const char *word, struct holdfast_prefix *out, struct error *error)
{
	memset(out, 0, sizeof(*out));
	out->family = strchr(word, ':') ? AF_INET6 : AF_INET;
	out->length = holdfast_host_length(out->family);
	if (inet_pton(out->family, word, out->address) == 1)
		return 0;
	return error_set(error, "%.60s is no address", word);
}

static int parse_prefix(char *word, struct holdfast_prefix *out, struct error *error)
{
	char *slash = strchr(word, '/'), *end;
	unsigned long length;

	if (!slash)
		return error_set(error, "%.60s has no length: write ADDRESS/LENGTH", word);
	*slash = '\0';
	if (parse_address(word, out, error))
		return -1;
	length = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end || length > out->length)
		return error_set(error, "%.60s/%.20s: the length is not in 0-%u", word, slash + 1,
				 out->length);
	out->length = (uint8_t)length;
	return 0;
}

typedef int prefix_setter(struct holdfast_config *config, const struct holdfast_prefix *prefix,
			  struct error *error);

static int take_prefix(struct line *line, prefix_setter *set, struct holdfast_config *config,
		       struct error *error)
{
	struct holdfast_prefix prefix;
	char *word = (char *)take_any(line, "ADDRESS/LENGTH", error);

	return !word || parse_prefix(word, &prefix, error) ? -1 : set(config, &prefix, error);
}

static int take_member(struct line *line, struct holdfast_config *config, struct error *error)
{
	struct holdfast_prefix address;
	const char *word = take_any(line, "the address", error);

	return !word || parse_address(word, &address, error)
		       ? -1
		       : holdfast_member_set(config, &address, error);
}

static int take_role(struct line *line, struct holdfast_config *config, struct error *error)
{
	if (take(line, "auto"))
		config->role = HOLDFAST_ROLE_AUTO;
	else if (take(line, "server"))
		config->role = HOLDFAST_ROLE_SERVER;
	else if (take(line, "director"))
		config->role = HOLDFAST_ROLE_DIRECTOR;
	else
		return error_set(error, "a role is one of auto, server, director");
	return 0;
}

static int take_tunnel(struct line *line, struct holdfast_config *config, struct error *error)
{
	if (!take(line, "port"))
		return error_set(error,
				 "write tunnel port NUMBER, and vni NUMBER behind it if wanted");
	if (take_number(line, &tunnel_port, config, error))
		return -1;
	return take(line, "vni") ? take_number(line, &tunnel_vni, config, error) : 0;
}

static int take_mark_value(struct line *line, uint32_t *value, struct error *error)
{
	const char *word = take_any(line, "a hexadecimal number", error);

	return word ? holdfast_mark_parse(word, value, error) : -1;
}

static int take_mark(struct line *line, struct holdfast_config *config, struct error *error)
{
	uint32_t owner = config->mark_owner_mask, path = config->mark_path_mask,
		 stray = config->mark_stray_bit, tunnel = config->mark_tunnel_bit;

	do {
		uint32_t *value = take(line, "owner-mask")   ? &owner
				  : take(line, "stray-bit")  ? &stray
				  : take(line, "tunnel-bit") ? &tunnel
				  : take(line, "path-mask")  ? &path
							     : NULL;

		if (!value)
			return error_set(
				error,
				"a mark has owner-mask, stray-bit, tunnel-bit and path-mask");
		if (take_mark_value(line, value, error))
			return -1;
	} while (line->at < line->count);
	return holdfast_marks_set(config, owner, path, stray, tunnel, error);
}

static int take_text(struct line *line, char *out, size_t size, const char *name,
		     struct error *error)
{
	const char *word = take_any(line, name, error);

	return word ? engine_text_set(out, size, name, word, error) : -1;
}

static int take_path(struct line *line, char out[ENGINE_PATH_SIZE], const char *name,
		     struct error *error)
{
	const char *word = take_any(line, name, error);

	return word ? engine_path_set(out, name, word, error) : -1;
}

static int take_valkey_option(struct line *line, struct engine_valkey *valkey, struct error *error)
{
	if (take(line, "user"))
		return take_text(line, valkey->user, sizeof(valkey->user), "user", error);
	if (take(line, "password-file"))
		return take_path(line, valkey->password_file, "password-file", error);
	if (take(line, "ca-file"))
		return take_path(line, valkey->ca_file, "ca-file", error);
	if (take(line, "certificate"))
		return take_path(line, valkey->certificate_file, "certificate", error);
	if (take(line, "key"))
		return take_path(line, valkey->private_key_file, "key", error);
	if (take(line, "prefix"))
		return take_text(line, valkey->prefix, sizeof(valkey->prefix), "prefix", error);
	if (take(line, "tls")) {
		valkey->tls = true;
		return 0;
	}
	return expect_end(line, error);
}

static int take_engine(struct line *line, struct holdfast_config *config, struct error *error)
{
	static const struct number port = {"port", NULL, 1, 65535, FIELD(valkey.port)};
	struct engine_valkey *valkey = &config->valkey;

	engine_valkey_init(valkey);
	if (take(line, "one-hop"))
		return 0;
	if (!take(line, "valkey"))
		return error_set(error, "an engine is one of one-hop, valkey");
	if (take_text(line, valkey->host, sizeof(valkey->host), "engine valkey", error) ||
	    take_number(line, &port, config, error))
		return -1;
	while (line->at < line->count)
		if (take_valkey_option(line, valkey, error))
			return -1;
	return engine_valkey_check(valkey, error);
}

static int take_key_file(struct line *line, struct holdfast_config *config, struct error *error)
{
	const char *word = take_any(line, "the path", error);

	return word ? holdfast_key_file_set(config, word, error) : -1;
}

/* The two words of a line that begins so, or the one. */
static bool take_words(struct line *line, const char *first, const char *second)
{
	if (!take(line, first))
		return false;
	if (!second || take(line, second))
		return true;
	line->at--;
	return false;
}

static int take_statement(struct line *line, struct holdfast_config *config, struct error *error)
{
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (take_words(line, numbers[i].first, numbers[i].second))
			return take_number(line, &numbers[i], config, error);
	if (take(line, "prefix"))
		return take_prefix(line, holdfast_vip_add, config, error);
	if (take(line, "member-range"))
		return take_prefix(line, holdfast_range_add, config, error);
	if (take(line, "local-member"))
		return take_member(line, config, error);
	if (take_words(line, "directory", "key-file"))
		return take_key_file(line, config, error);
	if (take_words(line, "directory", "engine"))
		return take_engine(line, config, error);
	if (take(line, "tunnel"))
		return take_tunnel(line, config, error);
	if (take(line, "mark"))
		return take_mark(line, config, error);
	if (take(line, "role"))
		return take_role(line, config, error);
	if (take(line, "drain")) {
		config->drain = true;
		return 0;
	}
	if (take_words(line, "flows", "fast-path")) {
		config->flows_fast_path = true;
		return 0;
	}
	if (take(line, "no"))
		return error_set(error, "what is not in the file has its default: remove the line");
	return error_set(error, "`%.60s%s%.60s` begins no line of the block `holdfast`",
			 line->words[0], line->count > 1 ? " " : "",
			 line->count > 1 ? line->words[1] : "");
}

static int take_debug(struct line *line, struct holdfast_config *config, struct error *error)
{
	bool all = line->at == line->count, found = all;

	for (size_t i = 0; i < COUNT_OF(debug_topics); i++)
		if (all || take(line, debug_topics[i].word)) {
			config->debug |= debug_topics[i].bit;
			found = true;
		}
	return found ? 0 : error_set(error, "there is no debug topic %.60s", line->words[line->at]);
}

/* *inside*: of the block. */
static int take_line(struct line *line, bool *inside, struct holdfast_config *config,
		     struct error *error)
{
	if (take_words(line, "debug", "holdfast"))
		return take_debug(line, config, error);
	if (take(line, "holdfast")) {
		*inside = config->enabled = true;
		return 0;
	}
	if (take(line, "exit") || take(line, "end")) {
		*inside = false;
		return 0;
	}
	if (!*inside)
		return error_set(error,
				 "`%.60s` is outside of the block: write `holdfast` before it",
				 line->words[0]);
	return take_statement(line, config, error);
}

int config_file_parse(char *text, struct holdfast_config *config, struct error *error)
{
	unsigned int number = 0;
	bool inside = false;
	char *next;

	holdfast_config_init(config);
	for (; text; text = next) {
		struct error fault;
		struct line line;

		number++;
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		text += strspn(text, BLANKS);
		/* FRR's comments. */
		if (text[0] == '!' || text[0] == '#')
			continue;
		if (line_split(text, &line, &fault) ||
		    (line.count &&
		     (take_line(&line, &inside, config, &fault) || expect_end(&line, &fault))))
			return error_set(error, "line %u: %.200s", number, fault.text);
	}
	return 0;
}

Holdfast__Frame *config_file_message(const struct holdfast_config *config)
{
	uint8_t bytes[HOLDFAST_CONFIG_FRAME_SIZE];
	size_t size = holdfast_wire_config(config, bytes, sizeof(bytes));
	struct frame frame;

	if (!size || frame_parse(bytes, size, &frame) != FRAME_COMPLETE)
		return NULL;
	return holdfast__frame__unpack(NULL, frame.payload_size, frame.payload);
}
