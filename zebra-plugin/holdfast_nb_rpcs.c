/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_nb.h. What the RPCs do that the model has. */
#include "zebra-plugin/compat.h"

#include "lib/northbound.h"
#include "lib/yang.h"

#include "zebra-plugin/holdfast_nb.h"

/* Through a transaction of its own, so that running-config shows it and `no drain` ends it. */
static int drain_set(const char *value, const char *comment, char *errmsg, size_t errmsg_len)
{
	struct nb_context context = {.client = NB_CLIENT_CLI};
	struct nb_config *candidate;
	int result = NB_ERR;

	if (!yang_dnode_exists(running_config->dnode, HOLDFAST_XPATH)) {
		strlcpy(errmsg, "Holdfast is not configured on this host", errmsg_len);
		return NB_ERR;
	}
	candidate = nb_config_dup(running_config);
	if (lyd_new_path(candidate->dnode, ly_native_ctx, HOLDFAST_XPATH "/drain", value,
			 LYD_NEW_PATH_UPDATE, NULL))
		strlcpy(errmsg, "no memory", errmsg_len);
	else
		result = nb_candidate_commit(HOLDFAST_NB_CONTEXT(context), candidate, false,
					     comment, NULL, errmsg, errmsg_len);
	nb_config_free(candidate);
	return result == NB_ERR_NO_CHANGES ? NB_OK : result;
}

int holdfast_nb_rpc_drain(struct nb_cb_rpc_args *args)
{
	return drain_set("true", "RPC drain", args->errmsg, args->errmsg_len);
}

int holdfast_nb_rpc_undrain(struct nb_cb_rpc_args *args)
{
	return drain_set("false", "RPC undrain", args->errmsg, args->errmsg_len);
}
