/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holdfast's commands for the stock vtysh, which has its table compiled in: a preloaded object. It
 * stands in for vty_init_vtysh() of libfrr, which vtysh calls once, when its own commands are
 * there.
 */
#include "zebra-plugin/compat.h"

#include <dlfcn.h>

#include "lib/command.h"
#include "lib/json.h"
#include "lib/module.h"
#include "lib/version.h"
#include "lib/vty.h"

#include "zebra-plugin/holdfast_node.h"

#define VTYSH_ZEBRA 0x00001 /* of vtysh/vtysh.h */

void vty_init_vtysh(void);

/* Other programs that get the object preloaded (a wrapper of vtysh) have no libfrr. */
#pragma weak cmdvec
#pragma weak frrmod_list

static struct cmd_node holdfast_node = {
	.name = "holdfast",
	.node = HOLDFAST_NODE,
	.parent_node = CONFIG_NODE,
	.prompt = HOLDFAST_PROMPT,
};

static int enter_node(const struct cmd_element *self, struct vty *vty, int argc,
		      struct cmd_token *argv[])
{
	vty->node = HOLDFAST_NODE;
	return CMD_SUCCESS;
}

/* Only one daemon is in the node, so that only that one has to leave it. */
static int leave_node(const struct cmd_element *self, struct vty *vty, int argc,
		      struct cmd_token *argv[])
{
	vty->node = CONFIG_NODE;
	return CMD_SUCCESS;
}

static const struct cmd_element exit_cmd = {
	.name = "holdfast_exit_cmd",
	.string = "exit",
	.doc = "Exit current mode and down to previous mode\n",
	.daemon = HOLDFAST_VTYSH_CONFIGURATION,
	.func = leave_node,
};

static const struct cmd_element quit_cmd = {
	.name = "holdfast_quit_cmd",
	.string = "quit",
	.doc = "Exit current mode and down to previous mode\n",
	.daemon = HOLDFAST_VTYSH_CONFIGURATION,
	.func = leave_node,
};

#include "vtysh/holdfast_vtysh_commands.c"

/* vtysh's own `end` and `list`, which every node of it has, are the same for ours. */
static void install_common(void)
{
	static const char *const wanted[] = {"end", "list [permutations]", "find REGEX..."};
	const struct cmd_node *other = vector_lookup(cmdvec, VRF_NODE);
	size_t i;
	unsigned int j;

	if (!other)
		return;
	for (j = 0; j < vector_active(other->cmd_vector); j++) {
		const struct cmd_element *command = vector_slot(other->cmd_vector, j);

		for (i = 0; command && i < array_size(wanted); i++)
			if (!strcmp(command->string, wanted[i]))
				_install_element(HOLDFAST_NODE, command);
	}
}

static void install_all(void)
{
	install_node(&holdfast_node);
	install_commands();
	_install_element(HOLDFAST_NODE, &exit_cmd);
	_install_element(HOLDFAST_NODE, &quit_cmd);
	install_common();
}

/* libfrr is always the first of the modules. In another version vtysh works, without our commands.
 */
static bool version_fits(void)
{
	const char *running = frrmod_list->info->version;

	if (!strcmp(running, FRR_VERSION))
		return true;
	fprintf(stderr,
		"Holdfast: no commands: they were built for FRR %s, and this is FRR %s: build Holdfast anew\n",
		FRR_VERSION, running);
	return false;
}

__attribute__((visibility("default"))) void vty_init_vtysh(void)
{
	void (*original)(void);
	void *symbol = dlsym(RTLD_NEXT, "vty_init_vtysh");

	/* Programs that vtysh starts (pager, shell) shall not have it. */
	unsetenv("LD_PRELOAD");
	if (version_fits())
		install_all();
	memcpy(&original, &symbol, sizeof(original));
	if (original)
		original();
}
