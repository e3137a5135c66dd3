// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/routes.h"
#include "tests/unit.h"

static struct prefix_address host(const char *text)
{
	return (struct prefix_address){.address = unit_address(text), .length = 128};
}

static bool any(const void *arg, const struct in6_addr *address)
{
	return true;
}

static const struct route_next_hop hop = {.interface = "eth0", .weight = 1};

START_TEST(add_change_withdraw)
{
	struct routes routes = {0};
	struct prefix_address a = host("10.255.0.1");
	struct route_next_hop two[2] = {hop, hop};

	two[1].weight = 2;
	ck_assert_int_eq(routes_update(&routes, &a, false, &hop, 1), 1);
	ck_assert_int_eq(routes_update(&routes, &a, false, &hop, 1), 0);
	ck_assert_int_eq(routes_update(&routes, &a, false, two, 2), 1);
	ck_assert_uint_eq(routes_find(&routes, &a)->next_hop_count, 2);
	ck_assert_int_eq(routes_update(&routes, &a, false, NULL, 0), 1);
	ck_assert_int_eq(routes_update(&routes, &a, false, NULL, 0), 0);
	ck_assert_ptr_null(routes_find(&routes, &a));
}
END_TEST

START_TEST(a_replay_removes_what_it_does_not_confirm)
{
	struct routes routes = {0};
	struct prefix_address a = host("10.255.0.1"), b = host("10.255.0.2");

	routes_update(&routes, &a, false, &hop, 1);
	routes_update(&routes, &b, false, &hop, 1);
	ck_assert_uint_eq(routes_replay_end(&routes), 0);
	routes_replay_begin(&routes);
	/* Unchanged counts as confirmed. */
	ck_assert_int_eq(routes_update(&routes, &a, false, &hop, 1), 0);
	ck_assert_ptr_nonnull(routes_find(&routes, &b));
	ck_assert_uint_eq(routes_replay_end(&routes), 1);
	ck_assert_ptr_nonnull(routes_find(&routes, &a));
	ck_assert_ptr_null(routes_find(&routes, &b));
	routes_clear(&routes);
}
END_TEST

START_TEST(hosts_are_exact_and_not_connected)
{
	struct routes routes = {0};
	struct prefix_address a = host("10.255.0.1"), own = host("10.255.0.2"),
			      net = host("10.255.0.0");
	struct in6_addr out[4];

	net.length = 120;
	routes_update(&routes, &a, false, &hop, 1);
	routes_update(&routes, &own, true, &hop, 1);
	routes_update(&routes, &net, false, &hop, 1);
	ck_assert_uint_eq(routes_hosts(&routes, any, NULL, out, 4), 1);
	ck_assert(address_equal(&out[0], &a.address));
	ck_assert_uint_eq(routes_hosts(&routes, any, NULL, out, 0), 0);
	routes_clear(&routes);
}
END_TEST

START_TEST(the_table_is_bounded)
{
	struct routes routes = {0};
	struct prefix_address p = host("10.0.0.0");
	static struct route_next_hop many[ROUTE_NEXT_HOPS_MAX + 1];

	for (uint32_t i = 0; i < ROUTES_MAX; i++) {
		memcpy(&p.address.s6_addr[12], &i, sizeof(i));
		ck_assert_int_eq(routes_update(&routes, &p, false, &hop, 1), 1);
	}
	p = host("2001:db8::1");
	ck_assert_int_eq(routes_update(&routes, &p, false, &hop, 1), -1);
	ck_assert_int_eq(routes_update(&routes, &p, false, many, ROUTE_NEXT_HOPS_MAX + 1), -1);
	routes_clear(&routes);
}
END_TEST

UNIT_MAIN("routes", add_change_withdraw, a_replay_removes_what_it_does_not_confirm,
	  hosts_are_exact_and_not_connected, the_table_is_bounded)
