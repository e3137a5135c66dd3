/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole daemon as a director with two members, OWNER_1 and OWNER_2. Routes are written as
 * letters, see route_send_via(); flows are told apart by their client's port.
 */
#ifndef HOLDFAST_TEST_DIRECTOR_RIG_H
#define HOLDFAST_TEST_DIRECTOR_RIG_H

#include "tests/daemon_rig.h"

#define A 'A'
#define B 'B'
/* More than that after its address went a VIP is served. */
#define LEFT_MS_FOR_TEST 7200

/* The routes of the VIP and of both members; time stands still from then on. */
void begin_director(const char *vip_hops, const char *first, const char *second);
/* Both next hops lead to both members. Returns the id of the path by A. */
uint16_t begin_shared(void);

void member_via(const char *text, const char *letters);
void routes(const char *vip, const char *first, const char *second);

/* The path that new flows by this next hop get; NULL: none, which id_of() does not take. */
const struct kernel_path *path_of(char letter);
uint16_t id_of(char letter);

void flow_event(uint16_t port, uint16_t recorded, enum kernel_flow_event event);
/* It began, and the time after which its owner is looked up is over. */
void flow_began(uint16_t port, uint16_t recorded);
/* The pin with its KERNEL_PIN_DIRECT, the same in the daemon and in the kernel; 0: none. */
uint16_t raw_pin(uint16_t port);

#endif
