/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of `show holdfast ...` share. Each topic is first made as a JSON object; the text
 * for people is rendered from the same object, so that both always agree.
 */
#ifndef HOLDFAST_SHOW_PRIVATE_H
#define HOLDFAST_SHOW_PRIVATE_H

#include <json-c/json.h>
#include <stdio.h>

#include "fpmd/daemon.h"

/* show_json.c */
void show_add_text(json_object *o, const char *key, const char *text);
void show_add_number(json_object *o, const char *key, uint64_t value);
void show_add_bool(json_object *o, const char *key, bool value);
void show_add_address(json_object *o, const char *key, const struct in6_addr *address);
/* The value of a key; "", 0 or NULL if there is none. */
const char *show_text(json_object *o, const char *key);
uint64_t show_number(json_object *o, const char *key);
json_object *show_value(json_object *o, const char *key);
/* "12ms", "3.4s", "1h05m" */
void show_duration(FILE *f, uint64_t ms);

/* show.c */
/* What programs get of a topic. */
json_object *show_topic_json(struct daemon *d, Holdfast__ShowRequest__Topic topic);
json_object *show_summary_json(struct daemon *d, bool with_next_hops);
/* The members, at most *rows* of them. */
json_object *show_members_json(struct daemon *d, size_t rows);
void show_add_flow(json_object *o, const struct flow *flow);

/* show_flow.c */
/* Answers with *root*, which is freed: as JSON, or as what *text* prints of it. */
void show_reply(struct daemon *d, uint32_t id, json_object *root, bool json,
		void (*text)(FILE *f, json_object *root));
/* A flow that can have a session. Returns 0, or -1 with *error* set. */
int show_flow_take(const Holdfast__Flow *wire, struct flow *flow, struct error *error);

/* show_drain.c */
json_object *show_drain_json(struct daemon *d);
void show_drain_text(FILE *f, json_object *drain);

/* show_state.c */
json_object *show_state_json(struct daemon *d);

/* show_paths.c */
/* At most so many paths. */
json_object *show_paths_json(struct daemon *d, size_t rows_max);
void show_paths_text(FILE *f, json_object *root);
/* What this host does for a VIP: "served", "kept" (for sessions of an address that went), "routed",
 * "neither" or "refused". */
const char *show_role(const struct vip *vip);

#endif
