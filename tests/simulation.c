/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulated hosts. One heap of what is to happen, by time and order of entry. */
#include "config.h"

#include "tests/simulation.h"

#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpmd/clock.h"
#include "fpmd/flow.h"
#include "fpmd/log.h"

#define EVENTS_MAX 4096
#define QUEUE_MAX 512 /* datagrams in a host's socket */
#define FD_BASE 1000000
#define DATAGRAM_SIZE 1500

struct event {
	unsigned int host;
	event_callback_fn callback;
	void *arg;
	short flags;
	uint64_t period_us;
	uint64_t timer;	 /* serial of its item in the heap, 0: not pending */
	uint64_t active; /* the same: its callback is to be called */
	bool used;
	struct event *next_free;
};

struct datagram {
	unsigned int from, to;
	uint16_t port;
	size_t size;
	struct datagram *next;
	uint8_t bytes[];
};

struct item {
	uint64_t us;
	uint64_t serial;
	struct event *event;
	struct datagram *datagram;
	void (*fn)(void *arg);
	void *arg;
};

struct queue {
	struct datagram *first, **last;
	size_t count;
	struct event *readable;
};

struct simulation_host simulation_host[SIMULATION_HOSTS];
struct simulation_link simulation_link[SIMULATION_HOSTS][SIMULATION_HOSTS];
bool simulation_verbose;

static struct {
	uint64_t now_us;
	uint64_t serial;
	uint64_t random;
	unsigned int host;
	struct item *heap;
	size_t items, room;
	struct event event[EVENTS_MAX];
	struct event *free_events;
	size_t events;
	struct queue queue[SIMULATION_HOSTS];
	uint64_t datagrams;
} sim;

/* splitmix64 (Steele, Lea, Flood, 2014) */
static uint64_t random_next(void)
{
	uint64_t x = sim.random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t simulation_random(uint64_t limit)
{
	return random_next() % limit;
}

static bool chance(unsigned int of_1000)
{
	return of_1000 > 0 && simulation_random(1000) < of_1000;
}

static bool item_before(const struct item *a, const struct item *b)
{
	return a->us != b->us ? a->us < b->us : a->serial < b->serial;
}

static void heap_add(struct item item)
{
	size_t at = sim.items++;

	if (sim.items > sim.room) {
		sim.room = sim.room ? 2 * sim.room : 1024;
		sim.heap = realloc(sim.heap, sim.room * sizeof(*sim.heap));
		if (sim.heap == NULL)
			abort();
	}
	while (at > 0 && item_before(&item, &sim.heap[(at - 1) / 2])) {
		sim.heap[at] = sim.heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	sim.heap[at] = item;
}

static struct item heap_take(void)
{
	struct item top = sim.heap[0], last = sim.heap[--sim.items];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= sim.items)
			break;
		if (child + 1 < sim.items && item_before(&sim.heap[child + 1], &sim.heap[child]))
			child++;
		if (!item_before(&sim.heap[child], &last))
			break;
		sim.heap[at] = sim.heap[child];
		at = child;
	}
	sim.heap[at] = last;
	return top;
}

static uint64_t event_item(struct event *event, uint64_t us)
{
	heap_add((struct item){.us = us, .serial = ++sim.serial, .event = event});
	return sim.serial;
}

/* -- libevent -- */

struct event *event_new(struct event_base *base, evutil_socket_t fd, short flags,
			event_callback_fn callback, void *arg)
{
	struct event *event = sim.free_events;

	if (event == NULL)
		abort();
	sim.free_events = event->next_free;
	sim.events++;
	*event = (struct event){
		.host = sim.host, .callback = callback, .arg = arg, .flags = flags, .used = true};
	if (fd >= FD_BASE)
		sim.queue[fd - FD_BASE].readable = event;
	return event;
}

int event_add(struct event *event, const struct timeval *wait)
{
	if (wait == NULL)
		return 0;
	event->period_us = (uint64_t)wait->tv_sec * 1000000 + (uint64_t)wait->tv_usec;
	event->timer = event_item(event, sim.now_us + event->period_us);
	return 0;
}

void event_active(struct event *event, int what, short calls)
{
	if (event->active == 0)
		event->active = event_item(event, sim.now_us);
}

int event_del(struct event *event)
{
	event->timer = event->active = 0;
	return 0;
}

void event_free(struct event *event)
{
	if (!event->used)
		abort();
	event_del(event);
	event->used = false;
	event->next_free = sim.free_events;
	sim.free_events = event;
	sim.events--;
}

static void event_run(struct event *event, uint64_t serial)
{
	bool timer = event->timer == serial;

	if (!timer && event->active != serial)
		return;
	if (simulation_host[event->host].stalled_until_us > sim.now_us) {
		uint64_t again = event_item(event, simulation_host[event->host].stalled_until_us);

		*(timer ? &event->timer : &event->active) = again;
		return;
	}
	/* An event that does not persist is pending no more when its callback runs. */
	if (!(event->flags & EV_PERSIST))
		event_del(event);
	else if (timer)
		event->timer = event_item(event, sim.now_us + event->period_us);
	else
		event->active = 0;
	sim.host = event->host;
	event->callback(-1, EV_TIMEOUT, event->arg);
}

/* -- sockets -- */

int __wrap_socket(int family, int type, int protocol);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags,
		    struct timespec *timeout);

int __wrap_socket(int family, int type, int protocol)
{
	return FD_BASE + (int)sim.host;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return 0;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	return 0;
}

static void queue_empty(struct queue *queue)
{
	while (queue->first != NULL) {
		struct datagram *datagram = queue->first;

		queue->first = datagram->next;
		free(datagram);
	}
	queue->last = &queue->first;
	queue->count = 0;
}

int __wrap_close(int fd)
{
	if (fd < FD_BASE)
		return __real_close(fd);
	queue_empty(&sim.queue[fd - FD_BASE]);
	sim.queue[fd - FD_BASE].readable = NULL;
	return 0;
}

static uint64_t transit_us(const struct simulation_link *link)
{
	return link->delay_us + (link->jitter_us ? simulation_random(link->jitter_us) : 0);
}

static void datagram_send(const struct datagram *sent, uint64_t in_us)
{
	struct datagram *datagram = malloc(sizeof(*datagram) + sent->size);

	if (datagram == NULL)
		abort();
	memcpy(datagram, sent, sizeof(*datagram) + sent->size);
	heap_add((struct item){
		.us = sim.now_us + in_us, .serial = ++sim.serial, .datagram = datagram});
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	unsigned int from = (unsigned int)(fd - FD_BASE);

	for (unsigned int i = 0; i < count; i++) {
		union {
			struct datagram datagram;
			uint8_t room[sizeof(struct datagram) + DATAGRAM_SIZE];
		} out;
		const struct msghdr *message = &messages[i].msg_hdr;
		const struct sockaddr_in *address = message->msg_name;
		struct in6_addr target = address_from_ipv4(address->sin_addr.s_addr);
		int to = simulation_host_of(&target);
		const struct simulation_link *link;

		messages[i].msg_len = (unsigned int)message->msg_iov[0].iov_len;
		if (to < 0 || messages[i].msg_len > DATAGRAM_SIZE)
			abort();
		sim.datagrams++;
		link = &simulation_link[from][to];
		if (simulation_host[from].unplugged || link->cut || chance(link->loss))
			continue;
		out.datagram.from = from;
		out.datagram.to = (unsigned int)to;
		out.datagram.port = ntohs(address->sin_port);
		out.datagram.size = messages[i].msg_len;
		out.datagram.next = NULL;
		memcpy(out.datagram.bytes, message->msg_iov[0].iov_base, out.datagram.size);
		datagram_send(&out.datagram, transit_us(link));
		if (chance(link->duplicate))
			datagram_send(&out.datagram, chance(link->late)
							     ? simulation_random(80000000)
							     : transit_us(link));
	}
	return (int)count;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags,
		    struct timespec *timeout)
{
	struct queue *queue = &sim.queue[fd - FD_BASE];
	unsigned int got = 0;

	while (got < count && queue->first != NULL) {
		struct datagram *datagram = queue->first;
		struct msghdr *message = &messages[got].msg_hdr;
		struct sockaddr_in *address = message->msg_name;
		struct in6_addr source = simulation_address(datagram->from);

		memset(address, 0, sizeof(*address));
		address->sin_family = AF_INET;
		address->sin_port = htons(datagram->port);
		address->sin_addr.s_addr = address_to_ipv4(&source);
		messages[got].msg_len = (unsigned int)datagram->size;
		memcpy(message->msg_iov[0].iov_base, datagram->bytes, datagram->size);
		queue->first = datagram->next;
		queue->count--;
		if (queue->first == NULL)
			queue->last = &queue->first;
		free(datagram);
		got++;
	}
	if (got > 0)
		return (int)got;
	errno = EAGAIN;
	return -1;
}

static void datagram_arrive(struct datagram *datagram)
{
	struct queue *queue = &sim.queue[datagram->to];

	if (simulation_host[datagram->to].unplugged || queue->readable == NULL ||
	    queue->count == QUEUE_MAX) {
		free(datagram);
		return;
	}
	*queue->last = datagram;
	queue->last = &datagram->next;
	queue->count++;
	event_active(queue->readable, EV_READ, 1);
}

/* -- clocks, random numbers, log -- */

uint64_t clock_us(void)
{
	return sim.now_us + simulation_host[sim.host].uptime_us;
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

uint64_t clock_wall_ms(void)
{
	int64_t ms = simulation_host[sim.host].wall_ms + (int64_t)(sim.now_us / 1000);

	return ms > 0 ? (uint64_t)ms : 1;
}

static const char *random_name(void)
{
	return "simulation";
}

static uint32_t random_32(void)
{
	return (uint32_t)random_next();
}

static void random_bytes(void *to, const size_t size)
{
	uint8_t *byte = to;

	for (size_t i = 0; i < size; i++)
		byte[i] = (uint8_t)random_next();
}

static void __attribute__((format(printf, 1, 0))) log_line(const char *format, va_list arguments)
{
	if (!simulation_verbose)
		return;
	fprintf(stderr, "%10.6f host %u: ", (double)sim.now_us / 1e6, sim.host);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

#define LOG(name)                                                                                  \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list arguments;                                                                 \
                                                                                                   \
		va_start(arguments, format);                                                       \
		log_line(format, arguments);                                                       \
		va_end(arguments);                                                                 \
	}

LOG(log_error)
LOG(log_warn)
LOG(log_info)

void log_debug(enum log_topic topic, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(format, arguments);
	va_end(arguments);
}

/* -- the simulation -- */

void simulation_begin(uint64_t seed)
{
	static struct randombytes_implementation source = {
		.implementation_name = random_name,
		.random = random_32,
		.buf = random_bytes,
	};

	/* The library's own start draws numbers, too, the first time. */
	randombytes_set_implementation(&source);
	if (sodium_init() < 0)
		abort();
	memset(simulation_host, 0, sizeof(simulation_host));
	memset(simulation_link, 0, sizeof(simulation_link));
	sim.now_us = sim.serial = sim.datagrams = 0;
	sim.random = seed * UINT64_C(0xd1342543de82ef95) + 1;
	sim.items = sim.events = 0;
	sim.free_events = NULL;
	for (size_t i = EVENTS_MAX; i-- > 0;) {
		sim.event[i] = (struct event){.next_free = sim.free_events};
		sim.free_events = &sim.event[i];
	}
	for (size_t i = 0; i < SIMULATION_HOSTS; i++)
		sim.queue[i] = (struct queue){.last = &sim.queue[i].first};
}

void simulation_end(void)
{
	for (size_t i = 0; i < sim.items; i++)
		free(sim.heap[i].datagram);
	for (size_t i = 0; i < SIMULATION_HOSTS; i++)
		queue_empty(&sim.queue[i]);
	free(sim.heap);
	sim.heap = NULL;
	sim.items = sim.room = 0;
}

uint64_t simulation_us(void)
{
	return sim.now_us;
}

struct in6_addr simulation_address(unsigned int host)
{
	return address_from_ipv4(htonl(0x0a000001u + host));
}

int simulation_host_of(const struct in6_addr *address)
{
	uint32_t host = ntohl(address_to_ipv4(address)) - 0x0a000001u;

	return host < SIMULATION_HOSTS ? (int)host : -1;
}

void simulation_enter(unsigned int host)
{
	sim.host = host;
}

void simulation_after(uint64_t us, void (*fn)(void *arg), void *arg)
{
	heap_add(
		(struct item){.us = sim.now_us + us, .serial = ++sim.serial, .fn = fn, .arg = arg});
}

void simulation_run(uint64_t us)
{
	uint64_t until_us = sim.now_us + us;

	while (sim.items > 0 && sim.heap[0].us <= until_us) {
		struct item item = heap_take();

		if (item.us > sim.now_us)
			sim.now_us = item.us;
		if (item.event != NULL)
			event_run(item.event, item.serial);
		else if (item.datagram != NULL)
			datagram_arrive(item.datagram);
		else
			item.fn(item.arg);
	}
	sim.now_us = until_us;
}

size_t simulation_events(void)
{
	return sim.events;
}

uint64_t simulation_datagrams(void)
{
	return sim.datagrams;
}
