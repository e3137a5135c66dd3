/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seam between what zebra or mgmtd loads (holdfast_loader.c) and the module itself, which is
 * built for one version of FRR.
 */
#ifndef HOLDFAST_CORE_H
#define HOLDFAST_CORE_H

#define HOLDFAST_CORE_START "holdfast_core_start"

/*
 * To be called once, while the daemon loads its modules, in the version of FRR that the module was
 * built for. *arguments* are those of -M (zebra: the path of fpmd's socket), or NULL; they must
 * stay.
 */
typedef void holdfast_core_start_fn(const char *arguments);

holdfast_core_start_fn holdfast_core_start;

#endif
