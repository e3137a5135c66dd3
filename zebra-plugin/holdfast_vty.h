/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that show, and debug. Main pthread. */
#ifndef HOLDFAST_VTY_H
#define HOLDFAST_VTY_H

void holdfast_vty_init(void);

#endif
