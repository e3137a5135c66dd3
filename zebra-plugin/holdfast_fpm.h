/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to fpmd. A pthread of its own runs it, so that neither zebra nor its dataplane
 * ever waits for fpmd; the functions below hand over to it.
 */
#ifndef HOLDFAST_FPM_H
#define HOLDFAST_FPM_H

#include <stdbool.h>
#include <stdint.h>

#include "fpmd/error.h"
#include "zebra-plugin/compat.h"
#include "zebra-plugin/holdfast_queue.h"

#define HOLDFAST_PROBLEMS_MAX 16

struct holdfast_fpm_state {
	char path[108];
	bool enabled;
	bool connected;
	char reason[64]; /* why not */
	size_t problem_count;
	struct error problems[2 * HOLDFAST_PROBLEMS_MAX]; /* of the configuration, and fpmd's */
	uint64_t overflows, dropped;
	unsigned int queue_fill; /* percent */
};

/*
 * Main pthread. *path*: fpmd's socket. *replay* is called in the main pthread when fpmd has to be
 * told everything: it shall call holdfast_fpm_open(). Returns 0, or -1 (logged).
 */
int holdfast_fpm_init(const char *path, void (*replay)(void));
int holdfast_fpm_start(void);	/* after the fork */
void holdfast_fpm_enable(void); /* begins to connect; before, nothing is configured */
void holdfast_fpm_stop(void);	/* joins the pthread; frames are refused from now on */
void holdfast_fpm_fini(void);	/* when no other pthread pushes any more */

/* Any pthread; see holdfast_queue.h. */
enum holdfast_push holdfast_fpm_open(const uint8_t *frame, size_t size);
enum holdfast_push holdfast_fpm_push(const uint8_t *frame, size_t size);
unsigned int holdfast_fpm_queue_fill(void);
bool holdfast_fpm_connected(void);
void holdfast_fpm_state_get(struct holdfast_fpm_state *state);

/* Main pthread: what is wrong with the configuration, for show. */
void holdfast_fpm_config_problems(const struct error *problems, size_t count);

/* The FPM pthread's loop, from start to fini. */
holdfast_loop *holdfast_fpm_loop(void);

/* FPM pthread: sends one frame besides the queue. Returns 0, or -1 when there is no room now. */
int holdfast_fpm_send(const uint8_t *frame, size_t size);

#endif
