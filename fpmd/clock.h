/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of this host. Pure parts take the time as an argument instead. */
#ifndef HOLDFAST_CLOCK_H
#define HOLDFAST_CLOCK_H

#include <stdint.h>

/* Monotonic: it never jumps, and says nothing about the time of day. */
uint64_t clock_us(void);
uint64_t clock_ms(void);

/* ms since 1970 as this host believes; it may jump, or be wrong altogether. At least 1. */
uint64_t clock_wall_ms(void);

#endif
