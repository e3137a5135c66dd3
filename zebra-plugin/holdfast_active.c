/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_active.h. A change is handed to fpmd after a short time without another one, so that
 * a file that is being read counts as a whole.
 */
#include "zebra-plugin/compat.h"

#include "zebra-plugin/holdfast_active.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_routes.h"

#define APPLY_MS 100
/* Without a line of ours for so long after zebra's start there is no configuration any more. */
#define UNCONFIGURED_MS 60000

static struct {
	holdfast_loop *loop;
	struct holdfast_config config;
	holdfast_event *t_apply;
	bool stopped;
} active;

static void apply(holdfast_event *event)
{
	struct error problems[HOLDFAST_PROBLEMS_MAX];
	size_t count = holdfast_config_problems(&active.config, problems, array_size(problems));

	holdfast_fpm_config_problems(problems, count);
	holdfast_routes_config(&active.config);
	/* Never before: fpmd would take an empty configuration for the truth. */
	holdfast_fpm_enable();
}

static void apply_soon(void)
{
	if (active.stopped)
		return;
	holdfast_event_off(active.t_apply);
	holdfast_add_timer_ms(active.loop, apply, NULL, APPLY_MS, &active.t_apply);
}

void holdfast_active_set(const struct holdfast_config *config)
{
	uint32_t debug = active.config.debug;

	active.config = *config;
	active.config.debug = debug;
	apply_soon();
}

void holdfast_active_set_debug(uint32_t topics)
{
	active.config.debug = topics;
	if (active.config.enabled)
		apply_soon();
}

const struct holdfast_config *holdfast_active(void)
{
	return &active.config;
}

void holdfast_active_init(holdfast_loop *loop)
{
	active.loop = loop;
	holdfast_config_init(&active.config);
	holdfast_add_timer_ms(loop, apply, NULL, UNCONFIGURED_MS, &active.t_apply);
}

void holdfast_active_stop(void)
{
	active.stopped = true;
	holdfast_event_off(active.t_apply);
}
