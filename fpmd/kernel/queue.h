/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stray queue: reads the segments that the kernel holds on an NFQUEUE number and gives them
 * their verdicts. Runs on fpmd's event loop. Each segment gets exactly one verdict; only our bits
 * of its mark change.
 */
#ifndef HOLDFAST_QUEUE_H
#define HOLDFAST_QUEUE_H

#include <event2/event.h>

#include "fpmd/kernel/kernel.h"

#define QUEUE_HELD_MAX 16384 /* segments that the kernel holds for us */
#define QUEUE_COUNTERS_MAX 8 /* what queue_counters() gives at most */

struct queue;

/*
 * One per segment, from the event loop; *stray* is valid during the call, its interface is not set:
 * *device* is the index of the device that it came in by, 0 when that is not known.
 */
typedef void queue_stray_fn(void *arg, const struct kernel_stray *stray, int device);

/*
 * Binds options->queue (the marks are taken from *options* too). Strays are dropped until
 * queue_start(); from then on the kernel holds them and *stray* gets them. A number that is in use:
 * the error says so.
 */
int queue_open(struct event_base *base, const struct kernel_options *options, queue_stray_fn *stray,
	       void *arg, struct queue **queue, struct error *error);
int queue_start(struct queue *queue, struct error *error);

/* Held segments are dropped. NULL is allowed. */
void queue_close(struct queue *queue);

/* As kernel_stray_verdict(). An id that is not held is ignored. */
void queue_verdict(struct queue *queue, uint32_t id, enum kernel_verdict verdict, uint16_t owner);

/* As kernel_counters(). */
size_t queue_counters(struct queue *queue, struct kernel_counter *out, size_t max);

#endif
