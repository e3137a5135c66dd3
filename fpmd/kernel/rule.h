/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our policy rules of one address family, with few paths and owners:
 *   1: no sign of ours in the mark, or sent by this host   goto 5
 *   2: the mark names a path                               its table
 *   3: the mark names an owner                             its table
 *   4: the mark has the bit for strays or for the tunnel   the guard's table: no way to a VIP
 *   5: local delivery, moved here from 0; a no-op if others moved it already
 *   6: sent by this host to a tunnel port                  the table of steered owners
 * With many (rule_plan.h) what is behind 2 has greater preferences.
 * While a rule or route of an owner, or the nftables table, is missing, the guard drops what would
 * be reset by local delivery; the client sends it again.
 */
#ifndef HOLDFAST_KERNEL_RULE_H
#define HOLDFAST_KERNEL_RULE_H

#include "fpmd/kernel/rtnl.h"
#include "fpmd/kernel/rule_plan.h"

struct rules {
	struct rtnl *rtnl;
	int family;
	struct rule_marks marks;
	struct rule_ids ids; /* that there are rules for */
	bool known;	     /* the kernel has what *ids* ask for, as far as we know */
	bool far;	     /* the preferences are those of a tree */
	bool local_elsewhere;
};

void rules_init(struct rules *rules, struct rtnl *rtnl, int family,
		const struct kernel_options *options);

/*
 * Brings the rules to what they should be: the fixed ones and one for each id. Those of ours that
 * do not belong go, also in the layout of an earlier fpmd; every packet finds its way meanwhile.
 * *changed* (may be NULL) gets how many had to be put right.
 */
int rules_ensure(struct rules *rules, const struct rule_ids *ids, size_t *changed,
		 struct error *error);

/* The same without a look at what there is: for ids that come or go. */
int rules_change(struct rules *rules, const struct rule_ids *ids, struct error *error);

/*
 * Before other bits of the mark come into use: rules for the old bits go, but for their guard. What
 * is marked in the old way or the new one is dropped until rules_ensure().
 */
int rules_suspend(struct rules *rules, struct error *error);

/* Takes all of ours away; local delivery is at preference 0 again. */
int rules_remove(struct rules *rules, struct error *error);

#endif
