/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where on a bpffs this network namespace's maps outlive fpmd: a directory named by the namespace's
 * cookie, so that no two namespaces of a machine share maps. It is made while fpmd is root; later
 * only the descriptors count.
 */
#ifndef HOLDFAST_BPF_DIRECTORY_H
#define HOLDFAST_BPF_DIRECTORY_H

#include <sys/types.h>

#include "fpmd/error.h"

#define BPF_DIRECTORY_DEFAULT "/sys/fs/bpf/holdfast"

struct bpf_directory {
	int fd;	    /* O_PATH, for kernel_options.bpf_directory; -1: none */
	int parent; /* O_PATH; -1: none */
	char name[24];
};

#define BPF_DIRECTORY_NONE ((struct bpf_directory){.fd = -1, .parent = -1})

/*
 * Opens the directory below *path*, and makes both if they are not there and the place is on a
 * bpffs. The directory belongs to *uid* alone; a *path* that is made here is open to *gid*, too, so
 * that bpf_directory_close() may remove what is empty. Returns 0, or -1 with cause and remedy.
 */
int bpf_directory_open(const char *path, uid_t uid, gid_t gid, struct bpf_directory *directory,
		       struct error *error);

/* Closes it, and removes it if nothing is left in it. */
void bpf_directory_close(struct bpf_directory *directory);

#endif
