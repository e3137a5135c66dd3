/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which routes fpmd is told, and when: the dataplane pthread reports each change of a VIP or of a
 * host in a member range, the main pthread replays the RIB.
 */
#ifndef HOLDFAST_ROUTES_H
#define HOLDFAST_ROUTES_H

#include "zebra/zebra_dplane.h"

#include "zebra-plugin/holdfast_config.h"

/* Main pthread. */
int holdfast_routes_init(void);
void holdfast_routes_stop(void);

/* Main pthread: *config* counts from now on. It is sent, and a replay follows. */
void holdfast_routes_config(const struct holdfast_config *config);

/* Main pthread: sends the configuration and all matching routes, then the end marker. */
void holdfast_routes_replay(void);

/* Dataplane pthread: reports the context if it is a route that fpmd wants. */
void holdfast_routes_observe(const struct zebra_dplane_ctx *ctx);

/* How many matching routes the last complete replay sent. */
uint64_t holdfast_routes_count(void);

#endif
