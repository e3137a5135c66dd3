// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tells which TCP sessions to VIPs begin and end in one network namespace. Runs in the kernel at
 * each change of a TCP state; invariant: an event that finds no room is counted, never silently
 * dropped.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "fpmd/kernel/bpf_shared.h"
#include "fpmd/kernel/vips.bpf.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

#define RING_BYTES (1 << 20)

/* The few fields that are read, found in the running kernel through BTF. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};
#pragma clang attribute pop

const volatile __u32 network_namespace;

__u64 lost;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} events SEC(".maps");

static __always_inline __u32 event_type(int old_state, int new_state)
{
	if (new_state == BPF_TCP_ESTABLISHED)
		return old_state == BPF_TCP_SYN_RECV ? SESSION_EVENT_ESTABLISHED : 0;
	if (new_state != BPF_TCP_CLOSE)
		return 0;
	if (old_state == BPF_TCP_LISTEN || old_state == BPF_TCP_SYN_SENT ||
	    old_state == BPF_TCP_SYN_RECV || old_state == BPF_TCP_CLOSE)
		return 0;
	return SESSION_EVENT_CLOSED;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(watch_state, const struct sock *sk, int old_state, int new_state)
{
	__u32 type = event_type(old_state, new_state);
	struct session_event *event;
	struct bpf_address local, remote;
	__u64 flags = BPF_RB_NO_WAKEUP;
	__u16 family;

	if (!type)
		return 0;
	if (sk->sk_protocol != IPPROTO_TCP ||
	    BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) != network_namespace)
		return 0;
	family = sk->__sk_common.skc_family;
	if (family == AF_INET) {
		map_ipv4(&local, sk->__sk_common.skc_rcv_saddr);
		map_ipv4(&remote, sk->__sk_common.skc_daddr);
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&remote, sk, __sk_common.skc_v6_daddr);
	} else {
		return 0;
	}
	if (!bpf_map_lookup_elem(&vips, &local))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->client = remote;
	event->vip = local;
	event->client_port = bpf_ntohs(sk->__sk_common.skc_dport);
	event->vip_port = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	event->type = type;
	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > RING_BYTES / 4)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(event, flags);
	return 0;
}

char _license[] SEC("license") = "GPL";
