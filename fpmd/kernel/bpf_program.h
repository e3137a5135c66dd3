/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all users of BPF programs need: why one was refused, what it counted, what it tells. */
#ifndef HOLDFAST_KERNEL_BPF_PROGRAM_H
#define HOLDFAST_KERNEL_BPF_PROGRAM_H

#include <bpf/libbpf.h>
#include <event2/event.h>

#include "fpmd/error.h"

/* Before each load: libbpf's first warning from now on goes into the error. */
void bpf_program_prepare(void);

/* -1 with *error* = "<what>: <cause and remedy>"; *status* as libbpf gave it. */
int bpf_program_error(int status, const char *what, struct error *error);

/* Sum of all CPUs of one element of a per-CPU array of 64-bit counters. */
uint64_t bpf_program_counter(const struct bpf_map *counters, uint32_t index);

/*
 * Reads a ring buffer every few milliseconds, which saves the programs from waking us up with each
 * event.
 */
struct bpf_ring {
	struct ring_buffer *buffer;
	struct event *timer, *full;
	const unsigned long long *lost; /* counted by the program */
	uint64_t lost_told;
	unsigned int batch;
	ring_buffer_sample_fn take;
	void (*tell_lost)(void *arg);
	void *arg;
};

/*
 * *take* gets each event; *tell_lost* is called after *lost* grew. Returns 0 or a negative errno;
 * bpf_ring_stop() is to be called in both cases.
 */
int bpf_ring_start(struct bpf_ring *ring, struct event_base *base, const struct bpf_map *events,
		   const unsigned long long *lost, ring_buffer_sample_fn take,
		   void (*tell_lost)(void *arg), void *arg);
void bpf_ring_stop(struct bpf_ring *ring);

#endif
