/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration file: what is accepted makes a message that fpmd can judge. */
#include <stdlib.h>
#include <string.h>

#include "fpmd/config_file.h"
#include "fpmd/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct holdfast_config config;
	struct settings settings;
	Holdfast__Frame *frame;
	struct error error = {""};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (config_file_parse(text, &config, &error)) {
		if (error.text[0] == '\0')
			__builtin_trap(); /* a refusal without a reason */
	} else {
		frame = config_file_message(&config);
		if (!frame)
			__builtin_trap();
		if (settings_from_config(frame->config, &settings, &error) && error.text[0] == '\0')
			__builtin_trap();
		holdfast__frame__free_unpacked(frame, NULL);
	}
	free(text);
	return 0;
}
