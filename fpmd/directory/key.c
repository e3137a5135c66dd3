/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the key file and derives the record hash. Keys leave this process in no other form. */
#include "fpmd/directory/key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 4096
#define HOW_TO_MAKE "make one with: echo \"1 $(openssl rand -hex 32)\""

static int key_line_parse(const char *line, size_t length, unsigned int number, const char *path,
			  struct directory_keys *keys, struct error *error)
{
	uint8_t bytes[KEY_SIZE];
	size_t digits = 0;
	size_t parsed;
	uint64_t id = 0;
	size_t at = 0;

	while (at < length && isdigit((unsigned char)line[at]) && id <= UINT32_MAX)
		id = id * 10 + (uint64_t)(line[at++] - '0');
	if (id == 0 || id > UINT32_MAX || at == length || (line[at] != ' ' && line[at] != '\t'))
		return error_set(
			error, "key file %s line %u: expected `<id> <64 hex digits>`, id 1 or more",
			path, number);
	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	while (at + digits < length && isxdigit((unsigned char)line[at + digits]))
		digits++;
	if (at + digits != length)
		return error_set(error,
				 "key file %s line %u: the key has a character that is not a "
				 "hex digit",
				 path, number);
	if (digits != 2 * KEY_SIZE)
		return error_set(error,
				 "key file %s line %u: the key is too %s, %zu hex digits "
				 "instead of 64; " HOW_TO_MAKE,
				 path, number, digits < 2 * KEY_SIZE ? "short" : "long", digits);
	if (keys->count == KEYS_MAX)
		return error_set(error,
				 "key file %s line %u: more than two keys; remove the oldest", path,
				 number);
	if (directory_key_find(keys, (uint32_t)id) >= 0)
		return error_set(error, "key file %s line %u: id %u is there twice", path, number,
				 (unsigned int)id);
	if (sodium_hex2bin(bytes, sizeof(bytes), line + at, digits, NULL, &parsed, NULL) != 0 ||
	    parsed != KEY_SIZE)
		return error_set(error, "key file %s line %u: bad hex digits", path, number);
	keys->key[keys->count].id = (uint32_t)id;
	memcpy(keys->key[keys->count].bytes, bytes, KEY_SIZE);
	keys->count++;
	sodium_memzero(bytes, sizeof(bytes));
	return 0;
}

int directory_key_parse(const char *text, const char *path, struct directory_keys *keys,
			struct error *error)
{
	unsigned int number = 0;

	memset(keys, 0, sizeof(*keys));
	while (*text != '\0') {
		size_t whole = strcspn(text, "\n");
		const char *line = text;
		size_t length = whole;

		number++;
		text += whole + (text[whole] == '\n');
		while (length > 0 && isspace((unsigned char)line[length - 1]))
			length--;
		while (length > 0 && isspace((unsigned char)*line)) {
			line++;
			length--;
		}
		if (length == 0 || *line == '#')
			continue;
		if (key_line_parse(line, length, number, path, keys, error) != 0) {
			directory_key_clear(keys);
			return -1;
		}
	}
	if (keys->count == 0)
		return error_set(error, "key file %s has no key; " HOW_TO_MAKE, path);
	crypto_kdf_derive_from_key(keys->record_hash, sizeof(keys->record_hash), 1, "hfrecord",
				   keys->key[0].bytes);
	return 0;
}

int directory_key_load(const char *path, struct directory_keys *keys, struct error *error)
{
	char text[KEY_FILE_MAX + 1];
	size_t size = 0;
	struct stat st;
	int result;
	int fd;

	memset(keys, 0, sizeof(*keys));
	if (sodium_init() < 0)
		return error_set(error, "libsodium does not start: no source of random numbers");
	if (path[0] == '\0')
		return error_set(
			error, "no key file is configured; set `directory key-file`, " HOW_TO_MAKE);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return error_set(
			error,
			"key file %s is missing; copy it from another member, or " HOW_TO_MAKE,
			path);
	if (fd < 0)
		return error_set(error,
				 "key file %s cannot be read: %s; fpmd's user needs the right "
				 "to read it",
				 path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(error, "key file %s is not a regular file", path);
	}
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		close(fd);
		return error_set(error, "key file %s can be %s by others; chmod o= %s", path,
				 st.st_mode & S_IROTH ? "read" : "written", path);
	}
	for (;;) {
		ssize_t got = read(fd, text + size, KEY_FILE_MAX - size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			error_set(error, "key file %s cannot be read: %s", path, strerror(errno));
			close(fd);
			sodium_memzero(text, sizeof(text));
			return -1;
		}
		if (got == 0 || size == KEY_FILE_MAX)
			break;
		size += (size_t)got;
	}
	close(fd);
	text[size] = '\0';
	if (size == KEY_FILE_MAX)
		result =
			error_set(error, "key file %s is larger than %d bytes", path, KEY_FILE_MAX);
	else if (strlen(text) != size)
		result = error_set(error, "key file %s is no text file", path);
	else
		result = directory_key_parse(text, path, keys, error);
	sodium_memzero(text, sizeof(text));
	return result;
}

void directory_key_clear(struct directory_keys *keys)
{
	sodium_memzero(keys, sizeof(*keys));
}

int directory_key_find(const struct directory_keys *keys, uint32_t id)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (keys->key[i].id == id)
			return (int)i;
	}
	return -1;
}
