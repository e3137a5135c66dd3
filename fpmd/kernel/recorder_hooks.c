// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns where the recorder's programs hang. Runs on fpmd's event loop. Invariant: what hangs at tcx
 * has a name, so that the next fpmd can replace or detach it; if this one dies before it replaced
 * all, so has the one before.
 */
#include "fpmd/kernel/recorder_hooks.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fpmd/kernel/filter.h"
#include "fpmd/kernel/recorder_maps.h"
#include "fpmd/kernel/tcx.h"

static const struct {
	enum filter filter;
	enum tcx_point point;
	const char *name, *name_before;
} places[HOOKS] = {
	[HOOK_INGRESS] = {FILTER_RECORDER_INGRESS, TCX_INGRESS, "ingress", "ingress-before"},
	[HOOK_EGRESS] = {FILTER_RECORDER_EGRESS, TCX_EGRESS, "egress", "egress-before"},
};

void recorder_hooks_open(struct recorder_hooks *hooks, struct rtnl *rtnl, int directory,
			 const struct bpf_program *ingress, const struct bpf_program *egress)
{
	hooks->rtnl = rtnl;
	hooks->directory = directory;
	hooks->programs[HOOK_INGRESS] = ingress;
	hooks->programs[HOOK_EGRESS] = egress;
	hooks->tcx = directory >= 0;
	for (size_t i = 0; i < HOOKS; i++) {
		hooks->before[i][0] = recorder_name_get(directory, places[i].name);
		hooks->before[i][1] = recorder_name_get(directory, places[i].name_before);
		if (hooks->before[i][0] >= 0)
			recorder_name_give(directory, places[i].name_before, hooks->before[i][0]);
		if (hooks->tcx && recorder_name_give(directory, places[i].name,
						     bpf_program__fd(hooks->programs[i])) < 0)
			hooks->tcx = false;
	}
}

static void let_go(struct recorder_hooks *hooks)
{
	for (size_t i = 0; i < HOOKS; i++) {
		for (size_t k = 0; k < 2; k++) {
			if (hooks->before[i][k] >= 0)
				close(hooks->before[i][k]);
			hooks->before[i][k] = -1;
		}
	}
}

void recorder_hooks_close(struct recorder_hooks *hooks)
{
	if (hooks->rtnl)
		let_go(hooks);
}

void recorder_hooks_settle(struct recorder_hooks *hooks)
{
	if (!hooks->attached || hooks->settled)
		return;
	let_go(hooks);
	for (size_t i = 0; i < HOOKS; i++)
		recorder_name_forget(hooks->directory, places[i].name_before);
	hooks->settled = true;
}

void recorder_hooks_forget(struct recorder_hooks *hooks)
{
	for (size_t i = 0; i < HOOKS; i++) {
		recorder_name_forget(hooks->directory, places[i].name);
		recorder_name_forget(hooks->directory, places[i].name_before);
	}
}

static void detach_before(struct recorder_hooks *hooks, int device, size_t hook)
{
	for (size_t i = 0; i < 2; i++)
		if (hooks->before[hook][i] >= 0)
			tcx_detach(device, places[hook].point, hooks->before[hook][i]);
}

/* What hung in the other place, when the kernel had no tcx or fpmd no directory, goes. */
static int attach(struct recorder_hooks *hooks, int device, size_t hook, struct error *error)
{
	int fd = bpf_program__fd(hooks->programs[hook]), status;

	if (hooks->tcx) {
		status = tcx_attach(device, places[hook].point, fd, hooks->before[hook]);
		if (status == 1)
			filter_detach(hooks->rtnl, device, places[hook].filter);
		if (status >= 0)
			return status;
		if (status != -EINVAL)
			return error_set(error,
					 "interface %d: the recorder cannot be attached at %s: %s",
					 device, places[hook].name, strerror(-status));
		hooks->tcx = false;
	}
	status = filter_attach(device, places[hook].filter, hooks->programs[hook], error);
	if (status == 1)
		detach_before(hooks, device, hook);
	return status;
}

int recorder_hooks_attach(struct recorder_hooks *hooks, int device, struct error *error)
{
	int changed = 0;

	hooks->attached = true;
	for (size_t i = 0; i < HOOKS; i++) {
		int status = attach(hooks, device, i, error);

		if (status < 0)
			return -1;
		changed |= status;
	}
	return changed;
}

void recorder_hooks_detach(struct recorder_hooks *hooks, int device)
{
	for (size_t i = 0; i < HOOKS; i++) {
		if (hooks->tcx)
			tcx_detach(device, places[i].point, bpf_program__fd(hooks->programs[i]));
		detach_before(hooks, device, i);
		filter_detach(hooks->rtnl, device, places[i].filter);
	}
}
