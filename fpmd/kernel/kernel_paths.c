// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the routed VIPs and the paths, and what follows from them in rules, tables, sets and the
 * recorder. Runs on fpmd's event loop. Invariant: a path's id is in no mark before its rule and its
 * routes are there.
 */
#include "fpmd/kernel/kernel_private.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpmd/log.h"

/* What is to be in a path's table for each VIP. */
struct ways {
	bool path, backup;
	struct route_way path_way, backup_way;
};

static bool fits_family(const struct kernel_path *path, const struct in6_addr *address)
{
	return path->family == family_number(family_index(address));
}

bool paths_routed(const struct kernel *kernel)
{
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (kernel->vips[i].routed)
			return true;
	return false;
}

/* The index of a device that is up; 0: it is not, or is not there. */
static int device_up(const char *name)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	if (fd < 0)
		return 0;
	memcpy(request.ifr_name, name, strnlen(name, sizeof(request.ifr_name) - 1));
	up = ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
	close(fd);
	return up ? (int)if_nametoindex(name) : 0;
}

static bool add_hop(struct route_way *way, const struct kernel_path *path,
		    const struct kernel_next_hop *hop)
{
	int device = device_up(hop->interface);

	if (!device || (path->family == AF_INET6 && address_is_ipv4(&hop->gateway)))
		return false;
	way->hops[way->hops_count++] = (struct route_hop){hop->gateway, device};
	return true;
}

/* A route over a device that is down would be refused; it comes with the device. */
static void find_ways(const struct kernel_path *path, struct ways *ways)
{
	*ways = (struct ways){0};
	ways->path = path->up && add_hop(&ways->path_way, path, &path->hop);
	if (!IN6_IS_ADDR_UNSPECIFIED(&path->backup_owner) &&
	    fits_family(path, &path->backup_owner)) {
		ways->backup_way.owner = path->backup_owner;
		ways->backup = true;
		return;
	}
	for (size_t i = 0; i < path->backup_count && i < KERNEL_BACKUP_HOPS_MAX; i++)
		ways->backup |= add_hop(&ways->backup_way, path, &path->backup[i]);
}

static int set_route(struct kernel *kernel, uint16_t id, uint32_t metric,
		     const struct in6_addr *vip, bool wanted, const struct route_way *way,
		     struct error *error)
{
	if (!wanted)
		return route_path_remove(&kernel->routes, id, metric, vip, error);
	return route_path_set(&kernel->routes, id, metric, vip, way, error) < 0 ? -1 : 0;
}

/* The backup is there before the path goes. */
static int set_routes(struct kernel *kernel, uint16_t id, const struct in6_addr *vip,
		      const struct ways *ways, struct error *error)
{
	if (ways->backup &&
	    set_route(kernel, id, LAYOUT_BACKUP_METRIC, vip, true, &ways->backup_way, error) < 0)
		return -1;
	if (set_route(kernel, id, LAYOUT_PATH_METRIC, vip, ways->path, &ways->path_way, error) < 0)
		return -1;
	if (!ways->backup &&
	    set_route(kernel, id, LAYOUT_BACKUP_METRIC, vip, false, NULL, error) < 0)
		return -1;
	return 0;
}

static int remove_routes(struct kernel *kernel, uint16_t id, const struct in6_addr *vip,
			 struct error *error)
{
	struct ways none = {0};

	return set_routes(kernel, id, vip, &none, error);
}

/* Only what differs from *before* (NULL: all of it). */
static int change_routes(struct kernel *kernel, const struct kernel_path *path,
			 const struct ways *before, struct error *error)
{
	struct ways ways;
	bool path_same, backup_same;

	find_ways(path, &ways);
	path_same = before && before->path == ways.path &&
		    route_way_equal(&before->path_way, &ways.path_way);
	backup_same = before && before->backup == ways.backup &&
		      route_way_equal(&before->backup_way, &ways.backup_way);
	for (size_t i = 0; i < kernel->vips_count; i++) {
		const struct vip *vip = &kernel->vips[i];

		if (!vip->routed || !fits_family(path, &vip->address))
			continue;
		if (!backup_same && set_routes(kernel, path->id, &vip->address, &ways, error) < 0)
			return -1;
		if (backup_same && !path_same &&
		    set_route(kernel, path->id, LAYOUT_PATH_METRIC, &vip->address, ways.path,
			      &ways.path_way, error) < 0)
			return -1;
	}
	return 0;
}

/* The recorder */

static void on_flow(void *arg, const struct flow *flow, uint16_t path, enum kernel_flow_event event)
{
	struct kernel *kernel = arg;

	if (kernel->handlers.flow)
		kernel->handlers.flow(kernel->arg, flow, path, event);
}

static void on_flows_lost(void *arg)
{
	struct kernel *kernel = arg;

	if (kernel->handlers.flows_lost)
		kernel->handlers.flows_lost(kernel->arg);
}

int paths_start(struct kernel *kernel, struct error *error)
{
	if (!kernel->recorder || !kernel->started)
		return 0;
	return recorder_start(kernel->recorder, kernel->base, on_flow, on_flows_lost, kernel,
			      error);
}

static int open_recorder(struct kernel *kernel, struct error *error)
{
	struct error warning = {0};

	if (!kernel->paths_max)
		return error_set(error, "no bits of the mark are set aside for paths");
	if (recorder_open(&kernel->options, &kernel->rtnl, &kernel->recorder, &warning, error) < 0)
		return -1;
	if (warning.text[0])
		log_warn("%s", warning.text);
	if (neighbours_open(kernel, &kernel->neighbours, error) < 0 ||
	    paths_start(kernel, error) < 0) {
		neighbours_close(kernel->neighbours);
		kernel->neighbours = NULL;
		recorder_close(kernel->recorder);
		kernel->recorder = NULL;
		return -1;
	}
	return 0;
}

int paths_open(struct kernel *kernel, struct error *error)
{
	if (kernel->recorder)
		return 0;
	if (open_recorder(kernel, error) < 0)
		return -1;
	return neighbours_settle(kernel->neighbours, error);
}

void paths_free(struct kernel *kernel)
{
	neighbours_close(kernel->neighbours);
	recorder_close(kernel->recorder);
	linkdown_free(&kernel->linkdown);
	for (unsigned int id = 0; id <= KERNEL_PATH_MAX; id++)
		free(kernel->paths[id]);
}

static int tell_routed(struct kernel *kernel, bool recorder, struct error *error)
{
	struct in6_addr *addresses = calloc(kernel->vips_count + 1, sizeof(*addresses));
	size_t count = 0;
	int status;

	if (!addresses)
		return error_set(error, "routed VIPs: out of memory");
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (kernel->vips[i].routed)
			addresses[count++] = kernel->vips[i].address;
	status = recorder ? recorder_vips_set(kernel->recorder, addresses, count, error)
			  : nft_routed_set(kernel->nft, addresses, count, error);
	free(addresses);
	return status;
}

/* Take-over */

static void take_routed(void *arg, const struct in6_addr *address)
{
	struct vip *vip = vip_note(arg, address);

	if (vip)
		vip->routed = true;
}

static void take_path(void *arg, const struct kernel_path *path)
{
	struct kernel *kernel = arg;

	if (!path->id || path->id > kernel->paths_max || kernel->paths[path->id])
		return;
	kernel->paths[path->id] = malloc(sizeof(*path));
	if (kernel->paths[path->id])
		*kernel->paths[path->id] = *path;
}

int paths_take_over(struct kernel *kernel, struct error *error)
{
	if (linkdown_take_over(&kernel->linkdown, kernel->nft, error) < 0)
		return -1;
	for (int i = 0; i < FAMILIES; i++)
		if (nft_routed_get(kernel->nft, family_number(i), take_routed, kernel, error) < 0)
			return -1;
	return 0;
}

/* An fpmd that was a director left something, this one is none. */
static void forget_routed(struct kernel *kernel)
{
	paths_remove_everything(kernel);
	for (size_t i = kernel->vips_count; i-- > 0;) {
		kernel->vips[i].routed = false;
		if (!kernel->vips[i].served)
			kernel->vips[i] = kernel->vips[--kernel->vips_count];
	}
}

int paths_open_left(struct kernel *kernel, struct error *error)
{
	struct error why;

	if (!paths_routed(kernel))
		return 0;
	if (!kernel->paths_max) {
		forget_routed(kernel);
		return 0;
	}
	if (open_recorder(kernel, error) < 0 ||
	    recorder_paths_each(kernel->recorder, take_path, kernel, error) < 0 ||
	    tell_routed(kernel, true, error) < 0)
		return -1;
	for (unsigned int id = 1; id <= kernel->paths_max; id++)
		if (kernel->paths[id] && neighbours_follow(kernel->neighbours, (uint16_t)id,
							   kernel->paths[id], &why) < 0)
			log_warn("%s", why.text);
	return neighbours_settle(kernel->neighbours, error);
}

int paths_tell(struct kernel *kernel, struct error *error)
{
	return tell_routed(kernel, false, error);
}

/* Routed VIPs */

static bool is_wanted(const struct in6_addr *vips, size_t count, const struct in6_addr *address)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&vips[i], address))
			return true;
	return false;
}

static int add_routes(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	struct ways ways;

	for (unsigned int id = 1; id <= kernel->paths_max; id++) {
		const struct kernel_path *path = kernel->paths[id];

		if (!path || !fits_family(path, address))
			continue;
		find_ways(path, &ways);
		if (set_routes(kernel, (uint16_t)id, address, &ways, error) < 0)
			return -1;
	}
	return 0;
}

static int add_routed(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	struct vip *vip = vip_note(kernel, address);
	int status;

	if (!vip)
		return error_set(error, "routed VIPs: out of memory");
	if (vip->routed)
		return 0;
	vip->routed = true;
	status = add_routes(kernel, address, error);
	if (status == 0 && !vip->served)
		status = owners_add_vip(kernel, address, error);
	vip->routed = status == 0;
	return status;
}

static int drop_routed(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	for (unsigned int id = 1; id <= kernel->paths_max; id++) {
		const struct kernel_path *path = kernel->paths[id];

		if (path && fits_family(path, address) &&
		    remove_routes(kernel, (uint16_t)id, address, error) < 0)
			return -1;
	}
	return vip_drop_if_unused(kernel, address, error);
}

/* It could not be taken away: that is to be tried again. */
static void keep_routed(struct kernel *kernel, const struct in6_addr *address)
{
	struct vip *vip = vip_find(kernel, address);

	if (vip)
		vip->routed = true;
}

/* Marks come last when VIPs come, and end first when VIPs go. */
int kernel_routed_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		      struct error *error)
{
	struct in6_addr *gone;
	size_t gone_count = 0, changed;
	int status = 0;

	if (!count && !kernel->recorder)
		return 0;
	if (paths_open(kernel, error) < 0)
		return -1;
	gone = calloc(kernel->vips_count + 1, sizeof(*gone));
	if (!gone)
		return error_set(error, "routed VIPs: out of memory");
	for (size_t i = 0; i < kernel->vips_count; i++) {
		struct vip *vip = &kernel->vips[i];

		if (!vip->routed || is_wanted(vips, count, &vip->address))
			continue;
		vip->routed = false;
		gone[gone_count++] = vip->address;
	}
	for (size_t i = 0; i < count && status == 0; i++)
		status = add_routed(kernel, &vips[i], error);
	if (status == 0)
		status = tell_routed(kernel, false, error);
	if (status == 0)
		status = tell_routed(kernel, true, error);
	if (status == 0)
		status = paths_ensure_recorders(kernel, &changed, error);
	for (size_t i = 0; i < gone_count; i++) {
		if (status == 0)
			status = drop_routed(kernel, &gone[i], error);
		if (status < 0)
			keep_routed(kernel, &gone[i]);
	}
	free(gone);
	return status;
}

/* Paths */

static int check_path(struct kernel *kernel, const struct kernel_path *path, struct error *error)
{
	if (!path->id || path->id > kernel->paths_max)
		return error_set(error, "path id %u does not fit the mark: ids are 1..%u", path->id,
				 kernel->paths_max);
	if (path->family != AF_INET && path->family != AF_INET6)
		return error_set(error, "path %u: unknown address family %d", path->id,
				 path->family);
	if (!kernel->families[path->family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6])
		return error_set(error, "path %u: this host has no local member of its family",
				 path->id);
	if (IN6_IS_ADDR_UNSPECIFIED(&path->hop.gateway) || !path->hop.interface[0] ||
	    (path->family == AF_INET6 && address_is_ipv4(&path->hop.gateway)))
		return error_set(error, "path %u: it has no gateway that its VIPs can use",
				 path->id);
	if (path->backup_count > KERNEL_BACKUP_HOPS_MAX)
		return error_set(error, "path %u: more than %d next hops as its backup", path->id,
				 KERNEL_BACKUP_HOPS_MAX);
	return 0;
}

static int ensure_linkdown(struct kernel *kernel, const struct kernel_path *path, size_t *changed,
			   struct error *error)
{
	unsigned int device = if_nametoindex(path->hop.interface);
	int status = device ? linkdown_ensure(&kernel->linkdown, path->family, device, error) : 0;

	*changed += status > 0;
	return status < 0 ? -1 : 0;
}

int kernel_path_set(struct kernel *kernel, const struct kernel_path *path, struct error *error)
{
	struct kernel_path *stored;
	struct ways before;
	size_t changed = 0;
	bool known;

	if (check_path(kernel, path, error) < 0 || paths_open(kernel, error) < 0)
		return -1;
	stored = kernel->paths[path->id];
	if (stored && stored->family != path->family) {
		if (kernel_path_remove(kernel, path->id, error) < 0)
			return -1;
		stored = NULL;
	}
	known = stored && !kernel->paths_refused[path->id];
	if (known) {
		find_ways(stored, &before);
	} else if (!stored) {
		stored = malloc(sizeof(*stored));
		if (!stored)
			return error_set(error, "path %u: out of memory", path->id);
		kernel->paths[path->id] = stored;
	}
	*stored = *path;
	kernel->paths_refused[path->id] =
		change_routes(kernel, path, known ? &before : NULL, error) < 0;
	if (kernel->paths_refused[path->id] ||
	    rules_follow(kernel, path->family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6, error) < 0 ||
	    recorder_path_set(kernel->recorder, path, error) < 0 ||
	    neighbours_follow(kernel->neighbours, path->id, path, error) < 0)
		return -1;
	return ensure_linkdown(kernel, path, &changed, error);
}

int kernel_path_remove(struct kernel *kernel, uint16_t id, struct error *error)
{
	struct kernel_path *path = id <= KERNEL_PATH_MAX ? kernel->paths[id] : NULL;
	int family, status;

	if (!path)
		return 0;
	if (neighbours_follow(kernel->neighbours, id, NULL, error) < 0 ||
	    recorder_path_remove(kernel->recorder, id, error) < 0)
		return -1;
	family = path->family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
	kernel->paths[id] = NULL;
	kernel->paths_refused[id] = false;
	status = rules_follow(kernel, family, error);
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (kernel->vips[i].routed && fits_family(path, &kernel->vips[i].address) &&
		    remove_routes(kernel, id, &kernel->vips[i].address, error) < 0)
			status = -1;
	free(path);
	return status;
}

int kernel_paths_each(struct kernel *kernel, kernel_path_fn *fn, void *arg, struct error *error)
{
	for (unsigned int id = 1; id <= kernel->paths_max; id++)
		if (kernel->paths[id])
			fn(arg, kernel->paths[id]);
	return 0;
}

int kernel_flows_each(struct kernel *kernel, uint16_t path, kernel_flow_fn *fn, void *arg,
		      struct error *error)
{
	return kernel->recorder ? recorder_each(kernel->recorder, path, fn, arg, error) : 0;
}

int kernel_flow_find(struct kernel *kernel, const struct flow *flow,
		     struct kernel_flow_record *record, struct error *error)
{
	return kernel->recorder ? recorder_find(kernel->recorder, flow, record, error) : 0;
}

int kernel_flows_sweep(struct kernel *kernel, struct kernel_path_flows *counts, size_t count,
		       struct error *error)
{
	if (kernel->recorder)
		return recorder_sweep(kernel->recorder, counts, count, error);
	memset(counts, 0, count * sizeof(*counts));
	return 1;
}

/* Repairs */

struct path_check {
	struct kernel *kernel;
	struct ways *ways[KERNEL_PATH_MAX + 1];
	bool *there; /* by path, metric and VIP */
};

static bool *there_of(struct path_check *check, unsigned int id, bool backup, size_t vip)
{
	return &check->there[(id * 2 + backup) * check->kernel->vips_count + vip];
}

static void check_free(struct path_check *check)
{
	for (unsigned int id = 0; id <= KERNEL_PATH_MAX; id++)
		free(check->ways[id]);
	free(check->there);
	free(check);
}

struct path_check *paths_check_begin(struct kernel *kernel)
{
	struct path_check *check = calloc(1, sizeof(*check));

	if (!check)
		return NULL;
	check->kernel = kernel;
	check->there = calloc((KERNEL_PATH_MAX + 1) * 2 * (kernel->vips_count + 1), sizeof(bool));
	for (unsigned int id = 1; check->there && id <= kernel->paths_max; id++) {
		if (!kernel->paths[id])
			continue;
		check->ways[id] = malloc(sizeof(struct ways));
		if (!check->ways[id]) {
			check_free(check);
			return NULL;
		}
		find_ways(kernel->paths[id], check->ways[id]);
	}
	if (!check->there) {
		check_free(check);
		return NULL;
	}
	return check;
}

bool paths_check_route(struct path_check *check, const struct our_route *route)
{
	const struct kernel *kernel = check->kernel;
	const struct vip *vip = vip_find(kernel, &route->vip);
	const struct ways *ways = route->id <= KERNEL_PATH_MAX ? check->ways[route->id] : NULL;
	bool backup = route->metric == LAYOUT_BACKUP_METRIC;

	if (!vip || !vip->routed || !ways || !fits_family(kernel->paths[route->id], &vip->address))
		return false;
	if (backup ? !ways->backup : route->metric != LAYOUT_PATH_METRIC || !ways->path)
		return false;
	if (route->as_ours &&
	    route_way_equal(&route->way, backup ? &ways->backup_way : &ways->path_way))
		*there_of(check, route->id, backup, (size_t)(vip - kernel->vips)) = true;
	return true;
}

static int check_path_routes(struct path_check *check, unsigned int id, size_t *changed,
			     struct error *error)
{
	struct kernel *kernel = check->kernel;
	const struct ways *ways = check->ways[id];

	for (size_t v = 0; v < kernel->vips_count; v++) {
		const struct vip *vip = &kernel->vips[v];

		if (!vip->routed || !fits_family(kernel->paths[id], &vip->address))
			continue;
		for (int backup = 0; backup < 2; backup++) {
			int status;

			if (!(backup ? ways->backup : ways->path) ||
			    *there_of(check, id, backup, v))
				continue;
			status = route_path_set(
				&kernel->routes, (uint16_t)id,
				backup ? LAYOUT_BACKUP_METRIC : LAYOUT_PATH_METRIC, &vip->address,
				backup ? &ways->backup_way : &ways->path_way, error);
			if (status < 0)
				return -1;
			/* Those that went and came with a device are nobody's fault. */
			*changed += status == 0 && !kernel->repair_links;
		}
	}
	return 0;
}

int paths_check_end(struct path_check *check, bool repair, size_t *changed, struct error *error)
{
	int status = 0;

	if (!check)
		return -1;
	for (unsigned int id = 1; repair && id <= check->kernel->paths_max && status == 0; id++)
		if (check->ways[id])
			status = check_path_routes(check, id, changed, error);
	check_free(check);
	return status;
}

static int ensure_recorder(struct kernel *kernel, int device, bool wanted, size_t *changed,
			   struct error *error)
{
	char name[IF_NAMESIZE];
	struct error why;
	int status;

	if (!wanted) {
		recorder_detach(kernel->recorder, device);
		return 0;
	}
	status = recorder_attach(kernel->recorder, device, &why);
	*changed += status > 0;
	/* A device may have gone since the list was made. */
	if (status < 0 && if_indextoname((unsigned int)device, name))
		return error_set(error, "%s: %s", name, why.text);
	return 0;
}

int paths_ensure_recorders(struct kernel *kernel, size_t *changed, struct error *error)
{
	bool wanted = paths_routed(kernel);
	struct error why;
	int status = 0;

	*changed = 0;
	if (!kernel->recorder)
		return 0;
	/* What leaves by the tunnel has an owner: that, too, is to be seen. */
	if (kernel->tunnel.index)
		status = ensure_recorder(kernel, kernel->tunnel.index, wanted, changed, error);
	for (size_t i = 0; i < kernel->devices.count; i++) {
		if (ensure_recorder(kernel, kernel->devices.items[i].index, wanted, changed, &why) <
			    0 &&
		    status == 0)
			status = error_set(error, "%s", why.text);
	}
	return status;
}

int paths_ensure_linkdown(struct kernel *kernel, size_t *changed, struct error *error)
{
	*changed = 0;
	for (unsigned int id = 1; id <= kernel->paths_max; id++)
		if (kernel->paths[id] &&
		    ensure_linkdown(kernel, kernel->paths[id], changed, error) < 0)
			return -1;
	return 0;
}

/* Good enough to find what an earlier fpmd left, also for one that is no director. */
static int open_to_forget(struct kernel *kernel, struct error *error)
{
	struct kernel_options options = kernel->options;
	struct error warning;

	if (!kernel->paths_max) {
		options.mark_path_mask = ~layout_our_bits(&options);
		options.mark_path_mask &= -options.mark_path_mask;
		options.flows_max = options.flow_lifetime_s = 1;
	}
	return recorder_open(&options, &kernel->rtnl, &kernel->recorder, &warning, error);
}

/* Rules and routes go with those of the owners. */
void paths_remove_everything(struct kernel *kernel)
{
	struct error error;

	if (!kernel->recorder && (paths_routed(kernel) || kernel->options.bpf_directory >= 0) &&
	    open_to_forget(kernel, &error) < 0) {
		log_debug(TOPIC_KERNEL, "%s", error.text);
		kernel->recorder = NULL;
	}
	if (kernel->recorder) {
		if (kernel->routes.tunnel_index)
			recorder_detach(kernel->recorder, kernel->routes.tunnel_index);
		for (size_t i = 0; i < kernel->devices.count; i++)
			recorder_detach(kernel->recorder, kernel->devices.items[i].index);
		recorder_forget(kernel->recorder);
	}
	linkdown_restore(&kernel->linkdown);
	neighbours_close(kernel->neighbours);
	recorder_close(kernel->recorder);
	kernel->neighbours = NULL;
	kernel->recorder = NULL;
}
