/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FPM server: takes zebra's stream on a unix socket, one zebra at a time (the last one to connect).
 * A frame that cannot be read ends the connection; zebra's module connects again and replays.
 */
#ifndef HOLDFAST_FPM_SERVER_H
#define HOLDFAST_FPM_SERVER_H

#include <event2/event.h>
#include <stdbool.h>

#include "fpm/holdfast.pb-c.h"
#include "fpmd/error.h"

struct fpm_server;

struct fpm_handlers {
	void (*connected)(void *arg);
	void (*config)(void *arg, const Holdfast__Config *config);
	void (*route)(void *arg, const Holdfast__Route *route);
	void (*replay_end)(void *arg);
	void (*show)(void *arg, const Holdfast__ShowRequest *request);
};

struct fpm_counters {
	uint64_t connections;
	uint64_t frames;
	uint64_t bad_frames;	  /* each ended a connection */
	uint64_t unknown_messages;	  /* skipped */
};

/*
 * Listens on *path*. A socket file that a dead fpmd left is replaced; a live one is an error ("fpmd runs
 * already").
 */
int fpm_server_open(struct event_base *base, const char *path, const struct fpm_handlers *handlers,
		    void *arg, struct fpm_server **server, struct error *error);
/* Also removes the socket file. */
void fpm_server_close(struct fpm_server *server);

bool fpm_server_connected(const struct fpm_server *server);
const struct fpm_counters *fpm_server_counters(const struct fpm_server *server);

/* Sends the answer to a show request, in as many frames as it takes. Dropped if nobody is connected. */
void fpm_server_show_reply(struct fpm_server *server, uint32_t id, const char *text);

/* Tells what stops fpmd from working; *problems* are *count* lines. */
void fpm_server_status(struct fpm_server *server, char **problems, size_t count);

#endif
