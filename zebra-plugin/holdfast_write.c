/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_write.h. Main pthread. */
#include "zebra-plugin/compat.h"

#include "zebra-plugin/holdfast_write.h"

static void write_marks(struct vty *vty, const struct holdfast_config *config,
			const struct holdfast_config *defaults)
{
	bool owner = config->mark_owner_mask != defaults->mark_owner_mask,
	     path = config->mark_path_mask != defaults->mark_path_mask,
	     stray = config->mark_stray_bit != defaults->mark_stray_bit,
	     tunnel = config->mark_tunnel_bit != defaults->mark_tunnel_bit;

	if (!owner && !path && !stray && !tunnel)
		return;
	vty_out(vty, " mark");
	if (owner)
		vty_out(vty, " owner-mask 0x%08x", config->mark_owner_mask);
	if (stray)
		vty_out(vty, " stray-bit 0x%08x", config->mark_stray_bit);
	if (tunnel)
		vty_out(vty, " tunnel-bit 0x%08x", config->mark_tunnel_bit);
	if (path)
		vty_out(vty, " path-mask 0x%08x", config->mark_path_mask);
	vty_out(vty, "\n");
}

static void write_role(struct vty *vty, enum holdfast_role role)
{
	if (role != HOLDFAST_ROLE_AUTO)
		vty_out(vty, " role %s\n", role == HOLDFAST_ROLE_SERVER ? "server" : "director");
}

static void write_engine(struct vty *vty, const struct engine_valkey *valkey)
{
	if (!valkey->host[0])
		return;
	vty_out(vty, " directory engine valkey %s %u", valkey->host, valkey->port);
	if (valkey->user[0])
		vty_out(vty, " user %s", valkey->user);
	if (valkey->password_file[0])
		vty_out(vty, " password-file %s", valkey->password_file);
	if (valkey->tls)
		vty_out(vty, " tls");
	if (valkey->ca_file[0])
		vty_out(vty, " ca-file %s", valkey->ca_file);
	if (valkey->certificate_file[0])
		vty_out(vty, " certificate %s key %s", valkey->certificate_file,
			valkey->private_key_file);
	if (strcmp(valkey->prefix, ENGINE_PREFIX_DEFAULT))
		vty_out(vty, " prefix %s", valkey->prefix);
	vty_out(vty, "\n");
}

void holdfast_write_block(struct vty *vty, const struct holdfast_config *config)
{
	struct holdfast_config defaults_of_all, *defaults = &defaults_of_all;
	char text[HOLDFAST_PREFIX_TEXT_SIZE];
	size_t i;

	holdfast_config_init(defaults);
	for (i = 0; i < config->vip_count; i++)
		vty_out(vty, " prefix %s\n", holdfast_prefix_text(&config->vips[i], text));
	for (i = 0; i < config->range_count; i++)
		vty_out(vty, " member-range %s\n", holdfast_prefix_text(&config->ranges[i], text));
	for (i = 0; i < array_size(config->local_members); i++)
		if (config->local_members[i].family)
			vty_out(vty, " local-member %s\n",
				holdfast_address_text(&config->local_members[i], text));
	write_role(vty, config->role);
	if (config->drain)
		vty_out(vty, " drain\n");
	if (config->key_file[0])
		vty_out(vty, " directory key-file %s\n", config->key_file);
	write_engine(vty, &config->valkey);
	if (config->directory_port != defaults->directory_port)
		vty_out(vty, " directory port %u\n", config->directory_port);
	if (config->directory_replicas != defaults->directory_replicas)
		vty_out(vty, " directory replicas %u\n", config->directory_replicas);
	if (config->ring_members != defaults->ring_members)
		vty_out(vty, " directory ring-members %u\n", config->ring_members);
	if (config->record_lifetime_s != defaults->record_lifetime_s)
		vty_out(vty, " directory record-lifetime %u\n", config->record_lifetime_s);
	if (config->tunnel_vni != defaults->tunnel_vni)
		vty_out(vty, " tunnel port %u vni %u\n", config->tunnel_port, config->tunnel_vni);
	else if (config->tunnel_port != defaults->tunnel_port)
		vty_out(vty, " tunnel port %u\n", config->tunnel_port);
	write_marks(vty, config, defaults);
	if (config->queue != defaults->queue)
		vty_out(vty, " queue %u\n", config->queue);
	if (config->pins_max != defaults->pins_max)
		vty_out(vty, " pins max %u\n", config->pins_max);
	if (config->pin_check_s != defaults->pin_check_s)
		vty_out(vty, " pins check-interval %u\n", config->pin_check_s);
	if (config->flows_max != defaults->flows_max)
		vty_out(vty, " flows max %u\n", config->flows_max);
	if (config->flow_lifetime_s != defaults->flow_lifetime_s)
		vty_out(vty, " flows lifetime %u\n", config->flow_lifetime_s);
	if (config->flows_fast_path)
		vty_out(vty, " flows fast-path\n");
}
