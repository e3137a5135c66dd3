/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words that all of fpmd shares: addresses and flows. Addresses of both families are kept as
 * struct in6_addr, IPv4 in its mapped form (RFC 4291, 2.5.5.2).
 */
#ifndef HOLDFAST_FLOW_H
#define HOLDFAST_FLOW_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */
#define FLOW_TEXT_SIZE 112

/* One session as the wire names it. Compared and hashed as bytes: always start from zero. */
struct flow {
	struct in6_addr client;
	struct in6_addr vip;
	uint16_t client_port; /* host byte order */
	uint16_t vip_port;    /* host byte order */
	uint8_t protocol;     /* IPPROTO_TCP */
	uint8_t zero[3];
};
_Static_assert(sizeof(struct flow) == 40, "no padding in a key");

/* A key of tables, too: compared and hashed as bytes, so always start from zero. */
struct prefix_address {
	struct in6_addr address;
	uint8_t length; /* counted in the mapped form: an IPv4 /32 is 128 */
	uint8_t zero[3];
};
_Static_assert(sizeof(struct prefix_address) == 20, "no padding in a key");

static inline bool address_is_ipv4(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

bool address_is_unicast(const struct in6_addr *a);
bool address_equal(const struct in6_addr *a, const struct in6_addr *b);

/* The mapped form of an IPv4 address in network byte order, and back. */
struct in6_addr address_from_ipv4(uint32_t network_order);
uint32_t address_to_ipv4(const struct in6_addr *a);

/* From 4 or 16 bytes in network order. Returns 0, or -1 if *size* is neither. */
int address_from_bytes(const void *bytes, size_t size, struct in6_addr *out);

/* Text of an address ("10.255.0.3", "2001:db8::1"); returns *text*. */
const char *address_text(const struct in6_addr *a, char text[ADDRESS_TEXT_SIZE]);

/* From text of either family. Returns 0, or -1. */
int address_parse(const char *text, struct in6_addr *out);

bool prefix_contains(const struct prefix_address *p, const struct in6_addr *a);

/* "198.51.100.7:40312 > 192.0.2.80:80"; returns *text*. */
const char *flow_text(const struct flow *f, char text[FLOW_TEXT_SIZE]);

/* TCP, ports that are not 0, unicast addresses of one family: others have no session. */
bool flow_is_valid(const struct flow *flow);

bool flow_equal(const struct flow *a, const struct flow *b);

#endif
