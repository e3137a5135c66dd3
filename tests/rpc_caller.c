/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module of zebra, for tests alone: the command `test-rpc XPATH [NAME VALUE]` of zebra's own
 * terminal calls an RPC of the northbound, which FRR gives no command for.
 */
#include "zebra-plugin/compat.h"

#include "lib/command.h"
#include "lib/hook.h"
#include "lib/libfrr.h"
#include "lib/module.h"
#include "lib/northbound_cli.h"

DEFUN(test_rpc, test_rpc_cmd, "test-rpc WORD [WORD WORD]",
      "Call an RPC\n"
      "Its path\n"
      "One of its inputs\n"
      "The value\n")
{
	return holdfast_cli_rpc(vty, argv[1]->arg, argc > 2 ? argv[2]->arg : NULL,
				argc > 2 ? argv[3]->arg : NULL);
}

static int late_init(holdfast_loop *loop)
{
	install_element(ENABLE_NODE, &test_rpc_cmd);
	return 0;
}

static int module_init(void)
{
	hook_register(frr_late_init, late_init);
	return 0;
}

FRR_MODULE_SETUP(.name = "rpc_caller", .version = HOLDFAST_VERSION,
		 .description = "calls RPCs for Holdfast's tests", .init = module_init, );
