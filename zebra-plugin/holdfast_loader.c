/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What zebra loads (-M zebra_holdfast[:SOCKET]), and mgmtd (-M mgmtd_holdfast): the build names the
 * module. One that a daemon cannot load ends the daemon, and one that was built for another version
 * crashes it: both may come with an upgrade of FRR, and would take the host's routing away. So this
 * one needs nothing that differs between versions; it looks which FRR is running, and loads
 * NAME_core.so from its own directory if that was built for it. Else the daemon runs without
 * Holdfast, and standard error and the system's log say why.
 */
#include <zebra.h>

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <syslog.h>

#include "lib/module.h"
#include "lib/version.h"

#include "zebra-plugin/holdfast_core.h"

static int module_init(void);

FRR_MODULE_SETUP(.name = HOLDFAST_MODULE, .version = HOLDFAST_VERSION,
		 .description = "Holdfast: keeps the TCP sessions of an anycast service",
		 .init = module_init, );

/* What `show modules` says of one that is loaded, but does nothing. */
static const struct frrmod_info inactive_info = {
	.name = HOLDFAST_MODULE,
	.version = HOLDFAST_VERSION,
	.description = "Holdfast: NOT ACTIVE, built for FRR " FRR_VERSION,
};

static void stay_inactive(const char *reason)
{
	fprintf(stderr, "Holdfast: the module is not active: %s\n", reason);
	syslog(LOG_DAEMON | LOG_ERR, "Holdfast: the module is not active: %s", reason);
	THIS_MODULE->info = &inactive_info;
}

/* The running version is that of libfrr, which is always the first of the modules. */
static bool version_fits(void)
{
	const char *running = frrmod_list->info->version;
	char reason[256];

	if (!strcmp(running, FRR_VERSION))
		return true;
	snprintf(reason, sizeof(reason),
		 "it was built for FRR %s, and this is FRR %s: build Holdfast anew and restart FRR",
		 FRR_VERSION, running);
	stay_inactive(reason);
	return false;
}

/* The daemon goes on in any case. */
static int module_init(void)
{
	holdfast_core_start_fn *start = NULL;
	char own[PATH_MAX], path[PATH_MAX];
	void *handle, *symbol;
	Dl_info found;

	if (!version_fits())
		return 0;
	if (!dladdr(&inactive_info, &found) || !found.dli_fname) {
		stay_inactive("its own file is not found");
		return 0;
	}
	snprintf(own, sizeof(own), "%s", found.dli_fname); /* strlcpy() is of newer C libraries */
	snprintf(path, sizeof(path), "%s/" HOLDFAST_MODULE "_core.so", dirname(own));
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	symbol = handle ? dlsym(handle, HOLDFAST_CORE_START) : NULL;
	if (!symbol) {
		stay_inactive(dlerror());
		return 0;
	}
	memcpy(&start, &symbol, sizeof(start));
	start(THIS_MODULE->load_args);
	return 0;
}
