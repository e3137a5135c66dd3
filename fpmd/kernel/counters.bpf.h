/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counters of a BPF program, one set for each CPU; COUNTERS says how many. For BPF only. */
#ifndef HOLDFAST_KERNEL_COUNTERS_BPF_H
#define HOLDFAST_KERNEL_COUNTERS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		(*value)++;
}

#endif
