/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel in memory for unit tests: what kernel.h promises, plus the hands of the world around it.
 * There is one world for each process; as in a real kernel, pins and owners outlive kernel_close().
 */
#ifndef HOLDFAST_KERNEL_MOCK_H
#define HOLDFAST_KERNEL_MOCK_H

#include "fpmd/kernel/kernel.h"

/* An empty world without errors; forgets everything. Nothing may be open. */
void kernel_mock_reset(void);

/* What is open now, and how; NULL: nothing. */
struct kernel *kernel_mock_open(void);
const struct kernel_options *kernel_mock_options(void);
bool kernel_mock_started(void);
/* How the last kernel_close() was asked to leave things. */
enum kernel_keep kernel_mock_kept(void);

/* Errors to come. NULL and 0 take them back. */
void kernel_mock_fail_open(const char *text);
void kernel_mock_fail_owners(const char *text);
void kernel_mock_fail_vips(const char *text);
void kernel_mock_fail_pins(int status); /* of every change to come, e.g. -ENFILE */
/* What kernel_peer_user() says: *result*, and *user* with 1. At first 1 and our own. */
void kernel_mock_peer_user(int result, uid_t user);
/* Of kernel_session_known(): a negative errno */
void kernel_mock_fail_sessions(int status);

/* Sessions of this host; the handlers hear of them once the kernel is started. */
enum kernel_mock_end { MOCK_END_GONE, MOCK_END_TIME_WAIT };
void kernel_mock_session_open(const struct flow *flow);
void kernel_mock_session_close(const struct flow *flow, enum kernel_mock_end end);
/* As the others, but nobody is told. */
void kernel_mock_session_put(const struct flow *flow);
void kernel_mock_session_take(const struct flow *flow);
/* The handlers hear that events were lost. */
void kernel_mock_events_lost(void);

/* Local addresses; kernel_mock_addresses_changed() tells the handlers. */
void kernel_mock_address(const struct in6_addr *address, bool local);
void kernel_mock_addresses_changed(void);
/* Withdrawn, and not put back yet. */
bool kernel_mock_away(const struct in6_addr *address);
void kernel_mock_fail_addresses(const char *text); /* of what is taken away or put back */
/* Something cannot be put right; NULL: it is. */
void kernel_mock_problem(const char *text);
/* The host translates the VIP, by *text*; NULL: no more. */
void kernel_mock_translate(const struct in6_addr *vip, const char *text);

/* Gives a stray to the handler and returns its id; 0: the kernel is not started, it is dropped. */
uint32_t kernel_mock_stray(const struct flow *flow);
uint32_t kernel_mock_stray_reset(const struct flow *flow); /* a RST */
uint32_t kernel_mock_stray_by(const struct flow *flow, const char *interface);
uint32_t kernel_mock_stray_tunnelled(const struct flow *flow, uint16_t sender_id);
/* True: it has had its verdict. A second verdict for an id aborts the test. */
bool kernel_mock_verdict(uint32_t id, enum kernel_verdict *verdict, uint16_t *owner);
size_t kernel_mock_held(void);

/* What is in the kernel. */
uint16_t kernel_mock_pin(const struct flow *flow); /* KERNEL_OWNER_NONE: no pin */
size_t kernel_mock_pins(void);
void kernel_mock_pin_put(const struct flow *flow, uint16_t owner);
bool kernel_mock_owner(uint16_t id, struct in6_addr *address);
void kernel_mock_owner_put(uint16_t id, const struct in6_addr *address);
/* The way of an owner, and how often it was set or ended. */
struct mock_way {
	struct in6_addr gateway; /* :: by the routing table */
	char interface[KERNEL_INTERFACE_SIZE];
	unsigned int changes;
};
struct mock_way kernel_mock_way(uint16_t id);

/* Flows of a director, and what is recorded for them; put: nobody is told. */
void kernel_mock_flow(const struct flow *flow, uint16_t path, enum kernel_flow_event event);
void kernel_mock_flow_put(const struct flow *flow, uint16_t path);
void kernel_mock_record_put(const struct flow *flow, const struct kernel_flow_record *record);
void kernel_mock_flows_lost(void);
void kernel_mock_flows_full(void); /* one more found no room */
/* What the sweeps to come count. */
void kernel_mock_counts(uint16_t id, uint32_t flows, uint32_t probation);
/* An id that is set with another next hop or member aborts the test, and so does a VIP that is
 * served and routed. */
const struct kernel_path *kernel_mock_path(uint16_t id); /* NULL: none */
void kernel_mock_path_put(const struct kernel_path *path);
unsigned int kernel_mock_path_changes(void);
unsigned int kernel_mock_pin_batches(void);
void kernel_mock_fail_paths(const char *text); /* of VIPs and paths; NULL: no more */
bool kernel_mock_routed(const struct in6_addr *vip);

size_t kernel_mock_vips(void);
bool kernel_mock_vip(const struct in6_addr *vip);
bool kernel_mock_ever_vip(const struct in6_addr *vip); /* if only for a moment */
bool kernel_mock_vip_held(const struct in6_addr *vip);

#endif
