/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_config.h. Used in zebra's main pthread; the dataplane pthread has a copy. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "zebra-plugin/holdfast_config.h"

#define PATH_MASK_DEFAULT 0x0ff00000

void holdfast_config_init(struct holdfast_config *config)
{
	memset(config, 0, sizeof(*config));
	config->directory_port = 7939;
	config->directory_replicas = 3;
	config->ring_members = 48;
	config->record_lifetime_s = 600;
	engine_valkey_init(&config->valkey);
	config->tunnel_port = 4790;
	config->tunnel_vni = 77;
	config->mark_owner_mask = 0x00000fff;
	config->mark_stray_bit = 0x80000000;
	config->mark_tunnel_bit = 0x40000000;
	config->mark_path_mask = PATH_MASK_DEFAULT;
	config->queue = 7939;
	config->pins_max = 1048576;
	config->pin_check_s = 60;
	config->flows_max = 1048576;
	config->flow_lifetime_s = 900;
}

uint8_t holdfast_host_length(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

const char *holdfast_address_text(const struct holdfast_prefix *prefix,
				  char text[HOLDFAST_PREFIX_TEXT_SIZE])
{
	if (!inet_ntop(prefix->family, prefix->address, text, HOLDFAST_PREFIX_TEXT_SIZE))
		memcpy(text, "?", sizeof("?"));
	return text;
}

const char *holdfast_prefix_text(const struct holdfast_prefix *prefix,
				 char text[HOLDFAST_PREFIX_TEXT_SIZE])
{
	char *end;
	unsigned int length = prefix->length;

	holdfast_address_text(prefix, text);
	end = text + strlen(text);
	*end++ = '/';
	if (length >= 100)
		*end++ = (char)('0' + length / 100);
	if (length >= 10)
		*end++ = (char)('0' + length / 10 % 10);
	*end++ = (char)('0' + length % 10);
	*end = '\0';
	return text;
}

static int prefix_compare(const void *a, const void *b)
{
	const struct holdfast_prefix *left = a, *right = b;
	int order;

	if (left->family != right->family)
		return left->family < right->family ? -1 : 1;
	order = memcmp(left->address, right->address, sizeof(left->address));
	return order ? order : (int)left->length - (int)right->length;
}

static bool prefix_equal(const struct holdfast_prefix *a, const struct holdfast_prefix *b)
{
	return prefix_compare(a, b) == 0;
}

/* Is *inner* the same as, or inside of, *outer*? */
static bool prefix_contains(const struct holdfast_prefix *outer,
			    const struct holdfast_prefix *inner)
{
	size_t bytes = outer->length / 8;
	unsigned int bits = outer->length % 8;

	if (outer->family != inner->family || outer->length > inner->length)
		return false;
	if (memcmp(outer->address, inner->address, bytes))
		return false;
	return bits == 0 || ((outer->address[bytes] ^ inner->address[bytes]) >> (8 - bits)) == 0;
}

static struct holdfast_prefix prefix_normal(const struct holdfast_prefix *prefix)
{
	struct holdfast_prefix out;
	size_t i;

	memset(&out, 0, sizeof(out));
	out.family = prefix->family;
	out.length = prefix->length;
	for (i = 0; i < holdfast_host_length(prefix->family) / 8u; i++) {
		if (i < prefix->length / 8u)
			out.address[i] = prefix->address[i];
		else if (i == prefix->length / 8u)
			out.address[i] =
				prefix->address[i] & (uint8_t)(0xff00 >> prefix->length % 8);
	}
	return out;
}

static const struct holdfast_prefix *prefix_find(const struct holdfast_prefix *list, size_t count,
						 const struct holdfast_prefix *prefix)
{
	return bsearch(prefix, list, count, sizeof(*list), prefix_compare);
}

static const struct holdfast_prefix *range_of(const struct holdfast_config *config,
					      const struct holdfast_prefix *host)
{
	size_t i;

	for (i = 0; i < config->range_count; i++)
		if (prefix_contains(&config->ranges[i], host))
			return &config->ranges[i];
	return NULL;
}

static bool has_range_of_family(const struct holdfast_config *config, uint8_t family)
{
	size_t i;

	for (i = 0; i < config->range_count; i++)
		if (config->ranges[i].family == family)
			return true;
	return false;
}

static void list_insert(struct holdfast_prefix *list, size_t *count,
			const struct holdfast_prefix *prefix)
{
	size_t i = *count;

	for (; i > 0 && prefix_compare(&list[i - 1], prefix) > 0; i--)
		list[i] = list[i - 1];
	list[i] = *prefix;
	(*count)++;
}

static int list_remove(struct holdfast_prefix *list, size_t *count,
		       const struct holdfast_prefix *prefix, const char *what, struct error *error)
{
	struct holdfast_prefix normal = prefix_normal(prefix);
	const struct holdfast_prefix *found = prefix_find(list, *count, &normal);
	char text[HOLDFAST_PREFIX_TEXT_SIZE];
	size_t i;

	if (!found)
		return error_set(error, "%s %s is not configured", what,
				 holdfast_prefix_text(&normal, text));
	i = (size_t)(found - list);
	memmove(&list[i], &list[i + 1], (*count - i - 1) * sizeof(*list));
	(*count)--;
	return 0;
}

int holdfast_vip_add(struct holdfast_config *config, const struct holdfast_prefix *prefix,
		     struct error *error)
{
	char text[HOLDFAST_PREFIX_TEXT_SIZE], range_text[HOLDFAST_PREFIX_TEXT_SIZE];
	const struct holdfast_prefix *range;

	if (prefix->length != holdfast_host_length(prefix->family))
		return error_set(error, "%s is not a host prefix: a VIP is a /%u",
				 holdfast_prefix_text(prefix, text),
				 (unsigned int)holdfast_host_length(prefix->family));
	if (prefix_find(config->vips, config->vip_count, prefix))
		return 0;
	range = range_of(config, prefix);
	if (range)
		return error_set(error,
				 "%s is inside member-range %s: a VIP is not a member's address",
				 holdfast_prefix_text(prefix, text),
				 holdfast_prefix_text(range, range_text));
	if (config->vip_count == HOLDFAST_VIPS_MAX)
		return error_set(error, "at most %d prefixes can be configured", HOLDFAST_VIPS_MAX);
	list_insert(config->vips, &config->vip_count, prefix);
	return 0;
}

int holdfast_vip_remove(struct holdfast_config *config, const struct holdfast_prefix *prefix,
			struct error *error)
{
	return list_remove(config->vips, &config->vip_count, prefix, "prefix", error);
}

int holdfast_range_add(struct holdfast_config *config, const struct holdfast_prefix *prefix,
		       struct error *error)
{
	struct holdfast_prefix normal = prefix_normal(prefix);
	char text[HOLDFAST_PREFIX_TEXT_SIZE], other[HOLDFAST_PREFIX_TEXT_SIZE];
	size_t i;

	if (prefix_find(config->ranges, config->range_count, &normal))
		return 0;
	if (normal.length == 0)
		return error_set(error,
				 "member-range %s is everything: give the prefix that the"
				 " members' addresses are in",
				 holdfast_prefix_text(&normal, text));
	for (i = 0; i < config->range_count; i++)
		if (prefix_contains(&config->ranges[i], &normal) ||
		    prefix_contains(&normal, &config->ranges[i]))
			return error_set(error, "member-range %s overlaps member-range %s",
					 holdfast_prefix_text(&normal, text),
					 holdfast_prefix_text(&config->ranges[i], other));
	for (i = 0; i < config->vip_count; i++)
		if (prefix_contains(&normal, &config->vips[i]))
			return error_set(error, "member-range %s contains the VIP %s",
					 holdfast_prefix_text(&normal, text),
					 holdfast_prefix_text(&config->vips[i], other));
	if (config->range_count == HOLDFAST_RANGES_MAX)
		return error_set(error, "at most %d member-ranges can be configured",
				 HOLDFAST_RANGES_MAX);
	list_insert(config->ranges, &config->range_count, &normal);
	return 0;
}

int holdfast_range_remove(struct holdfast_config *config, const struct holdfast_prefix *prefix,
			  struct error *error)
{
	return list_remove(config->ranges, &config->range_count, prefix, "member-range", error);
}

static struct holdfast_prefix *member_slot(struct holdfast_config *config, uint8_t family)
{
	return &config->local_members[family == AF_INET ? 0 : 1];
}

int holdfast_member_set(struct holdfast_config *config, const struct holdfast_prefix *address,
			struct error *error)
{
	char text[HOLDFAST_PREFIX_TEXT_SIZE];

	if (prefix_find(config->vips, config->vip_count, address))
		return error_set(error, "%s is a VIP: a member's address is its own",
				 holdfast_address_text(address, text));
	if (has_range_of_family(config, address->family) && !range_of(config, address))
		return error_set(error, "%s is outside of every member-range",
				 holdfast_address_text(address, text));
	*member_slot(config, address->family) = *address;
	return 0;
}

int holdfast_member_remove(struct holdfast_config *config, const struct holdfast_prefix *address,
			   struct error *error)
{
	struct holdfast_prefix *slot = member_slot(config, address->family);
	char text[HOLDFAST_PREFIX_TEXT_SIZE];

	if (!prefix_equal(slot, address))
		return error_set(error, "local-member %s is not configured",
				 holdfast_address_text(address, text));
	memset(slot, 0, sizeof(*slot));
	return 0;
}

int holdfast_key_file_set(struct holdfast_config *config, const char *path, struct error *error)
{
	size_t length = strlen(path);

	if (path[0] != '/')
		return error_set(error, "key-file %.100s: give the absolute path", path);
	if (length >= sizeof(config->key_file))
		return error_set(error, "key-file: the path is longer than %zu bytes",
				 sizeof(config->key_file) - 1);
	memcpy(config->key_file, path, length + 1);
	return 0;
}

static unsigned int bits_set(uint32_t value)
{
	return (unsigned int)__builtin_popcount(value);
}

static int field_check(const char *name, uint32_t mask, struct error *error)
{
	uint32_t low = mask & -mask;

	if (bits_set(mask) >= 2 && !((mask + low) & mask))
		return 0;
	return error_set(error, "%s 0x%08x is not a contiguous mask of two bits or more", name,
			 mask);
}

static int path_mask_check(uint32_t path_mask, uint32_t owner_mask, uint32_t stray_bit,
			   uint32_t tunnel_bit, struct error *error)
{
	if (!path_mask || path_mask == PATH_MASK_DEFAULT)
		return 0;
	if (field_check("path-mask", path_mask, error))
		return -1;
	if (path_mask & owner_mask)
		return error_set(error, "path-mask 0x%08x overlaps owner-mask 0x%08x", path_mask,
				 owner_mask);
	if (path_mask & stray_bit)
		return error_set(error, "path-mask 0x%08x overlaps stray-bit 0x%08x", path_mask,
				 stray_bit);
	if (path_mask & tunnel_bit)
		return error_set(error, "path-mask 0x%08x overlaps tunnel-bit 0x%08x", path_mask,
				 tunnel_bit);
	return 0;
}

int holdfast_marks_set(struct holdfast_config *config, uint32_t owner_mask, uint32_t path_mask,
		       uint32_t stray_bit, uint32_t tunnel_bit, struct error *error)
{
	if (field_check("owner-mask", owner_mask, error))
		return -1;
	if (bits_set(stray_bit) != 1)
		return error_set(error, "stray-bit 0x%08x is not one bit", stray_bit);
	if (bits_set(tunnel_bit) != 1)
		return error_set(error, "tunnel-bit 0x%08x is not one bit", tunnel_bit);
	if (owner_mask & stray_bit)
		return error_set(error, "stray-bit 0x%08x overlaps owner-mask 0x%08x", stray_bit,
				 owner_mask);
	if (owner_mask & tunnel_bit)
		return error_set(error, "tunnel-bit 0x%08x overlaps owner-mask 0x%08x", tunnel_bit,
				 owner_mask);
	if (stray_bit & tunnel_bit)
		return error_set(error, "stray-bit and tunnel-bit are both 0x%08x", stray_bit);
	if (path_mask_check(path_mask, owner_mask, stray_bit, tunnel_bit, error))
		return -1;
	config->mark_owner_mask = owner_mask;
	config->mark_stray_bit = stray_bit;
	config->mark_tunnel_bit = tunnel_bit;
	config->mark_path_mask = path_mask;
	return 0;
}

uint32_t holdfast_path_mask(const struct holdfast_config *config)
{
	uint32_t others =
		config->mark_owner_mask | config->mark_stray_bit | config->mark_tunnel_bit;

	return config->mark_path_mask & others ? 0 : config->mark_path_mask;
}

int holdfast_mark_parse(const char *text, uint32_t *mark, struct error *error)
{
	const char *digits = text;
	size_t count;

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		digits += 2;
	count = strspn(digits, "0123456789abcdefABCDEF");
	if (count == 0 || count > 8 || digits[count])
		return error_set(error, "%.40s is not a hexadecimal number of 32 bits", text);
	*mark = (uint32_t)strtoul(digits, NULL, 16);
	return 0;
}

bool holdfast_config_matches(const struct holdfast_config *config,
			     const struct holdfast_prefix *prefix)
{
	if (prefix->length != holdfast_host_length(prefix->family))
		return false;
	return prefix_find(config->vips, config->vip_count, prefix) || range_of(config, prefix);
}

__attribute__((format(printf, 4, 0))) static void problem_add(struct error *problems, size_t max,
							      size_t *count, const char *text,
							      const char *subject)
{
	if (*count < max)
		error_set(&problems[(*count)++], text, subject);
}

size_t holdfast_config_problems(const struct holdfast_config *config, struct error *problems,
				size_t max)
{
	char text[HOLDFAST_PREFIX_TEXT_SIZE];
	size_t count = 0, i;

	if (!config->enabled)
		return 0;
	if (!config->vip_count)
		problem_add(problems, max, &count, "no prefix is configured%s", "");
	if (!config->range_count)
		problem_add(problems, max, &count, "no member-range is configured%s", "");
	if (!config->local_members[0].family && !config->local_members[1].family)
		problem_add(problems, max, &count, "no local-member is configured%s", "");
	for (i = 0; i < 2; i++)
		if (config->local_members[i].family && !range_of(config, &config->local_members[i]))
			problem_add(problems, max, &count,
				    "local-member %s is outside of every member-range",
				    holdfast_address_text(&config->local_members[i], text));
	if (config->directory_port == config->tunnel_port)
		problem_add(problems, max, &count,
			    "the directory and the tunnel have the same UDP port%s", "");
	if (config->role == HOLDFAST_ROLE_DIRECTOR && !holdfast_path_mask(config))
		problem_add(problems, max, &count, "role director needs a mark path-mask%s", "");
	if (!config->key_file[0])
		problem_add(problems, max, &count, "no directory key-file is configured%s", "");
	return count;
}
