/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of the host's devices and addresses. */
#ifndef HOLDFAST_KERNEL_DEVICE_H
#define HOLDFAST_KERNEL_DEVICE_H

#include <net/if.h>
#include <stdbool.h>

#include "fpmd/flow.h"
#include "fpmd/kernel/rtnl.h"

struct device {
	int index;
	unsigned int mtu;
	bool up;
	bool bridge;
	char name[IF_NAMESIZE];
};

/* The uplinks: Ethernet-like devices that hand packets to IP themselves (not ports of a bridge). */
struct device_list {
	struct device *items;
	size_t count, size;
};

/* Replaces what is in *list*. On error *list* is as before. */
int devices_dump(struct rtnl *rtnl, struct device_list *list, struct error *error);
void devices_free(struct device_list *list);
const struct device *devices_find(const struct device_list *list, int index);

/* The smallest MTU of the uplinks that are up; *otherwise* if there is none. */
unsigned int devices_smallest_mtu(const struct device_list *list, unsigned int otherwise);

struct address_list {
	struct in6_addr *items; /* sorted by bytes */
	size_t count, size;
};

/* Replaces what is in *list*. On error *list* is as before. */
int addresses_dump(struct rtnl *rtnl, struct address_list *list, struct error *error);
void addresses_free(struct address_list *list);
bool addresses_contain(const struct address_list *list, const struct in6_addr *address);
bool addresses_equal(const struct address_list *a, const struct address_list *b);

#endif
