/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_counters.h: one relaxed atomic each, never reset. */
#include <stdatomic.h>

#include "zebra-plugin/holdfast_counters.h"

static _Atomic uint64_t values[COUNT_MAX];

static const struct {
	const char *name, *help;
} table[COUNT_MAX] = {
	[COUNT_CONTEXTS] = {"dataplane-contexts", "passed on by the dataplane provider"},
	[COUNT_ROUTES] = {"routes-seen", "changes of VIPs and of hosts in the member range"},
	[COUNT_REPLAYED] = {"routes-replayed", "routes sent by replays"},
	[COUNT_REPLAYS] = {"replays", "times that everything was sent to fpmd"},
	[COUNT_CONNECTS] = {"connects", "connections made to fpmd"},
	[COUNT_DISCONNECTS] = {"disconnects", "connections to fpmd that ended"},
	[COUNT_FRAMES_SENT] = {"frames-sent", "frames given to the socket"},
	[COUNT_BYTES_SENT] = {"bytes-sent", "bytes that the socket took"},
	[COUNT_FRAMES_RECEIVED] = {"frames-received", "frames from fpmd"},
	[COUNT_FRAMES_BAD] = {"frames-bad", "that could not be read: the connection was ended"},
	[COUNT_FRAMES_UNEXPECTED] = {"frames-unexpected", "of a kind that fpmd does not send"},
	[COUNT_SHOWS] = {"shows", "show requests relayed"},
	[COUNT_SHOWS_FAILED] = {"shows-failed", "that fpmd did not answer in full"},
};

void holdfast_count(enum holdfast_counter counter, uint64_t by)
{
	atomic_fetch_add_explicit(&values[counter], by, memory_order_relaxed);
}

const char *holdfast_counter_get(size_t index, const char **help, uint64_t *value)
{
	if (index >= COUNT_MAX)
		return NULL;
	*help = table[index].help;
	*value = atomic_load_explicit(&values[index], memory_order_relaxed);
	return table[index].name;
}
