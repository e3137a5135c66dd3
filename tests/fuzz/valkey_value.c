/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A value and a key on a server that others may write to. What decodes has to encode to the same
 * bytes. */
#include <string.h>

#include "fpmd/directory/valkey_record.h"
#include "fpmd/directory/valkey_slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_key key = {{0}};
	uint8_t again[VALKEY_VALUE_SIZE];
	enum valkey_value kind;
	struct record record;

	if (valkey_slot(data, size) >= VALKEY_SLOTS)
		__builtin_trap();
	kind = valkey_value_decode(data, size, &key, &record);
	if (kind == VALKEY_VALUE_FOREIGN)
		return 0;
	valkey_value_encode(&record, kind == VALKEY_VALUE_TOMBSTONE, again);
	if (size != sizeof(again) || memcmp(data, again, sizeof(again)) != 0)
		__builtin_trap();
	return 0;
}
