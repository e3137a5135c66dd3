/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `fpmd --show TOPIC`: asks the fpmd that runs what `show holdfast TOPIC` of vtysh asks it. */
#ifndef HOLDFAST_ASK_H
#define HOLDFAST_ASK_H

#include <stdbool.h>
#include <stdio.h>

#include "fpmd/error.h"

/*
 * Writes the answer to *out*. *topic*: "summary", or a word of `show holdfast`. Waits 5 s for each
 * part of it at most. Returns 0, or -1 with *error*.
 */
int ask_show(const char *socket_path, const char *topic, bool json, FILE *out, struct error *error);

#endif
