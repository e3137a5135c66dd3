/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel in memory. One world in a static; used by one thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/table.h"
#include "tests/kernel_mock.h"

#define OWNERS 65536

struct kernel {
	struct kernel_options options;
	struct kernel_handlers handlers;
	void *arg;
	bool started;
};

struct mock_flow {
	struct flow flow;
	uint16_t owner; /* of a pin */
	uint16_t path;	/* recorded */
	bool time_wait; /* of a session */
	UT_hash_handle hh;
};

struct mock_address {
	struct in6_addr address;
	bool local, vip, held, routed, ever_vip;
	char translated[ERROR_TEXT_SIZE];
	UT_hash_handle hh;
};

struct mock_stray {
	uint32_t id;
	bool decided;
	enum kernel_verdict verdict;
	uint16_t owner;
	UT_hash_handle hh;
};

static struct {
	struct kernel *open;
	enum kernel_keep kept;
	struct mock_flow *pins, *sessions, *flows;
	struct kernel_path paths[KERNEL_PATH_MAX + 1]; /* id 0: none */
	struct kernel_path_flows counts[KERNEL_PATH_MAX + 1];
	uint64_t flows_full;
	unsigned int path_changes, pin_batches;
	struct mock_address *addresses;
	struct mock_stray *strays;
	struct {
		bool used;
		struct in6_addr address;
		struct mock_way way;
	} owners[OWNERS];
	uint32_t next_stray;
	char fail_open[ERROR_TEXT_SIZE], fail_owners[ERROR_TEXT_SIZE], fail_vips[ERROR_TEXT_SIZE],
		fail_paths[ERROR_TEXT_SIZE];
	int fail_pins, fail_sessions;
} world;

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

static struct mock_flow *flow_find(struct mock_flow *table, const struct flow *flow)
{
	struct mock_flow *found;

	HASH_FIND(hh, table, flow, sizeof(*flow), found);
	return found;
}

static struct mock_flow *flow_get(struct mock_flow **table, const struct flow *flow)
{
	struct mock_flow *found = flow_find(*table, flow);

	if (!found) {
		found = allocate(sizeof(*found));
		found->flow = *flow;
		HASH_ADD(hh, *table, flow, sizeof(found->flow), found);
	}
	return found;
}

static void flow_remove(struct mock_flow **table, const struct flow *flow)
{
	struct mock_flow *found = flow_find(*table, flow);

	if (!found)
		return;
	HASH_DEL(*table, found);
	free(found);
}

static void flows_clear(struct mock_flow **table)
{
	struct mock_flow *each, *next;

	HASH_ITER (hh, *table, each, next) {
		HASH_DEL(*table, each);
		free(each);
	}
}

static struct mock_address *address_find(const struct in6_addr *address)
{
	struct mock_address *found;

	HASH_FIND(hh, world.addresses, address, sizeof(*address), found);
	return found;
}

static struct mock_address *address_get(const struct in6_addr *address)
{
	struct mock_address *found = address_find(address);

	if (!found) {
		found = allocate(sizeof(*found));
		found->address = *address;
		HASH_ADD(hh, world.addresses, address, sizeof(found->address), found);
	}
	return found;
}

static void strays_clear(void)
{
	struct mock_stray *stray, *next;

	HASH_ITER (hh, world.strays, stray, next) {
		HASH_DEL(world.strays, stray);
		free(stray);
	}
}

/* -- the world around -- */

void kernel_mock_reset(void)
{
	struct mock_address *address, *next;

	flows_clear(&world.pins);
	flows_clear(&world.sessions);
	flows_clear(&world.flows);
	strays_clear();
	HASH_ITER (hh, world.addresses, address, next) {
		HASH_DEL(world.addresses, address);
		free(address);
	}
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

void kernel_mock_fail_vips(const char *text)
{
	strncpy(world.fail_vips, text ? text : "", sizeof(world.fail_vips) - 1);
}

void kernel_mock_fail_owners(const char *text)
{
	strncpy(world.fail_owners, text ? text : "", sizeof(world.fail_owners) - 1);
}

void kernel_mock_fail_pins(int status)
{
	world.fail_pins = status;
}

void kernel_mock_fail_sessions(int status)
{
	world.fail_sessions = status;
}

void kernel_mock_session_put(const struct flow *flow)
{
	flow_get(&world.sessions, flow)->time_wait = false;
}

void kernel_mock_session_take(const struct flow *flow)
{
	flow_remove(&world.sessions, flow);
}

static void session_tell(const struct flow *flow, enum kernel_session_event event)
{
	if (kernel_mock_started() && world.open->handlers.session)
		world.open->handlers.session(world.open->arg, flow, event);
}

void kernel_mock_session_open(const struct flow *flow)
{
	kernel_mock_session_put(flow);
	session_tell(flow, KERNEL_SESSION_ESTABLISHED);
}

void kernel_mock_session_close(const struct flow *flow, enum kernel_mock_end end)
{
	if (end == MOCK_END_GONE)
		kernel_mock_session_take(flow);
	else
		flow_get(&world.sessions, flow)->time_wait = true;
	session_tell(flow, KERNEL_SESSION_CLOSED);
}

void kernel_mock_events_lost(void)
{
	if (kernel_mock_started() && world.open->handlers.sessions_lost)
		world.open->handlers.sessions_lost(world.open->arg);
}

void kernel_mock_address(const struct in6_addr *address, bool local)
{
	address_get(address)->local = local;
}

void kernel_mock_addresses_changed(void)
{
	if (kernel_mock_started() && world.open->handlers.addresses_changed)
		world.open->handlers.addresses_changed(world.open->arg);
}

void kernel_mock_problem(const char *text)
{
	world.open->handlers.problem(world.open->arg, text);
}

void kernel_mock_translate(const struct in6_addr *vip, const char *text)
{
	struct mock_address *address = address_get(vip);

	strncpy(address->translated, text ? text : "", sizeof(address->translated) - 1);
}

static uint32_t stray_give(struct kernel_stray stray)
{
	struct mock_stray *held;

	if (!kernel_mock_started())
		return 0;
	held = allocate(sizeof(*held));
	stray.id = held->id = ++world.next_stray;
	stray.length = 52;
	HASH_ADD(hh, world.strays, id, sizeof(held->id), held);
	world.open->handlers.stray(world.open->arg, &stray);
	return stray.id;
}

uint32_t kernel_mock_stray(const struct flow *flow)
{
	return stray_give((struct kernel_stray){.flow = *flow});
}

uint32_t kernel_mock_stray_reset(const struct flow *flow)
{
	return stray_give((struct kernel_stray){.flow = *flow, .reset = true});
}

uint32_t kernel_mock_stray_tunnelled(const struct flow *flow, uint16_t sender_id)
{
	return stray_give(
		(struct kernel_stray){.flow = *flow, .tunnelled = true, .sender_id = sender_id});
}

uint32_t kernel_mock_stray_by(const struct flow *flow, const char *interface)
{
	struct kernel_stray stray = {.flow = *flow};

	strncpy(stray.interface, interface, sizeof(stray.interface) - 1);
	return stray_give(stray);
}

static struct mock_stray *stray_find(uint32_t id)
{
	struct mock_stray *stray;

	HASH_FIND(hh, world.strays, &id, sizeof(id), stray);
	return stray;
}

bool kernel_mock_verdict(uint32_t id, enum kernel_verdict *verdict, uint16_t *owner)
{
	const struct mock_stray *stray = stray_find(id);

	if (!stray || !stray->decided)
		return false;
	if (verdict)
		*verdict = stray->verdict;
	if (owner)
		*owner = stray->owner;
	return true;
}

size_t kernel_mock_held(void)
{
	struct mock_stray *stray, *next;
	size_t count = 0;

	HASH_ITER (hh, world.strays, stray, next)
		count += !stray->decided;
	return count;
}

uint16_t kernel_mock_pin(const struct flow *flow)
{
	const struct mock_flow *pin = flow_find(world.pins, flow);

	return pin ? pin->owner : KERNEL_OWNER_NONE;
}

size_t kernel_mock_pins(void)
{
	return HASH_COUNT(world.pins);
}

void kernel_mock_pin_put(const struct flow *flow, uint16_t owner)
{
	flow_get(&world.pins, flow)->owner = owner;
}

bool kernel_mock_owner(uint16_t id, struct in6_addr *address)
{
	if (!world.owners[id].used)
		return false;
	if (address)
		*address = world.owners[id].address;
	return true;
}

struct mock_way kernel_mock_way(uint16_t id)
{
	return world.owners[id].way;
}

void kernel_mock_owner_put(uint16_t id, const struct in6_addr *address)
{
	world.owners[id].used = true;
	world.owners[id].address = *address;
}

size_t kernel_mock_vips(void)
{
	struct mock_address *address, *next;
	size_t count = 0;

	HASH_ITER (hh, world.addresses, address, next)
		count += address->vip;
	return count;
}

bool kernel_mock_vip(const struct in6_addr *vip)
{
	const struct mock_address *address = address_find(vip);

	return address && address->vip;
}

bool kernel_mock_ever_vip(const struct in6_addr *vip)
{
	const struct mock_address *address = address_find(vip);

	return address && address->ever_vip;
}

bool kernel_mock_vip_held(const struct in6_addr *vip)
{
	const struct mock_address *address = address_find(vip);

	return address && address->held;
}

void kernel_mock_fail_paths(const char *text)
{
	strncpy(world.fail_paths, text ? text : "", sizeof(world.fail_paths) - 1);
}

void kernel_mock_flow_put(const struct flow *flow, uint16_t path)
{
	flow_get(&world.flows, flow)->path = path;
}

void kernel_mock_flow(const struct flow *flow, uint16_t path, enum kernel_flow_event event)
{
	if (event == KERNEL_FLOW_ENDED)
		flow_remove(&world.flows, flow);
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

unsigned int kernel_mock_pin_batches(void)
{
	return world.pin_batches;
}

bool kernel_mock_routed(const struct in6_addr *vip)
{
	const struct mock_address *address = address_find(vip);

	return address && address->routed;
}

/* -- kernel.h -- */

int kernel_routed_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		      struct error *error)
{
	struct mock_address *address, *next;

	if (world.fail_paths[0])
		return error_set(error, "%s", world.fail_paths);
	if (count && !kernel->options.mark_path_mask)
		return error_set(error, "there are no path ids");
	HASH_ITER (hh, world.addresses, address, next)
		address->routed = false;
	for (size_t i = 0; i < count; i++) {
		address = address_get(&vips[i]);
		if (address->vip)
			abort();
		address->routed = true;
	}
	return 0;
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
		if (!path || flow->path == path)
			fn(arg, &flow->flow, flow->path);
	return 0;
}

int kernel_flows_sweep(struct kernel *kernel, struct kernel_path_flows *counts, size_t count,
		       struct error *error)
{
	for (size_t id = 0; id < count; id++)
		counts[id] = world.counts[id];
	return 1;
}

int kernel_sessions_of(struct kernel *kernel, const struct in6_addr *addresses, size_t count,
		       bool *sessions, struct error *error)
{
	struct mock_flow *session, *next;

	HASH_ITER (hh, world.sessions, session, next)
		for (size_t i = 0; i < count; i++)
			sessions[i] |= !session->time_wait &&
				       address_equal(&addresses[i], &session->flow.vip);
	return 0;
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
	*kernel = world.open = allocate(sizeof(*world.open));
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
	struct mock_address *address, *next;

	if (!kernel)
		return;
	if (kernel != world.open)
		abort();
	world.open = NULL;
	world.kept = keep;
	strays_clear();
	free(kernel);
	if (keep != KERNEL_KEEP_NOTHING)
		return;
	flows_clear(&world.pins);
	flows_clear(&world.flows);
	memset(world.paths, 0, sizeof(world.paths));
	memset(world.owners, 0, sizeof(world.owners));
	HASH_ITER (hh, world.addresses, address, next)
		address->vip = address->held = address->routed = false;
}

int kernel_vips_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		    struct error *error)
{
	struct mock_address *address, *next;
	bool was;

	if (world.fail_vips[0])
		return error_set(error, "%s", world.fail_vips);
	HASH_ITER (hh, world.addresses, address, next) {
		was = address->vip;
		address->vip = false;
		for (size_t i = 0; i < count; i++)
			address->vip |= address_equal(&vips[i], &address->address);
		if (address->vip && address->routed)
			abort();
		if (address->vip != was)
			address->held = address->vip;
	}
	for (size_t i = 0; i < count; i++) {
		address = address_get(&vips[i]);
		if (!address->vip)
			address->vip = address->held = true;
		address->ever_vip = true;
	}
	return 0;
}

int kernel_vip_hold(struct kernel *kernel, const struct in6_addr *vip, bool hold,
		    struct error *error)
{
	struct mock_address *address = address_find(vip);

	if (!address || !address->vip)
		return error_set(error, "not a VIP");
	address->held = hold;
	return 0;
}

bool kernel_address_is_local(struct kernel *kernel, const struct in6_addr *address)
{
	const struct mock_address *found = address_find(address);

	return found && found->local;
}

int kernel_vip_translated(struct kernel *kernel, const struct in6_addr *vip, struct error *error)
{
	const struct mock_address *found = address_find(vip);

	if (!found || !found->translated[0])
		return 0;
	error_set(error, "%s", found->translated);
	return 1;
}

int kernel_owner_set(struct kernel *kernel, uint16_t id, const struct in6_addr *address,
		     struct error *error)
{
	if (world.fail_owners[0])
		return error_set(error, "%s", world.fail_owners);
	if (id == KERNEL_OWNER_NONE)
		return error_set(error, "owner id 0 is none");
	kernel_mock_owner_put(id, address);
	return 0;
}

int kernel_owner_remove(struct kernel *kernel, uint16_t id, struct error *error)
{
	struct mock_flow *pin, *next;

	HASH_ITER (hh, world.pins, pin, next)
		if ((pin->owner & ~KERNEL_PIN_DIRECT) == id)
			return error_set(error, "pins still point to owner id %u", id);
	world.owners[id].used = false;
	return 0;
}

int kernel_owner_steer(struct kernel *kernel, const struct in6_addr *owner,
		       const struct in6_addr *gateway, const char *interface, struct error *error)
{
	if (world.fail_owners[0])
		return error_set(error, "%s", world.fail_owners);
	for (size_t id = 1; id < OWNERS; id++) {
		struct mock_way *way = &world.owners[id].way;

		if (!world.owners[id].used || !address_equal(&world.owners[id].address, owner))
			continue;
		way->changes++;
		way->gateway = gateway ? *gateway : (struct in6_addr){0};
		memset(way->interface, 0, sizeof(way->interface));
		if (gateway)
			strncpy(way->interface, interface, sizeof(way->interface) - 1);
	}
	return 0;
}

int kernel_owners_dump(struct kernel *kernel, kernel_owner_fn *fn, void *arg, struct error *error)
{
	for (size_t id = 1; id < OWNERS; id++)
		if (world.owners[id].used)
			fn(arg, (uint16_t)id, &world.owners[id].address);
	return 0;
}

size_t kernel_pins_change(struct kernel *kernel, struct kernel_pin_change *changes, size_t count)
{
	size_t failed = 0;

	world.pin_batches++;
	for (size_t i = 0; i < count; i++) {
		struct kernel_pin_change *change = &changes[i];
		const struct mock_flow *pin = flow_find(world.pins, &change->flow);
		uint16_t owner = change->new_owner & (uint16_t)~KERNEL_PIN_DIRECT;

		if ((pin ? pin->owner : KERNEL_OWNER_NONE) != change->old_owner)
			abort();
		change->status = world.fail_pins;
		if (!change->status && owner && !world.owners[owner].used)
			change->status = -ENOENT;
		if (!change->status && change->new_owner &&
		    kernel->options.pins_max <= HASH_COUNT(world.pins) &&
		    !flow_find(world.pins, &change->flow))
			change->status = -ENFILE;
		if (change->status)
			failed++;
		else if (change->new_owner)
			kernel_mock_pin_put(&change->flow, change->new_owner);
		else
			flow_remove(&world.pins, &change->flow);
	}
	return failed;
}

int kernel_pins_dump(struct kernel *kernel, kernel_pin_fn *fn, void *arg, struct error *error)
{
	struct mock_flow *pin, *next;

	HASH_ITER (hh, world.pins, pin, next)
		fn(arg, &pin->flow, pin->owner);
	return 0;
}

int kernel_sessions_dump(struct kernel *kernel, kernel_session_fn *fn, void *arg,
			 struct error *error)
{
	struct mock_flow *session, *next;

	HASH_ITER (hh, world.sessions, session, next)
		if (!session->time_wait && kernel_mock_vip(&session->flow.vip))
			fn(arg, &session->flow);
	return 0;
}

int kernel_session_known(struct kernel *kernel, const struct flow *flow)
{
	const struct mock_flow *session = flow_find(world.sessions, flow);

	if (world.fail_sessions)
		return world.fail_sessions;
	if (!session)
		return 0;
	return session->time_wait ? 2 : 1;
}

void kernel_stray_verdict(struct kernel *kernel, uint32_t id, enum kernel_verdict verdict,
			  uint16_t owner)
{
	struct mock_stray *stray = stray_find(id);

	if (!stray || stray->decided)
		abort();
	stray->decided = true;
	stray->verdict = verdict;
	stray->owner = owner;
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
