/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the nft_*.c files share: the state, by family, and the steps between them. */
#ifndef HOLDFAST_NFT_PRIVATE_H
#define HOLDFAST_NFT_PRIVATE_H

#include <net/if.h>

#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/nft.h"
#include "fpmd/kernel/nft_link.h"
#include "fpmd/table.h"

#define TRIES_MAX 5 /* of a dump that others disturb */

struct nftnl_rule;

enum nft_set_name {
	NFT_VIPS,
	NFT_MEMBERS,
	NFT_UPLINKS,
	NFT_ROUTED,
	NFT_LINKDOWN,
	NFT_NOTES,
	NFT_SETS
};

struct nft_set {
	bool told; /* the caller said what is in it; else what is there stays */
	uint8_t (*keys)[16];
	char (*notes)[NFT_NOTE_SIZE]; /* of NFT_NOTES: a comment for each key */
	size_t count;
};

struct nft_family {
	bool used;
	uint8_t protocol;     /* NFPROTO_IPV4, NFPROTO_IPV6 */
	uint8_t address_size; /* 4, 16 */
	uint8_t source_offset, destination_offset;
	uint8_t icmp;
	uint32_t pins_size; /* of the map in the kernel */
	size_t pins_count;  /* what we believe is in it */
	struct nft_set sets[NFT_SETS];
};

/* A pin as we believe the kernel has it. */
struct nft_pin {
	struct flow flow;
	uint16_t owner; /* KERNEL_OWNER_NONE only within nft_pins_change() and nft_repair() */
	uint16_t found; /* owner in the last dump */
	uint32_t seen;	/* number of the last dump that had it */
	uint32_t chunk; /* number of the last transaction that was about it */
	UT_hash_handle hh;
};

struct nft_counted {
	size_t objects;
	uint64_t packets, bytes; /* of all owners */
	uint64_t values[NFT_COUNTERS_MAX];
};

struct nft {
	struct nft_link link;
	struct nft_link watch;
	struct event *watch_event, *watch_timer;
	nft_changed_fn *changed;
	void *changed_arg;
	char changed_what[96];
	uint64_t changed_ms; /* when the caller was told last */

	struct kernel_options options;
	char tunnel_device[IFNAMSIZ];
	enum nft_queue_kind queue_kind;
	int queue_revision; /* of the xt target */
	bool queue_known, queue_off;
	char queue_text[32];

	struct nft_family families[2]; /* 0 IPv4, 1 IPv6 */
	uint8_t owners[(NFT_OWNER_MAX + 8) / 8];
	struct nft_pin *pins; /* hash by flow */
	uint32_t dumps, chunks;
	struct nft_counted counted; /* last */
};

static inline struct nft_family *nft_family_of(struct nft *nft, const struct in6_addr *address)
{
	return &nft->families[address_is_ipv4(address) ? 0 : 1];
}

static inline bool nft_owner_bit(const uint8_t *bits, uint16_t id)
{
	return bits[id / 8] >> (id % 8) & 1;
}

static inline void nft_owner_bit_set(uint8_t *bits, uint16_t id, bool on)
{
	bits[id / 8] =
		(uint8_t)(on ? bits[id / 8] | 1u << (id % 8) : bits[id / 8] & ~(1u << (id % 8)));
}

/* nft_rules.c: the base chains, the chains tunnel, stray, director and direct_0, their rules and
 * counters. */
void nft_rules_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch);
/* Chains, counter and rules of one owner. */
void nft_owner_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
		   uint16_t id);
void nft_owner_drop_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
			uint16_t id);
/* Is it the name of a counter of the rules (not of an owner)? Index, or -1. */
int nft_counter_index(const char *name);
extern const char *const nft_counter_names[], *const nft_counter_help[];
extern const size_t nft_counters_count;

/*
 * nft_sets.c. The map `pins` leads from flows to numbers, what a pin leads to (kernel.h), and the
 * map `owners` from these to chains. For elements that lead to chains themselves the kernel would
 * look through the whole map at every transaction: 12 ms with 100,000 pins.
 */
#define NFT_PINS "pins"
#define NFT_OWNERS "owners"
#define NFT_OWNERS_SIZE (2 * (NFT_OWNER_MAX + 1)) /* of `owners`: owner_N and direct_N */
extern const char *const nft_set_names[NFT_SETS];
void nft_set_create_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
			enum nft_set_name name);
void nft_set_fill_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
		      enum nft_set_name name);
/* Takes over *content*, also its memory. What the kernel does not take nft_repair() brings. */
int nft_set_replace(struct nft *nft, struct nft_family *family, enum nft_set_name name,
		    struct nft_set *content, struct error *error);
void nft_pins_create_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch);
void nft_owners_create_put(struct nft *nft, const struct nft_family *family,
			   struct nft_batch *batch);
/* All elements of `owners`. */
void nft_owners_clear_put(const struct nft_family *family, struct nft_batch *batch);
void nft_set_drop_put(const struct nft_family *family, struct nft_batch *batch, const char *name);
/* Does the set in *message* (NFT_MSG_NEWSET) have the layout that we make? */
struct nftnl_set;
struct nftnl_set_elem;
bool nft_set_fits(const struct nft_family *family, const struct nftnl_set *set, const char *name);

/*
 * The elements of the kernel's set, each to *fn*, which counts in *count* what it takes; a dump
 * that is begun anew begins at the count of before. No set, or no such family, is no error.
 */
int nft_set_elements(struct nft *nft, const struct nft_family *family, enum nft_set_name name,
		     int (*fn)(struct nftnl_set_elem *element, void *arg), void *arg, size_t *count,
		     struct error *error);

/* nft_notes.c: gives an element its comment. Returns 0, or -1: out of memory. */
int nft_note_put(struct nftnl_set_elem *element, const char *note);

/* nft_elements.c */
void nft_chain_of_owner(char name[32], uint16_t owner);
#define NFT_ELEMENTS_MAX 700 /* in one message: both families stay below 64 KiB */
struct nft_element {
	const struct flow *flow;
	uint16_t owner;
};
/* The element of `owners` that leads from *pin* to its chain. */
void nft_owner_element_put(const struct nft_family *family, struct nft_batch *batch, bool remove,
			   uint16_t pin);
/* One message for up to NFT_ELEMENTS_MAX elements. */
void nft_elements_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
		      bool remove, const struct nft_element *elements, size_t count);
/* What a pin leads to whose chain has this name, KERNEL_PIN_DIRECT included, or KERNEL_OWNER_NONE:
 * it is not one of those. */
uint16_t nft_owner_of_chain(const char *chain);
/*
 * All elements of a family's map, also of one that an older fpmd made, with verdicts; those that
 * are no pins of ours (another number) come with owner KERNEL_OWNER_NONE. Returns 0 or a negative
 * errno; -ENOENT: no such map.
 */
typedef int nft_element_fn(void *arg, const struct flow *flow, uint16_t owner);
int nft_elements_dump(struct nft *nft, const struct nft_family *family, nft_element_fn *fn,
		      void *arg);

/* nft_pins.c */
/* Brings the kernel's map to what we believe; returns how many elements were wrong, or a negative
 * errno. */
long nft_pins_reconcile(struct nft *nft);
/* Believe what the kernel has. */
int nft_pins_load(struct nft *nft, const struct nft_family *family);
bool nft_pins_point_to(const struct nft *nft, uint16_t owner);
void nft_pins_forget(struct nft *nft);

/* nft_watch.c */
void nft_watch_stop(struct nft *nft);
/*
 * Around a transaction of many elements: the kernel notifies nobody of it meanwhile. If it took
 * more than the *own* transactions since nft_watch_pause(), others may have changed something, and
 * the caller of nft_watch() is told so. false: not paused, do not resume.
 */
bool nft_watch_pause(struct nft *nft, uint32_t *generation);
void nft_watch_resume(struct nft *nft, uint32_t generation, unsigned int own);

#endif
