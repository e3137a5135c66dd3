/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files behind kernel.h share on Linux: the state, and the steps between them. */
#ifndef HOLDFAST_KERNEL_PRIVATE_H
#define HOLDFAST_KERNEL_PRIVATE_H

#include "fpmd/kernel/address_note.h"
#include "fpmd/kernel/bpf.h"
#include "fpmd/kernel/device.h"
#include "fpmd/kernel/forwarding.h"
#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/linkdown.h"
#include "fpmd/kernel/monitor.h"
#include "fpmd/kernel/nft.h"
#include "fpmd/kernel/queue.h"
#include "fpmd/kernel/recorder.h"
#include "fpmd/kernel/route.h"
#include "fpmd/kernel/rtnl.h"
#include "fpmd/kernel/rule.h"
#include "fpmd/kernel/tunnel.h"

enum { FAMILY_IPV4, FAMILY_IPV6, FAMILIES };

struct vip {
	struct in6_addr address;
	bool served; /* kernel_vips_set() */
	bool routed; /* kernel_routed_set() */
	bool hold;
};

struct owner {
	bool used;
	struct in6_addr address;
};

struct neighbours;

enum repair_kind {
	REPAIR_TUNNEL,
	REPAIR_RULES,
	REPAIR_ROUTES,
	REPAIR_FILTERS,
	REPAIR_FORWARDING,
	REPAIR_RECORDERS,
	REPAIR_LINKDOWN,
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
#define NOTES_MAX NFT_NOTES_MAX
	struct address_note notes[NOTES_MAX]; /* of addresses that are taken away */
	size_t notes_count;

	struct vip *vips;
	size_t vips_count, vips_size;
	bool vips_told; /* kernel_vips_set() was called; until then they are what was found */

	struct owner *owners; /* by id */
	unsigned int owners_max;

	struct kernel_path *paths[KERNEL_PATH_MAX + 1]; /* by id; NULL: there is none */
	bool paths_refused[KERNEL_PATH_MAX + 1]; /* which routes such a one has is not known */
	unsigned int paths_max;			 /* the greatest id that fits the mask */
	struct recorder *recorder;		 /* NULL until there is a routed VIP or a path */
	struct neighbours *neighbours;		 /* as long as the recorder */
	struct linkdown linkdown;

	struct event *repair_timer;
	unsigned int repair_due; /* enum monitor_change */
	bool repair_links;	 /* devices changed: what paths lead over may be another set now */
	uint64_t repaired_ms;
	uint64_t repairs;
	struct repair_log repair_logs[REPAIR_KINDS];
	bool bridges_told;
	bool nft_due;
};

/* kernel_owners.c */

static inline int family_index(const struct in6_addr *address)
{
	return address_is_ipv4(address) ? FAMILY_IPV4 : FAMILY_IPV6;
}

static inline int family_number(int index)
{
	return index == FAMILY_IPV4 ? AF_INET : AF_INET6;
}

/* The VIP's entry, made if there is none; NULL: out of memory. Entries move when one is made. */
struct vip *vip_note(struct kernel *kernel, const struct in6_addr *address);
struct vip *vip_find(const struct kernel *kernel, const struct in6_addr *address);
/* Routes of owners, and the entry, of a VIP that is neither served nor routed go. */
int vip_drop_if_unused(struct kernel *kernel, const struct in6_addr *address, struct error *error);
/* The routes to the VIP in all owners' tables. */
int owners_add_vip(struct kernel *kernel, const struct in6_addr *address, struct error *error);
/* Which rules there should be now, of owners and of paths. */
int rules_follow(struct kernel *kernel, int family, struct error *error);

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
/* Is it a VIP that is served here? */
bool vips_contain(const struct kernel *kernel, const struct in6_addr *address);

/* kernel_addresses.c */

/* Which addresses an earlier fpmd took away; before nft_setup(). */
int addresses_take_over(struct kernel *kernel, struct error *error);
/* The notes, after nft_setup(): a set that others remove is made again from them. */
int addresses_tell(struct kernel *kernel, struct error *error);

/* kernel_paths.c */

/* Learns routed VIPs from what an earlier fpmd left; before owners_take_over() and nft_setup(). */
int paths_take_over(struct kernel *kernel, struct error *error);
/* After owners_take_over(): if there are routed VIPs, the recorder and its paths. */
int paths_open_left(struct kernel *kernel, struct error *error);
/* After nft_setup(): the set `routed`. */
int paths_tell(struct kernel *kernel, struct error *error);
/* Opens the recorder, if that was not done yet. */
int paths_open(struct kernel *kernel, struct error *error);
/* With kernel_start(): begins to deliver events of flows. */
int paths_start(struct kernel *kernel, struct error *error);
bool paths_routed(const struct kernel *kernel);
/*
 * Compares the routes of paths with what they should be: begin, note each that there is, end, which
 * puts them right.
 */
struct path_check;
struct path_check *paths_check_begin(struct kernel *kernel);
/* False: there should be no such route. */
bool paths_check_route(struct path_check *check, const struct our_route *route);
int paths_check_end(struct path_check *check, bool repair, size_t *changed, struct error *error);
/* Filters of the recorder on all devices, or on none. *changed*: how many were missing. */
int paths_ensure_recorders(struct kernel *kernel, size_t *changed, struct error *error);
int paths_ensure_linkdown(struct kernel *kernel, size_t *changed, struct error *error);
/* All that is ours of it, also what only an earlier fpmd knew. */
void paths_remove_everything(struct kernel *kernel);
void paths_free(struct kernel *kernel);

/* kernel_neighbours.c: which link-layer addresses lead to which paths. */

int neighbours_open(struct kernel *kernel, struct neighbours **neighbours, struct error *error);
void neighbours_close(struct neighbours *neighbours);
/* A path was set, or (NULL) removed. */
int neighbours_follow(struct neighbours *neighbours, uint16_t id, const struct kernel_path *path,
		      struct error *error);
/* All paths were set that an earlier fpmd had: what it told of others is forgotten. */
int neighbours_settle(struct neighbours *neighbours, struct error *error);
/* Devices may have come, gone or got another index. */
void neighbours_look_again(struct neighbours *neighbours);

/* kernel_repair.c */

/* Puts right what the bits of enum monitor_change name. *first*: nothing is logged as repaired. */
int repair_all(struct kernel *kernel, unsigned int changes, bool first, struct error *error);
/* Begins to watch what others change. */
int repair_start(struct kernel *kernel, struct error *error);
void repair_stop(struct kernel *kernel);

#endif
