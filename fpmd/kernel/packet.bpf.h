/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the programs at tc read a packet, on devices with any link-layer header or none. For BPF
 * only, included first.
 */
#ifndef HOLDFAST_KERNEL_PACKET_BPF_H
#define HOLDFAST_KERNEL_PACKET_BPF_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fpmd/kernel/address.bpf.h"

#define VLAN_ID 0x0fff
#define FRAGMENT_OFFSET 0x1fff

#define EXTENSIONS_MAX 4
#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define FRAGMENT_OFFSET_IPV6 0xfff8
#define DESTINATION 60

#define HEADERS_MAX 256 /* link layer, IP with extensions, TCP without options */

union ip_header {
	struct iphdr v4;
	struct ipv6hdr v6;
};

struct packet {
	union ip_header ip;
	struct bpf_address destination;
	__u32 ip_length; /* of the fixed IP header */
	__u32 transport; /* where the transport header is, from the IP header on */
	__u8 protocol;
	bool ipv6;
	bool later_fragment; /* no transport header in it */
};

/* *offset* counts from the IP header. */
static __always_inline bool load(struct __sk_buff *skb, __u32 offset, void *to, __u32 size)
{
	if (!bpf_skb_load_bytes_relative(skb, offset, to, size, BPF_HDR_START_NET))
		return true;
	/* What the driver left in pages is out of that call's reach. */
	if (bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX))
		return false;
	return !bpf_skb_load_bytes_relative(skb, offset, to, size, BPF_HDR_START_NET);
}

static __always_inline bool parse_ipv4(struct __sk_buff *skb, struct packet *p)
{
	if (!load(skb, 0, &p->ip.v4, sizeof(p->ip.v4)))
		return false;
	if (p->ip.v4.version != 4 || p->ip.v4.ihl < 5)
		return false;
	map_ipv4(&p->destination, p->ip.v4.daddr);
	p->ipv6 = false;
	p->ip_length = sizeof(p->ip.v4);
	p->transport = p->ip.v4.ihl * 4;
	p->protocol = p->ip.v4.protocol;
	p->later_fragment = p->ip.v4.frag_off & bpf_htons(FRAGMENT_OFFSET);
	return true;
}

static __always_inline bool parse_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct {
		__u8 next;
		__u8 length;   /* not of a fragment's */
		__be16 offset; /* of a fragment's */
	} extension;

	if (!load(skb, 0, &p->ip.v6, sizeof(p->ip.v6)))
		return false;
	if (p->ip.v6.version != 6)
		return false;
	__builtin_memcpy(&p->destination, &p->ip.v6.daddr, sizeof(p->destination));
	p->ipv6 = true;
	p->ip_length = sizeof(p->ip.v6);
	p->transport = sizeof(p->ip.v6);
	p->protocol = p->ip.v6.nexthdr;
	p->later_fragment = false;
#pragma unroll
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		if (p->later_fragment || (p->protocol != HOP_BY_HOP && p->protocol != ROUTING &&
					  p->protocol != FRAGMENT && p->protocol != DESTINATION))
			break;
		if (!load(skb, p->transport, &extension, sizeof(extension)))
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

static __always_inline bool parse(struct __sk_buff *skb, struct packet *p)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, p);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, p);
	return false;
}

/* The VLAN device on top sees the packet, too. */
static __always_inline bool has_vlan(const struct __sk_buff *skb)
{
	return skb->vlan_present && (skb->vlan_tci & VLAN_ID);
}

static __always_inline void clear_mark(struct __sk_buff *skb, __u32 bits)
{
	if (skb->mark & bits)
		skb->mark &= ~bits;
}

static __always_inline bool is_syn(const struct tcphdr *tcp)
{
	return tcp->syn && !tcp->ack;
}

#endif
