/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The datagrams between members. Pure: sizes and numbers, no crypto.
 *
 *   header (28 bytes, authenticated, not encrypted):
 *     magic 2 | wire version 1 | type 1 | key id 4 | sender epoch 8 | sender salt 4 | counter 8
 *   body (encrypted): count 2 | count entries, all of the size of the type
 *   tag 16
 *
 * Epoch and salt name one life of the sender's fpmd, its boot. The addresses of both ends are not
 * in the datagram: they are part of the key, see seal.h.
 */
#ifndef HOLDFAST_DIRECTORY_DATAGRAM_H
#define HOLDFAST_DIRECTORY_DATAGRAM_H

#include "fpmd/directory/record.h"

#define DATAGRAM_MAX 1400
#define DATAGRAM_MAGIC 0x4846
#define DATAGRAM_VERSION 1
#define DATAGRAM_HEADER_SIZE 28
#define DATAGRAM_TAG_SIZE 16
#define DATAGRAM_BODY_MAX (DATAGRAM_MAX - DATAGRAM_HEADER_SIZE - DATAGRAM_TAG_SIZE)
#define DATAGRAM_COUNT_SIZE 2
#define DATAGRAM_BODY_MIN (DATAGRAM_COUNT_SIZE + 24)

enum datagram_type {
	DATAGRAM_HELLO = 1,    /* are you there? struct hello */
	DATAGRAM_HELLO_ANSWER, /* struct hello, the challenge given back */
	DATAGRAM_PUT,	       /* struct record, of the sender's own sessions */
	DATAGRAM_PUT_ACK,      /* struct ack */
	DATAGRAM_DELETE,       /* struct ack: key and version, status 0 */
	DATAGRAM_DELETE_ACK,   /* struct ack */
	DATAGRAM_GET,	       /* struct get */
	DATAGRAM_GET_ANSWER,   /* struct get_answer */
	DATAGRAM_REFUSE,       /* struct flow: your detour met no session here */
	DATAGRAM_BULK,	       /* struct bulk: your sessions from here on */
	DATAGRAM_BULK_FLOW,    /* struct bulk_flow */
	DATAGRAM_BULK_END,     /* struct bulk */
	DATAGRAM_ENDED,	       /* struct flow: a session that you looked up here has ended */
	DATAGRAM_TYPES,
};

struct boot {
	uint64_t epoch; /* ms since 1970, 0: none */
	uint32_t salt;	/* random */
};

struct datagram_header {
	uint8_t type;
	uint32_t key_id;
	struct boot boot;
	uint64_t counter;
};

#define HELLO_SIZE 36
#define CHALLENGE_SIZE 16
#define ACK_SIZE 25
#define GET_SIZE (8 + FLOW_WIRE_SIZE)
#define GET_ANSWER_SIZE (8 + 1 + RECORD_SIZE)
#define BULK_SIZE 24
#define BULK_FLOW_SIZE (8 + 4 + FLOW_WIRE_SIZE)

struct hello {
	uint8_t challenge[CHALLENGE_SIZE];
	struct boot known; /* newest boot of the receiver that the sender knows */
	uint64_t clock_ms; /* the sender's clock, see group_clock.h: since 1970, 48 bits, never 0 */
	bool director;	   /* the sender has no sessions of its own: it sends on what is for VIPs */
	bool draining;	   /* the sender takes no new sessions */
};

enum ack_status {
	ACK_DONE,
	ACK_SUPERSEDED, /* a newer record or tombstone stands there; of a put: with this version */
	ACK_AHEAD,	/* the version is too far in the future */
	ACK_FULL,	/* no room */
	ACK_STATUSES,
};

struct ack {
	struct record_key key;
	uint64_t version;
	uint8_t status;
};

struct get {
	uint64_t request;
	struct flow flow;
};

enum get_status {
	GET_MISS,   /* no record, and no such session in the kernel there */
	GET_RECORD, /* a record */
	GET_CLAIM,  /* the answering member owns it itself */
	GET_STATUSES,
};

struct get_answer {
	uint64_t request;
	uint8_t status;
	struct record record; /* valid for GET_RECORD and GET_CLAIM */
};

/*
 * A page of a member's sessions: the question, and what ends the answer. The flows come in between,
 * numbered from 0, in any order; after a loss the page is asked for again under another number.
 */
struct bulk {
	uint64_t request;
	uint64_t cursor; /* where to begin, 0 at first; in the answer where to go on, 0: that was
			    all */
	uint32_t count;	 /* how many flows at most; in the answer how many there are */
};

struct bulk_flow {
	uint64_t request;
	uint32_t number;
	struct flow flow;
};

/* Size of one entry of *type*, 0 for a type that is not known. */
size_t datagram_entry_size(uint8_t type);

/* How many entries of *type* fit one datagram. */
size_t datagram_entries_max(uint8_t type);

void datagram_header_encode(const struct datagram_header *header,
			    uint8_t wire[DATAGRAM_HEADER_SIZE]);

/*
 * Looks at a whole datagram as received. Returns 0, or -1: too short or too long, another magic or
 * wire version, unknown type, epoch 0.
 */
int datagram_header_decode(const uint8_t *wire, size_t size, struct datagram_header *header);

/*
 * The decrypted body: returns how many entries of *type* follow at body + DATAGRAM_COUNT_SIZE; 0 if
 * size and count do not fit exactly.
 */
size_t datagram_body_count(uint8_t type, const uint8_t *body, size_t size);

void hello_encode(const struct hello *hello, uint8_t wire[HELLO_SIZE]);
/* Returns 0, or -1: the clock is 0 or beyond 48 bits. */
int hello_decode(const uint8_t wire[HELLO_SIZE], struct hello *hello);
void ack_encode(const struct ack *ack, uint8_t wire[ACK_SIZE]);
int ack_decode(const uint8_t wire[ACK_SIZE], struct ack *ack);
void get_encode(const struct get *get, uint8_t wire[GET_SIZE]);
int get_decode(const uint8_t wire[GET_SIZE], struct get *get);
void get_answer_encode(const struct get_answer *answer, uint8_t wire[GET_ANSWER_SIZE]);
void bulk_encode(const struct bulk *bulk, uint8_t wire[BULK_SIZE]);
int bulk_decode(const uint8_t wire[BULK_SIZE], struct bulk *bulk);
void bulk_flow_encode(const struct bulk_flow *flow, uint8_t wire[BULK_FLOW_SIZE]);
int bulk_flow_decode(const uint8_t wire[BULK_FLOW_SIZE], struct bulk_flow *flow);
int get_answer_decode(const uint8_t wire[GET_ANSWER_SIZE], struct get_answer *answer);

#endif
