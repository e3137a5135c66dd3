// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/fpm_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/frame.h"
#include "fpmd/log.h"

/* A reader that lets more than this pile up is cut off. */
#define OUTPUT_MAX ((size_t)256 << 20)
#define LOG_OUTPUT_MAX ((size_t)1 << 20) /* the log waits for nobody */
#define SHOW_PART 32768
#define PEERS_MAX 16
#define QUESTIONS_MAX 64
#define LISTEN_BACKLOG 4

struct peer {
	struct fpm_server *server;
	struct bufferevent *stream; /* NULL: this one is free */
	bool netlink;
	uint64_t since; /* how many came before it */
};

/* A show request that was not answered yet. */
struct question {
	uint32_t id;	   /* ours; 0: none */
	uint32_t id_asked; /* of who asks */
	struct peer *peer;
};

struct fpm_server {
	struct event_base *base;
	const struct fpm_handlers *handlers;
	void *arg;
	struct evconnlistener *listener, *netlink_listener;
	struct peer peers[PEERS_MAX];
	uint64_t accepted;
	struct peer *zebra; /* of its module; NULL: none */
	struct question questions[QUESTIONS_MAX];
	uint32_t last_question;
	struct fpm_counters counters;
	struct sockaddr_un address;
};

static void peer_close(struct peer *peer)
{
	struct fpm_server *server = peer->server;

	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (server->questions[i].peer == peer)
			server->questions[i] = (struct question){0};
	if (server->zebra == peer)
		server->zebra = NULL;
	bufferevent_free(peer->stream);
	peer->stream = NULL;
}

/* Who sends configuration or routes is zebra from then on. */
static void become_zebra(struct peer *peer)
{
	struct fpm_server *server = peer->server;

	if (server->zebra == peer)
		return;
	if (server->zebra) {
		log_warn("fpm: a second zebra connected: it replaces the first");
		peer_close(server->zebra);
	}
	server->zebra = peer;
	server->counters.connections++;
	log_info("fpm: zebra connected");
}

static void ask(struct peer *peer, Holdfast__ShowRequest *request)
{
	struct fpm_server *server = peer->server;
	uint32_t id = ++server->last_question;

	if (!id)
		id = ++server->last_question;
	server->questions[id % QUESTIONS_MAX] =
		(struct question){.id = id, .id_asked = request->id, .peer = peer};
	request->id = id;
	server->handlers->show(server->arg, request);
}

static void dispatch_message(struct peer *peer, Holdfast__Frame *message)
{
	struct fpm_server *server = peer->server;
	const struct fpm_handlers *h = server->handlers;

	switch (message->body_case) {
	case HOLDFAST__FRAME__BODY_CONFIG:
		become_zebra(peer);
		h->config(server->arg, message->config);
		break;
	case HOLDFAST__FRAME__BODY_ROUTE:
		become_zebra(peer);
		h->route(server->arg, message->route);
		break;
	case HOLDFAST__FRAME__BODY_REPLAY_END:
		become_zebra(peer);
		h->replay_end(server->arg);
		break;
	case HOLDFAST__FRAME__BODY_SHOW_REQUEST:
		ask(peer, message->show_request);
		break;
	default:
		server->counters.unknown_messages++;
		break;
	}
}

static void dispatch(struct peer *peer, const struct frame *frame)
{
	struct fpm_server *server = peer->server;
	Holdfast__Frame *message;

	server->counters.frames++;
	if ((frame->type == FRAME_NETLINK) != peer->netlink) {
		server->counters.unknown_messages++;
		return;
	}
	if (peer->netlink) {
		server->handlers->netlink_frame(server->arg, frame->payload, frame->payload_size);
		return;
	}
	message = holdfast__frame__unpack(NULL, frame->payload_size, frame->payload);
	if (!message) {
		server->counters.unknown_messages++;
		log_warn("fpm: a frame of %zu bytes does not decode: skipped", frame->payload_size);
		return;
	}
	dispatch_message(peer, message);
	holdfast__frame__free_unpacked(message, NULL);
}

static void peer_read(struct bufferevent *stream, void *arg)
{
	struct peer *peer = arg;
	struct evbuffer *input = bufferevent_get_input(stream);

	/* A handler may close the peer: look again each time. */
	while (peer->stream == stream) {
		size_t size = evbuffer_get_length(input);
		struct frame frame;
		const uint8_t *data;

		if (size > FRAME_SIZE_MAX)
			size = FRAME_SIZE_MAX;
		if (!size)
			return;
		data = evbuffer_pullup(input, (ev_ssize_t)size);
		if (!data)
			return;
		switch (frame_parse(data, size, &frame)) {
		case FRAME_INCOMPLETE:
			return;
		case FRAME_BAD:
			peer->server->counters.bad_frames++;
			log_error("fpm: what was sent is no FPM frame: connection closed");
			peer_close(peer);
			return;
		case FRAME_COMPLETE:
			dispatch(peer, &frame);
			if (peer->stream == stream)
				evbuffer_drain(input, frame.size);
			break;
		}
	}
}

static void peer_event(struct bufferevent *stream, short what, void *arg)
{
	struct peer *peer = arg;

	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) || peer->stream != stream)
		return;
	if (peer->netlink || peer == peer->server->zebra)
		log_info("fpm: zebra disconnected: kernel state stays as it is");
	peer_close(peer);
}

static struct peer *netlink_peer(struct fpm_server *server)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (server->peers[i].stream && server->peers[i].netlink)
			return &server->peers[i];
	return NULL;
}

/* A free one, or that of who has been asking for longest. */
static struct peer *peer_new(struct fpm_server *server)
{
	struct peer *oldest = NULL;

	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &server->peers[i];

		if (!peer->stream)
			return peer;
		if (peer != server->zebra && !peer->netlink &&
		    (!oldest || peer->since < oldest->since))
			oldest = peer;
	}
	peer_close(oldest);
	return oldest;
}

static struct peer *peer_open(struct fpm_server *server, evutil_socket_t fd, bool netlink)
{
	struct bufferevent *stream =
		bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	struct peer *peer;

	if (!stream) {
		log_error("fpm: no memory for a connection");
		close(fd);
		return NULL;
	}
	peer = peer_new(server);
	*peer = (struct peer){.server = server,
			      .stream = stream,
			      .netlink = netlink,
			      .since = server->accepted++};
	bufferevent_setcb(stream, peer_read, NULL, peer_event, peer);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
	return peer;
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		     int length, void *arg)
{
	struct fpm_server *server = arg;

	if (peer_open(server, fd, false))
		server->handlers->connected(server->arg);
}

static void netlink_accepted(struct evconnlistener *listener, evutil_socket_t fd,
			     struct sockaddr *from, int length, void *arg)
{
	struct fpm_server *server = arg;
	struct peer *last = netlink_peer(server);
	struct sockaddr_storage own = {0};
	socklen_t size = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &size) ||
	    !server->handlers->netlink_admits(server->arg, from, (struct sockaddr *)&own)) {
		server->counters.refused++;
		close(fd);
		return;
	}
	if (last) {
		log_warn("fpm: a second zebra connected: it replaces the first");
		peer_close(last);
	}
	if (!peer_open(server, fd, true))
		return;
	server->counters.connections++;
	log_info("fpm: zebra connected (netlink)");
	server->handlers->netlink_connected(server->arg);
}

static void send_frame(struct peer *peer, const Holdfast__Frame *message)
{
	size_t size = holdfast__frame__get_packed_size(message);
	uint8_t *buffer;

	if (!peer->stream)
		return;
	if (evbuffer_get_length(bufferevent_get_output(peer->stream)) > OUTPUT_MAX) {
		log_error("fpm: a reader does not read: connection closed");
		peer_close(peer);
		return;
	}
	buffer = malloc(FRAME_HEADER_SIZE + size);
	if (!buffer || frame_header_write(buffer, FRAME_PROTOBUF, size)) {
		log_error("fpm: a message of %zu bytes cannot be sent", size);
	} else {
		holdfast__frame__pack(message, buffer + FRAME_HEADER_SIZE);
		if (bufferevent_write(peer->stream, buffer, FRAME_HEADER_SIZE + size))
			log_error("fpm: no memory for a message");
	}
	free(buffer);
}

void fpm_server_show_reply(struct fpm_server *server, uint32_t id, const char *text)
{
	struct question *question = &server->questions[id % QUESTIONS_MAX];
	struct question asked = *question;
	size_t left = strlen(text);
	char part[SHOW_PART + 1];

	if (!id || asked.id != id)
		return;
	*question = (struct question){0};
	do {
		Holdfast__ShowReply reply = HOLDFAST__SHOW_REPLY__INIT;
		Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
		size_t size = left < SHOW_PART ? left : SHOW_PART;

		memcpy(part, text, size);
		part[size] = '\0';
		text += size;
		left -= size;
		reply.id = asked.id_asked;
		reply.text = part;
		reply.last = !left;
		frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REPLY;
		frame.show_reply = &reply;
		send_frame(asked.peer, &frame);
	} while (left);
}

void fpm_server_status(struct fpm_server *server, char **problems, size_t count)
{
	Holdfast__Status status = HOLDFAST__STATUS__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;

	status.problems = problems;
	status.n_problems = count;
	frame.body_case = HOLDFAST__FRAME__BODY_STATUS;
	frame.status = &status;
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (!server->peers[i].netlink)
			send_frame(&server->peers[i], &frame);
}

bool fpm_server_log(struct fpm_server *server, const char *line)
{
	Holdfast__Log log = HOLDFAST__LOG__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	struct peer *zebra = server->zebra;

	if (!zebra || !zebra->stream ||
	    evbuffer_get_length(bufferevent_get_output(zebra->stream)) > LOG_OUTPUT_MAX)
		return false;
	log.line = (char *)line;
	frame.body_case = HOLDFAST__FRAME__BODY_LOG;
	frame.log = &log;
	send_frame(zebra, &frame);
	return true;
}

void fpm_server_netlink_close(struct fpm_server *server)
{
	struct peer *peer = netlink_peer(server);

	if (peer)
		peer_close(peer);
}

bool fpm_server_connected(const struct fpm_server *server)
{
	return server->zebra || netlink_peer((struct fpm_server *)server);
}

const struct fpm_counters *fpm_server_counters(const struct fpm_server *server)
{
	return &server->counters;
}

/*
 * Removes a socket file that nobody listens on. Returns -1 if somebody does: the kernel says so by
 * refusing another type of socket, and who listens there is not disturbed.
 */
static int remove_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

	if (fd < 0)
		return 0;
	status = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	if (!status || status == EPROTOTYPE)
		return -1;
	if (status == ECONNREFUSED)
		unlink(address->sun_path);
	return 0;
}

int fpm_server_open(struct event_base *base, const char *path, const struct fpm_handlers *handlers,
		    void *arg, struct fpm_server **out, struct error *error)
{
	struct fpm_server *server;
	mode_t old_mask;

	if (strlen(path) >= sizeof(server->address.sun_path))
		return error_set(error, "socket path %s is too long", path);
	server = calloc(1, sizeof(*server));
	if (!server)
		return error_set(error, "no memory");
	server->base = base;
	server->handlers = handlers;
	server->arg = arg;
	server->address.sun_family = AF_UNIX;
	memcpy(server->address.sun_path, path, strlen(path) + 1);

	if (remove_stale(&server->address)) {
		free(server);
		return error_set(error, "an fpmd listens on %s already", path);
	}
	old_mask = umask(0117);
	server->listener = evconnlistener_new_bind(
		base, accepted, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
		LISTEN_BACKLOG, (struct sockaddr *)&server->address, sizeof(server->address));
	umask(old_mask);
	if (!server->listener) {
		error_set(error, "cannot listen on %s: %s", path, strerror(errno));
		free(server);
		return -1;
	}
	*out = server;
	return 0;
}

int fpm_server_listen_netlink(struct fpm_server *server, const char *listen, struct error *error)
{
	struct sockaddr_storage address;
	int length = sizeof(address);

	memset(&address, 0, sizeof(address));
	if (evutil_parse_sockaddr_port(listen, (struct sockaddr *)&address, &length) ||
	    !((struct sockaddr_in *)&address)->sin_port)
		return error_set(error,
				 "%s is no address and port: give ADDRESS:PORT, or [ADDRESS]:PORT "
				 "for IPv6",
				 listen);
	server->netlink_listener = evconnlistener_new_bind(
		server->base, netlink_accepted, server,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, LISTEN_BACKLOG,
		(struct sockaddr *)&address, length);
	if (!server->netlink_listener)
		return error_set(error, "cannot listen on %s: %s", listen, strerror(errno));
	return 0;
}

void fpm_server_close(struct fpm_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (server->peers[i].stream)
			bufferevent_free(server->peers[i].stream);
	if (server->netlink_listener)
		evconnlistener_free(server->netlink_listener);
	evconnlistener_free(server->listener);
	unlink(server->address.sun_path);
	free(server);
}
