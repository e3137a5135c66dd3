/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The northbound of yang/frr-holdfast.yang. The whole block is one value: each transaction is
 * checked as a whole against what the pure functions of holdfast_config.h take, and what it leaves
 * becomes the configuration in effect as a whole. Main pthread.
 */
#ifndef HOLDFAST_NB_H
#define HOLDFAST_NB_H

#include "zebra-plugin/compat.h"

#include "lib/northbound.h"

#include "zebra-plugin/holdfast_config.h"

#define HOLDFAST_XPATH "/frr-holdfast:holdfast"

/* Makes the model known to zebra. Returns 0, or -1 (logged). */
int holdfast_nb_init(void);

/* holdfast_nb_config.c */

/*
 * The configuration that the container says. Returns 0, or -1 with *error* set: it contradicts
 * itself.
 */
int holdfast_nb_config_read(const struct lyd_node *block, struct holdfast_config *config,
			    struct error *error);

int holdfast_nb_create(struct nb_cb_create_args *args);
int holdfast_nb_modify(struct nb_cb_modify_args *args);
int holdfast_nb_destroy(struct nb_cb_destroy_args *args);
int holdfast_nb_block_destroy(struct nb_cb_destroy_args *args);
int holdfast_nb_block_pre_validate(struct nb_cb_pre_validate_args *args);
void holdfast_nb_block_apply_finish(struct nb_cb_apply_finish_args *args);
int holdfast_nb_local_member_modify(struct nb_cb_modify_args *args);

/* holdfast_cli.c */
void holdfast_cli_show(struct vty *vty, const struct lyd_node *dnode, bool show_defaults);
void holdfast_cli_show_end(struct vty *vty, const struct lyd_node *dnode);

#endif
