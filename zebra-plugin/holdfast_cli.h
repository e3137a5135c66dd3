/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration commands, each a change of the model. They are part of the daemon that FRR
 * gives its configuration to: zebra itself (8.4, 10.3), or mgmtd (10.7). Main pthread.
 */
#ifndef HOLDFAST_CLI_H
#define HOLDFAST_CLI_H

#include <stdbool.h>

#include "lib/sockunion.h"
#include "lib/vty.h"

/*
 * *write* prints the block as part of the daemon's running-config, *leave* is called when a
 * terminal leaves it and returns 1; NULL: there is nothing to do.
 */
void holdfast_cli_init(int (*write)(struct vty *vty), int (*leave)(struct vty *vty));

/* Of the daemon that has the commands: */

/* Applies what was enqueued. Returns what a command returns. */
int holdfast_cli_apply(struct vty *vty);

/* Whether the address is one of this host's, in the default VRF. */
bool holdfast_cli_address_is_local(const union sockunion *address);

#endif
