/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few hosts in one process with a clock, timers and a network that exist in memory only. It takes
 * the place of fpmd/clock.h, fpmd/log.h, libevent's timers and the socket calls at link time, so
 * that the code above them runs as it is. All that happens follows from the seed.
 *
 * A host's code runs while nothing else does, and takes no time. Whoever calls it from outside says
 * so by simulation_enter().
 */
#ifndef HOLDFAST_TEST_SIMULATION_H
#define HOLDFAST_TEST_SIMULATION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMULATION_HOSTS 6

struct simulation_host {
	bool unplugged;		   /* nothing that it sends leaves, nothing reaches it */
	uint64_t uptime_us;	   /* its monotonic clock when the simulation began */
	int64_t wall_ms;	   /* its wall clock then, may be changed at any time: a jump */
	uint64_t stalled_until_us; /* it does not run before (a paused virtual machine) */
};

/* One direction between two hosts. Probabilities are in 1/1000. */
struct simulation_link {
	bool cut;
	unsigned int loss;
	unsigned int duplicate;
	unsigned int late; /* the copy comes within 80 s, not within delay and jitter */
	unsigned int delay_us;
	unsigned int jitter_us; /* datagrams overtake one another */
};

extern struct simulation_host simulation_host[SIMULATION_HOSTS];
extern struct simulation_link simulation_link[SIMULATION_HOSTS][SIMULATION_HOSTS];
extern bool simulation_verbose; /* the log goes to standard error */

void simulation_begin(uint64_t seed);
void simulation_end(void);

/* Since the beginning. */
uint64_t simulation_us(void);

/* Below *limit*; the same sequence for the same seed. */
uint64_t simulation_random(uint64_t limit);

/* The address of a host; which host has the address, or -1. */
struct in6_addr simulation_address(unsigned int host);
int simulation_host_of(const struct in6_addr *address);

/* Code that is called from now on runs on this host. */
void simulation_enter(unsigned int host);

/* Calls *fn* in *us*, on no host. */
void simulation_after(uint64_t us, void (*fn)(void *arg), void *arg);

/* Lets *us* pass. */
void simulation_run(uint64_t us);

/* Timers and datagrams that exist. */
size_t simulation_events(void);
uint64_t simulation_datagrams(void); /* ever sent */

#endif
