// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tells at ingress whether this host's kernel knows a segment's session, and marks it if not. Runs
 * in the kernel on every packet; invariant: only our own bits of the mark change, and only for
 * packets to a VIP.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fpmd/kernel/bpf_shared.h"
#include "fpmd/kernel/vips.bpf.h"

#define FRAGMENT_OFFSET 0x1fff
#define VLAN_ID 0x0fff

#define EXTENSIONS_MAX 4
#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define FRAGMENT_OFFSET_IPV6 0xfff8
#define DESTINATION 60

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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CLASSIFIER_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

union ip_header {
	struct iphdr v4;
	struct ipv6hdr v6;
};

struct packet {
	union ip_header ip;
	struct bpf_address destination;
	__u32 ip_length; /* of the fixed IP header */
	__u32 transport; /* offset of the transport header */
	__u8 protocol;
	bool ipv6;
	bool later_fragment; /* no transport header in it */
};

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		(*value)++;
}

static __always_inline bool parse_ipv4(struct __sk_buff *skb, __u32 offset, struct packet *p)
{
	if (bpf_skb_load_bytes(skb, offset, &p->ip.v4, sizeof(p->ip.v4)))
		return false;
	if (p->ip.v4.version != 4 || p->ip.v4.ihl < 5)
		return false;
	map_ipv4(&p->destination, p->ip.v4.daddr);
	p->ipv6 = false;
	p->ip_length = sizeof(p->ip.v4);
	p->transport = offset + p->ip.v4.ihl * 4;
	p->protocol = p->ip.v4.protocol;
	p->later_fragment = p->ip.v4.frag_off & bpf_htons(FRAGMENT_OFFSET);
	return true;
}

static __always_inline bool parse_ipv6(struct __sk_buff *skb, __u32 offset, struct packet *p)
{
	struct {
		__u8 next;
		__u8 length;   /* not of a fragment's */
		__be16 offset; /* of a fragment's */
	} extension;

	if (bpf_skb_load_bytes(skb, offset, &p->ip.v6, sizeof(p->ip.v6)))
		return false;
	if (p->ip.v6.version != 6)
		return false;
	__builtin_memcpy(&p->destination, &p->ip.v6.daddr, sizeof(p->destination));
	p->ipv6 = true;
	p->ip_length = sizeof(p->ip.v6);
	p->transport = offset + sizeof(p->ip.v6);
	p->protocol = p->ip.v6.nexthdr;
	p->later_fragment = false;
#pragma unroll
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		if (p->later_fragment || (p->protocol != HOP_BY_HOP && p->protocol != ROUTING &&
					  p->protocol != FRAGMENT && p->protocol != DESTINATION))
			break;
		if (bpf_skb_load_bytes(skb, p->transport, &extension, sizeof(extension)))
			return false;
		if (p->protocol == FRAGMENT) {
			p->later_fragment = extension.offset & bpf_htons(FRAGMENT_OFFSET_IPV6);
			extension.length = 0;
		}
		p->protocol = extension.next;
		p->transport += (extension.length + 1) * 8;
	}
	return true;
}

static __always_inline bool parse(struct __sk_buff *skb, __u32 offset, struct packet *p)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, offset, p);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, offset, p);
	return false;
}

static __always_inline bool is_vip(const struct bpf_address *address)
{
	return bpf_map_lookup_elem(&vips, address);
}

static __always_inline void clear_mark(struct __sk_buff *skb)
{
	__u32 ours = owner_mask | stray_bit | tunnel_bit;

	if (skb->mark & ours)
		skb->mark &= ~ours;
}

static __always_inline bool is_syn(const struct tcphdr *tcp)
{
	return tcp->syn && !tcp->ack;
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

	/* The VLAN device on top sees the packet again. */
	if (skb->vlan_present && (skb->vlan_tci & VLAN_ID))
		return TC_ACT_UNSPEC;
	if (!parse(skb, ETH_HLEN, &p) || !is_vip(&p.destination))
		return TC_ACT_UNSPEC;
	clear_mark(skb);
	if (p.protocol != IPPROTO_TCP || p.later_fragment)
		return TC_ACT_UNSPEC;
	if (bpf_skb_load_bytes(skb, p.transport, &tcp, sizeof(tcp)))
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
	if (!parse(skb, 0, &p))
		return refuse(CLASSIFIER_TUNNEL_MALFORMED);
	if (!is_vip(&p.destination))
		return refuse(CLASSIFIER_TUNNEL_NOT_VIP);
	clear_mark(skb);
	if (p.protocol == (p.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		count(CLASSIFIER_TUNNEL_DELIVERED);
		return TC_ACT_UNSPEC;
	}
	if (p.protocol != IPPROTO_TCP)
		return refuse(CLASSIFIER_TUNNEL_BAD_PROTOCOL);
	if (p.later_fragment || bpf_skb_load_bytes(skb, p.transport, &tcp, sizeof(tcp)))
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
