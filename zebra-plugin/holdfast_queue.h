/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounded queue of frames for fpmd. zebra's main and dataplane pthreads put whole frames in,
 * the FPM pthread takes whole frames out; the memory is given once. Nobody waits: a frame that does
 * not fit empties the queue and closes it, and a replay opens it again.
 */
#ifndef HOLDFAST_QUEUE_H
#define HOLDFAST_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum holdfast_push {
	HOLDFAST_PUSHED,
	HOLDFAST_PUSHED_FIRST, /* the queue was empty: wake the reader */
	HOLDFAST_CLOSED,       /* nobody listens, or a replay is to come: the frame is not needed */
	HOLDFAST_OVERFLOW,     /* it was full: now empty and closed; wake the reader */
};

struct holdfast_queue {
	pthread_mutex_t mutex;
	uint8_t *ring;
	size_t capacity, head, used;
	bool open;
	bool overflowed;		     /* closed by a frame that did not fit */
	uint64_t overflows, dropped, frames; /* frames: of the ones in the ring */
};

/* Returns 0, or -1 when there is no memory. */
int holdfast_queue_init(struct holdfast_queue *queue, size_t capacity);
void holdfast_queue_fini(struct holdfast_queue *queue);

/* Empties and opens the queue, and puts in the first frame. */
enum holdfast_push holdfast_queue_open(struct holdfast_queue *queue, const uint8_t *frame,
				       size_t size);

/* Empties and closes it: frames are refused until the next holdfast_queue_open(). */
void holdfast_queue_close(struct holdfast_queue *queue);

enum holdfast_push holdfast_queue_push(struct holdfast_queue *queue, const uint8_t *frame,
				       size_t size);

/*
 * Moves as many whole frames as fit to *out*; returns their bytes, 0 when the queue is empty.
 * *frames* is raised by their number.
 */
size_t holdfast_queue_take(struct holdfast_queue *queue, uint8_t *out, size_t size,
			   uint64_t *frames);

/* Was it closed by an overflow since it was last opened or closed? */
bool holdfast_queue_overflowed(struct holdfast_queue *queue);

/* How full it is, in percent. */
unsigned int holdfast_queue_fill(struct holdfast_queue *queue);

/* Overflows, and frames that were lost to them. */
void holdfast_queue_counters(struct holdfast_queue *queue, uint64_t *overflows, uint64_t *dropped);

#endif
