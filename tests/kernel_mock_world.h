/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the kernel in memory share: its one world. Used by one thread. */
#ifndef HOLDFAST_KERNEL_MOCK_WORLD_H
#define HOLDFAST_KERNEL_MOCK_WORLD_H

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
	struct kernel_flow_record record;
	bool time_wait; /* of a session */
	UT_hash_handle hh;
};

struct mock_address {
	struct in6_addr address;
	bool local, vip, held, routed, ever_vip;
	bool away; /* withdrawn */
	uint64_t away_since_s;
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

extern struct mock_world {
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
		fail_paths[ERROR_TEXT_SIZE], fail_addresses[ERROR_TEXT_SIZE];
	int fail_pins, fail_sessions;
} world;

/* Zeroed; aborts without memory. */
void *mock_allocate(size_t size);

/* Flows of a table, which is one of the world's; find: NULL if there is none. */
struct mock_flow *mock_flow_find(struct mock_flow *table, const struct flow *flow);
struct mock_flow *mock_flow_get(struct mock_flow **table, const struct flow *flow);
void mock_flow_remove(struct mock_flow **table, const struct flow *flow);
void mock_flows_clear(struct mock_flow **table);

struct mock_address *mock_address_find(const struct in6_addr *address);
struct mock_address *mock_address_get(const struct in6_addr *address);

/* Each part forgets what it has; VIPs: the addresses stay. */
void mock_vips_clear(void);
void mock_owners_clear(void);
void mock_paths_clear(void);
void mock_strays_clear(void);
void mock_addresses_clear(void);

#endif
