/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FPM frame: one byte version, one byte type, two bytes big-endian length of the frame with
 * this header, then the payload (FRR: fpm/fpm.h). Pure: no I/O.
 */
#ifndef HOLDFAST_FRAME_H
#define HOLDFAST_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_VERSION	  1
#define FRAME_NETLINK	  1
#define FRAME_PROTOBUF	  2
#define FRAME_HEADER_SIZE 4
#define FRAME_SIZE_MAX	  65535
#define FRAME_PAYLOAD_MAX (FRAME_SIZE_MAX - FRAME_HEADER_SIZE)

enum frame_status {
	FRAME_COMPLETE,
	FRAME_INCOMPLETE, /* more bytes are needed */
	FRAME_BAD,	  /* not a frame: the stream cannot be read on */
};

struct frame {
	uint8_t type;	     /* FRAME_NETLINK or FRAME_PROTOBUF */
	const uint8_t *payload; /* inside the buffer that was given */
	size_t payload_size;
	size_t size; /* of the whole frame: how far to move on */
};

/*
 * Looks at the bytes received so far. Fills *frame* when it returns FRAME_COMPLETE. A version or
 * type that is not known, or a length below the header's, is FRAME_BAD.
 */
enum frame_status frame_parse(const uint8_t *data, size_t size, struct frame *frame);

/*
 * Writes the header of a frame with *payload_size* bytes of payload to *header*
 * (FRAME_HEADER_SIZE bytes). Returns 0, or -1 if the payload is larger than FRAME_PAYLOAD_MAX.
 */
int frame_header_write(uint8_t *header, uint8_t type, size_t payload_size);

#endif
