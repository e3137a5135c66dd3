/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosts of a history: their kernels, as the model knows them, and their directories, which are
 * the real ones. What happens to them is a function here; what must hold of it is in history.c.
 */
#ifndef HOLDFAST_TEST_HISTORY_WORLD_H
#define HOLDFAST_TEST_HISTORY_WORLD_H

#include "fpmd/directory/onehop.h"
#include "tests/simulation.h"

#define WORLD_FLOWS 6

struct world_session {
	bool held; /* the kernel has it */
	bool ever;
	uint64_t held_us;      /* since */
	uint64_t answered_us;  /* until when it was held, or published still; if neither now */
	uint64_t published_us; /* since */
};

struct world_host {
	bool up; /* the host; its fpmd runs if directory is not NULL */
	struct directory *directory;
	unsigned int life; /* of its fpmd */
	uint64_t started_us;
	bool blind; /* its kernel cannot be asked */
	bool routed[SIMULATION_HOSTS];
	uint64_t routed_us[SIMULATION_HOSTS]; /* since */
	uint64_t clean_us[SIMULATION_HOSTS];  /* since when what it sends arrives there */
	uint64_t ran_us; /* since when it never stalled, and its kernel could be asked */
	struct world_session session[WORLD_FLOWS];
};

struct world {
	unsigned int hosts, flows;
	struct directory_options options;
	struct world_host host[SIMULATION_HOSTS];
	uint64_t amiss_us;		      /* when something broke or was mended last */
	bool routes_went;		      /* some host lost a route */
	bool lossy;			      /* datagrams were lost */
	void (*life_ends)(unsigned int host); /* of its fpmd, before it */
};

extern struct world world;

/* Prints what happens if the simulation is verbose. */
void world_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Draws a world: how many hosts, options, links, clocks. */
void world_begin(const char *key_path);
void world_end(void);

struct flow world_flow(unsigned int flow);
bool world_published(unsigned int host, unsigned int flow);

/* Does the host have the session, or still publish it, or did so at *us* or later? */
bool world_answers_for(unsigned int host, unsigned int flow, uint64_t us);

/* Both run since *us*, have routes to each other since then, and no datagram between them was lost.
 */
bool world_in_reach(unsigned int a, unsigned int b, uint64_t us);

/* Was nothing amiss anywhere since *us*, and is nothing now? */
bool world_calm(uint64_t us);

/* The kernel gets the session, or has it no more; fpmd notices in *notice_us*. */
void world_session_begins(unsigned int host, unsigned int flow, uint64_t notice_us);
void world_session_ends(unsigned int host, unsigned int flow, uint64_t notice_us);

void world_fpmd_starts(unsigned int host);
void world_fpmd_dies(unsigned int host);
void world_host_dies(unsigned int host);
void world_host_starts(unsigned int host);
void world_host_stalls(unsigned int host, uint64_t us);
bool world_stalled(unsigned int host);
/* Its kernel cannot be asked from now on, or it can again. */
void world_host_blind(unsigned int host, bool blind);
void world_clock_jumps(unsigned int host, int64_t ms);
void world_route_goes(unsigned int host, unsigned int to, uint64_t back_us);
void world_cut(unsigned int from, unsigned int to, bool cut);
void world_losses(unsigned int loss);

/* Everything that is broken works from now on; hosts that are down start if *hosts*. */
void world_mend(bool hosts);

#endif
