// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE /* O_PATH, AT_EMPTY_PATH */

#include "fpmd/bpf_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define OPEN_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)

static int fail(const char *path, struct error *error)
{
	return error_set(error, "%s: %s", path, strerror(errno));
}

static int not_mounted(const char *path, struct error *error)
{
	return error_set(error, "%s is on no bpffs: mount -t bpf bpf /sys/fs/bpf, or give another",
			 path);
}

static bool is_bpffs(const struct statfs *file_system)
{
	return file_system->f_type == BPF_FS_MAGIC;
}

/* Makes *path*, but never on another file system. */
static int make_parent(const char *path, gid_t gid, struct error *error)
{
	char copy[256], *above;
	struct statfs file_system;
	int length = snprintf(copy, sizeof(copy), "%s", path);

	if (length < 0 || (size_t)length >= sizeof(copy))
		return error_set(error, "the path is longer than %zu bytes", sizeof(copy) - 1);
	above = dirname(copy);
	if (statfs(above, &file_system))
		return fail(above, error);
	if (!is_bpffs(&file_system))
		return not_mounted(path, error);
	if (mkdir(path, 0700) && errno != EEXIST)
		return fail(path, error);
	if (gid == getegid())
		return 0;
	if (chown(path, (uid_t)-1, gid) || chmod(path, 0770))
		return fail(path, error);
	return 0;
}

static int open_parent(const char *path, gid_t gid, struct bpf_directory *directory,
		       struct error *error)
{
	struct statfs file_system;

	directory->parent = open(path, OPEN_FLAGS);
	if (directory->parent < 0 && errno == ENOENT) {
		if (make_parent(path, gid, error))
			return -1;
		directory->parent = open(path, OPEN_FLAGS);
	}
	if (directory->parent < 0 || fstatfs(directory->parent, &file_system))
		return fail(path, error);
	return is_bpffs(&file_system) ? 0 : not_mounted(path, error);
}

/* The name that no other network namespace has until the next boot. */
static int name_namespace(struct bpf_directory *directory, struct error *error)
{
	int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t size = sizeof(cookie);
	int failed = probe < 0 || getsockopt(probe, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size);

	if (failed)
		error_set(error,
			  "the kernel does not tell the namespace's cookie: %s (it takes"
			  " Linux 5.14)",
			  strerror(errno));
	else
		snprintf(directory->name, sizeof(directory->name), "%" PRIu64, cookie);
	if (probe >= 0)
		close(probe);
	return failed ? -1 : 0;
}

static int open_own(const char *path, uid_t uid, gid_t gid, struct bpf_directory *directory,
		    struct error *error)
{
	struct stat status;

	if (mkdirat(directory->parent, directory->name, 0700) && errno != EEXIST)
		return fail(path, error);
	directory->fd = openat(directory->parent, directory->name, OPEN_FLAGS | O_NOFOLLOW);
	if (directory->fd < 0 || fstat(directory->fd, &status))
		return fail(path, error);
	if (status.st_uid != uid && fchownat(directory->fd, "", uid, gid, AT_EMPTY_PATH))
		return fail(path, error);
	return 0;
}

int bpf_directory_open(const char *path, uid_t uid, gid_t gid, struct bpf_directory *directory,
		       struct error *error)
{
	*directory = BPF_DIRECTORY_NONE;
	if (!open_parent(path, gid, directory, error) && !name_namespace(directory, error) &&
	    !open_own(path, uid, gid, directory, error))
		return 0;
	bpf_directory_close(directory);
	return -1;
}

void bpf_directory_close(struct bpf_directory *directory)
{
	if (directory->fd >= 0)
		close(directory->fd);
	if (directory->parent >= 0) {
		if (directory->name[0])
			unlinkat(directory->parent, directory->name, AT_REMOVEDIR);
		close(directory->parent);
	}
	*directory = BPF_DIRECTORY_NONE;
}
