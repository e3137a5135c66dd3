/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDFAST_LOOP_H
#define HOLDFAST_LOOP_H

#include <event2/event.h>

/*
 * The event loop. Its timers are precise to microseconds, which look-ups need: by default libevent
 * rounds to the milliseconds of epoll_wait(). Freed by event_base_free(); NULL: no memory.
 */
struct event_base *loop_new(void);

#endif
