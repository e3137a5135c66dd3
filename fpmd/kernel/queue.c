/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stray queue on fpmd's loop. Invariant: an occupied slot of *held* is a segment that the
 * kernel holds for us and that has had no verdict; there are at most QUEUE_HELD_MAX of them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>

#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/queue.h"
#include "fpmd/kernel/queue_packet.h"

#define COPY_BYTES 128 /* enough for the IP and TCP headers */
#define RECEIVE_BUFFER (16 << 20)
#define RECEIVE_SIZE 8192
#define READS_MAX 256		   /* segments at once; then others get their turn */
#define SLOTS (4 * QUEUE_HELD_MAX) /* ids are counted up: neighbours never collide */
#define PACKET_TYPE (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)
#define PROC_QUEUES "/proc/net/netfilter/nfnetlink_queue"

struct held {
	uint32_t id;
	uint32_t mark;
	bool occupied;
};

struct queue {
	struct kernel_options options;
	queue_stray_fn *stray;
	void *arg;
	struct mnl_socket *socket;
	struct event *event;
	struct held *held;

	uint64_t received, unparsed, overtaken, lost_messages, verdict_failures;
	size_t held_now;
};

static void verdict_send(struct queue *queue, uint32_t id, int verdict, uint32_t mark)
{
	_Alignas(8) char bytes[512];
	struct nlmsghdr *message;

	message = nfq_nlmsg_put(bytes, NFQNL_MSG_VERDICT, queue->options.queue);
	nfq_nlmsg_verdict_put(message, (int)id, verdict);
	if (verdict == NF_ACCEPT)
		nfq_nlmsg_verdict_put_mark(message, mark);
	while (mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0) {
		if (errno == EINTR)
			continue;
		queue->verdict_failures++;
		break;
	}
}

/* A segment that came before its time: the client sends it again. */
static void segment_reject(struct queue *queue, const struct nlmsghdr *message)
{
	struct nlattr *attributes[NFQA_MAX + 1] = {0};
	const struct nfqnl_msg_packet_hdr *header;

	if (nfq_nlmsg_parse(message, attributes) < 0 || !attributes[NFQA_PACKET_HDR])
		return;
	header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
	verdict_send(queue, ntohl(header->packet_id), NF_DROP, 0);
}

/* The kernel's answer is there when the send returns. Returns 0 or a negative errno. */
static int configure_send(struct queue *queue, struct nlmsghdr *message)
{
	_Alignas(8) char bytes[RECEIVE_SIZE];
	const struct nlmsghdr *answer;
	const struct nlmsgerr *code;
	ssize_t size;
	int left;

	message->nlmsg_flags |= NLM_F_ACK;
	message->nlmsg_seq = 1;
	if (mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		size = recv(mnl_socket_get_fd(queue->socket), bytes, sizeof(bytes), MSG_DONTWAIT);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		left = (int)size;
		for (answer = (void *)bytes; mnl_nlmsg_ok(answer, left);
		     answer = mnl_nlmsg_next(answer, &left)) {
			code = mnl_nlmsg_get_payload(answer);
			if (answer->nlmsg_type == NLMSG_ERROR)
				return code->error;
			if (answer->nlmsg_type == PACKET_TYPE)
				segment_reject(queue, answer);
		}
	}
}

/* A bound queue without a copy mode drops. */
static int queue_bind(struct queue *queue, struct error *error)
{
	_Alignas(8) char bytes[512];
	uint16_t number = queue->options.queue;
	struct nlmsghdr *message;
	int result;

	message = nfq_nlmsg_put(bytes, NFQNL_MSG_CONFIG, number);
	nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	result = configure_send(queue, message);
	if (result == -EPERM || result == -EBUSY)
		return error_set(error,
				 "queue %u is in use by another program (or CAP_NET_ADMIN is "
				 "missing): choose another number with `queue`",
				 number);
	if (result)
		return error_set(error,
				 "cannot bind queue %u: %s: the kernel needs nfnetlink_queue",
				 number, strerror(-result));
	return 0;
}

int queue_start(struct queue *queue, struct error *error)
{
	_Alignas(8) char bytes[512];
	uint16_t number = queue->options.queue;
	struct nlmsghdr *message;
	int result;

	/* Without GSO the kernel would cut what GRO has put together. Fail-open stays off: a
	 * stray that nobody looked at would be answered with a RST. */
	message = nfq_nlmsg_put(bytes, NFQNL_MSG_CONFIG, number);
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	nfq_nlmsg_cfg_put_qmaxlen(message, QUEUE_HELD_MAX);
	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, COPY_BYTES);
	result = configure_send(queue, message);
	if (result)
		return error_set(error, "cannot configure queue %u: %s", number, strerror(-result));
	if (event_add(queue->event, NULL))
		return error_set(error, "queue %u: cannot listen", number);
	return 0;
}

void queue_verdict(struct queue *queue, uint32_t id, enum kernel_verdict verdict, uint16_t owner)
{
	struct held *held = &queue->held[id % SLOTS];
	uint32_t mark = held->mark & ~layout_our_bits(&queue->options);

	if (!held->occupied || held->id != id)
		return;
	held->occupied = false;
	queue->held_now--;
	/* An id that does not fit would name another owner. */
	if (verdict == KERNEL_DETOUR &&
	    (owner == KERNEL_OWNER_NONE || owner > layout_owner_max(&queue->options)))
		verdict = KERNEL_DROP;
	if (verdict == KERNEL_DETOUR)
		mark |= layout_detour_mark(&queue->options, owner);
	verdict_send(queue, id, verdict == KERNEL_DROP ? NF_DROP : NF_ACCEPT, mark);
}

static void segment_hold(struct queue *queue, uint32_t id, uint32_t mark)
{
	struct held *held = &queue->held[id % SLOTS];

	if (held->occupied) {
		/* Held for so long that SLOTS others came after it. */
		queue->overtaken++;
		queue->held_now--;
		verdict_send(queue, held->id, NF_DROP, 0);
	}
	*held = (struct held){id, mark, true};
	queue->held_now++;
}

static void segment_read(struct queue *queue, const struct nlmsghdr *message)
{
	struct nlattr *attributes[NFQA_MAX + 1] = {0};
	const struct nfqnl_msg_packet_hdr *header;
	struct kernel_stray stray = {0};
	struct queue_packet packet;
	uint32_t mark = 0, device = 0;
	size_t size = 0;

	if (nfq_nlmsg_parse(message, attributes) < 0 || !attributes[NFQA_PACKET_HDR])
		return;
	header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
	stray.id = ntohl(header->packet_id);
	if (attributes[NFQA_MARK])
		mark = ntohl(mnl_attr_get_u32(attributes[NFQA_MARK]));
	if (attributes[NFQA_IFINDEX_INDEV])
		device = ntohl(mnl_attr_get_u32(attributes[NFQA_IFINDEX_INDEV]));
	queue->received++;
	if (attributes[NFQA_PAYLOAD])
		size = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);
	if (!size ||
	    queue_packet_parse(mnl_attr_get_payload(attributes[NFQA_PAYLOAD]), size, &packet)) {
		queue->unparsed++;
		verdict_send(queue, stray.id, NF_DROP, 0);
		return;
	}
	stray.flow = packet.flow;
	stray.reset = packet.reset;
	stray.length = attributes[NFQA_CAP_LEN] ? ntohl(mnl_attr_get_u32(attributes[NFQA_CAP_LEN]))
						: (uint32_t)size;
	stray.tunnelled = mark & queue->options.mark_tunnel_bit;
	if (stray.tunnelled)
		stray.sender_id = layout_mark_owner(&queue->options, mark);
	segment_hold(queue, stray.id, mark);
	queue->stray(queue->arg, &stray, (int)device);
}

static void queue_read(evutil_socket_t fd, short events, void *arg)
{
	struct queue *queue = arg;
	_Alignas(8) char bytes[RECEIVE_SIZE];
	const struct nlmsghdr *message;
	ssize_t size;
	int left;

	for (int i = 0; i < READS_MAX; i++) {
		size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (size < 0 && errno == ENOBUFS) {
			queue->lost_messages++;
			continue;
		}
		if (size < 0)
			break;
		left = (int)size;
		for (message = (void *)bytes; mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			if (message->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
				segment_read(queue, message);
	}
}

int queue_open(struct event_base *base, const struct kernel_options *options, queue_stray_fn *stray,
	       void *arg, struct queue **out, struct error *error)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	int size = RECEIVE_BUFFER, on = 1, fd;

	*out = NULL;
	if (!queue)
		return error_set(error, "queue: out of memory");
	queue->options = *options;
	queue->stray = stray;
	queue->arg = arg;
	queue->held = calloc(SLOTS, sizeof(*queue->held));
	queue->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!queue->held || !queue->socket ||
	    mnl_socket_bind(queue->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error_set(error, "queue: no netlink socket: %s", strerror(errno));
		goto fail;
	}
	fd = mnl_socket_get_fd(queue->socket);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* A full socket then counts as a drop of the queue, without an error to handle. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	if (queue_bind(queue, error))
		goto fail;
	queue->event = event_new(base, fd, EV_READ | EV_PERSIST, queue_read, queue);
	if (!queue->event) {
		error_set(error, "queue: out of memory");
		goto fail;
	}
	*out = queue;
	return 0;
fail:
	queue_close(queue);
	return -1;
}

void queue_close(struct queue *queue)
{
	if (!queue)
		return;
	if (queue->event)
		event_free(queue->event);
	/* The kernel drops what it held for the socket. */
	if (queue->socket)
		mnl_socket_close(queue->socket);
	free(queue->held);
	free(queue);
}

/*
 * What the kernel did not give us: the queue was full, or our socket. Fields: number, port,
 * waiting, copy mode, copy range, queue dropped, user dropped, last id, 1.
 */
static uint64_t dropped_read(const struct queue *queue)
{
	unsigned long number, dropped, user_dropped;
	FILE *file = fopen(PROC_QUEUES, "re");
	uint64_t result = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lu %*u %*u %*u %*u %lu %lu", &number, &dropped, &user_dropped) ==
			    3 &&
		    number == queue->options.queue)
			result = (uint64_t)dropped + user_dropped;
	}
	if (file)
		fclose(file);
	return result;
}

size_t queue_counters(struct queue *queue, struct kernel_counter *out, size_t max)
{
	const struct kernel_counter counters[] = {
		{"queue-segments", "Segments held for a verdict", queue->received},
		{"queue-waiting", "Segments that wait for a verdict now", queue->held_now},
		{"queue-dropped", "Segments dropped: the queue or its socket was full",
		 dropped_read(queue)},
		{"queue-unparsed", "Segments dropped: not a TCP header", queue->unparsed},
		{"queue-overtaken", "Segments dropped: they waited too long", queue->overtaken},
		{"queue-verdict-failures", "Verdicts that the kernel did not take",
		 queue->verdict_failures},
		{"queue-lost-messages", "Times the queue's socket overflowed",
		 queue->lost_messages},
	};
	const size_t there = sizeof(counters) / sizeof(*counters);

	memcpy(out, counters, sizeof(*out) * (there < max ? there : max));
	return there;
}
