/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module for mgmtd, which has the configuration of zebra from FRR 10.4 on: the model and the
 * commands. zebra gets from mgmtd what was committed. What contradicts itself is refused here, a
 * single command by itself, a block of a file as a whole: zebra could only refuse all the lines of
 * a file, and one that starts later its whole configuration. mgmtd's only pthread.
 */
#include "zebra-plugin/compat.h"

#include <ifaddrs.h>

#include "lib/command.h"
#include "lib/hook.h"
#include "lib/libfrr.h"
#include "lib/module.h"
#include "lib/northbound_cli.h"
#include "lib/vty.h"
#include "mgmtd/mgmt.h"
#include "mgmtd/mgmt_be_adapter.h"

#include "zebra-plugin/holdfast_cli.h"
#include "zebra-plugin/holdfast_core.h"
#include "zebra-plugin/holdfast_nb.h"

/* Of lib/command.c: before a command is executed. */
DECLARE_HOOK(cmd_execute, (struct vty * vty, const char *command, char **replaced),
	     (vty, command, replaced));

#define MODELS_MAX 64
#define LOOK_S 60
#define NO_MODULE                                                                                  \
	"zebra has no Holdfast module, or does not run: what is configured has no effect. Add"     \
	" -M zebra_holdfast to zebra_options in /etc/frr/daemons, and restart FRR"

/* clang-format off */
static const struct frr_yang_module_info info = {
	.name = HOLDFAST_MODEL_NAME,
	.ignore_cfg_cbs = true,
	.nodes = {
		{
			.xpath = HOLDFAST_XPATH,
			.cbs = {
				.cli_show = holdfast_nb_cli_show,
				.cli_show_end = holdfast_nb_cli_show_end,
			},
		},
		{
			.xpath = NULL,
		},
	}
};
/* clang-format on */

static struct {
	holdfast_loop *loop;
	holdfast_event *t_look;
	bool warned;
} module;

static bool zebra_listens(void)
{
	return mgmt_be_interested_clients(HOLDFAST_XPATH, MGMT_BE_XPATH_SUBSCR_TYPE_CFG,
					  "Holdfast") != 0;
}

static void look(holdfast_event *event)
{
	bool amiss = holdfast_nb_block(running_config) && !zebra_listens();

	if (amiss && !module.warned)
		zlog_warn("Holdfast: %s", NO_MODULE);
	module.warned = amiss;
	holdfast_add_timer_ms(module.loop, look, NULL, LOOK_S * 1000, &module.t_look);
}

bool holdfast_cli_address_is_local(const union sockunion *address)
{
	struct ifaddrs *list, *entry;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (entry = list; entry && !found; entry = entry->ifa_next)
		found = entry->ifa_addr &&
			entry->ifa_addr->sa_family == sockunion_family(address) &&
			sockunion_same((const union sockunion *)entry->ifa_addr, address);
	freeifaddrs(list);
	return found;
}

static void tell_refused(struct vty *vty, const struct error *error)
{
	vty_out(vty, "%% Configuration failed.\n\nError type: validation\nError description: %s\n",
		error->text);
}

enum outcome {
	CHANGED,
	UNCHANGED,
	REFUSED,
};

static bool same(const struct lyd_node *one, const struct lyd_node *other)
{
	if (!one || !other)
		return one == other;
	return lyd_compare_single(one, other, LYD_COMPARE_FULL_RECURSION) == LY_SUCCESS;
}

/* What would come of the changes that were enqueued; REFUSED: *error* is set. */
static enum outcome changes_try(struct vty *vty, struct error *error)
{
	const struct lyd_node *running = holdfast_nb_block(running_config);
	const struct lyd_node *before = holdfast_nb_block(vty->candidate_config), *after;
	struct lyd_node *copy = NULL;
	struct nb_config *scratch;
	enum outcome outcome = CHANGED;
	char text[BUFSIZ];
	bool failed;

	if (!vty->xpath_index) /* `holdfast`, `no holdfast` */
		return same(before, running) &&
				       !running == (vty->cfg_changes[0].operation == NB_OP_DESTROY)
			       ? UNCHANGED
			       : CHANGED;
	if (!before || lyd_dup_single(before, NULL, LYD_DUP_RECURSIVE, &copy))
		return CHANGED;
	scratch = nb_config_new(copy);
	nb_candidate_edit_config_changes(scratch, vty->cfg_changes, vty->num_cfg_changes,
					 VTY_CURR_XPATH, false, text, sizeof(text), &failed);
	lyd_new_implicit_tree(copy, LYD_IMPLICIT_NO_STATE, NULL);
	after = holdfast_nb_block(scratch);
	if (!failed && same(before, running) && same(after, running))
		outcome = UNCHANGED;
	else if (!failed && after && holdfast_nb_config_check(after, running, error))
		outcome = REFUSED;
	nb_config_free(scratch);
	return outcome;
}

/* In a file the lines count together, when the block ends. */
static bool in_file(const struct vty *vty)
{
	return vty->type == VTY_FILE || vty->pending_allowed;
}

int holdfast_cli_apply(struct vty *vty)
{
	struct error error;

	if (in_file(vty))
		return nb_cli_apply_changes(vty, NULL);
	switch (changes_try(vty, &error)) {
	case REFUSED:
		tell_refused(vty, &error);
		return CMD_WARNING_CONFIG_FAILED;
	case UNCHANGED: /* mgmtd would say so, as of all commands that change nothing */
		return CMD_SUCCESS;
	case CHANGED:
		break;
	}
	if (!zebra_listens())
		vty_out(vty, "%% warning: %s\n", NO_MODULE);
	return nb_cli_apply_changes(vty, NULL);
}

/* The block of the candidate as it is in running-config. */
static void block_restore(struct nb_config *candidate)
{
	const struct lyd_node *block = holdfast_nb_block(running_config);
	struct lyd_node *copy = NULL;

	nb_candidate_edit_config_change(candidate, NB_OP_DESTROY, HOLDFAST_XPATH, NULL, false);
	if (block && !lyd_dup_single(block, NULL, LYD_DUP_RECURSIVE, &copy))
		nb_config_merge(candidate, nb_config_new(copy), false);
}

/* The terminal leaves the block: by a command of the level above in a file of mgmtd's own. */
static int leave_block(struct vty *vty)
{
	const struct lyd_node *block = NULL;
	struct error error;

	if (in_file(vty) && vty->candidate_config)
		block = holdfast_nb_block(vty->candidate_config);
	if (block && holdfast_nb_config_check(block, holdfast_nb_block(running_config), &error)) {
		zlog_err("Holdfast: the block `holdfast` of a file is refused: %s", error.text);
		tell_refused(vty, &error);
		block_restore(vty->candidate_config);
	}
	return 1;
}

/* vtysh is at the end of a file: what it changed is about to be committed. */
static int before_command(struct vty *vty, const char *command, char **replaced)
{
	if (!strcmp(command, "XFRR_end_configuration"))
		leave_block(vty);
	return 0;
}

static int late_init(holdfast_loop *loop)
{
	module.loop = loop;
	hook_register(cmd_execute, before_command);
	holdfast_cli_init(NULL, leave_block);
	holdfast_add_timer_ms(loop, look, NULL, LOOK_S * 1000, &module.t_look);
	return 0;
}

static int fini(void)
{
	holdfast_event_off(module.t_look);
	return 0;
}

FRR_COREMOD_SETUP(.name = "mgmtd_holdfast_core", .version = HOLDFAST_VERSION, );

/* mgmtd has not loaded its models yet: ours becomes one of them. */
__attribute__((visibility("default"))) void holdfast_core_start(const char *arguments)
{
	static const struct frr_yang_module_info *models[MODELS_MAX];
	size_t count = mgmt_daemon_info->n_yang_modules;

	if (count >= MODELS_MAX) {
		zlog_err("Holdfast: mgmtd has more models than was expected: no commands");
		return;
	}
	holdfast_model_embed();
	memcpy(models, mgmt_daemon_info->yang_modules, count * sizeof(models[0]));
	models[count] = &info;
	mgmt_daemon_info->yang_modules = models;
	mgmt_daemon_info->n_yang_modules = count + 1;
	hook_register(frr_late_init, late_init);
	hook_register(frr_early_fini, fini);
}
