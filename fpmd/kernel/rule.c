// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the policy rules with our protocol number, and the place of the `local` rule. Runs on fpmd's
 * event loop. Invariant: at any moment some rule leads to local delivery.
 */
#include "fpmd/kernel/rule.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/attr.h>

#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/list.h"

struct rule {
	uint32_t preference;
	uint32_t target; /* goto */
	uint32_t table;
	uint32_t mark, mask;
	uint16_t port; /* UDP destination; 0: any packet */
	uint8_t action;
	uint8_t protocol;
	bool from_host; /* iif lo */
	bool invert;	/* matches what does not match */
	bool foreign;	/* has selectors that ours never have */
	bool found;	/* while comparing */
};

struct rule_list {
	struct rule *items;
	size_t count, size;
	bool no_memory;
};

void rules_init(struct rules *rules, struct rtnl *rtnl, int family,
		const struct kernel_options *options)
{
	rules->rtnl = rtnl;
	rules->family = family;
	rules->signs = options->mark_stray_bit | options->mark_tunnel_bit;
	rules->match_mask = layout_our_bits(options);
	rules->tunnel_port = options->tunnel_port;
}

static void list_add(struct rule_list *list, const struct rule *rule)
{
	struct rule *items = list_room(list->items, list->count, &list->size, sizeof(*items));

	if (!items) {
		list->no_memory = true;
		return;
	}
	list->items = items;
	list->items[list->count++] = *rule;
}

static uint32_t get_u32(struct nlattr **attributes, int type)
{
	return attributes[type] ? nla_get_u32(attributes[type]) : 0;
}

/* The one combination of protocol and port that ours have; returns whether there is no other. */
static bool take_port(struct nlattr **attributes, struct rule *rule)
{
	struct fib_rule_port_range range;

	if (!attributes[FRA_IP_PROTO] && !attributes[FRA_DPORT_RANGE])
		return true;
	if (!attributes[FRA_IP_PROTO] || nla_get_u8(attributes[FRA_IP_PROTO]) != IPPROTO_UDP ||
	    !attributes[FRA_DPORT_RANGE] ||
	    nla_memcpy(&range, attributes[FRA_DPORT_RANGE], sizeof(range)) != sizeof(range) ||
	    range.start != range.end)
		return false;
	rule->port = range.start;
	return true;
}

static void take_rule(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[FRA_MAX + 1];
	const struct fib_rule_hdr *header = nlmsg_data(message);
	struct rule rule = {0};

	if (message->nlmsg_type != RTM_NEWRULE ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, FRA_MAX, NULL) < 0)
		return;
	rule.action = header->action;
	rule.preference = get_u32(attributes, FRA_PRIORITY);
	rule.target = get_u32(attributes, FRA_GOTO);
	rule.table = attributes[FRA_TABLE] ? nla_get_u32(attributes[FRA_TABLE]) : header->table;
	rule.mark = get_u32(attributes, FRA_FWMARK);
	rule.mask = get_u32(attributes, FRA_FWMASK);
	if (attributes[FRA_PROTOCOL])
		rule.protocol = nla_get_u8(attributes[FRA_PROTOCOL]);
	if (attributes[FRA_IIFNAME])
		rule.from_host = strcmp(nla_get_string(attributes[FRA_IIFNAME]), "lo") == 0;
	rule.invert = header->flags & FIB_RULE_INVERT;
	rule.foreign = header->src_len || header->dst_len || header->tos ||
		       attributes[FRA_OIFNAME] || (attributes[FRA_IIFNAME] && !rule.from_host) ||
		       attributes[FRA_UID_RANGE] || attributes[FRA_SPORT_RANGE] ||
		       attributes[FRA_TUN_ID] || !take_port(attributes, &rule);
	list_add(arg, &rule);
}

static int dump_rules(const struct rules *rules, struct rule_list *list)
{
	struct fib_rule_hdr header = {.family = (unsigned char)rules->family};
	int status = -EINTR;

	for (int i = 0; i < RTNL_DUMP_TRIES && status == -EINTR; i++) {
		list->count = 0;
		status = rtnl_request(
			rules->rtnl, rtnl_message(RTM_GETRULE, NLM_F_DUMP, &header, sizeof(header)),
			take_rule, list);
	}
	return list->no_memory ? -ENOMEM : status;
}

static int send_rule(const struct rules *rules, int type, const struct rule *rule)
{
	struct fib_rule_hdr header = {.family = (unsigned char)rules->family,
				      .action = rule->action,
				      .flags = rule->invert ? FIB_RULE_INVERT : 0};
	int flags = type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0;
	struct nl_msg *message = rtnl_message(type, flags, &header, sizeof(header));
	bool full;

	if (!message)
		return -ENOMEM;
	full = nla_put_u32(message, FRA_PRIORITY, rule->preference) < 0 ||
	       nla_put_u8(message, FRA_PROTOCOL, rule->protocol) < 0;
	if (rule->action == FR_ACT_TO_TBL)
		full |= nla_put_u32(message, FRA_TABLE, rule->table) < 0;
	if (rule->action == FR_ACT_GOTO)
		full |= nla_put_u32(message, FRA_GOTO, rule->target) < 0;
	if (rule->mask)
		full |= nla_put_u32(message, FRA_FWMARK, rule->mark) < 0 ||
			nla_put_u32(message, FRA_FWMASK, rule->mask) < 0;
	if (rule->from_host)
		full |= nla_put_string(message, FRA_IIFNAME, "lo") < 0;
	if (rule->port) {
		struct fib_rule_port_range range = {.start = rule->port, .end = rule->port};

		full |= nla_put_u8(message, FRA_IP_PROTO, IPPROTO_UDP) < 0 ||
			nla_put(message, FRA_DPORT_RANGE, sizeof(range), &range) < 0;
	}
	return rtnl_request(rules->rtnl, rtnl_whole(message, !full), NULL, NULL);
}

static int add_rule(const struct rules *rules, const struct rule *rule)
{
	int status = send_rule(rules, RTM_NEWRULE, rule);

	return status == -EEXIST ? 0 : status;
}

static int delete_rule(const struct rules *rules, const struct rule *rule)
{
	int status = send_rule(rules, RTM_DELRULE, rule);

	return status == -ENOENT ? 0 : status;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
	return a->preference == b->preference && a->target == b->target && a->table == b->table &&
	       a->mark == b->mark && a->mask == b->mask && a->action == b->action &&
	       a->protocol == b->protocol && a->from_host == b->from_host &&
	       a->invert == b->invert && a->port == b->port && !a->foreign && !b->foreign;
}

static struct rule owner_rule(const struct rules *rules, struct rule_owner owner)
{
	return (struct rule){.preference = LAYOUT_PREF_OWNER,
			     .action = FR_ACT_TO_TBL,
			     .table = LAYOUT_TABLE_BASE + owner.id,
			     .mark = owner.mark,
			     .mask = rules->match_mask,
			     .protocol = LAYOUT_PROTOCOL};
}

static struct rule guard_rule(const struct rules *rules)
{
	return (struct rule){.preference = LAYOUT_PREF_GUARD,
			     .action = FR_ACT_TO_TBL,
			     .table = LAYOUT_TABLE_GUARD,
			     .mask = rules->signs,
			     .invert = true,
			     .protocol = LAYOUT_PROTOCOL};
}

static struct rule local_rule(uint32_t preference)
{
	return (struct rule){.preference = preference,
			     .action = FR_ACT_TO_TBL,
			     .table = RT_TABLE_LOCAL,
			     .protocol = RTPROT_KERNEL};
}

static bool is_plain_local(const struct rule *rule)
{
	return rule->action == FR_ACT_TO_TBL && rule->table == RT_TABLE_LOCAL && !rule->mask &&
	       !rule->from_host && !rule->invert && !rule->port && !rule->foreign;
}

/*
 * The rule that leads to local delivery carries the kernel's own protocol number: systemd-networkd
 * removes the rules of others, and this one the host cannot do without.
 */
static bool is_ours(const struct rule *rule)
{
	return rule->protocol == LAYOUT_PROTOCOL ||
	       (is_plain_local(rule) && rule->preference == LAYOUT_PREF_LOCAL &&
		rule->protocol == RTPROT_KERNEL);
}

/* Has anybody else put local delivery behind our rules? Then ours only marks the place. */
static bool local_is_elsewhere(const struct rule_list *present)
{
	bool elsewhere = false;

	for (size_t i = 0; i < present->count; i++) {
		const struct rule *rule = &present->items[i];

		if (is_plain_local(rule) && rule->preference < LAYOUT_PREF_LOCAL)
			return false;
		if (is_plain_local(rule) && !is_ours(rule))
			elsewhere = true;
	}
	return elsewhere;
}

static int ensure_rule(const struct rules *rules, struct rule_list *present,
		       const struct rule *wanted, size_t *changed)
{
	for (size_t i = 0; i < present->count; i++) {
		if (!same_rule(&present->items[i], wanted))
			continue;
		present->items[i].found = true;
		return 0;
	}
	(*changed)++;
	return add_rule(rules, wanted);
}

static int ensure_all(const struct rules *rules, struct rule_list *present,
		      const struct rule_owner *owners, size_t count, size_t *changed)
{
	struct rule no_op = {
		.preference = LAYOUT_PREF_LOCAL, .action = FR_ACT_NOP, .protocol = LAYOUT_PROTOCOL};
	struct rule local = local_rule(LAYOUT_PREF_LOCAL);
	struct rule unmarked = {.preference = LAYOUT_PREF_SKIP,
				.action = FR_ACT_GOTO,
				.target = LAYOUT_PREF_LOCAL,
				.mask = rules->signs,
				.protocol = LAYOUT_PROTOCOL};
	struct rule from_host = {.preference = LAYOUT_PREF_SKIP,
				 .action = FR_ACT_GOTO,
				 .target = LAYOUT_PREF_LOCAL,
				 .from_host = true,
				 .protocol = LAYOUT_PROTOCOL};
	struct rule guard = guard_rule(rules);
	/* `iif lo` spares the kernel the dissection of what it forwards. */
	struct rule steer = {.preference = LAYOUT_PREF_STEER,
			     .action = FR_ACT_TO_TBL,
			     .table = LAYOUT_TABLE_STEER,
			     .port = rules->tunnel_port,
			     .from_host = true,
			     .protocol = LAYOUT_PROTOCOL};
	bool elsewhere = local_is_elsewhere(present);
	int status;

	status = ensure_rule(rules, present, elsewhere ? &no_op : &local, changed);
	if (status == 0)
		status = ensure_rule(rules, present, &unmarked, changed);
	if (status == 0)
		status = ensure_rule(rules, present, &from_host, changed);
	if (status == 0)
		status = ensure_rule(rules, present, &guard, changed);
	if (status == 0)
		status = ensure_rule(rules, present, &steer, changed);
	for (size_t i = 0; i < count && status == 0; i++) {
		struct rule rule = owner_rule(rules, owners[i]);

		status = ensure_rule(rules, present, &rule, changed);
	}
	for (size_t i = 0; i < present->count && status == 0; i++) {
		const struct rule *rule = &present->items[i];
		bool surplus = is_ours(rule) && !rule->found;
		bool too_early =
			!elsewhere && is_plain_local(rule) && rule->preference < LAYOUT_PREF_LOCAL;

		if (!surplus && !too_early)
			continue;
		(*changed)++;
		status = delete_rule(rules, rule);
	}
	return status;
}

int rules_ensure(struct rules *rules, const struct rule_owner *owners, size_t count,
		 size_t *changed, struct error *error)
{
	struct rule_list present = {0};
	size_t corrections = 0;
	int status = dump_rules(rules, &present);

	if (status == 0)
		status = ensure_all(rules, &present, owners, count, &corrections);
	free(present.items);
	if (changed)
		*changed = corrections;
	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "policy rules");
}

int rules_suspend(struct rules *rules, struct error *error)
{
	struct rule guard = guard_rule(rules);
	struct rule_list present = {0};
	int status = dump_rules(rules, &present);

	for (size_t i = 0; i < present.count && status == 0; i++) {
		const struct rule *rule = &present.items[i];

		if (!is_ours(rule) || rule->invert || !rule->mask ||
		    rule->mask == (rule->preference == LAYOUT_PREF_OWNER ? rules->match_mask
									 : rules->signs))
			continue;
		status = add_rule(rules, &guard);
		if (status == 0)
			status = delete_rule(rules, rule);
	}
	free(present.items);
	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "policy rules");
}

int rules_owner_add(struct rules *rules, struct rule_owner owner, struct error *error)
{
	struct rule rule = owner_rule(rules, owner);
	int status = add_rule(rules, &rule);

	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "an owner's policy rule");
}

int rules_owner_remove(struct rules *rules, struct rule_owner owner, struct error *error)
{
	struct rule rule = owner_rule(rules, owner);
	int status = delete_rule(rules, &rule);

	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "an owner's policy rule");
}

int rules_remove(struct rules *rules, struct error *error)
{
	struct rule first = local_rule(0);
	struct rule_list present = {0};
	int status = dump_rules(rules, &present);
	bool moved = false;

	for (size_t i = 0; i < present.count; i++)
		if (is_ours(&present.items[i]) && is_plain_local(&present.items[i]))
			moved = true;
	if (status == 0 && moved)
		status = add_rule(rules, &first);
	for (size_t i = 0; i < present.count && status == 0; i++)
		if (is_ours(&present.items[i]))
			status = delete_rule(rules, &present.items[i]);
	free(present.items);
	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "policy rules");
}
