/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The codec of datagrams. Pure: whatever does not fit exactly is refused. */
#include "fpmd/directory/datagram.h"

#include <string.h>

#include "fpmd/directory/wire.h"

size_t datagram_entry_size(uint8_t type)
{
	switch (type) {
	case DATAGRAM_HELLO:
	case DATAGRAM_HELLO_ANSWER:
		return HELLO_SIZE;
	case DATAGRAM_PUT:
		return RECORD_SIZE;
	case DATAGRAM_PUT_ACK:
	case DATAGRAM_DELETE:
	case DATAGRAM_DELETE_ACK:
		return ACK_SIZE;
	case DATAGRAM_GET:
		return GET_SIZE;
	case DATAGRAM_GET_ANSWER:
		return GET_ANSWER_SIZE;
	case DATAGRAM_REFUSE:
	case DATAGRAM_ENDED:
		return FLOW_WIRE_SIZE;
	case DATAGRAM_BULK:
	case DATAGRAM_BULK_END:
		return BULK_SIZE;
	case DATAGRAM_BULK_FLOW:
		return BULK_FLOW_SIZE;
	default:
		return 0;
	}
}

size_t datagram_entries_max(uint8_t type)
{
	size_t entry = datagram_entry_size(type);

	if (entry == 0)
		return 0;
	if (type == DATAGRAM_HELLO || type == DATAGRAM_HELLO_ANSWER)
		return 1;
	return (DATAGRAM_BODY_MAX - DATAGRAM_COUNT_SIZE) / entry;
}

void datagram_header_encode(const struct datagram_header *header,
			    uint8_t wire[DATAGRAM_HEADER_SIZE])
{
	wire_write(wire, DATAGRAM_MAGIC, 2);
	wire[2] = DATAGRAM_VERSION;
	wire[3] = header->type;
	wire_write(wire + 4, header->key_id, 4);
	wire_write(wire + 8, header->boot.epoch, 8);
	wire_write(wire + 16, header->boot.salt, 4);
	wire_write(wire + 20, header->counter, 8);
}

int datagram_header_decode(const uint8_t *wire, size_t size, struct datagram_header *header)
{
	if (size > DATAGRAM_MAX ||
	    size < DATAGRAM_HEADER_SIZE + DATAGRAM_BODY_MIN + DATAGRAM_TAG_SIZE)
		return -1;
	if (wire_read(wire, 2) != DATAGRAM_MAGIC || wire[2] != DATAGRAM_VERSION)
		return -1;
	header->type = wire[3];
	header->key_id = (uint32_t)wire_read(wire + 4, 4);
	header->boot.epoch = wire_read(wire + 8, 8);
	header->boot.salt = (uint32_t)wire_read(wire + 16, 4);
	header->counter = wire_read(wire + 20, 8);
	if (datagram_entry_size(header->type) == 0)
		return -1;
	return header->boot.epoch == 0 || header->boot.epoch > RECORD_EPOCH_MAX ? -1 : 0;
}

size_t datagram_body_count(uint8_t type, const uint8_t *body, size_t size)
{
	size_t entry = datagram_entry_size(type);
	size_t count;

	if (entry == 0 || size < DATAGRAM_COUNT_SIZE)
		return 0;
	count = wire_read(body, DATAGRAM_COUNT_SIZE);
	if (count > datagram_entries_max(type) || size != DATAGRAM_COUNT_SIZE + count * entry)
		return 0;
	return count;
}

/* In the field of the clock. Flags that are not known say nothing. */
#define HELLO_FLAGS (UINT64_C(0xff) << 56)
#define HELLO_DIRECTOR (UINT64_C(1) << 63)
#define HELLO_DRAINING (UINT64_C(1) << 62)

void hello_encode(const struct hello *hello, uint8_t wire[HELLO_SIZE])
{
	memcpy(wire, hello->challenge, CHALLENGE_SIZE);
	wire_write(wire + 16, hello->known.epoch, 8);
	wire_write(wire + 24, hello->known.salt, 4);
	wire_write(wire + 28,
		   hello->clock_ms | (hello->director ? HELLO_DIRECTOR : 0) |
			   (hello->draining ? HELLO_DRAINING : 0),
		   8);
}

int hello_decode(const uint8_t wire[HELLO_SIZE], struct hello *hello)
{
	memcpy(hello->challenge, wire, CHALLENGE_SIZE);
	hello->known.epoch = wire_read(wire + 16, 8);
	hello->known.salt = (uint32_t)wire_read(wire + 24, 4);
	hello->clock_ms = wire_read(wire + 28, 8);
	hello->director = hello->clock_ms & HELLO_DIRECTOR;
	hello->draining = hello->clock_ms & HELLO_DRAINING;
	hello->clock_ms &= ~HELLO_FLAGS;
	return hello->clock_ms == 0 || hello->clock_ms > RECORD_EPOCH_MAX ? -1 : 0;
}

void ack_encode(const struct ack *ack, uint8_t wire[ACK_SIZE])
{
	memcpy(wire, ack->key.bytes, RECORD_KEY_SIZE);
	wire_write(wire + 16, ack->version, 8);
	wire[24] = ack->status;
}

int ack_decode(const uint8_t wire[ACK_SIZE], struct ack *ack)
{
	memcpy(ack->key.bytes, wire, RECORD_KEY_SIZE);
	ack->version = wire_read(wire + 16, 8);
	ack->status = wire[24];
	return ack->status >= ACK_STATUSES || ack->version == 0 ? -1 : 0;
}

void get_encode(const struct get *get, uint8_t wire[GET_SIZE])
{
	wire_write(wire, get->request, 8);
	flow_encode(&get->flow, wire + 8);
}

int get_decode(const uint8_t wire[GET_SIZE], struct get *get)
{
	get->request = wire_read(wire, 8);
	return flow_decode(wire + 8, &get->flow);
}

void get_answer_encode(const struct get_answer *answer, uint8_t wire[GET_ANSWER_SIZE])
{
	wire_write(wire, answer->request, 8);
	wire[8] = answer->status;
	if (answer->status == GET_MISS)
		memset(wire + 9, 0, RECORD_SIZE);
	else
		record_encode(&answer->record, wire + 9);
}

int get_answer_decode(const uint8_t wire[GET_ANSWER_SIZE], struct get_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->request = wire_read(wire, 8);
	answer->status = wire[8];
	if (answer->status >= GET_STATUSES)
		return -1;
	return answer->status == GET_MISS ? 0 : record_decode(wire + 9, &answer->record);
}

void bulk_encode(const struct bulk *bulk, uint8_t wire[BULK_SIZE])
{
	wire_write(wire, bulk->request, 8);
	wire_write(wire + 8, bulk->cursor, 8);
	wire_write(wire + 16, bulk->count, 4);
	wire_write(wire + 20, 0, 4);
}

int bulk_decode(const uint8_t wire[BULK_SIZE], struct bulk *bulk)
{
	bulk->request = wire_read(wire, 8);
	bulk->cursor = wire_read(wire + 8, 8);
	bulk->count = (uint32_t)wire_read(wire + 16, 4);
	return wire_read(wire + 20, 4) == 0 ? 0 : -1;
}

void bulk_flow_encode(const struct bulk_flow *flow, uint8_t wire[BULK_FLOW_SIZE])
{
	wire_write(wire, flow->request, 8);
	wire_write(wire + 8, flow->number, 4);
	flow_encode(&flow->flow, wire + 12);
}

int bulk_flow_decode(const uint8_t wire[BULK_FLOW_SIZE], struct bulk_flow *flow)
{
	flow->request = wire_read(wire, 8);
	flow->number = (uint32_t)wire_read(wire + 8, 4);
	return flow_decode(wire + 12, &flow->flow);
}
