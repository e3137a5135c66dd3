/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables side of the kernel seam: table `ip holdfast` (and `ip6 holdfast` when there is an
 * IPv6 local member): the order of a server's data path, the pins, who may use the tunnel. Runs on
 * fpmd's event loop. Every change is one transaction: a packet sees the rules before or after it.
 *
 * struct nft remembers what it was told (sets, owners, pins), so that nft_repair() can bring back
 * what others removed.
 */
#ifndef HOLDFAST_NFT_H
#define HOLDFAST_NFT_H

#include <event2/event.h>

#include "fpmd/kernel/kernel.h"

#define NFT_TABLE "holdfast"
#define NFT_OWNER_CHAIN "owner_"
#define NFT_DIRECT_CHAIN "direct_" /* as of an owner, but without the path; direct_0: neither */
#define NFT_OWNER_MAX 4095	   /* greatest owner id that has a chain */
#define NFT_COUNTERS_MAX 12	   /* what nft_counters() gives at most */

struct nft;

/* How the kernel is asked to hold a stray. */
enum nft_queue_kind {
	NFT_QUEUE_NONE,	  /* strays are not held: the kernel answers them (nft_queue_off()) */
	NFT_QUEUE_NATIVE, /* nftables' own `queue` expression */
	NFT_QUEUE_XT,	  /* xt target NFQUEUE through nft_compat */
};

/*
 * Opens the sockets; changes nothing yet. *options* and *tunnel_device* are copied. The device need
 * not exist. Tables are made for the families that have a local member (options->local_members).
 */
int nft_open(const struct kernel_options *options, const char *tunnel_device, struct nft **nft,
	     struct error *error);

/* Did an earlier fpmd leave a table? Then *found* becomes true. */
int nft_find(struct nft *nft, bool *found, struct error *error);

/*
 * Makes the tables, or takes over what an earlier fpmd left: sets, owners' chains and pins stay,
 * rules are replaced, all in one transaction per family. A pin map of another size is replaced with
 * its pins kept (the size is then at least their number). Finds out how to queue.
 * Strays are dropped by the rules until somebody listens on the queue.
 * On error nothing was changed.
 */
int nft_setup(struct nft *nft, struct error *error);

/* Valid after nft_setup(); text is "queue" or "xt NFQUEUE revision 3". */
enum nft_queue_kind nft_queue_kind(const struct nft *nft);
const char *nft_queue_text(const struct nft *nft);

/* Takes the queue rules away: strays without a pin are left to the kernel. Pins and owners stay. */
int nft_queue_off(struct nft *nft, struct error *error);

/* Deletes the tables with all that is in them. No table there is no error. */
int nft_teardown(struct nft *nft, struct error *error);

/* Frees *nft*; the kernel's tables stay as they are. NULL is allowed. */
void nft_close(struct nft *nft);

/*
 * Whole sets, replaced in one transaction per family. Both families may be mixed; those of a
 * family without a table are ignored. They are remembered also when the kernel refuses them; that
 * others removed the table is no error.
 *   vips: who may be the destination inside the tunnel
 *   routed: VIPs that are routed out of this host: a pin of a flow to them is looked for
 *   members: who may send to the tunnel port
 *   uplinks: interface indexes whose traffic may be forwarded into detours only, because it was us
 *   who switched forwarding on there; empty by default
 *   linkdown: interface indexes where it was us who set ignore_routes_with_linkdown; no rule asks
 *   for it
 */
int nft_vips_set(struct nft *nft, const struct in6_addr *vips, size_t count, struct error *error);
int nft_members_set(struct nft *nft, const struct in6_addr *members, size_t count,
		    struct error *error);
int nft_routed_set(struct nft *nft, const struct in6_addr *vips, size_t count, struct error *error);
int nft_uplinks_set(struct nft *nft, int family, const unsigned int *ifindexes, size_t count,
		    struct error *error);
int nft_linkdown_set(struct nft *nft, int family, const unsigned int *ifindexes, size_t count,
		     struct error *error);

/* What is in the set now, whoever put it there; no table is no error. Free *ifindexes*. *family*,
 * here as above: AF_INET or AF_INET6. */
int nft_uplinks_get(struct nft *nft, int family, unsigned int **ifindexes, size_t *count,
		    struct error *error);
int nft_linkdown_get(struct nft *nft, int family, unsigned int **ifindexes, size_t *count,
		     struct error *error);
typedef void nft_address_fn(void *arg, const struct in6_addr *address);
int nft_routed_get(struct nft *nft, int family, nft_address_fn *fn, void *arg, struct error *error);

/*
 * Lines that outlive fpmd: comments of the elements of a set of their own, numbered from 0, which
 * no rule looks at. All of them are replaced in one transaction; others see the old ones or the new
 * ones. A line is cut at NFT_NOTE_SIZE, its end included. They are in the first family that has a
 * table; nft_notes_get() looks at both.
 */
#define NFT_NOTE_SIZE 240
#define NFT_NOTES_MAX 200 /* in one message of 64 KiB */
int nft_notes_set(struct nft *nft, const char (*notes)[NFT_NOTE_SIZE], size_t count,
		  struct error *error);
typedef void nft_note_fn(void *arg, const char *note);
int nft_notes_get(struct nft *nft, nft_note_fn *fn, void *arg, struct error *error);

/*
 * The chains that give packets of a pin the owner's id, and its counter: one that leaves a path's
 * id as it is, and one that takes it away (KERNEL_PIN_DIRECT). Adding one that is there
 * is no error; removing one that pins still point to is (nothing changes then).
 * Ids 1..NFT_OWNER_MAX that fit the owner mask; the bits in the mark are id << ctz(mask), in the
 * queue too.
 */
int nft_owner_add(struct nft *nft, uint16_t id, struct error *error);
int nft_owner_remove(struct nft *nft, uint16_t id, struct error *error);
bool nft_owner_known(const struct nft *nft, uint16_t id);

/* The owner ids known, ascending; up to *max*; returns how many there are. After a takeover these
 * are the chains that were found. */
size_t nft_owners(const struct nft *nft, uint16_t *ids, size_t max);

/*
 * As kernel_pins_change(). Duplicates in *changes* take effect in their order. While others have
 * removed the map, changes are noted for nft_repair(), with status 0. Statuses: -ENFILE map full,
 * -ENOENT the new owner is unknown, -EAFNOSUPPORT no table of that family, -EINVAL not a
 * TCP flow or families mixed; else what the kernel said.
 */
size_t nft_pins_change(struct nft *nft, struct kernel_pin_change *changes, size_t count);

/* As kernel_pins_dump(): from the kernel, not from memory. */
int nft_pins_dump(struct nft *nft, kernel_pin_fn *fn, void *arg, struct error *error);

/* Counters of the rules (packets, GRO'd segments count as one); as kernel_counters(). */
size_t nft_counters(struct nft *nft, struct kernel_counter *out, size_t max);

/*
 * Watches for others who change our tables. *changed* runs from the event loop, soon after the
 * change, and at most once a second as long as no table is gone; *what* names it for the log ("rule
 * in chain stray deleted by another program", "notifications were lost"). It should call
 * nft_repair().
 */
typedef void nft_changed_fn(void *arg, const char *what);
int nft_watch(struct nft *nft, struct event_base *base, nft_changed_fn *changed, void *arg,
	      struct error *error);

/*
 * Brings the tables back to what they were told to hold. *restored* (may be NULL) gets how
 * many pins had to be put right.
 */
int nft_repair(struct nft *nft, size_t *restored, struct error *error);

/* As kernel_vip_translated(). */
int nft_translated(struct nft *nft, const struct in6_addr *vip, struct error *error);

#endif
