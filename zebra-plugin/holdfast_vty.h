/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that show, and debug. Main pthread. */
#ifndef HOLDFAST_VTY_H
#define HOLDFAST_VTY_H

#include <stdbool.h>

#include "lib/vty.h"

void holdfast_vty_init(void);

/* The debug lines of running-config. Returns whether there are any. */
bool holdfast_vty_write_debug(struct vty *vty);

#endif
