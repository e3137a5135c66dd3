// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the device hf-vx0. Runs on fpmd's event loop. Invariant: a device that was not made by
 * Holdfast is never changed.
 */
#include "fpmd/kernel/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/attr.h>

#include "fpmd/kernel/layout.h"

/* What the kernel says about a device of our name. */
struct present {
	int index;
	unsigned int mtu;
	bool found;
	bool up;
	bool gpe; /* VXLAN-GPE in metadata mode */
	uint16_t port;
	bool addressed; /* has our address: made by Holdfast */
};

static void take_vxlan(struct nlattr *data, struct present *present)
{
	struct nlattr *vxlan[IFLA_VXLAN_MAX + 1];

	if (nla_parse_nested(vxlan, IFLA_VXLAN_MAX, data, NULL) < 0)
		return;
	present->gpe = vxlan[IFLA_VXLAN_GPE] && vxlan[IFLA_VXLAN_COLLECT_METADATA] &&
		       nla_get_u8(vxlan[IFLA_VXLAN_COLLECT_METADATA]);
	if (vxlan[IFLA_VXLAN_PORT])
		present->port = ntohs(nla_get_u16(vxlan[IFLA_VXLAN_PORT]));
}

static void take_link(void *arg, const struct nlmsghdr *message)
{
	struct present *present = arg;
	const struct ifinfomsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];

	if (message->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFLA_MAX, NULL) <
		    0)
		return;
	present->found = true;
	present->index = header->ifi_index;
	present->up = header->ifi_flags & IFF_UP;
	if (attributes[IFLA_MTU])
		present->mtu = nla_get_u32(attributes[IFLA_MTU]);
	if (!attributes[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], NULL) < 0)
		return;
	if (info[IFLA_INFO_KIND] && info[IFLA_INFO_DATA] &&
	    strcmp(nla_get_string(info[IFLA_INFO_KIND]), "vxlan") == 0)
		take_vxlan(info[IFLA_INFO_DATA], present);
}

static void take_address(void *arg, const struct nlmsghdr *message)
{
	struct present *present = arg;
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1];

	if (message->nlmsg_type != RTM_NEWADDR || (int)header->ifa_index != present->index ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
		return;
	if (attributes[IFA_LOCAL] && nla_len(attributes[IFA_LOCAL]) == 4 &&
	    ntohl(nla_get_u32(attributes[IFA_LOCAL])) == LAYOUT_TUNNEL_ADDRESS)
		present->addressed = true;
}

static int find_device(struct rtnl *rtnl, struct present *present)
{
	struct ifinfomsg link = {0};
	struct ifaddrmsg address = {.ifa_family = AF_INET};
	struct nl_msg *message = rtnl_message(RTM_GETLINK, 0, &link, sizeof(link));
	int status;

	memset(present, 0, sizeof(*present));
	message = rtnl_whole(message,
			     message && nla_put_string(message, IFLA_IFNAME, LAYOUT_TUNNEL) == 0);
	status = rtnl_request(rtnl, message, take_link, present);
	if (status == -ENODEV)
		return 0;
	if (status < 0 || !present->found)
		return status;
	address.ifa_index = (unsigned int)present->index;
	return rtnl_request(rtnl, rtnl_message(RTM_GETADDR, NLM_F_DUMP, &address, sizeof(address)),
			    take_address, present);
}

static bool put_vxlan(struct nl_msg *message, const struct kernel_options *options)
{
	struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO), *data;

	if (!info || nla_put_string(message, IFLA_INFO_KIND, "vxlan") < 0)
		return false;
	data = nla_nest_start(message, IFLA_INFO_DATA);
	if (!data || nla_put_u16(message, IFLA_VXLAN_PORT, htons(options->tunnel_port)) < 0 ||
	    nla_put_u8(message, IFLA_VXLAN_COLLECT_METADATA, 1) < 0 ||
	    nla_put_flag(message, IFLA_VXLAN_GPE) < 0 ||
	    nla_put_u8(message, IFLA_VXLAN_LEARNING, 0) < 0 ||
	    nla_put_u8(message, IFLA_VXLAN_UDP_CSUM, 1) < 0)
		return false;
	nla_nest_end(message, data);
	nla_nest_end(message, info);
	return true;
}

static int create_device(struct rtnl *rtnl, const struct kernel_options *options, unsigned int mtu)
{
	struct ifinfomsg link = {0};
	struct nl_msg *message =
		rtnl_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));

	message = rtnl_whole(message,
			     message && nla_put_string(message, IFLA_IFNAME, LAYOUT_TUNNEL) == 0 &&
				     nla_put_u32(message, IFLA_MTU, mtu) == 0 &&
				     put_vxlan(message, options));
	return rtnl_request(rtnl, message, NULL, NULL);
}

static bool put_no_ipv6_address(struct nl_msg *message)
{
	struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC), *ipv6;

	if (!families)
		return false;
	ipv6 = nla_nest_start(message, AF_INET6);
	if (!ipv6 || nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) < 0)
		return false;
	nla_nest_end(message, ipv6);
	nla_nest_end(message, families);
	return true;
}

/* No link-local address: nothing is ever sent on the device by itself. */
static int refuse_ipv6_address(struct rtnl *rtnl, int index)
{
	struct ifinfomsg link = {.ifi_index = index};
	struct nl_msg *message = rtnl_message(RTM_SETLINK, 0, &link, sizeof(link));
	int status;

	message = rtnl_whole(message, message && put_no_ipv6_address(message));
	status = rtnl_request(rtnl, message, NULL, NULL);
	/* A kernel without IPv6 has no such setting. */
	return status == -EAFNOSUPPORT || status == -EOPNOTSUPP ? 0 : status;
}

static int set_device(struct rtnl *rtnl, int index, unsigned int mtu)
{
	struct ifinfomsg link = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nl_msg *message = rtnl_message(RTM_NEWLINK, 0, &link, sizeof(link));

	message = rtnl_whole(message, message && nla_put_u32(message, IFLA_MTU, mtu) == 0);
	return rtnl_request(rtnl, message, NULL, NULL);
}

static int add_address(struct rtnl *rtnl, int index)
{
	struct ifaddrmsg header = {.ifa_family = AF_INET,
				   .ifa_prefixlen = 32,
				   .ifa_scope = RT_SCOPE_LINK,
				   .ifa_index = (unsigned int)index};
	struct nl_msg *message =
		rtnl_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	uint32_t address = htonl(LAYOUT_TUNNEL_ADDRESS);

	message = rtnl_whole(message, message && nla_put_u32(message, IFA_LOCAL, address) == 0 &&
					      nla_put_u32(message, IFA_ADDRESS, address) == 0 &&
					      nla_put_u8(message, IFA_PROTO, LAYOUT_PROTOCOL) == 0);
	return rtnl_request(rtnl, message, NULL, NULL);
}

static int delete_device(struct rtnl *rtnl, int index)
{
	struct ifinfomsg link = {.ifi_index = index};
	int status =
		rtnl_request(rtnl, rtnl_message(RTM_DELLINK, 0, &link, sizeof(link)), NULL, NULL);

	return status == -ENODEV ? 0 : status;
}

static int make_device(struct rtnl *rtnl, const struct kernel_options *options, unsigned int mtu,
		       struct present *present)
{
	int status = create_device(rtnl, options, mtu);

	if (status == 0)
		status = find_device(rtnl, present);
	if (status == 0 && present->found)
		status = refuse_ipv6_address(rtnl, present->index);
	return status == 0 && !present->found ? -ENODEV : status;
}

static int fail(struct rtnl *rtnl, int status, const struct kernel_options *options,
		struct error *error)
{
	if (status == -EADDRINUSE || (status == -EEXIST && !if_nametoindex(LAYOUT_TUNNEL)))
		return error_set(error,
				 LAYOUT_TUNNEL
				 ": UDP port %u is in use by something else: stop it, "
				 "or choose another tunnel port on all members",
				 options->tunnel_port);
	if (status == -EOPNOTSUPP)
		return error_set(error, LAYOUT_TUNNEL ": this kernel has no VXLAN (%s)",
				 rtnl->text[0] ? rtnl->text : "module vxlan");
	return rtnl_error(rtnl, status, error, LAYOUT_TUNNEL);
}

static bool is_foreign(const struct present *present, const struct kernel_options *options)
{
	return present->found &&
	       (!present->gpe || !(present->addressed || present->port == options->tunnel_port));
}

static int foreign_error(struct error *error)
{
	return error_set(error, LAYOUT_TUNNEL " is there already and was not made by Holdfast: "
					      "remove or rename that device");
}

/* Asked before a device, and with it the owners' routes, goes for the sake of another port. */
static bool port_is_taken(uint16_t port)
{
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), zero = 0, status;

	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		status = bind(fd, (struct sockaddr *)&ipv6, sizeof(ipv6));
	} else {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		status = bind(fd, (struct sockaddr *)&ipv4, sizeof(ipv4));
	}
	/* A port that only the privileged may bind is no obstacle: the kernel binds it. */
	status = status < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return status == -EADDRINUSE;
}

int tunnel_find(struct rtnl *rtnl, const struct kernel_options *options, bool *found,
		struct error *error)
{
	struct present present;
	int status = find_device(rtnl, &present);

	if (status < 0)
		return fail(rtnl, status, options, error);
	*found = present.found;
	if (is_foreign(&present, options))
		return foreign_error(error);
	if (present.found && present.port != options->tunnel_port &&
	    port_is_taken(options->tunnel_port))
		return fail(rtnl, -EADDRINUSE, options, error);
	return 0;
}

int tunnel_ensure(struct rtnl *rtnl, const struct kernel_options *options, unsigned int mtu,
		  struct tunnel *tunnel, struct error *error)
{
	struct present present;
	int status = find_device(rtnl, &present);

	tunnel->created = tunnel->changed = false;
	if (status < 0)
		return fail(rtnl, status, options, error);
	if (is_foreign(&present, options))
		return foreign_error(error);
	if (present.found && present.port != options->tunnel_port) {
		status = delete_device(rtnl, present.index);
		present.found = false;
	}
	if (status == 0 && !present.found) {
		status = make_device(rtnl, options, mtu, &present);
		tunnel->created = status == 0;
	}
	tunnel->index = present.index;
	if (status == 0 && !present.addressed) {
		tunnel->changed = true;
		status = add_address(rtnl, present.index);
	}
	if (status == 0 && (!present.up || present.mtu != mtu)) {
		tunnel->changed |= !present.up;
		status = set_device(rtnl, present.index, mtu);
	}
	if (status < 0 && tunnel->created)
		delete_device(rtnl, present.index);
	return status == 0 ? 0 : fail(rtnl, status, options, error);
}

int tunnel_remove(struct rtnl *rtnl, const struct tunnel *tunnel, struct error *error)
{
	int status = delete_device(rtnl, tunnel->index);

	return status == 0 ? 0 : rtnl_error(rtnl, status, error, LAYOUT_TUNNEL);
}
