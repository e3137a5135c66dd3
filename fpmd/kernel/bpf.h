/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF programs in the kernel: the classifier at the devices' ingress, and the session events.
 */
#ifndef HOLDFAST_KERNEL_BPF_H
#define HOLDFAST_KERNEL_BPF_H

#include <event2/event.h>

#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/rtnl.h"

struct bpf;

/* Loads both programs, changes nothing else. *rtnl* stays the caller's and is used later on. */
int bpf_load(const struct kernel_options *options, struct rtnl *rtnl, struct bpf **bpf,
	     struct error *error);
/* Frees *bpf*. Attached classifiers live on. NULL is allowed. */
void bpf_free(struct bpf *bpf);

/* That a VIP or sender is in, or is not, already is no error. */
int bpf_vip_add(struct bpf *bpf, const struct in6_addr *vip, struct error *error);
int bpf_vip_remove(struct bpf *bpf, const struct in6_addr *vip, struct error *error);
int bpf_sender_set(struct bpf *bpf, const struct in6_addr *sender, uint32_t owner_mark,
		   struct error *error);
int bpf_sender_remove(struct bpf *bpf, const struct in6_addr *sender, struct error *error);

enum bpf_classifier {
	BPF_UPLINK, /* a device with Ethernet headers */
	BPF_TUNNEL, /* the tunnel device: IP headers */
};

/*
 * Attaches the classifier, in one step replacing what an earlier fpmd left. Returns 1 if it was not
 * ours that was attached, 0 if there was nothing to do, -1 on errors.
 */
int bpf_attach(struct bpf *bpf, int device, enum bpf_classifier classifier, struct error *error);

/* Detaches; the clsact qdisc goes too if we made it and nobody else has filters there. */
void bpf_detach(struct bpf *bpf, int device);

/* Reads session events every few milliseconds and hands them on. */
typedef void bpf_session_fn(void *arg, const struct flow *flow, enum kernel_session_event event);
int bpf_sessions_start(struct bpf *bpf, struct event_base *base, bpf_session_fn *session,
		       void (*lost)(void *arg), void *arg, struct error *error);

/* As kernel_counters(). */
size_t bpf_counters(struct bpf *bpf, struct kernel_counter *out, size_t max);

#endif
