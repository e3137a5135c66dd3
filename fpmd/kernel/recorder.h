/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The director's BPF programs: which path a flow took is recorded in the kernel, by the kernel
 * alone, and given to every later packet of the flow as a mark. Two maps: `flows`, of flows whose
 * handshake was seen or whose owner was found, and `probation`, where older entries make room for
 * newer ones. fpmd fills in VIPs, paths and neighbours, and reads.
 */
#ifndef HOLDFAST_KERNEL_RECORDER_H
#define HOLDFAST_KERNEL_RECORDER_H

#include <event2/event.h>

#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/rtnl.h"

struct recorder;

/*
 * Loads the programs. Maps that an earlier fpmd left in options->bpf_directory are taken over if
 * they fit; without a directory everything works, but records are lost with fpmd (*warning*, may be
 * empty, says so and names the remedy).
 */
int recorder_open(const struct kernel_options *options, struct rtnl *rtnl,
		  struct recorder **recorder, struct error *warning, struct error *error);
/* Frees *recorder*; what is attached lives on with its maps. NULL is allowed. */
void recorder_close(struct recorder *recorder);
/* Nothing of it is to outlive this: the maps' names in the bpffs go. Detach first. */
void recorder_forget(struct recorder *recorder);

/* The whole set. A VIP keeps its records as long as it is in the set. */
int recorder_vips_set(struct recorder *recorder, const struct in6_addr *vips, size_t count,
		      struct error *error);

/* As kernel_path_set() and so on, as far as records are concerned. The kernel_path is kept in a
 * map, for the next fpmd. */
int recorder_path_set(struct recorder *recorder, const struct kernel_path *path,
		      struct error *error);
int recorder_path_remove(struct recorder *recorder, uint16_t id, struct error *error);
int recorder_paths_each(struct recorder *recorder, kernel_path_fn *fn, void *arg,
			struct error *error);

/*
 * Packets of *family* that leave *device* to link-layer address *address* (all 0: a device without
 * any) take path *id*; 0: no path of ours. That it is so already is no error.
 */
#define RECORDER_LINK_ADDRESS_SIZE 6
int recorder_neighbour_set(struct recorder *recorder, int family, int device,
			   const uint8_t address[RECORDER_LINK_ADDRESS_SIZE], uint16_t id,
			   struct error *error);
/*
 * Forgets what an earlier fpmd told of neighbours that this one does not know (*keep* says which it
 * does; NULL: none). *family* 0: does *device* lead to any path? So long what was told goes on.
 */
typedef bool recorder_neighbour_fn(void *arg, int family, int device,
				   const uint8_t address[RECORDER_LINK_ADDRESS_SIZE]);
int recorder_neighbours_keep(struct recorder *recorder, recorder_neighbour_fn *keep, void *arg,
			     struct error *error);

/*
 * Attaches to ingress and egress of a device, behind our classifier, in one step replacing what an
 * earlier fpmd left. Returns 1 if it was not ours that was attached, 0 if there was nothing to do,
 * -1 on errors.
 */
int recorder_attach(struct recorder *recorder, int device, struct error *error);
void recorder_detach(struct recorder *recorder, int device);
/* Forgets a device that is not there any more: its index is not used again. */
void recorder_device_gone(struct recorder *recorder, int device);

/* Begins to hand on events, every few milliseconds; as in struct kernel_handlers. */
typedef void recorder_flow_fn(void *arg, const struct flow *flow, uint16_t path,
			      enum kernel_flow_event event);
int recorder_start(struct recorder *recorder, struct event_base *base, recorder_flow_fn *flow,
		   void (*lost)(void *arg), void *arg, struct error *error);

/* As the functions of kernel.h. */
int recorder_find(struct recorder *recorder, const struct flow *flow,
		  struct kernel_flow_record *record, struct error *error);
int recorder_each(struct recorder *recorder, uint16_t path, kernel_flow_fn *fn, void *arg,
		  struct error *error);
int recorder_sweep(struct recorder *recorder, struct kernel_path_flows *counts, size_t count,
		   struct error *error);
size_t recorder_counters(struct recorder *recorder, struct kernel_counter *out, size_t max);

#endif
