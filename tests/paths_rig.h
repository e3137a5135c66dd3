/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The paths of a director, and a kernel that checks at every moment what it is told. Routes are
 * written as letters: "AB" is a route with next hops A and B, each on an interface of its own; 'a'
 * is the gateway of A on another interface, "AA" twice the same.
 */
#ifndef HOLDFAST_TEST_PATHS_RIG_H
#define HOLDFAST_TEST_PATHS_RIG_H

#include "fpmd/paths.h"
#include "tests/unit.h"

#define ROUTES 8
#define HOPS 8

extern struct paths paths;
extern struct paths_route vips[ROUTES], members[ROUTES];
extern struct route_next_hop hops[2 * ROUTES][HOPS]; /* the VIPs', then the members' */
extern size_t vip_count, member_count;
extern uint64_t now;

/* What the kernel was told; told and removed: by the last update(). */
extern struct kernel_path kernel[KERNEL_PATH_MAX + 1];
extern unsigned int told, removed;
extern bool refuse; /* the kernel takes nothing */

/* begin_settled: with these routes. Returns the id of A. */
void begin(void);
uint16_t begin_settled(const char *vip_hops, const char *first, const char *second,
		       const char *third);
/* What an earlier fpmd left: the table above goes, the kernel stays. */
void restart(void);

struct route_next_hop hop_make(char name);
void route_set(struct paths_route *route, struct route_next_hop *to, const char *address,
	       const char *names);
void vip(size_t index, const char *address, const char *names);
/* VIP 0 is 192.0.2.80; member i is 10.255.0.i. "-": the member is not reachable at all. */
void routes(const char *vip_hops, const char *first, const char *second, const char *third);

/* Returns how often the kernel was told of a path. */
unsigned int update(bool settled);
/* The same with these routes: while they change, and once they have settled. */
unsigned int unsettled(const char *vip_hops, const char *first, const char *second,
		       const char *third);
void settled(const char *vip_hops, const char *first, const char *second, const char *third);
/* The paths_report_fn of this kernel. */
int tell(void *arg, uint16_t id, const struct kernel_path *path);

/* The id that new flows by this next hop get; 0: none. */
uint16_t offered(char name);
void expect(uint16_t id, enum path_state state);
/* NULL: to several members. */
void expect_leads_to(uint16_t id, const char *member);

#endif
