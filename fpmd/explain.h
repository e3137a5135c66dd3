/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the segments of one flow go on this host, and why, in words. Pure: what is known of the
 * flow is an argument. The order of the answers is that of the data path, see kernel.h.
 */
#ifndef HOLDFAST_EXPLAIN_H
#define HOLDFAST_EXPLAIN_H

#include "fpmd/paths.h"
#include "fpmd/pending.h"
#include "fpmd/stray.h"

enum explain_role {
	EXPLAIN_SERVED, /* the VIP is served here, or kept for sessions that are left */
	EXPLAIN_ROUTED,
	EXPLAIN_NEITHER, /* it is no address of this host, and no route leads to it */
	EXPLAIN_REFUSED,
};

struct explain_facts {
	struct flow flow;
	enum explain_role role;
	char refused[ERROR_TEXT_SIZE]; /* why, of EXPLAIN_REFUSED */

	int socket_state; /* as kernel_session_state() */
	bool published;

	struct {
		bool known;
		bool direct; /* as in struct pin */
		bool has_owner;
		struct in6_addr owner;
		bool owner_reachable;
		uint64_t age_ms;
		size_t next_hops;		       /* of the route to the owner */
		struct in6_addr gateway;	       /* of the only one, or of the one in use */
		char interface[KERNEL_INTERFACE_SIZE]; /* "": any of them */
	} pin;

	struct {
		bool known;
		bool asking;
		unsigned int segments; /* held */
		uint64_t asked_ms_ago;
	} stray;

	struct {
		bool known;
		bool unreadable; /* the kernel's records could not be read */
		struct kernel_flow_record record;
		bool path_known; /* the rest counts */
		struct kernel_path path;
		enum path_state state;
		unsigned int members; /* it leads to; 0: not known */
		bool fast_path;
	} recorded;
	size_t routed_next_hops; /* of the VIP's route, now */
	bool owner_wanted;	 /* a director looks for the owner beforehand */
	unsigned int owner_tries;

	struct {
		bool asked; /* false: there is nobody to ask now */
		struct stray_facts facts;
		struct in6_addr owner;
		unsigned int messages;
		uint64_t took_ms;
	} directory;
};

/* Words of JSON, see explain_goes_text(). */
enum explain_goes {
	EXPLAIN_UNKNOWN, /* the kernel does not tell */
	EXPLAIN_HERE,	 /* to the socket of this host */
	EXPLAIN_RESET,	 /* to this host's kernel, which answers RST */
	EXPLAIN_OWNER,	 /* through the tunnel to its owner */
	EXPLAIN_PATH,	 /* by the path that is recorded for it */
	EXPLAIN_BACKUP,	 /* its path is withdrawn: by what stands behind it */
	EXPLAIN_ROUTING, /* as without Holdfast, by the routing table */
	EXPLAIN_HELD,	 /* it waits for the directory's answer */
	EXPLAIN_DROPPED, /* there was no answer: the client sends it again */
};

#define EXPLAIN_LINES_MAX 16
#define EXPLAIN_LINE_SIZE 320

struct explanation {
	enum explain_goes goes;
	struct in6_addr to; /* of EXPLAIN_OWNER; else :: */
	char line[EXPLAIN_LINES_MAX][EXPLAIN_LINE_SIZE];
	size_t count;
};

/* What is wrong with the question: a port 0, addresses of two families ... Returns 0, or -1 with
 * *error* set. */
int explain_check(const struct flow *flow, struct error *error);

void explain(const struct explain_facts *facts, struct explanation *out);

/* "here", "reset", "owner", "path", "backup", "routing-table", "held", "dropped". */
const char *explain_goes_text(enum explain_goes goes);
/* "ESTABLISHED" ... as ss(8) has it, "none", "unknown" of errors. */
const char *explain_socket_text(int state);

#endif
