// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/flow.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool address_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct in6_addr address_from_ipv4(uint32_t network_order)
{
	struct in6_addr a = {0};

	a.s6_addr[10] = 0xff;
	a.s6_addr[11] = 0xff;
	memcpy(&a.s6_addr[12], &network_order, sizeof(network_order));
	return a;
}

uint32_t address_to_ipv4(const struct in6_addr *a)
{
	uint32_t network_order;

	memcpy(&network_order, &a->s6_addr[12], sizeof(network_order));
	return network_order;
}

int address_from_bytes(const void *bytes, size_t size, struct in6_addr *out)
{
	uint32_t ipv4;

	switch (size) {
	case sizeof(ipv4):
		memcpy(&ipv4, bytes, sizeof(ipv4));
		*out = address_from_ipv4(ipv4);
		return 0;
	case sizeof(*out):
		memcpy(out, bytes, sizeof(*out));
		return 0;
	default:
		return -1;
	}
}

const char *address_text(const struct in6_addr *a, char text[ADDRESS_TEXT_SIZE])
{
	const char *ok;

	if (address_is_ipv4(a))
		ok = inet_ntop(AF_INET, &a->s6_addr[12], text, ADDRESS_TEXT_SIZE);
	else
		ok = inet_ntop(AF_INET6, a, text, ADDRESS_TEXT_SIZE);
	return ok ? text : "?";
}

int address_parse(const char *text, struct in6_addr *out)
{
	struct in_addr ipv4;

	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		*out = address_from_ipv4(ipv4.s_addr);
		return 0;
	}
	return inet_pton(AF_INET6, text, out) == 1 ? 0 : -1;
}

bool prefix_contains(const struct prefix_address *p, const struct in6_addr *a)
{
	unsigned int bytes = p->length / 8, bits = p->length % 8;

	if (memcmp(&p->address, a, bytes))
		return false;
	if (!bits)
		return true;
	return ((p->address.s6_addr[bytes] ^ a->s6_addr[bytes]) >> (8 - bits)) == 0;
}

const char *flow_text(const struct flow *f, char text[FLOW_TEXT_SIZE])
{
	char client[ADDRESS_TEXT_SIZE], vip[ADDRESS_TEXT_SIZE];
	const char *form = address_is_ipv4(&f->vip) ? "%s:%u > %s:%u" : "[%s]:%u > [%s]:%u";

	snprintf(text, FLOW_TEXT_SIZE, form, address_text(&f->client, client), f->client_port,
		 address_text(&f->vip, vip), f->vip_port);
	return text;
}

bool flow_equal(const struct flow *a, const struct flow *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool address_is_unicast(const struct in6_addr *a)
{
	if (address_is_ipv4(a))
		return a->s6_addr[12] != 0 && a->s6_addr[12] < 224;
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_MULTICAST(a);
}

bool flow_is_valid(const struct flow *flow)
{
	return flow->protocol == IPPROTO_TCP && flow->client_port != 0 && flow->vip_port != 0 &&
	       address_is_ipv4(&flow->client) == address_is_ipv4(&flow->vip) &&
	       address_is_unicast(&flow->client) && address_is_unicast(&flow->vip);
}
