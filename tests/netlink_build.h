/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes netlink messages as dplane_fpm_nl does. */
#ifndef HOLDFAST_TEST_NETLINK_BUILD_H
#define HOLDFAST_TEST_NETLINK_BUILD_H

#include <arpa/inet.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct netlink_build {
	uint8_t bytes[16384];
	size_t size;
	size_t message; /* where the last one begins */
};

static inline struct nlmsghdr *build_header(struct netlink_build *b)
{
	return (struct nlmsghdr *)(b->bytes + b->message);
}

static inline void build_bytes(struct netlink_build *b, const void *data, size_t size)
{
	if (size)
		memcpy(b->bytes + b->size, data, size);
	memset(b->bytes + b->size + size, 0, (4 - size % 4) % 4);
	b->size += (size + 3) & ~(size_t)3;
	build_header(b)->nlmsg_len = (uint32_t)(b->size - b->message);
}

static inline void build_message(struct netlink_build *b, uint16_t type)
{
	const struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST};

	b->message = b->size;
	build_bytes(b, &header, sizeof(header));
}

static inline void build_attribute(struct netlink_build *b, uint16_t type, const void *data,
				   size_t size)
{
	const struct nlattr header = {.nla_type = type,
				      .nla_len = (uint16_t)(sizeof(header) + size)};

	build_bytes(b, &header, sizeof(header));
	build_bytes(b, data, size);
}

static inline void build_number(struct netlink_build *b, uint16_t type, uint32_t value)
{
	build_attribute(b, type, &value, sizeof(value));
}

static inline void build_address(struct netlink_build *b, uint16_t type, const char *text)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	uint8_t bytes[16];

	inet_pton(family, text, bytes);
	build_attribute(b, type, bytes, family == AF_INET ? 4 : 16);
}

/* Without next hops. */
static inline void build_route(struct netlink_build *b, uint16_t type, const char *address,
			       uint8_t length, uint8_t protocol)
{
	const struct rtmsg body = {
		.rtm_family = strchr(address, ':') ? AF_INET6 : AF_INET,
		.rtm_dst_len = length,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = protocol,
		.rtm_type = type == RTM_NEWROUTE ? RTN_UNICAST : RTN_UNSPEC,
	};

	build_message(b, type);
	build_bytes(b, &body, sizeof(body));
	build_address(b, RTA_DST, address);
	build_number(b, RTA_PRIORITY, 20);
}

static inline struct rtmsg *build_rtmsg(struct netlink_build *b)
{
	return (struct rtmsg *)(b->bytes + b->message + NLMSG_HDRLEN);
}

/* A next hop of RTA_MULTIPATH, which *multipath* begins; *gateway* may be NULL. */
static inline void build_multipath_hop(struct netlink_build *b, size_t multipath,
				       const char *gateway, int interface, uint8_t weight)
{
	struct rtnexthop hop = {.rtnh_ifindex = interface,
				.rtnh_hops = (uint8_t)(weight - 1),
				.rtnh_len = sizeof(hop)};
	size_t at = b->size;

	build_bytes(b, &hop, sizeof(hop));
	if (gateway)
		build_address(b, RTA_GATEWAY, gateway);
	((struct rtnexthop *)(b->bytes + at))->rtnh_len = (uint16_t)(b->size - at);
	((struct nlattr *)(b->bytes + multipath))->nla_len = (uint16_t)(b->size - multipath);
}

/* Returns where the attribute begins. */
static inline size_t build_multipath(struct netlink_build *b)
{
	size_t at = b->size;

	build_attribute(b, RTA_MULTIPATH, NULL, 0);
	return at;
}

static inline void build_next_hop(struct netlink_build *b, uint32_t id, const char *gateway,
				  uint32_t interface)
{
	const struct nhmsg body = {.nh_family = AF_INET};

	build_message(b, RTM_NEWNEXTHOP);
	build_bytes(b, &body, sizeof(body));
	build_number(b, NHA_ID, id);
	if (gateway)
		build_address(b, NHA_GATEWAY, gateway);
	if (interface)
		build_number(b, NHA_OIF, interface);
}

static inline void build_next_hop_gone(struct netlink_build *b, uint32_t id)
{
	const struct nhmsg body = {.nh_family = AF_UNSPEC};

	build_message(b, RTM_DELNEXTHOP);
	build_bytes(b, &body, sizeof(body));
	build_number(b, NHA_ID, id);
}

/* *members*: pairs of id and weight. */
static inline void build_group(struct netlink_build *b, uint32_t id, const uint32_t *members,
			       size_t count)
{
	const struct nhmsg body = {.nh_family = AF_UNSPEC};
	struct nexthop_grp list[300];

	memset(list, 0, sizeof(list));
	for (size_t i = 0; i < count; i++) {
		uint8_t *weight = (uint8_t *)&list[i].weight;

		list[i].id = members[2 * i];
		weight[0] = (uint8_t)(members[2 * i + 1] - 1);
		weight[1] = (uint8_t)((members[2 * i + 1] - 1) >> 8);
	}
	build_message(b, RTM_NEWNEXTHOP);
	build_bytes(b, &body, sizeof(body));
	build_number(b, NHA_ID, id);
	build_attribute(b, NHA_GROUP, list, count * sizeof(list[0]));
}

#endif
