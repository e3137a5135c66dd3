/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client session of the lab; see session.h. Runs in the client's single loop. */
#include "config.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/session.h"

const char *session_result_name(enum session_result result)
{
	static const char *const names[] = {
		[SESSION_LIVES] = "survived",
		[SESSION_CLOSED] = "closed",
		[SESSION_RESET] = "reset",
		[SESSION_TIMED_OUT] = "timed_out",
		[SESSION_WRONG_OWNER] = "wrong_owner",
		[SESSION_FAILED] = "failed",
	};

	return names[result];
}

static bool tcp_info_of(const struct session *session, struct tcp_info *info)
{
	socklen_t length = sizeof(*info);

	return session->fd >= 0 && !getsockopt(session->fd, IPPROTO_TCP, TCP_INFO, info, &length);
}

unsigned long session_retransmits(const struct session *session)
{
	struct tcp_info info;

	return session->retransmits + (tcp_info_of(session, &info) ? info.tcpi_total_retrans : 0);
}

void session_end(struct session *session, enum session_result result, bool abort, int64_t now)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	session->retransmits = session_retransmits(session);
	if (session->fd >= 0) {
		if (abort)
			setsockopt(session->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(session->fd);
		session->fd = -1;
	}
	session->state = SESSION_ENDED;
	session->result = result;
	session->outstanding = false;
	session->ended_ns = now;
}

void session_connect(struct session *session, const struct sockaddr_in *to, int64_t now)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(session->port)};
	int on = 1;

	session->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	session->state = SESSION_CONNECTING;
	session->result = SESSION_LIVES;
	session->outstanding = session->peer_closed = session->last = false;
	session->owner[0] = '\0';
	session->seq = session->length = 0;
	session->reopen_ns = 0;
	if (session->fd < 0 || setsockopt(session->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    bind(session->fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(session->fd, (const struct sockaddr *)to, sizeof(*to)) &&
	     errno != EINPROGRESS))
		session_end(session, SESSION_FAILED, false, now);
}

void session_ask(struct session *session, int64_t now)
{
	char line[64];
	int length;

	if (session->state != SESSION_OPEN || session->outstanding)
		return;
	session->seq++;
	length = snprintf(line, sizeof(line), "%s %lu\n", session->last ? "close" : "q",
			  session->seq);
	if (send(session->fd, line, length, MSG_NOSIGNAL) != length) {
		session_end(session, SESSION_RESET, false, now);
		return;
	}
	session->outstanding = true;
	session->asked_ns = now;
	if (session->last)
		session->state = SESSION_CLOSING;
}

/* Takes one reply line. Returns false if it is not the one that this session must get. */
static bool take_reply(struct session *session, const char *line, int64_t now, int64_t *latency)
{
	char name[24];
	unsigned long count;
	unsigned long seq;

	if (sscanf(line, "%23s %lu %lu", name, &count, &seq) != 3)
		return false;
	if (!session->owner[0])
		memcpy(session->owner, name, sizeof(name));
	if (strcmp(session->owner, name) || count != session->seq || seq != session->seq ||
	    !session->outstanding)
		return false;
	session->outstanding = false;
	session->replies++;
	*latency = now - session->asked_ns;
	if (*latency > session->max_stall_ns)
		session->max_stall_ns = *latency;
	return true;
}

void session_check_closing(struct session *session, int64_t now)
{
	struct tcp_info info;

	if (session->state != SESSION_CLOSING || !tcp_info_of(session, &info))
		return;
	if (info.tcpi_state == TCP_CLOSE) {
		int error = 0;
		socklen_t length = sizeof(error);

		getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		session_end(session, error ? SESSION_RESET : SESSION_CLOSED, false, now);
	}
}

/* The server's FIN, or what came after it: then recv() gives 0 also for a RST. */
static void peer_closed(struct session *session, int64_t now)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (session->peer_closed) {
		if (session->state == SESSION_CLOSING)
			session_check_closing(session, now);
		else if (!getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &length) && error)
			session_end(session, SESSION_RESET, false, now);
		return;
	}
	session->peer_closed = true;
	session->peer_closed_ns = now;
	/* What was asked is not answered any more; the next request is what brings the RST. */
	if (session->state == SESSION_CLOSING)
		shutdown(session->fd, SHUT_WR);
	else
		session->outstanding = false;
}

int64_t session_event(struct session *session, int64_t now)
{
	int64_t latency = 0;
	ssize_t got;
	char *end;
	char *start = session->line;

	if (session->state == SESSION_CONNECTING) {
		int error = 0;
		socklen_t length = sizeof(error);

		getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error) {
			session_end(session, SESSION_FAILED, false, now);
			return 0;
		}
		session->state = SESSION_OPEN;
		return 0;
	}
	got = recv(session->fd, session->line + session->length,
		   sizeof(session->line) - 1 - session->length, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0 && errno == EPIPE && session->state == SESSION_CLOSING) {
		session_check_closing(session, now);
		return 0;
	}
	if (got < 0) {
		session_end(session, SESSION_RESET, false, now);
		return 0;
	}
	if (!got) {
		peer_closed(session, now);
		return 0;
	}
	session->length += got;
	session->line[session->length] = '\0';
	while ((end = strchr(start, '\n'))) {
		*end = '\0';
		if (!take_reply(session, start, now, &latency)) {
			session_end(session, SESSION_WRONG_OWNER, true, now);
			return 0;
		}
		start = end + 1;
	}
	session->length -= start - session->line;
	memmove(session->line, start, session->length);
	return latency;
}
