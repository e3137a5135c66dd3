/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A director's flows whose owner is not known yet, and which of them is asked for next. Those of a
 * path that was withdrawn come before all others. Bounded. Pure; time is an argument.
 */
#ifndef HOLDFAST_PENDING_H
#define HOLDFAST_PENDING_H

#include "fpmd/table.h"

#include "fpmd/kernel/kernel.h"

/* In the order in which they are asked for. */
enum pending_class {
	PENDING_URGENT,	  /* proved their handshake, their path is withdrawn */
	PENDING_STRANDED, /* the path is withdrawn, they may be anybody's invention */
	PENDING_BEGAN,
	PENDING_ADOPTED, /* seen in mid-life: they may be anybody's invention */
	PENDING_CLASSES,
};

/* How long a flow waits, by how often it was asked for in vain; then it is forgotten. */
#define PENDING_WAITS_MS                                                                           \
	{                                                                                          \
		50, 200, 1000, 5000, 30000                                                         \
	}
#define PENDING_WAITS 5
#define PENDING_WAIT_UNREACHABLE 2 /* the wait of those of whom nobody could be asked */
#define PENDING_HURRY 1 /* those whose path is withdrawn never wait longer than this one */
/* Those that may be invented are asked for so often. */
#define PENDING_ADOPTED_TRIES 2

struct pending {
	struct flow flow; /* the key */
	void *user;	  /* the caller's */
	uint16_t path;	  /* recorded for it */
	uint16_t owner;	  /* once it is found */
	bool direct;	  /* then: its pin shall be one past the path */
	bool adopted;	  /* the caller's: it was seen in mid-life */
	enum pending_class class;
	enum {
		PENDING_READY,
		PENDING_WAITING,
		PENDING_ASKING,
		PENDING_FOUND,
		PENDING_FORGOTTEN, /* a question is under way, nobody waits for the answer */
	} state;
	bool again;    /* the answer under way may be too old */
	uint8_t tries; /* in vain */
	uint8_t wait;
	uint64_t due_ms;
	struct pending *next, *prev;	       /* of its class, wait or state */
	struct pending *path_next, *path_prev; /* of its path */
	UT_hash_handle hh;
};

struct pendings {
	struct pending *table;
	struct pending *ready[PENDING_CLASSES];
	struct pending *waiting[PENDING_WAITS]; /* soonest first */
	struct pending *asking, *found, *forgotten;
	struct pending *of_path[KERNEL_PATH_MAX + 1];
	uint32_t path_count[KERNEL_PATH_MAX + 1];
	size_t count[PENDING_CLASSES];	     /* in any state but forgotten */
	size_t outstanding[PENDING_CLASSES]; /* questions under way, forgotten ones, too */
	size_t found_count;
	size_t max;
};

/*
 * A flow to be asked for: BEGAN after the first wait, as its owner needs a moment to publish it;
 * any other at once. One that is known takes the better class and the new path; if a question for
 * it is under way and it is one that BEGAN, it is asked for once more. NULL: no room (of which
 * ADOPTED may have one half), or no memory.
 */
struct pending *pending_add(struct pendings *pendings, const struct flow *flow, uint16_t path,
			    enum pending_class class, uint64_t now_ms);
struct pending *pending_find(const struct pendings *pendings, const struct flow *flow);

/* The path was withdrawn. */
void pending_hurry(struct pendings *pendings, uint16_t path);

/* The next of a class; it counts as asked for until one of the functions below. NULL: none. */
struct pending *pending_take(struct pendings *pendings, enum pending_class class, uint64_t now_ms);
/* It could not be asked for: it is the next one again. */
void pending_put_back(struct pendings *pendings, struct pending *pending);
/* Its owner is known: it stays, as PENDING_FOUND, until it is forgotten or asked for again. */
void pending_found(struct pendings *pendings, struct pending *pending, uint16_t owner, bool direct);
/*
 * No owner was found. *missed*: whoever should know does not; so often, and it is forgotten (false,
 * *pending* is gone). Else nobody could be asked, and it stays.
 */
bool pending_again(struct pendings *pendings, struct pending *pending, bool missed,
		   uint64_t now_ms);
/* Nobody asks for it any more. If a question is under way it lives on, as PENDING_FORGOTTEN, until
 * pending_answered(). */
void pending_forget(struct pendings *pendings, struct pending *pending);
/* An answer came. False: for one that was forgotten, it is gone now. */
bool pending_answered(struct pendings *pendings, struct pending *pending);

/* The answers to all questions under way will never come. */
void pendings_unask(struct pendings *pendings);
size_t pendings_count(const struct pendings *pendings);
void pendings_clear(struct pendings *pendings);

#endif
