// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/netlink_routes.h"

#include <stdlib.h>
#include <string.h>

static void hops_clear(struct netlink_routes *routes, struct netlink_hops *hops)
{
	routes->hop_total -= hops->count;
	free(hops->list);
	*hops = (struct netlink_hops){0};
}

static int hops_set(struct netlink_routes *routes, struct netlink_hops *hops,
		    const struct netlink_message *message)
{
	size_t count = message->hop_count;

	hops_clear(routes, hops);
	if (!count)
		return 0;
	if (routes->hop_total + count > NETLINK_HOPS_TOTAL_MAX)
		return -1;
	hops->list = malloc(count * sizeof(*hops->list));
	if (!hops->list)
		return -1;
	memcpy(hops->list, message->hops, count * sizeof(*hops->list));
	hops->count = count;
	routes->hop_total += count;
	return 0;
}

static struct netlink_object *object_find(const struct netlink_routes *routes, uint32_t id)
{
	struct netlink_object *object;

	HASH_FIND(hh, routes->objects, &id, sizeof(id), object);
	return object;
}

/* NULL: no room. */
static struct netlink_object *object_get(struct netlink_routes *routes, uint32_t id)
{
	struct netlink_object *object = object_find(routes, id);

	if (object || HASH_COUNT(routes->objects) >= NETLINK_OBJECTS_MAX)
		return object;
	object = calloc(1, sizeof(*object));
	if (!object)
		return NULL;
	object->id = id;
	HASH_ADD(hh, routes->objects, id, sizeof(object->id), object);
	return object;
}

/* Goes when nobody names it and nobody told of it. */
static void object_release(struct netlink_routes *routes, struct netlink_object *object)
{
	if (object->users || object->known)
		return;
	hops_clear(routes, &object->hops);
	HASH_DEL(routes->objects, object);
	free(object);
}

static void members_release(struct netlink_routes *routes, struct netlink_object *object)
{
	if (object->group)
		for (size_t i = 0; i < object->hops.count; i++) {
			struct netlink_object *member =
				object_find(routes, object->hops.list[i].id);

			if (!member)
				continue;
			member->users--;
			object_release(routes, member);
		}
	hops_clear(routes, &object->hops);
	object->group = false;
}

/* A member for which there is no room is left out. */
static int members_retain(struct netlink_routes *routes, struct netlink_object *object)
{
	struct netlink_hops *hops = &object->hops;
	size_t kept = 0, count = hops->count;

	for (size_t i = 0; i < count; i++) {
		struct netlink_object *member = object_get(routes, hops->list[i].id);

		if (!member)
			continue;
		member->users++;
		hops->list[kept++] = hops->list[i];
	}
	hops->count = kept;
	routes->hop_total -= count - kept;
	return kept == count ? 0 : -1;
}

static void object_changed(struct netlink_routes *routes, struct netlink_object *object)
{
	if (!object->users)
		return;
	object->changed = true;
	routes->objects_changed = true;
}

static int object_take(struct netlink_routes *routes, const struct netlink_message *message)
{
	struct netlink_object *object = object_get(routes, message->id);
	int status;

	if (!object)
		return -1;
	object->users++; /* it may be a member of itself */
	members_release(routes, object);
	object->known = true;
	object->gone = false;
	status = hops_set(routes, &object->hops, message);
	if (message->group) {
		object->group = true;
		if (members_retain(routes, object))
			status = -1;
	}
	object->users--;
	object_changed(routes, object);
	return status;
}

static void object_gone(struct netlink_routes *routes, uint32_t id)
{
	struct netlink_object *object = object_find(routes, id);

	if (!object)
		return;
	object->users++;
	members_release(routes, object);
	object->users--;
	object->known = false;
	object->gone = true;
	object_changed(routes, object);
	object_release(routes, object);
}

static void route_changed(struct netlink_routes *routes, struct netlink_route *route)
{
	if (route->changed)
		return;
	route->changed = true;
	route->changed_next = routes->changed;
	routes->changed = route;
}

static void route_unlink(struct netlink_routes *routes, struct netlink_route *route)
{
	struct netlink_object *object = route->object;

	hops_clear(routes, &route->hops);
	route->object = NULL;
	if (!object)
		return;
	object->users--;
	object_release(routes, object);
}

static struct netlink_route *route_find(const struct netlink_routes *routes,
					const struct prefix_address *prefix)
{
	struct netlink_route *route;

	HASH_FIND(hh, routes->routes, prefix, sizeof(*prefix), route);
	return route;
}

static int route_take(struct netlink_routes *routes, const struct netlink_message *message)
{
	struct netlink_route *route = route_find(routes, &message->prefix);

	if (!route) {
		if (HASH_COUNT(routes->routes) >= NETLINK_ROUTES_MAX)
			return -1;
		route = calloc(1, sizeof(*route));
		if (!route)
			return -1;
		route->prefix = message->prefix;
		HASH_ADD(hh, routes->routes, prefix, sizeof(route->prefix), route);
	}
	route_unlink(routes, route);
	route->by_kernel = message->by_kernel;
	route_changed(routes, route);
	if (!message->id)
		return hops_set(routes, &route->hops, message);
	route->object = object_get(routes, message->id);
	if (!route->object)
		return -1;
	route->object->users++;
	return 0;
}

/* It stays until the routes are settled: it may come again in the same frame. */
static void route_gone(struct netlink_routes *routes, const struct prefix_address *prefix)
{
	struct netlink_route *route = route_find(routes, prefix);

	if (!route)
		return;
	route_unlink(routes, route);
	route_changed(routes, route);
}

int netlink_routes_take(struct netlink_routes *routes, const struct netlink_message *message)
{
	switch (message->kind) {
	case NETLINK_MESSAGE_ROUTE:
		return route_take(routes, message);
	case NETLINK_MESSAGE_ROUTE_GONE:
		route_gone(routes, &message->prefix);
		return 0;
	case NETLINK_MESSAGE_NEXT_HOP:
		return object_take(routes, message);
	case NETLINK_MESSAGE_NEXT_HOP_GONE:
		object_gone(routes, message->id);
		return 0;
	case NETLINK_MESSAGE_OTHER:
		break;
	}
	return 0;
}

static bool is_untold(const struct netlink_object *object)
{
	return !object->known && !object->gone;
}

/* Returns the number of next hops, or -1 if some are not known yet. */
static int resolve(const struct netlink_routes *routes, const struct netlink_route *route,
		   struct netlink_hop hops[NETLINK_HOPS_MAX])
{
	const struct netlink_object *object = route->object;
	int count = 0;

	if (!object || !object->group) {
		const struct netlink_hops *own = object ? &object->hops : &route->hops;

		if (object && is_untold(object))
			return -1;
		if (own->count)
			memcpy(hops, own->list, own->count * sizeof(*hops));
		return (int)own->count;
	}
	for (size_t i = 0; i < object->hops.count; i++) {
		const struct netlink_object *member = object_find(routes, object->hops.list[i].id);

		if (!member || is_untold(member))
			return -1;
		/* Groups of groups there are none: linux/nexthop.h. */
		if (member->group || !member->hops.count)
			continue;
		hops[count] = member->hops.list[0];
		hops[count++].weight = object->hops.list[i].weight;
	}
	return count;
}

static bool uses_changed(const struct netlink_routes *routes, const struct netlink_object *object)
{
	if (object->changed)
		return true;
	if (!object->group)
		return false;
	for (size_t i = 0; i < object->hops.count; i++) {
		const struct netlink_object *member = object_find(routes, object->hops.list[i].id);

		if (member && member->changed)
			return true;
	}
	return false;
}

static void find_changed(struct netlink_routes *routes)
{
	struct netlink_route *route, *next_route;
	struct netlink_object *object, *next_object;

	HASH_ITER (hh, routes->routes, route, next_route)
		if (route->object && uses_changed(routes, route->object))
			route_changed(routes, route);
	HASH_ITER (hh, routes->objects, object, next_object)
		object->changed = false;
	routes->objects_changed = false;
}

void netlink_routes_settle(struct netlink_routes *routes, netlink_route_fn *fn, void *arg)
{
	struct netlink_hop hops[NETLINK_HOPS_MAX];
	struct netlink_route *route;

	if (routes->objects_changed)
		find_changed(routes);
	while ((route = routes->changed)) {
		int count = resolve(routes, route, hops);

		routes->changed = route->changed_next;
		route->changed = false;
		if (count >= 0)
			fn(arg, &route->prefix, route->by_kernel, hops, (size_t)count);
		if (route->object || route->hops.count)
			continue;
		HASH_DEL(routes->routes, route);
		free(route);
	}
}

size_t netlink_routes_unknown(const struct netlink_routes *routes)
{
	struct netlink_hop hops[NETLINK_HOPS_MAX];
	struct netlink_route *route, *next;
	size_t count = 0;

	HASH_ITER (hh, routes->routes, route, next)
		count += resolve(routes, route, hops) < 0;
	return count;
}

void netlink_routes_clear(struct netlink_routes *routes)
{
	struct netlink_route *route, *next_route;
	struct netlink_object *object, *next_object;

	HASH_ITER (hh, routes->routes, route, next_route) {
		HASH_DEL(routes->routes, route);
		free(route->hops.list);
		free(route);
	}
	HASH_ITER (hh, routes->objects, object, next_object) {
		HASH_DEL(routes->objects, object);
		free(object->hops.list);
		free(object);
	}
	*routes = (struct netlink_routes){0};
}
