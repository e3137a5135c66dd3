// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/stock.h"

#include <errno.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fpmd/config_file.h"
#include "fpmd/daemon.h"
#include "fpmd/log.h"

#define FRR_USER "frr" /* of the distribution's packages */

/* Returns the size, or -1. *text* gets a 0 at its end. */
static int read_whole(const char *path, char text[CONFIG_FILE_SIZE_MAX + 1], struct error *error)
{
	FILE *file = fopen(path, "re");
	size_t size;
	int failed;

	if (!file)
		return error_set(error, "%.150s: %s; fpmd's user must be able to read it", path,
				 strerror(errno));
	size = fread(text, 1, CONFIG_FILE_SIZE_MAX + 1, file);
	failed = ferror(file) ? errno : 0;
	fclose(file);
	if (failed)
		return error_set(error, "%.150s: %s", path, strerror(failed));
	if (size > CONFIG_FILE_SIZE_MAX)
		return error_set(error, "%.150s: more than %d bytes: this is no configuration",
				 path, CONFIG_FILE_SIZE_MAX);
	text[size] = '\0';
	if (strlen(text) != size)
		return error_set(error, "%.150s: it has a byte 0: this is no text", path);
	return 0;
}

Holdfast__Frame *stock_read(const char *path, struct error *error)
{
	static char text[CONFIG_FILE_SIZE_MAX + 1];
	static struct holdfast_config config;
	struct settings settings;
	Holdfast__Frame *message;
	struct error fault;

	if (read_whole(path, text, error))
		return NULL;
	if (config_file_parse(text, &config, &fault)) {
		error_set(error, "%.100s %.150s", path, fault.text);
		return NULL;
	}
	message = config_file_message(&config);
	if (!message) {
		error_set(error, "%.150s: no memory", path);
		return NULL;
	}
	if (!settings_from_config(message->config, &settings, &fault))
		return message;
	error_set(error, "%.100s: %.150s", path, fault.text);
	holdfast__frame__free_unpacked(message, NULL);
	return NULL;
}

int stock_open(struct daemon *d, const char *path, const char *listen, struct error *error)
{
	Holdfast__Frame *message = stock_read(path, error);

	if (!message)
		return -1;
	if (fpm_server_listen_netlink(d->fpm, listen, error)) {
		holdfast__frame__free_unpacked(message, NULL);
		return -1;
	}
	d->stock.path = path;
	daemon_config(d, message->config);
	holdfast__frame__free_unpacked(message, NULL);
	return 0;
}

/* Are routes wanted that were left out? */
static bool wants_other_routes(const struct settings *settings, const Holdfast__Config *config)
{
	struct settings new;
	struct error ignored;

	return settings_from_config(config, &new, &ignored) ||
	       new.vip_count != settings->vip_count || new.range_count != settings->range_count ||
	       memcmp(new.vips, settings->vips, sizeof(new.vips)) != 0 ||
	       memcmp(new.ranges, settings->ranges, sizeof(new.ranges)) != 0;
}

void stock_reload(struct daemon *d)
{
	struct error error;
	Holdfast__Frame *message;
	bool others;

	if (!d->stock.path) {
		log_info("signal 1: there is no file to read, the configuration comes from zebra");
		return;
	}
	daemon_problem(d, PROBLEM_STOCK, NULL);
	message = stock_read(d->stock.path, &error);
	if (!message) {
		daemon_problem(d, PROBLEM_CONFIG, "configuration refused, the last one stays: %s",
			       error.text);
		return;
	}
	others = wants_other_routes(&d->settings, message->config);
	daemon_config(d, message->config);
	holdfast__frame__free_unpacked(message, NULL);
	log_info("%s was read again", d->stock.path);
	if (others)
		fpm_server_netlink_close(d->fpm);
}

bool stock_refuses(struct daemon *d)
{
	if (d->stock.path)
		daemon_problem(
			d, PROBLEM_STOCK,
			"zebra's module zebra_holdfast is loaded, but the configuration is that "
			"of %.100s: start fpmd without --config, or zebra without the module",
			d->stock.path);
	return d->stock.path;
}

static bool set_end(const struct sockaddr *from, struct in6_addr *address, uint16_t *port)
{
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)from;

	if (from->sa_family == AF_INET)
		*address = address_from_ipv4(ipv4->sin_addr.s_addr);
	else if (from->sa_family == AF_INET6)
		*address = ipv6->sin6_addr;
	else
		return false;
	*port = ntohs(from->sa_family == AF_INET ? ipv4->sin_port : ipv6->sin6_port);
	return true;
}

static bool is_trusted(uid_t user)
{
	const struct passwd *frr = getpwnam(FRR_USER);

	return user == 0 || user == geteuid() || (frr && user == frr->pw_uid);
}

bool stock_admits(void *arg, const struct sockaddr *peer, const struct sockaddr *own)
{
	struct flow flow = {.protocol = IPPROTO_TCP};
	struct error error;
	uid_t user;
	int found;

	if (!set_end(peer, &flow.vip, &flow.vip_port) ||
	    !set_end(own, &flow.client, &flow.client_port))
		return false;
	found = kernel_peer_user(&flow, &user, &error);
	if (found < 0)
		log_warn("fpm: a connection is refused: %s", error.text);
	else if (found && !is_trusted(user))
		log_warn("fpm: a connection of user %u is refused: zebra runs as %s or root",
			 (unsigned int)user, FRR_USER);
	return found == 0 || (found > 0 && is_trusted(user));
}

void stock_connected(void *arg)
{
	struct daemon *d = arg;

	netlink_routes_clear(&d->stock.routes);
	daemon_problem(d, PROBLEM_ROUTES, NULL);
	routes_replay_begin(&d->routes);
	d->stock.replaying = true;
	d->stock.replay_ms = d->stock.heard_ms = clock_ms();
}

static bool is_wanted(const struct daemon *d, const struct prefix_address *prefix)
{
	return prefix->length == 128 && (settings_is_vip(&d->settings, &prefix->address) ||
					 settings_in_member_range(&d->settings, &prefix->address));
}

/*
 * zebra tells no types of routes but those of the kernel: what it has from there is connected,
 * unless there is a gateway.
 */
static void route_changed(void *arg, const struct prefix_address *prefix, bool by_kernel,
			  const struct netlink_hop *hops, size_t count)
{
	static struct route_next_hop next_hops[NETLINK_HOPS_MAX];
	static const struct in6_addr none;
	bool connected = by_kernel && count;

	for (size_t i = 0; i < count; i++) {
		struct route_next_hop *out = &next_hops[i];

		memset(out, 0, sizeof(*out));
		out->gateway = hops[i].gateway;
		out->weight = hops[i].weight;
		if (!hops[i].interface || !if_indextoname(hops[i].interface, out->interface))
			out->interface[0] = '\0';
		connected &= address_equal(&hops[i].gateway, &none);
	}
	daemon_route(arg, prefix, connected, next_hops, count);
}

void stock_frame(void *arg, const uint8_t *payload, size_t size)
{
	static struct netlink_message message;
	struct daemon *d = arg;
	size_t at = 0;
	int more;

	d->stock.heard_ms = clock_ms();
	while ((more = netlink_frame_next(payload, size, &at, &message)) > 0) {
		if ((message.kind == NETLINK_MESSAGE_ROUTE ||
		     message.kind == NETLINK_MESSAGE_ROUTE_GONE) &&
		    !is_wanted(d, &message.prefix))
			continue;
		if (netlink_routes_take(&d->stock.routes, &message))
			daemon_problem(d, PROBLEM_ROUTES,
				       "zebra tells of more next hops or routes than there is room "
				       "for: some are not known here");
	}
	if (more < 0)
		log_warn("fpm: a frame of %zu bytes cannot be read from byte %zu on: skipped", size,
			 at);
	netlink_routes_settle(&d->stock.routes, route_changed, d);
}

void stock_tick(struct daemon *d, bool slow)
{
	struct stock *s = &d->stock;
	uint64_t now = clock_ms();
	size_t unknown;

	if (!s->path || !fpm_server_connected(d->fpm))
		return;
	if (s->replaying) {
		if (now < s->heard_ms + STOCK_QUIET_MS && now < s->replay_ms + STOCK_REPLAY_MAX_MS)
			return;
		s->replaying = false;
		daemon_replay_end(d);
		slow = true;
	}
	unknown = slow ? netlink_routes_unknown(&s->routes) : 0;
	if (unknown)
		daemon_problem(d, PROBLEM_GROUPS,
			       "zebra does not send the next-hop groups of %zu routes: configure "
			       "`no fpm use-next-hop-groups`",
			       unknown);
	else if (slow)
		daemon_problem(d, PROBLEM_GROUPS, NULL);
}

void stock_close(struct daemon *d)
{
	netlink_routes_clear(&d->stock.routes);
}
