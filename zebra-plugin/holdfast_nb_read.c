/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_nb.h. The container as the configuration that it says, as lines of a terminal, and
 * what is wrong with it. Nothing here takes effect: mgmtd has this file, too.
 */
#include "zebra-plugin/compat.h"

#include "lib/northbound_cli.h"
#include "lib/prefix.h"

#include "zebra-plugin/holdfast_nb.h"
#include "zebra-plugin/holdfast_write.h"

/* The value of a leaf; NULL: it is not there. */
static const char *leaf_text(const struct lyd_node *block, const char *xpath)
{
	return yang_dnode_exists(block, xpath) ? yang_dnode_get_string(block, "%s", xpath) : NULL;
}

static uint32_t leaf_number(const struct lyd_node *block, const char *xpath, uint32_t fallback)
{
	const char *text = leaf_text(block, xpath);

	return text ? (uint32_t)strtoul(text, NULL, 10) : fallback;
}

static bool leaf_true(const struct lyd_node *block, const char *xpath)
{
	const char *text = leaf_text(block, xpath);

	return text && !strcmp(text, "true");
}

static int prefix_read(const char *text, struct holdfast_prefix *out, struct error *error)
{
	struct prefix prefix;

	if (!str2prefix(text, &prefix))
		return error_set(error, "%.60s is no prefix", text);
	memset(out, 0, sizeof(*out));
	out->family = prefix.family;
	out->length = (uint8_t)prefix.prefixlen;
	memcpy(out->address, &prefix.u.prefix, holdfast_host_length(prefix.family) / 8);
	return 0;
}

static int prefixes_read(const struct lyd_node *block, const char *name,
			 int (*add)(struct holdfast_config *config,
				    const struct holdfast_prefix *prefix, struct error *error),
			 struct holdfast_config *config, struct error *error)
{
	const struct lyd_node *child;
	struct holdfast_prefix prefix;

	LY_LIST_FOR(lyd_child(block), child)
	{
		if (strcmp(child->schema->name, name))
			continue;
		if (prefix_read(lyd_get_value(child), &prefix, error) ||
		    add(config, &prefix, error))
			return -1;
	}
	return 0;
}

static int member_read(const char *text, struct holdfast_config *config, struct error *error)
{
	struct holdfast_prefix address;

	if (!text)
		return 0;
	return prefix_read(text, &address, error) || holdfast_member_set(config, &address, error)
		       ? -1
		       : 0;
}

static int valkey_read(const struct lyd_node *block, struct engine_valkey *valkey,
		       struct error *error)
{
	const struct {
		const char *xpath, *name;
		char *out;
		size_t size;
	} texts[] = {
		{"./directory/valkey/host", "engine valkey", valkey->host, sizeof(valkey->host)},
		{"./directory/valkey/user", "user", valkey->user, sizeof(valkey->user)},
		{"./directory/valkey/password-file", "password-file", valkey->password_file,
		 sizeof(valkey->password_file)},
		{"./directory/valkey/ca-file", "ca-file", valkey->ca_file, sizeof(valkey->ca_file)},
		{"./directory/valkey/certificate", "certificate", valkey->certificate_file,
		 sizeof(valkey->certificate_file)},
		{"./directory/valkey/key", "key", valkey->private_key_file,
		 sizeof(valkey->private_key_file)},
		{"./directory/valkey/prefix", "prefix", valkey->prefix, sizeof(valkey->prefix)},
	};
	size_t i;

	if (!yang_dnode_exists(block, "./directory/valkey"))
		return 0;
	valkey->port = (uint16_t)leaf_number(block, "./directory/valkey/port", 0);
	valkey->tls = leaf_true(block, "./directory/valkey/tls");
	for (i = 0; i < array_size(texts); i++) {
		const char *text = leaf_text(block, texts[i].xpath);

		if (text &&
		    engine_text_set(texts[i].out, texts[i].size, texts[i].name, text, error))
			return -1;
	}
	return engine_valkey_check(valkey, error);
}

static int mark_read(const struct lyd_node *block, const char *xpath, uint32_t *mark,
		     struct error *error)
{
	const char *text = leaf_text(block, xpath);

	return text ? holdfast_mark_parse(text, mark, error) : 0;
}

static int marks_read(const struct lyd_node *block, struct holdfast_config *config,
		      struct error *error)
{
	uint32_t owner_mask = config->mark_owner_mask, path_mask = config->mark_path_mask,
		 stray_bit = config->mark_stray_bit, tunnel_bit = config->mark_tunnel_bit;

	if (mark_read(block, "./mark/owner-mask", &owner_mask, error) ||
	    mark_read(block, "./mark/path-mask", &path_mask, error) ||
	    mark_read(block, "./mark/stray-bit", &stray_bit, error) ||
	    mark_read(block, "./mark/tunnel-bit", &tunnel_bit, error))
		return -1;
	return holdfast_marks_set(config, owner_mask, path_mask, stray_bit, tunnel_bit, error);
}

static enum holdfast_role role_read(const struct lyd_node *block)
{
	const char *text = leaf_text(block, "./role");

	if (text && !strcmp(text, "server"))
		return HOLDFAST_ROLE_SERVER;
	return text && !strcmp(text, "director") ? HOLDFAST_ROLE_DIRECTOR : HOLDFAST_ROLE_AUTO;
}

static void numbers_read(const struct lyd_node *block, struct holdfast_config *config)
{
	config->directory_port =
		(uint16_t)leaf_number(block, "./directory/port", config->directory_port);
	config->directory_replicas =
		(uint8_t)leaf_number(block, "./directory/replicas", config->directory_replicas);
	config->ring_members =
		(uint16_t)leaf_number(block, "./directory/ring-members", config->ring_members);
	config->record_lifetime_s =
		leaf_number(block, "./directory/record-lifetime", config->record_lifetime_s);
	config->tunnel_port = (uint16_t)leaf_number(block, "./tunnel/port", config->tunnel_port);
	config->tunnel_vni = leaf_number(block, "./tunnel/vni", config->tunnel_vni);
	config->queue = (uint16_t)leaf_number(block, "./queue", config->queue);
	config->pins_max = leaf_number(block, "./pins/max", config->pins_max);
	config->pin_check_s = leaf_number(block, "./pins/check-interval", config->pin_check_s);
	config->flows_max = leaf_number(block, "./flows/max", config->flows_max);
	config->flow_lifetime_s = leaf_number(block, "./flows/lifetime", config->flow_lifetime_s);
	config->flows_fast_path = leaf_true(block, "./flows/fast-path");
	config->drain = leaf_true(block, "./drain");
}

int holdfast_nb_config_read(const struct lyd_node *block, struct holdfast_config *config,
			    struct error *error)
{
	const char *key_file = leaf_text(block, "./directory/key-file");

	holdfast_config_init(config);
	config->enabled = true;
	config->role = role_read(block);
	numbers_read(block, config);
	/* The members before the ranges: a range may go although a member's address is inside. */
	if (prefixes_read(block, "prefix", holdfast_vip_add, config, error) ||
	    member_read(leaf_text(block, "./local-member/ipv4"), config, error) ||
	    member_read(leaf_text(block, "./local-member/ipv6"), config, error) ||
	    prefixes_read(block, "member-range", holdfast_range_add, config, error) ||
	    (key_file && holdfast_key_file_set(config, key_file, error)) ||
	    valkey_read(block, &config->valkey, error) || marks_read(block, config, error))
		return -1;
	return 0;
}

/* A member's address that is new has to be in a range, one that was there need not. */
static int new_member_check(const struct lyd_node *block, const struct lyd_node *before,
			    const char *xpath, struct holdfast_config *config, struct error *error)
{
	const char *text = leaf_text(block, xpath), *old = before ? leaf_text(before, xpath) : NULL;

	return !text || (old && !strcmp(text, old)) ? 0 : member_read(text, config, error);
}

int holdfast_nb_config_check(const struct lyd_node *block, const struct lyd_node *before,
			     struct error *error)
{
	struct holdfast_config config;

	if (before && lyd_compare_single(block, before, LYD_COMPARE_FULL_RECURSION) == LY_SUCCESS)
		return 0;
	return holdfast_nb_config_read(block, &config, error) ||
			       new_member_check(block, before, "./local-member/ipv4", &config,
						error) ||
			       new_member_check(block, before, "./local-member/ipv6", &config,
						error)
		       ? -1
		       : 0;
}

const struct lyd_node *holdfast_nb_block(const struct nb_config *datastore)
{
	return datastore->dnode ? yang_dnode_get(datastore->dnode, HOLDFAST_XPATH) : NULL;
}

void holdfast_nb_cli_show(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	struct holdfast_config config;
	struct error error;

	vty_out(vty, "holdfast\n");
	if (holdfast_nb_config_read(dnode, &config, &error)) /* a candidate, not yet validated */
		vty_out(vty, "! %s\n", error.text);
	holdfast_write_block(vty, &config);
}

/*
 * No `exit`: a vtysh or zebra that does not know the block (after an upgrade of FRR, say) would
 * take it for the end of the whole configuration, and leave out what is behind it.
 */
void holdfast_nb_cli_show_end(struct vty *vty, const struct lyd_node *dnode)
{
	vty_out(vty, "!\n");
}
