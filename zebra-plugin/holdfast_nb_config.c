/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_nb.h. Nothing is done for a single node: the candidate is read and checked as a
 * whole, and once it is committed it is read again and takes effect. To take away a line of
 * running-config is never refused: frr-reload removes them one by one.
 */
#include "zebra-plugin/compat.h"

#include "zebra-plugin/holdfast_active.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_frontend.h"
#include "zebra-plugin/holdfast_nb.h"

int holdfast_nb_block_pre_validate(struct nb_cb_pre_validate_args *args)
{
	struct error error;

	if (!holdfast_nb_config_check(args->dnode, holdfast_nb_block(running_config), &error) ||
	    holdfast_frontend_delivers_all())
		return NB_OK;
	strlcpy(args->errmsg, error.text, args->errmsg_len);
	return NB_ERR_VALIDATION;
}

/* The candidate is not running yet, but nothing can refuse it any more. */
void holdfast_nb_block_apply_finish(struct nb_cb_apply_finish_args *args)
{
	struct holdfast_config config;
	struct error error;

	holdfast_frontend_delivered();
	if (!holdfast_nb_config_read(args->dnode, &config, &error)) {
		holdfast_active_set(&config);
		return;
	}
	zlog_err("Holdfast: the configuration does not take effect: %s", error.text);
	holdfast_fpm_config_problems(&error, 1);
}

/* apply_finish is not called for a node that goes. */
int holdfast_nb_block_destroy(struct nb_cb_destroy_args *args)
{
	struct holdfast_config config;

	if (args->event != NB_EV_APPLY)
		return NB_OK;
	holdfast_frontend_delivered();
	holdfast_config_init(&config);
	holdfast_active_set(&config);
	return NB_OK;
}
