/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDFAST_TEST_DIRECTORY_COUNTER_H
#define HOLDFAST_TEST_DIRECTORY_COUNTER_H

#include "tests/unit.h"

#include "fpmd/directory/directory.h"

/* The value of one of the directory's counters; that there is none of this name is a failure. */
static inline uint64_t directory_counter_of(struct directory *directory, const char *name)
{
	struct directory_counter all[128];
	size_t count = directory_counters(directory, all, 128);

	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].name, name) == 0)
			return all[i].value;
	ck_abort_msg("no counter %s", name);
	return 0;
}

#endif
