/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module of zebra, for tests alone, with commands for zebra's own terminal. `test-rpc XPATH [NAME
 * VALUE]...` calls an RPC of the northbound, which FRR gives no command for. `test-fault leak`,
 * `race`, `overrun` and `overflow` do what a sanitizer has to find: topotests/cli/test_sanitizer.py
 * sees by them that it would find it in ours.
 */
#include "zebra-plugin/compat.h"

#include <pthread.h>

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

static void *volatile fault_block;
static volatile int fault_shared;

static void *fault_write(void *arg)
{
	fault_shared++;
	return arg;
}

DEFUN(test_fault, test_fault_cmd, "test-fault <leak|race|overrun|overflow>",
      "Do what a sanitizer has to find\n"
      "Memory that nothing points to\n"
      "Two pthreads write without a lock\n"
      "A byte past the end is read\n"
      "A number grows too large\n")
{
	const char *kind = argv[1]->text;
	pthread_t other;

	if (!strcmp(kind, "race")) {
		if (pthread_create(&other, NULL, fault_write, NULL))
			return CMD_WARNING;
		fault_shared++;
		pthread_join(other, NULL);
		return CMD_SUCCESS;
	}
	if (!strcmp(kind, "overflow")) {
		fault_shared = INT_MAX;
		fault_shared++;
		return CMD_SUCCESS;
	}
	fault_block = malloc(4321);
	if (!strcmp(kind, "overrun"))
		vty_out(vty, "%d\n", ((char *)fault_block)[4321]);
	else
		fault_block = NULL;
	return CMD_SUCCESS;
}

static int late_init(holdfast_loop *loop)
{
	install_element(ENABLE_NODE, &test_rpc_cmd);
	install_element(ENABLE_NODE, &test_rpc_inputs_cmd);
	install_element(ENABLE_NODE, &test_fault_cmd);
	return 0;
}

static int module_init(void)
{
	hook_register(frr_late_init, late_init);
	return 0;
}

FRR_MODULE_SETUP(.name = "rpc_caller", .version = HOLDFAST_VERSION,
		 .description = "commands for Holdfast's tests", .init = module_init, );
