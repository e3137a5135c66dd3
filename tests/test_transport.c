// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fpmd/directory/transport.h"
#include "tests/unit.h"

#define PORT 7941

static struct event_base *base;
static struct transport *transport;

/* The counter of the datagram that the peer gets when one entry is sent to it. */
static uint64_t counter_of_next(int peer)
{
	uint8_t wire[DATAGRAM_MAX], entry[FLOW_WIRE_SIZE] = {0};
	struct datagram_header header;
	ssize_t size;

	transport_send(transport, 1, DATAGRAM_REFUSE, entry);
	event_base_loop(base, EVLOOP_ONCE);
	size = recv(peer, wire, sizeof(wire), 0);
	ck_assert_int_gt(size, 0);
	ck_assert_int_eq(datagram_header_decode(wire, (size_t)size, &header), 0);
	return header.counter;
}

/* Its key depends on both addresses and our boot only: a counter that is used twice breaks the
 * seal. */
START_TEST(a_host_that_gets_its_place_again_sees_no_counter_twice)
{
	struct in6_addr local = unit_address("127.0.0.41"), other = unit_address("127.0.0.42");
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	const struct transport_handlers handlers = {0};
	const struct timeval limit = {.tv_sec = 2};
	static struct member_set members;
	const struct group_clock clock = {0};
	struct directory_keys keys;
	struct error error = {""};
	uint64_t first;
	int peer;

	ck_assert_int_eq(directory_key_parse("1 "
					     "00112233445566778899aabbccddeeff"
					     "00112233445566778899aabbccddeeff\n",
					     "key", &keys, &error),
			 0);
	base = event_base_new();
	member_set_init(&members, &local, 1, 0);
	member_set_routes(&members, &other, 1, 0, NULL, NULL);
	address.sin_addr.s_addr = address_to_ipv4(&other);
	peer = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	ck_assert_int_eq(bind(peer, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_msg(transport_open(base, &local, PORT, &keys, &members, &clock,
				     (struct boot){.epoch = 1, .salt = 2}, &handlers, NULL,
				     &transport, &error) == 0,
		      "%s", error.text);
	counter_of_next(peer);
	first = counter_of_next(peer);
	transport_forget(transport, 1);
	ck_assert_uint_gt(counter_of_next(peer), first);
	transport_close(transport);
	close(peer);
	event_base_free(base);
}
END_TEST

UNIT_MAIN("transport", a_host_that_gets_its_place_again_sees_no_counter_twice)
