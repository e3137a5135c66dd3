/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directory: which member owns which session, and who the members are. It holds this host's
 * published sessions, the sealed datagrams between members, and a share of all hosts' records or,
 * with the Valkey engine, the connections to the server that keeps them.
 * Everything runs in the event loop; nothing here blocks. Handlers are called from the event loop,
 * never from inside a call, but for directory_close(), which calls none.
 */
#ifndef HOLDFAST_DIRECTORY_H
#define HOLDFAST_DIRECTORY_H

#include <event2/event.h>

#include "fpmd/directory/engine.h"
#include "fpmd/error.h"
#include "fpmd/flow.h"

struct directory;

enum directory_answer {
	DIRECTORY_FOUND,     /* a member owns the session */
	DIRECTORY_ABSENT,    /* every member of the ring said that it knows no such session */
	DIRECTORY_TIMED_OUT, /* neither; it says nothing about the session */
};

struct directory_result {
	enum directory_answer answer;
	struct in6_addr owner; /* FOUND: may be this host itself, or a host that is not reachable */
	unsigned int messages; /* requests sent for this look-up, to members and to a server */
};

typedef void directory_get_fn(void *arg, const struct directory_result *result);

struct directory_options {
	char key_file[256];	     /* see directory_key_load() */
	uint16_t port;		     /* UDP */
	uint8_t replicas;	     /* 1 to 3 */
	uint16_t ring_members;	     /* at most so many members keep records; the same on all */
	struct in6_addr local;	     /* this member's address: what datagrams come from */
	uint32_t record_lifetime_s;  /* records of an owner that was not heard of for so long are
					void */
	uint32_t records_max;	     /* bound of the store */
	struct engine_valkey valkey; /* without a host: the one-hop engine */
};

enum directory_member_state {
	MEMBER_ROUTED,	/* host route is there, no authenticated hello yet: not in the ring */
	MEMBER_IN_RING, /* host route and hello */
	MEMBER_SILENT,	/* in the ring, but did not answer lately */
};

struct directory_member {
	struct in6_addr address;
	enum directory_member_state state;
	uint64_t epoch;	       /* of its fpmd's start; 0 while not known */
	uint64_t heard_ms_ago; /* since the last authenticated datagram; UINT64_MAX: never */
	uint64_t records;      /* of this owner, in this host's store */
	bool local;
	bool director; /* it has no sessions of its own, as it said last; false while not known */
	bool draining; /* it takes no new ones, likewise */
};

struct directory_handlers {
	/* Which members there are, or a member's state or epoch, changed. */
	void (*members_changed)(void *arg);
	/* *member* got a segment of *flow* through our detour and has no such session. */
	void (*refused)(void *arg, const struct in6_addr *member, const struct flow *flow);
	/* A session that this host watches, see directory_get(), has ended on *member*. */
	void (*ended)(void *arg, const struct in6_addr *member, const struct flow *flow);
	/* Does this host's kernel know the session, any state but LISTEN and TIME_WAIT? 1: yes; 0:
	 * no; -1: it cannot be found out. */
	int (*has_session)(void *arg, const struct flow *flow);
};

/* Could it be opened so, as far as options and key can tell? Returns 0, or -1 with *error* as
 * below. */
int directory_check(const struct directory_options *options, struct error *error);

/*
 * Opens the socket on *options->local*, reads the key. On error nothing stays open and *error*
 * names cause and remedy (key missing, unreadable, readable by others, too short; address not local
 * ...).
 */
int directory_open(struct event_base *base, const struct directory_options *options,
		   const struct directory_handlers *handlers, void *arg,
		   struct directory **directory, struct error *error);
void directory_close(struct directory *directory);

/* The hosts of the member range that the routing table reaches now, without this host. */
void directory_reachable_set(struct directory *directory, const struct in6_addr *hosts,
			     size_t count);

/* Has this host no sessions of its own, now and as far as can be seen? The members are told with
 * the next hello, within some seconds; they do not take its address for a way to VIPs then. */
void directory_director_set(struct directory *directory, bool director);

/* Does this host take no new sessions? The members are told with the next hello, too. */
void directory_draining_set(struct directory *directory, bool draining);

/* Up to *max* members, this host first; returns how many there are. */
size_t directory_members(struct directory *directory, struct directory_member *out, size_t max);

/*
 * Is something wrong that the directory gets along with, but the operator should mend (a clock)?
 * Then true, and *warning* names cause and remedy.
 */
bool directory_warning(struct directory *directory, struct error *warning);

/* In the ring now (this host included)? */
bool directory_is_member(struct directory *directory, const struct in6_addr *address);

/*
 * publish: this host owns the session; sent to the replicas until they acknowledged, again when the
 * ring moves the record; or to the server, again before it expires there or may be lost. withdraw:
 * it ended; the record is deleted wherever it is still ours and of this version. Both return at
 * once. publish returns false if a session of this flow was published already, or there is no
 * memory; it is a new session then, as the flow may have had one on another host in between.
 */
bool directory_publish(struct directory *directory, const struct flow *flow);
void directory_withdraw(struct directory *directory, const struct flow *flow);
bool directory_published(struct directory *directory, const struct flow *flow);
size_t directory_published_count(struct directory *directory);

typedef void directory_session_fn(void *arg, const struct flow *flow, uint64_t age_ms);
void directory_published_each(struct directory *directory, directory_session_fn *fn, void *arg);

/*
 * Who owns the session? Asks the record's replicas or the server, then, on a miss or without an
 * answer, every member once (each looks into its own kernel). *fn* is called exactly once, from the
 * event loop, within *deadline_ms*. Fails (-1, fn is not called) when too many look-ups are
 * outstanding.
 *
 * A look-up that finds an owner also watches the session: the handler *ended* is called when its
 * owner withdraws it, on the DIRECTORY_WATCHERS hosts that asked last. It is told once, in a
 * datagram that may get lost: whoever must know asks again now and then, which watches anew.
 */
#define DIRECTORY_WATCHERS 4
int directory_get(struct directory *directory, const struct flow *flow, unsigned int deadline_ms,
		  directory_get_fn *fn, void *arg);

/*
 * The same for those who can go on without an answer: asks who keeps the record, never all members.
 * ABSENT says then that each of them has no record, not that there is no such session.
 */
int directory_get_record(struct directory *directory, const struct flow *flow,
			 unsigned int deadline_ms, directory_get_fn *fn, void *arg);

/* A page of a member's sessions, as the member itself says: records do not tell flows. */
struct directory_page {
	enum directory_answer answer; /* FOUND, or TIMED_OUT: it did not answer, or is no member */
	const struct flow *flows;     /* until the call returns */
	size_t count;
	uint64_t cursor; /* where to go on; 0: that was all */
};

typedef void directory_page_fn(void *arg, const struct directory_page *page);

/*
 * The sessions of *owner* from *cursor* on (0: from the first one). A session that lives all the
 * while is on exactly one of the pages. *fn* is called exactly once, from the event loop, within
 * *deadline_ms*. Fails (-1, fn is not called) when too many are outstanding.
 */
int directory_bulk(struct directory *directory, const struct in6_addr *owner, uint64_t cursor,
		   unsigned int deadline_ms, directory_page_fn *fn, void *arg);

/* Negative acknowledgement: tells *member* that its detour of *flow* met no session here. */
void directory_refuse(struct directory *directory, const struct in6_addr *member,
		      const struct flow *flow);

/* The server or cluster that keeps the records. Texts last forever but for *error*. */
struct directory_server {
	const char *state; /* "ready" ... */
	bool asked;	   /* false: look-ups ask all members meanwhile */
	uint64_t since_ms_ago;
	bool cluster;
	uint16_t slots_served; /* of 16384 */
	size_t nodes;
	size_t nodes_ready;
	char error[ERROR_TEXT_SIZE]; /* the last one and its remedy; empty: none since it was ready
				      */
	uint64_t error_ms_ago;
};

struct directory_server_node {
	char host[ENGINE_HOST_SIZE];
	uint16_t port;
	uint16_t slots; /* that it is the primary of */
	const char *role;
	const char *state;
};

/* Returns false with the one-hop engine. */
bool directory_server(struct directory *directory, struct directory_server *out);

/* Up to *max* of its nodes; returns how many there are. */
size_t directory_server_nodes(struct directory *directory, struct directory_server_node *out,
			      size_t max);

struct directory_counter {
	const char *name; /* JSON key and CLI word */
	const char *help;
	uint64_t value;
};

size_t directory_counters(struct directory *directory, struct directory_counter *out, size_t max);

#endif
