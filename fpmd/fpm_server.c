// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/fpm_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
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
#define SHOW_PART 32768

struct fpm_server {
	const struct fpm_handlers *handlers;
	void *arg;
	struct evconnlistener *listener;
	struct bufferevent *peer; /* zebra, or NULL */
	struct fpm_counters counters;
	struct sockaddr_un address;
};

static void peer_close(struct fpm_server *server)
{
	if (!server->peer)
		return;
	bufferevent_free(server->peer);
	server->peer = NULL;
}

static void dispatch(struct fpm_server *server, const struct frame *frame)
{
	const struct fpm_handlers *h = server->handlers;
	Holdfast__Frame *message;

	server->counters.frames++;
	if (frame->type != FRAME_PROTOBUF) {
		server->counters.unknown_messages++;
		return;
	}
	message = holdfast__frame__unpack(NULL, frame->payload_size, frame->payload);
	if (!message) {
		server->counters.unknown_messages++;
		log_warn("fpm: a frame of %zu bytes does not decode: skipped", frame->payload_size);
		return;
	}
	switch (message->body_case) {
	case HOLDFAST__FRAME__BODY_CONFIG:
		h->config(server->arg, message->config);
		break;
	case HOLDFAST__FRAME__BODY_ROUTE:
		h->route(server->arg, message->route);
		break;
	case HOLDFAST__FRAME__BODY_REPLAY_END:
		h->replay_end(server->arg);
		break;
	case HOLDFAST__FRAME__BODY_SHOW_REQUEST:
		h->show(server->arg, message->show_request);
		break;
	default:
		server->counters.unknown_messages++;
		break;
	}
	holdfast__frame__free_unpacked(message, NULL);
}

static void peer_read(struct bufferevent *peer, void *arg)
{
	struct fpm_server *server = arg;
	struct evbuffer *input = bufferevent_get_input(peer);

	/* A handler may close the peer: look again each time. */
	while (server->peer == peer) {
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
			server->counters.bad_frames++;
			log_error("fpm: what zebra sent is no FPM frame: connection closed");
			peer_close(server);
			return;
		case FRAME_COMPLETE:
			dispatch(server, &frame);
			if (server->peer == peer)
				evbuffer_drain(input, frame.size);
			break;
		}
	}
}

static void peer_event(struct bufferevent *peer, short what, void *arg)
{
	struct fpm_server *server = arg;

	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) || server->peer != peer)
		return;
	log_info("fpm: zebra disconnected: kernel state stays as it is");
	peer_close(server);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		     int length, void *arg)
{
	struct fpm_server *server = arg;
	struct bufferevent *peer = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
							  BEV_OPT_CLOSE_ON_FREE);

	if (!peer) {
		log_error("fpm: no memory for a connection");
		close(fd);
		return;
	}
	if (server->peer) {
		log_warn("fpm: a second zebra connected: it replaces the first");
		peer_close(server);
	}
	server->peer = peer;
	server->counters.connections++;
	bufferevent_setcb(peer, peer_read, NULL, peer_event, server);
	bufferevent_enable(peer, EV_READ | EV_WRITE);
	log_info("fpm: zebra connected");
	server->handlers->connected(server->arg);
}

static void send_frame(struct fpm_server *server, const Holdfast__Frame *message)
{
	size_t size = holdfast__frame__get_packed_size(message);
	uint8_t *buffer;

	if (!server->peer)
		return;
	if (evbuffer_get_length(bufferevent_get_output(server->peer)) > OUTPUT_MAX) {
		log_error("fpm: zebra does not read: connection closed");
		peer_close(server);
		return;
	}
	buffer = malloc(FRAME_HEADER_SIZE + size);
	if (!buffer || frame_header_write(buffer, FRAME_PROTOBUF, size)) {
		log_error("fpm: a message of %zu bytes cannot be sent", size);
	} else {
		holdfast__frame__pack(message, buffer + FRAME_HEADER_SIZE);
		if (bufferevent_write(server->peer, buffer, FRAME_HEADER_SIZE + size))
			log_error("fpm: no memory for a message");
	}
	free(buffer);
}

void fpm_server_show_reply(struct fpm_server *server, uint32_t id, const char *text)
{
	size_t left = strlen(text);
	char part[SHOW_PART + 1];

	do {
		Holdfast__ShowReply reply = HOLDFAST__SHOW_REPLY__INIT;
		Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
		size_t size = left < SHOW_PART ? left : SHOW_PART;

		memcpy(part, text, size);
		part[size] = '\0';
		text += size;
		left -= size;
		reply.id = id;
		reply.text = part;
		reply.last = !left;
		frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REPLY;
		frame.show_reply = &reply;
		send_frame(server, &frame);
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
	send_frame(server, &frame);
}

bool fpm_server_connected(const struct fpm_server *server)
{
	return server->peer;
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
		base, accepted, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 4,
		(struct sockaddr *)&server->address, sizeof(server->address));
	umask(old_mask);
	if (!server->listener) {
		error_set(error, "cannot listen on %s: %s", path, strerror(errno));
		free(server);
		return -1;
	}
	*out = server;
	return 0;
}

void fpm_server_close(struct fpm_server *server)
{
	if (!server)
		return;
	if (server->peer)
		bufferevent_free(server->peer);
	evconnlistener_free(server->listener);
	unlink(server->address.sun_path);
	free(server);
}
