/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the versions of FRR: the event loop, the directory of sockets and parts of
 * the northbound were renamed after 8.x, <string.h> does not come with zebra.h any more, the inputs
 * of an RPC are no list any more, and the end of a system route (connected, local, kernel) has a
 * context of its own. In the newest one mgmtd has zebra's configuration. The build sets
 * FRR_VERSION_NUMBER, 804 for 8.4, and HOLDFAST_THROUGH_MGMTD; it also takes one of
 * holdfast_frontend_zebra.c and holdfast_frontend_mgmtd.c.
 */
#ifndef HOLDFAST_COMPAT_H
#define HOLDFAST_COMPAT_H

#include <zebra.h>

#include <string.h>

#include "lib/northbound_cli.h"
#include "lib/yang.h"

#if FRR_VERSION_NUMBER < 900
#include "lib/thread.h"

typedef struct thread holdfast_event;
typedef struct thread_master holdfast_loop;

#define HOLDFAST_EVENT_ARG(event) THREAD_ARG(event)
#define holdfast_add_read thread_add_read
#define holdfast_add_write thread_add_write
#define holdfast_add_event thread_add_event
#define holdfast_add_timer_ms thread_add_timer_msec
#define holdfast_event_off(event) THREAD_OFF(event)
#define holdfast_yang_module_load yang_module_load
#define HOLDFAST_NB_CAN(operation, snode) nb_operation_is_valid(NB_OP_##operation, snode)
#define HOLDFAST_NB_CONTEXT(context) (&(context))

#define HOLDFAST_RUN_DIRECTORY frr_vtydir

/* An input of an RPC; NULL: it was not given. */
static inline const char *holdfast_rpc_input(const struct nb_cb_rpc_args *args, const char *name)
{
	const struct yang_data *data =
		yang_data_list_find(args->input, "%s/input/%s", args->xpath, name);

	return data ? data->value : NULL;
}

/* Calls an RPC with so many inputs. */
static inline int holdfast_cli_rpc(struct vty *vty, const char *xpath, const char *const names[],
				   const char *const values[], size_t count)
{
	struct list *input = list_new();
	char path[XPATH_MAXLEN];
	size_t i;
	int result;

	input->del = (void (*)(void *))yang_data_free;
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/input/%s", xpath, names[i]);
		listnode_add(input, yang_data_new(path, values[i]));
	}
	result = nb_cli_rpc(vty, xpath, input, NULL);
	list_delete(&input);
	return result;
}
#else
#include "lib/frrevent.h"

typedef struct event holdfast_event;
typedef struct event_loop holdfast_loop;

#define HOLDFAST_EVENT_ARG(event) EVENT_ARG(event)
#define holdfast_add_read event_add_read
#define holdfast_add_write event_add_write
#define holdfast_add_event event_add_event
#define holdfast_add_timer_ms event_add_timer_msec
#define holdfast_event_off(event) event_cancel(&(event))
#define holdfast_yang_module_load(name) yang_module_load(name, NULL)
#define HOLDFAST_NB_CAN(operation, snode) nb_cb_operation_is_valid(NB_CB_##operation, snode)
#define HOLDFAST_NB_CONTEXT(context) (context)

#define HOLDFAST_RUN_DIRECTORY frr_runstatedir

static inline const char *holdfast_rpc_input(const struct nb_cb_rpc_args *args, const char *name)
{
	const struct lyd_node *node = yang_dnode_get(args->input, name);

	return node ? lyd_get_value(node) : NULL;
}

static inline int holdfast_cli_rpc(struct vty *vty, const char *xpath, const char *const names[],
				   const char *const values[], size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		nb_cli_rpc_enqueue(vty, names[i], values[i]);
	return nb_cli_rpc(vty, xpath, NULL);
}
#endif

/*
 * The end of a system route (connected, local, kernel) is a ROUTE_DELETE like any other. 10.3 and
 * 10.4 tell it on request only, in an operation of its own, also of routes that were not selected;
 * what is selected then follows. From 10.6 on zebra takes its own notifications for news, without
 * end, if they are asked for; so the end of a kernel route is told by the next replay there.
 */
#if FRR_VERSION_NUMBER >= 1003 && FRR_VERSION_NUMBER < 1006
#define holdfast_system_routes_enable() dplane_enable_sys_route_notifs()
#define holdfast_system_route_ends(ctx)                                                            \
	(dplane_ctx_get_op(ctx) == DPLANE_OP_SYS_ROUTE_DELETE &&                                   \
	 CHECK_FLAG(dplane_ctx_get_flags(ctx), ZEBRA_FLAG_SELECTED))
#else
#define holdfast_system_routes_enable() ((void)0)
#define holdfast_system_route_ends(ctx) false
#endif

/* Which daemon vtysh sends configuration to, as a bit: VTYSH_MGMTD or VTYSH_ZEBRA of vtysh.h. */
#if HOLDFAST_THROUGH_MGMTD
#define HOLDFAST_VTYSH_CONFIGURATION 0x200000
#else
#define HOLDFAST_VTYSH_CONFIGURATION 0x00001
#endif

#endif
