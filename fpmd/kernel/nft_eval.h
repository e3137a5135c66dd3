/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would a rule of somebody else do with a TCP segment from far away to a local VIP? The rule's
 * expressions are followed with the bytes that are known of such a segment (destination, protocol,
 * "local"); all else is unknown, and an unknown condition may be true.
 */
#ifndef HOLDFAST_NFT_EVAL_H
#define HOLDFAST_NFT_EVAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFT_EVAL_JUMPS_MAX 64
#define NFT_EVAL_NAME 128

struct nftnl_rule;
struct nftnl_set;

enum nft_eval_end {
	NFT_EVAL_NEXT,	 /* the next rule may see it */
	NFT_EVAL_STOP,	 /* accepted or dropped for certain */
	NFT_EVAL_RETURN, /* back to the calling chain for certain */
};

struct nft_eval {
	bool translates; /* DNAT or redirection may happen */
	bool certain;	 /* the rule applies in any case */
	uint16_t port;	 /* the only destination port it is about, or 0 */
	enum nft_eval_end end;
	char jumps[NFT_EVAL_JUMPS_MAX][NFT_EVAL_NAME]; /* chains that may be entered */
	size_t jumps_count;
};

/*
 * Gives the set of that name with its elements (nftnl_set_free() by the callee), or NULL: then its
 * contents are unknown.
 */
typedef struct nftnl_set *nft_eval_set_fn(void *arg, const struct nftnl_rule *rule,
					  const char *name);

/* *vip* in its mapped form if IPv4. */
void nft_eval_rule(const struct nftnl_rule *rule, const struct in6_addr *vip, nft_eval_set_fn *set,
		   void *arg, struct nft_eval *out);

#endif
