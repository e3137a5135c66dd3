/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab's client application: many sessions with one request every period each, and one control
 * session that no event touches. One epoll loop, one thread. Every session ends up in exactly one
 * result, and the report is written once, at the end.
 *
 * Signals: TERM ends the run (answers still due are waited for); USR1 aborts every session and
 * connects again from the same port within a second; USR2 lets the servers close every session
 * first, then likewise.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lab/session.h"

#define MS INT64_C(1000000)
#define BIN_NS (50 * MS)
#define BINS_MAX 12000
#define CONTROL_PERIOD_NS (10 * MS)

struct bin {
	unsigned int alive;
	unsigned int replies;
	unsigned int worst_ms;
};

struct client {
	struct sockaddr_in to;
	struct sockaddr_in control_to;
	struct session *sessions; /* the last one is the control session, if there is one */
	size_t count;		  /* without the control session */
	bool control;
	int64_t start_ns;
	int64_t period_ns;
	int64_t ramp_ns;
	int64_t grace_ns;
	int64_t control_ns; /* when the control session asks again */
	int64_t beat;	    /* the next request of all, in order of phase */
	size_t connected;
	uint64_t random;
	size_t bins;
	struct bin bin[BINS_MAX];
	int64_t worst_ns;
	int epoll;
	int signals;
};

static volatile bool stopping;

static void die(const char *what)
{
	fprintf(stderr, "session_client: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* splitmix64: ports and delays come from the seed alone. */
static uint64_t next_random(struct client *client)
{
	uint64_t z = (client->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void open_session(struct client *client, struct session *session, int64_t now)
{
	bool control = session == client->sessions + client->count;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = session};

	session_connect(session, control ? &client->control_to : &client->to, now);
	if (session->fd >= 0 && epoll_ctl(client->epoll, EPOLL_CTL_ADD, session->fd, &event))
		die("epoll_ctl");
}

/* The control session asks more often, so that it notices every pause of the machine. */
static void beat_control(struct client *client, int64_t now)
{
	if (!client->control || client->connected <= client->count || now < client->control_ns)
		return;
	client->control_ns = now + CONTROL_PERIOD_NS;
	session_ask(&client->sessions[client->count], now);
}

static void beat(struct client *client, int64_t now)
{
	size_t all = client->count + client->control;

	while (client->connected < all && now >= client->start_ns + (int64_t)client->connected *
									    client->ramp_ns /
									    (int64_t)all)
		open_session(client, &client->sessions[client->connected++], now);
	while (now >= client->start_ns + client->beat * client->period_ns / (int64_t)all) {
		size_t index = client->beat++ % all;
		struct session *session = &client->sessions[index];

		if (session->state == SESSION_CLOSING)
			session_check_closing(session, now);
		if (session->reopen_ns && now >= session->reopen_ns) {
			session->reconnects++;
			open_session(client, session, now);
		}
		session_ask(session, now);
	}
}

/* Ends all sessions in the way of *orderly* and lets them come back from the same port. */
static void reuse_ports(struct client *client, bool orderly, int64_t now)
{
	for (size_t i = 0; i < client->count; i++) {
		struct session *session = &client->sessions[i];

		if (session->state != SESSION_OPEN)
			continue;
		if (orderly) {
			session->last = true;
			continue;
		}
		session_end(session, SESSION_CLOSED, true, now);
		session->reopen_ns = now + (int64_t)(next_random(client) % 900) * MS;
	}
}

/* After an orderly end, the port is used again within a second. */
static void reopen_closed(struct client *client, int64_t now)
{
	for (size_t i = 0; i < client->count; i++) {
		struct session *session = &client->sessions[i];

		if (session->last && session->state == SESSION_ENDED &&
		    session->result == SESSION_CLOSED && !session->reopen_ns)
			session->reopen_ns = now + (int64_t)(next_random(client) % 900) * MS;
	}
}

static void fill_bins(struct client *client, int64_t now)
{
	while (client->bins < BINS_MAX &&
	       now >= client->start_ns + (int64_t)(client->bins + 1) * BIN_NS) {
		struct bin *bin = &client->bin[client->bins++];
		int64_t worst = client->worst_ns;

		for (size_t i = 0; i < client->count; i++) {
			const struct session *session = &client->sessions[i];

			if (session->state == SESSION_OPEN)
				bin->alive++;
			if (session->outstanding && now - session->asked_ns > worst)
				worst = now - session->asked_ns;
		}
		bin->worst_ms = worst / MS;
		client->worst_ns = 0;
		if (client->bins < BINS_MAX)
			client->bin[client->bins].replies = 0;
		reopen_closed(client, now);
	}
}

static void take_event(struct client *client, struct session *session)
{
	int64_t now = beat_now_ns();
	int64_t latency;

	/* Edge-triggered: read until nothing is left. */
	while (session->fd >= 0 && (latency = session_event(session, now)) > 0) {
		if (session == client->sessions + client->count)
			continue;
		if (latency > client->worst_ns)
			client->worst_ns = latency;
		if (client->bins < BINS_MAX)
			client->bin[client->bins].replies++;
	}
}

static void take_signal(struct client *client)
{
	struct signalfd_siginfo info;

	while (read(client->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			reuse_ports(client, false, beat_now_ns());
		else if (info.ssi_signo == SIGUSR2)
			reuse_ports(client, true, beat_now_ns());
		else
			stopping = true;
	}
}

static bool answers_due(const struct client *client)
{
	for (size_t i = 0; i < client->count; i++)
		if (client->sessions[i].outstanding)
			return true;
	return false;
}

static void run(struct client *client)
{
	struct epoll_event events[256];
	int64_t stop_ns = 0;
	bool told = false;

	for (;;) {
		int64_t now = beat_now_ns();
		int count;

		fill_bins(client, now);
		if (!stopping) {
			beat(client, now);
			beat_control(client, now);
		} else {
			if (!stop_ns)
				stop_ns = now;
			if (!answers_due(client) || now - stop_ns >= client->grace_ns)
				return;
		}
		if (!told && client->connected == client->count + client->control &&
		    now >= client->start_ns + client->ramp_ns + 2 * client->period_ns) {
			printf("ready\n");
			fflush(stdout);
			told = true;
		}
		count = epoll_wait(client->epoll, events, 256, 1);
		if (count < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				take_event(client, events[i].data.ptr);
			else
				take_signal(client);
		}
	}
}

static void write_session(FILE *file, const struct client *client, const struct session *session)
{
	fprintf(file,
		"{\"port\":%u,\"owner\":\"%s\",\"result\":\"%s\",\"replies\":%lu,\"reconnects\":%u,"
		"\"retransmits\":%lu,\"max_stall_ms\":%.3f,\"ended_ms\":%.3f,\"peer_closed_ms\":%.3f}",
		session->port, session->owner, session_result_name(session->result),
		session->replies, session->reconnects, session_retransmits(session),
		session->max_stall_ns / 1e6,
		session->ended_ns ? (session->ended_ns - client->start_ns) / 1e6 : 0.0,
		session->peer_closed_ns ? (session->peer_closed_ns - client->start_ns) / 1e6 : 0.0);
}

static void write_report(FILE *file, const struct client *client)
{
	fprintf(file, "{\"start_ns\":%lld,\"bin_ms\":50,\"sessions\":[",
		(long long)client->start_ns);
	for (size_t i = 0; i < client->count; i++) {
		fputs(i ? ",\n" : "\n", file);
		write_session(file, client, &client->sessions[i]);
	}
	fprintf(file, "],\n\"control\":");
	if (client->control)
		write_session(file, client, &client->sessions[client->count]);
	else
		fprintf(file, "null");
	fprintf(file, ",\n\"timeline\":[");
	for (size_t i = 0; i < client->bins; i++)
		fprintf(file, "%s[%u,%u,%u]", i ? "," : "", client->bin[i].alive,
			client->bin[i].replies, client->bin[i].worst_ms);
	fprintf(file, "]}\n");
}

/* What is still open now either lives or got no answer. */
static void settle(struct client *client, int64_t now)
{
	for (size_t i = 0; i < client->count + client->control; i++) {
		struct session *session = &client->sessions[i];

		if (session->state == SESSION_CONNECTING || session->state == SESSION_IDLE)
			session->result = SESSION_FAILED;
		else if (session->state == SESSION_OPEN &&
			 (session->outstanding || session->peer_closed))
			session->result = SESSION_TIMED_OUT;
		else if (session->state == SESSION_CLOSING)
			session->result = SESSION_TIMED_OUT;
		if (session->result == SESSION_TIMED_OUT)
			session->ended_ns = now;
	}
}

static void signals_open(struct client *client)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		die("sigprocmask");
	client->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (client->signals < 0 || epoll_ctl(client->epoll, EPOLL_CTL_ADD, client->signals, &event))
		die("signalfd");
}

static const char *take_options(struct client *client, int argc, char **argv, uint16_t *port)
{
	static const struct option options[] = {
		{"connect", required_argument, NULL, 'c'},
		{"control", required_argument, NULL, 'k'},
		{"sessions", required_argument, NULL, 'n'},
		{"period-ms", required_argument, NULL, 'p'},
		{"ramp-ms", required_argument, NULL, 'r'},
		{"grace-ms", required_argument, NULL, 'g'},
		{"source-port", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'x'},
		{"output", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	const char *output = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			if (!beat_address(optarg, &client->to))
				return NULL;
			break;
		case 'k':
			client->control = beat_address(optarg, &client->control_to);
			if (!client->control)
				return NULL;
			break;
		case 'n':
			client->count = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			client->period_ns = strtol(optarg, NULL, 10) * MS;
			break;
		case 'r':
			client->ramp_ns = strtol(optarg, NULL, 10) * MS;
			break;
		case 'g':
			client->grace_ns = strtol(optarg, NULL, 10) * MS;
			break;
		case 's':
			*port = strtoul(optarg, NULL, 10);
			break;
		case 'x':
			client->random = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			output = optarg;
			break;
		default:
			return NULL;
		}
	}
	if (!client->to.sin_port || !client->count || client->count > 30000 ||
	    client->period_ns <= 0)
		return NULL;
	return output;
}

int main(int argc, char **argv)
{
	struct client *client = calloc(1, sizeof(*client));
	uint16_t port = 0;
	const char *output;
	FILE *file;

	if (!client)
		die("calloc");
	client->period_ns = 100 * MS;
	client->ramp_ns = 1000 * MS;
	client->grace_ns = 5000 * MS;
	output = take_options(client, argc, argv, &port);
	if (!output) {
		fprintf(stderr,
			"usage: session_client --connect ADDRESS:PORT --sessions N --output FILE"
			" [--control ADDRESS:PORT] [--source-port PORT] [--seed N]"
			" [--period-ms N] [--ramp-ms N] [--grace-ms N]\n");
		return 2;
	}
	client->sessions = calloc(client->count + 1, sizeof(*client->sessions));
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!client->sessions || client->epoll < 0)
		die("start");
	for (size_t i = 0; i <= client->count; i++) {
		client->sessions[i].fd = -1;
		client->sessions[i].port = port ? port + i : 0;
	}
	signals_open(client);
	client->start_ns = beat_now_ns();
	run(client);
	settle(client, beat_now_ns());
	file = fopen(output, "w");
	if (!file)
		die(output);
	write_report(file, client);
	if (fclose(file))
		die(output);
	free(client->sessions);
	free(client);
	return 0;
}
