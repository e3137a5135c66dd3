// SPDX-License-Identifier: GPL-2.0-or-later
/* `show holdfast paths`: a director's next hops, whom they lead to, and the flows on them. */
#include <string.h>

#include "fpmd/director.h"
#include "fpmd/show_private.h"

const char *show_role(const struct vip *vip)
{
	return vip->refused.text[0] ? "refused"
	       : vip->local	    ? "served"
	       : vip->served	    ? "kept"
	       : vip->routed	    ? "routed"
				    : "neither";
}

struct rows {
	json_object *list;
	size_t max;
};

static void add_path(void *arg, const struct director_path *shown)
{
	struct rows *rows = arg;
	static const struct in6_addr none;
	const struct path *path = shown->path;
	const struct kernel_path *now = &path->now;
	json_object *o;

	if (json_object_array_length(rows->list) >= rows->max)
		return;
	o = json_object_new_object();
	show_add_number(o, "id", now->id);
	show_add_text(o, "family", now->family == AF_INET ? "ipv4" : "ipv6");
	show_add_text(o, "interface", now->hop.interface);
	show_add_address(o, "gateway", &now->hop.gateway);
	show_add_text(o, "state", path_state_text(path->state));
	show_add_number(o, "sinceMsec", clock_ms() - path->since_ms);
	show_add_number(o, "weight", path->weight);
	show_add_number(o, "prefixes", path->vips);
	if (!address_equal(&now->member, &none))
		show_add_address(o, "member", &now->member);
	show_add_number(o, "members", shown->members);
	show_add_bool(o, "newFlows", now->offered);
	show_add_bool(o, "up", now->up);
	if (!address_equal(&now->backup_owner, &none))
		show_add_address(o, "backupOwner", &now->backup_owner);
	show_add_number(o, "backupNextHops", now->backup_count);
	show_add_number(o, "flows", path->counted.flows);
	show_add_number(o, "probation", path->counted.probation);
	show_add_number(o, "ownersKnown", shown->owners_known);
	show_add_number(o, "lookupsOutstanding", shown->lookups_outstanding);
	json_object_array_add(rows->list, o);
}

json_object *show_paths_json(struct daemon *d, size_t rows_max)
{
	json_object *root = json_object_new_object(), *prefixes = json_object_new_array(),
		    *paths = json_object_new_array();
	struct rows rows = {.list = paths, .max = rows_max};

	for (size_t i = 0; i < d->vip_count; i++) {
		json_object *o = json_object_new_object();

		show_add_address(o, "prefix", &d->vips[i].address);
		show_add_text(o, "role", show_role(&d->vips[i]));
		json_object_array_add(prefixes, o);
	}
	show_add_text(root, "role", settings_role_text(d->settings.role));
	show_add_number(root, "pathMask", d->settings.mark_path_mask);
	json_object_object_add(root, "prefixes", prefixes);
	show_add_number(root, "flows", d->director.flows);
	show_add_number(root, "probation", d->director.probation);
	show_add_number(root, "flowsMax", d->settings.flows_max);
	show_add_number(root, "flowLifetimeSec", d->settings.flow_lifetime_s);
	show_add_bool(root, "fastPath", d->settings.flows_fast_path);
	show_add_bool(root, "recordsOutliveFpmd", d->bpf_directory >= 0);
	director_paths_each(d, add_path, &rows);
	json_object_object_add(root, "paths", paths);
	return root;
}

static void leads_to(json_object *o, char *text, size_t size)
{
	if (show_value(o, "member"))
		snprintf(text, size, "%s", show_text(o, "member"));
	else if (show_number(o, "members"))
		snprintf(text, size, "%llu members", (unsigned long long)show_number(o, "members"));
	else
		snprintf(text, size, "not known");
}

static void path_text(FILE *f, json_object *o)
{
	char member[64];

	leads_to(o, member, sizeof(member));
	fprintf(f, "%4llu %-4s %-15s %-39s %-10s ", (unsigned long long)show_number(o, "id"),
		show_text(o, "family"), show_text(o, "interface"), show_text(o, "gateway"),
		show_text(o, "state"));
	fprintf(f, "%6llu %-39s %9llu %9llu %9llu %8llu ",
		(unsigned long long)show_number(o, "weight"), member,
		(unsigned long long)show_number(o, "flows"),
		(unsigned long long)show_number(o, "probation"),
		(unsigned long long)show_number(o, "ownersKnown"),
		(unsigned long long)show_number(o, "lookupsOutstanding"));
	show_duration(f, show_number(o, "sinceMsec"));
	fputc('\n', f);
}

void show_paths_text(FILE *f, json_object *root)
{
	json_object *prefixes = show_value(root, "prefixes"), *paths = show_value(root, "paths");

	if (!strcmp(show_text(root, "role"), "server"))
		fprintf(f, "This host directs nothing: it has `role server`.\n");
	else if (!show_number(root, "pathMask"))
		fprintf(f, "This host directs nothing: it has no `mark path-mask`.\n");
	for (size_t i = 0; i < json_object_array_length(prefixes); i++) {
		json_object *o = json_object_array_get_idx(prefixes, i);

		fprintf(f, "prefix %s: %s\n", show_text(o, "prefix"), show_text(o, "role"));
	}
	fprintf(f,
		"%llu flows are recorded, at most %llu, each until %llu s after its last packet;",
		(unsigned long long)show_number(root, "flows"),
		(unsigned long long)show_number(root, "flowsMax"),
		(unsigned long long)show_number(root, "flowLifetimeSec"));
	fprintf(f, " %llu more are on probation\n",
		(unsigned long long)show_number(root, "probation"));
	fprintf(f, "%s\n",
		json_object_get_boolean(show_value(root, "recordsOutliveFpmd"))
			? "records outlive fpmd"
			: "% records end with fpmd: it has no directory on a bpffs, its log says why");
	if (!json_object_array_length(paths))
		return;
	fprintf(f, "%4s %-4s %-15s %-39s %-10s %6s %-39s %9s %9s %9s %8s %s\n", "Id", "",
		"Interface", "Next hop", "State", "Weight", "Leads to", "Flows", "Probation",
		"Owners", "Look-ups", "Since");
	for (size_t i = 0; i < json_object_array_length(paths); i++)
		path_text(f, json_object_array_get_idx(paths, i));
}
