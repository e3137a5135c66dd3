/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FPM server. On a unix socket anybody who may open it asks; who sends configuration or routes
 * is zebra's module, one at a time (the last one that did). On a TCP address, if one is given,
 * FRR's own module dplane_fpm_nl sends routes, one at a time (the last one to connect). A frame
 * that cannot be read ends its connection; zebra connects again and replays.
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
	/*
	 * Of dplane_fpm_nl; may be NULL if fpm_server_listen_netlink() is not called. May *peer*
	 * connect to *own*?
	 */
	bool (*netlink_admits)(void *arg, const struct sockaddr *peer, const struct sockaddr *own);
	void (*netlink_connected)(void *arg);
	void (*netlink_frame)(void *arg, const uint8_t *payload, size_t size);
};

struct fpm_counters {
	uint64_t connections;
	uint64_t frames;
	uint64_t bad_frames;	   /* each ended a connection */
	uint64_t unknown_messages; /* skipped */
	uint64_t refused;	   /* connections to the TCP address, by netlink_admits() */
};

/*
 * Listens on *path*. A socket file that a dead fpmd left is replaced; a live one is an error ("fpmd
 * runs already").
 */
int fpm_server_open(struct event_base *base, const char *path, const struct fpm_handlers *handlers,
		    void *arg, struct fpm_server **server, struct error *error);
/* Also removes the socket file. */
void fpm_server_close(struct fpm_server *server);

/*
 * Takes netlink frames, too, on *listen*: "ADDRESS:PORT", "[ADDRESS]:PORT".
 */
int fpm_server_listen_netlink(struct fpm_server *server, const char *listen, struct error *error);

/* Ends the connection of dplane_fpm_nl, which connects again after 3 s and sends all routes. */
void fpm_server_netlink_close(struct fpm_server *server);

/* Is there somebody who sends routes? */
bool fpm_server_connected(const struct fpm_server *server);
const struct fpm_counters *fpm_server_counters(const struct fpm_server *server);

/*
 * Sends the answer to a show request, in as many frames as it takes, to who asked. *id* is that of
 * the request as the handler got it. Dropped if who asked is gone.
 */
void fpm_server_show_reply(struct fpm_server *server, uint32_t id, const char *text);

/* Tells all on the unix socket what stops fpmd from working; *problems* are *count* lines. */
void fpm_server_status(struct fpm_server *server, char **problems, size_t count);

/* Tells zebra's module a line of the log. False: it is not there, or does not read. */
bool fpm_server_log(struct fpm_server *server, const char *line);

#endif
