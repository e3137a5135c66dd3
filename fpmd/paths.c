// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/paths_compare.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static struct hop *hop_of(const struct comparison *c, const struct path *path)
{
	return comparison_hop(c, &path->now.hop.gateway, path->now.hop.interface);
}

static void path_drop(struct paths *paths, uint16_t id)
{
	paths->remove[id] |= paths->table[id]->told.id != 0;
	free(paths->table[id]);
	paths->table[id] = NULL;
	paths->count--;
}

static void set_state(struct path *path, enum path_state state, uint64_t now_ms)
{
	if (path->state != state)
		path->since_ms = now_ms;
	path->state = state;
	path->now.offered = state == PATH_IN_USE;
	path->now.up = state != PATH_FAILED;
}

static void fail(struct paths *paths, struct path *path, uint64_t now_ms)
{
	path->frozen = false;
	path->vips = 0;
	path->weight = 0;
	set_state(path, PATH_FAILED, now_ms);
	/* Nothing can have taken it. */
	if (!path->told.id)
		path_drop(paths, path->now.id);
}

/* The id that can best be spared; 0: each is in use. */
static uint16_t id_to_reuse(const struct paths *paths)
{
	const struct path *best = NULL;

	for (unsigned int id = 1; id <= paths->max; id++) {
		const struct path *path = paths->table[id];

		if (path->state != PATH_FAILED && path->state != PATH_SUPERSEDED)
			continue;
		if (!best || (path->state == PATH_FAILED) > (best->state == PATH_FAILED) ||
		    (path->state == best->state && path->since_ms < best->since_ms))
			best = path;
	}
	return best ? best->now.id : 0;
}

static uint16_t id_take(struct paths *paths)
{
	uint16_t id = paths->last;

	if (!paths->max)
		return 0;
	for (unsigned int i = 0; i < paths->max; i++) {
		id = id < paths->max ? (uint16_t)(id + 1) : 1;
		if (!paths->table[id])
			return id;
	}
	id = id_to_reuse(paths);
	if (id) {
		path_drop(paths, id);
		paths->ids_reused++;
	}
	return id;
}

static struct path *path_add(struct paths *paths, uint16_t id)
{
	struct path *path = calloc(1, sizeof(*path));

	if (!path)
		return NULL;
	path->now.id = id;
	paths->table[id] = path;
	paths->count++;
	return path;
}

static void make(struct paths *paths, const struct hop *hop, int family, uint64_t now_ms)
{
	uint16_t id = id_take(paths);
	struct path *path = id ? path_add(paths, id) : NULL;

	if (!path) {
		paths->without_id++;
		return;
	}
	paths->last = id;
	path->now.family = family ? AF_INET6 : AF_INET;
	path->now.hop.gateway = hop->key.gateway;
	memcpy(path->now.hop.interface, hop->key.interface, sizeof(path->now.hop.interface));
	path->now.shared = hop->family[family].members != 1;
	if (!path->now.shared)
		path->now.member = hop->family[family].member->address;
	path->since_ms = now_ms;
	path->weight = hop->family[family].weight;
	path->vips = hop->family[family].vips;
	path->members = (uint16_t)hop->family[family].members;
	set_state(path, PATH_IN_USE, now_ms);
}

/* Of two that might be the next hop's path, while nobody says whom it leads to. */
static bool is_more_recent(const struct path *path, const struct path *than)
{
	if (path->state != than->state)
		return path->state < than->state;
	return path->since_ms > than->since_ms;
}

/* The path that the next hop is, by whom it leads to now. That nobody is known changes nothing, nor
 * do the first of several that come back (*waiting*). */
static struct path *choose(const struct hop *hop, int family, bool waiting)
{
	size_t members = hop->family[family].members;
	struct path *path, *best = NULL;

	LL_FOREACH(hop->family[family].paths, path)
	{
		if (waiting && path->frozen && path->now.shared && path->state == PATH_IN_USE)
			return path;
		if (!members) {
			if (path->state != PATH_SUPERSEDED && (!best || is_more_recent(path, best)))
				best = path;
		} else if (path->now.shared
				   ? members > 1
				   : members == 1 &&
					     address_equal(&path->now.member,
							   &hop->family[family].member->address)) {
			best = path;
		}
	}
	return best;
}

/* A VIP's route has the next hop. */
static void use(const struct paths *paths, struct hop *hop, int family, uint64_t now_ms)
{
	bool waiting = now_ms < paths->thaw_ms;
	struct path *chosen = choose(hop, family, waiting), *path;

	hop->family[family].seen = true;
	hop->family[family].wanted = !chosen;
	if (chosen && hop->family[family].members)
		chosen->members = (uint16_t)hop->family[family].members;
	LL_FOREACH(hop->family[family].paths, path)
	{
		path->frozen &= waiting && path == chosen && path->now.shared &&
				hop->family[family].members < 2;
		path->vips = path == chosen ? hop->family[family].vips : 0;
		path->weight = path == chosen ? hop->family[family].weight : 0;
		set_state(path, path == chosen ? PATH_IN_USE : PATH_SUPERSEDED, now_ms);
	}
}

/* No VIP's route has the path's next hop. */
static void leave(struct paths *paths, struct path *path, const struct hop *hop, uint64_t now_ms)
{
	if (path->frozen && now_ms < paths->thaw_ms)
		return;
	if (hop->alive) {
		path->frozen = false;
		path->vips = 0;
		path->weight = 0;
		set_state(path, path->state == PATH_SUPERSEDED ? PATH_SUPERSEDED : PATH_DRAINED,
			  now_ms);
	} else {
		fail(paths, path, now_ms);
	}
}

/* The path's own way. One that failed has none: its next hop, if a route has it again, is another
 * path. */
static bool is_own(const struct path *path, const struct route_next_hop *hop)
{
	return path->now.up && address_equal(&hop->gateway, &path->now.hop.gateway) &&
	       !strcmp(hop->interface, path->now.hop.interface);
}

static void set_backup(struct path *path, const struct paths_route *member)
{
	struct kernel_path *now = &path->now;

	/* Its host was cut off or ours was: what was known of it last is all there is. */
	if (member && !member->owner && !member->hop_count)
		return;
	memset(&now->backup_owner, 0, sizeof(now->backup_owner));
	memset(now->backup, 0, sizeof(now->backup));
	now->backup_count = 0;
	if (!member)
		return;
	if (member->owner) {
		now->backup_owner = member->address;
		return;
	}
	for (size_t i = 0; i < member->hop_count; i++) {
		struct kernel_next_hop *backup = &now->backup[now->backup_count];

		if (!hop_is_usable(&member->hops[i]) || is_own(path, &member->hops[i]))
			continue;
		backup->gateway = member->hops[i].gateway;
		interface_copy(backup->interface, member->hops[i].interface);
		if (++now->backup_count == KERNEL_BACKUP_HOPS_MAX)
			return;
	}
}

static void set_backups(struct paths *paths, const struct comparison *c)
{
	for (unsigned int id = 1; id <= paths->max; id++) {
		struct path *path = paths->table[id];
		const struct paths_route *member;

		if (!path || path->now.shared)
			continue;
		member = comparison_member(c, &path->now.member);
		if (!member && path->state == PATH_FAILED)
			path_drop(paths, path->now.id); /* its flows are, too */
		else
			set_backup(path, member);
	}
}

static void make_wanted(struct paths *paths, const struct comparison *c, uint64_t now_ms)
{
	paths->without_id = 0;
	for (size_t i = 0; i < c->view->vip_count; i++) {
		const struct paths_route *vip = &c->view->vips[i];
		int family = family_index(&vip->address);

		for (size_t j = 0; j < vip->hop_count; j++) {
			struct hop *hop =
				comparison_hop(c, &vip->hops[j].gateway, vip->hops[j].interface);

			if (!hop || !hop->family[family].wanted)
				continue;
			hop->family[family].wanted = false;
			make(paths, hop, family, now_ms);
			/* An earlier fpmd's paths are still on their way. */
			if (paths->adopted)
				paths->thaw_ms = now_ms + REACH_LEARN_MS;
		}
	}
}

static void freeze(struct paths *paths)
{
	if (paths->cut_off)
		return;
	paths->cut_off = true;
	paths->adopted = false;
	paths->thaw_ms = 0;
	for (unsigned int id = 1; id <= paths->max; id++)
		if (paths->table[id] && paths->table[id]->now.up)
			paths->table[id]->frozen = true;
}

static void settle(struct paths *paths, struct comparison *c, uint64_t now_ms)
{
	if (paths->cut_off) {
		paths->cut_off = false;
		paths->thaw_ms = now_ms + REACH_RETURN_MS;
	} else if (paths->adopted && !paths->thaw_ms) {
		paths->thaw_ms = now_ms + REACH_LEARN_MS;
	}
	for (unsigned int id = 1; id <= paths->max; id++) {
		struct path *path = paths->table[id];
		struct hop *hop = path && path->now.up ? hop_of(c, path) : NULL;
		int family = path ? path_family(path) : 0;

		if (!hop || hop->family[family].seen)
			continue;
		if (hop->family[family].vips)
			use(paths, hop, family, now_ms);
		else
			leave(paths, path, hop, now_ms);
	}
	for (struct hop *hop = c->hops; hop; hop = hop->hh.next)
		for (int family = 0; family < FAMILIES; family++)
			if (hop->family[family].vips && !hop->family[family].seen)
				use(paths, hop, family, now_ms);
	make_wanted(paths, c, now_ms);
	set_backups(paths, c);
	if (now_ms >= paths->thaw_ms) {
		paths->thaw_ms = 0;
		paths->adopted = false;
	}
}

/* Only what no other change of this moment can take back. */
static void fail_lost(struct paths *paths, const struct comparison *c, uint64_t now_ms)
{
	for (unsigned int id = 1; id <= paths->max; id++) {
		struct path *path = paths->table[id];

		if (path && path->now.up && !path->frozen && c->vip_has_hops[path_family(path)] &&
		    !hop_of(c, path)->alive)
			fail(paths, path, now_ms);
	}
}

int paths_update(struct paths *paths, const struct paths_view *view, bool settled, uint64_t now_ms)
{
	struct comparison c;

	if (comparison_make(&c, paths, view))
		return -1;
	if (c.any && settled)
		settle(paths, &c, now_ms);
	else if (c.any)
		fail_lost(paths, &c, now_ms);
	else if (settled)
		freeze(paths);
	comparison_free(&c);
	return 0;
}

bool paths_thaw_is_due(const struct paths *paths, uint64_t now_ms)
{
	return paths->thaw_ms && now_ms >= paths->thaw_ms;
}

void paths_init(struct paths *paths, uint32_t mask)
{
	uint32_t largest = mask ? mask >> __builtin_ctz(mask) : 0;

	memset(paths, 0, sizeof(*paths));
	paths->max = largest < KERNEL_PATH_MAX ? (uint16_t)largest : KERNEL_PATH_MAX;
}

void paths_clear(struct paths *paths)
{
	for (unsigned int id = 1; id <= paths->max; id++) {
		free(paths->table[id]);
		paths->table[id] = NULL;
		paths->remove[id] = false;
	}
	paths->count = 0;
}

int paths_adopt(struct paths *paths, const struct kernel_path *from, uint64_t now_ms)
{
	struct path *path;

	if (!from->id || from->id > paths->max || paths->table[from->id])
		return -1;
	path = path_add(paths, from->id);
	if (!path)
		return -1;
	path->now.family = from->family;
	path->now.hop.gateway = from->hop.gateway;
	interface_copy(path->now.hop.interface, from->hop.interface);
	path->now.member = from->member;
	path->now.shared = from->shared;
	path->now.backup_owner = from->backup_owner;
	for (size_t i = 0; i < from->backup_count && i < KERNEL_BACKUP_HOPS_MAX; i++) {
		path->now.backup[i].gateway = from->backup[i].gateway;
		interface_copy(path->now.backup[i].interface, from->backup[i].interface);
		path->now.backup_count++;
	}
	path->since_ms = now_ms;
	path->frozen = from->up;
	set_state(path,
		  !from->up	  ? PATH_FAILED
		  : from->offered ? PATH_IN_USE
				  : PATH_DRAINED,
		  now_ms);
	/* A path that was withdrawn is not offered, whatever is said. */
	memcpy(&path->told, &path->now, sizeof(path->told));
	path->told.offered = from->offered;
	paths->adopted |= path->frozen;
	if (from->id > paths->last)
		paths->last = from->id;
	return 0;
}

/* In which turn a change is told: what fails at once, and an id is offered when the one before is
 * not any more. */
static int turn_of(const struct path *path)
{
	return !path->now.up ? 0 : !path->now.offered ? 1 : 2;
}

size_t paths_report(struct paths *paths, paths_report_fn *fn, void *arg)
{
	size_t failed = 0;

	for (unsigned int id = 1; id <= paths->max; id++) {
		if (!paths->remove[id])
			continue;
		if (fn(arg, (uint16_t)id, NULL))
			failed++;
		else
			paths->remove[id] = false;
	}
	for (int turn = 0; turn < 3; turn++) {
		for (unsigned int id = 1; id <= paths->max; id++) {
			struct path *path = paths->table[id];

			if (!path || turn_of(path) != turn || paths->remove[id] ||
			    !memcmp(&path->now, &path->told, sizeof(path->now)))
				continue;
			if (fn(arg, (uint16_t)id, &path->now))
				failed++;
			else
				memcpy(&path->told, &path->now, sizeof(path->told));
		}
	}
	return failed;
}

void paths_counted(struct paths *paths, const struct kernel_path_flows *counts, size_t count,
		   uint64_t now_ms)
{
	for (unsigned int id = 1; id <= paths->max; id++) {
		struct path *path = paths->table[id];

		if (!path)
			continue;
		path->counted = id < count ? counts[id] : (struct kernel_path_flows){0};
		if (path->state != PATH_IN_USE && !path->frozen && !path->counted.flows &&
		    !path->counted.probation && now_ms >= path->since_ms + PATH_REST_MS)
			path_drop(paths, path->now.id);
	}
}

const struct path *path_find(const struct paths *paths, uint16_t id)
{
	return id <= paths->max ? paths->table[id] : NULL;
}

const char *path_state_text(enum path_state state)
{
	switch (state) {
	case PATH_IN_USE:
		return "in-use";
	case PATH_DRAINED:
		return "drained";
	case PATH_SUPERSEDED:
		return "superseded";
	case PATH_FAILED:
		return "failed";
	}
	return "?";
}
