/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strays: flows whose segments the kernel holds while the directory is asked, and what is done with
 * them. Bounded in flows and in segments. Pure; time is an argument.
 */
#ifndef HOLDFAST_STRAY_H
#define HOLDFAST_STRAY_H

#include "fpmd/table.h"

#include "fpmd/directory/directory.h"
#include "fpmd/kernel/kernel.h"

#define STRAY_FLOWS_MAX 16384
#define STRAY_SEGMENTS_MAX 64 /* held of one flow */

/* For so long every segment of a flow that got no answer may ask again ... */
#define STRAY_ASK_MS 5000
/* ... then one in so long. */
#define STRAY_ASK_SLOWLY_MS 1000
/* A flow that got no answer and sent nothing for so long is forgotten. */
#define STRAY_FORGET_MS 30000

struct stray_key {
	struct flow flow;
	uint32_t tunnelled; /* 0 or 1 */
};

struct stray {
	struct stray_key key;
	bool asking;
	bool only_resets;  /* all held segments are RSTs: they end the session, a pin would be idle
			    */
	uint64_t first_ms; /* of the first question without an answer */
	uint64_t asked_ms;
	uint32_t segments[STRAY_SEGMENTS_MAX]; /* held, while asking */
	uint16_t segment_count;
	char interface[KERNEL_INTERFACE_SIZE]; /* the last segment came in by */
	struct stray *next, *prev;	       /* least recently asked first, while not asking */
	UT_hash_handle hh;
};

struct strays {
	struct stray *table;
	struct stray *idle;
};

enum stray_action {
	STRAY_ASK,  /* *stray* holds the segment: ask the directory */
	STRAY_HOLD, /* it is held: a question is under way */
	STRAY_DROP, /* too many of them, or it was asked too often without an answer */
};

/* A segment arrived. *stray* is set but for STRAY_DROP. */
enum stray_action stray_arrive(struct strays *strays, const struct flow *flow, bool tunnelled,
			       uint32_t segment, uint64_t now_ms, struct stray **stray);

/*
 * The answer is there, the caller gave all held segments their verdicts. An answer ends the stray;
 * a time-out keeps it, empty, so that the next questions can be limited.
 */
void stray_answered(struct strays *strays, struct stray *stray, bool timed_out, uint64_t now_ms);

/* Forgets idle flows. */
void strays_expire(struct strays *strays, uint64_t now_ms);

struct stray *stray_find(const struct strays *strays, const struct flow *flow, bool tunnelled);
size_t strays_count(const struct strays *strays);
void strays_clear(struct strays *strays);

/* What is known when an answer arrives. */
struct stray_facts {
	enum directory_answer answer;
	bool owner_is_local;
	bool owner_is_reachable;
	bool owner_is_in_doubt; /* lost just now, or routes are not complete yet */
	bool tunnelled;
};

/*
 * What to do with the segments. DETOUR only ever to a reachable owner that the directory named;
 * LOCAL (the kernel answers RST unless a socket came into being) only if the session is ours,
 * definitely absent, or its owner's host is gone; a tunnelled segment is never sent on.
 */
enum kernel_verdict stray_decide(const struct stray_facts *facts);

#endif
