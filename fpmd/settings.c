// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/settings.h"

#include <stdio.h>
#include <string.h>

int settings_prefix(const Holdfast__Prefix *wire, struct prefix_address *prefix)
{
	unsigned int bits;

	memset(prefix, 0, sizeof(*prefix));
	if (!wire || address_from_bytes(wire->address.data, wire->address.len, &prefix->address))
		return -1;
	bits = wire->address.len == 4 ? 32 : 128;
	if (wire->length > bits)
		return -1;
	prefix->length = (uint8_t)(wire->length + 128 - bits);
	return 0;
}

static bool one_bit(uint32_t mask)
{
	return mask && !(mask & (mask - 1));
}

static bool contiguous(uint32_t mask)
{
	uint32_t shifted = mask ? mask >> __builtin_ctz(mask) : 0;

	return mask && !(shifted & (shifted + 1));
}

static int check_port(uint32_t port, const char *name, struct error *error)
{
	if (port && port <= UINT16_MAX)
		return 0;
	return error_set(error, "%s port %u is not in 1-65535", name, port);
}

static int copy_vips(const Holdfast__Config *config, struct settings *s, struct error *error)
{
	if (config->n_vips > SETTINGS_VIPS_MAX)
		return error_set(error, "%zu prefixes: at most %d are taken", config->n_vips,
				 SETTINGS_VIPS_MAX);
	for (size_t i = 0; i < config->n_vips; i++) {
		struct prefix_address prefix;

		if (settings_prefix(config->vips[i], &prefix))
			return error_set(error, "prefix %zu is no address", i + 1);
		if (prefix.length != 128)
			return error_set(error, "a prefix must be a host prefix (/32 or /128)");
		if (settings_is_vip(s, &prefix.address))
			return error_set(error, "the same prefix is given twice");
		s->vips[s->vip_count++] = prefix.address;
	}
	return 0;
}

static int copy_members(const Holdfast__Config *config, struct settings *s, struct error *error)
{
	if (config->n_member_ranges > SETTINGS_RANGES_MAX)
		return error_set(error, "%zu member ranges: at most %d are taken",
				 config->n_member_ranges, SETTINGS_RANGES_MAX);
	for (size_t i = 0; i < config->n_member_ranges; i++)
		if (settings_prefix(config->member_ranges[i], &s->ranges[s->range_count++]))
			return error_set(error, "member-range %zu is no prefix", i + 1);

	for (size_t i = 0; i < config->n_local_members; i++) {
		struct in6_addr address;
		char text[ADDRESS_TEXT_SIZE];

		if (address_from_bytes(config->local_members[i].data, config->local_members[i].len,
				       &address))
			return error_set(error, "local-member is no address");
		if (!settings_in_member_range(s, &address))
			return error_set(error, "local-member %s is in no member-range",
					 address_text(&address, text));
		s->local_members[address_is_ipv4(&address) ? 0 : 1] = address;
	}
	for (size_t i = 0; i < s->vip_count; i++)
		if (settings_in_member_range(s, &s->vips[i]))
			return error_set(error, "a prefix lies in the member-range: an anycast "
						"address cannot be a member");
	return 0;
}

static int copy_marks(const Holdfast__Config *config, struct settings *s, struct error *error)
{
	uint32_t owner = config->mark_owner_mask, stray = config->mark_stray_bit,
		 tunnel = config->mark_tunnel_bit, path = config->mark_path_mask;

	if (!contiguous(owner))
		return error_set(error, "mark owner-mask 0x%x is not one run of bits", owner);
	if (!one_bit(stray) || !one_bit(tunnel))
		return error_set(error, "mark stray-bit and tunnel-bit must be one bit each");
	if (path && !contiguous(path))
		return error_set(error, "mark path-mask 0x%x is not one run of bits", path);
	if ((owner & (stray | tunnel)) || stray == tunnel || (path & (owner | stray | tunnel)))
		return error_set(error, "the fields of the mark overlap");
	s->mark_owner_mask = owner;
	s->mark_stray_bit = stray;
	s->mark_tunnel_bit = tunnel;
	s->mark_path_mask = path;
	return 0;
}

static int copy_director(const Holdfast__Config *config, struct settings *s, struct error *error)
{
	switch (config->role) {
	case HOLDFAST__ROLE__ROLE_AUTO:
		s->role = SETTINGS_ROLE_AUTO;
		break;
	case HOLDFAST__ROLE__ROLE_SERVER:
		s->role = SETTINGS_ROLE_SERVER;
		break;
	case HOLDFAST__ROLE__ROLE_DIRECTOR:
		s->role = SETTINGS_ROLE_DIRECTOR;
		break;
	default:
		return error_set(error, "role %d is not known here", (int)config->role);
	}
	if (s->role == SETTINGS_ROLE_DIRECTOR && !s->mark_path_mask)
		return error_set(error, "role director needs a mark path-mask");
	if (!s->mark_path_mask)
		return 0;
	if (config->flows_max < SETTINGS_FLOWS_MIN || config->flows_max > SETTINGS_FLOWS_MAX)
		return error_set(error, "flows max %u is not in %d-%d", config->flows_max,
				 SETTINGS_FLOWS_MIN, SETTINGS_FLOWS_MAX);
	if (config->flow_lifetime_s < 5 || config->flow_lifetime_s > 86400)
		return error_set(error, "flows lifetime %u is not in 5-86400",
				 config->flow_lifetime_s);
	s->flows_max = config->flows_max;
	s->flow_lifetime_s = config->flow_lifetime_s;
	s->flows_fast_path = config->flows_fast_path;
	return 0;
}

static int copy_engine(const Holdfast__Config *config, struct settings *s, struct error *error)
{
	const Holdfast__Valkey *wire = config->valkey;
	struct engine_valkey *valkey = &s->valkey;

	engine_valkey_init(valkey);
	if (!wire)
		return 0;
	if (check_port(wire->port, "engine valkey", error))
		return -1;
	valkey->port = (uint16_t)wire->port;
	valkey->tls = wire->tls;
	if (engine_text_set(valkey->host, sizeof(valkey->host), "engine valkey", wire->host,
			    error) ||
	    engine_text_set(valkey->user, sizeof(valkey->user), "user", wire->user, error) ||
	    engine_text_set(valkey->prefix, sizeof(valkey->prefix), "prefix", wire->prefix,
			    error) ||
	    engine_path_set(valkey->password_file, "password-file", wire->password_file, error) ||
	    engine_path_set(valkey->ca_file, "ca-file", wire->ca_file, error) ||
	    engine_path_set(valkey->certificate_file, "certificate", wire->certificate_file,
			    error) ||
	    engine_path_set(valkey->private_key_file, "key", wire->private_key_file, error))
		return -1;
	return engine_valkey_check(valkey, error);
}

int settings_from_config(const Holdfast__Config *config, struct settings *settings,
			 struct error *error)
{
	struct settings s;
	int length;

	memset(&s, 0, sizeof(s));
	if (copy_vips(config, &s, error) || copy_members(config, &s, error) ||
	    copy_marks(config, &s, error) || copy_director(config, &s, error) ||
	    copy_engine(config, &s, error) ||
	    check_port(config->directory_port, "directory", error) ||
	    check_port(config->tunnel_port, "tunnel", error))
		return -1;

	if (config->tunnel_port == config->directory_port)
		return error_set(error, "tunnel and directory have the same port %u",
				 config->tunnel_port);
	if (config->tunnel_vni > 0xffffff)
		return error_set(error, "tunnel vni %u is above 16777215", config->tunnel_vni);
	if (config->queue > UINT16_MAX)
		return error_set(error, "queue %u is above 65535", config->queue);
	if (config->directory_replicas < 1 || config->directory_replicas > 3)
		return error_set(error, "directory replicas %u is not in 1-3",
				 config->directory_replicas);
	if (config->ring_members < 3 || config->ring_members > 1024)
		return error_set(error, "directory ring-members %u is not in 3-1024",
				 config->ring_members);
	if (!config->record_lifetime_s || !config->pin_check_s || !config->pins_max)
		return error_set(error, "a time or limit of 0 was sent");
	length = snprintf(s.key_file, sizeof(s.key_file), "%s", config->directory_key_file);
	if (length < 0 || (size_t)length >= sizeof(s.key_file))
		return error_set(error, "the key-file's path is too long");

	s.directory_port = (uint16_t)config->directory_port;
	s.directory_replicas = (uint8_t)config->directory_replicas;
	s.ring_members = (uint16_t)config->ring_members;
	s.tunnel_port = (uint16_t)config->tunnel_port;
	s.tunnel_vni = config->tunnel_vni;
	s.queue = (uint16_t)config->queue;
	s.record_lifetime_s = config->record_lifetime_s;
	s.pin_check_s = config->pin_check_s;
	s.pins_max = config->pins_max;
	s.debug = config->debug;
	s.drain = config->drain;
	*settings = s;
	return 0;
}

const char *settings_missing(const struct settings *s)
{
	static const struct in6_addr none;
	struct in6_addr local = settings_local_member(s);

	if (!s->vip_count)
		return "no prefix is configured";
	if (!s->range_count)
		return "no member-range is configured";
	if (address_equal(&local, &none))
		return "no local-member is configured";
	if (!s->key_file[0])
		return "no directory key-file is configured";
	return NULL;
}

bool settings_is_vip(const struct settings *s, const struct in6_addr *address)
{
	for (size_t i = 0; i < s->vip_count; i++)
		if (address_equal(&s->vips[i], address))
			return true;
	return false;
}

bool settings_in_member_range(const struct settings *s, const struct in6_addr *address)
{
	for (size_t i = 0; i < s->range_count; i++)
		if (prefix_contains(&s->ranges[i], address))
			return true;
	return false;
}

const char *settings_role_text(enum settings_role role)
{
	return role == SETTINGS_ROLE_SERVER	? "server"
	       : role == SETTINGS_ROLE_DIRECTOR ? "director"
						: "auto";
}

struct in6_addr settings_local_member(const struct settings *s)
{
	static const struct in6_addr none;

	return address_equal(&s->local_members[0], &none) ? s->local_members[1]
							  : s->local_members[0];
}
