/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_frontend.h. zebra itself has the commands. */
#include "zebra-plugin/compat.h"

#include "lib/if.h"
#include "lib/northbound_cli.h"
#include "lib/vrf.h"

#include "zebra-plugin/holdfast_cli.h"
#include "zebra-plugin/holdfast_frontend.h"
#include "zebra-plugin/holdfast_nb.h"

int holdfast_cli_apply(struct vty *vty)
{
	return nb_cli_apply_changes(vty, NULL);
}

bool holdfast_cli_address_is_local(const union sockunion *address)
{
	return if_address_is_local(sockunion_get_addr(address), sockunion_family(address),
				   VRF_DEFAULT);
}

static int write_block(struct vty *vty)
{
	const struct lyd_node *block = holdfast_nb_block(running_config);

	if (block)
		nb_cli_show_dnode_cmds(vty, block, false);
	return block != NULL;
}

void holdfast_frontend_start(void)
{
}

void holdfast_frontend_init(holdfast_loop *loop)
{
	holdfast_cli_init(write_block, NULL);
}

void holdfast_frontend_stop(void)
{
}

/* A file is one transaction for each block. */
bool holdfast_frontend_delivers_all(void)
{
	return false;
}

void holdfast_frontend_delivered(void)
{
}

const char *holdfast_frontend_unconfigured(void)
{
	return "Holdfast is not configured: enter `holdfast` in configuration mode";
}

/* Through a transaction of its own, so that running-config shows it and `no drain` ends it. */
int holdfast_frontend_drain(bool drain, char *errmsg, size_t errmsg_len)
{
	struct nb_context context = {.client = NB_CLIENT_CLI};
	struct nb_config *candidate;
	int result = NB_ERR;

	candidate = nb_config_dup(running_config);
	if (lyd_new_path(candidate->dnode, ly_native_ctx, HOLDFAST_XPATH "/drain",
			 drain ? "true" : "false", LYD_NEW_PATH_UPDATE, NULL))
		strlcpy(errmsg, "no memory", errmsg_len);
	else
		result = nb_candidate_commit(HOLDFAST_NB_CONTEXT(context), candidate, false,
					     drain ? "RPC drain" : "RPC undrain", NULL, errmsg,
					     errmsg_len);
	nb_config_free(candidate);
	return result == NB_ERR_NO_CHANGES ? NB_OK : result;
}
