/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files behind kernel.h share on Linux: the state, and the steps between them. */
#ifndef HOLDFAST_KERNEL_PRIVATE_H
#define HOLDFAST_KERNEL_PRIVATE_H

#include "fpmd/kernel/bpf.h"
#include "fpmd/kernel/device.h"
#include "fpmd/kernel/forwarding.h"
#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/monitor.h"
#include "fpmd/kernel/nft.h"
#include "fpmd/kernel/queue.h"
#include "fpmd/kernel/route.h"
#include "fpmd/kernel/rtnl.h"
#include "fpmd/kernel/rule.h"
#include "fpmd/kernel/tunnel.h"

enum { FAMILY_IPV4, FAMILY_IPV6, FAMILIES };

struct vip {
	struct in6_addr address;
	bool hold;
};

struct owner {
	bool used;
	struct in6_addr address;
};

enum repair_kind {
	REPAIR_TUNNEL,
	REPAIR_RULES,
	REPAIR_ROUTES,
	REPAIR_FILTERS,
	REPAIR_FORWARDING,
	REPAIR_KINDS
};

struct repair_log {
	uint64_t told_ms;
	size_t untold;
};

struct kernel {
	struct kernel_options options;
	struct kernel_handlers handlers;
	void *arg;
	struct event_base *base;
	bool started;

	struct rtnl rtnl, diag;
	struct nft *nft;
	struct queue *queue;
	struct bpf *bpf;
	struct monitor *monitor;
	struct routes routes;
	struct rules rules[FAMILIES];
	bool families[FAMILIES]; /* there is a local member */
	struct tunnel tunnel;
	struct forwarding forwarding;

	struct device_list devices;
	struct address_list addresses;

	struct vip *vips;
	size_t vips_count, vips_size;
	bool vips_told; /* kernel_vips_set() was called; until then they are what was found */

	struct owner *owners; /* by id */
	unsigned int owners_max;

	struct event *repair_timer;
	unsigned int repair_due; /* enum monitor_change */
	uint64_t repaired_ms;
	uint64_t repairs;
	struct repair_log repair_logs[REPAIR_KINDS];
	bool bridges_told;
	bool nft_due;
};

/* kernel_owners.c */

/* Learns owners and VIPs from the routes that are there. */
int owners_take_over(struct kernel *kernel, struct error *error);
/* Rules, routes and senders as *kernel* says; *changed* as in rules_ensure(). */
int owners_ensure_rules(struct kernel *kernel, size_t *changed, struct error *error);
int owners_ensure_routes(struct kernel *kernel, size_t *changed, struct error *error);
int owners_ensure_bpf(struct kernel *kernel, struct error *error);
/* Who may send to the tunnel port. */
int owners_tell_members(struct kernel *kernel, struct error *error);
/* Of the devices that lead to owners; 0: none does. */
unsigned int owners_smallest_mtu(struct kernel *kernel);
/* What is steered goes by the routing table again. */
void owners_steer_end(struct kernel *kernel);
/* Without the guard what meets no rule and no route of ours is delivered here. */
int owners_guard(struct kernel *kernel, bool guard, struct error *error);
/* If other bits of the mark are used from now on: nothing goes astray until repair_all(). */
int owners_suspend(struct kernel *kernel, struct error *error);
bool vips_contain(const struct kernel *kernel, const struct in6_addr *address);

/* kernel_repair.c */

/* Puts right what the bits of enum monitor_change name. *first*: nothing is logged as repaired. */
int repair_all(struct kernel *kernel, unsigned int changes, bool first, struct error *error);
/* Begins to watch what others change. */
int repair_start(struct kernel *kernel, struct error *error);
void repair_stop(struct kernel *kernel);

#endif
