/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our policy rules of one address family:
 *   1: no sign of ours in the mark, or sent by this host   goto 4
 *   2: the mark names an owner                             its table
 *   3: a sign of ours in the mark                           the guard's table: no way to a VIP
 *   4: local delivery, moved here from 0; a no-op if others moved it already
 *   5: sent by this host to a tunnel port                  the table of steered owners
 * While a rule or route of an owner, or the nftables table, is missing, the guard drops what would
 * be reset by local delivery; the client sends it again.
 */
#ifndef HOLDFAST_KERNEL_RULE_H
#define HOLDFAST_KERNEL_RULE_H

#include <stdbool.h>

#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/rtnl.h"

struct rules {
	struct rtnl *rtnl;
	int family;
	uint32_t signs;	     /* bits in the mark: with one of them it is ours */
	uint32_t match_mask; /* these and the owner's id; what comes from the tunnel is not sent
				back */
	uint16_t tunnel_port;
};

void rules_init(struct rules *rules, struct rtnl *rtnl, int family,
		const struct kernel_options *options);

/*
 * Brings the rules to what they should be: the fixed ones and one for each of *owners* (marks and
 * ids, *count* of them). Those of ours that do not belong go. *changed* (may be NULL) gets how
 * many had to be put right.
 */
struct rule_owner {
	uint32_t mark;
	uint16_t id;
};
int rules_ensure(struct rules *rules, const struct rule_owner *owners, size_t count,
		 size_t *changed, struct error *error);

/*
 * Before other bits of the mark come into use: rules for the old bits go, but for their guard. What
 * is marked in the old way or the new one is dropped until rules_ensure().
 */
int rules_suspend(struct rules *rules, struct error *error);

/* One owner's rule. That it is there already, or gone already, is no error. */
int rules_owner_add(struct rules *rules, struct rule_owner owner, struct error *error);
int rules_owner_remove(struct rules *rules, struct rule_owner owner, struct error *error);

/* Takes all of ours away; local delivery is at preference 0 again. */
int rules_remove(struct rules *rules, struct error *error);

#endif
