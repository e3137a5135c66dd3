/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where zebra's configuration comes from, which is Holdfast's, too: zebra's own terminal and file
 * (holdfast_frontend_zebra.c; FRR 8.4, 10.3), or mgmtd (holdfast_frontend_mgmtd.c; 10.7). The build
 * takes one. Main pthread.
 */
#ifndef HOLDFAST_FRONTEND_H
#define HOLDFAST_FRONTEND_H

#include "zebra-plugin/compat.h"

/* While zebra loads its modules. */
void holdfast_frontend_start(void);

/* When the model is known. */
void holdfast_frontend_init(holdfast_loop *loop);

/* Before zebra ends. */
void holdfast_frontend_stop(void);

/*
 * The transaction that is being checked may be all the configuration that zebra has: to refuse it
 * for our block would leave zebra without any. holdfast_frontend_delivered() says that it was
 * taken.
 */
bool holdfast_frontend_delivers_all(void);
void holdfast_frontend_delivered(void);

/* Why there is no configuration, and what to do. */
const char *holdfast_frontend_unconfigured(void);

/*
 * `drain`, or `no drain`, by the RPC: in running-config as if it had been typed, at once or soon.
 * Returns what an RPC's callback returns, with the error in *errmsg*.
 */
int holdfast_frontend_drain(bool drain, char *errmsg, size_t errmsg_len);

#endif
