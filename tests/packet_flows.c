/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends the packets of many TCP flows by a packet socket, for tools/bench: handshakes that look
 * like those of real hosts to whoever forwards them, and data. One thread.
 *
 *   packet_flows answer            answers every SYN with a SYN-ACK, on the device that it came by
 *   packet_flows DEVICE ADDRESS    sends to that link-layer address; commands on standard input:
 *     open FIRST COUNT             handshakes, "open us=.. repeated=.."
 *     send FIRST COUNT RATE MS     data of these flows in turn, RATE a second (0: as fast as it
 *                                  goes), for so long (0: one packet each); "sent packets=..
 *                                  us=.. cpu_us=..", the thread's CPU time with the softirqs in it
 *     send-listed FILE RATE MS     the same with the flows listed in a file, one number a line
 *     cancel                       ends a `send` that is under way
 */
#include "config.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
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
#define OPEN_AT_ONCE 2048
#define OPEN_WAIT_MS 50
#define OPEN_TRIES 40
#define PAYLOAD 64
#define BUFFER_SIZE (64 << 20)

struct frame {
	struct ether_header ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t payload[PAYLOAD];
} __attribute__((packed));

struct sender {
	int out, in;
	uint8_t source[ETH_ALEN], destination[ETH_ALEN];
	struct sockaddr_ll to;
	struct frame frames[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	unsigned int filled;
	uint64_t sent;
	uint32_t *listed;
	size_t listed_count;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "packet_flows: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* RFC 1071 */
static uint32_t sum_words(uint32_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

static uint16_t sum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void frame_finish(struct frame *frame, size_t payload)
{
	size_t length = sizeof(frame->tcp) + payload;
	uint32_t sum;

	frame->ethernet.ether_type = htons(ETHERTYPE_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_TCP;
	frame->ip.frag_off = htons(IP_DF);
	frame->ip.tot_len = htons((uint16_t)(sizeof(frame->ip) + length));
	frame->ip.check = 0;
	frame->ip.check = sum_end(sum_words(0, &frame->ip, sizeof(frame->ip)));
	frame->tcp.doff = 5;
	frame->tcp.window = htons(65535);
	frame->tcp.check = 0;
	sum = sum_words(IPPROTO_TCP + (uint32_t)length, &frame->ip.saddr, 8);
	frame->tcp.check = sum_end(sum_words(sum, &frame->tcp, length));
}

/* --- the side of the VIP --- */

/* Sees packets before any hook of the host. */
static int packet_socket(unsigned int device)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)device,
	};
	const int size = BUFFER_SIZE, yes = 1;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("packet socket");
	return fd;
}

/* Only TCP segments with these flags, among SYN, ACK, RST and FIN. */
static void filter_flags(int fd, uint8_t flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 6),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 4),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 20 + 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK | TH_RST | TH_FIN),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		die("socket filter");
}

static void make_answer(struct frame *frame)
{
	struct frame syn = *frame;
	uint32_t number = packet_number(ntohl(syn.ip.saddr), ntohs(syn.tcp.source));

	memset(frame, 0, sizeof(*frame));
	memcpy(frame->ethernet.ether_dhost, syn.ethernet.ether_shost, ETH_ALEN);
	memcpy(frame->ethernet.ether_shost, syn.ethernet.ether_dhost, ETH_ALEN);
	frame->ip.saddr = syn.ip.daddr;
	frame->ip.daddr = syn.ip.saddr;
	frame->tcp.source = syn.tcp.dest;
	frame->tcp.dest = syn.tcp.source;
	frame->tcp.seq = htonl(packet_server_sequence(number));
	frame->tcp.ack_seq = htonl(ntohl(syn.tcp.seq) + 1);
	frame->tcp.syn = frame->tcp.ack = 1;
	frame_finish(frame, 0);
}

static _Noreturn void answer(void)
{
	static struct frame frames[BATCH];
	static struct sockaddr_ll from[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	int fd = packet_socket(0);

	filter_flags(fd, TH_SYN);
	printf("ready\n");
	for (;;) {
		int count;

		for (int i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec){&frames[i], sizeof(frames[i])};
			messages[i].msg_hdr = (struct msghdr){
				.msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &parts[i],
				.msg_iovlen = 1,
			};
		}
		count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
		if (count < 0 && errno != EINTR)
			die("recvmmsg");
		for (int i = 0; i < count; i++) {
			make_answer(&frames[i]);
			parts[i].iov_len = sizeof(frames[i]) - PAYLOAD;
			memcpy(from[i].sll_addr, frames[i].ethernet.ether_dhost, ETH_ALEN);
		}
		for (int done = 0; done < count;) {
			int sent = sendmmsg(fd, messages + done, (unsigned int)(count - done), 0);

			if (sent < 0 && errno != ENOBUFS && errno != EINTR)
				die("sendmmsg");
			done += sent > 0 ? sent : 0;
		}
	}
}

/* --- the clients' side --- */

static void flush(struct sender *sender)
{
	unsigned int done = 0;

	while (done < sender->filled) {
		int sent = sendmmsg(sender->out, sender->messages + done, sender->filled - done, 0);

		if (sent < 0 && errno != ENOBUFS && errno != EINTR)
			die("sendmmsg");
		done += sent > 0 ? (unsigned int)sent : 0;
	}
	sender->sent += sender->filled;
	sender->filled = 0;
}

static void add(struct sender *sender, uint32_t number, uint8_t flags, size_t payload)
{
	struct frame *frame = &sender->frames[sender->filled];

	memcpy(frame->ethernet.ether_dhost, sender->destination, ETH_ALEN);
	memcpy(frame->ethernet.ether_shost, sender->source, ETH_ALEN);
	frame->ip.saddr = htonl(packet_client(number));
	frame->ip.daddr = htonl(PACKET_VIP);
	frame->tcp.source = htons(packet_client_port(number));
	frame->tcp.dest = htons(PACKET_VIP_PORT);
	frame->tcp.seq = htonl(number + !(flags & TH_SYN));
	frame->tcp.ack_seq = flags & TH_ACK ? htonl(packet_server_sequence(number) + 1) : 0;
	frame->tcp.th_flags = flags;
	frame_finish(frame, payload);
	sender->parts[sender->filled] =
		(struct iovec){frame, sizeof(*frame) - sizeof(frame->payload) + payload};
	if (++sender->filled == BATCH)
		flush(sender);
}

/* Marks what was answered; returns how many that were not marked before. */
static unsigned int take_answers(struct sender *sender, uint32_t first, bool *answered,
				 unsigned int count)
{
	static struct frame frames[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	unsigned int news = 0;
	int got;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){&frames[i], sizeof(frames[i])};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while ((got = recvmmsg(sender->in, messages, BATCH, MSG_DONTWAIT, NULL)) > 0) {
		for (int i = 0; i < got; i++) {
			uint32_t number =
				packet_number(ntohl(frames[i].ip.daddr), ntohs(frames[i].tcp.dest));

			if (number - first >= count || answered[number - first] ||
			    ntohl(frames[i].tcp.seq) != packet_server_sequence(number))
				continue;
			answered[number - first] = true;
			news++;
		}
	}
	return news;
}

/* SYN, wait for all SYN-ACKs, ACK. Returns how many SYNs had to be repeated. */
static unsigned int open_some(struct sender *sender, uint32_t first, unsigned int count)
{
	struct pollfd readable = {.fd = sender->in, .events = POLLIN};
	bool answered[OPEN_AT_ONCE] = {false};
	unsigned int missing = count, repeated = 0;

	for (int tries = 0; missing > 0; tries++) {
		if (tries == OPEN_TRIES) {
			fprintf(stderr, "packet_flows: %u of %u SYNs without an answer\n", missing,
				count);
			exit(1);
		}
		if (tries > 0)
			repeated += missing;
		for (unsigned int i = 0; i < count; i++)
			if (!answered[i])
				add(sender, first + i, TH_SYN, 0);
		flush(sender);
		do
			missing -= take_answers(sender, first, answered, count);
		while (missing > 0 && poll(&readable, 1, OPEN_WAIT_MS) > 0);
	}
	for (unsigned int i = 0; i < count; i++)
		add(sender, first + i, TH_ACK, 0);
	flush(sender);
	return repeated;
}

static void open_flows(struct sender *sender, uint32_t first, uint32_t count)
{
	uint64_t start_us = clock_us(CLOCK_MONOTONIC);
	unsigned int repeated = 0;

	for (uint32_t done = 0; done < count; done += OPEN_AT_ONCE) {
		uint32_t left = count - done;

		repeated +=
			open_some(sender, first + done, left < OPEN_AT_ONCE ? left : OPEN_AT_ONCE);
	}
	printf("open us=%llu repeated=%u\n",
	       (unsigned long long)(clock_us(CLOCK_MONOTONIC) - start_us), repeated);
}

static bool cancelled(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

static void send_data(struct sender *sender, uint32_t first, uint32_t count, unsigned int rate,
		      unsigned int duration_ms)
{
	uint64_t start_us = clock_us(CLOCK_MONOTONIC), now_us = start_us;
	uint64_t cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	uint64_t end_us = start_us + (uint64_t)duration_ms * 1000;
	uint32_t at = 0;

	sender->sent = 0;
	while (duration_ms ? now_us < end_us : sender->sent < count) {
		uint32_t left = duration_ms ? BATCH : count - (uint32_t)sender->sent;

		for (uint32_t i = 0; i < left && i < BATCH; i++) {
			add(sender, sender->listed ? sender->listed[at] : first + at,
			    TH_ACK | TH_PUSH, PAYLOAD);
			at = at + 1 == count ? 0 : at + 1;
		}
		flush(sender);
		now_us = clock_us(CLOCK_MONOTONIC);
		if (rate) {
			uint64_t due_us = start_us + sender->sent * 1000000 / rate;

			if (due_us > now_us)
				usleep((useconds_t)(due_us - now_us));
			if (cancelled())
				break;
		}
	}
	printf("sent packets=%llu us=%llu cpu_us=%llu\n", (unsigned long long)sender->sent,
	       (unsigned long long)(clock_us(CLOCK_MONOTONIC) - start_us),
	       (unsigned long long)(clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us));
}

static void read_list(struct sender *sender, const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned int number;

	sender->listed = calloc(PACKET_FLOWS_MAX, sizeof(*sender->listed));
	sender->listed_count = 0;
	if (!file || !sender->listed)
		die(path);
	while (sender->listed_count < PACKET_FLOWS_MAX && fscanf(file, "%u", &number) == 1)
		sender->listed[sender->listed_count++] = number;
	fclose(file);
	if (!sender->listed_count) {
		fprintf(stderr, "packet_flows: no flows in %s\n", path);
		exit(1);
	}
}

static void run_command(struct sender *sender, const char *line)
{
	unsigned int first, count, rate, duration_ms;
	char path[256];

	if (sscanf(line, "open %u %u", &first, &count) == 2) {
		open_flows(sender, first, count);
	} else if (sscanf(line, "send %u %u %u %u", &first, &count, &rate, &duration_ms) == 4 &&
		   count > 0) {
		send_data(sender, first, count, rate, duration_ms);
	} else if (sscanf(line, "send-listed %255s %u %u", path, &rate, &duration_ms) == 3) {
		read_list(sender, path);
		send_data(sender, 0, (uint32_t)sender->listed_count, rate, duration_ms);
		free(sender->listed);
		sender->listed = NULL;
	} else if (strcmp(line, "cancel\n") != 0) {
		printf("what? %s", line);
	}
}

static void sender_open(struct sender *sender, const char *device, const char *destination)
{
	unsigned int index = if_nametoindex(device);
	struct ether_addr *address = ether_aton(destination);
	socklen_t size = sizeof(sender->to);
	const int yes = 1;

	if (!index || !address)
		die("device or address");
	memcpy(sender->destination, address, ETH_ALEN);
	sender->in = packet_socket(index);
	filter_flags(sender->in, TH_SYN | TH_ACK);
	sender->out = socket(AF_PACKET, SOCK_RAW, 0);
	if (sender->out < 0 || getsockname(sender->in, (struct sockaddr *)&sender->to, &size) ||
	    setsockopt(sender->out, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)))
		die("socket");
	sender->to.sll_protocol = htons(ETH_P_IP);
	memcpy(sender->source, sender->to.sll_addr, ETH_ALEN);
	for (int i = 0; i < BATCH; i++)
		sender->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &sender->to,
			.msg_namelen = sizeof(sender->to),
			.msg_iov = &sender->parts[i],
			.msg_iovlen = 1,
		};
}

int main(int argc, char **argv)
{
	static struct sender sender;
	char line[512];

	/* Lines are read one by one, so that poll() sees the next. */
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "answer") == 0)
		answer();
	if (argc != 3) {
		fprintf(stderr, "usage: packet_flows answer | packet_flows DEVICE ADDRESS\n");
		return 2;
	}
	sender_open(&sender, argv[1], argv[2]);
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin))
		run_command(&sender, line);
	return 0;
}
