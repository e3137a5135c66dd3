// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines of `debug holdfast` go to zebra too, so that its log and `terminal monitor` have them. At
 * most LINES_PER_S: fpmd's own log has all.
 */
#include <inttypes.h>
#include <stdio.h>

#include "fpmd/daemon.h"

#define LINES_PER_S 200

void debug_tell(void *arg, const char *line)
{
	struct daemon *d = arg;
	uint64_t now = clock_ms();
	char note[96];

	if (now >= d->debug_lines.second_ms + 1000) {
		if (d->debug_lines.left_out) {
			snprintf(note, sizeof(note),
				 "%" PRIu64 " lines were left out: the log of fpmd has them",
				 d->debug_lines.left_out);
			fpm_server_log(d->fpm, note);
		}
		d->debug_lines.second_ms = now;
		d->debug_lines.told = 0;
		d->debug_lines.left_out = 0;
	}
	if (d->debug_lines.told < LINES_PER_S && fpm_server_log(d->fpm, line))
		d->debug_lines.told++;
	else
		d->debug_lines.left_out++;
}
