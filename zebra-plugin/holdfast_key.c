/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_key.h. On failure nothing is left behind. */
#include "zebra-plugin/holdfast_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define KEY_BYTES 32

static int key_write(int fd, uint32_t id)
{
	unsigned char key[KEY_BYTES];
	char line[16 + 2 * KEY_BYTES];
	ssize_t written;
	int length;

	if (getrandom(key, sizeof(key), GRND_NONBLOCK) != (ssize_t)sizeof(key))
		return -1;
	length = snprintf(line, sizeof(line), "%u ", id);
	for (size_t i = 0; i < sizeof(key); i++)
		length += snprintf(line + length, sizeof(line) - (size_t)length, "%02x", key[i]);
	line[length++] = '\n';
	written = write(fd, line, (size_t)length);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(line, sizeof(line));
	if (written >= 0 && written != length)
		errno = ENOSPC;
	return written == length && !fsync(fd) ? 0 : -1;
}

int holdfast_key_file_create(const char *path, uint32_t id, struct error *error)
{
	int fd, status, cause;

	if (path[0] != '/')
		return error_set(error, "key-file %.150s: give an absolute path", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return error_set(error,
				 "key-file %.120s is there already and stays as it is: remove it "
				 "first, or give another name",
				 path);
	if (fd < 0)
		return error_set(error,
				 "key-file %.120s: %s; FRR's user must be able to write there",
				 path, strerror(errno));
	status = key_write(fd, id);
	cause = errno;
	if (close(fd) && !status) {
		status = -1;
		cause = errno;
	}
	if (!status)
		return 0;
	unlink(path);
	return error_set(error, "key-file %.150s: %s", path, strerror(cause));
}
