/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses as keys of maps. For BPF only. */
#ifndef HOLDFAST_KERNEL_ADDRESS_BPF_H
#define HOLDFAST_KERNEL_ADDRESS_BPF_H

#include "fpmd/kernel/bpf_shared.h"

static __always_inline void map_ipv4(struct bpf_address *out, __be32 address)
{
	__u32 *words = (__u32 *)out;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

#endif
