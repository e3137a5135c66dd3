/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells what others change in links, addresses, rules, routes and tc filters. */
#ifndef HOLDFAST_KERNEL_MONITOR_H
#define HOLDFAST_KERNEL_MONITOR_H

#include <event2/event.h>

#include <stdint.h>

#include "fpmd/error.h"

struct monitor;

enum monitor_change {
	MONITOR_LINKS = 1,
	MONITOR_ADDRESSES = 2,
	MONITOR_RULES = 4,
	MONITOR_ROUTES = 8, /* one of ours has gone */
	MONITOR_FILTERS = 16,
	MONITOR_FORWARDING = 32,
	MONITOR_LOST = 64,	 /* notifications were lost: anything may have changed */
	MONITOR_OWN_RULES = 128, /* rules were changed by ourselves */
};

/* Once for all that was waiting; *changes* are bits of enum monitor_change. From the event loop. */
typedef void monitor_fn(void *arg, unsigned int changes);

/* *own_port*: of the netlink socket that we change routes and rules with. */
int monitor_open(struct event_base *base, uint32_t own_port, monitor_fn *fn, void *arg,
		 struct monitor **monitor, struct error *error);
void monitor_close(struct monitor *monitor);

#endif
