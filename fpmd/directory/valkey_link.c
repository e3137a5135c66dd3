/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection in the event loop. The replies are parsed by hiredis' reader; libevent does the
 * rest. Invariant: outside of on_read(), there is a bufferevent if and only if the state is not
 * IDLE; every command in the list was written to it.
 */
#include "fpmd/directory/valkey_link.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONNECT_MS 1000 /* name, TCP, TLS and log-in, each */
#define ANSWER_MS 1000
#define IDLE_MS 1000 /* after so long without a command it is asked whether it is there */
/* Between two ticks the sockets are read, so what only waited for this process is not too late. */
#define OVERDUE_TICKS 3
#define SEND_AT_ONCE (1 << 20)
#define REPLY_MAX (16u << 20) /* bytes of one reply */
#define ELEMENTS_MAX (1u << 16)
#define RUN_ID_SIZE 41

enum own_kind {
	SENT_AUTH,
	SENT_INFO,
	SENT_READONLY,
	SENT_PING,
	SENT_ASKING,
};

enum state {
	IDLE, /* until backoff.until_ms, if it is wanted */
	CONNECTING,
	LOGGING_IN,
	READY,
};

struct valkey_link {
	struct valkey_links *links;
	void *user;
	char host[VALKEY_HOST_SIZE];
	uint16_t port;
	bool wanted;
	enum state state;
	struct valkey_backoff backoff;
	struct bufferevent *bufferevent;
	SSL *tls; /* the bufferevent's */
	redisReader *reader;
	redisReplyObjectFunctions functions;
	size_t unparsed; /* bytes since the last whole reply */
	uint64_t connect_by_ms;
	struct valkey_sent *first, **last;
	uint32_t outstanding; /* the caller's */
	uint64_t last_sent_ms;
	unsigned int overdue; /* ticks in a row at which something was too late */
	bool restarted;
	char run_id[RUN_ID_SIZE]; /* of the server's process; empty: unknown */
};

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

uint64_t valkey_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void valkey_backoff_next(struct valkey_backoff *backoff, uint64_t now_ms)
{
	uint32_t pause = VALKEY_BACKOFF_MIN_MS;

	if (now_ms < backoff->until_ms)
		return;
	for (unsigned int i = 0; i < backoff->level && pause < VALKEY_BACKOFF_MAX_MS; i++)
		pause *= 2;
	if (pause < VALKEY_BACKOFF_MAX_MS)
		backoff->level++;
	else
		pause = VALKEY_BACKOFF_MAX_MS;
	backoff->until_ms = now_ms + pause * 3 / 4 + randombytes_uniform(pause / 2 + 1);
}

struct valkey_link *valkey_link_create(struct valkey_links *links, const char *host, uint16_t port,
				       void *user)
{
	struct valkey_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->links = links;
	link->user = user;
	strncpy(link->host, host, sizeof(link->host) - 1);
	link->port = port;
	link->last = &link->first;
	link->wanted = true;
	return link;
}

static struct valkey_sent *take_all(struct valkey_link *link)
{
	struct valkey_sent *theirs = NULL, **tail = &theirs;

	while (link->first != NULL) {
		struct valkey_sent *sent = link->first;

		link->first = sent->next;
		sent->next = NULL;
		if (sent->kind < VALKEY_SENT_FIRST) {
			free(sent);
			continue;
		}
		*tail = sent;
		tail = &sent->next;
	}
	link->last = &link->first;
	link->links->outstanding -= link->outstanding;
	link->outstanding = 0;
	return theirs;
}

static void shut(struct valkey_link *link)
{
	if (link->bufferevent != NULL)
		bufferevent_free(link->bufferevent);
	if (link->reader != NULL)
		redisReaderFree(link->reader);
	link->bufferevent = NULL;
	link->tls = NULL;
	link->reader = NULL;
	link->overdue = 0;
	link->state = IDLE;
}

void valkey_link_free(struct valkey_link *link)
{
	struct valkey_sent *sent;

	if (link == NULL)
		return;
	shut(link);
	sent = take_all(link);
	while (sent != NULL) {
		struct valkey_sent *next = sent->next;

		free(sent);
		sent = next;
	}
	free(link);
}

/* The connection is over, for the reason in *error*. */
static void end(struct valkey_link *link, const struct error *error)
{
	struct valkey_counters *counters = link->links->counters;

	if (link->state == READY)
		counters->lost++;
	else
		counters->connect_failed++;
	shut(link);
	valkey_backoff_next(&link->backoff, valkey_now_ms());
	link->links->handlers.ended(link->links->arg, link, take_all(link), error);
}

static int write_words(struct valkey_link *link, struct valkey_sent *sent, int argc,
		       const char *const *argv, const size_t *sizes, uint64_t now_ms)
{
	char *bytes = NULL;
	/* hiredis does not change the words, whatever its prototype says. */
	long long size = redisFormatCommandArgv(&bytes, argc, (const char **)argv, sizes);

	if (size < 0)
		return -1;
	if (bufferevent_write(link->bufferevent, bytes, (size_t)size) != 0) {
		redisFreeCommand(bytes);
		return -1;
	}
	redisFreeCommand(bytes);
	sent->next = NULL;
	sent->sent_ms = link->last_sent_ms = now_ms;
	*link->last = sent;
	link->last = &sent->next;
	link->links->counters->commands++;
	return 0;
}

/* A command of the link's own. */
static int write_own(struct valkey_link *link, enum own_kind kind, int argc,
		     const char *const *argv, uint64_t now_ms)
{
	struct valkey_sent *sent = calloc(1, sizeof(*sent));

	if (sent == NULL)
		return -1;
	sent->kind = (uint8_t)kind;
	if (write_words(link, sent, argc, argv, NULL, now_ms) != 0) {
		free(sent);
		return -1;
	}
	return 0;
}

int valkey_link_send(struct valkey_link *link, struct valkey_sent *sent, int argc,
		     const char *const *argv, const size_t *sizes, uint64_t now_ms)
{
	if (link->state != READY)
		return -1;
	if (sent == NULL)
		return write_own(link, SENT_ASKING, argc, argv, now_ms);
	if (write_words(link, sent, argc, argv, sizes, now_ms) != 0)
		return -1;
	link->outstanding++;
	link->links->outstanding++;
	return 0;
}

/* hiredis makes room for as many elements as the server says there will be. */
static void *create_array(const redisReadTask *task, element_count elements)
{
	const redisReplyObjectFunctions *original = task->privdata;

	if ((uint64_t)elements > ELEMENTS_MAX)
		return NULL;
	return original->createArray(task, elements);
}

static int make_reader(struct valkey_link *link)
{
	link->reader = redisReaderCreate();
	if (link->reader == NULL)
		return -1;
	link->functions = *link->reader->fn;
	link->functions.createArray = create_array;
	link->reader->privdata = link->reader->fn;
	link->reader->fn = &link->functions;
	link->unparsed = 0;
	return 0;
}

/* AUTH, then whether the server is another than before, then leave to read from replicas. */
static int log_in(struct valkey_link *link, uint64_t now_ms)
{
	const struct valkey_login *login = link->links->login;
	const char *auth[3] = {"AUTH"};
	const char *info[] = {"INFO", "server"};
	const char *readonly[] = {"READONLY"};
	int argc = 1;

	link->overdue = 0;
	link->state = LOGGING_IN;
	link->connect_by_ms = now_ms + CONNECT_MS;
	if (login->password[0] != '\0') {
		if (login->user[0] != '\0')
			auth[argc++] = login->user;
		auth[argc++] = login->password;
		if (write_own(link, SENT_AUTH, argc, auth, now_ms) != 0)
			return -1;
	}
	return write_own(link, SENT_INFO, 2, info, now_ms) == 0 &&
			       write_own(link, SENT_READONLY, 1, readonly, now_ms) == 0
		       ? 0
		       : -1;
}

static int refused(const struct valkey_link *link, const redisReply *reply, struct error *error)
{
	struct valkey_redirect redirect;
	const char *remedy =
		valkey_error_remedy(valkey_error_parse(reply->str, reply->len, &redirect));

	return error_set(error, "%s port %u refuses: %.*s%s%s", link->host, link->port,
			 (int)(reply->len < 100 ? reply->len : 100), reply->str,
			 remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
}

static void take_run_id(struct valkey_link *link, const redisReply *reply)
{
	const char *at = strstr(reply->str, "run_id:");
	char run_id[RUN_ID_SIZE];
	size_t length;

	if (at == NULL)
		return;
	at += strlen("run_id:");
	length = strspn(at, "0123456789abcdef");
	if (length >= sizeof(run_id))
		length = sizeof(run_id) - 1;
	memcpy(run_id, at, length);
	run_id[length] = '\0';
	link->restarted = link->run_id[0] != '\0' && strcmp(run_id, link->run_id) != 0;
	memcpy(link->run_id, run_id, sizeof(run_id));
}

/* The answer to one of our own. Returns -1 if the connection is no good. */
static int take_own(struct valkey_link *link, uint8_t kind, const redisReply *reply,
		    struct error *error)
{
	switch ((enum own_kind)kind) {
	case SENT_AUTH:
		return reply->type == REDIS_REPLY_STATUS ? 0 : refused(link, reply, error);
	case SENT_INFO:
		if (reply->type == REDIS_REPLY_ERROR)
			return refused(link, reply, error);
		if (reply->type != REDIS_REPLY_STRING)
			return error_set(error, "%s port %u does not answer as a server does",
					 link->host, link->port);
		take_run_id(link, reply);
		return 0;
	case SENT_READONLY: /* refused by a server without a cluster, which is as well */
		link->state = READY;
		link->links->counters->connects++;
		link->links->handlers.ready(link->links->arg, link, link->restarted);
		link->restarted = false;
		return 0;
	case SENT_PING:
		if (reply->type == REDIS_REPLY_STATUS)
			link->backoff.level = 0;
		return 0;
	case SENT_ASKING:
		return 0;
	}
	return 0;
}

static int take_reply(struct valkey_link *link, const redisReply *reply, struct error *error)
{
	struct valkey_sent *sent = link->first;
	uint8_t kind;

	if (sent == NULL)
		return error_set(error, "%s port %u answers what nobody asked", link->host,
				 link->port);
	link->links->counters->replies++;
	link->overdue = 0;
	link->first = sent->next;
	if (link->first == NULL)
		link->last = &link->first;
	sent->next = NULL;
	kind = sent->kind;
	if (kind < VALKEY_SENT_FIRST) {
		free(sent);
		return take_own(link, kind, reply, error);
	}
	link->outstanding--;
	link->links->outstanding--;
	if (reply->type != REDIS_REPLY_ERROR)
		link->backoff.level = 0;
	if (link->links->handlers.reply(link->links->arg, link, sent, reply) == 0)
		return 0;
	link->links->counters->garbage++;
	return error_set(error, "%s port %u does not answer as a server does", link->host,
			 link->port);
}

/* All replies that are whole. Returns -1 with *error* if the connection is no good. */
static int parse(struct valkey_link *link, struct error *error)
{
	for (;;) {
		void *reply = NULL;
		int result;

		if (redisReaderGetReply(link->reader, &reply) != REDIS_OK ||
		    link->unparsed > REPLY_MAX) {
			link->links->counters->garbage++;
			return error_set(error,
					 "%s port %u does not speak the protocol of Redis (%s); is "
					 "it a server, with%s TLS?",
					 link->host, link->port,
					 link->reader->err ? link->reader->errstr : "too long",
					 link->tls != NULL ? "" : "out");
		}
		if (reply == NULL)
			return 0;
		link->unparsed = 0;
		result = take_reply(link, reply, error);
		freeReplyObject(reply);
		if (result != 0)
			return -1;
	}
}

static void on_read(struct bufferevent *bufferevent, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bufferevent);
	struct valkey_link *link = arg;
	struct error error;
	size_t size;

	while ((size = evbuffer_get_contiguous_space(input)) > 0) {
		if (redisReaderFeed(link->reader, (char *)evbuffer_pullup(input, (ev_ssize_t)size),
				    size) != REDIS_OK) {
			error_set(&error, "no memory for replies");
			end(link, &error);
			return;
		}
		evbuffer_drain(input, size);
		link->unparsed += size;
		if (parse(link, &error) != 0) {
			end(link, &error);
			return;
		}
	}
}

static const char *why_tls(struct valkey_link *link)
{
	unsigned long code = bufferevent_get_openssl_error(link->bufferevent);
	long verified = SSL_get_verify_result(link->tls);

	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return code != 0 ? ERR_reason_error_string(code) : NULL;
}

static void on_event(struct bufferevent *bufferevent, short what, void *arg)
{
	struct valkey_link *link = arg;
	int code = EVUTIL_SOCKET_ERROR();
	const char *why = NULL;
	struct error error;
	int on = 1;

	if (what & BEV_EVENT_CONNECTED) {
		(void)setsockopt(bufferevent_getfd(bufferevent), IPPROTO_TCP, TCP_NODELAY, &on,
				 sizeof(on));
		if (link->state != CONNECTING || log_in(link, valkey_now_ms()) == 0)
			return;
		error_set(&error, "no memory for a connection");
		end(link, &error);
		return;
	}
	if (link->state == CONNECTING && bufferevent_socket_get_dns_error(bufferevent) != 0)
		why = evutil_gai_strerror(bufferevent_socket_get_dns_error(bufferevent));
	else if (link->tls != NULL && (why = why_tls(link)) != NULL)
		;
	else if (what & BEV_EVENT_EOF)
		why = "the server closed the connection";
	else if (code != 0)
		why = evutil_socket_error_to_string(code);
	else
		why = "the connection broke";
	error_set(&error, "%s port %u: %s", link->host, link->port, why);
	end(link, &error);
}

static int begin(struct valkey_link *link)
{
	struct valkey_links *links = link->links;
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(link->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(link->port)};
	struct in6_addr address;

	if (address_parse(link->host, &address) != 0) {
		if (links->names == NULL)
			links->names = evdns_base_new(links->base,
						      EVDNS_BASE_INITIALIZE_NAMESERVERS |
							      EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		if (links->names == NULL)
			return -1;
		return bufferevent_socket_connect_hostname(link->bufferevent, links->names,
							   AF_UNSPEC, link->host, link->port);
	}
	if (address_is_ipv4(&address)) {
		four.sin_addr.s_addr = address_to_ipv4(&address);
		return bufferevent_socket_connect(link->bufferevent, (struct sockaddr *)&four,
						  sizeof(four));
	}
	six.sin6_addr = address;
	return bufferevent_socket_connect(link->bufferevent, (struct sockaddr *)&six, sizeof(six));
}

static void start(struct valkey_link *link, uint64_t now_ms)
{
	struct valkey_links *links = link->links;
	struct error error;

	link->state = CONNECTING;
	link->connect_by_ms = now_ms + CONNECT_MS;
	if (links->login->tls != NULL) {
		link->tls = valkey_login_tls(links->login, link->host);
		if (link->tls != NULL)
			link->bufferevent = bufferevent_openssl_socket_new(
				links->base, -1, link->tls, BUFFEREVENT_SSL_CONNECTING,
				BEV_OPT_CLOSE_ON_FREE);
		if (link->bufferevent == NULL)
			SSL_free(link->tls);
		else
			bufferevent_openssl_set_allow_dirty_shutdown(link->bufferevent, 1);
	} else {
		link->bufferevent = bufferevent_socket_new(links->base, -1, BEV_OPT_CLOSE_ON_FREE);
	}
	if (link->bufferevent == NULL || make_reader(link) != 0) {
		error_set(&error, "no memory for a connection to %s port %u", link->host,
			  link->port);
		end(link, &error);
		return;
	}
	bufferevent_setcb(link->bufferevent, on_read, NULL, on_event, link);
	bufferevent_set_max_single_write(link->bufferevent, SEND_AT_ONCE);
	bufferevent_enable(link->bufferevent, EV_READ | EV_WRITE);
	/* on_event() may have been called, and ended it. */
	if (begin(link) != 0 && link->bufferevent != NULL) {
		error_set(&error, "%s port %u: no look-up of names; see /etc/resolv.conf",
			  link->host, link->port);
		end(link, &error);
	}
}

void valkey_link_tick(struct valkey_link *link, uint64_t now_ms)
{
	const char *ping[] = {"PING"};
	struct error error;

	switch (link->state) {
	case IDLE:
		if (link->wanted && now_ms >= link->backoff.until_ms)
			start(link, now_ms);
		return;
	case CONNECTING:
	case LOGGING_IN:
		if (now_ms < link->connect_by_ms || ++link->overdue < OVERDUE_TICKS)
			return;
		link->links->counters->timeouts++;
		error_set(&error, "%s port %u: no answer to %s within %d ms", link->host,
			  link->port, link->state == CONNECTING ? "a connection" : "the log-in",
			  CONNECT_MS);
		end(link, &error);
		return;
	case READY:
		break;
	}
	if (valkey_link_silent_ms(link, now_ms) > ANSWER_MS) {
		if (++link->overdue < OVERDUE_TICKS)
			return;
		link->links->counters->timeouts++;
		error_set(&error, "%s port %u: no answer within %d ms", link->host, link->port,
			  ANSWER_MS);
		end(link, &error);
	} else if (link->first == NULL && !link->wanted) {
		shut(link);
	} else if (link->first == NULL && now_ms >= link->last_sent_ms + IDLE_MS) {
		(void)write_own(link, SENT_PING, 1, ping, now_ms);
	}
}

void *valkey_link_user(const struct valkey_link *link)
{
	return link->user;
}

const char *valkey_link_host(const struct valkey_link *link)
{
	return link->host;
}

uint16_t valkey_link_port(const struct valkey_link *link)
{
	return link->port;
}

void valkey_link_want(struct valkey_link *link, bool wanted)
{
	link->wanted = wanted;
}

bool valkey_link_ready(const struct valkey_link *link)
{
	return link->state == READY;
}

bool valkey_link_connecting(const struct valkey_link *link)
{
	return link->state == CONNECTING || link->state == LOGGING_IN;
}

uint64_t valkey_link_silent_ms(const struct valkey_link *link, uint64_t now_ms)
{
	return link->first != NULL && now_ms > link->first->sent_ms ? now_ms - link->first->sent_ms
								    : 0;
}

uint32_t valkey_link_outstanding(const struct valkey_link *link)
{
	return link->outstanding;
}
