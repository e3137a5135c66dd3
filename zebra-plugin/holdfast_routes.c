/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_routes.h. A replay runs in zebra's main pthread in short steps. Changes that come in
 * between are queued behind what was read before, so the last message about a prefix is always the
 * newest.
 */
#include "zebra-plugin/compat.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdatomic.h>

#include "lib/nexthop.h"
#include "lib/nexthop_group.h"
#include "lib/table.h"
#include "zebra/rib.h"
#include "zebra/zebra_router.h"
#include "zebra/zebra_vrf.h"

#include "zebra-plugin/holdfast_counters.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_routes.h"
#include "zebra-plugin/holdfast_wire.h"

#define STEP_ROUTES 256 /* route nodes looked at in one step */
#define STEP_WAIT_MS 10 /* while the queue is more than half full */
#define QUEUE_FILL_MAX 50
#define GROUP_WAIT_MS 50 /* routes follow their group within it */

static struct {
	pthread_mutex_t mutex;
	struct holdfast_config config; /* under the mutex; written by the main pthread only */

	/* Main pthread. */
	bool walking;
	size_t vip, range;
	bool in_range; /* *last* is the node that the walk of the range got to */
	struct prefix last;
	holdfast_event *t_step, *t_group;
	uint64_t walked, count;

	/* Any pthread: a route that was told has a group of next hops that another daemon owns. */
	atomic_bool owned_groups;
} routes;

static void prefix_from_frr(struct holdfast_prefix *out, const struct prefix *prefix)
{
	memset(out, 0, sizeof(*out));
	out->family = prefix->family;
	out->length = (uint8_t)prefix->prefixlen;
	if (prefix->family == AF_INET)
		memcpy(out->address, &prefix->u.prefix4, sizeof(prefix->u.prefix4));
	else
		memcpy(out->address, &prefix->u.prefix6, sizeof(prefix->u.prefix6));
}

static void prefix_to_frr(struct prefix *out, const struct holdfast_prefix *prefix)
{
	memset(out, 0, sizeof(*out));
	out->family = prefix->family;
	out->prefixlen = prefix->length;
	if (prefix->family == AF_INET)
		memcpy(&out->u.prefix4, prefix->address, sizeof(out->u.prefix4));
	else
		memcpy(&out->u.prefix6, prefix->address, sizeof(out->u.prefix6));
}

static bool is_host_prefix(const struct prefix *prefix)
{
	return (prefix->family == AF_INET && prefix->prefixlen == IPV4_MAX_BITLEN) ||
	       (prefix->family == AF_INET6 && prefix->prefixlen == IPV6_MAX_BITLEN);
}

static void next_hop_add(struct holdfast_route *route, const struct nexthop *nexthop)
{
	struct holdfast_next_hop *hop;

	if (route->count == HOLDFAST_NEXT_HOPS_MAX)
		return;
	hop = &route->next_hops[route->count++];
	memset(hop, 0, sizeof(*hop));
	switch (nexthop->type) {
	case NEXTHOP_TYPE_IPV4:
	case NEXTHOP_TYPE_IPV4_IFINDEX:
		hop->gateway_size = sizeof(nexthop->gate.ipv4);
		memcpy(hop->gateway, &nexthop->gate.ipv4, hop->gateway_size);
		break;
	case NEXTHOP_TYPE_IPV6:
	case NEXTHOP_TYPE_IPV6_IFINDEX:
		hop->gateway_size = sizeof(nexthop->gate.ipv6);
		memcpy(hop->gateway, &nexthop->gate.ipv6, hop->gateway_size);
		break;
	default:
		break;
	}
	/* zebra's own table of interfaces belongs to the main pthread. */
	if (!nexthop->ifindex || !if_indextoname(nexthop->ifindex, hop->interface))
		hop->interface[0] = '\0';
	hop->weight = nexthop->weight;
}

/* A group that another daemon owns is changed in place: no route is updated then. */
static bool group_is_owned(uint32_t id)
{
	return id >= ZEBRA_NHG_PROTO_LOWER;
}

static void group_changed(holdfast_event *event)
{
	holdfast_routes_replay();
}

static enum holdfast_push route_send(const struct prefix *prefix, const struct nexthop_group *group,
				     uint32_t group_id, int type)
{
	uint8_t frame[HOLDFAST_ROUTE_FRAME_SIZE];
	struct holdfast_route route;
	const struct nexthop *nexthop;
	size_t size;

	if (group_is_owned(group_id))
		atomic_store(&routes.owned_groups, true);
	prefix_from_frr(&route.prefix, prefix);
	route.count = 0;
	route.connected = type == ZEBRA_ROUTE_CONNECT && group;
	if (group)
		for (ALL_NEXTHOPS_PTR (group, nexthop))
			if (CHECK_FLAG(nexthop->flags, NEXTHOP_FLAG_ACTIVE) &&
			    !CHECK_FLAG(nexthop->flags,
					NEXTHOP_FLAG_RECURSIVE | NEXTHOP_FLAG_DUPLICATE) &&
			    nexthop->type != NEXTHOP_TYPE_BLACKHOLE)
				next_hop_add(&route, nexthop);
	size = holdfast_wire_route(&route, frame, sizeof(frame));
	return holdfast_fpm_push(frame, size);
}

void holdfast_routes_observe(const struct zebra_dplane_ctx *ctx)
{
	enum dplane_op_e op = dplane_ctx_get_op(ctx);
	const struct nexthop_group *group = NULL;
	struct holdfast_prefix prefix;
	const struct prefix *dest;
	bool wanted;

	holdfast_count(COUNT_CONTEXTS, 1);
	switch (op) {
	case DPLANE_OP_ROUTE_INSTALL:
	case DPLANE_OP_ROUTE_UPDATE:
		group = dplane_ctx_get_ng(ctx);
		break;
	case DPLANE_OP_ROUTE_DELETE:
		break;
	case DPLANE_OP_SYS_ROUTE_DELETE:
		if (!holdfast_system_route_ends(ctx))
			return;
		break;
	case DPLANE_OP_NH_INSTALL:
	case DPLANE_OP_NH_UPDATE:
		if (group_is_owned(dplane_ctx_get_nhe_id(ctx)) && atomic_load(&routes.owned_groups))
			holdfast_add_timer_ms(zrouter.master, group_changed, NULL, GROUP_WAIT_MS,
					      &routes.t_group);
		return;
	default:
		return;
	}
	dest = dplane_ctx_get_dest(ctx);
	if (!is_host_prefix(dest) || dplane_ctx_get_vrf(ctx) != VRF_DEFAULT ||
	    dplane_ctx_get_table(ctx) != RT_TABLE_MAIN || dplane_ctx_get_safi(ctx) != SAFI_UNICAST)
		return;
	prefix_from_frr(&prefix, dest);
	pthread_mutex_lock(&routes.mutex);
	wanted = holdfast_config_matches(&routes.config, &prefix);
	pthread_mutex_unlock(&routes.mutex);
	if (!wanted)
		return;
	holdfast_count(COUNT_ROUTES, 1);
	route_send(dest, group, dplane_ctx_get_nhe_id(ctx), dplane_ctx_get_type(ctx));
}

static struct route_table *table_of(uint8_t family)
{
	return zebra_vrf_table(family == AF_INET ? AFI_IP : AFI_IP6, SAFI_UNICAST, VRF_DEFAULT);
}

/* Returns whether the walk may go on. */
static bool node_send(struct route_node *node)
{
	rib_dest_t *dest = rib_dest_from_rnode(node);
	enum holdfast_push result;
	struct route_entry *entry;

	if (!dest || !dest->selected_fib || !is_host_prefix(&node->p))
		return true;
	entry = dest->selected_fib;
	if (CHECK_FLAG(entry->status, ROUTE_ENTRY_REMOVED))
		return true;
	result = route_send(&node->p, &entry->nhe->nhg, entry->nhe->id, entry->type);
	if (result != HOLDFAST_PUSHED && result != HOLDFAST_PUSHED_FIRST)
		return false;
	routes.walked++;
	holdfast_count(COUNT_REPLAYED, 1);
	return true;
}

static bool vip_send(const struct holdfast_prefix *vip)
{
	struct route_table *table = table_of(vip->family);
	struct route_node *node;
	struct prefix prefix;
	bool go_on = true;

	prefix_to_frr(&prefix, vip);
	node = table ? route_node_lookup(table, &prefix) : NULL;
	if (node) {
		go_on = node_send(node);
		route_unlock_node(node);
	}
	return go_on;
}

/* Sends up to *budget* nodes of the range at routes.range; moves to the next range at its end. */
static bool range_send(const struct holdfast_prefix *range, size_t *budget)
{
	struct route_table *table = table_of(range->family);
	struct route_node *node = NULL;
	struct prefix prefix;
	bool go_on = true;

	prefix_to_frr(&prefix, range);
	if (table && !routes.in_range) {
		if (is_host_prefix(&prefix))
			go_on = vip_send(range);
		routes.last = prefix;
		routes.in_range = true;
	}
	if (table && go_on)
		node = route_table_get_next(table, &routes.last);
	for (; node && *budget && go_on; (*budget)--) {
		if (!prefix_match(&prefix, &node->p)) {
			route_unlock_node(node);
			node = NULL;
			break;
		}
		routes.last = node->p;
		go_on = node_send(node);
		if (holdfast_fpm_queue_fill() > QUEUE_FILL_MAX)
			*budget = 1; /* the last one of this step */
		node = route_next(node);
	}
	if (node) {
		route_unlock_node(node);
		return go_on;
	}
	routes.in_range = false;
	routes.range++;
	return go_on;
}

static void walk_step(holdfast_event *event)
{
	const struct holdfast_config *config = &routes.config;
	size_t budget = STEP_ROUTES;
	uint8_t frame[HOLDFAST_SMALL_FRAME_SIZE];
	enum holdfast_push result;

	if (holdfast_fpm_queue_fill() > QUEUE_FILL_MAX) {
		holdfast_add_timer_ms(zrouter.master, walk_step, NULL, STEP_WAIT_MS,
				      &routes.t_step);
		return;
	}
	for (; budget && routes.vip < config->vip_count; routes.vip++, budget--)
		if (!vip_send(&config->vips[routes.vip]))
			goto aborted;
	while (budget && routes.range < config->range_count)
		if (!range_send(&config->ranges[routes.range], &budget))
			goto aborted;
	if (routes.vip < config->vip_count || routes.range < config->range_count) {
		holdfast_add_event(zrouter.master, walk_step, NULL, 0, &routes.t_step);
		return;
	}
	result = holdfast_fpm_push(frame, holdfast_wire_replay_end(frame, sizeof(frame)));
	if (result != HOLDFAST_PUSHED && result != HOLDFAST_PUSHED_FIRST)
		goto aborted;
	routes.walking = false;
	routes.count = routes.walked;
	holdfast_count(COUNT_REPLAYS, 1);
	return;
aborted: /* the queue was closed: another replay comes with the connection, or when there is room */
	routes.walking = false;
}

void holdfast_routes_replay(void)
{
	uint8_t frame[HOLDFAST_CONFIG_FRAME_SIZE];
	enum holdfast_push result;
	size_t size;

	holdfast_event_off(routes.t_step);
	routes.walking = false;
	atomic_store(&routes.owned_groups, false);
	size = holdfast_wire_config(&routes.config, frame, sizeof(frame));
	result = holdfast_fpm_open(frame, size);
	if (result != HOLDFAST_PUSHED && result != HOLDFAST_PUSHED_FIRST)
		return;
	routes.walking = true;
	routes.vip = routes.range = 0;
	routes.in_range = false;
	routes.walked = 0;
	walk_step(NULL);
}

void holdfast_routes_config(const struct holdfast_config *config)
{
	pthread_mutex_lock(&routes.mutex);
	routes.config = *config;
	pthread_mutex_unlock(&routes.mutex);
	holdfast_routes_replay();
}

uint64_t holdfast_routes_count(void)
{
	return routes.count;
}

int holdfast_routes_init(void)
{
	holdfast_config_init(&routes.config);
	holdfast_system_routes_enable();
	return pthread_mutex_init(&routes.mutex, NULL) ? -1 : 0;
}

void holdfast_routes_stop(void)
{
	holdfast_event_off(routes.t_step);
	holdfast_event_off(routes.t_group);
}
