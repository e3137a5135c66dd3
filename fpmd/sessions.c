// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions of this host: what the kernel accepts is published, what the kernel has forgotten
 * (TIME_WAIT included) is withdrawn.
 */
#include <stdlib.h>

#include "fpmd/daemon.h"
#include "fpmd/log.h"

/* Look at this many ended sessions per tick at most. */
#define CLOSING_BATCH 2000

/* *event*: it began just now; else it was found in the kernel, maybe once more. */
static void begin(struct daemon *d, const struct flow *flow, bool event)
{
	struct vip *vip = vips_find(d, &flow->vip);
	char text[FLOW_TEXT_SIZE];

	if (!vip)
		return;
	closing_cancel(&d->closings, flow);
	rescue_accepted(d, flow);
	if (!event && directory_published(d->directory, flow))
		return;
	if (directory_publish(d->directory, flow)) {
		vip->sessions++;
		d->counters.sessions_begun++;
		log_debug(TOPIC_SESSIONS, "sessions: %s begins", flow_text(flow, text));
	}
}

static void withdraw(struct daemon *d, const struct flow *flow)
{
	struct vip *vip = vips_find(d, &flow->vip);

	if (vip && vip->sessions && directory_published(d->directory, flow))
		vip->sessions--;
	directory_withdraw(d->directory, flow);
}

static void verify_end(struct daemon *d, const struct flow *flow, uint8_t looks)
{
	int known = kernel_session_known(d->kernel, flow);
	char text[FLOW_TEXT_SIZE];

	if (known && closing_add(&d->closings, flow, looks, clock_ms()))
		return;
	if (directory_published(d->directory, flow)) {
		d->counters.sessions_ended++;
		log_debug(TOPIC_SESSIONS, "sessions: %s ended", flow_text(flow, text));
	}
	withdraw(d, flow);
}

void sessions_event(void *arg, const struct flow *flow, enum kernel_session_event event)
{
	struct daemon *d = arg;

	if (event == KERNEL_SESSION_ESTABLISHED)
		begin(d, flow, true);
	else
		verify_end(d, flow, 0);
}

static void found_in_table(void *arg, const struct flow *flow)
{
	begin(arg, flow, false);
}

struct flow_list {
	struct flow *flows;
	size_t count, max;
};

static void collect(void *arg, const struct flow *flow, uint64_t age_ms)
{
	struct flow_list *list = arg;

	if (list->count < list->max)
		list->flows[list->count++] = *flow;
}

struct flow *sessions_published(struct daemon *d, size_t *count)
{
	struct flow_list list = {.max = directory_published_count(d->directory)};

	list.flows = calloc(list.max ? list.max : 1, sizeof(*list.flows));
	if (list.flows)
		directory_published_each(d->directory, collect, &list);
	*count = list.count;
	return list.flows;
}

void sessions_forget_foreign(struct daemon *d)
{
	size_t count;
	struct flow *flows = sessions_published(d, &count);

	if (!flows) {
		log_error("sessions: no memory to withdraw those of a removed prefix");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (settings_is_vip(&d->settings, &flows[i].vip))
			continue;
		closing_cancel(&d->closings, &flows[i]);
		withdraw(d, &flows[i]);
	}
	free(flows);
}

int sessions_read(struct daemon *d, struct error *error)
{
	return kernel_sessions_dump(d->kernel, found_in_table, d, error);
}

void sessions_lost(void *arg)
{
	struct daemon *d = arg;
	struct error error;
	struct flow *flows;
	size_t count;

	d->counters.sessions_resynced++;
	log_warn("sessions: events were lost: the socket table is read again");
	flows = sessions_published(d, &count);
	if (!flows) {
		log_error("sessions: no memory to find those that ended");
	} else {
		for (size_t i = 0; i < count; i++)
			if (kernel_session_known(d->kernel, &flows[i]) != 1)
				verify_end(d, &flows[i], 0);
		free(flows);
	}
	if (sessions_read(d, &error))
		log_error("sessions: %s", error.text);
}

/* TIME_WAIT does not claim a session: the port may live again elsewhere. */
int sessions_has(void *arg, const struct flow *flow)
{
	struct daemon *d = arg;
	const struct vip *vip;
	int known;

	if (!daemon_running(d) || !settings_is_vip(&d->settings, &flow->vip))
		return 0;
	/* A director is asked for many flows, and has none of them. */
	vip = vips_find(d, &flow->vip);
	if (vip && vip->routed && !vip->served)
		return 0;
	known = kernel_session_known(d->kernel, flow);
	return known < 0 ? -1 : known == 1;
}

void sessions_tick(struct daemon *d)
{
	struct flow flow;
	uint8_t looks;

	for (unsigned int i = 0; i < CLOSING_BATCH; i++) {
		if (!closing_take(&d->closings, clock_ms(), &flow, &looks))
			return;
		verify_end(d, &flow, looks);
	}
}
