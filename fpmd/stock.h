/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host whose zebra has no module of ours: the configuration is read from a file, the routes come
 * from FRR's own module dplane_fpm_nl. That stream has no marker at the end of its replay: a replay
 * counts as complete once nothing has come for STOCK_QUIET_MS.
 */
#ifndef HOLDFAST_STOCK_H
#define HOLDFAST_STOCK_H

#include <sys/socket.h>

#include "fpm/holdfast.pb-c.h"
#include "fpmd/error.h"
#include "fpmd/netlink_routes.h"

/* FRR: SOUTHBOUND_DEFAULT_ADDR and _PORT of zebra/dplane_fpm_nl.c. */
#define STOCK_LISTEN_DEFAULT "127.0.0.1:2620"

/*
 * zebra pauses for up to 1 s within a replay, when its buffer is full (fpm_rib_send()). A replay
 * that is taken for complete too early costs sessions, one that is seen as such later costs nothing
 * but that new strays wait: three times that.
 */
#define STOCK_QUIET_MS 3000
/* Where routes never stop changing. */
#define STOCK_REPLAY_MAX_MS 60000

struct daemon;

struct stock {
	const char *path; /* of the file; NULL: zebra has our module */
	struct netlink_routes routes;
	bool replaying;
	uint64_t replay_ms, heard_ms; /* when the replay began, when the last frame came */
};

/*
 * Reads a file of the format of config_file.h. Returns what zebra's module would send, to be freed
 * with holdfast__frame__free_unpacked(), or NULL with *error*: file, line, fault and remedy.
 */
Holdfast__Frame *stock_read(const char *path, struct error *error);

/*
 * Before the loop runs: takes the configuration from *path* (which stays the caller's, for as long
 * as the daemon lives), listens on *listen*, see fpm_server_listen_netlink().
 */
int stock_open(struct daemon *d, const char *path, const char *listen, struct error *error);

/* Reads the file again. If it is refused, the last configuration stays, and a problem is told. */
void stock_reload(struct daemon *d);

/* Does zebra's own module send what is not wanted here? Tells it as a problem, then. */
bool stock_refuses(struct daemon *d);

/*
 * fpm_server's handlers: *d* is the daemon. Of this host itself only root, fpmd's own user and
 * FRR's are admitted: others could tell false routes.
 */
bool stock_admits(void *d, const struct sockaddr *peer, const struct sockaddr *own);
void stock_connected(void *d);
void stock_frame(void *d, const uint8_t *payload, size_t size);

/* Is called every now and then; *slow*: about every 2 s. */
void stock_tick(struct daemon *d, bool slow);
void stock_close(struct daemon *d);

#endif
