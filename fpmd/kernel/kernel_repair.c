// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Puts right what others changed of ours, and follows the host's devices and addresses. Runs on
 * fpmd's event loop. Invariant: at most ten repairs a second, and none is forgotten.
 */
#include "fpmd/kernel/kernel_private.h"

#include <string.h>
#include <sys/time.h>

#include <netlink/socket.h>

#include "fpmd/clock.h"
#include "fpmd/log.h"

#define REPAIR_INTERVAL_MS 100
#define REPAIR_LOG_INTERVAL_MS 10000
#define MTU_WITHOUT_UPLINK 1500
#define MTU_MIN 576

/* Says it, but not all the time if somebody does it again and again. */
static void tell(struct kernel *kernel, bool first, enum repair_kind kind, size_t count)
{
	static const char *const names[REPAIR_KINDS] = {
		[REPAIR_TUNNEL] = LAYOUT_TUNNEL,
		[REPAIR_RULES] = "policy rules",
		[REPAIR_ROUTES] = "routes",
		[REPAIR_FILTERS] = "classifiers",
		[REPAIR_FORWARDING] = "forwarding of detours",
		[REPAIR_RECORDERS] = "programs that record paths",
		[REPAIR_LINKDOWN] = "ignore_routes_with_linkdown of paths' devices",
	};
	struct repair_log *log = &kernel->repair_logs[kind];
	uint64_t now = clock_ms();

	if (!count || first)
		return;
	kernel->repairs += count;
	log->untold += count;
	if (log->told_ms && now - log->told_ms < REPAIR_LOG_INTERVAL_MS)
		return;
	log_warn("%s: %zu missing or changed by something else, put right", names[kind],
		 log->untold);
	log->told_ms = now;
	log->untold = 0;
}

static unsigned int tunnel_mtu(struct kernel *kernel)
{
	unsigned int overhead =
		kernel->families[FAMILY_IPV6] ? LAYOUT_OVERHEAD_IPV6 : LAYOUT_OVERHEAD_IPV4;
	unsigned int mtu = owners_smallest_mtu(kernel);

	/* Devices that lead to no owner, say those of containers, count only while there is none.
	 */
	if (!mtu)
		mtu = devices_smallest_mtu(&kernel->devices, MTU_WITHOUT_UPLINK);
	return mtu < MTU_MIN + overhead ? MTU_MIN : mtu - overhead;
}

static int repair_tunnel(struct kernel *kernel, bool first, struct error *error)
{
	if (tunnel_ensure(&kernel->rtnl, &kernel->options, tunnel_mtu(kernel), &kernel->tunnel,
			  error) < 0)
		return -1;
	kernel->routes.tunnel_index = kernel->tunnel.index;
	tell(kernel, first, REPAIR_TUNNEL, kernel->tunnel.created || kernel->tunnel.changed);
	return forwarding_tunnel(LAYOUT_TUNNEL, error);
}

static int repair_filters(struct kernel *kernel, bool first, struct error *error)
{
	size_t attached = 0;
	int status = bpf_attach(kernel->bpf, kernel->tunnel.index, BPF_TUNNEL, error);
	int result = status < 0 ? -1 : 0;

	attached += status > 0;
	for (size_t i = 0; i < kernel->devices.count; i++) {
		const struct device *device = &kernel->devices.items[i];
		struct error why;
		char name[IF_NAMESIZE];

		status = bpf_attach(kernel->bpf, device->index, BPF_UPLINK, &why);
		attached += status > 0;
		/* A device may have gone since the list was made. */
		if (status < 0 && result == 0 && if_indextoname((unsigned int)device->index, name))
			result = error_set(error, "%s: %s", name, why.text);
	}
	tell(kernel, first, REPAIR_FILTERS, attached);
	return result;
}

/*
 * Lists the devices anew. New ones are no repair; one that has become the port of a bridge keeps
 * nothing of ours.
 */
static int follow_devices(struct kernel *kernel, bool first, struct error *error)
{
	struct device_list before = kernel->devices;
	size_t bridges = 0;

	memset(&kernel->devices, 0, sizeof(kernel->devices));
	if (devices_dump(&kernel->rtnl, &kernel->devices, error) < 0) {
		kernel->devices = before;
		return -1;
	}
	for (size_t i = 0; i < before.count; i++) {
		if (devices_find(&kernel->devices, before.items[i].index))
			continue;
		bpf_detach(kernel->bpf, before.items[i].index);
		if (kernel->recorder)
			recorder_device_gone(kernel->recorder, before.items[i].index);
	}
	for (size_t i = 0; i < kernel->devices.count; i++) {
		const struct device *device = &kernel->devices.items[i];

		bridges += device->bridge && device->up;
		if (first || devices_find(&before, device->index))
			continue;
		/* Its failure is told by repair_filters(). */
		if (bpf_attach(kernel->bpf, device->index, BPF_UPLINK, NULL) > 0)
			log_info("%s: a new device, strays are looked for there too", device->name);
		if (kernel->recorder && paths_routed(kernel))
			recorder_attach(kernel->recorder, device->index, NULL);
	}
	devices_free(&before);
	if (bridges && !kernel->bridges_told && forwarding_bridges_filter()) {
		kernel->bridges_told = true;
		log_warn("net.bridge.bridge-nf-call-iptables=1: strays that come through a bridge "
			 "are not seen; set it to 0 if a bridge is an uplink here");
	}
	return 0;
}

static int repair_addresses(struct kernel *kernel, bool first, struct error *error)
{
	struct address_list fresh = {0};
	bool same;

	if (addresses_dump(&kernel->rtnl, &fresh, error) < 0)
		return -1;
	same = addresses_equal(&kernel->addresses, &fresh);
	addresses_free(&kernel->addresses);
	kernel->addresses = fresh;
	if (!same && kernel->started)
		kernel->handlers.addresses_changed(kernel->arg);
	return 0;
}

static int repair_rules(struct kernel *kernel, bool first, struct error *error)
{
	size_t changed;
	int status = owners_ensure_rules(kernel, &changed, error);

	tell(kernel, first, REPAIR_RULES, changed);
	return status;
}

static int repair_routes(struct kernel *kernel, bool first, struct error *error)
{
	size_t changed;
	int status = owners_ensure_routes(kernel, &changed, error);

	tell(kernel, first, REPAIR_ROUTES, changed);
	return status;
}

static int repair_forwarding(struct kernel *kernel, bool first, struct error *error)
{
	size_t changed;
	int status;

	if (forwarding_tunnel(LAYOUT_TUNNEL, error) < 0)
		return -1;
	status = forwarding_ensure(&kernel->forwarding, &kernel->devices, &changed, error);
	tell(kernel, first, REPAIR_FORWARDING, changed);
	return status;
}

static int repair_recorders(struct kernel *kernel, bool first, struct error *error)
{
	size_t changed;
	int status = paths_ensure_recorders(kernel, &changed, error);

	tell(kernel, first, REPAIR_RECORDERS, changed);
	return status;
}

static int repair_linkdown(struct kernel *kernel, bool first, struct error *error)
{
	size_t changed;
	int status = paths_ensure_linkdown(kernel, &changed, error);

	tell(kernel, first, REPAIR_LINKDOWN, changed);
	return status;
}

static int follow_neighbours(struct kernel *kernel, bool first, struct error *error)
{
	if (kernel->neighbours)
		neighbours_look_again(kernel->neighbours);
	return 0;
}

/* In this order. An owner that comes or goes changes rules, and maybe the tunnel's MTU. The tunnel
 * may have been made anew: then the routes into it are gone. */
static const struct {
	unsigned int changes;
	int (*repair)(struct kernel *kernel, bool first, struct error *error);
} steps[] = {
	{MONITOR_LINKS, follow_devices},
	{MONITOR_LINKS | MONITOR_ADDRESSES | MONITOR_RULES | MONITOR_OWN_RULES, repair_tunnel},
	{MONITOR_RULES, repair_rules},
	{MONITOR_LINKS | MONITOR_ADDRESSES | MONITOR_RULES | MONITOR_ROUTES, repair_routes},
	{MONITOR_LINKS | MONITOR_FORWARDING, repair_forwarding},
	{MONITOR_LINKS | MONITOR_FORWARDING, repair_linkdown},
	{MONITOR_LINKS | MONITOR_FILTERS, repair_filters},
	{MONITOR_LINKS | MONITOR_FILTERS, repair_recorders},
	{MONITOR_LINKS, follow_neighbours},
	{MONITOR_ADDRESSES, repair_addresses},
};

int repair_all(struct kernel *kernel, unsigned int changes, bool first, struct error *error)
{
	struct error why;
	int status = 0;

	if (changes & MONITOR_LOST)
		changes = ~0u;
	kernel->repair_links = changes & MONITOR_LINKS;
	/* What cannot be put right does not keep the rest from it, but from a start. */
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !(first && status < 0); i++) {
		if (!(changes & steps[i].changes) || steps[i].repair(kernel, first, &why) == 0)
			continue;
		if (status == 0)
			error_set(error, "%s", why.text);
		status = -1;
	}
	return status;
}

static void repair_later(struct kernel *kernel, uint64_t delay_ms)
{
	struct timeval delay = {.tv_usec = (suseconds_t)delay_ms * 1000};

	if (!evtimer_pending(kernel->repair_timer, NULL))
		evtimer_add(kernel->repair_timer, &delay);
}

static void repair_due(struct kernel *kernel)
{
	unsigned int due = kernel->repair_due;
	uint64_t now = clock_ms();
	struct error error, nft_error;
	const char *problem = NULL;

	/* Addresses are never late: a drain waits for them. */
	if (due & MONITOR_ADDRESSES)
		repair_addresses(kernel, false, NULL);
	if (now - kernel->repaired_ms < REPAIR_INTERVAL_MS) {
		repair_later(kernel, REPAIR_INTERVAL_MS - (now - kernel->repaired_ms));
		return;
	}
	kernel->repaired_ms = now;
	kernel->repair_due = 0;
	if (due && repair_all(kernel, due, false, &error) < 0) {
		problem = error.text;
		kernel->repair_due |= due;
	}
	if (kernel->nft_due) {
		size_t pins = 0;

		kernel->nft_due = false;
		if (nft_repair(kernel->nft, &pins, &nft_error) < 0) {
			problem = problem ? problem : nft_error.text;
			kernel->nft_due = true;
		} else {
			kernel->repairs++;
			log_warn("nftables: put right, %zu pins restored", pins);
		}
	}
	kernel->handlers.problem(kernel->arg, problem);
	/* What failed is tried again, slowly. */
	if (kernel->repair_due || kernel->nft_due)
		repair_later(kernel, 999);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	repair_due(arg);
}

static void on_change(void *arg, unsigned int changes)
{
	struct kernel *kernel = arg;

	kernel->repair_due |= changes;
	repair_due(kernel);
}

static void on_nft_change(void *arg, const char *what)
{
	struct kernel *kernel = arg;

	log_warn("nftables: %s", what);
	kernel->nft_due = true;
	repair_due(kernel);
}

int repair_start(struct kernel *kernel, struct error *error)
{
	kernel->repair_timer = evtimer_new(kernel->base, on_timer, kernel);
	if (!kernel->repair_timer)
		return error_set(error, "repair: no timer");
	if (monitor_open(kernel->base, nl_socket_get_local_port(kernel->rtnl.socket), on_change,
			 kernel, &kernel->monitor, error) < 0)
		return -1;
	return nft_watch(kernel->nft, kernel->base, on_nft_change, kernel, error);
}

void repair_stop(struct kernel *kernel)
{
	monitor_close(kernel->monitor);
	kernel->monitor = NULL;
	if (kernel->repair_timer)
		event_free(kernel->repair_timer);
	kernel->repair_timer = NULL;
}
