// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel.h on Linux: puts netlink, nftables, the stray queue and the BPF programs together. Runs on
 * fpmd's event loop. Invariant: a classifier is attached only when all that its marks lead to is
 * there.
 */
#include "fpmd/kernel/kernel_private.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fpmd/kernel/sock_diag.h"
#include "fpmd/log.h"

#define EVERYTHING                                                                                 \
	(MONITOR_LINKS | MONITOR_ADDRESSES | MONITOR_RULES | MONITOR_ROUTES | MONITOR_FILTERS |    \
	 MONITOR_FORWARDING)

static bool is_one_bit(uint32_t bits)
{
	return bits && !(bits & (bits - 1));
}

static bool is_contiguous(uint32_t mask)
{
	uint32_t shifted;

	if (!mask)
		return false;
	shifted = mask >> (ffs((int)mask) - 1);
	return !(shifted & (shifted + 1));
}

static int check_options(const struct kernel_options *options, struct error *error)
{
	if (!is_contiguous(options->mark_owner_mask))
		return error_set(error, "mark: owner mask 0x%x is not contiguous",
				 options->mark_owner_mask);
	if (!is_one_bit(options->mark_stray_bit) || !is_one_bit(options->mark_tunnel_bit) ||
	    options->mark_stray_bit == options->mark_tunnel_bit ||
	    (options->mark_owner_mask & (options->mark_stray_bit | options->mark_tunnel_bit)))
		return error_set(error, "mark: stray bit and tunnel bit must be one bit each, "
					"outside of the owner mask and not the same");
	if (options->mark_path_mask &&
	    (!is_contiguous(options->mark_path_mask) ||
	     (options->mark_path_mask &
	      (options->mark_owner_mask | options->mark_stray_bit | options->mark_tunnel_bit))))
		return error_set(error,
				 "mark: path mask 0x%x must be contiguous and outside of the owner "
				 "mask, the stray bit and the tunnel bit",
				 options->mark_path_mask);
	if (!options->tunnel_port || options->tunnel_vni >= 1u << 24)
		return error_set(error, "tunnel: port 1..65535 and VNI 0..16777215 are possible");
	if (IN6_IS_ADDR_UNSPECIFIED(&options->local_members[0]) &&
	    IN6_IS_ADDR_UNSPECIFIED(&options->local_members[1]))
		return error_set(error, "no local member: nothing can be sent through the tunnel");
	return 0;
}

static int open_sockets(struct kernel *kernel, struct error *error)
{
	if (rtnl_open(&kernel->rtnl, NETLINK_ROUTE, error) < 0 ||
	    rtnl_open(&kernel->diag, NETLINK_SOCK_DIAG, error) < 0)
		return -1;
	kernel->routes = (struct routes){.rtnl = &kernel->rtnl,
					 .options = &kernel->options,
					 .tunnel_index = (int)if_nametoindex(LAYOUT_TUNNEL),
					 .loopback_index = (int)if_nametoindex("lo")};
	rules_init(&kernel->rules[FAMILY_IPV4], &kernel->rtnl, AF_INET, &kernel->options);
	rules_init(&kernel->rules[FAMILY_IPV6], &kernel->rtnl, AF_INET6, &kernel->options);
	return 0;
}

static void on_stray(void *arg, const struct kernel_stray *stray, int device)
{
	struct kernel *kernel = arg;
	const struct device *found = devices_find(&kernel->devices, device);
	struct kernel_stray named = *stray;

	_Static_assert(sizeof(named.interface) == sizeof(found->name), "names of devices");
	if (found)
		memcpy(named.interface, found->name, sizeof(named.interface));
	kernel->handlers.stray(kernel->arg, &named);
}

static void on_session(void *arg, const struct flow *flow, enum kernel_session_event event)
{
	struct kernel *kernel = arg;

	kernel->handlers.session(kernel->arg, flow, event);
}

static void on_sessions_lost(void *arg)
{
	struct kernel *kernel = arg;

	kernel->handlers.sessions_lost(kernel->arg);
}

/* All that can be refused, before anything is changed. *found*: an earlier fpmd was here. */
static int prepare(struct kernel *kernel, bool *found, struct error *error)
{
	if (open_sockets(kernel, error) < 0 || sock_diag_check(&kernel->diag, error) < 0 ||
	    tunnel_find(&kernel->rtnl, &kernel->options, found, error) < 0 ||
	    devices_dump(&kernel->rtnl, &kernel->devices, error) < 0 ||
	    addresses_dump(&kernel->rtnl, &kernel->addresses, error) < 0)
		return -1;
	if (bpf_load(&kernel->options, &kernel->rtnl, &kernel->bpf, error) < 0 ||
	    nft_open(&kernel->options, LAYOUT_TUNNEL, &kernel->nft, error) < 0 ||
	    nft_find(kernel->nft, found, error) < 0 || addresses_take_over(kernel, error) < 0 ||
	    queue_open(kernel->base, &kernel->options, on_stray, kernel, &kernel->queue, error) < 0)
		return -1;
	return forwarding_take_over(&kernel->forwarding, kernel->nft, kernel->families, error);
}

/* Chains of owners whose address nobody knows any more; those with pins stay for the caller. */
static void drop_unknown_owners(struct kernel *kernel)
{
	size_t max = kernel->owners_max;
	uint16_t *ids = calloc(max, sizeof(*ids));
	size_t count;

	if (!ids)
		return;
	count = nft_owners(kernel->nft, ids, max);
	for (size_t i = 0; i < count && i < max; i++)
		if (ids[i] > max || !kernel->owners[ids[i]].used)
			nft_owner_remove(kernel->nft, ids[i], NULL);
	free(ids);
}

/* What an fpmd with a local member of a family left, if there is none now. */
static void drop_unused_family(struct kernel *kernel, int family)
{
	struct error error;

	if (rules_remove(&kernel->rules[family], &error) < 0 ||
	    routes_remove(&kernel->routes, family == FAMILY_IPV4 ? AF_INET : AF_INET6, &error) < 0)
		log_debug(TOPIC_KERNEL, "%s", error.text);
}

static int set_up(struct kernel *kernel, struct error *error)
{
	if (paths_take_over(kernel, error) < 0 || owners_take_over(kernel, error) < 0 ||
	    paths_open_left(kernel, error) < 0 || owners_ensure_bpf(kernel, error) < 0 ||
	    owners_suspend(kernel, error) < 0 || nft_setup(kernel->nft, error) < 0)
		return -1;
	for (unsigned int id = 1; id <= kernel->owners_max; id++)
		if (kernel->owners[id].used && nft_owner_add(kernel->nft, (uint16_t)id, error) < 0)
			return -1;
	drop_unknown_owners(kernel);
	/* Those taken over too: a set that others remove is made again from what was told here. */
	if (owners_tell_members(kernel, error) < 0 || paths_tell(kernel, error) < 0 ||
	    addresses_tell(kernel, error) < 0)
		return -1;
	owners_steer_end(kernel);
	for (int i = 0; i < FAMILIES; i++)
		if (!kernel->families[i])
			drop_unused_family(kernel, i);
	if (repair_all(kernel, EVERYTHING, true, error) < 0)
		return -1;
	return repair_start(kernel, error);
}

static void free_kernel(struct kernel *kernel)
{
	repair_stop(kernel);
	paths_free(kernel);
	queue_close(kernel->queue);
	nft_close(kernel->nft);
	bpf_free(kernel->bpf);
	forwarding_free(&kernel->forwarding);
	devices_free(&kernel->devices);
	addresses_free(&kernel->addresses);
	rtnl_close(&kernel->rtnl);
	rtnl_close(&kernel->diag);
	free(kernel->vips);
	free(kernel->owners);
	free(kernel);
}

static void warn_if(int status, const struct error *error)
{
	if (status < 0)
		log_warn("removal: %s", error->text);
}

/* In the opposite order of set_up(): no mark is given that leads nowhere. */
static void remove_everything(struct kernel *kernel)
{
	struct error error;

	repair_stop(kernel);
	warn_if(kernel_addresses_return(kernel, NULL, NULL, &error), &error);
	warn_if(devices_dump(&kernel->rtnl, &kernel->devices, &error), &error);
	for (size_t i = 0; i < kernel->devices.count; i++)
		bpf_detach(kernel->bpf, kernel->devices.items[i].index);
	if (kernel->paths_max)
		paths_remove_everything(kernel);
	forwarding_restore(&kernel->forwarding, &kernel->devices);
	warn_if(nft_teardown(kernel->nft, &error), &error);
	for (int i = 0; i < FAMILIES; i++) {
		if (!kernel->families[i])
			continue;
		warn_if(rules_remove(&kernel->rules[i], &error), &error);
		warn_if(routes_remove(&kernel->routes, i == FAMILY_IPV4 ? AF_INET : AF_INET6,
				      &error),
			&error);
	}
	if (kernel->tunnel.index)
		warn_if(tunnel_remove(&kernel->rtnl, &kernel->tunnel, &error), &error);
}

int kernel_open(struct event_base *base, const struct kernel_options *options,
		const struct kernel_handlers *handlers, void *arg, struct kernel **kernel,
		struct error *error)
{
	uint32_t owner_ids;
	struct kernel *opened;
	bool found;

	if (check_options(options, error) < 0)
		return -1;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return error_set(error, "kernel: out of memory");
	opened->base = base;
	opened->options = *options;
	opened->handlers = *handlers;
	opened->arg = arg;
	owner_ids = layout_owner_max(options);
	opened->owners_max = owner_ids < NFT_OWNER_MAX ? owner_ids : NFT_OWNER_MAX;
	for (int i = 0; i < FAMILIES; i++)
		opened->families[i] = !IN6_IS_ADDR_UNSPECIFIED(&options->local_members[i]);
	opened->paths_max = layout_path_max(options);
	opened->owners = calloc(opened->owners_max + 1, sizeof(*opened->owners));
	if (!opened->owners || prepare(opened, &found, error) < 0) {
		free_kernel(opened);
		return -1;
	}
	if (set_up(opened, error) < 0) {
		/* What was there before goes on as it is. */
		if (!found)
			remove_everything(opened);
		free_kernel(opened);
		return -1;
	}
	*kernel = opened;
	return 0;
}

int kernel_start(struct kernel *kernel, struct error *error)
{
	kernel->started = true;
	if (bpf_sessions_start(kernel->bpf, kernel->base, on_session, on_sessions_lost, kernel,
			       error) < 0)
		return -1;
	if (paths_start(kernel, error) < 0)
		return -1;
	return queue_start(kernel->queue, error);
}

void kernel_close(struct kernel *kernel, enum kernel_keep keep)
{
	struct error error;

	if (!kernel)
		return;
	if (keep == KERNEL_KEEP_NOTHING) {
		remove_everything(kernel);
	} else if (keep == KERNEL_KEEP_DETOURS) {
		warn_if(nft_queue_off(kernel->nft, &error), &error);
		/* Nobody is there to repair what others remove. */
		warn_if(owners_guard(kernel, false, &error), &error);
	}
	if (keep != KERNEL_KEEP_NOTHING)
		owners_steer_end(kernel);
	free_kernel(kernel);
}

bool kernel_address_is_local(struct kernel *kernel, const struct in6_addr *address)
{
	return addresses_contain(&kernel->addresses, address);
}

int kernel_vip_translated(struct kernel *kernel, const struct in6_addr *vip, struct error *error)
{
	return nft_translated(kernel->nft, vip, error);
}

size_t kernel_pins_change(struct kernel *kernel, struct kernel_pin_change *changes, size_t count)
{
	return nft_pins_change(kernel->nft, changes, count);
}

int kernel_pins_dump(struct kernel *kernel, kernel_pin_fn *fn, void *arg, struct error *error)
{
	return nft_pins_dump(kernel->nft, fn, arg, error);
}

static bool is_vip(void *arg, const struct in6_addr *address)
{
	return vips_contain(arg, address);
}

int kernel_sessions_dump(struct kernel *kernel, kernel_session_fn *fn, void *arg,
			 struct error *error)
{
	return sock_diag_dump(&kernel->diag, is_vip, kernel, fn, arg, error);
}

struct addresses {
	const struct in6_addr *list;
	size_t count;
	bool *sessions;
};

static bool is_listed(void *arg, const struct in6_addr *address)
{
	struct addresses *addresses = arg;

	for (size_t i = 0; i < addresses->count; i++)
		addresses->sessions[i] |= address_equal(&addresses->list[i], address);
	return false;
}

int kernel_sessions_of(struct kernel *kernel, const struct in6_addr *list, size_t count,
		       bool *sessions, struct error *error)
{
	struct addresses addresses = {list, count, sessions};

	return sock_diag_dump(&kernel->diag, is_listed, &addresses, NULL, NULL, error);
}

int kernel_session_known(struct kernel *kernel, const struct flow *flow)
{
	int state = sock_diag_state(&kernel->diag, flow);

	if (state <= 0)
		return state;
	return state == TCP_TIME_WAIT ? 2 : 1;
}

int kernel_session_state(struct kernel *kernel, const struct flow *flow)
{
	return sock_diag_state(&kernel->diag, flow);
}

int kernel_peer_user(const struct flow *flow, uid_t *user, struct error *error)
{
	struct rtnl diag;
	int status;

	if (rtnl_open(&diag, NETLINK_SOCK_DIAG, error) < 0)
		return -1;
	status = sock_diag_user(&diag, flow, user);
	if (status < 0)
		rtnl_error(&diag, status, error, "the other end's user");
	rtnl_close(&diag);
	return status < 0 ? -1 : status;
}

void kernel_stray_verdict(struct kernel *kernel, uint32_t id, enum kernel_verdict verdict,
			  uint16_t owner)
{
	queue_verdict(kernel->queue, id, verdict, owner);
}

size_t kernel_counters(struct kernel *kernel, struct kernel_counter *out, size_t max)
{
	size_t count = 0;
#define ROOM (count < max ? max - count : 0)

	count += bpf_counters(kernel->bpf, out, ROOM);
	count += nft_counters(kernel->nft, out + (count < max ? count : max), ROOM);
	count += queue_counters(kernel->queue, out + (count < max ? count : max), ROOM);
	if (kernel->recorder)
		count += recorder_counters(kernel->recorder, out + (count < max ? count : max),
					   ROOM);
	if (count < max)
		out[count] = (struct kernel_counter){
			"kernel-repairs", "things of ours that others had changed, put right",
			kernel->repairs};
#undef ROOM
	return count + 1;
}
