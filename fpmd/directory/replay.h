/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sliding window that takes each counter of one sender's boot once (RFC 6479). Pure. */
#ifndef HOLDFAST_DIRECTORY_REPLAY_H
#define HOLDFAST_DIRECTORY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WORDS 17
#define REPLAY_WINDOW ((REPLAY_WORDS - 1) * 64)

struct replay {
	uint64_t highest; /* 0: nothing was taken; counters begin at 1 */
	uint64_t seen[REPLAY_WORDS];
};

void replay_reset(struct replay *replay);

/* Is this counter new, and not older than the window? Changes nothing. */
bool replay_check(const struct replay *replay, uint64_t counter);

/* Takes a counter that passed replay_check() and whose datagram was authentic. */
void replay_take(struct replay *replay, uint64_t counter);

#endif
