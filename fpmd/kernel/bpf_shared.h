/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the BPF programs and fpmd have in common: keys, events, counters. Included by both. */
#ifndef HOLDFAST_KERNEL_BPF_SHARED_H
#define HOLDFAST_KERNEL_BPF_SHARED_H

#define VIPS_MAX 4096
#define SENDERS_MAX 65536

/* An address of either family, IPv4 in its mapped form; network byte order. */
struct bpf_address {
	unsigned char bytes[16];
};

enum session_event_type {
	SESSION_EVENT_ESTABLISHED = 1,
	SESSION_EVENT_CLOSED = 2,
};

/* One entry of the ring buffer. Ports in host byte order. */
struct session_event {
	struct bpf_address client;
	struct bpf_address vip;
	unsigned short client_port;
	unsigned short vip_port;
	unsigned int type; /* enum session_event_type */
};

enum classifier_counter {
	CLASSIFIER_STRAYS,
	CLASSIFIER_COOKIES,
	CLASSIFIER_TUNNEL_DELIVERED,
	CLASSIFIER_TUNNEL_NO_SOCKET,
	CLASSIFIER_TUNNEL_BAD_SENDER,
	CLASSIFIER_TUNNEL_BAD_VNI,
	CLASSIFIER_TUNNEL_NOT_VIP,
	CLASSIFIER_TUNNEL_BAD_PROTOCOL,
	CLASSIFIER_TUNNEL_SYN,
	CLASSIFIER_TUNNEL_MALFORMED,
	CLASSIFIER_COUNTERS
};

#endif
