/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/paths_rig.h"

#include <stdio.h>
#include <sys/socket.h>

#define MASK 0x0ff00000

struct paths paths;
struct paths_route vips[ROUTES], members[ROUTES];
struct route_next_hop hops[2 * ROUTES][HOPS];
size_t vip_count, member_count;
uint64_t now;

struct kernel_path kernel[KERNEL_PATH_MAX + 1];
unsigned int told, removed;
bool refuse;

struct route_next_hop hop_make(char name)
{
	struct route_next_hop hop = {.weight = 1};
	char text[ADDRESS_TEXT_SIZE];
	char upper = name >= 'a' ? (char)(name - 'a' + 'A') : name;

	snprintf(text, sizeof(text), "10.0.%d.1", upper - 'A');
	hop.gateway = unit_address(text);
	snprintf(hop.interface, sizeof(hop.interface), "up%c", name);
	return hop;
}

void route_set(struct paths_route *route, struct route_next_hop *to, const char *address,
	       const char *names)
{
	memset(route, 0, sizeof(*route));
	route->address = unit_address(address);
	route->hops = to;
	for (; *names; names++)
		to[route->hop_count++] = hop_make(*names);
}

void vip(size_t index, const char *address, const char *names)
{
	route_set(&vips[index], hops[index], address, names);
	if (index >= vip_count)
		vip_count = index + 1;
}

void routes(const char *vip_hops, const char *first, const char *second, const char *third)
{
	const char *names[3] = {first, second, third};

	vip(0, "192.0.2.80", vip_hops);
	member_count = 0;
	for (size_t i = 0; i < 3; i++) {
		char text[ADDRESS_TEXT_SIZE];

		if (!names[i] || names[i][0] == '-')
			continue;
		snprintf(text, sizeof(text), "10.255.0.%zu", i + 1);
		route_set(&members[member_count], hops[ROUTES + i], text, names[i]);
		members[member_count++].owner = true;
	}
}

static bool same_key(const struct kernel_path *a, const struct kernel_path *b)
{
	return a->family == b->family && address_equal(&a->hop.gateway, &b->hop.gateway) &&
	       !strcmp(a->hop.interface, b->hop.interface);
}

/* What holds at every moment. */
int tell(void *arg, uint16_t id, const struct kernel_path *path)
{
	struct kernel_path *has = &kernel[id];

	if (refuse)
		return -1;
	if (!path) {
		ck_assert_uint_eq(has->id, id);
		has->id = 0;
		removed++;
		return 0;
	}
	ck_assert_uint_eq(path->id, id);
	if (has->id) {
		ck_assert(same_key(has, path));
		ck_assert(address_equal(&has->member, &path->member));
		ck_assert_int_eq(has->shared, path->shared);
		ck_assert(has->up || !path->up);
		ck_assert_int_ne(memcmp(has, path, sizeof(*path)), 0);
	}
	ck_assert(path->up || !path->offered);
	for (unsigned int other = 1; path->offered && other <= paths.max; other++)
		ck_assert(other == id || !kernel[other].id || !kernel[other].offered ||
			  !same_key(&kernel[other], path));
	memcpy(has, path, sizeof(*path));
	told++;
	return 0;
}

unsigned int update(bool settled)
{
	struct paths_view view = {vips, vip_count, members, member_count};

	told = removed = 0;
	ck_assert_int_eq(paths_update(&paths, &view, settled, now), 0);
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 0);
	return told + removed;
}

void begin(void)
{
	paths_clear(&paths);
	paths_init(&paths, MASK);
	memset(kernel, 0, sizeof(kernel));
	vip_count = member_count = 0;
	refuse = false;
	now = 1000000;
}

uint16_t offered(char name)
{
	struct route_next_hop hop = hop_make(name);

	for (uint16_t id = 1; id <= paths.max; id++)
		if (kernel[id].id && kernel[id].offered &&
		    !strcmp(kernel[id].hop.interface, hop.interface) &&
		    kernel[id].family == AF_INET)
			return id;
	return 0;
}

void settled(const char *vip_hops, const char *first, const char *second, const char *third)
{
	routes(vip_hops, first, second, third);
	update(true);
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(update(false), 0);
}

unsigned int unsettled(const char *vip_hops, const char *first, const char *second,
		       const char *third)
{
	routes(vip_hops, first, second, third);
	return update(false);
}

uint16_t begin_settled(const char *vip_hops, const char *first, const char *second,
		       const char *third)
{
	begin();
	settled(vip_hops, first, second, third);
	return offered('A');
}

void expect(uint16_t id, enum path_state state)
{
	ck_assert_ptr_nonnull(path_find(&paths, id));
	ck_assert_int_eq(path_find(&paths, id)->state, state);
	ck_assert_uint_eq(kernel[id].id, id);
	ck_assert_int_eq(kernel[id].up, state != PATH_FAILED);
	ck_assert_int_eq(kernel[id].offered, state == PATH_IN_USE);
}

void expect_leads_to(uint16_t id, const char *member)
{
	struct in6_addr address = {0};

	if (member)
		address = unit_address(member);
	ck_assert_int_eq(kernel[id].shared, !member);
	ck_assert(address_equal(&kernel[id].member, &address));
}

void restart(void)
{
	static struct kernel_path left[KERNEL_PATH_MAX + 1];

	memcpy(left, kernel, sizeof(left));
	paths_clear(&paths);
	paths_init(&paths, MASK);
	for (unsigned int id = 1; id <= paths.max; id++)
		if (left[id].id)
			ck_assert_int_eq(paths_adopt(&paths, &left[id], now), 0);
}
