/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket and the peers. Runs in the event loop. Checks go from cheap to dear: size, header,
 * source, boot, replay, seal; what fails one is counted and costs nothing more.
 */
#include "fpmd/directory/transport.h"

#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpmd/clock.h"
#include "fpmd/directory/peer.h"
#include "fpmd/directory/wire.h"
#include "fpmd/log.h"

#define RECEIVE_BATCH 32
#define RECEIVE_ROUNDS 8 /* per turn of the loop */
#define SEND_BATCH 128
#define SOCKET_BUFFER (8 * 1024 * 1024)
/*
 * Records and deletions leave at once while there are few; a steady stream of them leaves every
 * TRANSPORT_WINDOW_MS, as a wake-up of the receiver costs more than all else. (Acknowledgements
 * never wait: they are as few as what they answer.)
 */
#define WINDOW_CREDIT_MAX 2048 /* turns of the loop that may send at once */
#define WINDOW_CREDIT_MS 50    /* one more in so many ms */

union socket_address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

/* Batches that have entries. */
struct dirty {
	size_t count;
	struct {
		uint16_t member;
		uint8_t type;
	} batch[MEMBERS_MAX * 4];
};

struct transport {
	int fd;
	struct event *readable;
	struct event *flush;
	struct in6_addr local;
	uint16_t port;
	const struct directory_keys *keys;
	const struct member_set *members;
	const struct group_clock *clock;
	struct boot boot;
	bool director, draining;
	struct transport_handlers handlers;
	void *arg;
	struct peer *peer[MEMBERS_MAX];
	uint64_t counter_floor; /* of peers to come: one of them may have had the key already */
	struct dirty prompt;	/* leaves at the end of the loop's turn */
	struct dirty stream;	/* may wait for more, see TRANSPORT_WINDOW_MS */
	struct event *window;
	uint32_t credit;
	uint64_t credit_ms; /* when it was last one more */
	struct transport_counters counters;

	size_t sends;
	uint8_t send_data[SEND_BATCH][DATAGRAM_MAX];
	struct iovec send_iov[SEND_BATCH];
	union socket_address send_to[SEND_BATCH];
	struct mmsghdr send_message[SEND_BATCH];

	uint8_t receive_data[RECEIVE_BATCH][DATAGRAM_MAX + 1];
	struct iovec receive_iov[RECEIVE_BATCH];
	union socket_address receive_from[RECEIVE_BATCH];
	struct mmsghdr receive_message[RECEIVE_BATCH];
};

static bool is_stream(uint8_t type)
{
	return type == DATAGRAM_PUT || type == DATAGRAM_DELETE;
}

static socklen_t socket_address_make(const struct in6_addr *address, uint16_t port,
				     union socket_address *out)
{
	memset(out, 0, sizeof(*out));
	if (address_is_ipv4(address)) {
		out->ipv4.sin_family = AF_INET;
		out->ipv4.sin_port = htons(port);
		out->ipv4.sin_addr.s_addr = address_to_ipv4(address);
		return sizeof(out->ipv4);
	}
	out->ipv6.sin6_family = AF_INET6;
	out->ipv6.sin6_port = htons(port);
	out->ipv6.sin6_addr = *address;
	return sizeof(out->ipv6);
}

static uint16_t socket_address_read(const union socket_address *from, struct in6_addr *address)
{
	if (from->any.sa_family == AF_INET) {
		*address = address_from_ipv4(from->ipv4.sin_addr.s_addr);
		return ntohs(from->ipv4.sin_port);
	}
	*address = from->ipv6.sin6_addr;
	return ntohs(from->ipv6.sin6_port);
}

static struct peer *peer_get(struct transport *transport, uint16_t member)
{
	struct peer *peer = transport->peer[member];

	if (peer != NULL)
		return peer;
	peer = malloc(sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer_init(peer, &transport->members->member[member].address);
	peer->counter = transport->counter_floor;
	transport->peer[member] = peer;
	return peer;
}

static void send_queued(struct transport *transport)
{
	size_t done = 0;

	while (done < transport->sends) {
		int sent = sendmmsg(transport->fd, transport->send_message + done,
				    (unsigned int)(transport->sends - done), MSG_DONTWAIT);

		if (sent > 0) {
			done += (size_t)sent;
			transport->counters.sent += (uint64_t)sent;
			continue;
		}
		if (sent < 0 && errno == EINTR)
			continue;
		/* Lost, as any datagram may be; whoever needs an answer asks again. */
		transport->counters.send_failed++;
		done++;
	}
	transport->sends = 0;
}

/* Seals a body for the peer and queues the datagram. */
static void queue_datagram(struct transport *transport, struct peer *peer, uint8_t type,
			   const uint8_t *body, size_t body_size)
{
	struct datagram_header header = {
		.type = type,
		.key_id = transport->keys->key[0].id,
		.boot = transport->boot,
		.counter = ++peer->counter,
	};
	size_t at = transport->sends;

	if (!peer->send_ready) {
		seal_derive(&peer->send, transport->keys->key[0].bytes, &transport->local,
			    &peer->address, transport->boot);
		peer->send_ready = true;
	}
	transport->send_iov[at].iov_len =
		seal_datagram(&peer->send, &header, body, body_size, transport->send_data[at]);
	transport->send_message[at].msg_hdr.msg_namelen =
		socket_address_make(&peer->address, transport->port, &transport->send_to[at]);
	transport->sends++;
	if (!is_stream(type))
		event_active(transport->flush, EV_TIMEOUT, 1);
	if (transport->sends == SEND_BATCH)
		send_queued(transport);
}

static void batch_seal(struct transport *transport, struct peer *peer, uint8_t type)
{
	uint16_t count = peer->batched[type];

	if (count == 0)
		return;
	wire_write(peer->batch[type], count, DATAGRAM_COUNT_SIZE);
	queue_datagram(transport, peer, type, peer->batch[type],
		       DATAGRAM_COUNT_SIZE + count * datagram_entry_size(type));
	peer->batched[type] = 0;
}

static void flush_batches(struct transport *transport, struct dirty *dirty)
{
	for (size_t i = 0; i < dirty->count; i++) {
		struct peer *peer = transport->peer[dirty->batch[i].member];

		if (peer != NULL)
			batch_seal(transport, peer, dirty->batch[i].type);
	}
	dirty->count = 0;
}

static void flush_all(struct transport *transport)
{
	flush_batches(transport, &transport->stream);
	flush_batches(transport, &transport->prompt);
	send_queued(transport);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct transport *transport = arg;

	flush_batches(transport, &transport->prompt);
	send_queued(transport);
}

static void on_window(evutil_socket_t fd, short what, void *arg)
{
	struct transport *transport = arg;

	flush_batches(transport, &transport->stream);
	send_queued(transport);
}

/* The first entry of a stream's batches: when shall they leave? */
static void open_window(struct transport *transport)
{
	static const struct timeval window = {.tv_usec = TRANSPORT_WINDOW_MS * 1000};
	uint64_t now_ms = clock_ms();
	uint64_t more = (now_ms - transport->credit_ms) / WINDOW_CREDIT_MS;

	transport->credit_ms += more * WINDOW_CREDIT_MS;
	if (more > WINDOW_CREDIT_MAX - transport->credit)
		more = WINDOW_CREDIT_MAX - transport->credit;
	transport->credit += (uint32_t)more;
	if (transport->credit == 0 && event_add(transport->window, &window) == 0)
		return;
	transport->credit -= transport->credit > 0;
	event_active(transport->window, EV_TIMEOUT, 1);
}

static void batch_is_dirty(struct transport *transport, uint16_t member, uint8_t type)
{
	struct dirty *dirty = is_stream(type) ? &transport->stream : &transport->prompt;

	if (dirty->count == sizeof(dirty->batch) / sizeof(dirty->batch[0]))
		flush_batches(transport, dirty);
	if (dirty->count == 0 && is_stream(type))
		open_window(transport);
	else if (dirty->count == 0)
		event_active(transport->flush, EV_TIMEOUT, 1);
	dirty->batch[dirty->count].member = member;
	dirty->batch[dirty->count].type = type;
	dirty->count++;
}

void transport_send(struct transport *transport, uint16_t member, uint8_t type,
		    const uint8_t *entry)
{
	struct peer *peer = peer_get(transport, member);
	size_t size = datagram_entry_size(type);

	if (peer == NULL) {
		transport->counters.send_failed++;
		return;
	}
	if (peer->batch[type] == NULL) {
		peer->batch[type] = malloc(DATAGRAM_BODY_MAX);
		if (peer->batch[type] == NULL) {
			transport->counters.send_failed++;
			return;
		}
	}
	if (peer->batched[type] == 0)
		batch_is_dirty(transport, member, type);
	memcpy(peer->batch[type] + DATAGRAM_COUNT_SIZE + peer->batched[type] * size, entry, size);
	peer->batched[type]++;
	if (peer->batched[type] == datagram_entries_max(type))
		batch_seal(transport, peer, type);
}

static void send_hello(struct transport *transport, struct peer *peer, uint8_t type,
		       const uint8_t challenge[CHALLENGE_SIZE])
{
	uint8_t body[DATAGRAM_COUNT_SIZE + HELLO_SIZE];
	struct hello hello = {
		.known = peer->boot,
		.clock_ms = group_clock_own(transport->clock, clock_ms()),
		.director = transport->director,
		.draining = transport->draining,
	};

	memcpy(hello.challenge, challenge, CHALLENGE_SIZE);
	wire_write(body, 1, DATAGRAM_COUNT_SIZE);
	hello_encode(&hello, body + DATAGRAM_COUNT_SIZE);
	queue_datagram(transport, peer, type, body, sizeof(body));
}

void transport_director_set(struct transport *transport, bool director)
{
	transport->director = director;
}

void transport_draining_set(struct transport *transport, bool draining)
{
	transport->draining = draining;
}

void transport_tick(struct transport *transport, uint64_t now_ms)
{
	for (uint16_t id = 1; id < transport->members->count; id++) {
		struct peer *peer;

		if (!transport->members->member[id].routed)
			continue;
		peer = peer_get(transport, id);
		if (peer != NULL && peer_hello_due(peer, now_ms))
			send_hello(transport, peer, DATAGRAM_HELLO, peer_challenge(peer, now_ms));
	}
}

static void say_hello_soon(struct transport *transport, struct peer *peer, uint64_t now_ms)
{
	peer_hello_soon(peer);
	if (peer_hello_due(peer, now_ms))
		send_hello(transport, peer, DATAGRAM_HELLO, peer_challenge(peer, now_ms));
}

static void take_hello_answer(struct transport *transport, uint16_t member, struct peer *peer,
			      const struct datagram_header *header, const struct hello *answer)
{
	struct transport_proof proof = {
		.epoch = header->boot.epoch,
		.clock_ms = answer->clock_ms,
		.director = answer->director,
		.draining = answer->draining,
	};
	enum peer_answer status =
		peer_prove(peer, header->boot, answer->challenge, header->counter, &proof.asked_ms);

	if (status == PEER_STALE) {
		transport->counters.hello_stale++;
		return;
	}
	proof.restarted = status == PEER_RESTARTED;
	transport->handlers.proven(transport->arg, member, &proof);
	if (answer->known.epoch <= RECORD_EPOCH_MAX - 1000 &&
	    (answer->known.epoch > transport->boot.epoch ||
	     (answer->known.epoch == transport->boot.epoch &&
	      answer->known.salt != transport->boot.salt)))
		transport->handlers.outdated(transport->arg, answer->known.epoch);
}

/* A hello, or an answer, from a boot that is not proven (yet). */
static void receive_strange(struct transport *transport, uint16_t member, struct peer *peer,
			    const struct datagram_header *header, int key, const uint8_t *wire,
			    size_t size, uint64_t now_ms)
{
	uint8_t body[DATAGRAM_BODY_MAX];
	struct hello hello;
	struct seal seal;
	size_t body_size;

	if (header->type != DATAGRAM_HELLO && header->type != DATAGRAM_HELLO_ANSWER) {
		transport->counters.unknown_boot++;
		say_hello_soon(transport, peer, now_ms);
		return;
	}
	if (!peer_admit_strange(peer, now_ms)) {
		transport->counters.hello_limited++;
		return;
	}
	seal_derive(&seal, transport->keys->key[key].bytes, &peer->address, &transport->local,
		    header->boot);
	if (seal_open(&seal, header, wire, size, body, &body_size) != 0) {
		transport->counters.not_authentic++;
		return;
	}
	if (datagram_body_count(header->type, body, body_size) != 1) {
		transport->counters.malformed++;
		return;
	}
	if (hello_decode(body + DATAGRAM_COUNT_SIZE, &hello) != 0) {
		transport->counters.malformed++;
		return;
	}
	if (header->type == DATAGRAM_HELLO_ANSWER) {
		take_hello_answer(transport, member, peer, header, &hello);
		return;
	}
	send_hello(transport, peer, DATAGRAM_HELLO_ANSWER, hello.challenge);
	say_hello_soon(transport, peer, now_ms);
}

static void receive_datagram(struct transport *transport, const uint8_t *wire, size_t size,
			     const union socket_address *from, uint64_t now_ms)
{
	uint8_t body[DATAGRAM_BODY_MAX];
	struct datagram_header header;
	struct in6_addr address;
	struct hello hello;
	struct peer *peer;
	size_t body_size;
	size_t count;
	bool hellos;
	int member;
	int key;

	if (datagram_header_decode(wire, size, &header) != 0) {
		transport->counters.malformed++;
		return;
	}
	if (socket_address_read(from, &address) != transport->port) {
		transport->counters.from_stranger++;
		return;
	}
	member = member_find(transport->members, &address);
	if (member <= MEMBER_LOCAL || !transport->members->member[member].routed) {
		transport->counters.from_stranger++;
		return;
	}
	key = directory_key_find(transport->keys, header.key_id);
	if (key < 0) {
		transport->counters.unknown_key++;
		return;
	}
	peer = peer_get(transport, (uint16_t)member);
	if (peer == NULL)
		return;
	if (!boot_equal(header.boot, peer->boot)) {
		receive_strange(transport, (uint16_t)member, peer, &header, key, wire, size,
				now_ms);
		return;
	}
	if (!replay_check(&peer->replay, header.counter)) {
		transport->counters.replayed++;
		return;
	}
	if (!peer->receive_ready[key]) {
		seal_derive(&peer->receive[key], transport->keys->key[key].bytes, &peer->address,
			    &transport->local, peer->boot);
		peer->receive_ready[key] = true;
	}
	if (seal_open(&peer->receive[key], &header, wire, size, body, &body_size) != 0) {
		transport->counters.not_authentic++;
		return;
	}
	replay_take(&peer->replay, header.counter);
	count = datagram_body_count(header.type, body, body_size);
	hellos = header.type == DATAGRAM_HELLO || header.type == DATAGRAM_HELLO_ANSWER;
	if (count == 0 || (hellos && hello_decode(body + DATAGRAM_COUNT_SIZE, &hello) != 0)) {
		transport->counters.malformed++;
		return;
	}
	if (header.type == DATAGRAM_HELLO_ANSWER) {
		take_hello_answer(transport, (uint16_t)member, peer, &header, &hello);
		return;
	}
	transport->handlers.heard(transport->arg, (uint16_t)member);
	if (header.type == DATAGRAM_HELLO) {
		send_hello(transport, peer, DATAGRAM_HELLO_ANSWER, hello.challenge);
		return;
	}
	if (!peer->fresh) {
		transport->counters.unknown_boot++;
		say_hello_soon(transport, peer, now_ms);
		return;
	}
	transport->handlers.message(transport->arg, (uint16_t)member, header.type,
				    body + DATAGRAM_COUNT_SIZE, count);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct transport *transport = arg;
	uint64_t now_ms = clock_ms();

	for (int round = 0; round < RECEIVE_ROUNDS; round++) {
		int got;

		for (size_t i = 0; i < RECEIVE_BATCH; i++)
			transport->receive_message[i].msg_hdr.msg_namelen =
				sizeof(transport->receive_from[i]);
		got = recvmmsg(transport->fd, transport->receive_message, RECEIVE_BATCH,
			       MSG_DONTWAIT, NULL);
		if (got <= 0)
			return;
		transport->counters.received += (uint64_t)got;
		for (int i = 0; i < got; i++)
			receive_datagram(transport, transport->receive_data[i],
					 transport->receive_message[i].msg_len,
					 &transport->receive_from[i], now_ms);
		if (got < RECEIVE_BATCH)
			return;
	}
}

static int socket_open(struct transport *transport, struct error *error)
{
	bool ipv4 = address_is_ipv4(&transport->local);
	char text[ADDRESS_TEXT_SIZE];
	union socket_address bound;
	int size = SOCKET_BUFFER;
	int on = 1;
	socklen_t length;

	transport->fd =
		socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (transport->fd < 0)
		return error_set(error, "no UDP socket for the directory: %s", strerror(errno));
	/* Without the capability the limit of net.core.rmem_max holds. */
	if (setsockopt(transport->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(transport->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(transport->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(transport->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (!ipv4 && setsockopt(transport->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return error_set(error, "directory socket: IPV6_V6ONLY: %s", strerror(errno));
	length = socket_address_make(&transport->local, transport->port, &bound);
	if (bind(transport->fd, &bound.any, length) == 0)
		return 0;
	address_text(&transport->local, text);
	if (errno == EADDRNOTAVAIL)
		return error_set(error,
				 "local-member %s is no address of this host; add it to an "
				 "interface (lo) or correct local-member",
				 text);
	if (errno == EADDRINUSE)
		return error_set(error,
				 "directory: %s port %u/udp is in use by another program; "
				 "stop it or change `directory port`",
				 text, transport->port);
	return error_set(error, "directory: cannot bind %s port %u/udp: %s", text, transport->port,
			 strerror(errno));
}

int transport_open(struct event_base *base, const struct in6_addr *local, uint16_t port,
		   const struct directory_keys *keys, const struct member_set *members,
		   const struct group_clock *clock, struct boot boot,
		   const struct transport_handlers *handlers, void *arg, struct transport **out,
		   struct error *error)
{
	struct transport *transport = calloc(1, sizeof(*transport));

	if (transport == NULL)
		return error_set(error, "directory: no memory");
	transport->fd = -1;
	transport->local = *local;
	transport->port = port;
	transport->keys = keys;
	transport->members = members;
	transport->clock = clock;
	transport->boot = boot;
	transport->handlers = *handlers;
	transport->arg = arg;
	for (size_t i = 0; i < RECEIVE_BATCH; i++) {
		/* One byte more than the maximum: what is longer shows as such. */
		transport->receive_iov[i].iov_base = transport->receive_data[i];
		transport->receive_iov[i].iov_len = sizeof(transport->receive_data[i]);
		transport->receive_message[i].msg_hdr.msg_iov = &transport->receive_iov[i];
		transport->receive_message[i].msg_hdr.msg_iovlen = 1;
		transport->receive_message[i].msg_hdr.msg_name = &transport->receive_from[i];
	}
	for (size_t i = 0; i < SEND_BATCH; i++) {
		transport->send_iov[i].iov_base = transport->send_data[i];
		transport->send_message[i].msg_hdr.msg_iov = &transport->send_iov[i];
		transport->send_message[i].msg_hdr.msg_iovlen = 1;
		transport->send_message[i].msg_hdr.msg_name = &transport->send_to[i];
	}
	if (socket_open(transport, error) != 0) {
		transport_close(transport);
		return -1;
	}
	transport->readable =
		event_new(base, transport->fd, EV_READ | EV_PERSIST, on_readable, transport);
	transport->flush = event_new(base, -1, 0, on_flush, transport);
	transport->window = event_new(base, -1, 0, on_window, transport);
	transport->credit = WINDOW_CREDIT_MAX;
	transport->credit_ms = clock_ms();
	if (transport->readable == NULL || transport->flush == NULL || transport->window == NULL ||
	    event_add(transport->readable, NULL) != 0) {
		transport_close(transport);
		return error_set(error, "directory: no memory for events");
	}
	*out = transport;
	return 0;
}

void transport_close(struct transport *transport)
{
	if (transport == NULL)
		return;
	if (transport->flush != NULL) {
		flush_all(transport);
		event_free(transport->flush);
	}
	if (transport->window != NULL)
		event_free(transport->window);
	if (transport->readable != NULL)
		event_free(transport->readable);
	for (size_t i = 0; i < MEMBERS_MAX; i++) {
		if (transport->peer[i] != NULL) {
			peer_clear(transport->peer[i]);
			free(transport->peer[i]);
		}
	}
	if (transport->fd >= 0)
		close(transport->fd);
	free(transport);
}

void transport_set_boot(struct transport *transport, struct boot boot)
{
	flush_all(transport);
	transport->boot = boot;
	transport->counter_floor = 0;
	for (size_t i = 0; i < MEMBERS_MAX; i++) {
		if (transport->peer[i] == NULL)
			continue;
		transport->peer[i]->send_ready = false;
		transport->peer[i]->counter = 0;
		transport->peer[i]->hello_ms = 0;
	}
}

void transport_forget(struct transport *transport, uint16_t member)
{
	if (transport->peer[member] == NULL)
		return;
	/* The host may come back under another id, and to the same key. */
	if (transport->peer[member]->counter > transport->counter_floor)
		transport->counter_floor = transport->peer[member]->counter;
	peer_clear(transport->peer[member]);
	free(transport->peer[member]);
	transport->peer[member] = NULL;
}

void transport_unroute(struct transport *transport, uint16_t member)
{
	struct peer *peer = transport->peer[member];

	if (peer == NULL)
		return;
	peer->fresh = false;
	peer->challenges = 0;
	peer->hello_ms = 0;
	peer->hello_interval_ms = PEER_HELLO_FIRST_MS;
}

const struct transport_counters *transport_counters(const struct transport *transport)
{
	return &transport->counters;
}
