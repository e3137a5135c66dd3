/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab's server application: answers each request line with its name and the number of requests
 * of that connection. One epoll loop, one thread. A connection's replies are never reordered or
 * dropped.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/beat.h"

struct connection {
	int fd;
	unsigned long requests;
	size_t length;
	char line[BEAT_LINE_MAX];
};

struct server {
	int epoll;
	int listener;
	int signals;
	const char *name;
	char padding[BEAT_LINE_MAX / 2];
	unsigned long accepted;
	unsigned long retransmits;
};

static void die(const char *what)
{
	fprintf(stderr, "session_server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct server *server, int fd, void *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void connection_close(struct server *server, struct connection *connection)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (!getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		server->retransmits += info.tcpi_total_retrans;
	close(connection->fd);
	free(connection);
}

/* Answers one request line. Returns false if the connection is to be closed. */
static bool answer(struct server *server, struct connection *connection, const char *line)
{
	char reply[BEAT_LINE_MAX];
	bool last = !strncmp(line, "close ", 6);
	const char *seq = strchr(line, ' ');
	int length;

	if (!seq)
		return false;
	connection->requests++;
	length = snprintf(reply, sizeof(reply), "%s %lu %.20s %s\n", server->name,
			  connection->requests, seq + 1, server->padding);
	/* One small reply is outstanding per connection: the socket buffer always has room. */
	if (send(connection->fd, reply, length, MSG_NOSIGNAL | MSG_DONTWAIT) != length)
		return false;
	return !last;
}

static void connection_read(struct server *server, struct connection *connection)
{
	ssize_t got = recv(connection->fd, connection->line + connection->length,
			   sizeof(connection->line) - 1 - connection->length, MSG_DONTWAIT);
	char *start = connection->line;
	char *end;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		connection_close(server, connection);
		return;
	}
	connection->length += got;
	connection->line[connection->length] = '\0';
	while ((end = strchr(start, '\n'))) {
		*end = '\0';
		if (!answer(server, connection, start)) {
			connection_close(server, connection);
			return;
		}
		start = end + 1;
	}
	connection->length -= start - connection->line;
	if (connection->length >= sizeof(connection->line) - 1) {
		connection_close(server, connection);
		return;
	}
	memmove(connection->line, start, connection->length);
}

static void accept_all(struct server *server)
{
	for (;;) {
		int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct connection *connection;

		if (fd < 0)
			return;
		connection = calloc(1, sizeof(*connection));
		if (!connection)
			die("calloc");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		connection->fd = fd;
		server->accepted++;
		watch(server, fd, connection);
	}
}

static int listen_on(const struct sockaddr_in *address, uint32_t mark)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)))
		die("setsockopt");
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		die("SO_MARK");
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		die("bind");
	if (listen(fd, 4096))
		die("listen");
	return fd;
}

static int signals_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		die("sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd");
	return fd;
}

static void serve(struct server *server)
{
	struct epoll_event events[128];

	for (;;) {
		int count = epoll_wait(server->epoll, events, 128, -1);

		if (count < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == &server->signals)
				return;
			if (events[i].data.ptr == &server->listener)
				accept_all(server);
			else
				connection_read(server, events[i].data.ptr);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"name", required_argument, NULL, 'n'},
		{"mark", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	struct server server = {.name = "server"};
	struct sockaddr_in address = {0};
	uint32_t mark = 0;
	int option;

	while ((option = getopt_long(argc, argv, "l:n:m:", options, NULL)) != -1) {
		if (option == 'l' && beat_address(optarg, &address))
			continue;
		if (option == 'n')
			server.name = optarg;
		else if (option == 'm')
			mark = strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	if (!address.sin_port) {
		fprintf(stderr,
			"usage: session_server --listen ADDRESS:PORT [--name NAME] [--mark MARK]\n");
		return 2;
	}
	memset(server.padding, '.', sizeof(server.padding) - 1);
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0)
		die("epoll_create1");
	server.listener = listen_on(&address, mark);
	server.signals = signals_open();
	watch(&server, server.listener, &server.listener);
	watch(&server, server.signals, &server.signals);
	printf("ready\n");
	fflush(stdout);
	serve(&server);
	printf("accepted %lu retransmits %lu\n", server.accepted, server.retransmits);
	return 0;
}
