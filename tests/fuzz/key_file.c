/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key file. */
#include <stdlib.h>
#include <string.h>

#include "fpmd/directory/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct directory_keys keys;
	struct error error = {""};
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (directory_key_parse(text, "file", &keys, &error) == 0) {
		if (keys.count < 1 || keys.count > KEYS_MAX)
			__builtin_trap();
		for (size_t i = 0; i < keys.count; i++)
			if (directory_key_find(&keys, keys.key[i].id) != (int)i)
				__builtin_trap();
		directory_key_clear(&keys);
	} else if (error.text[0] == '\0') {
		__builtin_trap(); /* a refusal without a reason */
	}
	free(text);
	return 0;
}
