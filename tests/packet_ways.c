/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Behind a director, for tools/bench: which way the packets of each flow come, by which device, or
 * through the tunnel and to which member. One thread; the kernel's time stamps, wall clock.
 *
 *   packet_ways FIRST CHUNK MEMBER DEVICE...
 * The owner of flow FIRST + N is the member whose IPv4 address is MEMBER + N / CHUNK. Commands on
 * standard input:
 *   ways         flows that came by each device since the last `forget`: "ways DEVICE=N...
 * tunnel=N" list DEVICE FILE   writes their numbers to a file, one a line; "listed N" forget "done"
 *   fail DEVICE  flows whose way is DEVICE now are expected to go to their owners from now on, all
 *                others to stay; "done"
 *   moved        "moved flows=.. owner=.. other=.. strangers=.. first_us=.. last_wrong_us=..
 * packets=.. lost=..": the flows of `fail`; how many came to their owners last, how many by another
 * way, since `fail`; flows not of the device that came by another way than before; when the first
 * packet came to its owner, and when the last one came that did not; packets of them seen, and
 * those that the socket lost
 */
#include "config.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/packet_flow.h"

#define BATCH 64
#define BUFFER_SIZE (256 << 20)
#define DEVICES_MAX 16
#define TUNNEL_PORT 4790 /* draft-ietf-nvo3-vxlan-gpe */
#define TUNNEL_HEADER 8
#define WAY_MEMBER 0x8000 /* or: the way's number, 1 to DEVICES_MAX; 0: none yet */

struct collector {
	int fd;
	uint32_t first, chunk, member;
	unsigned int devices;
	int device[DEVICES_MAX + 1]; /* from 1 on */
	const char *names[DEVICES_MAX + 1];
	uint16_t way[PACKET_FLOWS_MAX], before[PACKET_FLOWS_MAX];
	unsigned int failed; /* 0: none */
	uint64_t first_us, last_wrong_us, packets;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "packet_ways: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint16_t owner_way(const struct collector *collector, uint32_t number)
{
	return (uint16_t)(WAY_MEMBER | (number - collector->first) / collector->chunk);
}

static void take(struct collector *collector, uint32_t number, uint16_t way, uint64_t at_us)
{
	collector->way[number] = way;
	if (!collector->failed || collector->before[number] != collector->failed)
		return;
	collector->packets++;
	if (way != owner_way(collector, number))
		collector->last_wrong_us = at_us;
	else if (!collector->first_us)
		collector->first_us = at_us;
}

static uint32_t number_of(const struct iphdr *ip, const uint8_t *end)
{
	const struct tcphdr *tcp = (const struct tcphdr *)(ip + 1);

	if ((const uint8_t *)(tcp + 1) > end || ip->protocol != IPPROTO_TCP ||
	    ip->daddr != htonl(PACKET_VIP))
		return UINT32_MAX;
	return packet_number(ntohl(ip->saddr), ntohs(tcp->source));
}

static void take_packet(struct collector *collector, const uint8_t *packet, size_t size, int device,
			uint64_t at_us)
{
	const struct iphdr *ip = (const struct iphdr *)(packet + ETH_HLEN);
	const struct udphdr *udp = (const struct udphdr *)(ip + 1);
	const uint8_t *end = packet + size;
	uint32_t number;

	if ((const uint8_t *)(udp + 1) > end || ip->version != 4 || ip->ihl != 5)
		return;
	if (ip->protocol == IPPROTO_UDP && udp->dest == htons(TUNNEL_PORT)) {
		const struct iphdr *inner =
			(const struct iphdr *)((const uint8_t *)(udp + 1) + TUNNEL_HEADER);

		if ((const uint8_t *)(inner + 1) > end)
			return;
		number = number_of(inner, end);
		if (number < PACKET_FLOWS_MAX)
			take(collector, number,
			     (uint16_t)(WAY_MEMBER | (ntohl(ip->daddr) - collector->member)),
			     at_us);
		return;
	}
	number = number_of(ip, end);
	for (unsigned int i = 1; number < PACKET_FLOWS_MAX && i <= collector->devices; i++)
		if (collector->device[i] == device)
			take(collector, number, (uint16_t)i, at_us);
}

static uint64_t time_stamp_us(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			struct timespec at;

			memcpy(&at, CMSG_DATA(c), sizeof(at));
			return (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
		}
	}
	return 0;
}

static void take_packets(struct collector *collector)
{
	static uint8_t packets[BATCH][160];
	static uint8_t controls[BATCH][CMSG_SPACE(sizeof(struct timespec))];
	static struct sockaddr_ll from[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	int count;

	do {
		for (int i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec){packets[i], sizeof(packets[i])};
			messages[i].msg_hdr = (struct msghdr){
				.msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &parts[i],
				.msg_iovlen = 1,
				.msg_control = controls[i],
				.msg_controllen = sizeof(controls[i]),
			};
		}
		count = recvmmsg(collector->fd, messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < count; i++)
			if (from[i].sll_protocol == htons(ETH_P_IP))
				take_packet(collector, packets[i], messages[i].msg_len,
					    from[i].sll_ifindex,
					    time_stamp_us(&messages[i].msg_hdr));
	} while (count == BATCH);
}

static unsigned int device_number(const struct collector *collector, const char *name)
{
	for (unsigned int i = 1; i <= collector->devices; i++)
		if (strcmp(collector->names[i], name) == 0)
			return i;
	return 0;
}

static void print_ways(const struct collector *collector)
{
	unsigned int counts[DEVICES_MAX + 1] = {0}, tunnel = 0;

	for (uint32_t i = 0; i < PACKET_FLOWS_MAX; i++) {
		if (collector->way[i] & WAY_MEMBER)
			tunnel++;
		else
			counts[collector->way[i]]++;
	}
	printf("ways");
	for (unsigned int i = 1; i <= collector->devices; i++)
		printf(" %s=%u", collector->names[i], counts[i]);
	printf(" tunnel=%u\n", tunnel);
}

static void list(const struct collector *collector, unsigned int device, const char *path)
{
	FILE *file = fopen(path, "w");
	unsigned int count = 0;

	if (!file)
		die(path);
	for (uint32_t i = 0; i < PACKET_FLOWS_MAX; i++)
		if (collector->way[i] == device && fprintf(file, "%u\n", i) > 0)
			count++;
	if (fclose(file))
		die(path);
	printf("listed %u\n", count);
}

static void print_moved(const struct collector *collector)
{
	unsigned int flows = 0, owner = 0, other = 0, strangers = 0;
	struct tpacket_stats stats = {0};
	socklen_t size = sizeof(stats);

	for (uint32_t i = 0; i < PACKET_FLOWS_MAX; i++) {
		uint16_t way = collector->way[i], before = collector->before[i];

		if (before != collector->failed) {
			strangers += before && way && way != before;
			continue;
		}
		flows++;
		owner += way == owner_way(collector, i);
		other += way && way != owner_way(collector, i);
	}
	getsockopt(collector->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
	printf("moved flows=%u owner=%u other=%u strangers=%u first_us=%llu last_wrong_us=%llu packets=%llu lost=%u\n",
	       flows, owner, other, strangers, (unsigned long long)collector->first_us,
	       (unsigned long long)collector->last_wrong_us, (unsigned long long)collector->packets,
	       stats.tp_drops);
}

static void run_command(struct collector *collector, const char *line)
{
	char name[IF_NAMESIZE], path[256];
	unsigned int device;

	if (strcmp(line, "ways\n") == 0) {
		print_ways(collector);
	} else if (sscanf(line, "list %15s %255s", name, path) == 2 &&
		   (device = device_number(collector, name)) > 0) {
		list(collector, device, path);
	} else if (strcmp(line, "forget\n") == 0) {
		memset(collector->way, 0, sizeof(collector->way));
		collector->failed = 0;
		printf("done\n");
	} else if (sscanf(line, "fail %15s", name) == 1 &&
		   (device = device_number(collector, name)) > 0) {
		struct tpacket_stats stats;
		socklen_t size = sizeof(stats);

		memcpy(collector->before, collector->way, sizeof(collector->way));
		memset(collector->way, 0, sizeof(collector->way));
		collector->failed = device;
		collector->first_us = collector->last_wrong_us = collector->packets = 0;
		/* Reading them resets them. */
		getsockopt(collector->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
		printf("done\n");
	} else if (strcmp(line, "moved\n") == 0) {
		print_moved(collector);
	} else {
		printf("what? %s", line);
	}
}

int main(int argc, char **argv)
{
	static struct collector collector;
	/* Before any hook of the host. */
	struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	const int size = BUFFER_SIZE, yes = 1;
	struct in_addr member;
	char line[512];

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 5 || argc - 4 >= DEVICES_MAX || !inet_aton(argv[3], &member) ||
	    atoi(argv[2]) <= 0) {
		fprintf(stderr, "usage: packet_ways FIRST CHUNK MEMBER DEVICE...\n");
		return 2;
	}
	collector.first = (uint32_t)atoi(argv[1]);
	collector.chunk = (uint32_t)atoi(argv[2]);
	collector.member = ntohl(member.s_addr);
	for (int i = 4; i < argc; i++) {
		collector.names[++collector.devices] = argv[i];
		collector.device[collector.devices] = (int)if_nametoindex(argv[i]);
		if (!collector.device[collector.devices])
			die(argv[i]);
	}
	collector.fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (collector.fd < 0 ||
	    setsockopt(collector.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(collector.fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)) ||
	    setsockopt(collector.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) ||
	    bind(collector.fd, (struct sockaddr *)&all, sizeof(all)))
		die("packet socket");
	printf("ready\n");
	for (;;) {
		struct pollfd fds[] = {{.fd = collector.fd, .events = POLLIN},
				       {.fd = STDIN_FILENO, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents)
			take_packets(&collector);
		if (fds[1].revents) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			take_packets(&collector);
			run_command(&collector, line);
		}
	}
}
