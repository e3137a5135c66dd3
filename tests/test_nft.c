/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules and the sets; see nft_rig.h. */
#include "config.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/nft_rig.h"

START_TEST(rules_load)
{
	struct kernel_counter counters[NFT_COUNTERS_MAX];
	uint16_t ids[4];

	open_it();
	ck_assert_int_ne(nft_queue_kind(nft), NFT_QUEUE_NONE);
	printf("queue through: %s\n", nft_queue_text(nft));
	ok(nft_owner_add(nft, 7, &error));
	ok(nft_owner_add(nft, 7, &error));
	ok(nft_owner_add(nft, 4095, &error));
	ck_assert_int_eq(nft_owner_add(nft, 4096, &error), -1);
	ck_assert_int_eq(nft_owner_add(nft, 0, &error), -1);
	ck_assert_uint_eq(nft_owners(nft, ids, 4), 2);
	ck_assert_uint_eq(ids[0], 7);
	ck_assert_uint_eq(counter("detoured-packets"), 0);
	ck_assert_uint_ge(nft_counters(nft, counters, NFT_COUNTERS_MAX), 6);
	ok(nft_owner_remove(nft, 4095, &error));
	ok(nft_owner_remove(nft, 4095, &error));
	run_ok("nft list table ip holdfast >/dev/null");
	ck_assert_int_eq(ask("nft list table ip holdfast | grep -c 'chain owner_'"), 1);
	ok(nft_teardown(nft, &error));
	ok(nft_teardown(nft, &error));
	ck_assert_int_eq(ask("nft list tables | wc -l"), 0);
}
END_TEST

START_TEST(sets_are_replaced)
{
	struct in6_addr addresses[3];
	unsigned int ifindexes[2] = {1, 5}, *found;
	size_t count;

	open_it();
	address_parse("192.0.2.80", &addresses[0]);
	address_parse("2001:db8::1", &addresses[1]);
	address_parse("192.0.2.80", &addresses[2]);
	ok(nft_vips_set(nft, addresses, 3, &error));
	ok(nft_members_set(nft, addresses, 1, &error));
	ok(nft_uplinks_set(nft, AF_INET, ifindexes, 2, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c '192.0.2.80 }'"), 1);
	ck_assert_int_eq(ask("nft list set ip holdfast uplinks | grep -c elements"), 1);
	ok(nft_uplinks_get(nft, AF_INET, &found, &count, &error));
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(found[0] + found[1], 6);
	free(found);
	address_parse("192.0.2.81", &addresses[0]);
	ok(nft_vips_set(nft, addresses, 1, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c '192.0.2.81 }'"), 1);
	ok(nft_vips_set(nft, NULL, 0, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c elements"), 0);
}
END_TEST

static void take_line(void *arg, const char *note)
{
	char(*lines)[NFT_NOTE_SIZE] = arg;

	while ((*lines)[0])
		lines++;
	memcpy(*lines, note, strlen(note));
}

START_TEST(notes_outlive_a_restart_and_a_flush)
{
	static char notes[NFT_NOTES_MAX + 1][NFT_NOTE_SIZE], read[NFT_NOTES_MAX + 1][NFT_NOTE_SIZE];

	open_it();
	for (size_t i = 0; i < NFT_NOTES_MAX; i++) {
		memset(notes[i], 'x', NFT_NOTE_SIZE - 1);
		snprintf(notes[i], 16, "note %zu", i);
		notes[i][strlen(notes[i])] = ' ';
	}
	ok(nft_notes_set(nft, notes, NFT_NOTES_MAX, &error));
	ok(nft_notes_get(nft, take_line, read, &error));
	for (size_t i = 0; i < NFT_NOTES_MAX; i++) {
		size_t found = 0;

		while (read[found][0] && strcmp(read[found], notes[i]))
			found++;
		ck_assert_msg(read[found][0], "lost: %s", notes[i]);
	}
	ck_assert_int_eq(nft_notes_set(nft, notes, NFT_NOTES_MAX + 1, &error), -1);
	strcpy(notes[0], "one line");
	ok(nft_notes_set(nft, notes, 1, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast notes | grep -c 'comment \"one line\"'"), 1);
	/* Another fpmd that was told nothing leaves it. */
	nft_close(nft);
	ok(nft_open(&options, "hf-vx0", &nft, &error));
	ok(nft_setup(nft, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast notes | grep -c 'comment \"one line\"'"), 1);
	ok(nft_notes_set(nft, notes, 1, &error));
	run_ok("nft flush ruleset");
	ok(nft_repair(nft, NULL, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast notes | grep -c 'comment \"one line\"'"), 1);
	ok(nft_notes_set(nft, NULL, 0, &error));
	ck_assert_int_eq(ask("nft list set ip holdfast notes | grep -c comment"), 0);
}
END_TEST

START_TEST(only_members_reach_the_tunnel_port)
{
	struct in6_addr member;

	open_it();
	address_parse(OTHER, &member);
	ok(nft_members_set(nft, &member, 1, &error));
	udp_send(CLIENT, VIP, 4790, 5);
	udp_send(OTHER, VIP, 4790, 7);
	udp_send(CLIENT, VIP, 4791, 9);
	ck_assert_uint_eq(counter("tunnel-not-a-member"), 5);
}
END_TEST

/* UDP from 198.51.100.9 to 203.0.114.2, out of device *from* to the MAC address of *to*. */
static void frame_send(const char *from, const char *to, int count)
{
	uint8_t frame[60] = {[12] = 8,	 [14] = 0x45, [17] = 29, [22] = 64, [23] = IPPROTO_UDP,
			     [26] = 198, 51,	      100,	 9,	    203,
			     0,		 114,	      2,	 0,	    9,
			     0,		 9,	      0,	 9};
	struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_halen = 6};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct ifreq request = {0};
	uint32_t sum = 0;

	ck_assert_int_ge(fd, 0);
	snprintf(request.ifr_name, IFNAMSIZ, "%s", to);
	ck_assert_int_eq(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(frame, request.ifr_hwaddr.sa_data, 6);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	link.sll_ifindex = (int)if_nametoindex(from);
	while (count--)
		ck_assert_int_eq(sendto(fd, frame, sizeof(frame), 0, (void *)&link, sizeof(link)),
				 60);
	close(fd);
	usleep(20000);
}

START_TEST(nothing_else_is_forwarded)
{
	unsigned int uplinks[1];

	open_it();
	run_ok("ip link add in0 type veth peer name far && ip link set in0 up && "
	       "ip link set far up && ip link add out0 type veth peer name gone && "
	       "ip link set out0 up && ip link set gone up && "
	       "ip addr add 203.0.113.1/24 dev in0 && ip addr add 203.0.114.1/24 dev out0 && "
	       "ip neigh add 203.0.114.2 lladdr 02:00:00:00:00:02 dev out0 && "
	       "for s in ip_forward=1 conf.all.rp_filter=0 conf.in0.rp_filter=0; do "
	       "sysctl -qw net.ipv4.$s; done && ip route add 198.51.100.9 dev in0");
	run_ok("nft 'add table ip test; add chain ip test after { type filter hook postrouting priority 0; }; "
	       "add rule ip test after oifname out0 ip daddr 203.0.114.2 counter comment \"out\"'");
	uplinks[0] = if_nametoindex("in0");
	ck_assert_uint_ne(uplinks[0], 0);
	frame_send("far", "in0", 3);
	ck_assert_uint_eq(counter("transit-refused"), 0);
	ck_assert_int_eq(packets("ip", "out"), 3);
	ok(nft_uplinks_set(nft, AF_INET, uplinks, 1, &error));
	frame_send("far", "in0", 4);
	ck_assert_uint_eq(counter("transit-refused"), 4);
	ck_assert_int_eq(packets("ip", "out"), 3);
	nft_close(nft);

	/* out0 stands in for the tunnel: into it with an owner's id only */
	ok(nft_open(&options, "out0", &nft, &error));
	ok(nft_setup(nft, &error));
	ok(nft_uplinks_set(nft, AF_INET, uplinks, 1, &error));
	frame_send("far", "in0", 5);
	ck_assert_uint_eq(counter("tunnel-not-forwarded"), 5);
	run_ok("nft 'add chain ip test before { type filter hook prerouting priority -300; }; "
	       "add rule ip test before ip daddr 203.0.114.2 meta mark set 0x4007'");
	frame_send("far", "in0", 6);
	ck_assert_uint_eq(counter("tunnel-not-forwarded"), 5);
	ck_assert_int_eq(packets("ip", "out"), 9);
	ck_assert_uint_eq(counter("transit-refused"), 4);
}
END_TEST

NFT_MAIN("nft", rules_load, sets_are_replaced, notes_outlive_a_restart_and_a_flush,
	 only_members_reach_the_tunnel_port, nothing_else_is_forwarded)
