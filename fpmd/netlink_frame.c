// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/netlink_frame.h"

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>

#define ALIGN(size) (((size) + 3) & ~(size_t)3)

/* What is left of a list of attributes. */
struct cursor {
	const uint8_t *data;
	size_t size;
};

struct attribute {
	unsigned int type;
	const uint8_t *data;
	size_t size;
};

/* The last one may come without its padding. */
static size_t padded(size_t size, size_t left)
{
	return ALIGN(size) < left ? ALIGN(size) : left;
}

/* Returns 1, 0 at the end, -1 if the sizes do not add up. */
static int attribute_next(struct cursor *cursor, struct attribute *out)
{
	struct nlattr header;
	size_t used;

	if (!cursor->size)
		return 0;
	if (cursor->size < sizeof(header))
		return -1;
	memcpy(&header, cursor->data, sizeof(header));
	if (header.nla_len < sizeof(header) || header.nla_len > cursor->size)
		return -1;
	out->type = header.nla_type & NLA_TYPE_MASK;
	out->data = cursor->data + sizeof(header);
	out->size = header.nla_len - sizeof(header);
	used = padded(header.nla_len, cursor->size);
	cursor->data += used;
	cursor->size -= used;
	return 1;
}

static int read_number(const struct attribute *attribute, uint32_t *out)
{
	if (attribute->size < sizeof(*out))
		return -1;
	memcpy(out, attribute->data, sizeof(*out));
	return 0;
}

/* An address of the family, or, as struct rtvia has it, of another one. */
static int read_via(const struct attribute *attribute, struct in6_addr *out)
{
	const size_t family = sizeof(__kernel_sa_family_t);

	if (attribute->size < family)
		return -1;
	return address_from_bytes(attribute->data + family, attribute->size - family, out);
}

static int read_hop_attribute(const struct attribute *attribute, struct netlink_hop *hop)
{
	switch (attribute->type) {
	case RTA_GATEWAY:
		return address_from_bytes(attribute->data, attribute->size, &hop->gateway);
	case RTA_VIA:
		return read_via(attribute, &hop->gateway);
	default:
		return 0;
	}
}

/* RTA_MULTIPATH: a struct rtnexthop for each, with attributes of its own. */
static int read_multipath(const struct attribute *multipath, struct netlink_message *message)
{
	const uint8_t *data = multipath->data;
	size_t size = multipath->size;

	while (size) {
		struct netlink_hop hop = {.weight = 1};
		struct rtnexthop header;
		struct attribute attribute;
		struct cursor cursor;
		size_t used;
		int more;

		if (size < sizeof(header))
			return -1;
		memcpy(&header, data, sizeof(header));
		if (header.rtnh_len < sizeof(header) || header.rtnh_len > size)
			return -1;
		hop.interface = header.rtnh_ifindex > 0 ? (uint32_t)header.rtnh_ifindex : 0;
		hop.weight = header.rtnh_hops + 1u;
		cursor.data = data + sizeof(header);
		cursor.size = header.rtnh_len - sizeof(header);
		while ((more = attribute_next(&cursor, &attribute)) > 0)
			if (read_hop_attribute(&attribute, &hop))
				return -1;
		if (more < 0)
			return -1;
		if (message->hop_count < NETLINK_HOPS_MAX)
			message->hops[message->hop_count++] = hop;
		used = padded(header.rtnh_len, size);
		data += used;
		size -= used;
	}
	return 0;
}

struct route_words {
	uint32_t table;
	bool destination, multipath;
	struct netlink_hop single;
};

static int read_route_attribute(const struct attribute *attribute, struct route_words *words,
				struct netlink_message *message)
{
	switch (attribute->type) {
	case RTA_DST:
		words->destination = true;
		return address_from_bytes(attribute->data, attribute->size,
					  &message->prefix.address);
	case RTA_TABLE:
		return read_number(attribute, &words->table);
	case RTA_OIF:
		return read_number(attribute, &words->single.interface);
	case RTA_NH_ID:
		return read_number(attribute, &message->id);
	case RTA_MULTIPATH:
		words->multipath = true;
		return read_multipath(attribute, message);
	default:
		return read_hop_attribute(attribute, &words->single);
	}
}

static int read_route(uint16_t type, const uint8_t *body, size_t size,
		      struct netlink_message *message)
{
	struct route_words words = {.single.weight = 1};
	struct attribute attribute;
	struct cursor cursor;
	struct rtmsg header;
	unsigned int bits;
	int more;

	if (size < sizeof(header))
		return -1;
	memcpy(&header, body, sizeof(header));
	cursor.data = body + ALIGN(sizeof(header));
	cursor.size = size - ALIGN(sizeof(header));
	words.table = header.rtm_table;
	while ((more = attribute_next(&cursor, &attribute)) > 0)
		if (read_route_attribute(&attribute, &words, message))
			return -1;
	if (more < 0)
		return -1;
	if ((header.rtm_family != AF_INET && header.rtm_family != AF_INET6) ||
	    words.table != RT_TABLE_MAIN || header.rtm_src_len || !words.destination)
		return 0;
	bits = header.rtm_family == AF_INET ? 32 : 128;
	if (header.rtm_dst_len > bits)
		return -1;
	/* Of IPv6, but written as we write IPv4: ::ffff:0:0/96 is a prefix that nobody serves. */
	if (address_is_ipv4(&message->prefix.address) != (header.rtm_family == AF_INET))
		return 0;
	message->prefix.length = (uint8_t)(header.rtm_dst_len + 128 - bits);
	message->kind = type == RTM_NEWROUTE ? NETLINK_MESSAGE_ROUTE : NETLINK_MESSAGE_ROUTE_GONE;
	message->by_kernel = header.rtm_protocol == RTPROT_KERNEL;
	if (type == RTM_DELROUTE || header.rtm_type != RTN_UNICAST) {
		message->id = 0;
		message->hop_count = 0;
	} else if (!message->id && !words.multipath && words.single.interface) {
		message->hops[message->hop_count++] = words.single;
	}
	return 0;
}

static int read_group(const struct attribute *attribute, struct netlink_message *message)
{
	const size_t size = sizeof(struct nexthop_grp);

	message->group = true;
	if (attribute->size % size)
		return -1;
	for (size_t at = 0; at < attribute->size && message->hop_count < NETLINK_HOPS_MAX;
	     at += size) {
		struct netlink_hop hop = {0};
		/* Since Linux 6.12 the byte behind it is the upper half: weight_high. */
		const uint8_t *weight = attribute->data + at + offsetof(struct nexthop_grp, weight);

		memcpy(&hop.id, attribute->data + at, sizeof(hop.id));
		hop.weight = (weight[0] | (uint32_t)weight[1] << 8) + 1;
		message->hops[message->hop_count++] = hop;
	}
	return 0;
}

static int read_next_hop(uint16_t type, const uint8_t *body, size_t size,
			 struct netlink_message *message)
{
	struct netlink_hop single = {.weight = 1};
	struct attribute attribute;
	struct cursor cursor;
	bool blackhole = false;
	int more, status = 0;

	if (size < sizeof(struct nhmsg))
		return -1;
	cursor.data = body + ALIGN(sizeof(struct nhmsg));
	cursor.size = size - ALIGN(sizeof(struct nhmsg));
	while (!status && (more = attribute_next(&cursor, &attribute)) != 0) {
		if (more < 0)
			return -1;
		switch (attribute.type) {
		case NHA_ID:
			status = read_number(&attribute, &message->id);
			break;
		case NHA_OIF:
			status = read_number(&attribute, &single.interface);
			break;
		case NHA_GATEWAY:
			status =
				address_from_bytes(attribute.data, attribute.size, &single.gateway);
			break;
		case NHA_GROUP:
			status = read_group(&attribute, message);
			break;
		case NHA_BLACKHOLE:
			blackhole = true;
			break;
		}
	}
	if (status || !message->id)
		return -1;
	message->kind =
		type == RTM_NEWNEXTHOP ? NETLINK_MESSAGE_NEXT_HOP : NETLINK_MESSAGE_NEXT_HOP_GONE;
	if (type == RTM_NEWNEXTHOP && !message->group && !blackhole)
		message->hops[message->hop_count++] = single;
	return 0;
}

int netlink_frame_next(const uint8_t *payload, size_t size, size_t *at,
		       struct netlink_message *message)
{
	const uint8_t *body = payload + *at + NLMSG_HDRLEN;
	size_t left = size - *at, body_size;
	struct nlmsghdr header;

	if (!left)
		return 0;
	if (left < sizeof(header))
		return -1;
	memcpy(&header, payload + *at, sizeof(header));
	if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > left)
		return -1;
	body_size = header.nlmsg_len - NLMSG_HDRLEN;
	*at += padded(header.nlmsg_len, left);

	memset(message, 0, offsetof(struct netlink_message, hops));
	switch (header.nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return read_route(header.nlmsg_type, body, body_size, message) ? -1 : 1;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return read_next_hop(header.nlmsg_type, body, body_size, message) ? -1 : 1;
	default:
		return 1;
	}
}
