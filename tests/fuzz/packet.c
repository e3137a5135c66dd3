/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of a segment that the kernel holds. */
#include "fpmd/kernel/queue_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct queue_packet packet;
	char text[FLOW_TEXT_SIZE];

	if (queue_packet_parse(data, size, &packet) == 0) {
		if (packet.flow.protocol != IPPROTO_TCP)
			__builtin_trap();
		flow_text(&packet.flow, text);
		flow_is_valid(&packet.flow);
	}
	return 0;
}
