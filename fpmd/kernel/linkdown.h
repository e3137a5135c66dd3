/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes over a link without a carrier are not used: the setting ignore_routes_with_linkdown of the
 * devices that paths lead over. With it the kernel takes a path's backup by itself. Where it is we
 * who set it is kept in nftables' sets `linkdown`, so that the next fpmd knows it.
 */
#ifndef HOLDFAST_KERNEL_LINKDOWN_H
#define HOLDFAST_KERNEL_LINKDOWN_H

#include "fpmd/kernel/nft.h"

struct linkdown {
	struct nft *nft;
	struct {
		unsigned int *devices; /* interface indexes */
		size_t count;
		bool told; /* nftables was told what was found */
	} set[2];	   /* [0] IPv4, [1] IPv6 */
};

/* Reads what an earlier fpmd left; no table is no error. Before nft_setup(). */
int linkdown_take_over(struct linkdown *linkdown, struct nft *nft, struct error *error);

/*
 * After nft_setup(). *family*: AF_INET or AF_INET6. Returns 1 if it had to be set again where we
 * had set it before, 0, or -1. No such device is no error.
 */
int linkdown_ensure(struct linkdown *linkdown, int family, unsigned int device,
		    struct error *error);

/* As it was before, where the device is still there. */
void linkdown_restore(struct linkdown *linkdown);

void linkdown_free(struct linkdown *linkdown);

#endif
