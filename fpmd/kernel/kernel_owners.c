// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the VIPs and the owners, and what follows from them in rules, tables, BPF maps and sets.
 * Runs on fpmd's event loop. Invariant: an owner's mark is never given before its rule and its
 * routes are there.
 */
#include "fpmd/kernel/kernel_private.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fpmd/kernel/list.h"
#include "fpmd/log.h"

struct vip *vip_find(const struct kernel *kernel, const struct in6_addr *address)
{
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (address_equal(&kernel->vips[i].address, address))
			return &kernel->vips[i];
	return NULL;
}

bool vips_contain(const struct kernel *kernel, const struct in6_addr *address)
{
	const struct vip *vip = vip_find(kernel, address);

	return vip && vip->served;
}

struct vip *vip_note(struct kernel *kernel, const struct in6_addr *address)
{
	struct vip *vip = vip_find(kernel, address);

	if (vip)
		return vip;
	vip = list_room(kernel->vips, kernel->vips_count, &kernel->vips_size, sizeof(*vip));
	if (!vip)
		return NULL;
	kernel->vips = vip;
	vip = &kernel->vips[kernel->vips_count++];
	*vip = (struct vip){.address = *address};
	return vip;
}

/* Take-over */

static void take_route(void *arg, const struct our_route *route)
{
	struct kernel *kernel = arg;
	struct owner *owner;
	struct vip *vip = vip_note(kernel, &route->vip);

	if (!vip)
		return;
	vip->hold |= route->kind == ROUTE_HOLD;
	vip->served |= route->kind == ROUTE_HOLD || route->kind == ROUTE_GUARD;
	vip->routed |= route->kind == ROUTE_PATH;
	if (route->kind != ROUTE_OWNER || route->id > kernel->owners_max ||
	    IN6_IS_ADDR_UNSPECIFIED(&route->owner))
		return;
	owner = &kernel->owners[route->id];
	owner->used = true;
	owner->address = route->owner;
}

int owners_take_over(struct kernel *kernel, struct error *error)
{
	for (int i = 0; i < FAMILIES; i++)
		if (kernel->families[i] &&
		    routes_dump(&kernel->routes, family_number(i), take_route, kernel, error) < 0)
			return -1;
	/* Hold and guard may both be away at times. */
	for (size_t i = 0; i < kernel->vips_count; i++)
		kernel->vips[i].served |= !kernel->vips[i].routed;
	return 0;
}

/* What follows from VIPs and owners */

static void wanted_ids(const struct kernel *kernel, int family, struct rule_ids *ids)
{
	*ids = (struct rule_ids){0};
	for (unsigned int id = 1; id <= kernel->owners_max; id++)
		if (kernel->owners[id].used && family_index(&kernel->owners[id].address) == family)
			rule_id_set(ids->owners, id, true);
	for (unsigned int id = 1; id <= kernel->paths_max; id++)
		if (kernel->paths[id] && kernel->paths[id]->family == family_number(family))
			rule_id_set(ids->paths, id, true);
}

static void tell_far(const struct rules *rules, bool before)
{
	if (rules->far && !before)
		log_info("more than %d paths or owners: the rule of local delivery moves to "
			 "preference %d; rules of others with a smaller one come before it now",
			 RULE_LIST_MAX, LAYOUT_PREF_LOCAL_FAR);
}

int rules_follow(struct kernel *kernel, int family, struct error *error)
{
	struct rules *rules = &kernel->rules[family];
	bool before = rules->far;
	struct rule_ids ids;
	int status;

	wanted_ids(kernel, family, &ids);
	status = rules_change(rules, &ids, error);
	tell_far(rules, before);
	return status;
}

int owners_ensure_rules(struct kernel *kernel, size_t *changed, struct error *error)
{
	*changed = 0;
	for (int i = 0; i < FAMILIES; i++) {
		bool before = kernel->rules[i].far;
		size_t corrections = 0;
		struct rule_ids ids;

		if (!kernel->families[i])
			continue;
		wanted_ids(kernel, i, &ids);
		if (rules_ensure(&kernel->rules[i], &ids, &corrections, error) < 0)
			return -1;
		tell_far(&kernel->rules[i], before);
		*changed += corrections;
	}
	return 0;
}

/* Marks off which of the wanted routes there are. */
struct route_check {
	struct kernel *kernel;
	bool *held, *guarded; /* by VIP */
	bool *there;	      /* by owner and VIP */
	struct path_check *paths;
	struct our_route *surplus;
	size_t surplus_count, surplus_size;
};

static void note_surplus(struct route_check *check, const struct our_route *route)
{
	struct our_route *surplus = list_room(check->surplus, check->surplus_count,
					      &check->surplus_size, sizeof(*surplus));

	if (!surplus)
		return;
	check->surplus = surplus;
	check->surplus[check->surplus_count++] = *route;
}

static void check_route(void *arg, const struct our_route *route)
{
	struct route_check *check = arg;
	struct kernel *kernel = check->kernel;
	struct vip *vip = vip_find(kernel, &route->vip);
	size_t index = vip ? (size_t)(vip - kernel->vips) : 0;

	if (!vip || (route->kind == ROUTE_HOLD && !vip->hold) ||
	    (route->kind == ROUTE_GUARD && !vip->served) ||
	    (route->kind == ROUTE_PATH && !paths_check_route(check->paths, route)) ||
	    (route->kind == ROUTE_OWNER &&
	     (route->id > kernel->owners_max || !kernel->owners[route->id].used)))
		note_surplus(check, route);
	else if (route->kind == ROUTE_HOLD)
		check->held[index] = true;
	else if (route->kind == ROUTE_GUARD)
		check->guarded[index] = route->as_ours;
	else if (route->kind == ROUTE_OWNER && route->as_ours &&
		 address_equal(&route->owner, &kernel->owners[route->id].address))
		check->there[route->id * kernel->vips_count + index] = true;
}

static int remove_surplus(struct route_check *check, size_t *changed, struct error *error)
{
	for (size_t i = 0; i < check->surplus_count; i++) {
		if (route_remove(&check->kernel->routes, &check->surplus[i], error) < 0)
			return -1;
		(*changed)++;
	}
	return 0;
}

static int add_missing(struct route_check *check, size_t *changed, struct error *error)
{
	struct kernel *kernel = check->kernel;

	for (size_t v = 0; v < kernel->vips_count; v++) {
		const struct vip *vip = &kernel->vips[v];

		if (vip->hold && !check->held[v]) {
			if (route_hold(&kernel->routes, &vip->address, true, error) < 0)
				return -1;
			(*changed)++;
		}
		if (vip->served && !check->guarded[v]) {
			if (route_guard(&kernel->routes, &vip->address, true, error) < 0)
				return -1;
			(*changed)++;
		}
		for (unsigned int id = 1; id <= kernel->owners_max; id++) {
			const struct owner *owner = &kernel->owners[id];

			if (!owner->used || check->there[id * kernel->vips_count + v] ||
			    !route_fits(&vip->address, &owner->address))
				continue;
			if (route_owner_set(&kernel->routes, (uint16_t)id, &owner->address,
					    &vip->address, error) < 0)
				return -1;
			(*changed)++;
		}
	}
	return 0;
}

int owners_ensure_routes(struct kernel *kernel, size_t *changed, struct error *error)
{
	struct route_check check = {.kernel = kernel, .paths = paths_check_begin(kernel)};
	int status = 0;

	*changed = 0;
	check.held = calloc(kernel->vips_count + 1, sizeof(*check.held));
	check.guarded = calloc(kernel->vips_count + 1, sizeof(*check.guarded));
	check.there =
		calloc((kernel->owners_max + 1) * (kernel->vips_count + 1), sizeof(*check.there));
	if (!check.held || !check.guarded || !check.there || !check.paths)
		status = error_set(error, "routes: out of memory");
	for (int i = 0; i < FAMILIES && status == 0; i++)
		if (kernel->families[i])
			status = routes_dump(&kernel->routes, family_number(i), check_route, &check,
					     error);
	if (status == 0)
		status = add_missing(&check, changed, error);
	if (status == 0)
		status = remove_surplus(&check, changed, error);
	if (paths_check_end(check.paths, status == 0, changed, error) < 0)
		status = -1;
	free(check.held);
	free(check.guarded);
	free(check.there);
	free(check.surplus);
	return status;
}

int owners_ensure_bpf(struct kernel *kernel, struct error *error)
{
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (kernel->vips[i].served &&
		    bpf_vip_add(kernel->bpf, &kernel->vips[i].address, error) < 0)
			return -1;
	for (unsigned int id = 1; id <= kernel->owners_max; id++)
		if (kernel->owners[id].used &&
		    bpf_sender_set(kernel->bpf, &kernel->owners[id].address,
				   layout_owner_mark(&kernel->options, (uint16_t)id), error) < 0)
			return -1;
	return 0;
}

unsigned int owners_smallest_mtu(struct kernel *kernel)
{
	unsigned int smallest = 0;

	for (unsigned int id = 1; id <= kernel->owners_max; id++) {
		const struct owner *owner = &kernel->owners[id];
		const struct device *device = NULL;

		if (owner->used)
			device = devices_find(&kernel->devices,
					      route_device(&kernel->routes, &owner->address));
		if (device && (!smallest || device->mtu < smallest))
			smallest = device->mtu;
	}
	return smallest;
}

/* VIPs */

static int tell_vips(struct kernel *kernel, struct error *error)
{
	struct in6_addr *addresses = calloc(kernel->vips_count + 1, sizeof(*addresses));
	size_t count = 0;
	int status;

	if (!addresses)
		return error_set(error, "VIPs: out of memory");
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (kernel->vips[i].served)
			addresses[count++] = kernel->vips[i].address;
	status = nft_vips_set(kernel->nft, addresses, count, error);
	free(addresses);
	return status;
}

static bool is_wanted(const struct in6_addr *vips, size_t count, const struct in6_addr *address)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&vips[i], address))
			return true;
	return false;
}

int vip_drop_if_unused(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	struct vip *vip = vip_find(kernel, address);
	struct in6_addr gone = *address;

	if (!vip || vip->served || vip->routed)
		return 0;
	*vip = kernel->vips[--kernel->vips_count];
	for (unsigned int id = 1; id <= kernel->owners_max; id++)
		if (kernel->owners[id].used &&
		    route_owner_remove(&kernel->routes, (uint16_t)id, &gone, error) < 0)
			return -1;
	return 0;
}

static int drop_vip(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	struct vip *vip = vip_find(kernel, address);
	struct in6_addr gone = *address;

	vip->served = vip->hold = false;
	if (bpf_vip_remove(kernel->bpf, &gone, error) < 0 ||
	    vip_drop_if_unused(kernel, &gone, error) < 0 ||
	    route_guard(&kernel->routes, &gone, false, error) < 0)
		return -1;
	return route_hold(&kernel->routes, &gone, false, error);
}

int owners_add_vip(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	for (unsigned int id = 1; id <= kernel->owners_max; id++) {
		const struct owner *owner = &kernel->owners[id];

		if (owner->used && route_fits(address, &owner->address) &&
		    route_owner_set(&kernel->routes, (uint16_t)id, &owner->address, address,
				    error) < 0)
			return -1;
	}
	return 0;
}

static int add_vip(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	struct vip *vip = vip_note(kernel, address);
	bool before = vip && vip->routed;

	if (!vip)
		return error_set(error, "VIPs: out of memory");
	if (vip->served)
		return 0;
	vip->served = vip->hold = true;
	if (route_hold(&kernel->routes, address, true, error) < 0 ||
	    route_guard(&kernel->routes, address, true, error) < 0)
		return -1;
	return before ? 0 : owners_add_vip(kernel, address, error);
}

int kernel_vips_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		    struct error *error)
{
	for (size_t i = 0; i < count; i++)
		if (add_vip(kernel, &vips[i], error) < 0)
			return -1;
	for (size_t i = kernel->vips_count; i-- > 0;) {
		struct in6_addr address = kernel->vips[i].address;

		if (kernel->vips[i].served && !is_wanted(vips, count, &address) &&
		    drop_vip(kernel, &address, error) < 0)
			return -1;
	}
	if (tell_vips(kernel, error) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (bpf_vip_add(kernel->bpf, &vips[i], error) < 0)
			return -1;
	if (kernel->vips_told)
		return 0;
	/* Holds that were found may be missing for VIPs that have been learned from owners' tables.
	 */
	kernel->vips_told = true;
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (kernel->vips[i].served &&
		    kernel_vip_hold(kernel, &kernel->vips[i].address, true, error) < 0)
			return -1;
	return 0;
}

int kernel_vip_hold(struct kernel *kernel, const struct in6_addr *address, bool hold,
		    struct error *error)
{
	struct vip *vip = vip_find(kernel, address);

	if (!vip || !vip->served)
		return error_set(error, "only a VIP can be held");
	if (vip->hold == hold)
		return 0;
	if (route_hold(&kernel->routes, address, hold, error) < 0)
		return -1;
	vip->hold = hold;
	return 0;
}

/* Owners */

int owners_tell_members(struct kernel *kernel, struct error *error)
{
	struct in6_addr *addresses = calloc(kernel->owners_max + 1, sizeof(*addresses));
	size_t count = 0;
	int status;

	if (!addresses)
		return error_set(error, "owners: out of memory");
	for (unsigned int id = 1; id <= kernel->owners_max; id++)
		if (kernel->owners[id].used &&
		    !is_wanted(addresses, count, &kernel->owners[id].address))
			addresses[count++] = kernel->owners[id].address;
	status = nft_members_set(kernel->nft, addresses, count, error);
	free(addresses);
	return status;
}

/* Another id of the same member speaks for its address from now on, or nobody does. */
static int forget_sender(struct kernel *kernel, const struct in6_addr *address, struct error *error)
{
	for (unsigned int id = 1; id <= kernel->owners_max; id++)
		if (kernel->owners[id].used && address_equal(&kernel->owners[id].address, address))
			return bpf_sender_set(kernel->bpf, address,
					      layout_owner_mark(&kernel->options, (uint16_t)id),
					      error);
	return bpf_sender_remove(kernel->bpf, address, error);
}

static int check_owner(struct kernel *kernel, uint16_t id, const struct in6_addr *address,
		       struct error *error)
{
	char text[ADDRESS_TEXT_SIZE];

	if (id == KERNEL_OWNER_NONE || id > kernel->owners_max)
		return error_set(error, "owner id %u does not fit the mark: ids are 1..%u", id,
				 kernel->owners_max);
	if (address && !kernel->families[family_index(address)])
		return error_set(error, "owner %s: this host has no local member of that family",
				 address_text(address, text));
	return 0;
}

/* The mark comes last: a packet that has it finds its rule and its route. */
static int install_owner(struct kernel *kernel, uint16_t id, const struct in6_addr *address,
			 struct error *error)
{
	uint32_t mark = layout_owner_mark(&kernel->options, id);

	for (size_t i = 0; i < kernel->vips_count; i++)
		if (route_fits(&kernel->vips[i].address, address) &&
		    route_owner_set(&kernel->routes, id, address, &kernel->vips[i].address, error) <
			    0)
			return -1;
	if (rules_follow(kernel, family_index(address), error) < 0 ||
	    nft_owner_add(kernel->nft, id, error) < 0)
		return -1;
	return bpf_sender_set(kernel->bpf, address, mark, error);
}

int kernel_owner_set(struct kernel *kernel, uint16_t id, const struct in6_addr *address,
		     struct error *error)
{
	struct owner *owner, before;

	if (check_owner(kernel, id, address, error) < 0)
		return -1;
	owner = &kernel->owners[id];
	before = *owner;
	if (before.used && family_index(&before.address) != family_index(address)) {
		if (kernel_owner_remove(kernel, id, error) < 0)
			return -1;
		before.used = false;
	}
	*owner = (struct owner){.used = true, .address = *address};
	if (install_owner(kernel, id, address, error) < 0) {
		*owner = before;
		return -1;
	}
	if (before.used && address_equal(&before.address, address))
		return 0;
	if (before.used && forget_sender(kernel, &before.address, error) < 0)
		return -1;
	return owners_tell_members(kernel, error);
}

int kernel_owner_remove(struct kernel *kernel, uint16_t id, struct error *error)
{
	struct owner *owner, before;

	if (check_owner(kernel, id, NULL, error) < 0)
		return -1;
	owner = &kernel->owners[id];
	if (nft_owner_known(kernel->nft, id) && nft_owner_remove(kernel->nft, id, error) < 0)
		return -1;
	if (!owner->used)
		return 0;
	before = *owner;
	owner->used = false;
	if (owners_tell_members(kernel, error) < 0 ||
	    forget_sender(kernel, &before.address, error) < 0 ||
	    rules_follow(kernel, family_index(&before.address), error) < 0)
		return -1;
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (route_fits(&kernel->vips[i].address, &before.address) &&
		    route_owner_remove(&kernel->routes, id, &kernel->vips[i].address, error) < 0)
			return -1;
	return 0;
}

int kernel_owner_steer(struct kernel *kernel, const struct in6_addr *owner,
		       const struct in6_addr *gateway, const char *interface, struct error *error)
{
	unsigned int device;

	if (!gateway)
		return route_steer_end(&kernel->routes, owner, error);
	device = if_nametoindex(interface);
	if (!device)
		return error_set(error, "another way to an owner: there is no device %s",
				 interface);
	return route_steer(&kernel->routes, owner, gateway, (int)device, error);
}

void owners_steer_end(struct kernel *kernel)
{
	struct error error;

	for (int i = 0; i < FAMILIES; i++)
		if (kernel->families[i] &&
		    routes_steer_end(&kernel->routes, family_number(i), &error) < 0)
			log_warn("%s", error.text);
}

int owners_guard(struct kernel *kernel, bool guard, struct error *error)
{
	for (size_t i = 0; i < kernel->vips_count; i++)
		if (kernel->vips[i].served &&
		    route_guard(&kernel->routes, &kernel->vips[i].address, guard, error) < 0)
			return -1;
	return 0;
}

int owners_suspend(struct kernel *kernel, struct error *error)
{
	if (owners_guard(kernel, true, error) < 0)
		return -1;
	for (int i = 0; i < FAMILIES; i++)
		if (kernel->families[i] && rules_suspend(&kernel->rules[i], error) < 0)
			return -1;
	return 0;
}

int kernel_owners_dump(struct kernel *kernel, kernel_owner_fn *fn, void *arg, struct error *error)
{
	for (unsigned int id = 1; id <= kernel->owners_max; id++)
		if (kernel->owners[id].used)
			fn(arg, (uint16_t)id, &kernel->owners[id].address);
	return 0;
}
