/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What zebra's end of the FPM socket may send: frames, their protobuf, configuration and prefixes.
 */
#include "fpm/frame.h"
#include "fpm/holdfast.pb-c.h"
#include "fpmd/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const struct frame *frame)
{
	Holdfast__Frame *message =
		holdfast__frame__unpack(NULL, frame->payload_size, frame->payload);
	struct prefix_address prefix;
	struct settings settings;
	struct error error;

	if (message == NULL)
		return;
	if (message->body_case == HOLDFAST__FRAME__BODY_CONFIG) {
		if (!settings_from_config(message->config, &settings, &error))
			settings_missing(&settings);
		else if (error.text[0] == '\0')
			__builtin_trap(); /* a refusal without a reason */
	} else if (message->body_case == HOLDFAST__FRAME__BODY_ROUTE) {
		settings_prefix(message->route->prefix, &prefix);
	}
	holdfast__frame__free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame;

	while (frame_parse(data, size, &frame) == FRAME_COMPLETE) {
		if (frame.size > size || frame.payload + frame.payload_size != data + frame.size)
			__builtin_trap();
		if (frame.type == FRAME_PROTOBUF)
			take(&frame);
		data += frame.size;
		size -= frame.size;
	}
	return 0;
}
