/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forwarding for detours. If this host does not forward a family by its own will, forwarding is on
 * for its uplinks only, and nftables lets nothing but detours through. Which uplinks that are is
 * kept in nftables' sets `uplinks`, so that the next fpmd knows it.
 */
#ifndef HOLDFAST_KERNEL_FORWARDING_H
#define HOLDFAST_KERNEL_FORWARDING_H

#include <stdbool.h>

#include "fpmd/error.h"
#include "fpmd/kernel/device.h"
#include "fpmd/kernel/nft.h"

enum { FORWARDING_FAMILIES = 2 }; /* [0] IPv4, [1] IPv6 */

struct uplinks {
	unsigned int *items; /* interface indexes */
	size_t count;
};

struct forwarding {
	struct nft *nft;
	bool used[FORWARDING_FAMILIES];		     /* there are detours */
	bool told;				     /* nftables was told what was found */
	struct uplinks uplinks[FORWARDING_FAMILIES]; /* where we switched it on */
};

/* Reads what an earlier fpmd left; no table is no error. Before nft_setup(). */
int forwarding_take_over(struct forwarding *forwarding, struct nft *nft,
			 const bool used[FORWARDING_FAMILIES], struct error *error);

/* After nft_setup(). *changed*: devices where it had to be switched on. */
int forwarding_ensure(struct forwarding *forwarding, const struct device_list *devices,
		      size_t *changed, struct error *error);

/* The tunnel device: never forwards what comes out of it, and takes any source address. */
int forwarding_tunnel(const char *device, struct error *error);

/* Do bridged packets pass the rules of IP here, before the bridge itself sees them? */
bool forwarding_bridges_filter(void);

/* As it was before. */
void forwarding_restore(struct forwarding *forwarding, const struct device_list *devices);

void forwarding_free(struct forwarding *forwarding);

#endif
