/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BPF maps and programs that outlive fpmd: each has a name in a directory on a bpffs. */
#ifndef HOLDFAST_KERNEL_RECORDER_MAPS_H
#define HOLDFAST_KERNEL_RECORDER_MAPS_H

#include <linux/bpf.h>
#include <stdint.h>

#include "fpmd/error.h"

struct recorder_map_shape {
	const char *name; /* of 15 characters at most; no dots */
	enum bpf_map_type type;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t flags;
};

/*
 * A descriptor of the map of this name, the caller's to close, or -1. If the one that is there has
 * another size, as much as fits goes over into a new one, which takes its name; if it has another
 * layout it is given up. *directory* -1, or a directory where names cannot be given: the map is a
 * new one without a name (then *warning* says why, unless directory is -1).
 */
int recorder_map_take(int directory, const struct recorder_map_shape *shape, struct error *warning,
		      struct error *error);

/* A descriptor of what bears the name, the caller's to close, or -1. */
int recorder_name_get(int directory, const char *name);
/* Gives the name to *fd*, in one step in place of what bears it. Returns 0 or a negative errno. */
int recorder_name_give(int directory, const char *name, int fd);
/* Takes the name away: what bears it ends with its last user. No such name is no error. */
void recorder_name_forget(int directory, const char *name);

#endif
