/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key files: what fpmd/directory/key.h describes. No FRR. */
#ifndef HOLDFAST_KEY_H
#define HOLDFAST_KEY_H

#include <stdint.h>

#include "fpmd/error.h"

/*
 * Makes a key file with a fresh random key of that id, readable by this process's user only; never
 * touches a file that is there. Returns 0, or -1 with cause and remedy.
 */
int holdfast_key_file_create(const char *path, uint32_t id, struct error *error);

#endif
