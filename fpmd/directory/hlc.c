/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hybrid logical clock. Pure. */
#include "fpmd/directory/hlc.h"

uint64_t hlc_next(struct hlc *hlc, uint64_t now_ms)
{
	uint64_t now = now_ms << 16;

	hlc->last = now > hlc->last ? now : hlc->last + 1;
	return hlc->last;
}

bool hlc_observe(struct hlc *hlc, uint64_t version, uint64_t now_ms)
{
	if (hlc_ms(version) > now_ms + HLC_AHEAD_MAX_MS)
		return false;
	if (version > hlc->last)
		hlc->last = version;
	return true;
}
