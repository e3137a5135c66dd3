/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration commands, each a transaction of the northbound. Main pthread. */
#ifndef HOLDFAST_CLI_H
#define HOLDFAST_CLI_H

void holdfast_cli_init(void);

#endif
