// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A director's paths: routes go into paths.c, what comes out goes to the kernel. Invariant: what
 * the kernel did not take is told again.
 */
#include "fpmd/director.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/daemon.h"
#include "fpmd/log.h"

#define TELL_AGAIN_MS 1000
#define SWEEP_MIN_MS 1000
#define SWEEP_MAX_MS 5000
#define SWEEP_PIECE_MS 5
#define SWEEP_FLOWS_PER_MS 100
/* The table of flows has room again when for so long none found it full. */
#define FULL_OVER_MS 30000

static void look_due(evutil_socket_t fd, short what, void *arg);
static void sweep_due(evutil_socket_t fd, short what, void *arg);

int director_open(struct daemon *d)
{
	struct director *director = &d->director;

	director->look_event = event_new(d->base, -1, 0, look_due, d);
	director->work_event = event_new(d->base, -1, 0, director_work, d);
	director->sweep_timer = evtimer_new(d->base, sweep_due, d);
	return director->look_event && director->work_event && director->sweep_timer ? 0 : -1;
}

void director_close(struct daemon *d)
{
	struct director *director = &d->director;

	if (director->look_event)
		event_free(director->look_event);
	if (director->work_event)
		event_free(director->work_event);
	if (director->sweep_timer)
		event_free(director->sweep_timer);
	paths_clear(&director->paths);
	free(director->ended);
}

static void adopt(void *arg, const struct kernel_path *path)
{
	struct daemon *d = arg;

	if (paths_adopt(&d->director.paths, path, clock_ms()))
		log_warn("paths: %u in the kernel does not fit the mark: left alone", path->id);
}

int director_take_over(struct daemon *d, struct error *error)
{
	struct director *director = &d->director;

	paths_init(&director->paths, d->settings.mark_path_mask);
	pendings_clear(&director->pendings);
	director->pendings.max = d->settings.pins_max;
	director->routed_told = false;
	director->routed_count = 0;
	if (kernel_paths_each(d->kernel, adopt, d, error))
		return -1;
	director->presume = director->paths.count > 0;
	if (director->presume)
		log_info("paths: %zu taken over from the kernel", director->paths.count);
	return 0;
}

void director_start(struct daemon *d)
{
	struct director *director = &d->director;

	director->swept_ms = clock_ms();
	director->full = director->full_ms = director->reused = 0;
	/* The table is another one, or will be found full again. */
	daemon_problem(d, PROBLEM_FLOWS, NULL);
	director->read_all = director->presume;
	director->read_all_ms = 0;
}

void director_stop(struct daemon *d)
{
	struct director *director = &d->director;

	director_abandon(d);
	pendings_clear(&director->pendings);
	paths_clear(&director->paths);
	memset(director->path_pins, 0, sizeof(director->path_pins));
	memset(director->read, 0, sizeof(director->read));
	director->read_any = director->read_all = director->untold = false;
	director->ended_count = 0;
	director->flows = director->probation = 0;
	director->sweeping = false;
	event_del(director->sweep_timer);
	event_del(director->look_event);
	event_del(director->work_event);
}

int director_routed_set(struct daemon *d, const struct in6_addr *vips, size_t count,
			struct error *error)
{
	struct director *director = &d->director;

	if (director->routed_told && director->routed_count == count &&
	    !memcmp(director->routed, vips, count * sizeof(*vips)))
		return 0;
	director->routed_told = false;
	if (kernel_routed_set(d->kernel, vips, count, error))
		return -1;
	memcpy(director->routed, vips, count * sizeof(*vips));
	director->routed_count = count;
	director->routed_told = true;
	return 0;
}

/* -- routes to paths -- */

static struct paths_route route_of(const struct daemon *d, const struct in6_addr *address)
{
	struct prefix_address prefix = {.address = *address, .length = 128};
	const struct route *route = routes_find(&d->routes, &prefix);
	struct paths_route result = {.address = *address};

	if (route && !route->connected) {
		result.hops = route->next_hops;
		result.hop_count = route->next_hop_count;
	}
	return result;
}

static size_t other_directors(const struct daemon *d, struct in6_addr *out)
{
	size_t count = 0;

	for (uint16_t id = 1; id <= d->owners.max; id++)
		if (d->owners.table[id].used && d->owners.table[id].director)
			out[count++] = d->owners.table[id].address;
	return count;
}

static bool is_among(const struct in6_addr *list, size_t count, const struct in6_addr *address)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&list[i], address))
			return true;
	return false;
}

/* A path to another director is no path to a VIP. */
static int update(struct daemon *d, bool settled)
{
	static struct paths_route vips[SETTINGS_VIPS_MAX], members[2 * REACH_MAX];
	static struct in6_addr hosts[REACH_MAX], directors[OWNER_MAX];
	struct paths_view view = {.vips = vips, .members = members};
	size_t count = members_routed(d, hosts, REACH_MAX);
	size_t director_count = other_directors(d, directors);

	for (size_t i = 0; i < d->director.routed_count; i++)
		vips[view.vip_count++] = route_of(d, &d->director.routed[i]);
	for (size_t i = 0; i < count; i++)
		if (!is_among(directors, director_count, &hosts[i]))
			members[view.member_count++] = route_of(d, &hosts[i]);
	/* Those that this host only believes in, since it was cut off. */
	for (size_t i = 0; i < d->reach.count; i++)
		if (!d->reach.hosts[i].routed &&
		    !is_among(directors, director_count, &d->reach.hosts[i].address))
			members[view.member_count++] =
				(struct paths_route){.address = d->reach.hosts[i].address};
	for (size_t i = 0; settled && i < view.member_count; i++)
		members[i].owner = owner_find(&d->owners, &members[i].address);
	return paths_update(&d->director.paths, &view, settled, clock_ms());
}

/* -- paths to the kernel -- */

struct telling {
	struct daemon *d;
	struct error error;
	size_t failed;
	uint16_t failed_paths[KERNEL_PATH_MAX];
};

static void say(const struct path *path, uint16_t id)
{
	char gateway[ADDRESS_TEXT_SIZE], member[ADDRESS_TEXT_SIZE];
	const struct kernel_path *now = &path->now;

	if (path->told.id && path->told.up == now->up && path->told.offered == now->offered)
		return;
	log_info("paths: %u (%s, %s, IPv%c) is %s, leads to %s", id, now->hop.interface,
		 address_text(&now->hop.gateway, gateway), now->family == AF_INET ? '4' : '6',
		 path_state_text(path->state),
		 now->shared ? "several members" : address_text(&now->member, member));
}

static int tell_path(void *arg, uint16_t id, const struct kernel_path *kernel_path)
{
	struct telling *telling = arg;
	struct daemon *d = telling->d;
	const struct path *path;

	if (!kernel_path) {
		if (kernel_path_remove(d->kernel, id, &telling->error))
			return -1;
		log_info("paths: %u is free", id);
		return 0;
	}
	path = path_find(&d->director.paths, id);
	if (kernel_path_set(d->kernel, kernel_path, &telling->error))
		return -1;
	if (path->told.id && path->told.up && !kernel_path->up) {
		telling->failed_paths[telling->failed++] = id;
		d->counters.paths_failed++;
	}
	say(path, id);
	return 0;
}

static void tell(struct daemon *d)
{
	static struct telling telling;
	struct director *director = &d->director;
	size_t left;

	telling.d = d;
	telling.failed = 0;
	left = paths_report(&director->paths, tell_path, &telling);
	director->untold = left;
	director->tell_ms = clock_ms();
	if (left)
		daemon_problem(d, PROBLEM_PATHS, "paths: %s; tried again every %d s",
			       telling.error.text, TELL_AGAIN_MS / 1000);
	else
		daemon_problem(d, PROBLEM_PATHS, NULL);
	for (size_t i = 0; i < telling.failed; i++)
		director_path_failed(d, telling.failed_paths[i]);
}

/* The configuration leaves the director out: its paths go at once, whatever flows they had. */
static void forget_paths(struct daemon *d)
{
	struct paths *paths = &d->director.paths;
	struct error error;

	for (uint16_t id = 1; id <= paths->max; id++)
		if (path_find(paths, id) && kernel_path_remove(d->kernel, id, &error)) {
			d->director.untold = true;
			d->director.tell_ms = clock_ms();
			daemon_problem(d, PROBLEM_PATHS, "paths: %s; tried again every %d s",
				       error.text, TELL_AGAIN_MS / 1000);
			return;
		}
	daemon_problem(d, PROBLEM_PATHS, NULL);
	daemon_problem(d, PROBLEM_PATH_IDS, NULL);
	d->director.untold = false;
	paths_clear(paths);
	paths_init(paths, d->settings.mark_path_mask);
	log_info("paths: all are gone, this host directs no prefix any more");
}

static void look(struct daemon *d, bool settled)
{
	struct director *director = &d->director;

	if (!daemon_running(d) || !d->replayed ||
	    (!director->routed_count && !director->paths.count))
		return;
	if (!director_is_possible(&d->settings)) {
		if (director->paths.count)
			forget_paths(d);
		return;
	}
	if (update(d, settled)) {
		log_error("paths: no memory for a change of routes");
		return;
	}
	tell(d);
	if (!settled)
		return;
	if (director->paths.without_id)
		daemon_problem(d, PROBLEM_PATH_IDS,
			       "paths: %zu next hops have no id, their flows are not recorded: "
			       "widen `mark path-mask`",
			       director->paths.without_id);
	else
		daemon_problem(d, PROBLEM_PATH_IDS, NULL);
	d->counters.path_ids_reused += director->paths.ids_reused - director->reused;
	if (director->paths.ids_reused && !director->reused)
		log_warn("paths: no id was free, one that flows may still carry is used again: "
			 "widen `mark path-mask`");
	director->reused = director->paths.ids_reused;
	if (director->presume && !director->paths.cut_off && !director->paths.thaw_ms) {
		director->presume = false;
		vips_look(d, VIPS_LOOK);
	}
}

static void look_due(evutil_socket_t fd, short what, void *arg)
{
	look(arg, false);
}

void director_routes_changed(struct daemon *d)
{
	if (daemon_running(d) && d->replayed && d->director.routed_count)
		event_active(d->director.look_event, EV_TIMEOUT, 0);
}

void director_settled(struct daemon *d)
{
	look(d, true);
}

/* -- counting -- */

static void look_at_room(struct daemon *d, uint64_t now)
{
	static struct kernel_counter counters[64];
	size_t count = kernel_counters(d->kernel, counters, 64);
	struct director *director = &d->director;

	for (size_t i = 0; i < count && i < 64; i++) {
		if (strcmp(counters[i].name, "flows-full"))
			continue;
		if (counters[i].value > director->full)
			director->full_ms = now;
		director->full = counters[i].value;
	}
	if (!director->full_ms)
		return;
	if (now >= director->full_ms + FULL_OVER_MS) {
		director->full_ms = 0;
		daemon_problem(d, PROBLEM_FLOWS, NULL);
		return;
	}
	daemon_problem(d, PROBLEM_FLOWS,
		       "flows: %" PRIu32 " are recorded at most: others go by ECMP alone and move "
		       "with it; raise `flows max`",
		       d->settings.flows_max);
}

static uint64_t sweep_interval_ms(const struct daemon *d)
{
	uint64_t interval = d->settings.flow_lifetime_s * 1000ull / 10;
	uint64_t least = (d->director.flows + d->director.probation) / SWEEP_FLOWS_PER_MS;

	if (interval > SWEEP_MAX_MS)
		interval = SWEEP_MAX_MS;
	if (interval < least)
		interval = least;
	return interval < SWEEP_MIN_MS ? SWEEP_MIN_MS : interval;
}

static void swept(struct daemon *d, const struct kernel_path_flows *counts)
{
	struct director *director = &d->director;

	director->flows = director->probation = 0;
	for (size_t id = 0; id <= KERNEL_PATH_MAX; id++) {
		director->flows += counts[id].flows;
		director->probation += counts[id].probation;
	}
	paths_counted(&director->paths, counts, KERNEL_PATH_MAX + 1, director->swept_ms);
	tell(d);
	look_at_room(d, clock_ms());
}

/* One piece. */
static void sweep(struct daemon *d)
{
	static struct kernel_path_flows counts[KERNEL_PATH_MAX + 1];
	struct timeval wait = {.tv_usec = SWEEP_PIECE_MS * 1000};
	struct director *director = &d->director;
	struct error error;
	int status;

	if (!director->sweeping)
		director->swept_ms = clock_ms();
	director->sweeping = true;
	status = kernel_flows_sweep(d->kernel, counts, KERNEL_PATH_MAX + 1, &error);
	if (!status) {
		evtimer_add(director->sweep_timer, &wait);
		return;
	}
	director->sweeping = false;
	if (status < 0) {
		daemon_problem(d, PROBLEM_SWEEP, "flows: %s", error.text);
		return;
	}
	daemon_problem(d, PROBLEM_SWEEP, NULL);
	swept(d, counts);
}

static void sweep_due(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	if (daemon_running(d))
		sweep(d);
}

void director_tick(struct daemon *d)
{
	struct director *director = &d->director;
	uint64_t now = clock_ms();

	if (!director->routed_count && !director->paths.count)
		return;
	if (paths_thaw_is_due(&director->paths, now))
		look(d, true);
	else if (director->untold && now >= director->tell_ms + TELL_AGAIN_MS)
		director_is_possible(&d->settings) ? tell(d) : forget_paths(d);
	if (!director->sweeping && now >= director->swept_ms + sweep_interval_ms(d))
		sweep(d);
	director_flows_tick(d);
}

void director_paths_each(struct daemon *d, director_path_fn *fn, void *arg)
{
	const struct director *director = &d->director;

	for (uint16_t id = 1; id <= director->paths.max; id++) {
		struct director_path shown = {.path = path_find(&director->paths, id)};

		if (!shown.path)
			continue;
		shown.owners_known = shown.path->now.shared ? director->path_pins[id]
							    : shown.path->counted.flows;
		shown.members = shown.path->members;
		shown.lookups_outstanding = director->pendings.path_count[id];
		fn(arg, &shown);
	}
}
