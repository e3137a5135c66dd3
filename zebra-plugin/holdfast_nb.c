/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_nb.h. zebra has loaded its models before a module is asked: ours is added to the
 * same libyang context, and its nodes get what FRR's nb_init() gives to those of its own models.
 */
#include "zebra-plugin/compat.h"

#include "lib/memory.h"
#include "lib/yang.h"

#include "zebra-plugin/holdfast_nb.h"

/* clang-format off */
#define STATE(path, get) \
	{ .xpath = HOLDFAST_XPATH "/state" path, .cbs = {.get_elem = get} }
#define STATE_LIST(path, name) \
	{ .xpath = HOLDFAST_XPATH "/state" path, \
	  .cbs = {.get_next = holdfast_nb_state_##name##_next, \
		  .get_keys = holdfast_nb_state_##name##_keys, \
		  .lookup_entry = holdfast_nb_state_##name##_lookup} }

/* What is not the same for all nodes of its kind: see node_callbacks(). */
static const struct frr_yang_module_info info = {
	.name = HOLDFAST_MODEL_NAME,
	.nodes = {
		{
			.xpath = HOLDFAST_XPATH,
			.cbs = {
				.destroy = holdfast_nb_block_destroy,
				.pre_validate = holdfast_nb_block_pre_validate,
				.apply_finish = holdfast_nb_block_apply_finish,
				.cli_show = holdfast_nb_cli_show,
				.cli_show_end = holdfast_nb_cli_show_end,
			}
		},
		STATE("/connected", holdfast_nb_state_connected_get),
		STATE("/age", holdfast_nb_state_age_get),
		{
			.xpath = HOLDFAST_XPATH "/state/problem",
			.cbs = {
				.get_next = holdfast_nb_state_problem_next,
				.get_elem = holdfast_nb_state_problem_get,
			}
		},
		STATE_LIST("/summary/vip", vip),
		STATE_LIST("/members/member", member),
		STATE_LIST("/pins/owner", owner),
		STATE_LIST("/paths/path", path),
		STATE_LIST("/counters/counter", counter),
		{
			.xpath = "/frr-holdfast:drain",
			.cbs = {.rpc = holdfast_nb_rpc_drain},
		},
		{
			.xpath = "/frr-holdfast:undrain",
			.cbs = {.rpc = holdfast_nb_rpc_undrain},
		},
		{
			.xpath = "/frr-holdfast:clear-pins",
			.cbs = {.rpc = holdfast_nb_rpc_clear_pins},
		},
		{
			.xpath = NULL,
		},
	}
};
/* clang-format on */

static int created(struct nb_cb_create_args *args)
{
	return NB_OK;
}

static int modified(struct nb_cb_modify_args *args)
{
	return NB_OK;
}

static int destroyed(struct nb_cb_destroy_args *args)
{
	return NB_OK;
}

/* FRR insists on the callbacks that a node of the configuration can need, and on no others. */
static void node_callbacks(struct nb_node *node)
{
	const struct nb_callbacks *own = NULL;
	size_t i;

	for (i = 0; info.nodes[i].xpath; i++)
		if (!strcmp(info.nodes[i].xpath, node->xpath))
			own = &info.nodes[i].cbs;
	/* Input, output and choices of an RPC have its path. */
	if (own && (!own->rpc || HOLDFAST_NB_CAN(RPC, node->snode)))
		node->cbs = *own;
	if (!node->cbs.create && HOLDFAST_NB_CAN(CREATE, node->snode))
		node->cbs.create = created;
	if (!node->cbs.modify && HOLDFAST_NB_CAN(MODIFY, node->snode))
		node->cbs.modify = modified;
	if (!node->cbs.destroy && HOLDFAST_NB_CAN(DESTROY, node->snode))
		node->cbs.destroy = destroyed;
	if (!node->cbs.get_elem && HOLDFAST_NB_CAN(GET_ELEM, node->snode))
		node->cbs.get_elem = holdfast_nb_state_get;
}

/* FRR frees the nodes of all models as this type, and insists on it. */
static int find_memtype(void *arg, struct memgroup *group, struct memtype *memtype)
{
	struct memtype **found = arg;

	if (memtype && memtype->name && !strcmp(memtype->name, "Northbound Node"))
		*found = memtype;
	return 0;
}

static int find_state(const struct lysc_node *snode, void *arg)
{
	bool *config_only = arg;

	if (!CHECK_FLAG(snode->flags, LYS_CONFIG_R))
		return YANG_ITER_CONTINUE;
	*config_only = false;
	return YANG_ITER_STOP;
}

/* What FRR 8.4's lib/northbound.c, nb_node_new_cb(), does. */
static int node_add(const struct lysc_node *snode, void *arg)
{
	struct memtype *memtype = arg;
	struct nb_node *node = qcalloc(memtype, sizeof(*node));
	const struct lysc_node *parent = yang_snode_real_parent(snode),
			       *list = yang_snode_parent_list(snode);
	bool config_only = true;

	yang_snode_get_path(snode, YANG_PATH_DATA, node->xpath, sizeof(node->xpath));
	node->priority = NB_DFLT_PRIORITY;
	node->parent = parent ? parent->priv : NULL;
	node->parent_list = list ? list->priv : NULL;
	(void)yang_snodes_iterate_subtree(snode, NULL, find_state, 0, &config_only);
	if (config_only)
		SET_FLAG(node->flags, F_NB_NODE_CONFIG_ONLY);
	node->snode = snode;
	((struct lysc_node *)snode)->priv = node;
	node_callbacks(node);
	return YANG_ITER_CONTINUE;
}

int holdfast_nb_init(void)
{
	struct memtype *memtype = NULL;

	qmem_walk(find_memtype, &memtype);
	if (!memtype) {
		zlog_err("Holdfast: this zebra has no northbound as FRR 8.4 has it");
		return -1;
	}
	holdfast_model_embed();
	yang_snodes_iterate(holdfast_yang_module_load(info.name)->info, node_add, 0, memtype);
	nb_validate_callbacks();
	return 0;
}
