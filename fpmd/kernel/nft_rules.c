/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of one family as libnftnl expressions: the order in which a server treats segments.
 * Builds messages into a batch, sends nothing. A failed allocation makes the batch fail.
 */
#include <net/if_arp.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/kernel/nft_private.h"

#define PRIORITY_PREROUTING -151 /* just before mangle: after conntrack, before NAT */
#define PRIORITY_FILTER 0

#define COUNTER_TUNNEL_SENDER "tunnel-not-a-member"
#define COUNTER_STRAY "strays"
#define COUNTER_FORWARD "tunnel-not-forwarded"
#define COUNTER_TRANSIT "transit-refused"
#define COUNTER_LEFT "left-their-path"

const char *const nft_counter_names[] = {
	COUNTER_STRAY, COUNTER_TUNNEL_SENDER, COUNTER_FORWARD, COUNTER_TRANSIT, COUNTER_LEFT,
};
const char *const nft_counter_help[] = {
	"Segments without session and pin here, held for the directory's answer",
	"Packets to the tunnel port dropped: the sender is not a member",
	"Packets dropped: forwarded from or into the tunnel without a detour",
	"Packets dropped: this host forwards nothing but detours",
	"Packets of recorded flows sent through the tunnel: their path is gone",
};
const size_t nft_counters_count = sizeof(nft_counter_names) / sizeof(*nft_counter_names);

int nft_counter_index(const char *name)
{
	for (size_t i = 0; i < nft_counters_count; i++)
		if (strcmp(name, nft_counter_names[i]) == 0)
			return (int)i;
	return -1;
}

/* One rule in the making. */
struct rule {
	struct nft *nft;
	const struct nft_family *family;
	struct nft_batch *batch;
	struct nftnl_rule *nftnl;
	const char *chain;
	bool queues;
};

static struct rule rule_begin(struct nft *nft, const struct nft_family *family,
			      struct nft_batch *batch, const char *chain)
{
	struct rule rule = {nft, family, batch, nftnl_rule_alloc(), chain, false};

	if (!rule.nftnl) {
		batch->no_memory = true;
		return rule;
	}
	nftnl_rule_set_u32(rule.nftnl, NFTNL_RULE_FAMILY, family->protocol);
	if (nftnl_rule_set_str(rule.nftnl, NFTNL_RULE_TABLE, NFT_TABLE) ||
	    nftnl_rule_set_str(rule.nftnl, NFTNL_RULE_CHAIN, chain))
		batch->no_memory = true;
	return rule;
}

static void rule_end(struct rule *rule)
{
	struct nlmsghdr *message;

	if (!rule->nftnl)
		return;
	message = nft_batch_put(rule->batch, NFT_MSG_NEWRULE, rule->family->protocol,
				NLM_F_CREATE | NLM_F_APPEND, "%s in chain %s",
				rule->queues ? "queue rule" : "rule", rule->chain);
	nftnl_rule_nlmsg_build_payload(message, rule->nftnl);
	nft_batch_end(rule->batch, message);
	nftnl_rule_free(rule->nftnl);
}

/* Appends an expression and returns it; NULL: no memory. */
static struct nftnl_expr *expression(struct rule *rule, const char *name)
{
	struct nftnl_expr *e = rule->nftnl ? nftnl_expr_alloc(name) : NULL;

	if (!e)
		rule->batch->no_memory = true;
	else
		nftnl_rule_add_expr(rule->nftnl, e);
	return e;
}

static void meta(struct rule *rule, uint32_t key, uint16_t which, uint32_t reg)
{
	struct nftnl_expr *e = expression(rule, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, which, reg);
}

static void payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t size, uint32_t reg)
{
	struct nftnl_expr *e = expression(rule, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void compare(struct rule *rule, uint32_t operation, const void *data, uint32_t size)
{
	struct nftnl_expr *e = expression(rule, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, operation);
	if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, size) < 0)
		rule->batch->no_memory = true;
}

static void bitwise(struct rule *rule, uint32_t mask, uint32_t xor)
{
	struct nftnl_expr *e = expression(rule, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
	if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask)) < 0 ||
	    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &xor, sizeof(xor)) < 0)
		rule->batch->no_memory = true;
}

static struct nftnl_expr *lookup(struct rule *rule, const char *set, uint32_t reg)
{
	struct nftnl_expr *e = expression(rule, "lookup");

	if (!e)
		return NULL;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, reg);
	if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set) < 0)
		rule->batch->no_memory = true;
	return e;
}

static void verdict(struct rule *rule, int code, const char *chain)
{
	struct nftnl_expr *e = expression(rule, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
	if (chain && nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
		rule->batch->no_memory = true;
}

static void counter(struct rule *rule, const char *name)
{
	struct nftnl_expr *e = expression(rule, "objref");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	if (nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name) < 0)
		rule->batch->no_memory = true;
}

static void match_protocol(struct rule *rule, uint32_t operation, uint8_t protocol)
{
	meta(rule, NFT_META_L4PROTO, NFTNL_EXPR_META_DREG, NFT_REG_1);
	compare(rule, operation, &protocol, sizeof(protocol));
}

static void match_device(struct rule *rule, uint32_t key)
{
	char name[IFNAMSIZ] = {0};

	memcpy(name, rule->nft->tunnel_device, sizeof(name));
	name[IFNAMSIZ - 1] = 0;
	meta(rule, key, NFTNL_EXPR_META_DREG, NFT_REG_1);
	compare(rule, NFT_CMP_EQ, name, sizeof(name));
}

static void match_mark(struct rule *rule, uint32_t bits)
{
	uint32_t zero = 0;

	meta(rule, NFT_META_MARK, NFTNL_EXPR_META_DREG, NFT_REG_1);
	bitwise(rule, bits, 0);
	compare(rule, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void set_mark(struct rule *rule, uint32_t keep, uint32_t set)
{
	meta(rule, NFT_META_MARK, NFTNL_EXPR_META_DREG, NFT_REG_1);
	bitwise(rule, keep, set);
	meta(rule, NFT_META_MARK, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

/* *flags*: 0 or NFT_LOOKUP_F_INV. */
static void match_address(struct rule *rule, uint32_t offset, enum nft_set_name set, uint32_t flags)
{
	struct nftnl_expr *e;

	payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, rule->family->address_size, NFT_REG_1);
	e = lookup(rule, nft_set_names[set], NFT_REG_1);
	if (e)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, flags);
}

/* Without a listener the kernel drops: neither form has its bypass flag. */
static void queue(struct rule *rule)
{
	struct nft *nft = rule->nft;
	/* All revisions begin like this; the kernel wants the size rounded up to eight. */
	struct xt_NFQ_info_v3 *info;
	struct nftnl_expr *e;

	rule->queues = true;
	if (nft->queue_kind == NFT_QUEUE_NATIVE) {
		e = expression(rule, "queue");
		if (!e)
			return;
		nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_NUM, nft->options.queue);
		nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_TOTAL, 1);
		return;
	}
	e = expression(rule, "target");
	info = calloc(1, 8);
	if (!e || !info) {
		rule->batch->no_memory = true;
		free(info);
		return;
	}
	info->queuenum = nft->options.queue;
	if (nft->queue_revision >= 1)
		info->queues_total = 1;
	nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, (uint32_t)nft->queue_revision);
	/* libnftnl takes the buffer over. */
	if (nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE") < 0 ||
	    nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, info, 8) < 0)
		rule->batch->no_memory = true;
}

static void queue_or_local(struct rule *rule)
{
	if (rule->nft->queue_kind == NFT_QUEUE_NONE)
		set_mark(rule, ~layout_our_bits(&rule->nft->options), 0);
	else
		queue(rule);
}

static void chain_put(const struct nft_family *family, struct nft_batch *batch, const char *name,
		      int hook, int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *message;

	if (!chain) {
		batch->no_memory = true;
		return;
	}
	if (nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, NFT_TABLE) ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name))
		batch->no_memory = true;
	if (hook >= 0) {
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, (uint32_t)hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		if (nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter"))
			batch->no_memory = true;
	}
	message = nft_batch_put(batch, NFT_MSG_NEWCHAIN, family->protocol, NLM_F_CREATE, "chain %s",
				name);
	nftnl_chain_nlmsg_build_payload(message, chain);
	nft_batch_end(batch, message);
	nftnl_chain_free(chain);
}

static void counter_put(const struct nft_family *family, struct nft_batch *batch, const char *name,
			uint16_t type)
{
	struct nftnl_obj *object = nftnl_obj_alloc();
	struct nlmsghdr *message;

	if (!object) {
		batch->no_memory = true;
		return;
	}
	nftnl_obj_set_str(object, NFTNL_OBJ_TABLE, NFT_TABLE);
	nftnl_obj_set_str(object, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(object, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	if (type == NFT_MSG_NEWOBJ)
		nftnl_obj_set_u64(object, NFTNL_OBJ_CTR_PKTS, 0);
	message = nft_batch_put(batch, type, family->protocol,
				type == NFT_MSG_NEWOBJ ? NLM_F_CREATE : 0, "counter %s", name);
	nftnl_obj_nlmsg_build_payload(message, object);
	nft_batch_end(batch, message);
	nftnl_obj_free(object);
}

static void prerouting_put(struct nft *nft, const struct nft_family *family,
			   struct nft_batch *batch)
{
	const uint16_t loopback = ARPHRD_LOOPBACK;
	const uint32_t none = 0;
	struct rule rule;

	rule = rule_begin(nft, family, batch, "prerouting");
	match_device(&rule, NFT_META_IIFNAME);
	verdict(&rule, NFT_GOTO, "tunnel");
	rule_end(&rule);

	/* Most packets are done with it here. */
	rule = rule_begin(nft, family, batch, "prerouting");
	meta(&rule, NFT_META_MARK, NFTNL_EXPR_META_DREG, NFT_REG_1);
	bitwise(&rule, nft->options.mark_stray_bit, 0);
	compare(&rule, NFT_CMP_EQ, &none, sizeof(none));
	verdict(&rule, NF_ACCEPT, NULL);
	rule_end(&rule);

	/* What this host sends to itself may carry any mark (SO_MARK). */
	rule = rule_begin(nft, family, batch, "prerouting");
	meta(&rule, NFT_META_IIFTYPE, NFTNL_EXPR_META_DREG, NFT_REG_1);
	compare(&rule, NFT_CMP_NEQ, &loopback, sizeof(loopback));
	/* Elsewhere the bit is somebody else's. */
	match_address(&rule, family->destination_offset, NFT_VIPS, 0);
	verdict(&rule, NFT_GOTO, "stray");
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, "prerouting");
	meta(&rule, NFT_META_IIFTYPE, NFTNL_EXPR_META_DREG, NFT_REG_1);
	compare(&rule, NFT_CMP_NEQ, &loopback, sizeof(loopback));
	match_address(&rule, family->destination_offset, NFT_ROUTED, 0);
	verdict(&rule, NFT_GOTO, "director");
	rule_end(&rule);
}

/* The classifier has dropped and counted already what must not come out of the tunnel. */
static void tunnel_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch)
{
	struct rule rule;

	rule = rule_begin(nft, family, batch, "tunnel");
	match_address(&rule, family->destination_offset, NFT_VIPS, NFT_LOOKUP_F_INV);
	verdict(&rule, NF_DROP, NULL);
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, "tunnel");
	match_protocol(&rule, NFT_CMP_NEQ, IPPROTO_TCP);
	match_protocol(&rule, NFT_CMP_NEQ, family->icmp);
	verdict(&rule, NF_DROP, NULL);
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, "tunnel");
	match_mark(&rule, nft->options.mark_tunnel_bit);
	queue_or_local(&rule);
	rule_end(&rule);

	/* Delivered here: an owner's id left in the mark would send it round again. */
	rule = rule_begin(nft, family, batch, "tunnel");
	set_mark(&rule, ~layout_our_bits(&nft->options), 0);
	rule_end(&rule);
}

/*
 * What was looked up goes through the mark, which gets its old value back before the next look-up:
 * nft 1.0.6 aborts when it lists a rule with a look-up of what a look-up gave.
 */
static void follow_pin_put(struct nft *nft, const struct nft_family *family,
			   struct nft_batch *batch, const char *chain)
{
	uint32_t words = family->address_size / 4, reg = NFT_REG32_00;
	uint32_t kept = reg + 2 * words + 2;
	struct nftnl_expr *e;
	struct rule rule;

	rule = rule_begin(nft, family, batch, chain);
	match_protocol(&rule, NFT_CMP_EQ, IPPROTO_TCP);
	payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, family->source_offset, family->address_size,
		reg);
	payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, reg + words);
	payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, family->destination_offset, family->address_size,
		reg + words + 1);
	payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, reg + 2 * words + 1);
	e = lookup(&rule, NFT_PINS, reg);
	if (e)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, reg);
	meta(&rule, NFT_META_MARK, NFTNL_EXPR_META_DREG, kept);
	meta(&rule, NFT_META_MARK, NFTNL_EXPR_META_SREG, reg);
	meta(&rule, NFT_META_MARK, NFTNL_EXPR_META_DREG, reg);
	meta(&rule, NFT_META_MARK, NFTNL_EXPR_META_SREG, kept);
	e = lookup(&rule, NFT_OWNERS, reg);
	if (e)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	rule_end(&rule);
}

static void stray_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch)
{
	struct rule rule;

	follow_pin_put(nft, family, batch, "stray");
	rule = rule_begin(nft, family, batch, "stray");
	counter(&rule, COUNTER_STRAY);
	queue_or_local(&rule);
	rule_end(&rule);
}

/* Without a pin it goes on as it would without the question. */
static void director_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch)
{
	struct rule rule;

	follow_pin_put(nft, family, batch, "director");
	rule = rule_begin(nft, family, batch, "director");
	set_mark(&rule, ~nft->options.mark_stray_bit, 0);
	rule_end(&rule);

	nft_owner_element_put(family, batch, false, KERNEL_PIN_DIRECT);
	rule = rule_begin(nft, family, batch, NFT_DIRECT_CHAIN "0");
	set_mark(&rule, ~layout_our_bits(&nft->options), 0);
	rule_end(&rule);
}

static void input_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch)
{
	uint16_t port = htons(nft->options.tunnel_port);
	struct rule rule;

	rule = rule_begin(nft, family, batch, "input");
	match_protocol(&rule, NFT_CMP_EQ, IPPROTO_UDP);
	payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG_1);
	compare(&rule, NFT_CMP_EQ, &port, sizeof(port));
	match_address(&rule, family->source_offset, NFT_MEMBERS, NFT_LOOKUP_F_INV);
	counter(&rule, COUNTER_TUNNEL_SENDER);
	verdict(&rule, NF_DROP, NULL);
	rule_end(&rule);
}

static void forward_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch)
{
	struct rule rule;

	rule = rule_begin(nft, family, batch, "forward");
	match_device(&rule, NFT_META_IIFNAME);
	counter(&rule, COUNTER_FORWARD);
	verdict(&rule, NF_DROP, NULL);
	rule_end(&rule);

	/* The name of a device is dear to compare: once is enough. */
	rule = rule_begin(nft, family, batch, "forward");
	match_device(&rule, NFT_META_OIFNAME);
	verdict(&rule, NFT_GOTO, "into_tunnel");
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, "into_tunnel");
	match_mark(&rule, nft->options.mark_path_mask);
	counter(&rule, COUNTER_LEFT);
	verdict(&rule, NF_ACCEPT, NULL);
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, "into_tunnel");
	match_mark(&rule, nft->options.mark_owner_mask);
	verdict(&rule, NF_ACCEPT, NULL);
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, "into_tunnel");
	counter(&rule, COUNTER_FORWARD);
	verdict(&rule, NF_DROP, NULL);
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, "forward");
	meta(&rule, NFT_META_IIF, NFTNL_EXPR_META_DREG, NFT_REG_1);
	lookup(&rule, nft_set_names[NFT_UPLINKS], NFT_REG_1);
	counter(&rule, COUNTER_TRANSIT);
	verdict(&rule, NF_DROP, NULL);
	rule_end(&rule);
}

void nft_rules_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch)
{
	for (size_t i = 0; i < nft_counters_count; i++)
		counter_put(family, batch, nft_counter_names[i], NFT_MSG_NEWOBJ);
	chain_put(family, batch, "tunnel", -1, 0);
	chain_put(family, batch, "stray", -1, 0);
	chain_put(family, batch, "director", -1, 0);
	chain_put(family, batch, "into_tunnel", -1, 0);
	chain_put(family, batch, NFT_DIRECT_CHAIN "0", -1, 0);
	chain_put(family, batch, "prerouting", NF_INET_PRE_ROUTING, PRIORITY_PREROUTING);
	chain_put(family, batch, "input", NF_INET_LOCAL_IN, PRIORITY_FILTER);
	chain_put(family, batch, "forward", NF_INET_FORWARD, PRIORITY_FILTER);
	tunnel_put(nft, family, batch);
	stray_put(nft, family, batch);
	director_put(nft, family, batch);
	input_put(nft, family, batch);
	forward_put(nft, family, batch);
	prerouting_put(nft, family, batch);
}

/* *keep*: bits of ours that stay in the mark. */
static void owner_chain_put(struct nft *nft, const struct nft_family *family,
			    struct nft_batch *batch, uint16_t pin, uint32_t keep)
{
	uint16_t id = pin & (uint16_t)~KERNEL_PIN_DIRECT;
	uint32_t zero = 0;
	char name[32], counted[32];
	struct rule rule;

	nft_chain_of_owner(counted, id);
	nft_chain_of_owner(name, pin);
	chain_put(family, batch, name, -1, 0);
	/* What has a path goes there first; if it does not, COUNTER_LEFT tells. */
	rule = rule_begin(nft, family, batch, name);
	if (keep) {
		meta(&rule, NFT_META_MARK, NFTNL_EXPR_META_DREG, NFT_REG_1);
		bitwise(&rule, keep, 0);
		compare(&rule, NFT_CMP_EQ, &zero, sizeof(zero));
	}
	counter(&rule, counted);
	rule_end(&rule);

	rule = rule_begin(nft, family, batch, name);
	/* The caller will remove the pins of an owner that it cannot know; a wrong one gets
	 * nothing. */
	if (id > layout_owner_max(&nft->options))
		verdict(&rule, NF_DROP, NULL);
	else
		set_mark(&rule, ~layout_our_bits(&nft->options) | keep,
			 layout_detour_mark(&nft->options, id));
	rule_end(&rule);
	nft_owner_element_put(family, batch, false, pin);
}

void nft_owner_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
		   uint16_t id)
{
	char name[32];

	nft_chain_of_owner(name, id);
	counter_put(family, batch, name, NFT_MSG_NEWOBJ);
	owner_chain_put(nft, family, batch, id, nft->options.mark_path_mask);
	owner_chain_put(nft, family, batch, id | KERNEL_PIN_DIRECT, 0);
}

static void owner_chain_drop_put(const struct nft_family *family, struct nft_batch *batch,
				 const char *name)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *message;

	if (!rule || !chain || nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, NFT_TABLE) ||
	    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, name) ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, NFT_TABLE) ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name)) {
		batch->no_memory = true;
		goto out;
	}
	message = nft_batch_put(batch, NFT_MSG_DELRULE, family->protocol, 0, "rules of %s", name);
	nftnl_rule_nlmsg_build_payload(message, rule);
	nft_batch_end(batch, message);
	message = nft_batch_put(batch, NFT_MSG_DELCHAIN, family->protocol, 0, "chain %s", name);
	nftnl_chain_nlmsg_build_payload(message, chain);
	nft_batch_end(batch, message);
out:
	if (rule)
		nftnl_rule_free(rule);
	if (chain)
		nftnl_chain_free(chain);
}

void nft_owner_drop_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
			uint16_t id)
{
	char name[32];

	nft_owner_element_put(family, batch, true, id | KERNEL_PIN_DIRECT);
	nft_owner_element_put(family, batch, true, id);
	nft_chain_of_owner(name, id | KERNEL_PIN_DIRECT);
	owner_chain_drop_put(family, batch, name);
	nft_chain_of_owner(name, id);
	owner_chain_drop_put(family, batch, name);
	counter_put(family, batch, name, NFT_MSG_DELOBJ);
}
