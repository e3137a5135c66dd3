// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/netlink_frame.h"
#include "tests/netlink_build.h"
#include "tests/unit.h"

static struct netlink_build b;
static struct netlink_message m;
static size_t at;

static void setup(void)
{
	memset(&b, 0, sizeof(b));
	at = 0;
}

static int next(void)
{
	return netlink_frame_next(b.bytes, b.size, &at, &m);
}

static void ends(void)
{
	ck_assert_int_eq(next(), 0);
	ck_assert_uint_eq(at, b.size);
}

static void is_route(enum netlink_kind kind, const char *address, uint8_t length)
{
	struct in6_addr wanted = unit_address(address);

	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(m.kind, kind);
	ck_assert(address_equal(&m.prefix.address, &wanted));
	ck_assert_uint_eq(m.prefix.length, length);
}

static void has_hop(size_t i, const char *gateway, uint32_t interface, uint32_t weight)
{
	struct in6_addr wanted = gateway ? unit_address(gateway) : (struct in6_addr){0};

	ck_assert_uint_lt(i, m.hop_count);
	ck_assert(address_equal(&m.hops[i].gateway, &wanted));
	ck_assert_uint_eq(m.hops[i].interface, interface);
	ck_assert_uint_eq(m.hops[i].weight, weight);
}

START_TEST(a_route_with_one_next_hop)
{
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_address(&b, RTA_GATEWAY, "10.0.0.1");
	build_number(&b, RTA_OIF, 12);
	is_route(NETLINK_MESSAGE_ROUTE, "10.255.0.7", 128);
	ck_assert(!m.by_kernel);
	ck_assert_uint_eq(m.id, 0);
	ck_assert_uint_eq(m.hop_count, 1);
	has_hop(0, "10.0.0.1", 12, 1);
	ends();
}
END_TEST

START_TEST(an_address_of_the_host)
{
	setup();
	build_route(&b, RTM_NEWROUTE, "192.0.2.80", 32, RTPROT_KERNEL);
	build_number(&b, RTA_OIF, 1);
	is_route(NETLINK_MESSAGE_ROUTE, "192.0.2.80", 128);
	ck_assert(m.by_kernel);
	has_hop(0, NULL, 1, 1);
	ends();
}
END_TEST

START_TEST(a_route_with_many_next_hops)
{
	size_t multipath;

	setup();
	build_route(&b, RTM_NEWROUTE, "2001:db8::7", 128, RTPROT_BGP);
	multipath = build_multipath(&b);
	build_multipath_hop(&b, multipath, "fe80::1", 3, 1);
	build_multipath_hop(&b, multipath, "fe80::2", 4, 200);
	build_multipath_hop(&b, multipath, NULL, 5, 1);
	is_route(NETLINK_MESSAGE_ROUTE, "2001:db8::7", 128);
	ck_assert_uint_eq(m.hop_count, 3);
	has_hop(0, "fe80::1", 3, 1);
	has_hop(1, "fe80::2", 4, 200);
	has_hop(2, NULL, 5, 1);
	ends();
}
END_TEST

START_TEST(an_update_of_frr_8_4_is_two_messages_in_one_frame)
{
	setup();
	build_route(&b, RTM_DELROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_number(&b, RTA_NH_ID, 77);
	is_route(NETLINK_MESSAGE_ROUTE_GONE, "10.255.0.7", 128);
	ck_assert_uint_eq(m.hop_count, 0);
	is_route(NETLINK_MESSAGE_ROUTE, "10.255.0.7", 128);
	ck_assert_uint_eq(m.id, 77);
	ck_assert_uint_eq(m.hop_count, 0);
	ends();
}
END_TEST

START_TEST(next_hops_and_groups)
{
	const uint32_t members[] = {11, 1, 12, 3, 13, 65536};

	setup();
	build_group(&b, 20, members, 3);
	build_next_hop(&b, 11, "10.0.0.1", 3);
	build_next_hop(&b, 12, NULL, 4);
	build_next_hop_gone(&b, 20);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(m.kind, NETLINK_MESSAGE_NEXT_HOP);
	ck_assert(m.group);
	ck_assert_uint_eq(m.id, 20);
	ck_assert_uint_eq(m.hop_count, 3);
	ck_assert_uint_eq(m.hops[0].id, 11);
	ck_assert_uint_eq(m.hops[0].weight, 1);
	ck_assert_uint_eq(m.hops[1].id, 12);
	ck_assert_uint_eq(m.hops[1].weight, 3);
	ck_assert_uint_eq(m.hops[2].weight, 65536);
	ck_assert_int_eq(next(), 1);
	ck_assert(!m.group);
	ck_assert_uint_eq(m.id, 11);
	has_hop(0, "10.0.0.1", 3, 1);
	ck_assert_int_eq(next(), 1);
	has_hop(0, NULL, 4, 1);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(m.kind, NETLINK_MESSAGE_NEXT_HOP_GONE);
	ck_assert_uint_eq(m.id, 20);
	ends();
}
END_TEST

START_TEST(what_is_no_way_for_a_packet_has_no_next_hop)
{
	static const uint8_t types[] = {RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT};

	for (size_t i = 0; i < sizeof(types); i++) {
		setup();
		build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_STATIC);
		build_rtmsg(&b)->rtm_type = types[i];
		build_number(&b, RTA_OIF, 1);
		is_route(NETLINK_MESSAGE_ROUTE, "10.255.0.7", 128);
		ck_assert_uint_eq(m.hop_count, 0);
		ends();
	}
	setup();
	build_next_hop(&b, 9, NULL, 0);
	build_attribute(&b, NHA_BLACKHOLE, NULL, 0);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(m.kind, NETLINK_MESSAGE_NEXT_HOP);
	ck_assert_uint_eq(m.hop_count, 0);
	/* No next hop of it is active. */
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_multipath(&b);
	is_route(NETLINK_MESSAGE_ROUTE, "10.255.0.7", 128);
	ck_assert_uint_eq(m.hop_count, 0);
	ends();
}
END_TEST

static void is_other(void)
{
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(m.kind, NETLINK_MESSAGE_OTHER);
	ends();
}

START_TEST(what_is_not_for_us_is_passed_over)
{
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_rtmsg(&b)->rtm_table = 10;
	is_other();
	setup(); /* A VRF with a high number. */
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_rtmsg(&b)->rtm_table = RT_TABLE_UNSPEC;
	build_number(&b, RTA_TABLE, 1001);
	is_other();
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_rtmsg(&b)->rtm_family = AF_MPLS;
	is_other();
	setup(); /* A source-specific route. */
	build_route(&b, RTM_NEWROUTE, "2001:db8::7", 128, RTPROT_BGP);
	build_rtmsg(&b)->rtm_src_len = 64;
	is_other();
	setup(); /* Somebody discards IPv4 in IPv6: it is not 0.0.0.0/0. */
	build_route(&b, RTM_NEWROUTE, "::ffff:0:0", 96, RTPROT_STATIC);
	is_other();
	setup();
	build_message(&b, RTM_NEWNEIGH);
	build_bytes(&b, "some bytes of that", 18);
	is_other();
	setup();
	build_message(&b, RTM_NEWNEIGH);
	is_other();
}
END_TEST

START_TEST(the_main_table_may_be_named_in_both_ways)
{
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_rtmsg(&b)->rtm_table = RT_TABLE_UNSPEC;
	build_number(&b, RTA_TABLE, RT_TABLE_MAIN);
	is_route(NETLINK_MESSAGE_ROUTE, "10.255.0.7", 128);
	ends();
}
END_TEST

START_TEST(an_ipv4_route_by_an_ipv6_gateway)
{
	uint8_t via[18] = {AF_INET6};

	setup();
	inet_pton(AF_INET6, "fe80::9", via + 2);
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_attribute(&b, RTA_VIA, via, sizeof(via));
	build_number(&b, RTA_OIF, 3);
	is_route(NETLINK_MESSAGE_ROUTE, "10.255.0.7", 128);
	has_hop(0, "fe80::9", 3, 1);
	ends();
}
END_TEST

START_TEST(more_next_hops_than_there_is_room_for_are_left_out)
{
	static uint32_t members[2 * 300];
	size_t multipath;

	for (size_t i = 0; i < 300; i++) {
		members[2 * i] = (uint32_t)i + 1;
		members[2 * i + 1] = 1;
	}
	setup();
	build_group(&b, 1000, members, 300);
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	multipath = build_multipath(&b);
	for (size_t i = 0; i < 300; i++)
		build_multipath_hop(&b, multipath, "10.0.0.1", (int)i + 1, 1);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(m.hop_count, NETLINK_HOPS_MAX);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(m.hop_count, NETLINK_HOPS_MAX);
	ends();
}
END_TEST

static void is_refused(void)
{
	ck_assert_int_eq(next(), -1);
}

START_TEST(sizes_that_do_not_add_up_are_refused)
{
	setup();
	build_bytes(&b, "abc", 3);
	is_refused();
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_header(&b)->nlmsg_len += 4;
	is_refused();
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_header(&b)->nlmsg_len = 12;
	is_refused();
	setup(); /* Shorter than struct rtmsg. */
	build_message(&b, RTM_NEWROUTE);
	build_bytes(&b, "abcd", 4);
	is_refused();
	setup();
	build_message(&b, RTM_NEWNEXTHOP);
	build_bytes(&b, "abcd", 4);
	is_refused();
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 33, RTPROT_BGP);
	is_refused();
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_attribute(&b, RTA_OIF, "ab", 2);
	is_refused();
	setup();
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_attribute(&b, RTA_GATEWAY, "abcde", 5);
	is_refused();
	setup(); /* An attribute that says it is longer than the message. */
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_number(&b, RTA_OIF, 1);
	((struct nlattr *)(b.bytes + b.size - 8))->nla_len = 200;
	is_refused();
	((struct nlattr *)(b.bytes + b.size - 8))->nla_len = 3;
	at = 0;
	is_refused();
	setup(); /* The same of a next hop in RTA_MULTIPATH. */
	build_route(&b, RTM_NEWROUTE, "10.255.0.7", 32, RTPROT_BGP);
	build_multipath_hop(&b, build_multipath(&b), "10.0.0.1", 3, 1);
	((struct rtnexthop *)(b.bytes + b.size - 16))->rtnh_len = 100;
	is_refused();
	((struct rtnexthop *)(b.bytes + b.size - 16))->rtnh_len = 0;
	at = 0;
	is_refused();
	setup(); /* Half a member of a group. */
	build_next_hop(&b, 20, NULL, 0);
	build_attribute(&b, NHA_GROUP, "abcdefghijkl", 12);
	is_refused();
	setup(); /* Without an id. */
	build_message(&b, RTM_NEWNEXTHOP);
	build_bytes(&b, &(struct nhmsg){0}, sizeof(struct nhmsg));
	is_refused();
}
END_TEST

UNIT_MAIN("netlink_frame", a_route_with_one_next_hop, an_address_of_the_host,
	  a_route_with_many_next_hops, an_update_of_frr_8_4_is_two_messages_in_one_frame,
	  next_hops_and_groups, what_is_no_way_for_a_packet_has_no_next_hop,
	  what_is_not_for_us_is_passed_over, the_main_table_may_be_named_in_both_ways,
	  an_ipv4_route_by_an_ipv6_gateway, more_next_hops_than_there_is_room_for_are_left_out,
	  sizes_that_do_not_add_up_are_refused)
