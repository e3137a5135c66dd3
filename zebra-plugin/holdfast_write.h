/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of the block `holdfast` in running-config: what differs from the defaults. */
#ifndef HOLDFAST_WRITE_H
#define HOLDFAST_WRITE_H

#include "lib/vty.h"

#include "zebra-plugin/holdfast_config.h"

void holdfast_write_block(struct vty *vty, const struct holdfast_config *config);

#endif
