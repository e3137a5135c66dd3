/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pins, as they are in the kernel, and which of them is to be checked next. Those that were
 * taken over come first: nobody told this host what ended while its fpmd was away. Bounded. Pure;
 * time is an argument. The caller tells the kernel and keeps both in step.
 */
#ifndef HOLDFAST_PIN_H
#define HOLDFAST_PIN_H

#include "fpmd/table.h"

#include "fpmd/flow.h"

/* A pin that is in doubt and could not be checked is checked again after that time. */
#define PIN_RETRY_MS 1000

struct pin {
	struct flow flow; /* the key */
	uint16_t owner;
	bool direct;	 /* whatever path is recorded; without an owner: by the routing table */
	uint16_t path;	 /* recorded for the flow on a director; 0: none is known */
	bool unverified; /* taken over, or in doubt, and not confirmed since */
	bool checking;	 /* a look-up for it is under way */
	uint64_t since_ms;
	uint64_t due_ms; /* of the unverified: when to check it */
	uint64_t checked_ms;
	struct pin *check_next, *check_prev;
	UT_hash_handle hh;
};

struct pins {
	struct pin *table;	     /* hash by flow; may be read with HASH_ITER */
	struct pin *check_list;	     /* least recently checked first */
	struct pin *unverified_list; /* in order of due_ms */
	size_t checking;	     /* how many are being checked */
	size_t max;
};

void pins_init(struct pins *pins, size_t max);

/* NULL: the table is full, or no memory. The flow must not have a pin yet. */
struct pin *pin_add(struct pins *pins, const struct flow *flow, uint16_t owner, uint64_t now_ms);
/* The same for a pin that a former fpmd installed. */
struct pin *pin_take_over(struct pins *pins, const struct flow *flow, uint16_t owner,
			  uint64_t now_ms);
struct pin *pin_find(const struct pins *pins, const struct flow *flow);
void pin_remove(struct pins *pins, struct pin *pin);
size_t pins_count(const struct pins *pins);

/* It may have to go: it is checked soon. */
void pin_doubt(struct pins *pins, struct pin *pin, uint64_t now_ms);

/*
 * A pin that is unverified, or whose last check is at least *interval_ms* ago, and that is not
 * being checked; it is marked as being checked. NULL: none is due. *confirmed*: the check said who
 * the owner is.
 */
struct pin *pin_check_begin(struct pins *pins, uint64_t interval_ms, uint64_t now_ms);
void pin_check_end(struct pins *pins, struct pin *pin, bool confirmed, uint64_t now_ms);

void pins_clear(struct pins *pins);

#endif
