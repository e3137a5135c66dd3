// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns which neighbours the recorder is told of: for each offered path the link-layer address of
 * its gateway. Runs on fpmd's event loop. Invariant: an address that is told for a path is the last
 * one that the kernel had for its gateway.
 */
#include "fpmd/kernel/kernel_private.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <netlink/attr.h>

#include "fpmd/log.h"

#define RECEIVE_BUFFER (1 << 20)
#define READS_MAX 256
#define ASK_SECONDS 3 /* until a gateway that is not resolved is asked for again */
#define ASK_MAX 64    /* at one go */
#define USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct neighbour {
	bool used;
	bool resolved; /* the kernel has an address now */
	bool told;     /* the recorder has *address* */
	int family;    /* of the path's VIPs */
	struct kernel_next_hop hop;
	int device; /* 0: it is not there */
	uint8_t address[RECORDER_LINK_ADDRESS_SIZE];
};

struct neighbours {
	struct kernel *kernel;
	struct neighbour items[KERNEL_PATH_MAX + 1]; /* by path id */
	unsigned int end;			     /* behind the greatest id that was used */
	unsigned int ask_next;			     /* where the next round begins */
	int fd;
	struct event *readable, *timer;
	char buffer[16384] __attribute__((aligned(8)));
};

static void warn_if(int status, const struct error *error)
{
	if (status < 0)
		log_warn("%s", error->text);
}

/* Telling */

static bool same_place(const struct neighbour *a, const struct neighbour *b)
{
	return a->family == b->family && a->device == b->device &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* Two gateways may be one neighbour: then it leads to the other's path from now on. */
static int withdraw(struct neighbours *all, unsigned int id, struct error *error)
{
	struct neighbour *gone = &all->items[id];
	uint16_t other = 0;

	if (!gone->told)
		return 0;
	gone->told = false;
	for (unsigned int i = 1; i < all->end && !other; i++)
		if (i != id && all->items[i].told && same_place(&all->items[i], gone))
			other = (uint16_t)i;
	return recorder_neighbour_set(all->kernel->recorder, gone->family, gone->device,
				      gone->address, other, error);
}

static int tell(struct neighbours *all, unsigned int id, const uint8_t *address,
		struct error *error)
{
	struct neighbour *neighbour = &all->items[id];

	neighbour->resolved = true;
	if (neighbour->told && memcmp(neighbour->address, address, sizeof(neighbour->address)) == 0)
		return 0;
	if (withdraw(all, id, error) < 0)
		return -1;
	memcpy(neighbour->address, address, sizeof(neighbour->address));
	if (recorder_neighbour_set(all->kernel->recorder, neighbour->family, neighbour->device,
				   address, (uint16_t)id, error) < 0)
		return -1;
	neighbour->told = true;
	return 0;
}

/* Asking */

static bool put_gateway(struct nl_msg *message, const struct in6_addr *gateway)
{
	if (address_is_ipv4(gateway))
		return nla_put_u32(message, NDA_DST, address_to_ipv4(gateway)) == 0;
	return nla_put(message, NDA_DST, sizeof(*gateway), gateway) == 0;
}

static struct nl_msg *ask_message(int type, int flags, uint8_t entry_flags,
				  const struct neighbour *neighbour)
{
	struct ndmsg header = {.ndm_family = address_is_ipv4(&neighbour->hop.gateway) ? AF_INET
										      : AF_INET6,
			       .ndm_ifindex = neighbour->device,
			       .ndm_flags = entry_flags};
	struct nl_msg *message = rtnl_message(type, flags, &header, sizeof(header));

	return rtnl_whole(message, message && put_gateway(message, &neighbour->hop.gateway));
}

struct entry {
	int device;
	struct in6_addr gateway;
	bool usable;
	uint8_t address[RECORDER_LINK_ADDRESS_SIZE];
};

static bool parse_entry(const struct nlmsghdr *message, struct entry *entry)
{
	struct nlattr *attributes[NDA_MAX + 1];
	const struct ndmsg *header = nlmsg_data(message);

	if ((message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH) ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, NDA_MAX, NULL) <
		    0 ||
	    (header->ndm_family != AF_INET && header->ndm_family != AF_INET6) ||
	    !attributes[NDA_DST] ||
	    address_from_bytes(nla_data(attributes[NDA_DST]), (size_t)nla_len(attributes[NDA_DST]),
			       &entry->gateway) < 0)
		return false;
	entry->device = header->ndm_ifindex;
	entry->usable = message->nlmsg_type == RTM_NEWNEIGH && (header->ndm_state & USABLE) &&
			attributes[NDA_LLADDR] &&
			nla_len(attributes[NDA_LLADDR]) == sizeof(entry->address);
	if (entry->usable)
		memcpy(entry->address, nla_data(attributes[NDA_LLADDR]), sizeof(entry->address));
	return true;
}

static void take_entry(void *arg, const struct nlmsghdr *message)
{
	parse_entry(message, arg);
}

/* Is it a device whose packets have no link-layer address? */
static bool has_no_addresses(const char *name)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

	if (fd < 0)
		return false;
	memcpy(request.ifr_name, name, strnlen(name, sizeof(request.ifr_name) - 1));
	status = ioctl(fd, SIOCGIFHWADDR, &request);
	close(fd);
	return status == 0 && request.ifr_hwaddr.sa_family != ARPHRD_ETHER;
}

/* What the kernel knows now; if nothing, it is asked to find out. */
static int look_up(struct neighbours *all, unsigned int id, struct error *error)
{
	static const uint8_t zero[RECORDER_LINK_ADDRESS_SIZE];
	struct neighbour *neighbour = &all->items[id];
	struct entry entry = {0};

	neighbour->resolved = false;
	if (!neighbour->device)
		return 0;
	if (has_no_addresses(neighbour->hop.interface))
		return tell(all, id, zero, error);
	if (rtnl_request(&all->kernel->rtnl, ask_message(RTM_GETNEIGH, 0, 0, neighbour), take_entry,
			 &entry) == 0 &&
	    entry.usable)
		return tell(all, id, entry.address, error);
	/* Without a carrier there is no answer; the timer asks again. */
	rtnl_request(&all->kernel->rtnl,
		     ask_message(RTM_NEWNEIGH, NLM_F_CREATE, NTF_USE, neighbour), NULL, NULL);
	return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct neighbours *all = arg;
	unsigned int asked = 0, id = all->ask_next;
	struct error error;

	for (unsigned int i = 0; i < all->end && asked < ASK_MAX; i++) {
		id = id + 1 < all->end ? id + 1 : 0;
		if (!all->items[id].used || all->items[id].resolved)
			continue;
		warn_if(look_up(all, id, &error), &error);
		asked++;
	}
	all->ask_next = id;
}

/* Following */

static void take_change(struct neighbours *all, const struct entry *entry)
{
	struct error error;

	for (unsigned int id = 1; id < all->end; id++) {
		struct neighbour *neighbour = &all->items[id];

		if (!neighbour->used || neighbour->device != entry->device ||
		    !address_equal(&neighbour->hop.gateway, &entry->gateway))
			continue;
		if (entry->usable)
			warn_if(tell(all, id, entry->address, &error), &error);
		else
			neighbour->resolved = false;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct neighbours *all = arg;
	bool lost = false;

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t length = recv(fd, all->buffer, sizeof(all->buffer), MSG_DONTWAIT);
		size_t left = (size_t)length;

		if (length < 0 && errno == ENOBUFS) {
			lost = true;
			continue;
		}
		if (length <= 0)
			break;
		for (const struct nlmsghdr *message = (struct nlmsghdr *)all->buffer;
		     NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			struct entry entry = {0};

			if (parse_entry(message, &entry))
				take_change(all, &entry);
		}
	}
	if (lost)
		neighbours_look_again(all);
}

int neighbours_follow(struct neighbours *all, uint16_t id, const struct kernel_path *path,
		      struct error *error)
{
	struct neighbour *neighbour = &all->items[id];
	int device = path && path->offered ? (int)if_nametoindex(path->hop.interface) : 0;

	if (neighbour->used && path && path->offered && neighbour->family == path->family &&
	    neighbour->device == device &&
	    address_equal(&neighbour->hop.gateway, &path->hop.gateway))
		return 0;
	if (withdraw(all, id, error) < 0)
		return -1;
	*neighbour = (struct neighbour){0};
	if (!path || !path->offered)
		return 0;
	neighbour->used = true;
	neighbour->family = path->family;
	neighbour->hop = path->hop;
	neighbour->device = device;
	if (id >= all->end)
		all->end = id + 1u;
	return look_up(all, id, error);
}

void neighbours_look_again(struct neighbours *all)
{
	struct error error;

	for (unsigned int id = 1; id < all->end; id++) {
		struct neighbour *neighbour = &all->items[id];
		int device;

		if (!neighbour->used)
			continue;
		device = (int)if_nametoindex(neighbour->hop.interface);
		if (device != neighbour->device) {
			warn_if(withdraw(all, id, &error), &error);
			neighbour->device = device;
		}
		warn_if(look_up(all, id, &error), &error);
	}
}

static int open_socket(struct neighbours *all, struct error *error)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int group = RTNLGRP_NEIGH, size = RECEIVE_BUFFER;

	all->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (all->fd < 0 || bind(all->fd, (struct sockaddr *)&self, sizeof(self)) < 0 ||
	    setsockopt(all->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return error_set(error, "notifications of neighbours: %s", strerror(errno));
	if (setsockopt(all->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(all->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

int neighbours_open(struct kernel *kernel, struct neighbours **neighbours, struct error *error)
{
	struct neighbours *opened = calloc(1, sizeof(*opened));
	struct timeval interval = {.tv_sec = ASK_SECONDS};

	if (!opened)
		return error_set(error, "neighbours: out of memory");
	opened->kernel = kernel;
	if (open_socket(opened, error) < 0) {
		neighbours_close(opened);
		return -1;
	}
	opened->readable =
		event_new(kernel->base, opened->fd, EV_READ | EV_PERSIST, on_readable, opened);
	opened->timer = event_new(kernel->base, -1, EV_PERSIST, on_timer, opened);
	if (!opened->readable || !opened->timer || event_add(opened->readable, NULL) < 0 ||
	    event_add(opened->timer, &interval) < 0) {
		neighbours_close(opened);
		return error_set(error, "notifications of neighbours: no event");
	}
	*neighbours = opened;
	return 0;
}

static bool is_told(void *arg, int family, int device, const uint8_t *address)
{
	const struct neighbours *all = arg;

	for (unsigned int id = 1; id < all->end; id++) {
		const struct neighbour *known = &all->items[id];

		if (known->told && known->device == device &&
		    (!family || (known->family == family &&
				 memcmp(known->address, address, sizeof(known->address)) == 0)))
			return true;
	}
	return false;
}

int neighbours_settle(struct neighbours *all, struct error *error)
{
	return recorder_neighbours_keep(all->kernel->recorder, is_told, all, error);
}

void neighbours_close(struct neighbours *neighbours)
{
	if (!neighbours)
		return;
	if (neighbours->readable)
		event_free(neighbours->readable);
	if (neighbours->timer)
		event_free(neighbours->timer);
	if (neighbours->fd >= 0)
		close(neighbours->fd);
	free(neighbours);
}
