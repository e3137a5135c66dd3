// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A director's flows: the owners of those that may need one are looked up in the background, and
 * pinned, many in one transaction. Nothing waits for it: the kernel sends the segments on
 * meanwhile. Invariant: a flow gets a pin only to the owner that the directory named.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fpmd/daemon.h"
#include "fpmd/log.h"

#define LOOKUP_DEADLINE_MS 1000
/* Questions under way; strays have the rest of what the directory takes. */
#define ASKING_MAX 2048
/* The same of flows in mid-life, which anybody can make up, and how many begin in a tick. */
#define ADOPTED_ASKING_MAX 512
#define ADOPTED_PER_TICK 1000
#define BATCH 1024
#define READ_ALL_MS 5000

static bool is_routed(const struct daemon *d, const struct in6_addr *vip)
{
	for (size_t i = 0; i < d->director.routed_count; i++)
		if (address_equal(&d->director.routed[i], vip))
			return true;
	return false;
}

/* Owners have addresses of their VIPs' family, and so has this host if it is to reach them. */
static bool may_have_owner(const struct daemon *d, const struct flow *flow)
{
	struct in6_addr local = settings_local_member(&d->settings);

	return address_is_ipv4(&local) == address_is_ipv4(&flow->vip) && flow_is_valid(flow) &&
	       is_routed(d, &flow->vip);
}

static void work_soon(struct daemon *d)
{
	event_active(d->director.work_event, EV_TIMEOUT, 0);
}

void director_unpinned(struct daemon *d, uint16_t path)
{
	if (path)
		d->director.path_pins[path]--;
}

void director_pin_path(struct daemon *d, struct pin *pin, uint16_t path)
{
	if (!path || path > KERNEL_PATH_MAX || pin->path == path)
		return;
	director_unpinned(d, pin->path);
	pin->path = path;
	d->director.path_pins[path]++;
}

/*
 * A flow that the kernel saw in mid-life goes the path it was sent by only if that leads to nobody
 * else: a leaf may choose another server than the one that has the session. A flow whose path is
 * withdrawn was sent by another one by now, or soon is.
 */
static bool needs_direct(const struct daemon *d, uint16_t path, uint16_t owner)
{
	const struct path *recorded = path_find(&d->director.paths, path);

	return !recorded || !address_equal(&recorded->now.member, &d->owners.table[owner].address);
}

/* -- what the kernel tells -- */

static struct pending *want(struct daemon *d, const struct flow *flow, uint16_t path,
			    enum pending_class class)
{
	struct pending *pending = pending_add(&d->director.pendings, flow, path, class, clock_ms());

	if (!pending) {
		d->counters.flows_left_out++;
		return NULL;
	}
	pending->user = d;
	work_soon(d);
	return pending;
}

static bool is_withdrawn(const struct daemon *d, uint16_t path)
{
	const struct path *recorded = path_find(&d->director.paths, path);

	return !recorded || !recorded->now.up;
}

static void flush_ended(struct daemon *d)
{
	struct director *director = &d->director;

	d->counters.pins_flow_ended +=
		pinning_remove_flows(d, director->ended, director->ended_count);
	director->ended_count = 0;
}

static void ended(struct daemon *d, const struct flow *flow)
{
	struct director *director = &d->director;
	struct pending *pending = pending_find(&director->pendings, flow);

	if (pending)
		pending_forget(&director->pendings, pending);
	if (!pin_find(&d->pins, flow))
		return;
	if (!director->ended)
		director->ended = calloc(BATCH, sizeof(*director->ended));
	if (!director->ended)
		return; /* the next check of the pin finds out */
	director->ended[director->ended_count++] = *flow;
	if (director->ended_count == BATCH)
		flush_ended(d);
	work_soon(d);
}

static void began(struct daemon *d, const struct flow *flow, uint16_t path)
{
	struct pending *pending =
		want(d, flow, path, is_withdrawn(d, path) ? PENDING_URGENT : PENDING_BEGAN);

	d->counters.flows_began++;
	if (pending)
		pending->adopted = false;
}

static void adopted(struct daemon *d, const struct flow *flow, uint16_t path)
{
	struct pending *pending;
	const struct pin *pin;

	d->counters.flows_adopted++;
	if (d->director.ended_count)
		flush_ended(d);
	pin = pin_find(&d->pins, flow);
	if (pin && !pin->owner)
		return;
	pending = want(d, flow, path, PENDING_ADOPTED);
	if (!pending)
		return;
	pending->adopted = true;
	if (pending->state == PENDING_FOUND)
		pending->direct = needs_direct(d, path, pending->owner);
	if (pin && pending->state != PENDING_ASKING && pending->state != PENDING_FOUND)
		pending_found(&d->director.pendings, pending, pin->owner,
			      needs_direct(d, path, pin->owner));
}

void director_flow(void *arg, const struct flow *flow, uint16_t path, enum kernel_flow_event event)
{
	struct daemon *d = arg;

	if (event == KERNEL_FLOW_ENDED)
		ended(d, flow);
	else if (!may_have_owner(d, flow))
		d->counters.flows_left_out++;
	else if (event == KERNEL_FLOW_BEGAN)
		began(d, flow, path);
	else
		adopted(d, flow, path);
}

void director_flows_lost(void *arg)
{
	struct daemon *d = arg;

	d->counters.flow_events_lost++;
	d->director.read_all = true;
}

/* A flow that is there: nobody told of it, or it was given up. */
static void found_in_kernel(void *arg, const struct flow *flow, uint16_t path)
{
	struct daemon *d = arg;
	struct pin *pin = pin_find(&d->pins, flow);

	if (pin) {
		director_pin_path(d, pin, path);
		return;
	}
	if (pending_find(&d->director.pendings, flow) || !may_have_owner(d, flow))
		return;
	want(d, flow, path, is_withdrawn(d, path) ? PENDING_STRANDED : PENDING_ADOPTED);
}

static void read_flows(struct daemon *d, uint16_t path)
{
	struct error error;

	if (kernel_flows_each(d->kernel, path, found_in_kernel, d, &error))
		log_warn("flows: %s", error.text);
}

/* Those of withdrawn paths; all of them not often, it takes its time. */
static void read_due(struct daemon *d)
{
	struct director *director = &d->director;
	uint64_t now = clock_ms();

	if (director->read_any)
		for (uint16_t path = 1; path <= director->paths.max; path++)
			if (director->read[path])
				read_flows(d, path);
	director->read_any = false;
	memset(director->read, 0, sizeof(director->read));
	if (director->read_all && d->replayed && director->routed_count &&
	    (!director->read_all_ms || now >= director->read_all_ms + READ_ALL_MS)) {
		director->read_all = false;
		director->read_all_ms = now;
		read_flows(d, 0);
	}
}

void director_path_failed(struct daemon *d, uint16_t path)
{
	struct director *director = &d->director;

	pending_hurry(&director->pendings, path);
	/* Those that are known are asked for at once, before others are even looked for. */
	director_work(-1, 0, d);
	director->read[path] = director->read_any = true;
	work_soon(d);
}

/* -- look-ups -- */

/* The owner's id; 0: there is none now that a flow could be sent to. */
static uint16_t usable_owner(struct daemon *d, const struct flow *flow,
			     const struct in6_addr *owner)
{
	if (members_is_local(d, owner) || !reach_has(&d->reach, owner) ||
	    reach_in_doubt(&d->reach, owner, clock_ms()) ||
	    address_is_ipv4(owner) != address_is_ipv4(&flow->vip))
		return OWNER_NONE;
	return members_owner(d, owner);
}

static void answered(void *arg, const struct directory_result *result)
{
	struct pending *pending = arg;
	struct daemon *d = pending->user;
	struct pendings *pendings = &d->director.pendings;
	uint16_t owner = OWNER_NONE;

	work_soon(d);
	d->counters.flow_lookup_messages += result->messages;
	if (!pending_answered(pendings, pending))
		return;
	if (pending->again) {
		pending_put_back(pendings, pending);
		return;
	}
	if (result->answer == DIRECTORY_FOUND) {
		d->counters.flow_lookups_found++;
		owner = usable_owner(d, &pending->flow, &result->owner);
	}
	if (owner)
		pending_found(pendings, pending, owner,
			      (pending->adopted || is_withdrawn(d, pending->path)) &&
				      needs_direct(d, pending->path, owner));
	else if (!pending_again(pendings, pending, result->answer != DIRECTORY_TIMED_OUT,
				clock_ms()))
		d->counters.flow_lookups_given_up++;
}

/* False: the directory takes no more now. */
static bool ask(struct daemon *d, struct pending *pending)
{
	if (!directory_get_record(d->directory, &pending->flow, LOOKUP_DEADLINE_MS, answered,
				  pending)) {
		d->counters.flow_lookups++;
		return true;
	}
	pending_put_back(&d->director.pendings, pending);
	return false;
}

static size_t asking(const struct pendings *pendings)
{
	size_t count = 0;

	for (int class = PENDING_URGENT; class < PENDING_ADOPTED; class ++)
		count += pendings->outstanding[class];
	return count;
}

static void ask_for_due(struct daemon *d)
{
	struct director *director = &d->director;
	struct pendings *pendings = &director->pendings;
	uint64_t now = clock_ms();
	struct pending *pending;

	/* There is nobody to ask, or nobody whose answer counts. */
	if (!d->replayed || d->reach.isolated || !d->reach.count)
		return;
	for (enum pending_class class = PENDING_URGENT; class < PENDING_ADOPTED; class ++)
		while (asking(pendings) < ASKING_MAX &&
		       (pending = pending_take(pendings, class, now)))
			if (!ask(d, pending))
				return;
	while (director->adopted_left &&
	       pendings->outstanding[PENDING_ADOPTED] < ADOPTED_ASKING_MAX &&
	       (pending = pending_take(pendings, PENDING_ADOPTED, now))) {
		director->adopted_left--;
		if (!ask(d, pending))
			return;
	}
}

/* -- pins -- */

static void flush_found(struct daemon *d)
{
	static struct pin_wish wishes[BATCH];
	static struct pending *wanting[BATCH];
	struct pendings *pendings = &d->director.pendings;

	while (pendings->found) {
		struct pending *pending;
		size_t count = 0;

		for (pending = pendings->found; pending && count < BATCH; pending = pending->next) {
			wishes[count] = (struct pin_wish){.flow = pending->flow,
							  .owner = pending->owner,
							  .direct = pending->direct,
							  .path = pending->path};
			wanting[count++] = pending;
		}
		d->counters.flow_pins += pinning_put(d, wishes, count);
		for (size_t i = 0; i < count; i++) {
			if (wishes[i].done)
				pending_forget(pendings, wanting[i]);
			else
				pending_again(pendings, wanting[i], true, clock_ms());
		}
	}
}

void director_work(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	if (!daemon_running(d))
		return;
	flush_ended(d);
	flush_found(d);
	ask_for_due(d);
	/* Those that are known to need it come first: to read all takes its time. */
	if (what && !d->director.pendings.count[PENDING_URGENT])
		read_due(d);
}

void director_owner_gone(struct daemon *d, uint16_t owner)
{
	struct pendings *pendings = &d->director.pendings;
	struct pending *pending, *next;

	for (pending = pendings->found; pending; pending = next) {
		next = pending->next;
		if (pending->owner == owner)
			pending_again(pendings, pending, true, clock_ms());
	}
}

/* Does a withdrawn path send what has no better way to the member? */
static bool is_backup(const struct daemon *d, const struct in6_addr *member)
{
	for (uint16_t id = 1; id <= d->director.paths.max; id++) {
		const struct path *path = path_find(&d->director.paths, id);

		if (path && !path->now.up && address_equal(&path->now.backup_owner, member))
			return true;
	}
	return false;
}

void director_disowned(struct daemon *d, const struct in6_addr *member, const struct flow *flow,
		       bool refused)
{
	struct pendings *pendings = &d->director.pendings;
	struct pending *pending = pending_find(pendings, flow);
	struct pin_wish nobody = {.flow = *flow, .direct = true};

	if (pending && pending->state == PENDING_FOUND &&
	    address_equal(&d->owners.table[pending->owner].address, member))
		pending_again(pendings, pending, true, clock_ms());
	/* The client is not to wait for an answer for ever: any server resets it. */
	if (refused && is_routed(d, &flow->vip) && is_backup(d, member))
		d->counters.flows_reset += pinning_put(d, &nobody, 1);
}

void director_abandon(struct daemon *d)
{
	pendings_unask(&d->director.pendings);
}

void director_flows_tick(struct daemon *d)
{
	d->director.adopted_left = ADOPTED_PER_TICK;
	director_work(-1, EV_TIMEOUT, d);
}
