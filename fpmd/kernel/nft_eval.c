/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows one rule's expressions with partly known registers. Pure but for the sets, which it asks
 * for through a function; when in doubt a rule applies.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/rtnetlink.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#include "fpmd/flow.h"
#include "fpmd/kernel/nft_eval.h"

#define REGISTERS_SIZE 80
#define SET_CATCHALL 0x2 /* NFT_SET_ELEM_CATCHALL of newer headers */

struct machine {
	const struct nftnl_rule *rule;
	const struct in6_addr *vip;
	bool ipv4;
	nft_eval_set_fn *set;
	void *arg;
	struct nft_eval *out;

	uint8_t bytes[REGISTERS_SIZE];
	bool known[REGISTERS_SIZE];
	int port_at; /* where a destination port was loaded, or -1 */
	bool applies, certain;
};

/* Both ways to count registers: four of 16 bytes, twenty of 4. */
static size_t register_at(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (reg - NFT_REG_1) * 16;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return (reg - NFT_REG32_00) * 4;
	return REGISTERS_SIZE;
}

static void load_unknown(struct machine *m, size_t at, size_t size)
{
	for (size_t i = at; i < at + size && i < REGISTERS_SIZE; i++)
		m->known[i] = false;
	if (m->port_at >= (int)at && m->port_at < (int)(at + size))
		m->port_at = -1;
}

static void load_known(struct machine *m, size_t at, const void *bytes, size_t size)
{
	if (at + size > REGISTERS_SIZE)
		return;
	load_unknown(m, at, size);
	memcpy(m->bytes + at, bytes, size);
	memset(m->known + at, true, size);
}

static bool all_known(const struct machine *m, size_t at, size_t size)
{
	if (at + size > REGISTERS_SIZE)
		return false;
	for (size_t i = at; i < at + size; i++)
		if (!m->known[i])
			return false;
	return true;
}

static void eval_payload(struct machine *m, const struct nftnl_expr *e)
{
	size_t at = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_DREG));
	uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);
	uint32_t offset = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
	uint32_t size = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN);
	uint32_t destination = m->ipv4 ? 16 : 24, address_size = m->ipv4 ? 4 : 16;
	const uint8_t protocol = IPPROTO_TCP;

	if (size > 64)
		size = 64;
	/* A load fills whole words. */
	load_unknown(m, at, (size + 3) & ~3u);
	if (base == NFT_PAYLOAD_NETWORK_HEADER && offset >= destination &&
	    offset + size <= destination + address_size)
		load_known(m, at, m->vip->s6_addr + 16 - address_size + (offset - destination),
			   size);
	else if (base == NFT_PAYLOAD_NETWORK_HEADER && size == 1 && offset == (m->ipv4 ? 9 : 6))
		load_known(m, at, &protocol, 1);
	else if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 2 && size == 2)
		m->port_at = (int)at;
}

static void eval_meta(struct machine *m, const struct nftnl_expr *e)
{
	const uint8_t family = m->ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6, protocol = IPPROTO_TCP;
	size_t at;

	if (!nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG))
		return;
	at = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_META_DREG));
	load_unknown(m, at, 16);
	switch (nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY)) {
	case NFT_META_NFPROTO:
		load_known(m, at, &family, 1);
		break;
	case NFT_META_L4PROTO:
		load_known(m, at, &protocol, 1);
		break;
	}
}

static void eval_fib(struct machine *m, const struct nftnl_expr *e)
{
	size_t at = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_DREG));
	uint32_t flags = nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_FLAGS), local = RTN_LOCAL;

	load_unknown(m, at, 16);
	if (nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_RESULT) == NFT_FIB_RESULT_ADDRTYPE &&
	    flags == NFTA_FIB_F_DADDR)
		load_known(m, at, &local, sizeof(local));
}

static void eval_bitwise(struct machine *m, const struct nftnl_expr *e)
{
	size_t from = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_SREG));
	size_t to = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_DREG));
	uint32_t size = nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_LEN), mask_size = 0, xor_size = 0;
	const uint8_t *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &mask_size);
	const uint8_t * xor = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &xor_size);
	uint8_t result[64];

	if (size > sizeof(result) || !mask || !xor || mask_size < size || xor_size < size ||
	    !all_known(m, from, size)) {
		load_unknown(m, to, size);
		return;
	}
	for (uint32_t i = 0; i < size; i++)
		result[i] = (uint8_t)((m->bytes[from + i] & mask[i]) ^ xor[i]);
	load_known(m, to, result, size);
}

static bool holds(uint32_t operation, int difference)
{
	switch (operation) {
	case NFT_CMP_EQ:
		return difference == 0;
	case NFT_CMP_NEQ:
		return difference != 0;
	case NFT_CMP_LT:
		return difference < 0;
	case NFT_CMP_LTE:
		return difference <= 0;
	case NFT_CMP_GT:
		return difference > 0;
	default:
		return difference >= 0;
	}
}

static void condition(struct machine *m, bool known, bool value)
{
	if (!known)
		m->certain = false;
	else if (!value)
		m->applies = false;
}

static void eval_cmp(struct machine *m, const struct nftnl_expr *e)
{
	size_t at = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_SREG));
	uint32_t operation = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP), size = 0;
	const uint8_t *data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &size);
	bool known = data && all_known(m, at, size);

	if (data && size == 2 && m->port_at == (int)at && operation == NFT_CMP_EQ)
		m->out->port = (uint16_t)(data[0] << 8 | data[1]);
	condition(m, known, known && holds(operation, memcmp(m->bytes + at, data, size)));
}

static void eval_range(struct machine *m, const struct nftnl_expr *e)
{
	size_t at = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_RANGE_SREG));
	uint32_t from_size = 0, to_size = 0;
	const uint8_t *from = nftnl_expr_get(e, NFTNL_EXPR_RANGE_FROM_DATA, &from_size);
	const uint8_t *to = nftnl_expr_get(e, NFTNL_EXPR_RANGE_TO_DATA, &to_size);
	bool known = from && to && from_size == to_size && all_known(m, at, from_size), inside;

	inside = known && memcmp(m->bytes + at, from, from_size) >= 0 &&
		 memcmp(m->bytes + at, to, to_size) <= 0;
	if (nftnl_expr_get_u32(e, NFTNL_EXPR_RANGE_OP) == NFT_RANGE_NEQ)
		inside = !inside;
	condition(m, known, inside);
}

static void jump(struct machine *m, int code, const char *chain)
{
	if (!chain || (code != NFT_JUMP && code != NFT_GOTO))
		return;
	if (m->out->jumps_count == NFT_EVAL_JUMPS_MAX)
		return;
	snprintf(m->out->jumps[m->out->jumps_count++], NFT_EVAL_NAME, "%s", chain);
}

/* Can the key in the registers be this element? For a range, *end* is its last key. */
static bool element_may_match(const struct machine *m, size_t at, const uint8_t *key,
			      const uint8_t *end, size_t size)
{
	for (size_t i = 0, run; i < size; i += run) {
		run = 1;
		if (!m->known[at + i])
			continue;
		while (i + run < size && m->known[at + i + run])
			run++;
		if (memcmp(m->bytes + at + i, key + i, run) < 0 ||
		    memcmp(m->bytes + at + i, end + i, run) > 0)
			return false;
	}
	return true;
}

static void element_jump(struct machine *m, struct nftnl_set_elem *element)
{
	if (nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_CHAIN) &&
	    nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_VERDICT))
		jump(m, (int)nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_VERDICT),
		     nftnl_set_elem_get_str(element, NFTNL_SET_ELEM_CHAIN));
}

/* libnftnl reads through a null pointer when the attribute is not there. */
static uint32_t element_flags(struct nftnl_set_elem *element)
{
	if (!nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_FLAGS))
		return 0;
	return nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_FLAGS);
}

/* Intervals of one field are kept as their starts and ends: the last one not above the key decides.
 */
static struct nftnl_set_elem *interval_find(const struct machine *m, size_t at, size_t size,
					    struct nftnl_set *set)
{
	struct nftnl_set_elems_iter *each = nftnl_set_elems_iter_create(set);
	struct nftnl_set_elem *element, *best = NULL;
	const uint8_t *best_key = NULL;
	uint32_t length, flags, best_flags = 0;
	int difference;

	if (!each)
		return NULL;
	while ((element = nftnl_set_elems_iter_next(each))) {
		const uint8_t *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &length);

		if (!key || length < size || memcmp(key, m->bytes + at, size) > 0)
			continue;
		flags = element_flags(element);
		difference = best_key ? memcmp(key, best_key, size) : 1;
		if (difference < 0 || (difference == 0 && (flags & NFT_SET_ELEM_INTERVAL_END)))
			continue;
		best = element;
		best_key = key;
		best_flags = flags;
	}
	nftnl_set_elems_iter_destroy(each);
	return best_flags & NFT_SET_ELEM_INTERVAL_END ? NULL : best;
}

/* Returns whether some element may match; notes the chains that it leads to. */
static bool set_search(struct machine *m, size_t at, size_t size, struct nftnl_set *set)
{
	uint32_t set_flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS), length;
	struct nftnl_set_elems_iter *each;
	struct nftnl_set_elem *element;
	const uint8_t *key, *end;
	bool found = false;

	if ((set_flags & NFT_SET_INTERVAL) && !(set_flags & NFT_SET_CONCAT) &&
	    all_known(m, at, size)) {
		element = interval_find(m, at, size, set);
		if (element)
			element_jump(m, element);
		return element;
	}
	each = nftnl_set_elems_iter_create(set);
	if (!each)
		return true;
	while ((element = nftnl_set_elems_iter_next(each))) {
		key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &length);
		end = key;
		if (nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_KEY_END))
			end = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY_END, &length);
		if (key && end && length >= size && !(element_flags(element) & SET_CATCHALL) &&
		    !element_may_match(m, at, key, end, size))
			continue;
		found = true;
		element_jump(m, element);
	}
	nftnl_set_elems_iter_destroy(each);
	return found;
}

static void eval_lookup(struct machine *m, const struct nftnl_expr *e)
{
	size_t at = register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_SREG)), size;
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET);
	bool inverted = nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_FLAGS) &&
			(nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV);
	struct nftnl_set *set = name ? m->set(m->arg, m->rule, name) : NULL;
	bool found, known;

	if (nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG))
		load_unknown(m, register_at(nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_DREG)), 16);
	if (!set) {
		m->certain = false;
		return;
	}
	size = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN);
	if (at + size > REGISTERS_SIZE) {
		m->certain = false;
	} else {
		known = all_known(m, at, size);
		found = set_search(m, at, size, set);
		if (inverted)
			condition(m, known || !found, !found);
		else
			condition(m, known || !found, found);
	}
	nftnl_set_free(set);
}

/* The xt matches whose answer we know. */
static void eval_match(struct machine *m, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME);
	uint32_t size = 0, revision = nftnl_expr_get_u32(e, NFTNL_EXPR_MT_REV);
	const void *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &size);
	const struct xt_addrtype_info_v1 *type = info;
	const struct xt_tcp *tcp = info;
	bool match;

	if (!name || strcmp(name, "comment") == 0)
		return;
	if (strcmp(name, "udp") == 0 || strcmp(name, "sctp") == 0) {
		m->applies = false;
		return;
	}
	m->certain = false;
	if (strcmp(name, "tcp") == 0 && info && size >= sizeof(*tcp)) {
		if (tcp->dpts[0] == tcp->dpts[1] && !(tcp->invflags & XT_TCP_INV_DSTPT))
			m->out->port = tcp->dpts[0];
	} else if (strcmp(name, "addrtype") == 0 && revision == 1 && info &&
		   size >= sizeof(*type) && type->dest) {
		match = type->dest & XT_ADDRTYPE_LOCAL;
		if (type->flags & XT_ADDRTYPE_INVERT_DEST)
			match = !match;
		m->applies &= match;
	}
}

static void eval_target(struct machine *m, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME);

	if (name && (strcmp(name, "DNAT") == 0 || strcmp(name, "REDIRECT") == 0))
		m->out->translates = true;
}

static void eval_immediate(struct machine *m, const struct nftnl_expr *e)
{
	uint32_t reg = nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG);
	int code;

	if (reg != NFT_REG_VERDICT) {
		load_unknown(m, register_at(reg), 16);
		return;
	}
	code = (int)nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT);
	jump(m, code, nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN));
	if (!m->certain)
		return;
	if (code == NF_ACCEPT || code == NF_DROP)
		m->out->end = NFT_EVAL_STOP;
	else if (code == NFT_RETURN || code == NFT_GOTO)
		m->out->end = NFT_EVAL_RETURN;
}

static int eval_expression(struct nftnl_expr *e, void *arg)
{
	static const struct {
		const char *name;
		void (*eval)(struct machine *m, const struct nftnl_expr *e);
	} known[] = {
		{"payload", eval_payload},     {"meta", eval_meta},   {"fib", eval_fib},
		{"bitwise", eval_bitwise},     {"cmp", eval_cmp},     {"range", eval_range},
		{"lookup", eval_lookup},       {"match", eval_match}, {"target", eval_target},
		{"immediate", eval_immediate},
	};
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
	struct machine *m = arg;

	if (!m->applies)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(name, known[i].name) == 0) {
			known[i].eval(m, e);
			return 0;
		}
	}
	if (strcmp(name, "redir") == 0 ||
	    (strcmp(name, "nat") == 0 &&
	     nftnl_expr_get_u32(e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_DNAT)) {
		m->out->translates = true;
	} else if (strcmp(name, "counter") != 0 && strcmp(name, "log") != 0 &&
		   strcmp(name, "objref") != 0) {
		/* Something else: it may match or not, and may load any register. */
		m->certain = false;
		load_unknown(m, 0, REGISTERS_SIZE);
	}
	return 0;
}

void nft_eval_rule(const struct nftnl_rule *rule, const struct in6_addr *vip, nft_eval_set_fn *set,
		   void *arg, struct nft_eval *out)
{
	struct machine m = {
		.rule = rule,
		.vip = vip,
		.ipv4 = address_is_ipv4(vip),
		.set = set,
		.arg = arg,
		.out = out,
		.port_at = -1,
		.applies = true,
		.certain = true,
	};

	memset(out, 0, sizeof(*out));
	nftnl_expr_foreach((struct nftnl_rule *)rule, eval_expression, &m);
	out->certain = m.certain;
	if (m.applies)
		return;
	memset(out, 0, sizeof(*out));
}
