/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client of a Valkey or Redis server, or of a cluster of them, that keeps the group's records.
 * It finds the nodes and who serves which slots, follows MOVED and ASK, reconnects, and reads from
 * replicas while a primary is silent. Everything runs in the event loop and nothing blocks, name
 * look-ups included. Handlers are called from the event loop, never from inside a call; a handler
 * may call anything but valkey_close().
 *
 * What it keeps on the server (see valkey_record.h for the bytes):
 *   PREFIX:{BUCKET}:r:KEY    a record, or the tombstone of one; expires
 *   PREFIX:{BUCKET}:o:OWNER  the keys of an owner's records in this bucket; expires
 * BUCKET are the first ten bits of the key: what one script touches is in one slot, and an owner's
 * keys are in 1024 parts, so that no command is long.
 *
 * The account needs these rights and no others (ACL SETUSER, Redis 7.0 or later and Valkey):
 *   on >PASSWORD ~PREFIX:* resetchannels -@all +eval +evalsha +get +mget +set +del +zadd +zrem
 *   +zremrangebyscore +zscan +pexpire +time +ping +info +readonly +asking +cluster|slots
 */
#ifndef HOLDFAST_DIRECTORY_VALKEY_H
#define HOLDFAST_DIRECTORY_VALKEY_H

#include <event2/event.h>

#include "fpmd/directory/datagram.h"
#include "fpmd/directory/record.h"
#include "fpmd/error.h"

#define VALKEY_NODES_MAX 256
#define VALKEY_OUTSTANDING_MAX 65536
#define VALKEY_PREFIX_MAX 32
#define VALKEY_PREFIX_DEFAULT "holdfast"
#define VALKEY_HOST_SIZE 256 /* RFC 1035, 2.3.4: a name has 255 octets at most */

struct valkey;

/* Empty text: not given. */
struct valkey_options {
	char host[VALKEY_HOST_SIZE]; /* name, IPv4 or IPv6 address; of a cluster: of any node */
	uint16_t port;
	char user[64];		 /* of the ACL; without it the password is that of `requirepass` */
	char password_file[256]; /* its first line; not readable by others */
	bool tls;
	char ca_file[256];	    /* PEM; without it the system's authorities are trusted */
	char certificate_file[256]; /* PEM, this host's own, for servers that want one */
	char private_key_file[256]; /* PEM; not readable by others */
	/* What the servers' certificates are made out to; without it the name or address that was
	 * connected to. */
	char server_name[VALKEY_HOST_SIZE];
	/* What all keys begin with, 1 to 32 letters, digits, '.', '-', '_'; empty: the default. The
	 * same on all members, another for each group that shares a server. */
	char prefix[VALKEY_PREFIX_MAX + 1];
	uint32_t record_lifetime_s; /* a record that was not put again for so long is void */
};

enum valkey_state {
	VALKEY_CONNECTING,  /* no server has answered yet */
	VALKEY_READY,	    /* every record has a primary that takes it */
	VALKEY_DEGRADED,    /* some have none that answers and takes records */
	VALKEY_UNREACHABLE, /* none has one that answers */
};

enum valkey_role {
	VALKEY_SINGLE, /* a server without a cluster */
	VALKEY_PRIMARY,
	VALKEY_REPLICA,
	VALKEY_ENTRY, /* where to begin; not (yet) known to serve anything */
};

enum valkey_node_state {
	VALKEY_NODE_WAITING,	/* for the next attempt to connect */
	VALKEY_NODE_CONNECTING, /* or logging in */
	VALKEY_NODE_READY,
	VALKEY_NODE_REFUSING, /* connected, but it refused what was sent; asked again soon */
};

struct valkey_node_status {
	char host[VALKEY_HOST_SIZE];
	uint16_t port;
	enum valkey_role role;
	enum valkey_node_state state;
	uint16_t slots; /* that it serves as a primary; 0 to 16384 */
	uint32_t outstanding;
};

struct valkey_counters {
	uint64_t commands; /* sent, repetitions included */
	uint64_t replies;
	uint64_t moved;
	uint64_t asked;	    /* ASK */
	uint64_t try_again; /* TRYAGAIN: a slot is moving; sent again without the owner index */
	uint64_t scripts_loaded; /* NOSCRIPT: sent again with the script */
	uint64_t replica_reads;	 /* sent to a replica since the primary was silent */
	uint64_t connects;	 /* connections that became ready */
	uint64_t connect_failed; /* refused, no answer, TLS or log-in failed */
	uint64_t lost;		 /* connections that ended after they were ready */
	uint64_t timeouts;	 /* commands without an answer; each ends its connection */
	uint64_t garbage;	 /* replies that are no Redis protocol, or not what was asked for */
	uint64_t refused;	 /* error replies but for the ones counted above and below */
	uint64_t full;		 /* OOM: the server's maxmemory is reached */
	uint64_t overflow;	 /* calls that failed: too much outstanding */
	uint64_t topologies;	 /* slot maps learned */
	uint64_t node_limit;	 /* nodes that were not taken: more than VALKEY_NODES_MAX */
};

struct valkey_status {
	enum valkey_state state;
	uint64_t since_ms; /* CLOCK_MONOTONIC, when the state became so */
	bool cluster;
	uint16_t slots_served; /* of 16384; a single server serves all */
	size_t nodes;
	size_t nodes_ready;
	size_t outstanding;
	/* The last failure, with its remedy if there is one, and when; empty: none yet. */
	char error[ERROR_TEXT_SIZE];
	uint64_t error_ms;
	const struct valkey_counters *counters; /* live until valkey_close() */
};

struct valkey_handlers {
	/*
	 * The server has taken a put or (*ending*) a delete, or refused it for good:
	 *   ACK_DONE        it is as asked, now or already
	 *   ACK_SUPERSEDED  a newer record, tombstone, or the record of another stands there
	 *   ACK_FULL        the server's memory is full (a put only): try again later
	 * Nothing is called when the connection broke or the server refused: the caller repeats
	 * what was not confirmed.
	 */
	void (*stored)(void *arg, const struct record_key *key, uint64_t version, bool ending,
		       enum ack_status status);
	/* The answer to valkey_get(): GET_RECORD with the record, or GET_MISS with NULL. */
	void (*got)(void *arg, uint64_t request, enum get_status status,
		    const struct record *record);
	/* There will be no answer to this valkey_get() or valkey_owner_page(). */
	void (*failed)(void *arg, uint64_t request);
	/*
	 * The answer to valkey_owner_page(). *more*: go on from *cursor*. A page may be empty
	 * though there are more; a record that was there all the while is on at least one page.
	 */
	void (*page)(void *arg, uint64_t request, const struct record *records, size_t count,
		     uint64_t cursor, bool more);
	/*
	 * The state changed; or *records_lost*: a server was started anew or a replica took over,
	 * so that what was confirmed before may not be there any more. Called after the change.
	 */
	void (*changed)(void *arg, enum valkey_state state, bool records_lost);
};

/* Could it be opened so? Reads the files. Returns 0, or -1 with cause and remedy in *error*. */
int valkey_check(const struct valkey_options *options, struct error *error);

/*
 * Begins to connect; it goes on for as long as it is open, whether or not there is a server. All
 * handlers but *page* must be given. Returns 0, or -1 with *error* as valkey_check().
 */
int valkey_open(struct event_base *base, const struct valkey_options *options,
		const struct valkey_handlers *handlers, void *arg, struct valkey **valkey,
		struct error *error);

/*
 * Ends all connections; no handler is called any more. libevent frees what belongs to a look-up of
 * a name in the next turn of the loop. NULL is allowed.
 */
void valkey_close(struct valkey *valkey);

/*
 * Puts the record for record_lifetime_s from now on: the newest version wins, of one owner the
 * newest epoch, of equal versions the higher owner address; a record that is there already lives
 * on. What is put in one turn of the event loop goes out together. Returns 0, or -1 if it cannot be
 * sent now: no connection to the primary of its slot, or VALKEY_OUTSTANDING_MAX reached; nothing
 * will be called then.
 */
int valkey_put(struct valkey *valkey, const struct record *record);

/*
 * Deletes the record if it is of this owner and of this or an older version, and leaves a tombstone
 * of STORE_TOMBSTONE_MS. Returns as valkey_put().
 */
int valkey_delete(struct valkey *valkey, const struct record_key *key, const struct in6_addr *owner,
		  uint64_t owner_epoch, uint64_t version);

/*
 * Asks for the record; of a replica if the primary is away or silent: what it says may be some
 * moments old, so that a miss, too, is no proof. Then calls got() or failed()
 * with *request*, once; the deadline is the caller's. Returns 0, or -1 if it cannot be sent now;
 * nothing will be called then.
 */
int valkey_get(struct valkey *valkey, const struct record_key *key, uint64_t request);

/*
 * A page of an owner's records, in no order; *cursor* is 0 for the first page. Then calls page() or
 * failed() with *request*, once. Returns as valkey_get().
 */
int valkey_owner_page(struct valkey *valkey, const struct in6_addr *owner, uint64_t cursor,
		      uint64_t request);

void valkey_status(const struct valkey *valkey, struct valkey_status *status);

/* Up to *max* nodes; returns how many there are. */
size_t valkey_nodes(const struct valkey *valkey, struct valkey_node_status *out, size_t max);

/* "ready", "unreachable" ...: for logs and `show`. */
const char *valkey_state_text(enum valkey_state state);
const char *valkey_role_text(enum valkey_role role);
const char *valkey_node_state_text(enum valkey_node_state state);

#endif
