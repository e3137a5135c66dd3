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

void rules_init(struct rules *rules, struct rtnl *rtnl, int family,
		const struct kernel_options *options)
{
	*rules = (struct rules){.rtnl = rtnl,
				.family = family,
				.marks = {.stray_bit = options->mark_stray_bit,
					  .tunnel_bit = options->mark_tunnel_bit,
					  .owner_mask = options->mark_owner_mask,
					  .path_mask = options->mark_path_mask,
					  .tunnel_port = options->tunnel_port}};
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
	rule_list_add(arg, &rule);
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

/* Has anybody else put local delivery behind our rules? Then ours only marks the place. */
static bool local_is_elsewhere(const struct rule_list *present, uint32_t place)
{
	bool elsewhere = false;

	for (size_t i = 0; i < present->count; i++) {
		const struct rule *rule = &present->items[i];

		if (!rule_is_plain_local(rule) || rule_is_ours(rule))
			continue;
		if (rule->preference < place)
			return false;
		elsewhere = true;
	}
	return elsewhere;
}

/* Where our place of local delivery is; 0: nowhere yet. */
static uint32_t local_place(const struct rule_list *present)
{
	for (size_t i = 0; i < present->count; i++) {
		const struct rule *rule = &present->items[i];

		if (rule_is_ours(rule) && (rule_is_plain_local(rule) || rule->action == FR_ACT_NOP))
			return rule->preference;
	}
	return 0;
}

static int add_all(const struct rules *rules, const struct rule_list *list)
{
	int status = 0;

	for (size_t i = 0; i < list->count && status == 0; i++)
		status = add_rule(rules, &list->items[i]);
	return status;
}

/* *added* is what came before, and went if the kernel took it for another. */
static int delete_all(const struct rules *rules, const struct rule_list *list,
		      const struct rule_list *added)
{
	int status = 0;

	for (size_t i = 0; i < list->count && status == 0; i++) {
		status = delete_rule(rules, &list->items[i]);
		for (size_t k = 0; k < added->count && status == 0; k++)
			if (rule_is_taken_for(&added->items[k], &list->items[i]))
				status = add_rule(rules, &added->items[k]);
	}
	return status;
}

/* From *present* to what *ids* ask for. */
static int go_to(struct rules *rules, const struct rule_list *present, const struct rule_ids *ids,
		 bool far, size_t *changed)
{
	struct rule_list plan = {0}, added = {0}, removed = {0};
	int status;

	rule_plan(&rules->marks, ids, rules->local_elsewhere, &far, &plan);
	rule_steps(present, &plan, &added, &removed);
	status = plan.no_memory || added.no_memory || removed.no_memory ? -ENOMEM
									: add_all(rules, &added);
	if (status == 0)
		status = delete_all(rules, &removed, &added);
	if (status == 0) {
		rules->ids = *ids;
		rules->far = far;
	}
	if (changed)
		*changed = added.count + removed.count;
	free(plan.items);
	free(added.items);
	free(removed.items);
	return status;
}

/* The kernel's own rule, where it was before us: once ours is there, it would come too early. */
static int delete_early_local(const struct rules *rules, const struct rule_list *present,
			      size_t *changed)
{
	uint32_t place = rules->far ? LAYOUT_PREF_LOCAL_FAR : LAYOUT_PREF_LOCAL;
	int status = 0;

	for (size_t i = 0; i < present->count && status == 0; i++) {
		const struct rule *rule = &present->items[i];

		if (rules->local_elsewhere || !rule_is_plain_local(rule) || rule_is_ours(rule) ||
		    rule->preference >= place)
			continue;
		(*changed)++;
		status = delete_rule(rules, rule);
	}
	return status;
}

int rules_ensure(struct rules *rules, const struct rule_ids *ids, size_t *changed,
		 struct error *error)
{
	struct rule_list present = {0};
	size_t corrections = 0;
	int status = dump_rules(rules, &present);
	uint32_t place = local_place(&present);
	bool far = rules->known ? rules->far : place == LAYOUT_PREF_LOCAL_FAR;

	rules->local_elsewhere = local_is_elsewhere(&present, place ? place : LAYOUT_PREF_LOCAL);
	if (status == 0)
		status = go_to(rules, &present, ids, far, &corrections);
	if (status == 0)
		status = delete_early_local(rules, &present, &corrections);
	free(present.items);
	if (changed)
		*changed = corrections;
	rules->known = status == 0;
	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "policy rules");
}

int rules_change(struct rules *rules, const struct rule_ids *ids, struct error *error)
{
	struct rule_list present = {0};
	bool far = rules->far;
	int status;

	if (!rules->known)
		return rules_ensure(rules, ids, NULL, error);
	if (memcmp(&rules->ids, ids, sizeof(*ids)) == 0)
		return 0;
	rule_plan(&rules->marks, &rules->ids, rules->local_elsewhere, &far, &present);
	status = present.no_memory ? -ENOMEM : go_to(rules, &present, ids, rules->far, NULL);
	free(present.items);
	rules->known = status == 0;
	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "policy rules");
}

int rules_suspend(struct rules *rules, struct error *error)
{
	struct rule_list present = {0};
	int status = dump_rules(rules, &present);
	uint32_t place = local_place(&present);
	struct rule guard = {.preference = (place ? place : LAYOUT_PREF_LOCAL) - 1,
			     .action = FR_ACT_TO_TBL,
			     .table = LAYOUT_TABLE_GUARD,
			     .mask = rules->marks.stray_bit | rules->marks.tunnel_bit,
			     .invert = true,
			     .protocol = LAYOUT_PROTOCOL};

	for (size_t i = 0; i < present.count && status == 0; i++) {
		const struct rule *rule = &present.items[i];

		if (!rule_is_ours(rule) || rule_fits(&rules->marks, rule))
			continue;
		status = add_rule(rules, &guard);
		if (status == 0)
			status = delete_rule(rules, rule);
	}
	free(present.items);
	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "policy rules");
}

int rules_remove(struct rules *rules, struct error *error)
{
	struct rule first = {
		.action = FR_ACT_TO_TBL, .table = RT_TABLE_LOCAL, .protocol = RTPROT_KERNEL};
	struct rule_list present = {0}, none = {0}, added = {0}, removed = {0};
	int status = dump_rules(rules, &present);
	bool moved = false;

	for (size_t i = 0; i < present.count; i++)
		if (rule_is_ours(&present.items[i]) && rule_is_plain_local(&present.items[i]))
			moved = true;
	rule_steps(&present, &none, &added, &removed);
	if (removed.no_memory || added.no_memory)
		status = -ENOMEM;
	if (status == 0 && moved)
		status = add_rule(rules, &first);
	if (status == 0)
		status = delete_all(rules, &removed, &added);
	free(present.items);
	free(removed.items);
	rules->known = false;
	return status == 0 ? 0 : rtnl_error(rules->rtnl, status, error, "policy rules");
}
