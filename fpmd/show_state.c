// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state of fpmd in one JSON object, for the northbound of zebra's module: what the topics of
 * `show holdfast` say, but few rows of what may be many, for zebra walks through them, and takes no
 * more than 1 MiB.
 */
#include "fpmd/show_private.h"

#define ROWS_MAX 500

/* Whom the pins lead to. */
static json_object *pins_by_owner(struct daemon *d)
{
	json_object *root = json_object_new_object(), *list = json_object_new_array();

	for (uint32_t id = 1; id <= d->owners.max && json_object_array_length(list) < ROWS_MAX;
	     id++) {
		const struct owner *owner = &d->owners.table[id];
		json_object *o;

		if (!owner->pins)
			continue;
		o = json_object_new_object();
		show_add_number(o, "ownerId", id);
		show_add_address(o, "address", &owner->address);
		show_add_number(o, "pins", owner->pins);
		json_object_array_add(list, o);
	}
	show_add_number(root, "count", pins_count(&d->pins));
	show_add_number(root, "max", d->pins.max);
	json_object_object_add(root, "owners", list);
	return root;
}

json_object *show_state_json(struct daemon *d)
{
	json_object *root = json_object_new_object();

	json_object_object_add(root, "summary", show_summary_json(d, false));
	json_object_object_add(root, "paths", show_paths_json(d, ROWS_MAX));
	json_object_object_add(root, "directory",
			       show_topic_json(d, HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY));
	json_object_object_add(root, "counters",
			       show_topic_json(d, HOLDFAST__SHOW_REQUEST__TOPIC__COUNTERS));
	json_object_object_add(root, "members", show_members_json(d, ROWS_MAX));
	json_object_object_add(root, "pins", pins_by_owner(d));
	return root;
}
