/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VIPs, as both BPF programs see them: fpmd fills one map. For BPF only. */
#ifndef HOLDFAST_KERNEL_VIPS_BPF_H
#define HOLDFAST_KERNEL_VIPS_BPF_H

#include "fpmd/kernel/address.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPS_MAX);
	__type(key, struct bpf_address);
	__type(value, __u8);
} vips SEC(".maps");

#endif
