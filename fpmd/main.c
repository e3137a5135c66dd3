// SPDX-License-Identifier: GPL-2.0-or-later
/* fpmd: options, what only root may do, privileges, signals, the event loop. */
#include <cap-ng.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "config.h"
#include "fpmd/ask.h"
#include "fpmd/bpf_directory.h"
#include "fpmd/daemon.h"
#include "fpmd/log.h"
#include "fpmd/loop.h"
#include "fpmd/stock.h"

#define SOCKET_DEFAULT "/var/run/frr/fpmd.sock"

static const struct option options[] = {
	{"socket", required_argument, NULL, 's'},
	{"user", required_argument, NULL, 'u'},
	{"bpf-directory", required_argument, NULL, 'b'},
	{"daemon", no_argument, NULL, 'd'},
	{"config", required_argument, NULL, 'c'},
	{"fpm-listen", required_argument, NULL, 'l'},
	{"check", no_argument, NULL, 'C'},
	{"show", no_argument, NULL, 'S'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{NULL, 0, NULL, 0},
};

static void usage(FILE *to)
{
	fputs("usage: fpmd [-s SOCKET] [-u USER] [-b DIRECTORY] [-d] [-c FILE [-l ADDRESS:PORT]]\n"
	      "       fpmd -c FILE --check\n"
	      "       fpmd [-s SOCKET] --show [--json] TOPIC\n"
	      "  -s, --socket SOCKET  where zebra's module connects (default " SOCKET_DEFAULT ")\n"
	      "  -u, --user USER      when started as root: run as USER, keeping only the\n"
	      "                       capabilities that are needed\n"
	      "  -b, --bpf-directory DIRECTORY  on a bpffs: what a director recorded outlives\n"
	      "                       fpmd there (default " BPF_DIRECTORY_DEFAULT ")\n"
	      "  -d, --daemon         log to syslog instead of standard error\n"
	      "Its configuration comes from zebra: vtysh, `configure`, `holdfast`.\n"
	      "Where zebra has FRR's own module dplane_fpm_nl instead of Holdfast's:\n"
	      "  -c, --config FILE    the block `holdfast` of frr.conf, in a file\n"
	      "  -l, --fpm-listen ADDRESS:PORT  what `fpm address` names (default " STOCK_LISTEN_DEFAULT
	      ")\n"
	      "      --check          say what is wrong with FILE, and end\n"
	      "      --show TOPIC     ask the fpmd that runs: summary, members, paths, pins,\n"
	      "                       sessions, directory, counters, or flow CLIENT PORT VIP\n"
	      "                       PORT; --json: for programs\n"
	      "Signals: TERM, INT: stop, detours stay, strays are answered by the kernel again;\n"
	      "         USR1: stop for a restart, everything stays; HUP: read FILE again.\n",
	      to);
}

static int find_account(const char *user, uid_t *uid, gid_t *gid, struct error *error)
{
	const struct passwd *account = user ? getpwnam(user) : NULL;

	if (user && !account)
		return error_set(error, "there is no user %s", user);
	*uid = account && geteuid() == 0 ? account->pw_uid : geteuid();
	*gid = account && geteuid() == 0 ? account->pw_gid : getegid();
	return 0;
}

/* CAP_NET_ADMIN: netlink, sysctl, tc; CAP_BPF and CAP_PERFMON: classifier and session events. */
static int keep_capabilities(const char *user, uid_t uid, gid_t gid, struct error *error)
{
	static const unsigned int needed[] = {CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON};
	const size_t count = sizeof(needed) / sizeof(needed[0]);
	bool has[sizeof(needed) / sizeof(needed[0])];

	if (geteuid() != 0)
		return 0;
	/* Without one of them fpmd still starts, so that `show holdfast` can tell what fails. */
	if (capng_get_caps_process())
		return error_set(error, "cannot read this process's capabilities");
	for (size_t i = 0; i < count; i++) {
		has[i] = capng_have_capability(CAPNG_PERMITTED, needed[i]);
		if (!has[i])
			log_error("capability cap_%s is missing: start fpmd as root, and in a "
				  "container or unit with this capability",
				  capng_capability_to_name(needed[i]));
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < count; i++)
		if (has[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, needed[i]))
			return error_set(error, "cannot choose capabilities");
	if (user) {
		if (initgroups(user, gid) || capng_change_id((int)uid, (int)gid, CAPNG_NO_FLAG))
			return error_set(error, "cannot become user %s: %s", user, strerror(errno));
	} else if (capng_apply(CAPNG_SELECT_CAPS)) {
		return error_set(error, "cannot drop capabilities: %s", strerror(errno));
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return error_set(error, "no_new_privs: %s", strerror(errno));
	return 0;
}

struct stop_request {
	struct event_base *base;
	enum kernel_keep keep;
};

static void signalled(evutil_socket_t number, short what, void *arg)
{
	struct stop_request *stop = arg;

	stop->keep = number == SIGUSR1 ? KERNEL_KEEP_ALL : KERNEL_KEEP_DETOURS;
	log_info("signal %d: stopping", (int)number);
	event_base_loopbreak(stop->base);
}

static void reload(evutil_socket_t number, short what, void *arg)
{
	stock_reload(arg);
}

static int check(const char *path)
{
	struct error error;
	Holdfast__Frame *message = stock_read(path, &error);

	if (!message) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	holdfast__frame__free_unpacked(message, NULL);
	return 0;
}

static int show(const char *socket_path, char *const *words, size_t count, bool json)
{
	struct error error;

	if (!ask_show(socket_path, words, count, json, stdout, &error))
		return 0;
	fprintf(stderr, "%s\n", error.text);
	return 1;
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
	const char *socket_path = SOCKET_DEFAULT, *user = NULL, *bpf_path = BPF_DIRECTORY_DEFAULT;
	const char *config_path = NULL, *listen = NULL;
	bool check_only = false, asks = false, json = false;
	struct event *reload_event;
	struct bpf_directory bpf_directory;
	struct event *signal_events[3] = {NULL};
	struct stop_request stop = {.keep = KERNEL_KEEP_ALL};
	struct daemon *daemon;
	bool background = false;
	struct error error;
	uid_t uid = 0;
	gid_t gid = 0;
	int option;

	while ((option = getopt_long(argc, argv, "s:u:b:c:l:dhv", options, NULL)) != -1) {
		switch (option) {
		case 's':
			socket_path = optarg;
			break;
		case 'u':
			user = optarg;
			break;
		case 'b':
			bpf_path = optarg;
			break;
		case 'c':
			config_path = optarg;
			break;
		case 'l':
			listen = optarg;
			break;
		case 'C':
			check_only = true;
			break;
		case 'S':
			asks = true;
			break;
		case 'j':
			json = true;
			break;
		case 'd':
			background = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'v':
			puts(PACKAGE_STRING);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}

	if (asks != (optind < argc) || ((listen || check_only) && !config_path) ||
	    (json && !asks)) {
		usage(stderr);
		return 2;
	}
	if (asks)
		return show(socket_path, argv + optind, (size_t)(argc - optind), json);
	if (check_only)
		return check(config_path);

	log_open(!background);
	signal(SIGPIPE, SIG_IGN);
	if (find_account(user, &uid, &gid, &error)) {
		log_error("%s", error.text);
		return 1;
	}
	if (bpf_directory_open(bpf_path, uid, gid, &bpf_directory, &error))
		log_warn("what a director records ends with fpmd: %s", error.text);
	if (keep_capabilities(user, uid, gid, &error)) {
		log_error("%s", error.text);
		return 1;
	}
	if (sodium_init() < 0) {
		log_error("libsodium does not start");
		return 1;
	}
	stop.base = loop_new();
	if (!stop.base) {
		log_error("no memory");
		return 1;
	}
	if (daemon_open(stop.base, socket_path, bpf_directory.fd, &daemon, &error)) {
		log_error("%s", error.text);
		event_base_free(stop.base);
		return 1;
	}
	if (config_path &&
	    stock_open(daemon, config_path, listen ? listen : STOCK_LISTEN_DEFAULT, &error)) {
		log_error("%s", error.text);
		daemon_close(daemon, KERNEL_KEEP_ALL);
		event_base_free(stop.base);
		return 1;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		signal_events[i] = evsignal_new(stop.base, signals[i], signalled, &stop);
		if (!signal_events[i] || evsignal_add(signal_events[i], NULL))
			log_warn("signal %d cannot be handled", signals[i]);
	}
	reload_event = evsignal_new(stop.base, SIGHUP, reload, daemon);
	if (!reload_event || evsignal_add(reload_event, NULL))
		log_warn("signal %d cannot be handled", SIGHUP);
	log_info("%s is up, waiting for zebra on %s", PACKAGE_STRING,
		 !config_path ? socket_path
		 : listen     ? listen
			      : STOCK_LISTEN_DEFAULT);

	event_base_dispatch(stop.base);

	daemon_close(daemon, stop.keep);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (signal_events[i])
			event_free(signal_events[i]);
	if (reload_event)
		event_free(reload_event);
	event_base_free(stop.base);
	bpf_directory_close(&bpf_directory);
	return 0;
}
