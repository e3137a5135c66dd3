/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds out whether this host translates connections to a VIP: walks the NAT chains of everybody in
 * the order in which the kernel would, and looks at translated conntrack entries. Runs on fpmd's
 * loop, on a socket of its own, and is bounded: very large rule sets are looked at in part.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#include "fpmd/kernel/list.h"
#include "fpmd/kernel/nft_eval.h"
#include "fpmd/kernel/nft_private.h"

#define RULES_MAX 50000
#define ROOTS_MAX 64
#define DEPTH_MAX 32
#define VISITS_MAX 2000	   /* of chains, in one walk */
#define ELEMENTS_MAX 65536 /* of one set; larger ones count as unknown */
#define CONNECTIONS_MAX 65536

struct root {
	uint32_t family;
	int32_t priority;
	char table[NFT_EVAL_NAME], chain[NFT_EVAL_NAME];
};

struct walk {
	struct nft_link link;
	const struct in6_addr *vip;
	uint32_t family;
	struct root roots[ROOTS_MAX];
	size_t roots_count;
	struct nftnl_rule **rules; /* in the kernel's order */
	size_t rules_count, rules_size;
	size_t visits;
	struct error *error;
};

enum walk_result { WALK_FOUND, WALK_STOP, WALK_ON };

static bool family_matters(const struct walk *walk, uint32_t family)
{
	return family == walk->family || family == NFPROTO_INET;
}

static int root_each(const struct nlmsghdr *message, void *arg)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct walk *walk = arg;
	struct root *root;
	const char *type;

	if (!chain)
		return -ENOMEM;
	if (nftnl_chain_nlmsg_parse(message, chain) < 0)
		goto out;
	type = nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE);
	if (!family_matters(walk, nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY)) || !type ||
	    strcmp(type, "nat") != 0 || !nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM) ||
	    nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) != NF_INET_PRE_ROUTING ||
	    walk->roots_count == ROOTS_MAX)
		goto out;
	root = &walk->roots[walk->roots_count++];
	root->family = nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY);
	root->priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
	snprintf(root->table, sizeof(root->table), "%s",
		 nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE));
	snprintf(root->chain, sizeof(root->chain), "%s",
		 nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
out:
	nftnl_chain_free(chain);
	return 0;
}

static bool rule_matters(const struct walk *walk, const struct nftnl_rule *rule)
{
	const char *table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);

	for (size_t i = 0; table && i < walk->roots_count; i++)
		if (walk->roots[i].family == nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY) &&
		    strcmp(walk->roots[i].table, table) == 0)
			return true;
	return false;
}

static int rule_each(const struct nlmsghdr *message, void *arg)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct walk *walk = arg;
	void *rules;

	if (!rule)
		return -ENOMEM;
	if (nftnl_rule_nlmsg_parse(message, rule) < 0 || !rule_matters(walk, rule) ||
	    walk->rules_count == RULES_MAX) {
		nftnl_rule_free(rule);
		return 0;
	}
	rules = list_room(walk->rules, walk->rules_count, &walk->rules_size,
			  sizeof(struct nftnl_rule *));
	if (!rules) {
		nftnl_rule_free(rule);
		return -ENOMEM;
	}
	walk->rules = rules;
	walk->rules[walk->rules_count++] = rule;
	return 0;
}

static void rules_free(struct walk *walk)
{
	for (size_t i = 0; i < walk->rules_count; i++)
		nftnl_rule_free(walk->rules[i]);
	walk->rules_count = 0;
}

static int compare_roots(const void *a, const void *b)
{
	const struct root *one = a, *other = b;

	return (one->priority > other->priority) - (one->priority < other->priority);
}

/* Reads all rules of the tables that have a NAT chain at prerouting. */
static int rules_read(struct walk *walk)
{
	_Alignas(8) char bytes[256];
	int result = -EINTR;

	for (int i = 0; i < TRIES_MAX && result == -EINTR; i++) {
		rules_free(walk);
		walk->roots_count = 0;
		result = nft_link_dump(&walk->link,
				       nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETCHAIN,
							     NFPROTO_UNSPEC, NLM_F_DUMP, 0),
				       root_each, walk);
		if (!result && walk->roots_count)
			result = nft_link_dump(&walk->link,
					       nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETRULE,
								     NFPROTO_UNSPEC, NLM_F_DUMP, 0),
					       rule_each, walk);
	}
	qsort(walk->roots, walk->roots_count, sizeof(*walk->roots), compare_roots);
	return result;
}

static int set_head(const struct nlmsghdr *message, void *arg)
{
	return nftnl_set_nlmsg_parse(message, arg) < 0 ? -EBADMSG : 0;
}

struct set_reading {
	struct nftnl_set *set;
	size_t bytes;
};

static int set_elements(const struct nlmsghdr *message, void *arg)
{
	struct set_reading *reading = arg;

	/* An element takes 24 to 64 bytes of a message, but for long comments. */
	reading->bytes += message->nlmsg_len;
	if (reading->bytes > (size_t)ELEMENTS_MAX * 64)
		return -E2BIG;
	return nftnl_set_elems_nlmsg_parse(message, reading->set) < 0 ? -EBADMSG : 0;
}

/* The set with its elements, NULL: unknown. */
static struct nftnl_set *set_read(void *arg, const struct nftnl_rule *rule, const char *name)
{
	struct walk *walk = arg;
	uint16_t family = (uint16_t)nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY);
	const char *table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);
	struct set_reading reading = {nftnl_set_alloc(), 0};
	_Alignas(8) char bytes[1024];
	struct nlmsghdr *request;
	int result;

	if (!reading.set || strlen(table) + strlen(name) > 800)
		goto fail;
	request = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSET, family, 0, 0);
	mnl_attr_put_strz(request, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(request, NFTA_SET_NAME, name);
	if (nft_link_dump(&walk->link, request, set_head, reading.set))
		goto fail;
	request = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSETELEM, family, NLM_F_DUMP, 0);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, name);
	result = nft_link_dump(&walk->link, request, set_elements, &reading);
	if (!result)
		return reading.set;
fail:
	if (reading.set)
		nftnl_set_free(reading.set);
	return NULL;
}

static const char *family_text(uint32_t family)
{
	return family == NFPROTO_INET ? "inet" : family == NFPROTO_IPV4 ? "ip" : "ip6";
}

static void found_tell(struct walk *walk, const struct root *root, const char *chain, uint16_t port)
{
	char text[ADDRESS_TEXT_SIZE], ports[32] = "";

	if (port)
		snprintf(ports, sizeof(ports), " port %u", port);
	error_set(walk->error,
		  "%s%s is translated by a NAT rule in table %s %.24s chain %.32s and not served: "
		  "sessions in containers cannot be kept; exclude the VIP there (ip daddr VIP "
		  "accept) or publish the port on another address",
		  address_text(walk->vip, text), ports, family_text(root->family), root->table,
		  chain);
}

static enum walk_result chain_walk(struct walk *walk, const struct root *root, const char *chain,
				   uint16_t port, int depth)
{
	struct nft_eval *eval;
	enum walk_result result = WALK_ON;

	if (depth == DEPTH_MAX || ++walk->visits > VISITS_MAX)
		return WALK_ON;
	eval = malloc(sizeof(*eval));
	for (size_t i = 0; eval && i < walk->rules_count && result == WALK_ON; i++) {
		const struct nftnl_rule *rule = walk->rules[i];

		if (nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY) != root->family ||
		    strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), root->table) != 0 ||
		    strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), chain) != 0)
			continue;
		nft_eval_rule(rule, walk->vip, set_read, walk, eval);
		if (eval->translates) {
			found_tell(walk, root, chain, eval->port ? eval->port : port);
			result = WALK_FOUND;
			break;
		}
		for (size_t j = 0; j < eval->jumps_count && result != WALK_FOUND; j++) {
			enum walk_result jumped =
				chain_walk(walk, root, eval->jumps[j],
					   eval->port ? eval->port : port, depth + 1);

			/* Several chains: the segment takes one of them, we do not know which. */
			if (jumped == WALK_FOUND ||
			    (jumped == WALK_STOP && eval->certain && eval->jumps_count == 1))
				result = jumped;
		}
		if (result == WALK_ON && eval->end == NFT_EVAL_STOP)
			result = WALK_STOP;
		if (eval->end == NFT_EVAL_RETURN)
			break;
	}
	free(eval);
	return result;
}

/* -- conntrack -- */

static int attribute_take(const struct nlattr *attribute, void *arg)
{
	const struct nlattr **table = arg;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < 32)
		table[type] = attribute;
	return MNL_CB_OK;
}

struct connections {
	struct walk *walk;
	size_t count;
};

static int connection_each(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *top[32] = {0}, *tuple[32] = {0}, *ip[32] = {0}, *proto[32] = {0};
	struct connections *connections = arg;
	struct walk *walk = connections->walk;
	bool ipv4 = address_is_ipv4(walk->vip);
	const struct nlattr *destination;
	char text[ADDRESS_TEXT_SIZE];
	size_t size = ipv4 ? 4 : 16;

	if (++connections->count > CONNECTIONS_MAX)
		return -ECANCELED;
	mnl_attr_parse(message, sizeof(struct nfgenmsg), attribute_take, top);
	if (!top[CTA_STATUS] || !top[CTA_TUPLE_ORIG] ||
	    mnl_attr_get_payload_len(top[CTA_STATUS]) < 4 ||
	    !(ntohl(mnl_attr_get_u32(top[CTA_STATUS])) & IPS_DST_NAT))
		return 0;
	mnl_attr_parse_nested(top[CTA_TUPLE_ORIG], attribute_take, tuple);
	if (!tuple[CTA_TUPLE_IP] || !tuple[CTA_TUPLE_PROTO])
		return 0;
	mnl_attr_parse_nested(tuple[CTA_TUPLE_IP], attribute_take, ip);
	mnl_attr_parse_nested(tuple[CTA_TUPLE_PROTO], attribute_take, proto);
	destination = ip[ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST];
	if (!destination || mnl_attr_get_payload_len(destination) != size ||
	    memcmp(mnl_attr_get_payload(destination), walk->vip->s6_addr + 16 - size, size) != 0 ||
	    !proto[CTA_PROTO_NUM] || mnl_attr_get_u8(proto[CTA_PROTO_NUM]) != IPPROTO_TCP ||
	    !proto[CTA_PROTO_DST_PORT])
		return 0;
	error_set(walk->error,
		  "%s port %u is translated on this host (conntrack has such connections) and not "
		  "served: sessions in containers cannot be kept; see `conntrack -L -g`",
		  address_text(walk->vip, text),
		  ntohs(mnl_attr_get_u16(proto[CTA_PROTO_DST_PORT])));
	connections->count = 0;
	return -ECANCELED;
}

/* 1: found. A kernel without conntrack translates nothing. Leaves the link unusable. */
static int connections_look(struct walk *walk)
{
	struct connections connections = {.walk = walk};
	_Alignas(8) char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct nfgenmsg *header;

	request->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = (uint8_t)walk->family;
	header->version = NFNETLINK_V0;
	/* Newer kernels give only the translated ones; older ones ignore that. */
	mnl_attr_put_u32(request, CTA_STATUS, htonl(IPS_DST_NAT));
	mnl_attr_put_u32(request, CTA_STATUS_MASK, htonl(IPS_DST_NAT));
	return nft_link_dump(&walk->link, request, connection_each, &connections) == -ECANCELED &&
	       connections.count == 0;
}

int nft_translated(struct nft *nft, const struct in6_addr *vip, struct error *error)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int result = 0, read;

	if (!walk)
		return 0;
	walk->vip = vip;
	walk->error = error;
	walk->family = address_is_ipv4(vip) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	if (nft_link_open(&walk->link, NULL)) {
		free(walk);
		return 0;
	}
	read = rules_read(walk);
	for (size_t i = 0; !read && !result && i < walk->roots_count; i++)
		result =
			chain_walk(walk, &walk->roots[i], walk->roots[i].chain, 0, 0) == WALK_FOUND;
	if (!result)
		result = connections_look(walk);
	rules_free(walk);
	free(walk->rules);
	nft_link_close(&walk->link);
	free(walk);
	return result;
}
