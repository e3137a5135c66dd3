// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `clear holdfast pins`: pins go, and the next segment of each flow is looked up anew. Invariant: a
 * pin that a flow could be lost without stays: one whose owner nobody could ask for now, and one by
 * which a director's flow goes now. Those of the latter are checked at once instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/explain.h"
#include "fpmd/log.h"
#include "fpmd/show_private.h"

#define BATCH 1024

struct filter {
	bool by_owner;
	uint16_t owner;
	const struct pin *only; /* NULL: all of them */
};

struct cleared {
	size_t removed;
	size_t checked; /* a director's flows go by them now */
	size_t kept;	/* their owner is out of reach */
	size_t failed;	/* the kernel did not take it */
};

/* By owner id: has it a route, so that it can be asked? */
static void find_routed(const struct daemon *d, bool routed[OWNER_MAX + 1])
{
	memset(routed, 0, (OWNER_MAX + 1) * sizeof(*routed));
	for (size_t i = 0; i < d->reach.count; i++)
		if (d->reach.hosts[i].routed)
			routed[owner_find(&d->owners, &d->reach.hosts[i].address)] = true;
	routed[OWNER_NONE] = true; /* a pin without an owner */
}

/* Does the flow go by its pin now, where without it another server may reset it? */
static bool carries(struct daemon *d, const struct pin *pin)
{
	const struct vip *vip = vips_find(d, &pin->flow.vip);
	const struct path *path = path_find(&d->director.paths, pin->path);

	if (!vip || !vip->routed || !pin->owner)
		return false;
	return pin->direct || !path || !path->now.up;
}

static bool is_wanted(const struct filter *filter, const struct pin *pin)
{
	return filter->only ? pin == filter->only
			    : !filter->by_owner || pin->owner == filter->owner;
}

static void remove_batch(struct daemon *d, struct flow *flows, size_t *count,
			 struct cleared *cleared)
{
	size_t removed = pinning_remove_flows(d, flows, *count);

	cleared->removed += removed;
	cleared->failed += *count - removed;
	*count = 0;
}

static void clear(struct daemon *d, const struct filter *filter, struct cleared *cleared)
{
	static struct flow flows[BATCH];
	static bool routed[OWNER_MAX + 1];
	struct pin *pin, *next;
	size_t count = 0;

	*cleared = (struct cleared){0};
	find_routed(d, routed);
	HASH_ITER (hh, d->pins.table, pin, next) {
		if (!is_wanted(filter, pin))
			continue;
		if (!routed[pin->owner]) {
			cleared->kept++;
			continue;
		}
		if (carries(d, pin)) {
			pin_doubt(&d->pins, pin, clock_ms());
			cleared->checked++;
			continue;
		}
		flows[count++] = pin->flow;
		if (count == BATCH)
			remove_batch(d, flows, &count, cleared);
	}
	remove_batch(d, flows, &count, cleared);
	d->counters.pins_cleared += cleared->removed;
	/* A director looks for the owners of its flows beforehand, again. */
	d->director.read_all |= cleared->removed > 0 && d->director.routed_count;
	log_info("pins: %zu removed by `clear holdfast pins`, %zu are checked, %zu kept",
		 cleared->removed, cleared->checked, cleared->kept + cleared->failed);
}

static int filter_of(struct daemon *d, const Holdfast__ShowRequest *request, struct filter *filter,
		     struct error *error)
{
	char text[FLOW_TEXT_SIZE];
	struct in6_addr owner;
	struct flow flow;

	*filter = (struct filter){0};
	if (request->flow) {
		if (show_flow_take(request->flow, &flow, error))
			return -1;
		filter->only = pin_find(&d->pins, &flow);
		return filter->only ? 0 : error_set(error, "%s has no pin", flow_text(&flow, text));
	}
	if (!request->owner.len)
		return 0;
	if (address_from_bytes(request->owner.data, request->owner.len, &owner))
		return error_set(error, "fpmd does not understand the question: is it older than "
					"zebra's module?");
	filter->by_owner = true;
	filter->owner = owner_find(&d->owners, &owner);
	return filter->owner ? 0
			     : error_set(error,
					 "%s is no member that pins lead to: see show holdfast "
					 "members",
					 address_text(&owner, text));
}

static json_object *cleared_json(const struct cleared *cleared)
{
	json_object *root = json_object_new_object();

	show_add_number(root, "removed", cleared->removed);
	show_add_number(root, "checked", cleared->checked);
	show_add_number(root, "kept", cleared->kept);
	show_add_number(root, "failed", cleared->failed);
	return root;
}

static void cleared_text(FILE *f, json_object *root)
{
	if (show_value(root, "error")) {
		fprintf(f, "%% %s\n", show_text(root, "error"));
		return;
	}
	fprintf(f, "%llu pins were removed: the next segment of each flow is looked up anew\n",
		(unsigned long long)show_number(root, "removed"));
	if (show_number(root, "checked"))
		fprintf(f,
			"%% %llu pins stay, and are checked now: flows of withdrawn paths, or seen "
			"in mid-life, go by them\n",
			(unsigned long long)show_number(root, "checked"));
	if (show_number(root, "kept"))
		fprintf(f,
			"%% %llu pins stay: their owner is out of reach now, and nobody else knows "
			"the flows\n",
			(unsigned long long)show_number(root, "kept"));
	if (show_number(root, "failed"))
		fprintf(f, "%% %llu pins stay: the kernel refused\n",
			(unsigned long long)show_number(root, "failed"));
}

void clear_pins(struct daemon *d, const Holdfast__ShowRequest *request)
{
	struct cleared cleared;
	struct filter filter;
	struct error error;
	json_object *root;

	if (!daemon_running(d))
		error_set(&error, "fpmd does nothing to any flow now: see show holdfast");
	else if (d->reach.isolated || members_are_unknown(d))
		error_set(&error, "nothing is removed: members are not known now, or all out of "
				  "reach, so that nobody could tell whose the flows are");
	else if (!filter_of(d, request, &filter, &error)) {
		clear(d, &filter, &cleared);
		show_reply(d, request->id, cleared_json(&cleared), request->json, cleared_text);
		return;
	}
	root = json_object_new_object();
	show_add_text(root, "error", error.text);
	show_reply(d, request->id, root, request->json, cleared_text);
}
