// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Members: routes become reachable hosts, those in the ring become owners in the kernel. A member
 * that is gone loses its pins at once; when all are gone together, nothing changes. Invariant: the
 * kernel is told of a way to an owner once, when it changes.
 */
#include <stdlib.h>

#include "fpmd/daemon.h"
#include "fpmd/log.h"

bool members_is_local(const struct daemon *d, const struct in6_addr *address)
{
	return address_equal(address, &d->settings.local_members[0]) ||
	       address_equal(address, &d->settings.local_members[1]);
}

bool members_are_unknown(const struct daemon *d)
{
	return !d->replayed || reach_is_learning(&d->reach, d->replayed_ms, clock_ms());
}

static bool wanted(const void *arg, const struct in6_addr *address)
{
	const struct daemon *d = arg;

	return settings_in_member_range(&d->settings, address) && !members_is_local(d, address);
}

size_t members_routed(const struct daemon *d, struct in6_addr *out, size_t max)
{
	return routes_hosts(&d->routes, wanted, d, out, max);
}

/* That those who are known have no session says nothing while others may be unknown. */
enum directory_answer members_answer(const struct daemon *d, const struct directory_result *result)
{
	return result->answer == DIRECTORY_ABSENT && members_are_unknown(d) ? DIRECTORY_TIMED_OUT
									    : result->answer;
}

uint16_t members_owner(struct daemon *d, const struct in6_addr *address)
{
	uint16_t id = owner_find(&d->owners, address);
	char text[ADDRESS_TEXT_SIZE];
	struct error error;

	if (id || !reach_has(&d->reach, address))
		return id;
	id = owner_retain(&d->owners, address, clock_ms());
	if (!id) {
		if (!d->counters.owners_exhausted++)
			log_error("members: no mark id is free for %s: widen `mark owner-mask`",
				  address_text(address, text));
		return OWNER_NONE;
	}
	if (kernel_owner_set(d->kernel, id, address, &error)) {
		daemon_problem(d, PROBLEM_OWNER, "members: no detour can be made to %s: %s",
			       address_text(address, text), error.text);
		owner_release(&d->owners, id, clock_ms());
		return OWNER_NONE;
	}
	daemon_problem(d, PROBLEM_OWNER, NULL);
	log_debug(TOPIC_MEMBERS, "members: %s is owner %u", address_text(address, text), id);
	return id;
}

/* Tells the kernel the owner's way as it is now. */
static void put_way(struct daemon *d, const struct owner *owner, const struct route *route)
{
	const struct route_next_hop *hop =
		owner->steering.way ? &route->next_hops[owner->steering.way - 1] : NULL;
	char text[ADDRESS_TEXT_SIZE];
	struct error error;

	log_debug(TOPIC_MEMBERS, "members: detours to %s: %s%s",
		  address_text(&owner->address, text), hop ? "by " : "by the routing table",
		  hop ? hop->interface : "");
	if (!kernel_owner_steer(d->kernel, &owner->address, hop ? &hop->gateway : NULL,
				hop ? hop->interface : NULL, &error))
		d->counters.detours_steered += !!hop;
	else if (!d->steer_failed) {
		d->steer_failed = true;
		log_warn("members: detours to %s: %s", text, error.text);
	}
}

void members_steer(struct daemon *d, uint16_t id, const char *interface)
{
	struct owner *owner = &d->owners.table[id];
	struct prefix_address prefix = {.address = owner->address, .length = 128};
	const struct route *route = routes_find(&d->routes, &prefix);

	if (route && steer_stray(&owner->steering, route->next_hops, route->next_hop_count,
				 interface, clock_ms()))
		put_way(d, owner, route);
}

static void end_steering(struct daemon *d, struct owner *owner)
{
	if (steer_end(&owner->steering) && daemon_running(d))
		put_way(d, owner, NULL);
}

void members_steer_end(struct daemon *d)
{
	for (uint16_t id = 1; id <= d->owners.max; id++)
		end_steering(d, &d->owners.table[id]);
}

static void remove_gone(struct daemon *d)
{
	d->owners_left = false;
	for (uint16_t id = 1; id <= d->owners.max; id++) {
		struct owner *owner = &d->owners.table[id];
		unsigned long long pins = owner->pins;
		char text[ADDRESS_TEXT_SIZE];
		struct error error;

		if (!owner->used || reach_has(&d->reach, &owner->address))
			continue;
		if (!rescue_owner_gone(d, id)) {
			d->owners_left = true;
			continue;
		}
		log_info("members: %s is gone: %llu detours to it removed",
			 address_text(&owner->address, text), pins);
		end_steering(d, owner);
		if (kernel_owner_remove(d->kernel, id, &error))
			log_warn("members: %s: %s", text, error.text);
		owner_release(&d->owners, id, clock_ms());
	}
}

static void add_new(struct daemon *d)
{
	static struct directory_member members[REACH_MAX];
	size_t count = directory_members(d->directory, members, REACH_MAX);

	if (count > REACH_MAX)
		count = REACH_MAX;
	for (size_t i = 0; i < count; i++) {
		uint16_t id = OWNER_NONE;

		if (!members[i].local && members[i].state != MEMBER_ROUTED)
			id = members_owner(d, &members[i].address);
		if (id)
			d->owners.table[id].director = members[i].director;
	}
}

/* The ring or what it rests on changed. */
void members_apply(struct daemon *d)
{
	static struct in6_addr hosts[REACH_MAX];

	if (!daemon_running(d))
		return;
	for (size_t i = 0; i < d->reach.count; i++)
		hosts[i] = d->reach.hosts[i].address;
	directory_reachable_set(d->directory, hosts, d->reach.count);
	if (d->replayed)
		remove_gone(d);
	add_new(d);
	if (!d->settle_since_ms)
		director_settled(d);
}

static void settled(struct daemon *d)
{
	static struct in6_addr hosts[REACH_MAX];
	size_t count = members_routed(d, hosts, REACH_MAX);
	bool was_isolated = d->reach.isolated;

	d->settle_since_ms = 0;
	reach_update(&d->reach, hosts, count, clock_ms());
	if (d->reach.isolated && !was_isolated) {
		d->counters.isolations++;
		log_warn(
			"members: all %zu members vanished at once: this host is cut off; all detours stay",
			d->reach.count);
	} else if (!d->reach.isolated && was_isolated) {
		log_info("members: %zu of %zu members are back", count, d->reach.count);
	}
	if (daemon_running(d))
		vips_look(d, VIPS_LOOK);
	members_apply(d);
}

static void settle_due(evutil_socket_t fd, short what, void *arg)
{
	settled(arg);
}

void members_routes_changed(struct daemon *d)
{
	uint64_t now = clock_ms();
	struct timeval wait = {.tv_usec = REACH_SETTLE_MS * 1000};

	if (!d->replayed)
		return;
	if (!d->settle_timer)
		d->settle_timer = evtimer_new(d->base, settle_due, d);
	if (!d->settle_since_ms)
		d->settle_since_ms = now;
	if (!d->settle_timer || now >= d->settle_since_ms + REACH_SETTLE_MAX_MS)
		settled(d);
	else
		evtimer_add(d->settle_timer, &wait);
}

void members_route_changed(struct daemon *d, const struct prefix_address *prefix)
{
	uint16_t id = prefix->length == 128 ? owner_find(&d->owners, &prefix->address) : OWNER_NONE;

	/* The routing protocol has an answer now. */
	if (id)
		end_steering(d, &d->owners.table[id]);
	members_routes_changed(d);
	director_routes_changed(d);
}

/* An owner that an earlier fpmd left in the kernel: reachable until a replay and time say
 * otherwise. */
void members_adopt_owner(void *arg, uint16_t id, const struct in6_addr *address)
{
	struct daemon *d = arg;
	char text[ADDRESS_TEXT_SIZE];

	if (owner_adopt(&d->owners, id, address)) {
		log_warn("members: owner %u (%s) in the kernel does not fit the mark: left alone",
			 id, address_text(address, text));
		return;
	}
	reach_adopt(&d->reach, address, clock_ms());
}

void members_tick(struct daemon *d)
{
	uint64_t now = clock_ms();

	if (d->owners_left)
		members_apply(d);
	for (uint16_t id = 1; id <= d->owners.max; id++)
		if (steer_is_due(&d->owners.table[id].steering, now))
			end_steering(d, &d->owners.table[id]);
	if (reach_expire(&d->reach, now)) {
		log_info("members: some did not come back in %d s", REACH_RETURN_MS / 1000);
		members_apply(d);
	}
}
