// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the names of maps and programs in the bpffs. Runs on fpmd's event loop, when it starts and
 * ends. Invariant: under a name there is always a map, the old one or the new one.
 */
#include "fpmd/kernel/recorder_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fpmd/kernel/recorder_shared.h"

#define COPY_BATCH 4096
#define NAME_SIZE 64

static void name_of(char name[NAME_SIZE], const char *map, const char *suffix)
{
	snprintf(name, NAME_SIZE, "holdfast-%s-%s%s", map, RECORDER_VERSION, suffix);
}

/* The kernel takes only paths; this one needs no permission on what is above the directory. */
static void path_of(char path[NAME_SIZE + 32], int directory, const char *name)
{
	snprintf(path, NAME_SIZE + 32, "/proc/self/fd/%d/%s", directory, name);
}

static int create(const struct recorder_map_shape *shape)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = shape->flags);

	return bpf_map_create(shape->type, shape->name, shape->key_size, shape->value_size,
			      shape->max_entries, &options);
}

/* Of the same layout; its size may be another. */
static bool same_layout(const struct bpf_map_info *info, const struct recorder_map_shape *shape)
{
	return info->type == shape->type && info->key_size == shape->key_size &&
	       info->value_size == shape->value_size && info->map_flags == shape->flags;
}

/* As much as fits; what is lost is seen in mid-life again. */
static void copy(int from, int to, const struct recorder_map_shape *shape)
{
	char *keys = calloc(COPY_BATCH, shape->key_size);
	char *values = calloc(COPY_BATCH, shape->value_size);
	uint32_t position = 0, count;
	bool begun = false;
	int status = keys && values ? 0 : -ENOMEM;

	while (!status) {
		count = COPY_BATCH;
		status = bpf_map_lookup_batch(from, begun ? &position : NULL, &position, keys,
					      values, &count, NULL);
		if (status && status != -ENOENT)
			break;
		begun = true;
		if (count && bpf_map_update_batch(to, keys, values, &count, NULL))
			break;
	}
	free(keys);
	free(values);
}

int recorder_name_give(int directory, const char *short_name, int fd)
{
	char name[NAME_SIZE], path[NAME_SIZE + 32], temporary[NAME_SIZE];
	int status;

	name_of(name, short_name, "");
	name_of(temporary, short_name, "-new");
	path_of(path, directory, temporary);
	unlinkat(directory, temporary, 0);
	status = bpf_obj_pin(fd, path);
	if (status < 0)
		return status;
	if (renameat(directory, temporary, directory, name) < 0) {
		status = -errno;
		unlinkat(directory, temporary, 0);
	}
	return status;
}

int recorder_name_get(int directory, const char *short_name)
{
	char name[NAME_SIZE], path[NAME_SIZE + 32];
	int fd;

	if (directory < 0)
		return -1;
	name_of(name, short_name, "");
	path_of(path, directory, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -1 : fd;
}

void recorder_name_forget(int directory, const char *short_name)
{
	char name[NAME_SIZE];

	if (directory < 0)
		return;
	name_of(name, short_name, "");
	unlinkat(directory, name, 0);
}

int recorder_map_take(int directory, const struct recorder_map_shape *shape, struct error *warning,
		      struct error *error)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	int old = recorder_name_get(directory, shape->name), map, status;

	if (old >= 0 && bpf_obj_get_info_by_fd(old, &info, &length) < 0)
		memset(&info, 0, sizeof(info));
	if (old >= 0 && same_layout(&info, shape) && info.max_entries == shape->max_entries)
		return old;
	map = create(shape);
	if (map < 0) {
		error_set(error, "BPF map %s of %u entries: %s", shape->name, shape->max_entries,
			  strerror(-map));
	} else if (directory >= 0) {
		if (old >= 0 && same_layout(&info, shape))
			copy(old, map, shape);
		status = recorder_name_give(directory, shape->name, map);
		if (status < 0)
			error_set(warning,
				  "what is recorded of flows is lost whenever fpmd restarts: %s "
				  "in the directory for BPF maps: %s",
				  shape->name,
				  status == -EPERM ? "not permitted, or not on a bpffs"
						   : strerror(-status));
	}
	if (old >= 0)
		close(old);
	return map < 0 ? -1 : map;
}
