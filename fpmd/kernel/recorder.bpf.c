// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records which path the flows to routed VIPs take, and marks their packets with it. Runs in the
 * kernel at ingress and egress of all devices, and over all records when fpmd sweeps; invariant: a
 * record enters `flows` only after its handshake was seen, or fpmd's pin vouched for it.
 */
#include "fpmd/kernel/packet.bpf.h"
#include "fpmd/kernel/recorder_shared.h"

#define COUNTERS RECORDER_COUNTERS
#include "fpmd/kernel/counters.bpf.h"

#define AF_INET 2
#define AF_INET6 10

const volatile __u32 owner_mask;
const volatile __u32 stray_bit;
const volatile __u32 tunnel_bit;
const volatile __u32 path_mask;
const volatile __u32 path_shift;
const volatile bool fast_path;
const volatile __u32 table_base; /* + path id: the path's routing table */
const volatile __u32 lifetime;	 /* as all times in units of 2^RECORDER_TIME_SHIFT ns */
const volatile __u32 lifetime_closing;
const volatile __u32 lifetime_probation;
const volatile __u32 refresh; /* an open flow's last packet is noted if it is that much later */

__u64 lost;

/* VIP -> its number in keys. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPS_MAX);
	__type(key, struct bpf_address);
	__type(value, __u32);
} routed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* fpmd sets it */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow_record);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBATION_MAX);
	__type(key, struct flow_key);
	__type(value, struct flow_record);
} probation SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PATHS_MAX);
	__type(key, __u32);
	__type(value, struct path_state);
} paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NEIGHBOURS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct neighbour_key);
	__type(value, __u32); /* path id */
} neighbours SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RECORDER_RING_BYTES);
} events SEC(".maps");

static __always_inline __u32 now(void)
{
	return bpf_ktime_get_coarse_ns() >> RECORDER_TIME_SHIFT;
}

static __always_inline bool tell(const struct flow_key *key, __u32 path, __u32 type)
{
	struct recorder_event event = {
		.flow = *key,
		.path = PATH_ID(path),
		.type = type,
	};
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > RECORDER_RING_BYTES / 4)
		flags = BPF_RB_FORCE_WAKEUP;
	return !bpf_ringbuf_output(&events, &event, sizeof(event), flags);
}

static __always_inline void tell_or_lose(const struct flow_key *key, __u32 path, __u32 type)
{
	if (!tell(key, path, type))
		__sync_fetch_and_add(&lost, 1);
}

/* PATH_USED and so on; 0: there is no such path any more. */
static __always_inline __u32 path_flags(__u32 path)
{
	__u32 id = PATH_ID(path);
	const struct path_state *state = bpf_map_lookup_elem(&paths, &id);

	if (!path || !state || !(state->flags & PATH_USED) ||
	    path != PATH_WORD(id, state->generation))
		return 0;
	return state->flags;
}

static __always_inline bool is_void(const struct flow_record *record, __u32 time)
{
	const struct record_lifetimes lifetimes = {lifetime + refresh, lifetime_closing,
						   lifetime_probation};

	return record_is_over(record, time, &lifetimes);
}

static __always_inline struct flow_record *find(const struct flow_key *key)
{
	struct flow_record *record = bpf_map_lookup_elem(&flows, key);

	return record ? record : bpf_map_lookup_elem(&probation, key);
}

static __always_inline void remove(const struct flow_key *key, const struct flow_record *record)
{
	if (record->flags & RECORD_PROBATION)
		bpf_map_delete_elem(&probation, key);
	else
		bpf_map_delete_elem(&flows, key);
	count(RECORDER_REMOVED);
}

/* Ends the probation of *record*, a copy. False: there is no room. */
static __always_inline bool promote(const struct flow_key *key, struct flow_record *record)
{
	struct flow_record next = *record;
	bool shared = path_flags(record->path) & PATH_SHARED;

	next.flags = (next.flags & ~(RECORD_PROBATION | RECORD_REFUSED)) | RECORD_PROVEN;
	if (shared && !(next.flags & RECORD_ADOPTED))
		next.flags |= RECORD_TOLD;
	if (bpf_map_update_elem(&flows, key, &next, BPF_NOEXIST)) {
		if (!(record->flags & RECORD_REFUSED))
			count(RECORDER_FULL);
		record->flags |= RECORD_PROVEN | RECORD_REFUSED;
		return false;
	}
	bpf_map_delete_elem(&probation, key);
	count(RECORDER_RECORDED);
	if ((next.flags & RECORD_TOLD) && !(record->flags & RECORD_TOLD))
		tell_or_lose(key, next.path, RECORDER_EVENT_BEGAN);
	*record = next;
	return true;
}

/* The record of an earlier session of the same addresses and ports goes on for a new one. */
static __always_inline void begin_again(const struct flow_key *key, struct flow_record *record)
{
	if (record->flags & RECORD_TOLD)
		tell_or_lose(key, record->path, RECORDER_EVENT_ENDED);
	record->flags &= ~(RECORD_TOLD | RECORD_ADOPTED | RECORD_DUE);
	if (path_flags(record->path) & PATH_SHARED) {
		record->flags |= RECORD_TOLD;
		tell_or_lose(key, record->path, RECORDER_EVENT_BEGAN);
	}
}

/* Does the path's table have a way of its own? A path with one member has at least its backup. */
static __always_inline bool leads(__u32 flags)
{
	return (flags & PATH_UP) || (flags && !(flags & PATH_SHARED));
}

static __always_inline bool has_data(const struct packet *p, const struct tcphdr *tcp)
{
	__u32 length = p->ipv6 ? bpf_ntohs(p->ip.v6.payload_len) + sizeof(p->ip.v6)
			       : bpf_ntohs(p->ip.v4.tot_len);

	return length > p->transport + tcp->doff * 4;
}

/* What a packet other than a SYN says of its flow. *record* is a copy. */
static __always_inline void proceed(const struct flow_key *key, const struct packet *p,
				    const struct tcphdr *tcp, struct flow_record *record)
{
	if (record->handshake == HANDSHAKE_ANSWERED && tcp->ack && !tcp->rst &&
	    bpf_ntohl(tcp->ack_seq) == record->sequence + 1) {
		record->handshake = HANDSHAKE_UNSEEN;
		if (record->flags & RECORD_PROBATION)
			record->flags |= RECORD_PROVEN;
		else
			begin_again(key, record);
	}
	if (tcp->fin || tcp->rst) {
		if (!(record->flags & RECORD_CLOSING))
			count(RECORDER_CLOSING);
		record->flags |= RECORD_CLOSING;
	} else if ((record->flags & RECORD_CLOSING) && has_data(p, tcp)) {
		record->flags &= ~RECORD_CLOSING;
	}
	if (record->flags & RECORD_PROBATION) {
		if (record->flags & RECORD_PROVEN)
			promote(key, record);
		else if (record->packets < 2 && !tcp->rst && ++record->packets == 2)
			record->flags |= RECORD_ADOPTED | RECORD_DUE;
	}
	if ((record->flags & RECORD_DUE) && tell(key, record->path, RECORDER_EVENT_ADOPTED)) {
		record->flags = (record->flags & ~RECORD_DUE) | RECORD_TOLD;
		count(RECORDER_ADOPTED);
	}
}

/*
 * A SYN that does not follow the record, a copy, may begin a new session or be forged: it waits in
 * `probation` beside the record. Its handshake proves it, and it takes the record. If data comes
 * before that, the owner is asked for anew: the SYN-ACK may have gone another way. True: the record
 * is another one.
 */
static __always_inline bool succeed(const struct flow_key *key, const struct packet *p,
				    const struct tcphdr *tcp, struct flow_record *record)
{
	const struct flow_record *next = bpf_map_lookup_elem(&probation, key);
	bool closing = record->flags & RECORD_CLOSING;

	if (!next || tcp->rst)
		return false;
	if (next->handshake == HANDSHAKE_ANSWERED && tcp->ack &&
	    bpf_ntohl(tcp->ack_seq) == next->sequence + 1) {
		record->path = next->path;
		record->handshake = HANDSHAKE_UNSEEN;
		record->flags &= ~RECORD_CLOSING;
		begin_again(key, record);
	} else if (closing && has_data(p, tcp)) {
		if (record->flags & RECORD_TOLD)
			tell_or_lose(key, record->path, RECORDER_EVENT_ENDED);
		record->flags &= ~(RECORD_CLOSING | RECORD_TOLD);
		record->flags |= RECORD_ADOPTED | RECORD_DUE;
	} else {
		return false;
	}
	bpf_map_delete_elem(&probation, key);
	return true;
}

static __always_inline void set_key(struct flow_key *key, const struct packet *p,
				    const struct tcphdr *tcp, __u32 vip)
{
	if (p->ipv6)
		__builtin_memcpy(&key->client, &p->ip.v6.saddr, sizeof(key->client));
	else
		map_ipv4(&key->client, p->ip.v4.saddr);
	key->client_port = tcp->source;
	key->vip_port = tcp->dest;
	key->vip = vip;
}

static __always_inline void mark(struct __sk_buff *skb, __u32 path, __u32 flags, bool look_for_pin)
{
	__u32 bits = 0;

	if (leads(flags))
		bits = (PATH_ID(path) << path_shift) & path_mask;
	if (look_for_pin)
		bits |= stray_bit;
	if (bits)
		skb->mark |= bits;
}

/* With an Ethernet header before the IP header? */
static __always_inline bool is_ethernet(struct __sk_buff *skb, __u32 ip_length)
{
	__be16 protocol;

	return skb->len >= ETH_HLEN + ip_length &&
	       !bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol,
				   sizeof(protocol)) &&
	       protocol == skb->protocol;
}

static __always_inline bool age(struct __sk_buff *skb, const struct packet *p)
{
	__u8 left;
	__be16 old, new;

	if (p->ipv6) {
		left = p->ip.v6.hop_limit - 1;
		return !bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit),
					    &left, sizeof(left), BPF_F_RECOMPUTE_CSUM);
	}
	left = p->ip.v4.ttl - 1;
	old = bpf_htons(p->ip.v4.ttl << 8 | p->ip.v4.protocol);
	new = bpf_htons(left << 8 | p->ip.v4.protocol);
	return !bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), old, new,
				    sizeof(new)) &&
	       !bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, ttl), &left,
				    sizeof(left), 0);
}

/*
 * Forwards a packet at once, by its path's table, as the kernel would further on. What this cannot
 * do (no route or neighbour left there, too large, its time to live over, options) goes the usual
 * way. TC_ACT_UNSPEC: it does.
 */
static __always_inline int forward(struct __sk_buff *skb, const struct packet *p,
				   const struct tcphdr *tcp, __u32 path)
{
	struct bpf_fib_lookup route = {
		.family = p->ipv6 ? AF_INET6 : AF_INET,
		.l4_protocol = IPPROTO_TCP,
		.ifindex = skb->ifindex,
	};
	__u32 length = p->ipv6 ? bpf_ntohs(p->ip.v6.payload_len) + sizeof(p->ip.v6)
			       : bpf_ntohs(p->ip.v4.tot_len);

	if (!is_ethernet(skb, length) || (p->ipv6 ? p->ip.v6.hop_limit : p->ip.v4.ttl) <= 1 ||
	    p->transport != p->ip_length)
		return TC_ACT_UNSPEC;
	/* The largest of the packets that it is cut into. */
	route.tot_len = skb->gso_size ? skb->gso_size + p->transport + tcp->doff * 4 : length;
	if (p->ipv6) {
		__builtin_memcpy(route.ipv6_src, &p->ip.v6.saddr, sizeof(route.ipv6_src));
		__builtin_memcpy(route.ipv6_dst, &p->ip.v6.daddr, sizeof(route.ipv6_dst));
	} else {
		route.ipv4_src = p->ip.v4.saddr;
		route.ipv4_dst = p->ip.v4.daddr;
	}
	route.tbid = table_base + PATH_ID(path);
	if (bpf_fib_lookup(skb, &route, sizeof(route), BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_TBID))
		return TC_ACT_UNSPEC;
	if (!age(skb, p) ||
	    bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_dest), route.dmac,
				sizeof(route.dmac), 0) ||
	    bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_source), route.smac,
				sizeof(route.smac), 0))
		return TC_ACT_SHOT;
	count(RECORDER_FAST);
	return bpf_redirect(route.ifindex, 0);
}

static __always_inline int follow(struct __sk_buff *skb, const struct packet *p, __u32 vip)
{
	struct flow_key key = {};
	struct flow_record *found, record;
	struct tcphdr tcp;
	__u32 time, flags;
	bool another = false;

	clear_mark(skb, owner_mask | stray_bit | tunnel_bit | path_mask);
	if (p->protocol != IPPROTO_TCP || p->later_fragment ||
	    !load(skb, p->transport, &tcp, sizeof(tcp)))
		return TC_ACT_UNSPEC;
	set_key(&key, p, &tcp, vip);
	found = find(&key);
	if (!found) {
		mark(skb, 0, 0, !is_syn(&tcp));
		return TC_ACT_UNSPEC;
	}
	record = *found;
	time = now();
	if (!is_syn(&tcp)) {
		if (!(record.flags & RECORD_PROBATION) &&
		    ((record.flags & RECORD_CLOSING) || !leads(path_flags(record.path))))
			another = succeed(&key, p, &tcp, &record);
		proceed(&key, p, &tcp, &record);
	} else if ((record.flags & (RECORD_CLOSING | RECORD_PROBATION)) == RECORD_CLOSING &&
		   !is_void(&record, time)) {
		return TC_ACT_UNSPEC;
	} else if ((record.flags & RECORD_CLOSING) || is_void(&record, time)) {
		if (record.flags & RECORD_TOLD)
			tell_or_lose(&key, record.path, RECORDER_EVENT_ENDED);
		remove(&key, &record);
		return TC_ACT_UNSPEC;
	} else if (record.handshake == HANDSHAKE_UNSEEN) {
		record.handshake = HANDSHAKE_SYN;
	}
	if (another) {
		record.seen = time;
		bpf_map_update_elem(&flows, &key, &record, BPF_EXIST);
	} else if (!((record.flags ^ found->flags) & RECORD_PROBATION)) {
		/* Each write is a cache line that goes back to memory. */
		if ((__s32)(time - found->seen) >
		    (record.flags & (RECORD_CLOSING | RECORD_PROBATION) ? 0 : (__s32)refresh))
			found->seen = time;
		if (found->flags != record.flags)
			found->flags = record.flags;
		if (found->handshake != record.handshake)
			found->handshake = record.handshake;
		if (found->packets != record.packets)
			found->packets = record.packets;
	}
	flags = path_flags(record.path);
	mark(skb, record.path, flags,
	     !is_syn(&tcp) && ((flags & (PATH_SHARED | PATH_UP)) != PATH_UP ||
			       (record.flags & RECORD_ADOPTED)));
	/* A pin counts behind a path that is up, unless the flow is another path's. */
	if (fast_path && (flags & PATH_UP) && !(record.flags & (RECORD_ADOPTED | RECORD_PROBATION)))
		return forward(skb, p, &tcp, record.path);
	return TC_ACT_UNSPEC;
}

static __always_inline void answer(struct flow_record *record, const struct tcphdr *tcp)
{
	if (!record || record->handshake == HANDSHAKE_UNSEEN)
		return;
	record->sequence = bpf_ntohl(tcp->seq);
	record->handshake = HANDSHAKE_ANSWERED;
}

/* *skb* is a SYN-ACK. */
static __always_inline void note_answer(struct __sk_buff *skb, const struct packet *p,
					const struct tcphdr *tcp)
{
	struct neighbour_key uplink = {.device = skb->ifindex};
	struct flow_key key = {};
	struct bpf_address source;
	__u32 *vip;

	if (p->ipv6)
		__builtin_memcpy(&source, &p->ip.v6.saddr, sizeof(source));
	else
		map_ipv4(&source, p->ip.v4.saddr);
	vip = bpf_map_lookup_elem(&routed, &source);
	/* Clients may not answer themselves. */
	if (!vip || !bpf_map_lookup_elem(&neighbours, &uplink))
		return;
	key.client = p->destination;
	key.client_port = tcp->dest;
	key.vip_port = tcp->source;
	key.vip = *vip;
	answer(bpf_map_lookup_elem(&flows, &key), tcp);
	answer(bpf_map_lookup_elem(&probation, &key), tcp);
}

SEC("tc")
int record_ingress(struct __sk_buff *skb)
{
	struct packet p = {};
	struct tcphdr tcp;
	__u32 *vip;

	if (has_vlan(skb) || !parse(skb, &p))
		return TC_ACT_UNSPEC;
	vip = bpf_map_lookup_elem(&routed, &p.destination);
	if (vip)
		return follow(skb, &p, *vip);
	if (p.protocol == IPPROTO_TCP && !p.later_fragment &&
	    load(skb, p.transport, &tcp, sizeof(tcp)) && tcp.syn && tcp.ack)
		note_answer(skb, &p, &tcp);
	return TC_ACT_UNSPEC;
}

/* The path that a packet takes that leaves; 0: none of ours. */
static __always_inline __u32 path_taken(struct __sk_buff *skb, const struct packet *p)
{
	struct neighbour_key key = {.device = skb->ifindex, .family = p->ipv6 ? AF_INET6 : AF_INET};
	const struct path_state *state;
	__u32 *id;

	/* Without a link layer it is the IP header that is read, which is nobody's address. */
	bpf_skb_load_bytes(skb, 0, key.address, sizeof(key.address));
	id = bpf_map_lookup_elem(&neighbours, &key);
	if (!id) {
		__builtin_memset(key.address, 0, sizeof(key.address));
		id = bpf_map_lookup_elem(&neighbours, &key);
	}
	state = id ? bpf_map_lookup_elem(&paths, id) : NULL;
	if (!state || (state->flags & (PATH_USED | PATH_OFFERED)) != (PATH_USED | PATH_OFFERED))
		return 0;
	return PATH_WORD(*id, state->generation);
}

/* A flow with a record leaves by another path, or by its first. */
static __always_inline void move(const struct flow_key *key, const struct flow_record *old,
				 const struct tcphdr *tcp, __u32 path)
{
	struct flow_record record = *old;

	record.path = path;
	if (old->path && !is_syn(tcp)) {
		record.flags |= RECORD_ADOPTED | RECORD_DUE;
		count(RECORDER_MOVED);
	} else if (!(record.flags & (RECORD_PROBATION | RECORD_TOLD)) &&
		   (path_flags(path) & PATH_SHARED)) {
		record.flags |= RECORD_TOLD;
		tell_or_lose(key, path, RECORDER_EVENT_BEGAN);
	}
	/* Not in place: the element may be another flow's by now. */
	if (record.flags & RECORD_PROBATION)
		bpf_map_update_elem(&probation, key, &record, BPF_EXIST);
	else
		bpf_map_update_elem(&flows, key, &record, BPF_EXIST);
}

static __always_inline void learn(struct __sk_buff *skb, const struct packet *p,
				  const struct tcphdr *tcp, const struct flow_key *key)
{
	__u32 path = path_taken(skb, p);
	struct flow_record *found = find(key);
	struct flow_record record = {};

	if (found && is_syn(tcp) && !(found->flags & RECORD_PROBATION)) {
		/* What succeed() waits for; once more is no news. */
		found = bpf_map_lookup_elem(&probation, key);
		if (found && found->path == path)
			return;
	} else if (found) {
		if (path && found->path != path)
			move(key, found, tcp, path);
		return;
	}
	if (tcp->rst)
		return;
	record.path = path;
	record.seen = now();
	record.handshake = is_syn(tcp) ? HANDSHAKE_SYN : HANDSHAKE_UNSEEN;
	record.packets = is_syn(tcp) ? 0 : 1;
	record.flags = RECORD_PROBATION;
	if (!bpf_map_update_elem(&probation, key, &record, BPF_ANY))
		count(RECORDER_NOTICED);
}

/* A pin of fpmd marked the packet. */
static __always_inline void vouch(const struct flow_key *key)
{
	struct flow_record *found = bpf_map_lookup_elem(&probation, key);
	struct flow_record record;

	/* The flow may have a record and a SYN that waits beside it. */
	if (!found || bpf_map_lookup_elem(&flows, key))
		return;
	record = *found;
	record.flags |= RECORD_TOLD;
	if (!promote(key, &record))
		found->flags = record.flags;
}

SEC("tc")
int record_egress(struct __sk_buff *skb)
{
	bool pinned = (skb->mark & owner_mask) && (skb->mark & stray_bit);
	struct packet p = {};
	struct flow_key key = {};
	struct tcphdr tcp;
	__u32 *vip;

	if (!skb->ingress_ifindex || ((skb->mark & path_mask) && !pinned) || has_vlan(skb) ||
	    !parse(skb, &p))
		return TC_ACT_UNSPEC;
	if (p.protocol != IPPROTO_TCP || p.later_fragment)
		return TC_ACT_UNSPEC;
	vip = bpf_map_lookup_elem(&routed, &p.destination);
	if (!vip || !load(skb, p.transport, &tcp, sizeof(tcp)))
		return TC_ACT_UNSPEC;
	set_key(&key, &p, &tcp, *vip);
	if (pinned)
		vouch(&key);
	else
		learn(skb, &p, &tcp, &key);
	return TC_ACT_UNSPEC;
}

/* What an iterator over a map is given, found in the running kernel through BTF. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};
#pragma clang attribute pop

SEC("iter/bpf_map_elem")
int sweep(struct bpf_iter__bpf_map_elem *context)
{
	struct seq_file *out = context->meta->seq;
	const struct flow_key *key = context->key;
	const struct flow_record *found = context->value;
	struct flow_record record;
	struct flow_key flow;
	__u32 word = SWEPT_REMOVED;

	if (!key || !found)
		return 0;
	flow = *key;
	record = *found;
	/* Iterators have no coarse clock. One whose end cannot be told stays until the next
	 * sweep. */
	if (is_void(&record, bpf_ktime_get_ns() >> RECORDER_TIME_SHIFT) &&
	    (!(record.flags & RECORD_TOLD) || tell(&flow, record.path, RECORDER_EVENT_ENDED)))
		remove(&flow, &record);
	else
		word = (path_flags(record.path) ? PATH_ID(record.path) : 0) |
		       (record.flags & RECORD_PROBATION ? SWEPT_PROBATION : 0);
	bpf_seq_write(out, &word, sizeof(word));
	return 0;
}

/* Lists the flows that fpmd was told of, or would have been. */
SEC("iter/bpf_map_elem")
int list(struct bpf_iter__bpf_map_elem *context)
{
	struct seq_file *out = context->meta->seq;
	const struct flow_key *key = context->key;
	const struct flow_record *found = context->value;
	struct recorder_event event = {};
	__u32 flags;

	if (!key || !found)
		return 0;
	flags = path_flags(found->path);
	if (!(found->flags & (RECORD_TOLD | RECORD_ADOPTED)) &&
	    ((found->flags & RECORD_PROBATION) || !(flags & PATH_SHARED)))
		return 0;
	event.flow = *key;
	event.path = flags ? PATH_ID(found->path) : 0;
	bpf_seq_write(out, &event, sizeof(event));
	return 0;
}

char _license[] SEC("license") = "GPL";
