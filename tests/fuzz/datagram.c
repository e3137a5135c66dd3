/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A datagram of the directory as if its seal were broken: header, body, and every kind of entry.
 * What decodes has to encode to the same bytes, but for flags of a hello that are not known. */
#include <string.h>

#include "fpmd/directory/datagram.h"

#define HELLO_FLAGS_AT 28 /* the first byte of the clock's field */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const uint8_t *wire, const uint8_t *again, size_t size)
{
	if (memcmp(wire, again, size) != 0)
		__builtin_trap();
}

static void entry_take(uint8_t type, const uint8_t *wire)
{
	uint8_t again[GET_ANSWER_SIZE + RECORD_SIZE];
	struct bulk_flow bulk_flow;
	struct get_answer answer;
	struct record record;
	struct hello hello;
	struct bulk bulk;
	struct flow flow;
	struct get get;
	struct ack ack;

	switch (type) {
	case DATAGRAM_HELLO:
	case DATAGRAM_HELLO_ANSWER:
		if (hello_decode(wire, &hello) != 0)
			return;
		hello_encode(&hello, again);
		if (again[HELLO_FLAGS_AT] & ~wire[HELLO_FLAGS_AT])
			__builtin_trap();
		again[HELLO_FLAGS_AT] = wire[HELLO_FLAGS_AT];
		same(wire, again, HELLO_SIZE);
		break;
	case DATAGRAM_PUT:
		if (record_decode(wire, &record) != 0)
			return;
		record_encode(&record, again);
		same(wire, again, RECORD_SIZE);
		break;
	case DATAGRAM_PUT_ACK:
	case DATAGRAM_DELETE:
	case DATAGRAM_DELETE_ACK:
		if (ack_decode(wire, &ack) != 0)
			return;
		ack_encode(&ack, again);
		same(wire, again, ACK_SIZE);
		break;
	case DATAGRAM_GET:
		if (get_decode(wire, &get) != 0)
			return;
		get_encode(&get, again);
		same(wire, again, GET_SIZE);
		break;
	case DATAGRAM_GET_ANSWER:
		if (get_answer_decode(wire, &answer) != 0)
			return;
		get_answer_encode(&answer, again);
		if (answer.status != GET_MISS) /* the record of a miss does not count */
			same(wire, again, GET_ANSWER_SIZE);
		break;
	case DATAGRAM_REFUSE:
	case DATAGRAM_ENDED:
		if (flow_decode(wire, &flow) != 0)
			return;
		flow_encode(&flow, again);
		same(wire, again, FLOW_WIRE_SIZE);
		break;
	case DATAGRAM_BULK:
	case DATAGRAM_BULK_END:
		if (bulk_decode(wire, &bulk) != 0)
			return;
		bulk_encode(&bulk, again);
		same(wire, again, BULK_SIZE);
		break;
	case DATAGRAM_BULK_FLOW:
		if (bulk_flow_decode(wire, &bulk_flow) != 0)
			return;
		bulk_flow_encode(&bulk_flow, again);
		same(wire, again, BULK_FLOW_SIZE);
		break;
	default:
		__builtin_trap(); /* a type that the header let through */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *body = data + DATAGRAM_HEADER_SIZE;
	struct datagram_header header;
	size_t count, body_size;

	if (datagram_header_decode(data, size, &header) != 0)
		return 0;
	body_size = size - DATAGRAM_HEADER_SIZE - DATAGRAM_TAG_SIZE;
	count = datagram_body_count(header.type, body, body_size);
	if (DATAGRAM_COUNT_SIZE + count * datagram_entry_size(header.type) > body_size)
		__builtin_trap();
	for (size_t i = 0; i < count; i++)
		entry_take(header.type,
			   body + DATAGRAM_COUNT_SIZE + i * datagram_entry_size(header.type));
	return 0;
}
