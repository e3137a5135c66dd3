// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tells at ingress whether this host's kernel knows a segment's session, and marks it if not. Runs
 * in the kernel on every packet; invariant: only our own bits of the mark change, and only for
 * packets to a VIP.
 */
#include "fpmd/kernel/packet.bpf.h"
#include "fpmd/kernel/bpf_shared.h"

#define COUNTERS CLASSIFIER_COUNTERS
#include "fpmd/kernel/counters.bpf.h"
#include "fpmd/kernel/vips.bpf.h"

const volatile __u32 owner_mask;
const volatile __u32 stray_bit;
const volatile __u32 tunnel_bit;
const volatile __u32 tunnel_vni;

/* Outer source address -> owner id, as it stands in the mark. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SENDERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bpf_address);
	__type(value, __u32);
} senders SEC(".maps");

/* Written by fpmd; a director that serves none need not look at its packets. */
bool any_vip;

static __always_inline bool is_vip(const struct bpf_address *address)
{
	return bpf_map_lookup_elem(&vips, address);
}

/* Does this host's kernel have a session for the segment, or a SYN cookie that it completes? */
static __always_inline bool session_is_here(struct __sk_buff *skb, struct packet *p,
					    struct tcphdr *tcp)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	bool here = true;

	if (p->ipv6) {
		__builtin_memcpy(tuple.ipv6.saddr, &p->ip.v6.saddr, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &p->ip.v6.daddr, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = tcp->source;
		tuple.ipv6.dport = tcp->dest;
		socket =
			bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		tuple.ipv4.saddr = p->ip.v4.saddr;
		tuple.ipv4.daddr = p->ip.v4.daddr;
		tuple.ipv4.sport = tcp->source;
		tuple.ipv4.dport = tcp->dest;
		socket =
			bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return false;
	if (socket->state == BPF_TCP_LISTEN) {
		long valid;

		if (p->ipv6)
			valid = bpf_tcp_check_syncookie(socket, &p->ip.v6, sizeof(p->ip.v6), tcp,
							sizeof(*tcp));
		else
			valid = bpf_tcp_check_syncookie(socket, &p->ip.v4, sizeof(p->ip.v4), tcp,
							sizeof(*tcp));
		here = valid == 0;
		if (here)
			count(CLASSIFIER_COOKIES);
	}
	bpf_sk_release(socket);
	return here;
}

SEC("tc")
int classify_uplink(struct __sk_buff *skb)
{
	struct packet p = {};
	struct tcphdr tcp;

	if (!any_vip || has_vlan(skb))
		return TC_ACT_UNSPEC;
	if (!parse(skb, &p) || !is_vip(&p.destination))
		return TC_ACT_UNSPEC;
	clear_mark(skb, owner_mask | stray_bit | tunnel_bit);
	if (p.protocol != IPPROTO_TCP || p.later_fragment)
		return TC_ACT_UNSPEC;
	if (!load(skb, p.transport, &tcp, sizeof(tcp)))
		return TC_ACT_UNSPEC;
	if (is_syn(&tcp) || session_is_here(skb, &p, &tcp))
		return TC_ACT_UNSPEC;
	count(CLASSIFIER_STRAYS);
	skb->mark |= stray_bit;
	return TC_ACT_UNSPEC;
}

static __always_inline int refuse(__u32 counter)
{
	count(counter);
	return TC_ACT_SHOT;
}

/* The member that sent the outer packet, as its owner id stands in the mark; 0 if it is none. */
static __always_inline __u32 find_sender(struct __sk_buff *skb, bool *vni_matches)
{
	struct bpf_tunnel_key key = {};
	struct bpf_address source;
	__u32 *owner;

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) == 0)
		map_ipv4(&source, bpf_htonl(key.remote_ipv4));
	else if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6) == 0)
		__builtin_memcpy(&source, key.remote_ipv6, sizeof(source));
	else
		return 0;
	*vni_matches = key.tunnel_id == tunnel_vni;
	owner = bpf_map_lookup_elem(&senders, &source);
	return owner ? *owner : 0;
}

SEC("tc")
int classify_tunnel(struct __sk_buff *skb)
{
	struct packet p = {};
	struct tcphdr tcp;
	bool vni_matches = false;
	__u32 sender = find_sender(skb, &vni_matches);

	if (!sender)
		return refuse(CLASSIFIER_TUNNEL_BAD_SENDER);
	if (!vni_matches)
		return refuse(CLASSIFIER_TUNNEL_BAD_VNI);
	if (!parse(skb, &p))
		return refuse(CLASSIFIER_TUNNEL_MALFORMED);
	if (!is_vip(&p.destination))
		return refuse(CLASSIFIER_TUNNEL_NOT_VIP);
	clear_mark(skb, owner_mask | stray_bit | tunnel_bit);
	if (p.protocol == (p.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		count(CLASSIFIER_TUNNEL_DELIVERED);
		return TC_ACT_UNSPEC;
	}
	if (p.protocol != IPPROTO_TCP)
		return refuse(CLASSIFIER_TUNNEL_BAD_PROTOCOL);
	if (p.later_fragment || !load(skb, p.transport, &tcp, sizeof(tcp)))
		return refuse(CLASSIFIER_TUNNEL_MALFORMED);
	if (is_syn(&tcp))
		return refuse(CLASSIFIER_TUNNEL_SYN);
	if (session_is_here(skb, &p, &tcp)) {
		count(CLASSIFIER_TUNNEL_DELIVERED);
		return TC_ACT_UNSPEC;
	}
	count(CLASSIFIER_TUNNEL_NO_SOCKET);
	skb->mark |= tunnel_bit | (sender & owner_mask);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
