/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop's options. */
#include "fpmd/loop.h"

struct event_base *loop_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}
