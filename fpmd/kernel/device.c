// SPDX-License-Identifier: GPL-2.0-or-later
/* Owns snapshots of devices and addresses. Runs on fpmd's event loop. A snapshot is whole or not
 * taken. */
#include "fpmd/kernel/device.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/list.h"

struct device_dump {
	struct device_list list;
	bool no_memory;
};

struct address_dump {
	struct address_list list;
	bool no_memory;
};

/* A port of a bridge, bond or switch hands its packets to its master; one of a VRF keeps them. */
static bool is_port(struct nlattr **attributes)
{
	struct nlattr *info[IFLA_INFO_MAX + 1];

	if (!attributes[IFLA_MASTER])
		return false;
	if (!attributes[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], NULL) < 0 ||
	    !info[IFLA_INFO_SLAVE_KIND])
		return true;
	return strcmp(nla_get_string(info[IFLA_INFO_SLAVE_KIND]), "vrf") != 0;
}

static bool is_bridge(struct nlattr **attributes)
{
	struct nlattr *info[IFLA_INFO_MAX + 1];

	return attributes[IFLA_LINKINFO] &&
	       nla_parse_nested(info, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], NULL) == 0 &&
	       info[IFLA_INFO_KIND] && strcmp(nla_get_string(info[IFLA_INFO_KIND]), "bridge") == 0;
}

static void take_link(void *arg, const struct nlmsghdr *message)
{
	struct device_dump *dump = arg;
	const struct ifinfomsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFLA_MAX + 1];
	struct device *devices, *device;

	if (message->nlmsg_type != RTM_NEWLINK || header->ifi_type != ARPHRD_ETHER ||
	    (header->ifi_flags & IFF_LOOPBACK) ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFLA_MAX, NULL) <
		    0 ||
	    !attributes[IFLA_IFNAME] || !attributes[IFLA_MTU] || is_port(attributes) ||
	    strcmp(nla_get_string(attributes[IFLA_IFNAME]), LAYOUT_TUNNEL) == 0)
		return;
	devices = list_room(dump->list.items, dump->list.count, &dump->list.size, sizeof(*device));
	if (!devices) {
		dump->no_memory = true;
		return;
	}
	dump->list.items = devices;
	device = &dump->list.items[dump->list.count++];
	device->index = header->ifi_index;
	device->mtu = nla_get_u32(attributes[IFLA_MTU]);
	device->up = header->ifi_flags & IFF_UP;
	device->bridge = is_bridge(attributes);
	nla_strlcpy(device->name, attributes[IFLA_IFNAME], sizeof(device->name));
}

int devices_dump(struct rtnl *rtnl, struct device_list *list, struct error *error)
{
	struct ifinfomsg header = {0};
	struct device_dump dump = {0};
	int status = -EINTR;

	for (int i = 0; i < RTNL_DUMP_TRIES && status == -EINTR; i++) {
		dump.list.count = 0;
		status = rtnl_request(
			rtnl, rtnl_message(RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header)),
			take_link, &dump);
	}
	if (status == 0 && dump.no_memory)
		status = -ENOMEM;
	if (status < 0) {
		devices_free(&dump.list);
		return rtnl_error(rtnl, status, error, "list of devices");
	}
	devices_free(list);
	*list = dump.list;
	return 0;
}

void devices_free(struct device_list *list)
{
	free(list->items);
	memset(list, 0, sizeof(*list));
}

const struct device *devices_find(const struct device_list *list, int index)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].index == index)
			return &list->items[i];
	return NULL;
}

unsigned int devices_smallest_mtu(const struct device_list *list, unsigned int otherwise)
{
	unsigned int smallest = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct device *device = &list->items[i];

		if (device->up && (!smallest || device->mtu < smallest))
			smallest = device->mtu;
	}
	return smallest ? smallest : otherwise;
}

static void take_address(void *arg, const struct nlmsghdr *message)
{
	struct address_dump *dump = arg;
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1], *local;
	struct in6_addr address, *addresses;

	if (message->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
		return;
	local = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
	if (!local || address_from_bytes(nla_data(local), (size_t)nla_len(local), &address) < 0)
		return;
	addresses =
		list_room(dump->list.items, dump->list.count, &dump->list.size, sizeof(address));
	if (!addresses) {
		dump->no_memory = true;
		return;
	}
	dump->list.items = addresses;
	dump->list.items[dump->list.count++] = address;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

int addresses_dump(struct rtnl *rtnl, struct address_list *list, struct error *error)
{
	struct ifaddrmsg header = {0};
	struct address_dump dump = {0};
	int status = -EINTR;

	for (int i = 0; i < RTNL_DUMP_TRIES && status == -EINTR; i++) {
		dump.list.count = 0;
		status = rtnl_request(
			rtnl, rtnl_message(RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header)),
			take_address, &dump);
	}
	if (status == 0 && dump.no_memory)
		status = -ENOMEM;
	if (status < 0) {
		addresses_free(&dump.list);
		return rtnl_error(rtnl, status, error, "list of addresses");
	}
	if (dump.list.count)
		qsort(dump.list.items, dump.list.count, sizeof(*dump.list.items),
		      compare_addresses);
	addresses_free(list);
	*list = dump.list;
	return 0;
}

void addresses_free(struct address_list *list)
{
	free(list->items);
	memset(list, 0, sizeof(*list));
}

bool addresses_contain(const struct address_list *list, const struct in6_addr *address)
{
	return list->count &&
	       bsearch(address, list->items, list->count, sizeof(*address), compare_addresses);
}

bool addresses_equal(const struct address_list *a, const struct address_list *b)
{
	return a->count == b->count &&
	       (!a->count || memcmp(a->items, b->items, a->count * sizeof(*a->items)) == 0);
}
