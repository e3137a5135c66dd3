/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The codec of records and flows. Pure: any bytes decode to a valid value or to an error. */
#include "fpmd/directory/record.h"

#include <sodium.h>
#include <string.h>

#include "fpmd/directory/wire.h"

void record_encode(const struct record *record, uint8_t wire[RECORD_SIZE])
{
	memcpy(wire, record->key.bytes, 16);
	memcpy(wire + 16, record->owner.s6_addr, 16);
	wire_write(wire + 32, record->version, 8);
	wire_write(wire + 40, record->owner_epoch, 6);
	wire_write(wire + 46, record->client, 2);
}

int record_decode(const uint8_t wire[RECORD_SIZE], struct record *record)
{
	memcpy(record->key.bytes, wire, 16);
	memcpy(record->owner.s6_addr, wire + 16, 16);
	record->version = wire_read(wire + 32, 8);
	record->owner_epoch = wire_read(wire + 40, 6);
	record->client = (uint16_t)wire_read(wire + 46, 2);
	if (record->version == 0 || record->owner_epoch == 0)
		return -1;
	return address_is_unicast(&record->owner) ? 0 : -1;
}

void flow_encode(const struct flow *flow, uint8_t wire[FLOW_WIRE_SIZE])
{
	memcpy(wire, flow->client.s6_addr, 16);
	memcpy(wire + 16, flow->vip.s6_addr, 16);
	wire_write(wire + 32, flow->client_port, 2);
	wire_write(wire + 34, flow->vip_port, 2);
	wire[36] = flow->protocol;
}

int flow_decode(const uint8_t wire[FLOW_WIRE_SIZE], struct flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	memcpy(flow->client.s6_addr, wire, 16);
	memcpy(flow->vip.s6_addr, wire + 16, 16);
	flow->client_port = (uint16_t)wire_read(wire + 32, 2);
	flow->vip_port = (uint16_t)wire_read(wire + 34, 2);
	flow->protocol = wire[36];
	return flow_is_valid(flow) ? 0 : -1;
}

void record_key_make(const uint8_t hash_key[RECORD_HASH_SIZE], const struct flow *flow,
		     struct record_key *key)
{
	uint8_t wire[FLOW_WIRE_SIZE];

	_Static_assert(RECORD_HASH_SIZE == crypto_shorthash_siphashx24_KEYBYTES, "key size");
	_Static_assert(RECORD_KEY_SIZE == crypto_shorthash_siphashx24_BYTES, "hash size");
	flow_encode(flow, wire);
	crypto_shorthash_siphashx24(key->bytes, wire, sizeof(wire), hash_key);
}

uint16_t record_client_make(const uint8_t hash_key[RECORD_HASH_SIZE], const struct in6_addr *client)
{
	uint8_t hash[crypto_shorthash_siphashx24_BYTES];

	crypto_shorthash_siphashx24(hash, client->s6_addr, address_is_ipv4(client) ? 16 : 8,
				    hash_key);
	return (uint16_t)wire_read(hash, 2);
}
