// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the socket of rtnetlink notifications. Runs on fpmd's event loop. Invariant: whatever was
 * lost is told as MONITOR_LOST; routes of others cost one look at their header, and what we do
 * ourselves sets off no repair.
 */
#include "fpmd/kernel/monitor.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpmd/kernel/layout.h"

#define RECEIVE_BUFFER (4 << 20)
#define READS_MAX 256 /* at one go, so that a flood of routes starves nobody */

struct monitor {
	int fd;
	uint32_t own_port;
	struct event *readable;
	monitor_fn *fn;
	void *arg;
	char buffer[65536] __attribute__((aligned(8)));
};

/* Steered ways are short-lived and never repaired. */
static bool is_steered(const struct nlmsghdr *message)
{
	int left = (int)RTM_PAYLOAD(message);

	for (const struct rtattr *each = RTM_RTA(NLMSG_DATA(message)); RTA_OK(each, left);
	     each = RTA_NEXT(each, left))
		if (each->rta_type == RTA_TABLE && RTA_PAYLOAD(each) == sizeof(uint32_t))
			return *(const uint32_t *)RTA_DATA(each) == LAYOUT_TABLE_STEER;
	return false;
}

static unsigned int classify(const struct monitor *monitor, const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	/* The kernel names the requester there. */
	bool own = message->nlmsg_pid == monitor->own_port;

	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return MONITOR_LINKS;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return MONITOR_ADDRESSES;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return own ? MONITOR_OWN_RULES : MONITOR_RULES;
	case RTM_DELROUTE:
		if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)))
			return 0;
		if (own || route->rtm_protocol != LAYOUT_PROTOCOL || is_steered(message))
			return 0;
		return MONITOR_ROUTES;
	case RTM_DELQDISC:
	case RTM_DELTFILTER:
		return MONITOR_FILTERS;
	case RTM_NEWNETCONF:
		return MONITOR_FORWARDING;
	default:
		return 0;
	}
}

static void read_notifications(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *monitor = arg;
	unsigned int changes = 0;

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t length = recv(fd, monitor->buffer, sizeof(monitor->buffer), MSG_DONTWAIT);
		size_t left = (size_t)length;

		if (length < 0 && errno == ENOBUFS) {
			changes |= MONITOR_LOST;
			continue;
		}
		if (length <= 0)
			break;
		for (const struct nlmsghdr *message = (struct nlmsghdr *)monitor->buffer;
		     NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
			changes |= classify(monitor, message);
	}
	if (changes)
		monitor->fn(monitor->arg, changes);
}

static int join(int fd)
{
	static const int groups[] = {RTNLGRP_LINK,	  RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				     RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE,   RTNLGRP_IPV4_ROUTE,
				     RTNLGRP_IPV6_ROUTE,  RTNLGRP_TC,	       RTNLGRP_IPV4_NETCONF,
				     RTNLGRP_IPV6_NETCONF};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -1;
	return 0;
}

int monitor_open(struct event_base *base, uint32_t own_port, monitor_fn *fn, void *arg,
		 struct monitor **monitor, struct error *error)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	struct monitor *opened = calloc(1, sizeof(*opened));
	int size = RECEIVE_BUFFER;

	if (!opened)
		return error_set(error, "netlink notifications: out of memory");
	opened->own_port = own_port;
	opened->fn = fn;
	opened->arg = arg;
	opened->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (opened->fd < 0 || bind(opened->fd, (struct sockaddr *)&self, sizeof(self)) < 0 ||
	    join(opened->fd) < 0) {
		error_set(error, "netlink notifications: %s", strerror(errno));
		monitor_close(opened);
		return -1;
	}
	if (setsockopt(opened->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(opened->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	opened->readable =
		event_new(base, opened->fd, EV_READ | EV_PERSIST, read_notifications, opened);
	if (!opened->readable || event_add(opened->readable, NULL) < 0) {
		monitor_close(opened);
		return error_set(error, "netlink notifications: no event");
	}
	*monitor = opened;
	return 0;
}

void monitor_close(struct monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->readable)
		event_free(monitor->readable);
	if (monitor->fd >= 0)
		close(monitor->fd);
	free(monitor);
}
