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
#include "zebra-plugin/holdfast_model.h"

/* Makes the model known to zebra. Returns 0, or -1 (logged). */
int holdfast_nb_init(void);

/* holdfast_nb_read.c */

/*
 * The configuration that the container says. Returns 0, or -1 with *error* set: it contradicts
 * itself.
 */
int holdfast_nb_config_read(const struct lyd_node *block, struct holdfast_config *config,
			    struct error *error);

/*
 * Whether the container may take the place of the one *before* (NULL: there was none): always, if
 * they are the same. Returns 0, or -1 with *error* set.
 */
int holdfast_nb_config_check(const struct lyd_node *block, const struct lyd_node *before,
			     struct error *error);

/* The container in a datastore; NULL: there is none. */
const struct lyd_node *holdfast_nb_block(const struct nb_config *datastore);

void holdfast_nb_cli_show(struct vty *vty, const struct lyd_node *dnode, bool show_defaults);
void holdfast_nb_cli_show_end(struct vty *vty, const struct lyd_node *dnode);

/* holdfast_nb_config.c */
int holdfast_nb_block_destroy(struct nb_cb_destroy_args *args);
int holdfast_nb_block_pre_validate(struct nb_cb_pre_validate_args *args);
void holdfast_nb_block_apply_finish(struct nb_cb_apply_finish_args *args);

/* holdfast_nb_state.c */
struct yang_data *holdfast_nb_state_get(struct nb_cb_get_elem_args *args); /* of every other leaf */
struct yang_data *holdfast_nb_state_connected_get(struct nb_cb_get_elem_args *args);
struct yang_data *holdfast_nb_state_age_get(struct nb_cb_get_elem_args *args);
const void *holdfast_nb_state_problem_next(struct nb_cb_get_next_args *args);
struct yang_data *holdfast_nb_state_problem_get(struct nb_cb_get_elem_args *args);
#define HOLDFAST_NB_STATE_LIST(name)                                                               \
	const void *holdfast_nb_state_##name##_next(struct nb_cb_get_next_args *args);             \
	int holdfast_nb_state_##name##_keys(struct nb_cb_get_keys_args *args);                     \
	const void *holdfast_nb_state_##name##_lookup(struct nb_cb_lookup_entry_args *args)
HOLDFAST_NB_STATE_LIST(vip);
HOLDFAST_NB_STATE_LIST(member);
HOLDFAST_NB_STATE_LIST(owner);
HOLDFAST_NB_STATE_LIST(path);
HOLDFAST_NB_STATE_LIST(counter);

/* holdfast_nb_rpcs.c */
int holdfast_nb_rpc_drain(struct nb_cb_rpc_args *args);
int holdfast_nb_rpc_undrain(struct nb_cb_rpc_args *args);
int holdfast_nb_rpc_clear_pins(struct nb_cb_rpc_args *args);

#endif
