/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module of zebra, for tests alone: the command `test-rpc XPATH [NAME VALUE]...` of zebra's own
 * terminal calls an RPC of the northbound, which FRR gives no command for.
 */
#include "zebra-plugin/compat.h"

#include "lib/command.h"
#include "lib/hook.h"
#include "lib/libfrr.h"
#include "lib/module.h"
#include "lib/northbound_cli.h"

#define INPUTS_MAX 4

DEFUN(test_rpc, test_rpc_cmd, "test-rpc WORD",
      "Call an RPC\n"
      "Its path\n")
{
	const char *names[INPUTS_MAX], *values[INPUTS_MAX];
	size_t count = 0;
	int i;

	for (i = 2; i + 1 < argc && count < INPUTS_MAX; i += 2, count++) {
		names[count] = argv[i]->arg;
		values[count] = argv[i + 1]->arg;
	}
	return holdfast_cli_rpc(vty, argv[1]->arg, names, values, count);
}

ALIAS(test_rpc, test_rpc_inputs_cmd, "test-rpc WORD LINE...",
      "Call an RPC\n"
      "Its path\n"
      "Names and values of its inputs\n")

static int late_init(holdfast_loop *loop)
{
	install_element(ENABLE_NODE, &test_rpc_cmd);
	install_element(ENABLE_NODE, &test_rpc_inputs_cmd);
	return 0;
}

static int module_init(void)
{
	hook_register(frr_late_init, late_init);
	return 0;
}

FRR_MODULE_SETUP(.name = "rpc_caller", .version = HOLDFAST_VERSION,
		 .description = "calls RPCs for Holdfast's tests", .init = module_init, );
