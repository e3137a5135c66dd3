/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration as zebra's module sent it, checked. Pure. */
#ifndef HOLDFAST_SETTINGS_H
#define HOLDFAST_SETTINGS_H

#include "fpm/holdfast.pb-c.h"
#include "fpmd/directory/engine.h"
#include "fpmd/error.h"
#include "fpmd/flow.h"

#define SETTINGS_VIPS_MAX 128
#define SETTINGS_RANGES_MAX 16
#define SETTINGS_FLOWS_MIN 1000
#define SETTINGS_FLOWS_MAX 10000000

enum settings_role {
	SETTINGS_ROLE_AUTO, /* the routing table says it, VIP by VIP */
	SETTINGS_ROLE_SERVER,
	SETTINGS_ROLE_DIRECTOR,
};

struct settings {
	enum settings_role role;
	bool drain; /* this host takes no new sessions */
	struct in6_addr vips[SETTINGS_VIPS_MAX];
	size_t vip_count;
	struct prefix_address ranges[SETTINGS_RANGES_MAX];
	size_t range_count;
	struct in6_addr local_members[2]; /* [0] IPv4, [1] IPv6; :: is none */
	char key_file[256];
	uint16_t directory_port;
	uint8_t directory_replicas;
	uint16_t ring_members;
	uint16_t tunnel_port;
	uint32_t tunnel_vni;
	uint32_t mark_owner_mask;
	uint32_t mark_stray_bit;
	uint32_t mark_tunnel_bit;
	uint32_t mark_path_mask; /* 0: none, this host is no director */
	uint16_t queue;
	uint32_t record_lifetime_s;
	struct engine_valkey valkey; /* without a host: the one-hop engine */
	uint32_t pin_check_s;
	uint32_t pins_max;
	uint32_t flows_max; /* these two count with a path mask only */
	uint32_t flow_lifetime_s;
	bool flows_fast_path;
	uint32_t debug;
};

/*
 * Turns a message into settings. A message that breaks a rule (a number out of range, bits that
 * overlap, an address of a length that there is not) is refused as a whole: -1, *error* says why.
 */
int settings_from_config(const Holdfast__Config *config, struct settings *settings,
			 struct error *error);

/* What is still missing before anything can be done; NULL: nothing. */
const char *settings_missing(const struct settings *settings);

/* A prefix of the wire in the mapped form. Returns 0, or -1 if it is none. */
int settings_prefix(const Holdfast__Prefix *wire, struct prefix_address *prefix);

bool settings_is_vip(const struct settings *settings, const struct in6_addr *address);
bool settings_in_member_range(const struct settings *settings, const struct in6_addr *address);

/* As it is configured: "auto", "server", "director". */
const char *settings_role_text(enum settings_role role);

/* The member address of this host: the IPv4 one if there is one; :: if there is none. */
struct in6_addr settings_local_member(const struct settings *settings);

#endif
