/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration in effect. What the northbound commits and the debug commands set comes here,
 * and goes to fpmd once changes have stopped coming. Main pthread.
 */
#ifndef HOLDFAST_ACTIVE_H
#define HOLDFAST_ACTIVE_H

#include "zebra-plugin/compat.h"
#include "zebra-plugin/holdfast_config.h"

void holdfast_active_init(holdfast_loop *loop);
void holdfast_active_stop(void);

/* The whole configuration, but for its debug topics. */
void holdfast_active_set(const struct holdfast_config *config);

/* A set of enum DebugTopic of fpm/holdfast.proto. */
void holdfast_active_set_debug(uint32_t topics);

const struct holdfast_config *holdfast_active(void);

#endif
