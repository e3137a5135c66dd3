/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_nb.h. zebra has loaded its models before a module is asked: ours is added to the
 * same libyang context, and its nodes get what FRR's nb_init() gives to those of its own models.
 */
#include "zebra-plugin/compat.h"

#include "lib/memory.h"
#include "lib/yang.h"

#include "yang/frr-holdfast.yang.h"
#include "zebra-plugin/holdfast_nb.h"

static struct yang_module_embed model = {
	.mod_name = "frr-holdfast",
	.mod_rev = HOLDFAST_YANG_REVISION,
	.sub_mod_name = "",
	.sub_mod_rev = "",
	.data = HOLDFAST_YANG_MODEL,
	.format = LYS_IN_YANG,
};

/* clang-format off */
#define LEAF_WITH_DEFAULT(path) \
	{ .xpath = HOLDFAST_XPATH path, .cbs = {.modify = holdfast_nb_modify} }
#define LEAF(path) \
	{ .xpath = HOLDFAST_XPATH path, \
	  .cbs = {.modify = holdfast_nb_modify, .destroy = holdfast_nb_destroy} }
#define LOCAL_MEMBER(path) \
	{ .xpath = HOLDFAST_XPATH path, \
	  .cbs = {.modify = holdfast_nb_local_member_modify, .destroy = holdfast_nb_destroy} }
#define LIST_OR_CONTAINER(path) \
	{ .xpath = HOLDFAST_XPATH path, \
	  .cbs = {.create = holdfast_nb_create, .destroy = holdfast_nb_destroy} }

static const struct frr_yang_module_info callbacks = {
	.name = "frr-holdfast",
	.nodes = {
		{
			.xpath = HOLDFAST_XPATH,
			.cbs = {
				.create = holdfast_nb_create,
				.destroy = holdfast_nb_block_destroy,
				.pre_validate = holdfast_nb_block_pre_validate,
				.apply_finish = holdfast_nb_block_apply_finish,
				.cli_show = holdfast_cli_show,
				.cli_show_end = holdfast_cli_show_end,
			}
		},
		LIST_OR_CONTAINER("/prefix"),
		LIST_OR_CONTAINER("/member-range"),
		LOCAL_MEMBER("/local-member/ipv4"),
		LOCAL_MEMBER("/local-member/ipv6"),
		LEAF_WITH_DEFAULT("/role"),
		LEAF("/directory/key-file"),
		LEAF_WITH_DEFAULT("/directory/port"),
		LEAF_WITH_DEFAULT("/directory/replicas"),
		LEAF_WITH_DEFAULT("/directory/ring-members"),
		LEAF_WITH_DEFAULT("/directory/record-lifetime"),
		LIST_OR_CONTAINER("/directory/valkey"),
		LEAF_WITH_DEFAULT("/directory/valkey/host"),
		LEAF_WITH_DEFAULT("/directory/valkey/port"),
		LEAF("/directory/valkey/user"),
		LEAF("/directory/valkey/password-file"),
		LEAF_WITH_DEFAULT("/directory/valkey/tls"),
		LEAF("/directory/valkey/ca-file"),
		LEAF("/directory/valkey/certificate"),
		LEAF("/directory/valkey/key"),
		LEAF_WITH_DEFAULT("/directory/valkey/prefix"),
		LEAF_WITH_DEFAULT("/tunnel/port"),
		LEAF_WITH_DEFAULT("/tunnel/vni"),
		LEAF_WITH_DEFAULT("/mark/owner-mask"),
		LEAF_WITH_DEFAULT("/mark/stray-bit"),
		LEAF_WITH_DEFAULT("/mark/tunnel-bit"),
		LEAF_WITH_DEFAULT("/mark/path-mask"),
		LEAF_WITH_DEFAULT("/queue"),
		LEAF_WITH_DEFAULT("/pins/max"),
		LEAF_WITH_DEFAULT("/pins/check-interval"),
		LEAF_WITH_DEFAULT("/flows/max"),
		LEAF_WITH_DEFAULT("/flows/lifetime"),
		LEAF_WITH_DEFAULT("/flows/fast-path"),
		{
			.xpath = NULL,
		},
	}
};
/* clang-format on */

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
	if (CHECK_FLAG(snode->nodetype, LYS_CONTAINER | LYS_LIST)) {
		(void)yang_snodes_iterate_subtree(snode, NULL, find_state, 0, &config_only);
		if (config_only)
			SET_FLAG(node->flags, F_NB_NODE_CONFIG_ONLY);
	}
	node->snode = snode;
	((struct lysc_node *)snode)->priv = node;
	return YANG_ITER_CONTINUE;
}

int holdfast_nb_init(void)
{
	struct memtype *memtype = NULL;
	size_t i;

	qmem_walk(find_memtype, &memtype);
	if (!memtype) {
		zlog_err("Holdfast: this zebra has no northbound as FRR 8.4 has it");
		return -1;
	}
	yang_module_embed(&model);
	yang_snodes_iterate(holdfast_yang_module_load(callbacks.name)->info, node_add, 0, memtype);
	for (i = 0; callbacks.nodes[i].xpath; i++) {
		struct nb_node *node = nb_node_find(callbacks.nodes[i].xpath);

		if (!node) {
			zlog_err("Holdfast: the model lacks %s", callbacks.nodes[i].xpath);
			return -1;
		}
		node->cbs = callbacks.nodes[i].cbs;
	}
	nb_validate_callbacks();
	return 0;
}
