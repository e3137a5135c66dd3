// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes what fpmd makes of a configuration file as the frame that zebra's module would send. */
#include <stdio.h>

#include "fpm/frame.h"
#include "fpmd/stock.h"

int main(int argc, char **argv)
{
	uint8_t bytes[FRAME_SIZE_MAX];
	Holdfast__Frame *message;
	struct error error;
	size_t size;

	if (argc != 2) {
		fprintf(stderr, "usage: config_frame FILE\n");
		return 2;
	}
	message = stock_read(argv[1], &error);
	if (!message) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	size = holdfast__frame__pack(message, bytes + FRAME_HEADER_SIZE);
	holdfast__frame__free_unpacked(message, NULL);
	if (frame_header_write(bytes, FRAME_PROTOBUF, size) ||
	    fwrite(bytes, 1, size + FRAME_HEADER_SIZE, stdout) != size + FRAME_HEADER_SIZE)
		return 1;
	return fflush(stdout) ? 1 : 0;
}
