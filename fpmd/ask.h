/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `fpmd --show TOPIC`: asks the fpmd that runs what `show holdfast TOPIC` of vtysh asks it. */
#ifndef HOLDFAST_ASK_H
#define HOLDFAST_ASK_H

#include <stdbool.h>
#include <stdio.h>

#include "fpmd/error.h"

/*
 * Writes the answer to *out*. *words*: "summary" or what stands behind `show holdfast`, e.g. "flow"
 * and the four words of a flow. Waits 5 s for each part of the answer at most. Returns 0, or -1
 * with *error*.
 */
int ask_show(const char *socket_path, char *const *words, size_t count, bool json, FILE *out,
	     struct error *error);

#endif
