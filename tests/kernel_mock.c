/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel in memory: its one world, and what opens and closes. */
#include <stdlib.h>
#include <string.h>

#include "tests/kernel_mock_world.h"

struct mock_world world;

void *mock_allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

struct mock_flow *mock_flow_find(struct mock_flow *table, const struct flow *flow)
{
	struct mock_flow *found;

	HASH_FIND(hh, table, flow, sizeof(*flow), found);
	return found;
}

struct mock_flow *mock_flow_get(struct mock_flow **table, const struct flow *flow)
{
	struct mock_flow *found = mock_flow_find(*table, flow);

	if (!found) {
		found = mock_allocate(sizeof(*found));
		found->flow = *flow;
		HASH_ADD(hh, *table, flow, sizeof(found->flow), found);
	}
	return found;
}

void mock_flow_remove(struct mock_flow **table, const struct flow *flow)
{
	struct mock_flow *found = mock_flow_find(*table, flow);

	if (!found)
		return;
	HASH_DEL(*table, found);
	free(found);
}

void mock_flows_clear(struct mock_flow **table)
{
	struct mock_flow *each, *next;

	HASH_ITER (hh, *table, each, next) {
		HASH_DEL(*table, each);
		free(each);
	}
}

void kernel_mock_reset(void)
{
	mock_addresses_clear();
	mock_owners_clear();
	mock_paths_clear();
	mock_strays_clear();
	mock_flows_clear(&world.sessions);
	memset(&world, 0, sizeof(world));
}

struct kernel *kernel_mock_open(void)
{
	return world.open;
}

const struct kernel_options *kernel_mock_options(void)
{
	return world.open ? &world.open->options : NULL;
}

bool kernel_mock_started(void)
{
	return world.open && world.open->started;
}

enum kernel_keep kernel_mock_kept(void)
{
	return world.kept;
}

void kernel_mock_fail_open(const char *text)
{
	strncpy(world.fail_open, text ? text : "", sizeof(world.fail_open) - 1);
}

void kernel_mock_problem(const char *text)
{
	world.open->handlers.problem(world.open->arg, text);
}

int kernel_open(struct event_base *base, const struct kernel_options *options,
		const struct kernel_handlers *handlers, void *arg, struct kernel **kernel,
		struct error *error)
{
	*kernel = NULL;
	if (world.open)
		return error_set(error, "the kernel is open already");
	if (world.fail_open[0])
		return error_set(error, "%s", world.fail_open);
	*kernel = world.open = mock_allocate(sizeof(*world.open));
	world.open->options = *options;
	world.open->handlers = *handlers;
	world.open->arg = arg;
	world.flows_full = 0;
	return 0;
}

int kernel_start(struct kernel *kernel, struct error *error)
{
	kernel->started = true;
	return 0;
}

void kernel_close(struct kernel *kernel, enum kernel_keep keep)
{
	if (!kernel)
		return;
	if (kernel != world.open)
		abort();
	world.open = NULL;
	world.kept = keep;
	mock_strays_clear();
	free(kernel);
	if (keep != KERNEL_KEEP_NOTHING)
		return;
	kernel_addresses_return(NULL, NULL, NULL, NULL);
	mock_owners_clear();
	mock_paths_clear();
	mock_vips_clear();
}

size_t kernel_counters(struct kernel *kernel, struct kernel_counter *out, size_t max)
{
	const struct kernel_counter counters[] = {
		{"queue-segments", "Segments held for a verdict", world.next_stray},
		{"queue-waiting", "Segments that wait for a verdict now", kernel_mock_held()},
		{"flows-full", "Flows that found no room", world.flows_full},
	};
	size_t used = 0;

	while (used < max && used < sizeof(counters) / sizeof(*counters)) {
		out[used] = counters[used];
		used++;
	}
	return used;
}
