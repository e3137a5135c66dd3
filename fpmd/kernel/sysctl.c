// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads and writes settings of devices; keeps nothing. */
#include "fpmd/kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void sysctl_path(char *path, size_t size, const char *family, const char *device,
			const char *name)
{
	snprintf(path, size, "/proc/sys/net/%s/conf/%s/%s", family, device, name);
}

int sysctl_read(const char *family, const char *device, const char *name)
{
	char path[128], text[16];
	ssize_t length;
	int fd;

	sysctl_path(path, sizeof(path), family, device, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return -EIO;
	text[length] = '\0';
	return atoi(text);
}

int sysctl_write(const char *family, const char *device, const char *name, int value)
{
	char path[128], text[16];
	int fd, length, status = 0;

	if (sysctl_read(family, device, name) == value)
		return 0;
	sysctl_path(path, sizeof(path), family, device, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = snprintf(text, sizeof(text), "%d\n", value);
	if (write(fd, text, (size_t)length) != length)
		status = -errno;
	close(fd);
	return status;
}

int sysctl_error(int status, const char *family, const char *device, const char *name,
		 struct error *error)
{
	return error_set(error,
			 "net.%s.conf.%s.%s cannot be set: %s (is /proc/sys read-only? "
			 "fpmd's unit needs ProtectKernelTunables=no)",
			 family, device, name, strerror(-status));
}
