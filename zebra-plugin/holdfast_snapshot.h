/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fpmd told last of its state, for the northbound, whose callbacks cannot wait for it: the FPM
 * pthread asks every few seconds, the main pthread has the answer. An answer of more than 1 MiB is
 * not taken.
 */
#ifndef HOLDFAST_SNAPSHOT_H
#define HOLDFAST_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* FPM pthread. */
void holdfast_snapshot_connected(void);
void holdfast_snapshot_disconnected(void);
/* Was it the answer to a question of ours? */
bool holdfast_snapshot_reply(uint32_t id, const char *text, bool last);

/*
 * Main pthread: the JSON object of fpmd's topic STATE, but "counters" has an array "counters" of
 * {group, name, value}, among them the module's own. NULL: none yet. It stays until zebra's loop
 * runs again. *age_ms*: since it came.
 */
json_object *holdfast_snapshot(uint64_t *age_ms);

/* Main pthread, after the FPM pthread ended. */
void holdfast_snapshot_stop(void);

#endif
