// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the routes with our protocol number. Runs on fpmd's event loop. Invariant: a route is
 * replaced in one step, so that a detour never falls through to another table.
 */
#include "fpmd/kernel/route.h"

#include <errno.h>
#include <linux/if_tunnel.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/attr.h>

#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/list.h"

bool route_fits(const struct in6_addr *vip, const struct in6_addr *owner)
{
	return address_is_ipv4(vip) == address_is_ipv4(owner);
}

/* *type*: of an attribute that holds an address of either family. */
static bool put_address(struct nl_msg *message, int type, const struct in6_addr *address)
{
	if (address_is_ipv4(address))
		return nla_put_u32(message, type, address_to_ipv4(address)) == 0;
	return nla_put(message, type, sizeof(*address), address) == 0;
}

static struct nl_msg *start_route(int command, int flags, unsigned char type, unsigned char scope,
				  uint32_t table, const struct in6_addr *vip)
{
	bool ipv4 = address_is_ipv4(vip);
	struct rtmsg header = {.rtm_family = ipv4 ? AF_INET : AF_INET6,
			       .rtm_dst_len = ipv4 ? 32 : 128,
			       .rtm_table = table < 256 ? table : RT_TABLE_COMPAT,
			       .rtm_protocol = LAYOUT_PROTOCOL,
			       .rtm_scope = scope,
			       .rtm_type = type};
	struct nl_msg *message = rtnl_message(command, flags, &header, sizeof(header));

	return rtnl_whole(message, message && put_address(message, RTA_DST, vip) &&
					   nla_put_u32(message, RTA_TABLE, table) == 0);
}

static bool put_encapsulation(struct nl_msg *message, const struct kernel_options *options,
			      const struct in6_addr *owner)
{
	bool ipv4 = address_is_ipv4(owner);
	const struct in6_addr *source = &options->local_members[ipv4 ? 0 : 1];
	struct nlattr *nest;

	/* The attributes of the two families differ in their names only. */
	if (nla_put_u16(message, RTA_ENCAP_TYPE, ipv4 ? LWTUNNEL_ENCAP_IP : LWTUNNEL_ENCAP_IP6) < 0)
		return false;
	nest = nla_nest_start(message, RTA_ENCAP);
	if (!nest || nla_put_u64(message, LWTUNNEL_IP_ID, htobe64(options->tunnel_vni)) < 0 ||
	    !put_address(message, LWTUNNEL_IP_DST, owner) ||
	    !put_address(message, LWTUNNEL_IP_SRC, source) ||
	    nla_put_u8(message, LWTUNNEL_IP_TTL, LAYOUT_TTL) < 0 ||
	    nla_put_u16(message, LWTUNNEL_IP_FLAGS, TUNNEL_CSUM) < 0)
		return false;
	nla_nest_end(message, nest);
	return true;
}

static bool put_tunnel(struct nl_msg *message, const struct routes *routes,
		       const struct in6_addr *owner)
{
	return put_encapsulation(message, routes->options, owner) &&
	       nla_put_u32(message, RTA_OIF, (uint32_t)routes->tunnel_index) == 0;
}

static int remove_route(struct rtnl *rtnl, struct nl_msg *message)
{
	int status = rtnl_request(rtnl, message, NULL, NULL);

	return status == -ESRCH || status == -ENOENT ? 0 : status;
}

int route_owner_set(struct routes *routes, uint16_t id, const struct in6_addr *owner,
		    const struct in6_addr *vip, struct error *error)
{
	struct nl_msg *message =
		start_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, RTN_UNICAST, RT_SCOPE_LINK,
			    LAYOUT_TABLE_BASE + id, vip);
	int status;

	message = rtnl_whole(message, message && put_tunnel(message, routes, owner));
	status = rtnl_request(routes->rtnl, message, NULL, NULL);
	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "an owner's route");
}

int route_owner_remove(struct routes *routes, uint16_t id, const struct in6_addr *vip,
		       struct error *error)
{
	int status = remove_route(routes->rtnl,
				  start_route(RTM_DELROUTE, 0, RTN_UNICAST, RT_SCOPE_NOWHERE,
					      LAYOUT_TABLE_BASE + id, vip));

	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "an owner's route");
}

/* A gateway of the other family is that of an unnumbered session. */
static bool put_gateway(struct nl_msg *message, const struct in6_addr *destination,
			const struct in6_addr *gateway)
{
	struct {
		uint16_t family;
		struct in6_addr address;
	} __attribute__((packed)) via = {AF_INET6, *gateway};

	if (route_fits(destination, gateway))
		return put_address(message, RTA_GATEWAY, gateway);
	return !address_is_ipv4(gateway) && nla_put(message, RTA_VIA, sizeof(via), &via) == 0;
}

/* One next hop of several. */
static bool put_hop(struct nl_msg *message, const struct in6_addr *vip, const struct route_hop *hop)
{
	struct rtnexthop *next = nlmsg_reserve(message, sizeof(*next), NLMSG_ALIGNTO);
	size_t before = nlmsg_hdr(message)->nlmsg_len - sizeof(*next);

	if (!next)
		return false;
	memset(next, 0, sizeof(*next));
	next->rtnh_ifindex = hop->device;
	next->rtnh_flags = RTNH_F_ONLINK;
	if (!put_gateway(message, vip, &hop->gateway))
		return false;
	/* The buffer may have moved. */
	next = (struct rtnexthop *)((char *)nlmsg_hdr(message) + before);
	next->rtnh_len = (unsigned short)(nlmsg_hdr(message)->nlmsg_len - before);
	return true;
}

static bool put_hops(struct nl_msg *message, const struct in6_addr *vip,
		     const struct route_way *way)
{
	struct nlattr *nest;

	if (way->hops_count == 1) {
		((struct rtmsg *)nlmsg_data(nlmsg_hdr(message)))->rtm_flags = RTNH_F_ONLINK;
		return put_gateway(message, vip, &way->hops[0].gateway) &&
		       nla_put_u32(message, RTA_OIF, (uint32_t)way->hops[0].device) == 0;
	}
	nest = nla_nest_start(message, RTA_MULTIPATH);
	if (!nest)
		return false;
	for (size_t i = 0; i < way->hops_count; i++)
		if (!put_hop(message, vip, &way->hops[i]))
			return false;
	nla_nest_end(message, nest);
	return true;
}

int route_path_set(struct routes *routes, uint16_t id, uint32_t metric, const struct in6_addr *vip,
		   const struct route_way *way, struct error *error)
{
	bool encapsulated = !IN6_IS_ADDR_UNSPECIFIED(&way->owner);
	struct nl_msg *message = start_route(
		RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, RTN_UNICAST,
		encapsulated ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE, LAYOUT_TABLE_PATH_BASE + id, vip);
	int status;

	message =
		rtnl_whole(message, message && nla_put_u32(message, RTA_PRIORITY, metric) == 0 &&
					    (encapsulated ? put_tunnel(message, routes, &way->owner)
							  : put_hops(message, vip, way)));
	status = rtnl_request(routes->rtnl, message, NULL, NULL);
	if (status == -ENETDOWN || status == -ENODEV || status == -ENETUNREACH ||
	    status == -EHOSTUNREACH)
		return 1;
	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "a path's route");
}

int route_path_remove(struct routes *routes, uint16_t id, uint32_t metric,
		      const struct in6_addr *vip, struct error *error)
{
	struct nl_msg *message = start_route(RTM_DELROUTE, 0, RTN_UNICAST, RT_SCOPE_NOWHERE,
					     LAYOUT_TABLE_PATH_BASE + id, vip);
	int status;

	message = rtnl_whole(message, message && nla_put_u32(message, RTA_PRIORITY, metric) == 0);
	status = remove_route(routes->rtnl, message);
	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "a path's route");
}

static bool way_has(const struct route_way *way, const struct route_hop *hop)
{
	for (size_t i = 0; i < way->hops_count; i++)
		if (way->hops[i].device == hop->device &&
		    address_equal(&way->hops[i].gateway, &hop->gateway))
			return true;
	return false;
}

bool route_way_equal(const struct route_way *a, const struct route_way *b)
{
	if (!address_equal(&a->owner, &b->owner) || a->hops_count != b->hops_count)
		return false;
	/* The kernel may tell them in another order. */
	for (size_t i = 0; i < a->hops_count; i++)
		if (!way_has(b, &a->hops[i]))
			return false;
	return true;
}

int route_hold(struct routes *routes, const struct in6_addr *vip, bool hold, struct error *error)
{
	int command = hold ? RTM_NEWROUTE : RTM_DELROUTE;
	struct nl_msg *message = start_route(command, hold ? NLM_F_CREATE | NLM_F_REPLACE : 0,
					     RTN_LOCAL, RT_SCOPE_HOST, RT_TABLE_LOCAL, vip);
	int status;

	message = rtnl_whole(
		message, message && nla_put_u32(message, RTA_PRIORITY, LAYOUT_HOLD_METRIC) == 0 &&
				 nla_put_u32(message, RTA_OIF, routes->loopback_index) == 0);
	status = hold ? rtnl_request(routes->rtnl, message, NULL, NULL)
		      : remove_route(routes->rtnl, message);
	return status == 0 ? 0
			   : rtnl_error(routes->rtnl, status, error, "the route that holds a VIP");
}

int route_guard(struct routes *routes, const struct in6_addr *vip, bool guard, struct error *error)
{
	int status;

	if (guard)
		status = rtnl_request(routes->rtnl,
				      start_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
						  RTN_BLACKHOLE, RT_SCOPE_UNIVERSE,
						  LAYOUT_TABLE_GUARD, vip),
				      NULL, NULL);
	else
		status = remove_route(routes->rtnl,
				      start_route(RTM_DELROUTE, 0, RTN_BLACKHOLE, RT_SCOPE_NOWHERE,
						  LAYOUT_TABLE_GUARD, vip));
	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "the guard of a VIP");
}

int route_steer(struct routes *routes, const struct in6_addr *owner, const struct in6_addr *gateway,
		int device, struct error *error)
{
	struct nl_msg *message =
		start_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, RTN_UNICAST,
			    RT_SCOPE_UNIVERSE, LAYOUT_TABLE_STEER, owner);
	int status;

	message = rtnl_whole(message, message && put_gateway(message, owner, gateway) &&
					      nla_put_u32(message, RTA_OIF, (uint32_t)device) == 0);
	/* The gateway was good enough for zebra, whatever addresses the device has. */
	if (message)
		((struct rtmsg *)nlmsg_data(nlmsg_hdr(message)))->rtm_flags = RTNH_F_ONLINK;
	status = rtnl_request(routes->rtnl, message, NULL, NULL);
	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "another way to an owner");
}

int route_steer_end(struct routes *routes, const struct in6_addr *owner, struct error *error)
{
	int status = remove_route(routes->rtnl,
				  start_route(RTM_DELROUTE, 0, RTN_UNICAST, RT_SCOPE_NOWHERE,
					      LAYOUT_TABLE_STEER, owner));

	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "another way to an owner");
}

static bool get_address(const struct nlattr *attribute, struct in6_addr *out)
{
	return attribute &&
	       address_from_bytes(nla_data(attribute), (size_t)nla_len(attribute), out) == 0;
}

static void parse_encapsulation(struct nlattr **attributes, struct our_route *route)
{
	struct nlattr *tunnel[LWTUNNEL_IP_MAX + 1];

	if (!attributes[RTA_ENCAP] ||
	    nla_parse_nested(tunnel, LWTUNNEL_IP_MAX, attributes[RTA_ENCAP], NULL) < 0)
		return;
	if (!get_address(tunnel[LWTUNNEL_IP_DST], &route->owner))
		return;
	if (tunnel[LWTUNNEL_IP_ID])
		route->vni = (uint32_t)be64toh(nla_get_u64(tunnel[LWTUNNEL_IP_ID]));
}

struct dump {
	struct routes *routes;
	our_route_fn *fn;
	void *arg;
};

/* Reads a route of ours; returns its table, or 0. */
static uint32_t parse_route(const struct nlmsghdr *message, struct nlattr **attributes,
			    struct in6_addr *destination)
{
	const struct rtmsg *header = nlmsg_data(message);

	if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_protocol != LAYOUT_PROTOCOL ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, RTA_MAX, NULL) <
		    0 ||
	    !get_address(attributes[RTA_DST], destination))
		return 0;
	return attributes[RTA_TABLE] ? nla_get_u32(attributes[RTA_TABLE]) : header->rtm_table;
}

static bool get_via(const struct nlattr *attribute, struct in6_addr *gateway)
{
	/* struct rtvia: the family, then the address. */
	size_t before = sizeof(uint16_t), size = attribute ? (size_t)nla_len(attribute) : 0;

	return size > before && address_from_bytes((const char *)nla_data(attribute) + before,
						   size - before, gateway) == 0;
}

/* False: it has no gateway, as one of ours would. */
static bool parse_hop(struct nlattr **attributes, int device, struct route_way *way)
{
	struct route_hop *hop = &way->hops[way->hops_count];

	if (way->hops_count == KERNEL_BACKUP_HOPS_MAX)
		return false;
	hop->device = device;
	if (!get_address(attributes[RTA_GATEWAY], &hop->gateway) &&
	    !get_via(attributes[RTA_VIA], &hop->gateway))
		return false;
	way->hops_count++;
	return true;
}

static bool parse_hops(struct nlattr **attributes, struct our_route *route)
{
	struct rtnexthop *hop;
	int left;

	if (!attributes[RTA_MULTIPATH])
		return parse_hop(attributes, route->device, &route->way);
	hop = nla_data(attributes[RTA_MULTIPATH]);
	left = nla_len(attributes[RTA_MULTIPATH]);
	while (left >= (int)sizeof(*hop) && RTNH_OK(hop, left)) {
		struct nlattr *inner[RTA_MAX + 1];

		if (nla_parse(inner, RTA_MAX, (struct nlattr *)RTNH_DATA(hop),
			      hop->rtnh_len - (int)RTNH_LENGTH(0), NULL) < 0 ||
		    !parse_hop(inner, hop->rtnh_ifindex, &route->way))
			return false;
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return true;
}

/* A link without a carrier is no difference. */
static void parse_path(const struct routes *routes, struct nlattr **attributes,
		       struct our_route *route)
{
	route->kind = ROUTE_PATH;
	if (attributes[RTA_PRIORITY])
		route->metric = nla_get_u32(attributes[RTA_PRIORITY]);
	parse_encapsulation(attributes, route);
	route->way.owner = route->owner;
	if (IN6_IS_ADDR_UNSPECIFIED(&route->owner))
		route->as_ours = parse_hops(attributes, route);
	else
		route->as_ours = route->device == routes->tunnel_index &&
				 route->vni == routes->options->tunnel_vni;
}

static void take_route(void *arg, const struct nlmsghdr *message)
{
	struct dump *dump = arg;
	struct nlattr *attributes[RTA_MAX + 1];
	const struct rtmsg *header = nlmsg_data(message);
	struct our_route route = {0};
	uint32_t table = parse_route(message, attributes, &route.vip);

	if (!table)
		return;
	if (attributes[RTA_OIF])
		route.device = (int)nla_get_u32(attributes[RTA_OIF]);
	if (header->rtm_type == RTN_LOCAL && table == RT_TABLE_LOCAL) {
		route.kind = ROUTE_HOLD;
		route.as_ours = true;
	} else if (table == LAYOUT_TABLE_GUARD) {
		route.kind = ROUTE_GUARD;
		route.as_ours = header->rtm_type == RTN_BLACKHOLE;
	} else if (table > LAYOUT_TABLE_BASE && table <= LAYOUT_TABLE_BASE + UINT16_MAX) {
		route.id = (uint16_t)(table - LAYOUT_TABLE_BASE);
		parse_encapsulation(attributes, &route);
		route.as_ours = route.device == dump->routes->tunnel_index &&
				route.vni == dump->routes->options->tunnel_vni &&
				header->rtm_type == RTN_UNICAST &&
				!(header->rtm_flags & RTNH_F_DEAD);
	} else if (table > LAYOUT_TABLE_PATH_BASE && table <= LAYOUT_TABLE_PATH_BASE + UINT16_MAX) {
		route.id = (uint16_t)(table - LAYOUT_TABLE_PATH_BASE);
		parse_path(dump->routes, attributes, &route);
	} else {
		return;
	}
	dump->fn(dump->arg, &route);
}

static int dump_routes(struct routes *routes, int family, rtnl_each_fn *each, void *arg,
		       struct error *error)
{
	struct rtmsg header = {.rtm_family = (unsigned char)family,
			       .rtm_protocol = LAYOUT_PROTOCOL};
	int status = -EINTR;

	/* Asked again after a change: the same route may be told twice. */
	for (int i = 0; i < RTNL_DUMP_TRIES && status == -EINTR; i++)
		status = rtnl_request(
			routes->rtnl,
			rtnl_message(RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header)), each, arg);
	return status == 0 ? 0 : rtnl_error(routes->rtnl, status, error, "dump of our routes");
}

int routes_dump(struct routes *routes, int family, our_route_fn *fn, void *arg, struct error *error)
{
	struct dump dump = {.routes = routes, .fn = fn, .arg = arg};

	return dump_routes(routes, family, take_route, &dump, error);
}

static void take_device(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[RTA_MAX + 1];
	int *device = arg;

	if (message->nlmsg_type == RTM_NEWROUTE &&
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(struct rtmsg), attributes, RTA_MAX,
			NULL) == 0 &&
	    attributes[RTA_OIF])
		*device = (int)nla_get_u32(attributes[RTA_OIF]);
}

int route_device(struct routes *routes, const struct in6_addr *address)
{
	bool ipv4 = address_is_ipv4(address);
	struct rtmsg header = {.rtm_family = ipv4 ? AF_INET : AF_INET6,
			       .rtm_dst_len = ipv4 ? 32 : 128};
	struct nl_msg *message = rtnl_message(RTM_GETROUTE, 0, &header, sizeof(header));
	int device = 0;

	message = rtnl_whole(message, message && put_address(message, RTA_DST, address));
	rtnl_request(routes->rtnl, message, take_device, &device);
	return device;
}

struct removal {
	struct our_route *items;
	size_t count, size;
	bool no_memory;
};

static void note_route(void *arg, const struct our_route *route)
{
	struct removal *removal = arg;

	struct our_route *items =
		list_room(removal->items, removal->count, &removal->size, sizeof(*items));

	if (!items) {
		removal->no_memory = true;
		return;
	}
	removal->items = items;
	removal->items[removal->count++] = *route;
}

static void note_steered(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[RTA_MAX + 1];
	struct our_route route = {0};

	if (parse_route(message, attributes, &route.vip) == LAYOUT_TABLE_STEER)
		note_route(arg, &route);
}

int routes_steer_end(struct routes *routes, int family, struct error *error)
{
	struct removal removal = {0};
	int status = dump_routes(routes, family, note_steered, &removal, error);

	for (size_t i = 0; i < removal.count; i++)
		if (route_steer_end(routes, &removal.items[i].vip, error) < 0)
			status = -1;
	free(removal.items);
	return removal.no_memory ? error_set(error, "our routes: out of memory") : status;
}

int route_remove(struct routes *routes, const struct our_route *route, struct error *error)
{
	switch (route->kind) {
	case ROUTE_HOLD:
		return route_hold(routes, &route->vip, false, error);
	case ROUTE_GUARD:
		return route_guard(routes, &route->vip, false, error);
	case ROUTE_PATH:
		return route_path_remove(routes, route->id, route->metric, &route->vip, error);
	default:
		return route_owner_remove(routes, route->id, &route->vip, error);
	}
}

int routes_remove(struct routes *routes, int family, struct error *error)
{
	struct removal removal = {0};
	int status = routes_dump(routes, family, note_route, &removal, error);

	for (size_t i = 0; i < removal.count; i++)
		if (route_remove(routes, &removal.items[i], error) < 0)
			status = -1;
	free(removal.items);
	if (routes_steer_end(routes, family, error) < 0)
		status = -1;
	return removal.no_memory ? error_set(error, "our routes: out of memory") : status;
}
