/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_queue.h. A byte ring that holds whole FPM frames only, under one mutex. */
#include <stdlib.h>
#include <string.h>

#include "fpm/frame.h"
#include "zebra-plugin/holdfast_queue.h"

int holdfast_queue_init(struct holdfast_queue *queue, size_t capacity)
{
	memset(queue, 0, sizeof(*queue));
	queue->ring = malloc(capacity);
	if (!queue->ring)
		return -1;
	if (pthread_mutex_init(&queue->mutex, NULL)) {
		free(queue->ring);
		queue->ring = NULL;
		return -1;
	}
	queue->capacity = capacity;
	return 0;
}

void holdfast_queue_fini(struct holdfast_queue *queue)
{
	if (!queue->ring)
		return;
	pthread_mutex_destroy(&queue->mutex);
	free(queue->ring);
	memset(queue, 0, sizeof(*queue));
}

/* All below: under the mutex. */
static void queue_empty(struct holdfast_queue *queue)
{
	queue->head = 0;
	queue->used = 0;
	queue->frames = 0;
}

static void ring_read(const struct holdfast_queue *queue, uint8_t *out, size_t size)
{
	size_t first = queue->capacity - queue->head;

	if (first > size)
		first = size;
	memcpy(out, queue->ring + queue->head, first);
	memcpy(out + first, queue->ring, size - first);
}

static enum holdfast_push queue_put(struct holdfast_queue *queue, const uint8_t *frame, size_t size)
{
	size_t tail, first;

	if (size > queue->capacity - queue->used) {
		queue->overflows++;
		queue->dropped += queue->frames + 1;
		queue_empty(queue);
		queue->open = false;
		queue->overflowed = true;
		return HOLDFAST_OVERFLOW;
	}
	tail = (queue->head + queue->used) % queue->capacity;
	first = queue->capacity - tail;
	if (first > size)
		first = size;
	memcpy(queue->ring + tail, frame, first);
	memcpy(queue->ring, frame + first, size - first);
	queue->used += size;
	return queue->frames++ ? HOLDFAST_PUSHED : HOLDFAST_PUSHED_FIRST;
}

enum holdfast_push holdfast_queue_open(struct holdfast_queue *queue, const uint8_t *frame,
				       size_t size)
{
	enum holdfast_push result;

	pthread_mutex_lock(&queue->mutex);
	queue_empty(queue);
	queue->open = true;
	queue->overflowed = false;
	result = queue_put(queue, frame, size);
	pthread_mutex_unlock(&queue->mutex);
	return result;
}

void holdfast_queue_close(struct holdfast_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue_empty(queue);
	queue->open = false;
	queue->overflowed = false;
	pthread_mutex_unlock(&queue->mutex);
}

enum holdfast_push holdfast_queue_push(struct holdfast_queue *queue, const uint8_t *frame,
				       size_t size)
{
	enum holdfast_push result = HOLDFAST_CLOSED;

	pthread_mutex_lock(&queue->mutex);
	if (queue->open)
		result = queue_put(queue, frame, size);
	else if (queue->overflowed)
		queue->dropped++;
	pthread_mutex_unlock(&queue->mutex);
	return result;
}

size_t holdfast_queue_take(struct holdfast_queue *queue, uint8_t *out, size_t size,
			   uint64_t *frames)
{
	size_t taken = 0;

	pthread_mutex_lock(&queue->mutex);
	while (queue->used) {
		uint8_t header[FRAME_HEADER_SIZE];
		size_t length;

		ring_read(queue, header, sizeof(header));
		length = (size_t)header[2] << 8 | header[3];
		if (length > size - taken)
			break;
		ring_read(queue, out + taken, length);
		queue->head = (queue->head + length) % queue->capacity;
		queue->used -= length;
		queue->frames--;
		taken += length;
		(*frames)++;
	}
	pthread_mutex_unlock(&queue->mutex);
	return taken;
}

bool holdfast_queue_overflowed(struct holdfast_queue *queue)
{
	bool overflowed;

	pthread_mutex_lock(&queue->mutex);
	overflowed = queue->overflowed;
	pthread_mutex_unlock(&queue->mutex);
	return overflowed;
}

unsigned int holdfast_queue_fill(struct holdfast_queue *queue)
{
	unsigned int percent;

	pthread_mutex_lock(&queue->mutex);
	percent = (unsigned int)(queue->used * 100 / queue->capacity);
	pthread_mutex_unlock(&queue->mutex);
	return percent;
}

void holdfast_queue_counters(struct holdfast_queue *queue, uint64_t *overflows, uint64_t *dropped)
{
	pthread_mutex_lock(&queue->mutex);
	*overflows = queue->overflows;
	*dropped = queue->dropped;
	pthread_mutex_unlock(&queue->mutex);
}
