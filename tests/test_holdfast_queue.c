// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>

#include "fpm/frame.h"
#include "tests/unit.h"
#include "zebra-plugin/holdfast_queue.h"

static size_t make(uint8_t *frame, size_t payload, uint8_t mark)
{
	ck_assert_int_eq(frame_header_write(frame, FRAME_PROTOBUF, payload), 0);
	memset(frame + FRAME_HEADER_SIZE, mark, payload);
	return FRAME_HEADER_SIZE + payload;
}

START_TEST(a_closed_queue_takes_nothing)
{
	struct holdfast_queue queue;
	uint8_t frame[64], out[256];
	uint64_t frames = 0, overflows, dropped;

	ck_assert_int_eq(holdfast_queue_init(&queue, 1000), 0);
	ck_assert_int_eq(holdfast_queue_push(&queue, frame, make(frame, 20, 1)), HOLDFAST_CLOSED);
	ck_assert_uint_eq(holdfast_queue_take(&queue, out, sizeof(out), &frames), 0);
	holdfast_queue_counters(&queue, &overflows, &dropped);
	ck_assert_uint_eq(dropped, 0);
	holdfast_queue_fini(&queue);
}
END_TEST

START_TEST(frames_come_out_whole_and_in_order)
{
	struct holdfast_queue queue;
	uint8_t frame[64], out[64];
	uint64_t frames = 0;
	uint8_t in_mark = 1, out_mark = 0;

	ck_assert_int_eq(holdfast_queue_init(&queue, 100), 0);
	ck_assert_int_eq(holdfast_queue_open(&queue, frame, make(frame, 3, 0)),
			 HOLDFAST_PUSHED_FIRST);
	for (size_t round = 0; round < 5000; round++) {
		size_t size, done = 0;

		while (holdfast_queue_fill(&queue) < 50)
			holdfast_queue_push(&queue, frame, make(frame, 1 + in_mark % 29, in_mark)),
				in_mark++;
		size = holdfast_queue_take(&queue, out, sizeof(out), &frames);
		ck_assert_uint_gt(size, 0);
		while (done < size) {
			struct frame parsed;

			ck_assert_int_eq(frame_parse(out + done, size - done, &parsed),
					 FRAME_COMPLETE);
			ck_assert_uint_eq(parsed.payload[0], out_mark);
			ck_assert_uint_eq(parsed.payload[parsed.payload_size - 1], out_mark);
			out_mark++;
			done += parsed.size;
		}
	}
	ck_assert_uint_gt(frames, 5000);
	holdfast_queue_fini(&queue);
}
END_TEST

START_TEST(an_overflow_empties_and_closes)
{
	struct holdfast_queue queue;
	uint8_t frame[64], out[256];
	uint64_t frames = 0, overflows, dropped;

	ck_assert_int_eq(holdfast_queue_init(&queue, 100), 0);
	ck_assert_int_eq(holdfast_queue_open(&queue, frame, make(frame, 46, 1)),
			 HOLDFAST_PUSHED_FIRST);
	ck_assert_int_eq(holdfast_queue_push(&queue, frame, make(frame, 46, 2)), HOLDFAST_PUSHED);
	ck_assert_uint_eq(holdfast_queue_fill(&queue), 100);
	ck_assert(!holdfast_queue_overflowed(&queue));
	ck_assert_int_eq(holdfast_queue_push(&queue, frame, make(frame, 1, 3)), HOLDFAST_OVERFLOW);
	ck_assert(holdfast_queue_overflowed(&queue));
	ck_assert_int_eq(holdfast_queue_push(&queue, frame, make(frame, 1, 4)), HOLDFAST_CLOSED);
	ck_assert_uint_eq(holdfast_queue_take(&queue, out, sizeof(out), &frames), 0);
	holdfast_queue_counters(&queue, &overflows, &dropped);
	ck_assert_uint_eq(overflows, 1);
	ck_assert_uint_eq(dropped, 4);
	ck_assert_int_eq(holdfast_queue_open(&queue, frame, make(frame, 5, 6)),
			 HOLDFAST_PUSHED_FIRST);
	ck_assert(!holdfast_queue_overflowed(&queue));
	ck_assert_uint_eq(holdfast_queue_take(&queue, out, sizeof(out), &frames), 9);
	ck_assert_uint_eq(out[4], 6);
	holdfast_queue_fini(&queue);
}
END_TEST

START_TEST(taking_into_less_than_a_frame_takes_nothing)
{
	struct holdfast_queue queue;
	uint8_t frame[64], out[64];
	uint64_t frames = 0;

	ck_assert_int_eq(holdfast_queue_init(&queue, 100), 0);
	holdfast_queue_open(&queue, frame, make(frame, 40, 1));
	ck_assert_uint_eq(holdfast_queue_take(&queue, out, 43, &frames), 0);
	ck_assert_uint_eq(holdfast_queue_take(&queue, out, 44, &frames), 44);
	ck_assert_uint_eq(frames, 1);
	holdfast_queue_fini(&queue);
}
END_TEST

static void *push_many(void *arg)
{
	uint8_t frame[64];

	for (size_t i = 0; i < 100000; i++)
		holdfast_queue_push(arg, frame, make(frame, i % 50, (uint8_t)i));
	return NULL;
}

START_TEST(two_writers_and_a_reader)
{
	struct holdfast_queue queue;
	uint8_t frame[64], out[4096];
	uint64_t frames = 0, overflows, dropped, before;
	pthread_t writers[2];

	ck_assert_int_eq(holdfast_queue_init(&queue, 16384), 0);
	holdfast_queue_open(&queue, frame, make(frame, 1, 1));
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&writers[i], NULL, push_many, &queue), 0);
	do {
		size_t size, done = 0;

		before = frames;
		size = holdfast_queue_take(&queue, out, sizeof(out), &frames);
		while (done < size) {
			struct frame parsed;

			ck_assert_int_eq(frame_parse(out + done, size - done, &parsed),
					 FRAME_COMPLETE);
			done += parsed.size;
		}
		if (holdfast_queue_overflowed(&queue))
			holdfast_queue_open(&queue, frame, make(frame, 1, 1));
		holdfast_queue_counters(&queue, &overflows, &dropped);
	} while (frames + dropped < 200000 || frames != before);
	for (size_t i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	holdfast_queue_fini(&queue);
}
END_TEST

UNIT_MAIN("holdfast_queue", a_closed_queue_takes_nothing, frames_come_out_whole_and_in_order,
	  an_overflow_empties_and_closes, taking_into_less_than_a_frame_takes_nothing,
	  two_writers_and_a_reader)
