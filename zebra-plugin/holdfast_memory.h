/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module's group in FRR's memory accounting. */
#ifndef HOLDFAST_MEMORY_H
#define HOLDFAST_MEMORY_H

#include "lib/memory.h"

DECLARE_MGROUP(HOLDFAST);

#endif
