// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpm/frame.h"
#include "fpm/holdfast.pb-c.h"
#include "tests/unit.h"

START_TEST(every_prefix_of_a_frame_is_incomplete)
{
	uint8_t data[FRAME_HEADER_SIZE + 10] = {0};
	struct frame frame;

	ck_assert_int_eq(frame_header_write(data, FRAME_PROTOBUF, 10), 0);
	for (size_t size = 0; size < sizeof(data); size++)
		ck_assert_int_eq(frame_parse(data, size, &frame), FRAME_INCOMPLETE);
	ck_assert_int_eq(frame_parse(data, sizeof(data), &frame), FRAME_COMPLETE);
	ck_assert_uint_eq(frame.size, sizeof(data));
	ck_assert_uint_eq(frame.payload_size, 10);
	ck_assert_ptr_eq(frame.payload, data + FRAME_HEADER_SIZE);
}
END_TEST

START_TEST(bad_headers_are_refused_at_once)
{
	static const uint8_t bad[][FRAME_HEADER_SIZE] = {
		{0, 2, 0, 8}, {2, 2, 0, 8}, {1, 0, 0, 8}, {1, 3, 0, 8}, {1, 2, 0, 3}, {1, 2, 0, 0},
	};
	struct frame frame;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(frame_parse(bad[i], FRAME_HEADER_SIZE, &frame), FRAME_BAD);
}
END_TEST

START_TEST(largest_payload_and_one_more)
{
	uint8_t header[FRAME_HEADER_SIZE];
	struct frame frame;
	uint8_t *data = calloc(1, FRAME_SIZE_MAX);

	ck_assert_int_eq(frame_header_write(header, FRAME_NETLINK, FRAME_PAYLOAD_MAX), 0);
	ck_assert_int_eq(frame_header_write(header, FRAME_NETLINK, FRAME_PAYLOAD_MAX + 1), -1);
	memcpy(data, header, sizeof(header));
	ck_assert_int_eq(frame_parse(data, FRAME_SIZE_MAX, &frame), FRAME_COMPLETE);
	ck_assert_uint_eq(frame.size, FRAME_SIZE_MAX);
	free(data);
}
END_TEST

/* What the decoder is given is not ours: it must survive anything. */
START_TEST(hostile_payloads_do_not_crash_the_decoder)
{
	uint8_t data[512];
	unsigned int seed = 7, decoded = 0;

	for (int round = 0; round < 20000; round++) {
		size_t size = (size_t)rand_r(&seed) % sizeof(data);
		Holdfast__Frame *frame;

		for (size_t i = 0; i < size; i++)
			data[i] = (uint8_t)rand_r(&seed);
		frame = holdfast__frame__unpack(NULL, size, data);
		if (frame) {
			decoded++;
			holdfast__frame__free_unpacked(frame, NULL);
		}
	}
	ck_assert_uint_lt(decoded, 20000);
}
END_TEST

START_TEST(truncated_and_flipped_messages)
{
	Holdfast__Prefix prefix = HOLDFAST__PREFIX__INIT;
	Holdfast__Route route = HOLDFAST__ROUTE__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT, *back;
	uint8_t address[4] = {192, 0, 2, 80}, packed[256], copy[256];
	size_t size;

	prefix.address.data = address;
	prefix.address.len = sizeof(address);
	prefix.length = 32;
	route.prefix = &prefix;
	frame.body_case = HOLDFAST__FRAME__BODY_ROUTE;
	frame.route = &route;
	size = holdfast__frame__pack(&frame, packed);
	for (size_t cut = 0; cut < size; cut++) {
		back = holdfast__frame__unpack(NULL, cut, packed);
		if (back)
			holdfast__frame__free_unpacked(back, NULL);
	}
	for (size_t bit = 0; bit < size * 8; bit++) {
		memcpy(copy, packed, size);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		back = holdfast__frame__unpack(NULL, size, copy);
		if (back)
			holdfast__frame__free_unpacked(back, NULL);
	}
	back = holdfast__frame__unpack(NULL, size, packed);
	ck_assert_ptr_nonnull(back);
	ck_assert_int_eq(back->body_case, HOLDFAST__FRAME__BODY_ROUTE);
	ck_assert_uint_eq(back->route->prefix->length, 32);
	holdfast__frame__free_unpacked(back, NULL);
}
END_TEST

UNIT_MAIN("frame", every_prefix_of_a_frame_is_incomplete, bad_headers_are_refused_at_once,
	  largest_payload_and_one_more, hostile_payloads_do_not_crash_the_decoder,
	  truncated_and_flipped_messages)
