/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the recorder's BPF programs and fpmd have in common: records, paths, events, counters.
 * Included by both. What maps hold outlives fpmd: other layouts take another RECORDER_VERSION.
 */
#ifndef HOLDFAST_KERNEL_RECORDER_SHARED_H
#define HOLDFAST_KERNEL_RECORDER_SHARED_H

#include "fpmd/kernel/bpf_shared.h"

#define RECORDER_VERSION "1" /* of the layout of all maps below, in their names */

#define PROBATION_MAX 131072
#define PATHS_MAX 4096 /* KERNEL_PATH_MAX + 1 */
#define NEIGHBOURS_MAX 16384
#define RECORDER_RING_BYTES (4 << 20)

/* Times are counted in units of 2^30 ns of the monotonic clock, about a second. */
#define RECORDER_TIME_SHIFT 30

#define RECORDER_CLOSING_S 10	/* a closed flow's record is void after that without a packet */
#define RECORDER_PROBATION_S 60 /* longer than the pauses between the first SYNs of a client */

struct flow_key {
	struct bpf_address client;
	unsigned short client_port; /* network byte order */
	unsigned short vip_port;
	unsigned int vip; /* as the map `routed` numbers it */
};

/* A path as records name it: its id, and which path of that id. 0 is none. */
#define PATH_ID(word) ((word)&0xffff)
#define PATH_WORD(id, generation) ((unsigned int)(id) | (unsigned int)(generation) << 16)

enum handshake {
	HANDSHAKE_UNSEEN,   /* in mid-life when first seen, or done */
	HANDSHAKE_SYN,	    /* of the client */
	HANDSHAKE_ANSWERED, /* SYN-ACK, with the number in *sequence* */
};

enum record_flag {
	RECORD_PROBATION = 1 << 0, /* it is in the map `probation` */
	RECORD_PROVEN = 1 << 1,	   /* on probation for want of room only */
	RECORD_ADOPTED = 1 << 2,   /* of the owner nothing is known but what a pin says */
	RECORD_DUE = 1 << 3,	   /* fpmd was not yet told of that */
	RECORD_TOLD = 1 << 4,	   /* fpmd knows it, and is told its end */
	RECORD_CLOSING = 1 << 5,
	RECORD_REFUSED = 1 << 6, /* found no room, and was counted */
};

struct flow_record {
	unsigned int path;     /* PATH_WORD */
	unsigned int seen;     /* when, the last packet */
	unsigned int sequence; /* the server's initial one, host byte order */
	unsigned char handshake;
	unsigned char packets; /* other than SYN, on probation; counted to 2 */
	unsigned char flags;   /* enum record_flag */
	unsigned char zero;
};

/* In units of time, as flow_record.seen. */
struct record_lifetimes {
	unsigned int open; /* beyond the last packet that was noted */
	unsigned int closing;
	unsigned int probation;
};

/* *seen* may be later than *time*: another CPU may have seen a packet in a later unit. */
static inline int record_is_over(const struct flow_record *record, unsigned int time,
				 const struct record_lifetimes *lifetimes)
{
	unsigned int limit = lifetimes->open;

	if (record->flags & RECORD_CLOSING)
		limit = lifetimes->closing;
	else if ((record->flags & RECORD_PROBATION) && !(record->flags & RECORD_PROVEN))
		limit = lifetimes->probation;
	return (int)(time - record->seen) > (int)limit;
}

enum path_flag {
	PATH_USED = 1 << 0,
	PATH_SHARED = 1 << 1,
	PATH_OFFERED = 1 << 2,
	PATH_UP = 1 << 3,
};

struct path_state {
	unsigned short generation;
	unsigned short flags; /* enum path_flag */
};

/* Family 0 and no address: the device leads to paths. */
struct neighbour_key {
	unsigned int device;
	unsigned short family;
	unsigned char address[6];
};

enum recorder_event_type {
	RECORDER_EVENT_BEGAN = 1,
	RECORDER_EVENT_ADOPTED,
	RECORDER_EVENT_ENDED,
};

/* One entry of the ring buffer; those of a list have type 0. */
struct recorder_event {
	struct flow_key flow;
	unsigned int path; /* id */
	unsigned int type; /* enum recorder_event_type */
};

/* What a sweep says of each record. */
#define SWEPT_PROBATION 0x10000 /* beside the path's id */
#define SWEPT_REMOVED 0xffffffff

enum recorder_counter {
	RECORDER_NOTICED,
	RECORDER_RECORDED,
	RECORDER_FULL,
	RECORDER_ADOPTED,
	RECORDER_MOVED,
	RECORDER_CLOSING,
	RECORDER_REMOVED,
	RECORDER_FAST,
	RECORDER_COUNTERS
};

#endif
