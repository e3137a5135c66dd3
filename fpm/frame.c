// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpm/frame.h"

enum frame_status frame_parse(const uint8_t *data, size_t size, struct frame *frame)
{
	size_t length;

	if (size >= 1 && data[0] != FRAME_VERSION)
		return FRAME_BAD;
	if (size >= 2 && data[1] != FRAME_NETLINK && data[1] != FRAME_PROTOBUF)
		return FRAME_BAD;
	if (size < FRAME_HEADER_SIZE)
		return FRAME_INCOMPLETE;

	length = (size_t)data[2] << 8 | data[3];
	if (length < FRAME_HEADER_SIZE)
		return FRAME_BAD;
	if (size < length)
		return FRAME_INCOMPLETE;

	frame->type = data[1];
	frame->payload = data + FRAME_HEADER_SIZE;
	frame->payload_size = length - FRAME_HEADER_SIZE;
	frame->size = length;
	return FRAME_COMPLETE;
}

int frame_header_write(uint8_t *header, uint8_t type, size_t payload_size)
{
	size_t length = payload_size + FRAME_HEADER_SIZE;

	if (payload_size > FRAME_PAYLOAD_MAX)
		return -1;
	header[0] = FRAME_VERSION;
	header[1] = type;
	header[2] = (uint8_t)(length >> 8);
	header[3] = (uint8_t)length;
	return 0;
}
