/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs at tcx (Linux 6.6): half the cost of a filter below clsact for each packet, and out of
 * reach of those who replace qdiscs. What is attached stays when we end; to replace or detach it
 * takes the program, so those that are kept bear names, see recorder_maps.h.
 */
#ifndef HOLDFAST_KERNEL_TCX_H
#define HOLDFAST_KERNEL_TCX_H

#include <stdbool.h>
#include <stdint.h>

/* enum bpf_attach_type of Linux 6.6; the headers that we are built with may be older. */
enum tcx_point { TCX_INGRESS = 46, TCX_EGRESS = 47 };

/*
 * Attaches program *fd*, behind those of others, in one step in the place of the first of
 * *before* that is a program (not -1) and attached there. Returns 1, 0 if it is attached already,
 * or a negative errno: -EINVAL if the kernel has no tcx.
 */
int tcx_attach(int device, enum tcx_point point, int fd, const int before[2]);

/* Returns 0 or a negative errno; -ENOENT: it was not attached. */
int tcx_detach(int device, enum tcx_point point, int fd);

#endif
