// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/paths_compare.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void interface_copy(char to[KERNEL_INTERFACE_SIZE], const char *name)
{
	memset(to, 0, KERNEL_INTERFACE_SIZE);
	memcpy(to, name, strnlen(name, KERNEL_INTERFACE_SIZE - 1));
}

bool hop_is_usable(const struct route_next_hop *hop)
{
	return !IN6_IS_ADDR_UNSPECIFIED(&hop->gateway) && hop->interface[0];
}

static struct hop_key hop_key(const struct in6_addr *gateway, const char *interface)
{
	struct hop_key key = {.gateway = *gateway};

	interface_copy(key.interface, interface);
	return key;
}

static struct hop *hop_find(const struct comparison *c, const struct hop_key *key)
{
	struct hop *hop;

	HASH_FIND(hh, c->hops, key, sizeof(*key), hop);
	return hop;
}

struct hop *comparison_hop(const struct comparison *c, const struct in6_addr *gateway,
			   const char *interface)
{
	struct hop_key key = hop_key(gateway, interface);

	return hop_find(c, &key);
}

const struct paths_route *comparison_member(const struct comparison *c,
					    const struct in6_addr *address)
{
	const struct compared_member *member;

	HASH_FIND(hh, c->members, address, sizeof(*address), member);
	return member ? member->route : NULL;
}

static struct hop *hop_get(struct comparison *c, const struct hop_key *key)
{
	struct hop *hop = hop_find(c, key);

	if (hop)
		return hop;
	hop = calloc(1, sizeof(*hop));
	if (!hop)
		return NULL;
	hop->key = *key;
	HASH_ADD(hh, c->hops, key, sizeof(hop->key), hop);
	return hop;
}

void comparison_free(struct comparison *c)
{
	struct hop *hop, *next;

	HASH_ITER (hh, c->hops, hop, next) {
		HASH_DEL(c->hops, hop);
		free(hop);
	}
	HASH_CLEAR(hh, c->members);
	free(c->member_list);
	c->member_list = NULL;
}

static int read_vips(struct comparison *c)
{
	for (size_t i = 0; i < c->view->vip_count; i++) {
		const struct paths_route *vip = &c->view->vips[i];
		int family = family_index(&vip->address);

		for (size_t j = 0; j < vip->hop_count; j++) {
			struct hop_key key = hop_key(&vip->hops[j].gateway, vip->hops[j].interface);
			struct hop *hop;

			if (!hop_is_usable(&vip->hops[j]))
				continue;
			hop = hop_get(c, &key);
			if (!hop)
				return -1;
			hop->alive = c->any = c->vip_has_hops[family] = true;
			if (!hop->family[family].vips++)
				hop->family[family].weight = vip->hops[j].weight;
		}
	}
	return 0;
}

static int read_paths(struct comparison *c, const struct paths *paths)
{
	for (unsigned int id = 1; id <= paths->max; id++) {
		struct path *path = paths->table[id];
		struct hop_key key;
		struct hop *hop;

		if (!path)
			continue;
		key = hop_key(&path->now.hop.gateway, path->now.hop.interface);
		hop = hop_get(c, &key);
		if (!hop)
			return -1;
		if (path->now.up)
			LL_PREPEND(hop->family[path_family(path)].paths, path);
	}
	return 0;
}

static int read_members(struct comparison *c)
{
	size_t count = c->view->member_count;

	c->member_list = calloc(count ? count : 1, sizeof(*c->member_list));
	if (!c->member_list)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct paths_route *member = &c->view->members[i];
		int family = family_index(&member->address);

		c->member_list[i].route = member;
		HASH_ADD_KEYPTR(hh, c->members, &member->address, sizeof(member->address),
				&c->member_list[i]);
		c->any |= member->hop_count > 0;
		for (size_t j = 0; j < member->hop_count; j++) {
			struct hop *hop = comparison_hop(c, &member->hops[j].gateway,
							 member->hops[j].interface);

			if (!hop)
				continue;
			hop->alive = true;
			if (hop->family[family].member == member)
				continue;
			hop->family[family].member = member;
			hop->family[family].members++;
		}
	}
	return 0;
}

int comparison_make(struct comparison *c, const struct paths *paths, const struct paths_view *view)
{
	*c = (struct comparison){.view = view};
	if (!read_vips(c) && !read_paths(c, paths) && !read_members(c))
		return 0;
	comparison_free(c);
	return -1;
}
