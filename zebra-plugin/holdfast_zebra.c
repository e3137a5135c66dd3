/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module itself, which holdfast_loader.c loads into the stock zebra: registers the dataplane
 * provider before the kernel, and stops everything when zebra ends. The provider passes every
 * context on at once.
 */
#include "zebra-plugin/compat.h"

#include "lib/hook.h"
#include "lib/libfrr.h"
#include "lib/module.h"
#include "zebra/zebra_dplane.h"

#include "zebra-plugin/holdfast_active.h"
#include "zebra-plugin/holdfast_core.h"
#include "zebra-plugin/holdfast_counters.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_frontend.h"
#include "zebra-plugin/holdfast_memory.h"
#include "zebra-plugin/holdfast_nb.h"
#include "zebra-plugin/holdfast_routes.h"
#include "zebra-plugin/holdfast_vty.h"

#define PROVIDER_NAME "zebra_holdfast"

DEFINE_MGROUP(HOLDFAST, "Holdfast");

static struct zebra_dplane_provider *provider;
static const char *socket_path; /* what -M was given, or NULL */

/* Main pthread, after the fork. */
static int provider_start(struct zebra_dplane_provider *prov)
{
	return holdfast_fpm_start();
}

/* Dataplane pthread. */
static int provider_process(struct zebra_dplane_provider *prov)
{
	int limit = dplane_provider_get_work_limit(prov), done;

	for (done = 0; done < limit; done++) {
		struct zebra_dplane_ctx *ctx = dplane_provider_dequeue_in_ctx(prov);

		if (!ctx)
			break;
		holdfast_routes_observe(ctx);
		dplane_ctx_set_status(ctx, ZEBRA_DPLANE_REQUEST_SUCCESS);
		dplane_provider_enqueue_out_ctx(prov, ctx);
	}
	if (done == limit)
		dplane_provider_work_ready();
	return 0;
}

/*
 * Main pthread. Early: before zebra takes its routes away, which fpmd shall not take for the loss
 * of members. Late: the dataplane pthread has ended.
 */
static int provider_fini(struct zebra_dplane_provider *prov, bool early)
{
	if (early) {
		holdfast_frontend_stop();
		holdfast_active_stop();
		holdfast_routes_stop();
		holdfast_fpm_stop();
	} else {
		holdfast_fpm_fini();
	}
	return 0;
}

static int late_init(holdfast_loop *loop)
{
	char path[PATH_MAX];

	if (socket_path && *socket_path)
		strlcpy(path, socket_path, sizeof(path));
	else
		snprintf(path, sizeof(path), "%s/fpmd.sock", HOLDFAST_RUN_DIRECTORY);
	if (holdfast_nb_init() || holdfast_routes_init() ||
	    holdfast_fpm_init(path, holdfast_routes_replay)) {
		zlog_err("Holdfast: the module is not active");
		return 0;
	}
	if (dplane_provider_register(PROVIDER_NAME, DPLANE_PRIO_PRE_KERNEL,
				     DPLANE_PROV_FLAG_THREADED, provider_start, provider_process,
				     provider_fini, NULL, &provider)) {
		zlog_err(
			"Holdfast: zebra does not take the dataplane provider: the module is not active");
		holdfast_fpm_fini();
		return 0;
	}
	holdfast_active_init(loop);
	holdfast_frontend_init(loop);
	holdfast_vty_init();
	return 0;
}

/* No module of FRR's own list: this is what its commands and log messages refer to. */
FRR_COREMOD_SETUP(.name = "zebra_holdfast_core", .version = HOLDFAST_VERSION, );

__attribute__((visibility("default"))) void holdfast_core_start(const char *arguments)
{
	socket_path = arguments;
	holdfast_frontend_start();
	hook_register(frr_late_init, late_init);
}
