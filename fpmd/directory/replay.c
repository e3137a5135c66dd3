/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The replay window: one bit per counter, one word more than the window so that it can slide. */
#include "fpmd/directory/replay.h"

#include <string.h>

void replay_reset(struct replay *replay)
{
	memset(replay, 0, sizeof(*replay));
}

bool replay_check(const struct replay *replay, uint64_t counter)
{
	if (counter == 0 || counter == UINT64_MAX)
		return false;
	if (counter > replay->highest)
		return true;
	if (replay->highest - counter >= REPLAY_WINDOW)
		return false;
	return (replay->seen[counter / 64 % REPLAY_WORDS] >> (counter % 64) & 1) == 0;
}

void replay_take(struct replay *replay, uint64_t counter)
{
	uint64_t word = counter / 64;

	if (counter > replay->highest) {
		uint64_t steps = word - replay->highest / 64;

		if (steps > REPLAY_WORDS)
			steps = REPLAY_WORDS;
		for (uint64_t i = 0; i < steps; i++)
			replay->seen[(word - i) % REPLAY_WORDS] = 0;
		replay->highest = counter;
	}
	replay->seen[word % REPLAY_WORDS] |= UINT64_C(1) << (counter % 64);
}
