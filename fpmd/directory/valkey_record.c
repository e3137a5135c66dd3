/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys, values and scripts. Pure: any bytes decode to a valid record or are foreign. */
#include "fpmd/directory/valkey_record.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "fpmd/directory/wire.h"

#define KIND_RECORD 'R'
#define KIND_TOMBSTONE 'T'

/*
 * Lua compares strings by locale, so the bytes are compared one by one. newer(): above 0 if what is
 * there is. Of one owner the later epoch is, whatever the versions: its clock may have gone back.
 */
#define COMPARE                                                                                    \
	"local function compare(a, b)\n"                                                           \
	"  for i = 1, #a do\n"                                                                     \
	"    local d = string.byte(a, i) - string.byte(b, i)\n"                                    \
	"    if d ~= 0 then return d end\n"                                                        \
	"  end\n"                                                                                  \
	"  return 0\n"                                                                             \
	"end\n"                                                                                    \
	"local old, new = redis.call('GET', KEYS[1]), ARGV[1]\n"                                   \
	"local kind = old and #old == #new and string.sub(old, 1, 1)\n"                            \
	"local function newer()\n"                                                                 \
	"  local d = 0\n"                                                                          \
	"  if string.sub(old, 10, 25) == string.sub(new, 10, 25) then\n"                           \
	"    d = compare(string.sub(old, 26, 31), string.sub(new, 26, 31))\n"                      \
	"  end\n"                                                                                  \
	"  if d == 0 then d = compare(string.sub(old, 2, 9), string.sub(new, 2, 9)) end\n"         \
	"  return d\n"                                                                             \
	"end\n"

const char valkey_put_script[] = COMPARE
	"if (kind == 'R' or kind == 'T') and old ~= new then\n"
	"  local order = newer()\n"
	"  if order == 0 and kind == 'T' then return 1 end\n"
	"  if order == 0 then order = compare(string.sub(old, 10, 25), string.sub(new, 10, 25)) end\n"
	"  if order > 0 then return 1 end\n"
	"end\n"
	"redis.call('SET', KEYS[1], new, 'PX', ARGV[3])\n"
	"if KEYS[2] then\n"
	"  local now = tonumber(redis.call('TIME')[1])\n"
	"  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 1)\n"
	"  redis.call('ZADD', KEYS[2], now + math.ceil(ARGV[3] / 1000), ARGV[2])\n"
	"  redis.call('PEXPIRE', KEYS[2], ARGV[3] + 1000)\n"
	"end\n"
	"return 0\n";

const char valkey_delete_script[] =
	COMPARE "if kind == 'R' or kind == 'T' then\n"
		"  local order = newer()\n"
		"  if kind == 'T' then\n"
		"    if order >= 0 then return 0 end\n"
		"  elseif order > 0 or string.sub(old, 10, 25) ~= string.sub(new, 10, 25) then\n"
		"    return 1\n"
		"  end\n"
		"end\n"
		"local set = redis.pcall('SET', KEYS[1], new, 'PX', ARGV[3])\n"
		"if set.err then redis.call('DEL', KEYS[1]) end\n"
		"if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[2]) end\n"
		"return 0\n";

uint16_t valkey_bucket(const struct record_key *key)
{
	_Static_assert(VALKEY_BUCKETS == 1 << 10, "ten bits");
	return (uint16_t)(key->bytes[0] << 2 | key->bytes[1] >> 6);
}

size_t valkey_record_key(const char *prefix, const struct record_key *key,
			 char out[VALKEY_KEY_SIZE])
{
	char hex[2 * RECORD_KEY_SIZE + 1];

	sodium_bin2hex(hex, sizeof(hex), key->bytes, RECORD_KEY_SIZE);
	return (size_t)snprintf(out, VALKEY_KEY_SIZE, "%.*s:{%03x}:r:%s", VALKEY_PREFIX_MAX, prefix,
				valkey_bucket(key), hex);
}

size_t valkey_owner_key(const char *prefix, uint16_t bucket, const struct in6_addr *owner,
			char out[VALKEY_KEY_SIZE])
{
	char text[ADDRESS_TEXT_SIZE];

	return (size_t)snprintf(out, VALKEY_KEY_SIZE, "%.*s:{%03x}:o:%s", VALKEY_PREFIX_MAX, prefix,
				bucket, address_text(owner, text));
}

void valkey_value_encode(const struct record *record, bool tombstone,
			 uint8_t value[VALKEY_VALUE_SIZE])
{
	value[0] = tombstone ? KIND_TOMBSTONE : KIND_RECORD;
	wire_write(value + 1, record->version, 8);
	memcpy(value + 9, record->owner.s6_addr, 16);
	wire_write(value + 25, record->owner_epoch, 6);
	wire_write(value + 31, record->client, 2);
}

enum valkey_value valkey_value_decode(const void *value, size_t size, const struct record_key *key,
				      struct record *record)
{
	const uint8_t *at = value;

	if (size != VALKEY_VALUE_SIZE || (at[0] != KIND_RECORD && at[0] != KIND_TOMBSTONE))
		return VALKEY_VALUE_FOREIGN;
	record->key = *key;
	record->version = wire_read(at + 1, 8);
	memcpy(record->owner.s6_addr, at + 9, 16);
	record->owner_epoch = wire_read(at + 25, 6);
	record->client = (uint16_t)wire_read(at + 31, 2);
	if (record->version == 0 || record->owner_epoch == 0 || !address_is_unicast(&record->owner))
		return VALKEY_VALUE_FOREIGN;
	return at[0] == KIND_RECORD ? VALKEY_VALUE_RECORD : VALKEY_VALUE_TOMBSTONE;
}
