/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tunnel device: VXLAN-GPE in metadata mode; its routes say where a packet goes. */
#ifndef HOLDFAST_KERNEL_TUNNEL_H
#define HOLDFAST_KERNEL_TUNNEL_H

#include <stdbool.h>

#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/rtnl.h"

struct tunnel {
	int index;
	bool created; /* by the last tunnel_ensure() */
	bool changed; /* it was there, but down or without its address */
};

/*
 * Did an earlier fpmd leave one? A device of that name that is not ours is an error, and so is a UDP
 * port that it would have to move to and that something else has. Nothing is changed.
 */
int tunnel_find(struct rtnl *rtnl, const struct kernel_options *options, bool *found,
		struct error *error);

/*
 * Makes the device, or takes over what is there: up, with its address and *mtu*. One of that name
 * that is not ours is an error, and so is a UDP port that something else has.
 */
int tunnel_ensure(struct rtnl *rtnl, const struct kernel_options *options, unsigned int mtu,
		  struct tunnel *tunnel, struct error *error);

int tunnel_remove(struct rtnl *rtnl, const struct tunnel *tunnel, struct error *error);

#endif
