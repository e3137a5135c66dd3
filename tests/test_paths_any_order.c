// SPDX-License-Identifier: GPL-2.0-or-later
/* Any routes in any order, and what holds at every moment. */
#include "tests/paths_rig.h"

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void any_hops(char names[HOPS])
{
	size_t used = 0;

	for (char name = 'A'; name < 'A' + 5; name++)
		if (any(3))
			names[used++] = name;
	names[used] = '\0';
}

static bool has_hop(const struct paths_route *route, const struct kernel_path *path)
{
	for (size_t i = 0; i < route->hop_count; i++)
		if (!strcmp(route->hops[i].interface, path->hop.interface))
			return true;
	return false;
}

static bool is_alive(const struct kernel_path *path)
{
	bool alive = has_hop(&vips[0], path);

	for (size_t i = 0; i < member_count; i++)
		alive |= has_hop(&members[i], path);
	return alive;
}

static void check_settled(void)
{
	bool frozen = paths.thaw_ms || paths.cut_off;

	for (unsigned int id = 1; id <= paths.max; id++) {
		ck_assert_int_eq(!!kernel[id].id, !!path_find(&paths, (uint16_t)id));
		if (kernel[id].id && kernel[id].up && !frozen)
			ck_assert(is_alive(&kernel[id]));
	}
	for (size_t i = 0; i < vips[0].hop_count; i++) {
		uint16_t id = offered(vips[0].hops[i].interface[2]);
		const struct paths_route *behind = NULL;
		size_t leads = 0;

		ck_assert_uint_ne(id, 0);
		for (size_t j = 0; j < member_count; j++)
			if (has_hop(&members[j], &kernel[id])) {
				behind = &members[j];
				leads++;
			}
		if (leads > 1)
			ck_assert(kernel[id].shared);
		if (leads == 1 && !frozen) {
			ck_assert(!kernel[id].shared);
			ck_assert(address_equal(&kernel[id].member, &behind->address));
		}
	}
	for (unsigned int id = 1; id <= paths.max; id++)
		if (kernel[id].id && kernel[id].offered && !paths.cut_off && !frozen)
			ck_assert(has_hop(&vips[0], &kernel[id]));
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(update(false), 0);
}

START_TEST(any_order)
{
	char names[4][HOPS] = {"ABC", "A", "B", "C"};

	seed = (uint32_t)_i * 7919 + 1;
	begin();
	for (int step = 0; step < 400; step++) {
		static struct kernel_path_flows counts[KERNEL_PATH_MAX + 1];
		uint32_t what = any(20);

		now += any(50);
		if (what == 0)
			now += any(2 * REACH_RETURN_MS);
		if (what == 1)
			for (int i = 0; i < 4; i++)
				names[i][0] = '\0';
		else
			any_hops(names[any(4)]);
		/* One that has no route is reachable for a moment, or is not. */
		routes(names[0], names[1][0] || any(4) ? names[1] : "-", names[2],
		       names[3][0] ? names[3] : "-");
		for (size_t i = 0; i < member_count; i++)
			members[i].owner = i % 2;
		if (any(3)) {
			update(false);
			continue;
		}
		update(true);
		check_settled();
		if (what == 2) {
			restart();
			ck_assert_uint_eq(update(true), 0);
			check_settled();
		}
		for (unsigned int id = 1; id <= paths.max; id++)
			counts[id].flows = any(2);
		paths_counted(&paths, counts, KERNEL_PATH_MAX + 1, now);
		paths_report(&paths, tell, NULL);
		for (unsigned int id = 1; id <= paths.max; id++)
			if (counts[id].flows && path_find(&paths, (uint16_t)id))
				ck_assert_uint_eq(kernel[id].id, id);
		ck_assert_uint_eq(update(true), 0);
	}
	ck_assert_uint_eq(paths.without_id, 0);
	paths_clear(&paths);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("paths_any_order");

	tcase_add_loop_test(tcase, any_order, 0, 60);
	tcase_set_timeout(tcase, 60);
	return unit_run("paths_any_order", tcase);
}
