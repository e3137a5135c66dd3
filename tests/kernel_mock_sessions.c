/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel in memory: sessions of this host, and the strays that met none. */
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kernel_mock_world.h"

void kernel_mock_fail_sessions(int status)
{
	world.fail_sessions = status;
}

void kernel_mock_session_put(const struct flow *flow)
{
	mock_flow_get(&world.sessions, flow)->time_wait = false;
}

void kernel_mock_session_take(const struct flow *flow)
{
	mock_flow_remove(&world.sessions, flow);
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
		mock_flow_get(&world.sessions, flow)->time_wait = true;
	session_tell(flow, KERNEL_SESSION_CLOSED);
}

void kernel_mock_events_lost(void)
{
	if (kernel_mock_started() && world.open->handlers.sessions_lost)
		world.open->handlers.sessions_lost(world.open->arg);
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
	const struct mock_flow *session = mock_flow_find(world.sessions, flow);

	if (world.fail_sessions)
		return world.fail_sessions;
	if (!session)
		return 0;
	return session->time_wait ? 2 : 1;
}

int kernel_session_state(struct kernel *kernel, const struct flow *flow)
{
	int known = kernel_session_known(kernel, flow);

	return known <= 0 ? known : known == 2 ? TCP_TIME_WAIT : TCP_ESTABLISHED;
}

static struct {
	bool told;
	int result;
	uid_t user;
} peer;

void kernel_mock_peer_user(int result, uid_t user)
{
	peer.told = true;
	peer.result = result;
	peer.user = user;
}

int kernel_peer_user(const struct flow *flow, uid_t *user, struct error *error)
{
	*user = peer.told ? peer.user : geteuid();
	return peer.told && peer.result != 1
		       ? peer.result < 0 ? error_set(error, "mock") : peer.result
		       : 1;
}

void mock_strays_clear(void)
{
	struct mock_stray *stray, *next;

	HASH_ITER (hh, world.strays, stray, next) {
		HASH_DEL(world.strays, stray);
		free(stray);
	}
}

static uint32_t stray_give(struct kernel_stray stray)
{
	struct mock_stray *held;

	if (!kernel_mock_started())
		return 0;
	held = mock_allocate(sizeof(*held));
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
