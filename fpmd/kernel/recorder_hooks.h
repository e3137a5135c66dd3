/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the recorder's two programs hang: at tcx if the kernel has it and there is a directory for
 * names, else in filters below clsact.
 */
#ifndef HOLDFAST_KERNEL_RECORDER_HOOKS_H
#define HOLDFAST_KERNEL_RECORDER_HOOKS_H

#include <bpf/libbpf.h>

#include "fpmd/error.h"
#include "fpmd/kernel/rtnl.h"

enum { HOOK_INGRESS, HOOK_EGRESS, HOOKS };

struct recorder_hooks {
	struct rtnl *rtnl;
	const struct bpf_program *programs[HOOKS];
	bool tcx;
	bool attached, settled;
	int directory;
	int before[HOOKS][2]; /* of earlier fpmds; -1: none */
};

/* Nothing is attached yet. *directory* and the programs stay the caller's. */
void recorder_hooks_open(struct recorder_hooks *hooks, struct rtnl *rtnl, int directory,
			 const struct bpf_program *ingress, const struct bpf_program *egress);
/* Those that were never opened, all zero, are allowed. */
void recorder_hooks_close(struct recorder_hooks *hooks);

/* As recorder_attach() and recorder_detach(). */
int recorder_hooks_attach(struct recorder_hooks *hooks, int device, struct error *error);
void recorder_hooks_detach(struct recorder_hooks *hooks, int device);

/*
 * If anything was attached: what an earlier fpmd attached is replaced by now. Lets go of its
 * programs and their memory.
 */
void recorder_hooks_settle(struct recorder_hooks *hooks);
/* Gives up the names. */
void recorder_hooks_forget(struct recorder_hooks *hooks);

#endif
