// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns where our filters hang. Runs on fpmd's event loop. Invariant: all of ours on a device bear
 * the same handle, which says, also to a later fpmd, whose the qdisc is: one that was there before
 * us stays.
 */
#include "fpmd/kernel/filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define HANDLE_OWNER 7939 /* we made the qdisc */
#define HANDLE_GUEST 7940

/* Before the filters of others. */
static const struct {
	enum bpf_tc_attach_point point;
	uint32_t priority;
	const char *name, *point_name;
} places[FILTERS] = {
	[FILTER_CLASSIFIER] = {BPF_TC_INGRESS, 1, "classifier", "ingress"},
	[FILTER_RECORDER_INGRESS] = {BPF_TC_INGRESS, 2, "recorder", "ingress"},
	[FILTER_RECORDER_EGRESS] = {BPF_TC_EGRESS, 2, "recorder", "egress"},
};

/* libbpf refuses structures whose padding is not zero. */
static struct bpf_tc_hook hook_of(int device, enum filter filter)
{
	struct bpf_tc_hook hook;

	memset(&hook, 0, sizeof(hook));
	hook.sz = sizeof(hook);
	hook.ifindex = device;
	hook.attach_point = places[filter].point;
	return hook;
}

static void set_options(struct bpf_tc_opts *options, enum filter filter, uint32_t handle)
{
	memset(options, 0, sizeof(*options));
	options->sz = sizeof(*options);
	options->handle = handle;
	options->priority = places[filter].priority;
}

static uint32_t program_id(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) ? 0 : info.id;
}

/* Returns 0 with *handle* and *options* if it is attached. */
static int find_filter(int device, enum filter filter, uint32_t *handle,
		       struct bpf_tc_opts *options)
{
	static const uint32_t handles[] = {HANDLE_OWNER, HANDLE_GUEST};
	struct bpf_tc_hook hook = hook_of(device, filter);
	int status = -ENOENT;

	for (size_t i = 0; i < 2 && status < 0; i++) {
		*handle = handles[i];
		set_options(options, filter, *handle);
		status = bpf_tc_query(&hook, options);
	}
	return status;
}

/* The handle that another filter of ours bears there; *otherwise* if there is none. */
static uint32_t handle_there(int device, uint32_t otherwise)
{
	struct bpf_tc_opts options;
	uint32_t handle;

	for (enum filter filter = 0; filter < FILTERS; filter++)
		if (find_filter(device, filter, &handle, &options) == 0)
			return handle;
	return otherwise;
}

int filter_attach(int device, enum filter filter, const struct bpf_program *program,
		  struct error *error)
{
	struct bpf_tc_hook hook = hook_of(device, filter);
	struct bpf_tc_opts options;
	uint32_t handle;
	int status;

	status = find_filter(device, filter, &handle, &options);
	if (status == 0 && options.prog_id == program_id(program))
		return 0;
	if (status < 0) {
		status = bpf_tc_hook_create(&hook);
		if (status < 0 && status != -EEXIST)
			return error_set(error, "interface %d: clsact qdisc: %s", device,
					 strerror(-status));
		handle = status == -EEXIST ? handle_there(device, HANDLE_GUEST) : HANDLE_OWNER;
	}
	set_options(&options, filter, handle);
	options.prog_fd = bpf_program__fd(program);
	options.flags = BPF_TC_F_REPLACE;
	status = bpf_tc_attach(&hook, &options);
	if (status < 0)
		return error_set(error,
				 "interface %d: the %s cannot be attached at %s, priority %u: %s",
				 device, places[filter].name, places[filter].point_name,
				 places[filter].priority, strerror(-status));
	return 1;
}

static void count_filter(void *arg, const struct nlmsghdr *message)
{
	size_t *filters = arg;

	if (message->nlmsg_type == RTM_NEWTFILTER)
		(*filters)++;
}

/* True when in doubt. */
static bool has_filters(struct rtnl *rtnl, int device, uint32_t minor)
{
	struct tcmsg header = {.tcm_family = AF_UNSPEC,
			       .tcm_ifindex = device,
			       .tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor)};
	size_t filters = 0;
	int status = rtnl_request(rtnl,
				  rtnl_message(RTM_GETTFILTER, NLM_F_DUMP, &header, sizeof(header)),
				  count_filter, &filters);

	return status < 0 || filters;
}

void filter_detach(struct rtnl *rtnl, int device, enum filter filter)
{
	struct bpf_tc_hook hook = hook_of(device, filter);
	struct bpf_tc_opts options;
	uint32_t handle;

	if (find_filter(device, filter, &handle, &options) < 0)
		return;
	set_options(&options, filter, handle);
	if (bpf_tc_detach(&hook, &options) < 0 || handle == HANDLE_GUEST)
		return;
	if (has_filters(rtnl, device, TC_H_MIN_INGRESS) ||
	    has_filters(rtnl, device, TC_H_MIN_EGRESS))
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}
