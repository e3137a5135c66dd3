/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Relay of the show commands. The command is suspended at once; a duplicate of vtysh's descriptor
 * goes to the FPM pthread, which asks fpmd and writes the answer and vtysh's trailer. The vty
 * is not touched again, so it may go away at any time.
 */
#ifndef HOLDFAST_SHOW_H
#define HOLDFAST_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/vty.h"

#include "zebra-plugin/holdfast_wire.h"

/* As Holdfast__ShowRequest__Topic. */
enum holdfast_topic {
	SHOW_SUMMARY,
	SHOW_MEMBERS,
	SHOW_PINS,
	SHOW_SESSIONS,
	SHOW_DIRECTORY,
	SHOW_COUNTERS,
	SHOW_PATHS,
	SHOW_FLOW,
	SHOW_CLEAR_PINS, /* which shows what it has done */
};

/* Main pthread. Returns a CMD_ value, CMD_SUSPEND when the answer is to come. */
int holdfast_show_begin(struct vty *vty, const struct holdfast_question *question);

/* Main pthread: says why there is no answer. Returns CMD_WARNING. */
int holdfast_show_unconnected(struct vty *vty, bool configured, bool json);

/* Main pthread: prints what the module itself knows. */
void holdfast_show_module(struct vty *vty);

/* FPM pthread: a part of an answer came; the connection ended. */
void holdfast_show_reply(uint32_t id, const char *text, bool last);
void holdfast_show_disconnected(void);

/* After the FPM pthread ended: gives up on every request. */
void holdfast_show_stop(void);

#endif
