// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "fpmd/netlink_routes.h"
#include "tests/netlink_build.h"
#include "tests/unit.h"

#define A "10.255.0.1"
#define B "10.255.0.2"

static struct netlink_routes routes;
static struct netlink_build b;
static char told[4096];

static void setup(void)
{
	netlink_routes_clear(&routes);
	memset(&b, 0, sizeof(b));
}

/* "10.255.0.1: 10.0.0.1 3 1, 10.0.0.2 4 1; ": gateway, interface, weight. */
static void tell(void *arg, const struct prefix_address *prefix, bool by_kernel,
		 const struct netlink_hop *hops, size_t count)
{
	char address[ADDRESS_TEXT_SIZE], *end = told + strlen(told);

	end += sprintf(end, "%s%s:", address_text(&prefix->address, address),
		       by_kernel ? " (kernel)" : "");
	for (size_t i = 0; i < count; i++)
		end += sprintf(end, "%s %s %u %u", i ? "," : "",
			       address_text(&hops[i].gateway, address), hops[i].interface,
			       hops[i].weight);
	sprintf(end, "; ");
}

/* What was built so far is one frame; returns what it changed. */
static const char *frame(void)
{
	static struct netlink_message m;
	size_t at = 0;

	told[0] = '\0';
	while (netlink_frame_next(b.bytes, b.size, &at, &m) > 0)
		ck_assert_int_eq(netlink_routes_take(&routes, &m), 0);
	ck_assert_uint_eq(at, b.size);
	netlink_routes_settle(&routes, tell, NULL);
	memset(&b, 0, sizeof(b));
	return told;
}

static void route_by_id(const char *address, uint32_t id)
{
	build_route(&b, RTM_NEWROUTE, address, 32, RTPROT_BGP);
	build_number(&b, RTA_NH_ID, id);
}

static void group(uint32_t id, uint32_t first, uint32_t second)
{
	const uint32_t members[] = {first, 1, second, 5};

	build_group(&b, id, members, second ? 2 : 1);
}

static void next_hops(void)
{
	build_next_hop(&b, 11, "10.0.0.1", 3);
	build_next_hop(&b, 12, "10.0.0.2", 4);
}

START_TEST(routes_that_bring_their_next_hops)
{
	setup();
	build_route(&b, RTM_NEWROUTE, A, 32, RTPROT_BGP);
	build_address(&b, RTA_GATEWAY, "10.0.0.1");
	build_number(&b, RTA_OIF, 3);
	ck_assert_str_eq(frame(), A ": 10.0.0.1 3 1; ");
	build_route(&b, RTM_NEWROUTE, B, 32, RTPROT_KERNEL);
	build_number(&b, RTA_OIF, 1);
	ck_assert_str_eq(frame(), B " (kernel): :: 1 1; ");
	build_route(&b, RTM_DELROUTE, A, 32, RTPROT_BGP);
	ck_assert_str_eq(frame(), A ":; ");
	build_route(&b, RTM_DELROUTE, A, 32, RTPROT_BGP);
	ck_assert_str_eq(frame(), "");
	ck_assert_uint_eq(HASH_COUNT(routes.routes), 1);
	netlink_routes_clear(&routes);
}
END_TEST

START_TEST(gone_and_back_in_one_frame_is_one_change)
{
	setup();
	build_route(&b, RTM_NEWROUTE, A, 32, RTPROT_BGP);
	build_number(&b, RTA_OIF, 3);
	frame();
	build_route(&b, RTM_DELROUTE, A, 32, RTPROT_BGP);
	build_route(&b, RTM_NEWROUTE, A, 32, RTPROT_BGP);
	build_number(&b, RTA_OIF, 4);
	ck_assert_str_eq(frame(), A ": :: 4 1; ");
	netlink_routes_clear(&routes);
}
END_TEST

START_TEST(a_group_may_come_before_its_members_and_a_route_before_its_group)
{
	setup();
	route_by_id(A, 20);
	ck_assert_str_eq(frame(), "");
	ck_assert_uint_eq(netlink_routes_unknown(&routes), 1);
	group(20, 11, 12);
	ck_assert_str_eq(frame(), "");
	build_next_hop(&b, 12, "10.0.0.2", 4);
	ck_assert_str_eq(frame(), "");
	ck_assert_uint_eq(netlink_routes_unknown(&routes), 1);
	build_next_hop(&b, 11, "10.0.0.1", 3);
	ck_assert_str_eq(frame(), A ": 10.0.0.1 3 1, 10.0.0.2 4 5; ");
	ck_assert_uint_eq(netlink_routes_unknown(&routes), 0);
	netlink_routes_clear(&routes);
}
END_TEST

START_TEST(a_change_of_a_group_or_a_member_changes_the_routes)
{
	setup();
	next_hops();
	group(20, 11, 12);
	ck_assert_str_eq(frame(), "");
	route_by_id(A, 20);
	route_by_id(B, 11);
	frame();
	group(20, 12, 0);
	ck_assert_str_eq(frame(), A ": 10.0.0.2 4 1; ");
	build_next_hop(&b, 11, "10.0.0.9", 9);
	ck_assert_str_eq(frame(), B ": 10.0.0.9 9 1; ");
	build_next_hop(&b, 12, "10.0.0.8", 8);
	ck_assert_str_eq(frame(), A ": 10.0.0.8 8 1; ");
	/* One that nobody uses. */
	build_next_hop(&b, 13, "10.0.0.7", 7);
	ck_assert_str_eq(frame(), "");
	netlink_routes_clear(&routes);
}
END_TEST

/* What the kernel does, when an interface goes down. */
START_TEST(a_next_hop_that_goes_leaves_its_groups_and_takes_its_routes)
{
	setup();
	next_hops();
	group(20, 11, 12);
	route_by_id(A, 20);
	route_by_id(B, 11);
	frame();
	build_next_hop_gone(&b, 11);
	frame();
	ck_assert_ptr_nonnull(strstr(told, A ": 10.0.0.2 4 5; "));
	ck_assert_ptr_nonnull(strstr(told, B ":; "));
	ck_assert_uint_eq(netlink_routes_unknown(&routes), 0);
	build_next_hop(&b, 11, "10.0.0.1", 3);
	frame();
	ck_assert_ptr_nonnull(strstr(told, A ": 10.0.0.1 3 1, 10.0.0.2 4 5; "));
	ck_assert_ptr_nonnull(strstr(told, B ": 10.0.0.1 3 1; "));
	netlink_routes_clear(&routes);
}
END_TEST

START_TEST(what_nobody_names_any_more_is_forgotten)
{
	setup();
	next_hops();
	group(20, 11, 12);
	route_by_id(A, 20);
	route_by_id(B, 99);
	frame();
	ck_assert_uint_eq(HASH_COUNT(routes.objects), 4);
	build_route(&b, RTM_DELROUTE, A, 32, RTPROT_BGP);
	build_route(&b, RTM_DELROUTE, B, 32, RTPROT_BGP);
	frame();
	/* 99 was never told. */
	ck_assert_uint_eq(HASH_COUNT(routes.objects), 3);
	build_next_hop_gone(&b, 11);
	build_next_hop_gone(&b, 12);
	build_next_hop_gone(&b, 20);
	build_next_hop_gone(&b, 55);
	ck_assert_str_eq(frame(), "");
	ck_assert_uint_eq(HASH_COUNT(routes.objects), 0);
	ck_assert_uint_eq(HASH_COUNT(routes.routes), 0);
	ck_assert_uint_eq(routes.hop_total, 0);
}
END_TEST

START_TEST(a_route_that_moves_to_another_group_keeps_its_way_until_that_is_known)
{
	setup();
	next_hops();
	group(20, 11, 12);
	route_by_id(A, 20);
	frame();
	build_route(&b, RTM_DELROUTE, A, 32, RTPROT_BGP);
	route_by_id(A, 21);
	ck_assert_str_eq(frame(), "");
	build_next_hop_gone(&b, 20);
	ck_assert_str_eq(frame(), "");
	group(21, 12, 0);
	ck_assert_str_eq(frame(), A ": 10.0.0.2 4 1; ");
	netlink_routes_clear(&routes);
}
END_TEST

START_TEST(a_group_of_groups_or_of_itself_leads_nowhere)
{
	setup();
	next_hops();
	group(20, 11, 12);
	group(21, 20, 11);
	group(22, 22, 11);
	route_by_id(A, 21);
	route_by_id(B, 22);
	frame();
	ck_assert_ptr_nonnull(strstr(told, A ": 10.0.0.1 3 5; "));
	ck_assert_ptr_nonnull(strstr(told, B ": 10.0.0.1 3 5; "));
	build_next_hop_gone(&b, 22);
	ck_assert_str_eq(frame(), B ":; ");
	netlink_routes_clear(&routes);
}
END_TEST

static struct netlink_message message;

START_TEST(all_tables_are_bounded)
{
	size_t full = NETLINK_HOPS_TOTAL_MAX / NETLINK_HOPS_MAX;

	setup();
	message = (struct netlink_message){.kind = NETLINK_MESSAGE_NEXT_HOP, .hop_count = 1};
	for (uint32_t i = 1; i <= NETLINK_OBJECTS_MAX; i++) {
		message.id = i;
		ck_assert_int_eq(netlink_routes_take(&routes, &message), 0);
	}
	message.id = NETLINK_OBJECTS_MAX + 1;
	ck_assert_int_eq(netlink_routes_take(&routes, &message), -1);
	message.group = true;
	message.id = 1;
	message.hop_count = 2;
	message.hops[0].id = 2;
	message.hops[1].id = NETLINK_OBJECTS_MAX + 5;
	ck_assert_int_eq(netlink_routes_take(&routes, &message), -1);
	ck_assert_uint_eq(HASH_COUNT(routes.objects), NETLINK_OBJECTS_MAX);

	setup();
	message = (struct netlink_message){
		.kind = NETLINK_MESSAGE_ROUTE, .prefix.length = 128, .hop_count = NETLINK_HOPS_MAX};
	for (uint32_t i = 0; i < full; i++) {
		memcpy(&message.prefix.address, &i, sizeof(i));
		ck_assert_int_eq(netlink_routes_take(&routes, &message), 0);
	}
	memcpy(&message.prefix.address, &full, sizeof(uint32_t));
	ck_assert_int_eq(netlink_routes_take(&routes, &message), -1);
	message.hop_count = 0;
	for (uint32_t i = (uint32_t)full + 1; i < NETLINK_ROUTES_MAX; i++) {
		memcpy(&message.prefix.address, &i, sizeof(i));
		ck_assert_int_eq(netlink_routes_take(&routes, &message), 0);
	}
	memset(&message.prefix.address, 0xff, sizeof(message.prefix.address));
	ck_assert_int_eq(netlink_routes_take(&routes, &message), -1);
	netlink_routes_clear(&routes);
}
END_TEST

UNIT_MAIN("netlink_routes", routes_that_bring_their_next_hops,
	  gone_and_back_in_one_frame_is_one_change,
	  a_group_may_come_before_its_members_and_a_route_before_its_group,
	  a_change_of_a_group_or_a_member_changes_the_routes,
	  a_next_hop_that_goes_leaves_its_groups_and_takes_its_routes,
	  what_nobody_names_any_more_is_forgotten,
	  a_route_that_moves_to_another_group_keeps_its_way_until_that_is_known,
	  a_group_of_groups_or_of_itself_leads_nowhere, all_tables_are_bounded)
