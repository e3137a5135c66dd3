/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands, and the configuration that they change. Main pthread. */
#ifndef HOLDFAST_CLI_H
#define HOLDFAST_CLI_H

#include "zebra-plugin/compat.h"

void holdfast_cli_init(holdfast_loop *loop);
void holdfast_cli_stop(void);

#endif
