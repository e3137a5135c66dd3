/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our filters at tc: which there are, where they hang, and whose the clsact qdisc below them is.
 */
#ifndef HOLDFAST_KERNEL_FILTER_H
#define HOLDFAST_KERNEL_FILTER_H

#include <bpf/libbpf.h>

#include "fpmd/error.h"
#include "fpmd/kernel/rtnl.h"

enum filter {
	FILTER_CLASSIFIER,	 /* ingress */
	FILTER_RECORDER_INGRESS, /* behind the classifier */
	FILTER_RECORDER_EGRESS,
	FILTERS
};

/*
 * Attaches *program*, in one step replacing what an earlier fpmd left. Returns 1 if it was not this
 * program that was attached, 0 if there was nothing to do, -1 on errors.
 */
int filter_attach(int device, enum filter filter, const struct bpf_program *program,
		  struct error *error);

/* Detaches; the qdisc goes with our last filter if we made it and nobody else has filters there. */
void filter_detach(struct rtnl *rtnl, int device, enum filter filter);

#endif
