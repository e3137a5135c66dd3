/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel in memory: a director's paths, and the flows that are recorded on them. */
#include <stdlib.h>
#include <string.h>

#include "tests/kernel_mock_world.h"

void mock_paths_clear(void)
{
	mock_flows_clear(&world.flows);
	memset(world.paths, 0, sizeof(world.paths));
}

void kernel_mock_fail_paths(const char *text)
{
	strncpy(world.fail_paths, text ? text : "", sizeof(world.fail_paths) - 1);
}

void kernel_mock_flow_put(const struct flow *flow, uint16_t path)
{
	mock_flow_get(&world.flows, flow)->record = (struct kernel_flow_record){.path = path};
}

void kernel_mock_record_put(const struct flow *flow, const struct kernel_flow_record *record)
{
	mock_flow_get(&world.flows, flow)->record = *record;
}

void kernel_mock_flow(const struct flow *flow, uint16_t path, enum kernel_flow_event event)
{
	if (event == KERNEL_FLOW_ENDED)
		mock_flow_remove(&world.flows, flow);
	else
		kernel_mock_flow_put(flow, path);
	if (kernel_mock_started() && world.open->handlers.flow)
		world.open->handlers.flow(world.open->arg, flow, path, event);
}

void kernel_mock_flows_lost(void)
{
	if (kernel_mock_started() && world.open->handlers.flows_lost)
		world.open->handlers.flows_lost(world.open->arg);
}

void kernel_mock_flows_full(void)
{
	world.flows_full++;
}

void kernel_mock_counts(uint16_t id, uint32_t flows, uint32_t probation)
{
	world.counts[id] = (struct kernel_path_flows){flows, probation};
}

const struct kernel_path *kernel_mock_path(uint16_t id)
{
	return world.paths[id].id ? &world.paths[id] : NULL;
}

void kernel_mock_path_put(const struct kernel_path *path)
{
	memcpy(&world.paths[path->id], path, sizeof(*path));
}

unsigned int kernel_mock_path_changes(void)
{
	return world.path_changes;
}

int kernel_path_set(struct kernel *kernel, const struct kernel_path *path, struct error *error)
{
	const struct kernel_path *has = &world.paths[path->id];

	if (world.fail_paths[0])
		return error_set(error, "%s", world.fail_paths);
	if (!path->id || path->id > KERNEL_PATH_MAX)
		abort();
	/* Whom an id leads to does not change. */
	if (has->id && (has->family != path->family || has->shared != path->shared ||
			memcmp(&has->hop, &path->hop, sizeof(has->hop)) ||
			!address_equal(&has->member, &path->member)))
		abort();
	kernel_mock_path_put(path);
	world.path_changes++;
	return 0;
}

int kernel_path_remove(struct kernel *kernel, uint16_t id, struct error *error)
{
	if (world.fail_paths[0])
		return error_set(error, "%s", world.fail_paths);
	memset(&world.paths[id], 0, sizeof(world.paths[id]));
	world.path_changes++;
	return 0;
}

int kernel_paths_each(struct kernel *kernel, kernel_path_fn *fn, void *arg, struct error *error)
{
	for (size_t id = 1; id <= KERNEL_PATH_MAX; id++)
		if (world.paths[id].id)
			fn(arg, &world.paths[id]);
	return 0;
}

int kernel_flows_each(struct kernel *kernel, uint16_t path, kernel_flow_fn *fn, void *arg,
		      struct error *error)
{
	struct mock_flow *flow, *next;

	HASH_ITER (hh, world.flows, flow, next)
		if (!path || flow->record.path == path)
			fn(arg, &flow->flow, flow->record.path);
	return 0;
}

int kernel_flow_find(struct kernel *kernel, const struct flow *flow,
		     struct kernel_flow_record *record, struct error *error)
{
	const struct mock_flow *found = mock_flow_find(world.flows, flow);

	if (found)
		*record = found->record;
	return found != NULL;
}

int kernel_flows_sweep(struct kernel *kernel, struct kernel_path_flows *counts, size_t count,
		       struct error *error)
{
	for (size_t id = 0; id < count; id++)
		counts[id] = world.counts[id];
	return 1;
}
