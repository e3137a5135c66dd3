/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: what may be configured, the defaults, and which combinations are refused.
 * Pure: no FRR, no I/O. A configuration that was accepted never holds a VIP inside a member range.
 */
#ifndef HOLDFAST_CONFIG_H
#define HOLDFAST_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fpmd/directory/engine.h"
#include "fpmd/error.h"

#define HOLDFAST_VIPS_MAX 256
#define HOLDFAST_RANGES_MAX 64
#define HOLDFAST_KEY_FILE_SIZE 256
#define HOLDFAST_PREFIX_TEXT_SIZE 52

/* As in fpm/holdfast.proto. */
enum holdfast_role {
	HOLDFAST_ROLE_AUTO,
	HOLDFAST_ROLE_SERVER,
	HOLDFAST_ROLE_DIRECTOR,
};

struct holdfast_prefix {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t length; /* in bits */
	uint8_t address[16];
};

struct holdfast_config {
	bool enabled; /* `holdfast` was entered */
	enum holdfast_role role;
	bool drain;
	struct holdfast_prefix vips[HOLDFAST_VIPS_MAX]; /* sorted */
	size_t vip_count;
	struct holdfast_prefix ranges[HOLDFAST_RANGES_MAX]; /* sorted, disjoint */
	size_t range_count;
	struct holdfast_prefix local_members[2]; /* [0] IPv4, [1] IPv6 */
	char key_file[HOLDFAST_KEY_FILE_SIZE];	 /* empty: none */
	uint16_t directory_port;
	uint8_t directory_replicas;
	uint16_t ring_members;
	uint32_t record_lifetime_s;
	struct engine_valkey valkey; /* without a host: the one-hop engine */
	uint16_t tunnel_port;
	uint32_t tunnel_vni;
	uint32_t mark_owner_mask;
	uint32_t mark_stray_bit;
	uint32_t mark_tunnel_bit;
	uint32_t mark_path_mask; /* as configured: see holdfast_path_mask() */
	uint16_t queue;
	uint32_t pins_max;
	uint32_t pin_check_s;
	uint32_t flows_max;
	uint32_t flow_lifetime_s;
	bool flows_fast_path;
	uint32_t debug; /* enum DebugTopic of fpm/holdfast.proto */
};

/* Everything at its default, not enabled. */
void holdfast_config_init(struct holdfast_config *config);

/* Length of a host prefix of the family: 32 or 128. */
uint8_t holdfast_host_length(uint8_t family);

/* "192.0.2.80/32"; returns *text*. */
const char *holdfast_prefix_text(const struct holdfast_prefix *prefix,
				 char text[HOLDFAST_PREFIX_TEXT_SIZE]);

/* The same without the length. */
const char *holdfast_address_text(const struct holdfast_prefix *prefix,
				  char text[HOLDFAST_PREFIX_TEXT_SIZE]);

/*
 * Each of these returns 0, or -1 with *error* set and the configuration as it was. Adding what is
 * there already succeeds. Bits of a prefix behind its length are cleared.
 */
int holdfast_vip_add(struct holdfast_config *config, const struct holdfast_prefix *prefix,
		     struct error *error);
int holdfast_vip_remove(struct holdfast_config *config, const struct holdfast_prefix *prefix,
			struct error *error);
int holdfast_range_add(struct holdfast_config *config, const struct holdfast_prefix *prefix,
		       struct error *error);
int holdfast_range_remove(struct holdfast_config *config, const struct holdfast_prefix *prefix,
			  struct error *error);

/*
 * The member address of this host, one of each family. It has to be in a member range as soon as
 * there is one of its family.
 */
int holdfast_member_set(struct holdfast_config *config, const struct holdfast_prefix *address,
			struct error *error);
int holdfast_member_remove(struct holdfast_config *config, const struct holdfast_prefix *address,
			   struct error *error);

int holdfast_key_file_set(struct holdfast_config *config, const char *path, struct error *error);

/*
 * The owner mask and the path mask are contiguous and at least two bits wide, the others are one
 * bit; none overlap. The path mask may be 0 (none), and its default may overlap: see
 * holdfast_path_mask().
 */
int holdfast_marks_set(struct holdfast_config *config, uint32_t owner_mask, uint32_t path_mask,
		       uint32_t stray_bit, uint32_t tunnel_bit, struct error *error);

/*
 * The path mask that counts. Where other fields of the mark were moved to the default path mask,
 * there is none (0): this host is no director until it is given one of its own.
 */
uint32_t holdfast_path_mask(const struct holdfast_config *config);

/* "0x40000000", "40000000". Returns 0, or -1 with *error* set. */
int holdfast_mark_parse(const char *text, uint32_t *mark, struct error *error);

/* Is the prefix a VIP, or a host route inside a member range? */
bool holdfast_config_matches(const struct holdfast_config *config,
			     const struct holdfast_prefix *prefix);

/*
 * What is still missing or inconsistent, one line each, for `show holdfast`. Returns how many
 * there are, at most *max*.
 */
size_t holdfast_config_problems(const struct holdfast_config *config, struct error *problems,
				size_t max);

#endif
