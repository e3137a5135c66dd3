/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wall clock that a test can set wrong. The program is linked with -Wl,--wrap=clock_gettime. */
#ifndef HOLDFAST_TEST_WALL_CLOCK_H
#define HOLDFAST_TEST_WALL_CLOCK_H

#include <time.h>

static time_t wall_clock_offset_s;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = __real_clock_gettime(clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += wall_clock_offset_s;
	return result;
}

#endif
