// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's life: what zebra sends is put into effect. Kernel and directory are opened together
 * as soon as the configuration is complete, tried again while something is missing, and closed only
 * when the configuration is really gone; without zebra everything goes on as it is.
 */
#include "fpmd/daemon.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/log.h"

#define TICK_MS 50
#define SLOW_TICK_MS 2000
/* A zebra that starts again, or frr-reload, shows an empty configuration for a moment. */
#define REMOVE_AFTER_S 15
#define RECORDS_MAX 4000000

static void send_status(struct daemon *d)
{
	char *lines[PROBLEM_COUNT];
	size_t count = 0;

	for (size_t i = 0; i < PROBLEM_COUNT; i++)
		if (d->problems[i][0])
			lines[count++] = d->problems[i];
	if (d->fpm)
		fpm_server_status(d->fpm, lines, count);
}

void daemon_problem(struct daemon *d, enum problem problem, const char *format, ...)
{
	char *text = d->problems[problem], line[ERROR_TEXT_SIZE] = "";
	va_list args;

	if (format) {
		va_start(args, format);
		vsnprintf(line, sizeof(line), format, args);
		va_end(args);
	}
	if (!strcmp(text, line))
		return;
	if (line[0])
		log_error("%s", line);
	else
		log_info("solved: %s", text);
	memcpy(text, line, sizeof(line));
	send_status(d);
}

static void kernel_problem(void *arg, const char *text)
{
	if (text)
		daemon_problem(arg, PROBLEM_KERNEL, "the kernel cannot be put right: %s", text);
	else
		daemon_problem(arg, PROBLEM_KERNEL, NULL);
}

static void addresses_changed(void *arg)
{
	vips_look(arg, VIPS_CHANGED);
}

static void members_changed(void *arg)
{
	members_apply(arg);
}

static const struct kernel_handlers kernel_handlers = {
	.session = sessions_event,
	.sessions_lost = sessions_lost,
	.flow = director_flow,
	.flows_lost = director_flows_lost,
	.stray = rescue_stray,
	.addresses_changed = addresses_changed,
	.problem = kernel_problem,
};

static const struct directory_handlers directory_handlers = {
	.members_changed = members_changed,
	.refused = rescue_refused,
	.ended = rescue_ended,
	.has_session = sessions_has,
};

static struct directory_options directory_options(const struct settings *s)
{
	struct directory_options options = {
		.port = s->directory_port,
		.replicas = s->directory_replicas,
		.ring_members = s->ring_members,
		.local = settings_local_member(s),
		.record_lifetime_s = s->record_lifetime_s,
		.records_max = RECORDS_MAX,
	};

	memcpy(options.key_file, s->key_file, sizeof(options.key_file));
	options.valkey = s->valkey;
	return options;
}

static int open_directory(struct daemon *d, struct error *error)
{
	const struct directory_options options = directory_options(&d->settings);

	return directory_open(d->base, &options, &directory_handlers, d, &d->directory, error);
}

static int open_kernel(struct daemon *d, struct error *error)
{
	const struct settings *s = &d->settings;
	struct kernel_options options = {
		.mark_owner_mask = s->mark_owner_mask,
		.mark_stray_bit = s->mark_stray_bit,
		.mark_tunnel_bit = s->mark_tunnel_bit,
		.mark_path_mask = s->mark_path_mask,
		.flows_max = s->flows_max,
		.flow_lifetime_s = s->flow_lifetime_s,
		.flows_fast_path = s->flows_fast_path,
		.bpf_directory = d->bpf_directory,
		.tunnel_port = s->tunnel_port,
		.tunnel_vni = s->tunnel_vni,
		.queue = s->queue,
		.pins_max = s->pins_max,
		.local_members = {s->local_members[0], s->local_members[1]},
	};

	return kernel_open(d->base, &options, &kernel_handlers, d, &d->kernel, error);
}

/* Pins and owners are what the kernel has, whoever put them there. */
static int take_over(struct daemon *d, struct error *error)
{
	pins_clear(&d->pins);
	d->pins.max = d->settings.pins_max;
	owners_init(&d->owners, d->settings.mark_owner_mask);
	if (kernel_owners_dump(d->kernel, members_adopt_owner, d, error) ||
	    pinning_take_over(d, error) || director_take_over(d, error))
		return -1;
	if (pins_count(&d->pins))
		log_info("pins: %zu taken over from the kernel", pins_count(&d->pins));
	return 0;
}

static void close_both(struct daemon *d, enum kernel_keep keep)
{
	rescue_abandon(d);
	pinning_abandon(d);
	show_flow_abandon(d);
	director_stop(d);
	closings_clear(&d->closings);
	directory_close(d->directory);
	kernel_close(d->kernel, keep);
	d->directory = NULL;
	d->kernel = NULL;
	if (keep != KERNEL_KEEP_ALL)
		pins_clear(&d->pins);
}

static void stop(struct daemon *d, enum kernel_keep keep)
{
	if (!daemon_running(d))
		return;
	if (keep == KERNEL_KEEP_DETOURS)
		drain_stopping(d);
	close_both(d, keep);
	log_info("stopped: %s", keep == KERNEL_KEEP_ALL ? "kernel state stays"
				: keep == KERNEL_KEEP_DETOURS
					? "detours stay, strays are answered by the kernel"
					: "all kernel state removed");
}

static void start(struct daemon *d)
{
	char text[ADDRESS_TEXT_SIZE];
	struct in6_addr local = settings_local_member(&d->settings);
	struct error error;

	if (daemon_running(d) || !d->configured)
		return;
	if (open_directory(d, &error)) {
		daemon_problem(d, PROBLEM_DIRECTORY, "%s", error.text);
		return;
	}
	daemon_problem(d, PROBLEM_DIRECTORY, NULL);
	if (open_kernel(d, &error)) {
		daemon_problem(d, PROBLEM_KERNEL, "%s", error.text);
		directory_close(d->directory);
		d->directory = NULL;
		return;
	}
	d->running = d->settings;
	/* Events first: what begins or ends while the socket table is read is told, too. */
	if (take_over(d, &error) || vips_apply(d, VIPS_START, &error) ||
	    kernel_start(d->kernel, &error) || sessions_read(d, &error) ||
	    vips_apply(d, VIPS_CHANGED, &error)) {
		daemon_problem(d, PROBLEM_KERNEL, "%s", error.text);
		close_both(d, owners_any(&d->owners) ? KERNEL_KEEP_ALL : KERNEL_KEEP_NOTHING);
		return;
	}
	daemon_problem(d, PROBLEM_KERNEL, NULL);
	director_start(d);
	drain_look(d);
	members_apply(d);
	log_info("running: member %s, %zu prefixes, %zu sessions, %zu pins",
		 address_text(&local, text), d->vip_count, directory_published_count(d->directory),
		 pins_count(&d->pins));
}

static bool needs_new_directory(const struct settings *old, const struct settings *new)
{
	return strcmp(old->key_file, new->key_file) || old->directory_port != new->directory_port ||
	       old->directory_replicas != new->directory_replicas ||
	       old->ring_members != new->ring_members ||
	       old->record_lifetime_s != new->record_lifetime_s ||
	       !engine_valkey_equal(&old->valkey, &new->valkey);
}

static bool needs_new_kernel(const struct settings *old, const struct settings *new)
{
	return memcmp(old->local_members, new->local_members, sizeof(old->local_members)) ||
	       old->tunnel_port != new->tunnel_port || old->tunnel_vni != new->tunnel_vni ||
	       old->mark_owner_mask != new->mark_owner_mask ||
	       old->mark_stray_bit != new->mark_stray_bit ||
	       old->mark_tunnel_bit != new->mark_tunnel_bit ||
	       old->mark_path_mask != new->mark_path_mask || old->flows_max != new->flows_max ||
	       old->flow_lifetime_s != new->flow_lifetime_s ||
	       old->flows_fast_path != new->flows_fast_path || old->queue != new->queue ||
	       old->pins_max != new->pins_max;
}

static void clear_problems(struct daemon *d)
{
	for (size_t i = 0; i < PROBLEM_COUNT; i++)
		daemon_problem(d, (enum problem)i, NULL);
}

static void remove_all(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	log_info("the configuration was removed");
	stop(d, KERNEL_KEEP_NOTHING);
	pins_clear(&d->pins);
	clear_problems(d);
	d->vip_count = 0;
	memset(&d->settings, 0, sizeof(d->settings));
}

static void tell_unchanged(struct daemon *d, const char *why)
{
	daemon_problem(d, PROBLEM_CONFIG, "the change is not in effect, configure it again: %s",
		       why);
}

/* Puts a change into effect that takes a new kernel or directory; if that fails, the last one
 * again. */
static void reopen(struct daemon *d, const struct settings *settings)
{
	const struct directory_options options = directory_options(settings);
	const struct settings last = d->running;
	char why[ERROR_TEXT_SIZE];
	struct error error;

	if (directory_check(&options, &error)) {
		tell_unchanged(d, error.text);
		return;
	}

	log_info("the configuration changed: opening anew");
	/* Nothing may go in between: a segment that meets no rule of ours is answered with a RST.
	 */
	close_both(d, KERNEL_KEEP_ALL);
	d->settings = *settings;
	start(d);
	if (daemon_running(d))
		return;
	memcpy(why,
	       d->problems[d->problems[PROBLEM_DIRECTORY][0] ? PROBLEM_DIRECTORY : PROBLEM_KERNEL],
	       sizeof(why));
	d->settings = last;
	start(d);
	if (daemon_running(d))
		tell_unchanged(d, why);
	else
		d->settings = *settings;
}

/* The same if it takes a new directory only: segments, detours and sessions go on as they are. */
static void reopen_directory(struct daemon *d, const struct settings *settings)
{
	const struct directory_options options = directory_options(settings);
	const struct settings last = d->running;
	struct error error, ignored;
	struct flow *flows;
	size_t count;
	bool failed;

	if (directory_check(&options, &error)) {
		tell_unchanged(d, error.text);
		return;
	}
	flows = sessions_published(d, &count);
	if (!flows) {
		tell_unchanged(d, "no memory");
		return;
	}
	log_info("the configuration changed: opening the directory anew");
	rescue_abandon(d);
	pinning_abandon(d);
	show_flow_abandon(d);
	director_abandon(d);
	directory_close(d->directory);
	d->directory = NULL;
	d->settings = *settings;
	failed = open_directory(d, &error);
	if (failed) {
		tell_unchanged(d, error.text);
		d->settings = last;
		if (open_directory(d, &ignored)) {
			daemon_problem(d, PROBLEM_DIRECTORY, "%s", error.text);
			close_both(d, KERNEL_KEEP_ALL);
			d->settings = *settings;
			free(flows);
			return;
		}
	}
	for (size_t i = 0; i < count; i++)
		directory_publish(d->directory, &flows[i]);
	free(flows);
	members_apply(d);
	if (failed)
		return;
	d->running = d->settings;
	vips_look(d, VIPS_CONFIGURED);
}

void daemon_config(struct daemon *d, const Holdfast__Config *config)
{
	const char *missing;
	struct settings settings;
	struct error error;

	/* Each replay begins with it, also one within a connection. */
	routes_replay_begin(&d->routes);
	evtimer_del(d->remove_timer);
	if (settings_from_config(config, &settings, &error)) {
		daemon_problem(d, PROBLEM_CONFIG, "configuration refused, the last one stays: %s",
			       error.text);
		return;
	}
	log_set_debug(settings.debug);
	missing = settings_missing(&settings);
	if (missing) {
		struct timeval wait = {.tv_sec = REMOVE_AFTER_S};
		bool empty = !settings.vip_count && !settings.range_count;

		d->configured = false;
		if (!empty)
			daemon_problem(d, PROBLEM_CONFIG, "%s: nothing is changed until it is",
				       missing);
		else if (!daemon_running(d))
			clear_problems(d);
		else {
			daemon_problem(d, PROBLEM_CONFIG, NULL);
			evtimer_add(d->remove_timer, &wait);
		}
		return;
	}
	daemon_problem(d, PROBLEM_CONFIG, NULL);
	d->configured = true;

	if (daemon_running(d) && needs_new_kernel(&d->running, &settings)) {
		reopen(d, &settings);
	} else if (daemon_running(d) && needs_new_directory(&d->running, &settings)) {
		reopen_directory(d, &settings);
	} else if (daemon_running(d)) {
		d->running = d->settings = settings;
		vips_look(d, VIPS_CONFIGURED);
	} else {
		d->settings = settings;
		start(d);
	}
	/* The member ranges may be others. */
	members_routes_changed(d);
}

void daemon_route(struct daemon *d, const struct prefix_address *prefix, bool connected,
		  const struct route_next_hop *next_hops, size_t count)
{
	switch (routes_update(&d->routes, prefix, connected, next_hops, count)) {
	case 1:
		members_route_changed(d, prefix);
		break;
	case -1:
		log_error("fpm: no room for a route");
		break;
	}
}

static void on_config(void *arg, const Holdfast__Config *config)
{
	if (!stock_refuses(arg))
		daemon_config(arg, config);
}

static void on_route(void *arg, const Holdfast__Route *route)
{
	static struct route_next_hop hops[ROUTE_NEXT_HOPS_MAX];
	struct prefix_address prefix;
	size_t count = route->n_next_hops;

	if (stock_refuses(arg))
		return;
	if (settings_prefix(route->prefix, &prefix)) {
		log_warn("fpm: a route without a prefix: skipped");
		return;
	}
	if (count > ROUTE_NEXT_HOPS_MAX) {
		log_warn("fpm: a route with %zu next hops: only %d are kept", count,
			 ROUTE_NEXT_HOPS_MAX);
		count = ROUTE_NEXT_HOPS_MAX;
	}
	for (size_t i = 0; i < count; i++) {
		const Holdfast__NextHop *hop = route->next_hops[i];

		memset(&hops[i], 0, sizeof(hops[i]));
		if (hop->gateway.len)
			address_from_bytes(hop->gateway.data, hop->gateway.len, &hops[i].gateway);
		snprintf(hops[i].interface, sizeof(hops[i].interface), "%s", hop->interface);
		hops[i].weight = hop->weight;
	}
	daemon_route(arg, &prefix, route->connected, hops, count);
}

static void on_connected(void *arg)
{
	send_status(arg);
}

void daemon_replay_end(struct daemon *d)
{
	size_t gone = routes_replay_end(&d->routes);

	log_debug(TOPIC_FPM, "fpm: replay ended, %zu routes are gone", gone);
	if (!d->replayed)
		d->replayed_ms = clock_ms();
	d->replayed = true;
	members_routes_changed(d);
}

static void on_replay_end(void *arg)
{
	if (!stock_refuses(arg))
		daemon_replay_end(arg);
}

static void on_show(void *arg, const Holdfast__ShowRequest *request)
{
	struct daemon *d = arg;
	char *text;

	if (request->topic == HOLDFAST__SHOW_REQUEST__TOPIC__FLOW) {
		show_flow(d, request);
		return;
	}
	if (request->topic == HOLDFAST__SHOW_REQUEST__TOPIC__CLEAR_PINS) {
		clear_pins(d, request);
		return;
	}
	text = show_render(d, request->topic, request->json);
	fpm_server_show_reply(d->fpm, request->id, text ? text : "% fpmd: no memory\n");
	free(text);
}

static const struct fpm_handlers fpm_handlers = {
	.connected = on_connected,
	.config = on_config,
	.route = on_route,
	.replay_end = on_replay_end,
	.show = on_show,
	.netlink_admits = stock_admits,
	.netlink_connected = stock_connected,
	.netlink_frame = stock_frame,
};

static void tick(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	uint64_t now = clock_ms();
	bool slow = now >= d->slow_tick_ms + SLOW_TICK_MS;

	if (slow)
		d->slow_tick_ms = now;
	stock_tick(d, slow);
	if (!daemon_running(d)) {
		if (slow)
			start(d);
		return;
	}
	sessions_tick(d);
	rescue_tick(d);
	pinning_tick(d);
	members_tick(d);
	director_tick(d);
	if (slow)
		vips_look(d, VIPS_LOOK);
}

int daemon_open(struct event_base *base, const char *socket_path, int bpf_directory,
		struct daemon **out, struct error *error)
{
	struct timeval period = {.tv_usec = TICK_MS * 1000};
	struct daemon *d = calloc(1, sizeof(*d));

	if (!d)
		return error_set(error, "no memory");
	d->base = base;
	d->bpf_directory = bpf_directory;
	d->started_ms = clock_ms();
	d->decide_event = event_new(base, -1, 0, rescue_decide, d);
	d->remove_timer = evtimer_new(base, remove_all, d);
	d->tick_timer = event_new(base, -1, EV_PERSIST, tick, d);
	if (director_open(d) || !d->decide_event || !d->remove_timer || !d->tick_timer ||
	    evtimer_add(d->tick_timer, &period)) {
		daemon_close(d, KERNEL_KEEP_ALL);
		return error_set(error, "no memory");
	}
	if (fpm_server_open(base, socket_path, &fpm_handlers, d, &d->fpm, error)) {
		daemon_close(d, KERNEL_KEEP_ALL);
		return -1;
	}
	log_set_listener(debug_tell, d);
	*out = d;
	return 0;
}

void daemon_close(struct daemon *d, enum kernel_keep keep)
{
	stop(d, keep);
	log_set_listener(NULL, NULL);
	fpm_server_close(d->fpm);
	stock_close(d);
	routes_clear(&d->routes);
	pins_clear(&d->pins);
	director_close(d);
	if (d->decide_event)
		event_free(d->decide_event);
	if (d->remove_timer)
		event_free(d->remove_timer);
	if (d->settle_timer)
		event_free(d->settle_timer);
	if (d->tick_timer)
		event_free(d->tick_timer);
	free(d);
}
