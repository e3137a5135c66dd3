// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of `show holdfast` about a drain: since when, what is left, and how old it is. */
#include "fpmd/show_private.h"

static const char *const age_keys[DRAIN_AGES] = {"underMinute", "under10Minutes", "underHour",
						 "underDay", "older"};
static const char *const age_words[DRAIN_AGES] = {"under 1 min", "under 10 min", "under 1 h",
						  "under 1 day", "older"};

json_object *show_drain_json(struct daemon *d)
{
	static struct kernel_address_away away[KERNEL_ADDRESSES_AWAY_MAX];
	json_object *root = json_object_new_object(), *ages = json_object_new_object(),
		    *addresses = json_object_new_array();
	size_t count = daemon_running(d)
			       ? kernel_addresses_away(d->kernel, away, KERNEL_ADDRESSES_AWAY_MAX)
			       : 0;
	struct drain_sessions left;

	drain_sessions(d, &left);
	show_add_number(root, "sinceMsec", drain_age_ms(d));
	show_add_number(root, "sessions", left.count);
	show_add_number(root, "oldestMsec", left.oldest_ms);
	for (size_t i = 0; i < DRAIN_AGES; i++)
		show_add_number(ages, age_keys[i], left.ages[i]);
	json_object_object_add(root, "ages", ages);
	show_add_bool(root, "done", d->drain.done_ms);
	if (d->drain.done_ms)
		show_add_number(root, "doneMsecAgo", clock_ms() - d->drain.done_ms);
	for (size_t i = 0; i < count && i < KERNEL_ADDRESSES_AWAY_MAX; i++)
		json_object_array_add(addresses, json_object_new_string(away[i].words));
	json_object_object_add(root, "addressesAway", addresses);
	return root;
}

void show_drain_text(FILE *f, json_object *root)
{
	json_object *addresses = show_value(root, "addressesAway"),
		    *ages = show_value(root, "ages");

	fprintf(f, "  draining for ");
	show_duration(f, show_number(root, "sinceMsec"));
	if (json_object_get_boolean(show_value(root, "done"))) {
		fprintf(f, ": done, no session is left for ");
		show_duration(f, show_number(root, "doneMsecAgo"));
	} else {
		fprintf(f, ": %llu sessions are left",
			(unsigned long long)show_number(root, "sessions"));
		if (show_number(root, "sessions")) {
			fprintf(f, ", the oldest known for ");
			show_duration(f, show_number(root, "oldestMsec"));
		}
	}
	fprintf(f, "\n");
	if (show_number(root, "sessions")) {
		fprintf(f, "    by age:");
		for (size_t i = 0; i < DRAIN_AGES; i++)
			fprintf(f, "%s %llu %s", i ? "," : "",
				(unsigned long long)show_number(ages, age_keys[i]), age_words[i]);
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < json_object_array_length(addresses); i++)
		fprintf(f, "    away until `no drain`: %s\n",
			json_object_get_string(json_object_array_get_idx(addresses, i)));
}
