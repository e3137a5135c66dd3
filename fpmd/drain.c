// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drain: this host takes no new sessions and keeps those it has. The addresses of the VIPs that it
 * serves are taken away, so that whatever announces them withdraws them; vips.c keeps serving them
 * while sessions are left. Invariant: what was taken away comes back with `no drain`, and when the
 * VIP is configured no more.
 */
#include "fpmd/daemon.h"
#include "fpmd/log.h"

/* Somebody who puts an address back again and again is not fought faster than that. */
#define AGAIN_MS 1000

static bool stays_away(void *arg, const struct in6_addr *address)
{
	const struct daemon *d = arg;

	return d->settings.drain && settings_is_vip(&d->settings, address);
}

/* Returns 0, or -1 with *error* set. */
static int withdraw(struct daemon *d, struct vip *vip, struct error *error)
{
	uint64_t now = clock_ms();
	char text[ADDRESS_TEXT_SIZE];
	int devices;

	if (vip->withdrawn_ms && now < vip->withdrawn_ms + AGAIN_MS)
		return 0;
	if (vip->withdrawn_ms)
		log_warn("drain: %s is here again, somebody put it back: it is taken away once "
			 "more; give `no drain` to keep it",
			 address_text(&vip->address, text));
	devices = kernel_address_withdraw(d->kernel, &vip->address, error);
	if (devices > 0)
		vip->withdrawn_ms = now ? now : 1;
	return devices < 0 ? -1 : 0;
}

/* Without the kernel's `local` route the sessions would go with the address. */
static bool is_to_withdraw(const struct daemon *d, const struct vip *vip)
{
	return d->settings.drain && vip->local && vip->served && !d->vips_due;
}

static void begin_or_end(struct daemon *d)
{
	struct drain *drain = &d->drain;

	if (drain->on == d->settings.drain)
		return;
	drain->on = d->settings.drain;
	drain->since_ms = clock_ms();
	drain->done_ms = 0;
	for (size_t i = 0; i < d->vip_count; i++)
		d->vips[i].withdrawn_ms = 0;
	log_info("drain: %s", drain->on ? "this host takes no new sessions, and keeps those it has"
					: "this host takes new sessions again");
}

static void look_whether_done(struct daemon *d)
{
	struct drain *drain = &d->drain;
	bool left = false;

	for (size_t i = 0; i < d->vip_count; i++)
		left |= d->vips[i].local || d->vips[i].served;
	if (!drain->on || left) {
		drain->done_ms = 0;
	} else if (!drain->done_ms) {
		drain->done_ms = clock_ms();
		log_info("drain: done, no session is left");
	}
}

void drain_look(struct daemon *d)
{
	struct error error, why;
	bool failed = false;

	begin_or_end(d);
	directory_draining_set(d->directory, d->settings.drain);
	failed = kernel_addresses_return(d->kernel, stays_away, d, &error) < 0;
	for (size_t i = 0; i < d->vip_count; i++) {
		struct vip *vip = &d->vips[i];

		if (!is_to_withdraw(d, vip) || !withdraw(d, vip, &why))
			continue;
		error = why;
		failed = true;
	}
	if (failed)
		daemon_problem(d, PROBLEM_DRAIN, "drain: %s; tried again every 2 s", error.text);
	else
		daemon_problem(d, PROBLEM_DRAIN, NULL);
	look_whether_done(d);
}

void drain_stopping(struct daemon *d)
{
	static struct kernel_address_away away[KERNEL_ADDRESSES_AWAY_MAX];
	size_t count = kernel_addresses_away(d->kernel, away, KERNEL_ADDRESSES_AWAY_MAX);

	for (size_t i = 0; i < count; i++)
		log_warn("drain: an address stays away; to get it back start fpmd and give "
			 "`no drain`, or: ip address add %s",
			 away[i].words);
}

static void count_session(void *arg, const struct flow *flow, uint64_t age_ms)
{
	static const uint64_t limits_ms[DRAIN_AGES - 1] = DRAIN_AGES_MS;
	struct drain_sessions *left = arg;
	size_t age = 0;

	while (age < DRAIN_AGES - 1 && age_ms >= limits_ms[age])
		age++;
	left->ages[age]++;
	left->count++;
	if (age_ms > left->oldest_ms)
		left->oldest_ms = age_ms;
}

void drain_sessions(struct daemon *d, struct drain_sessions *left)
{
	*left = (struct drain_sessions){0};
	if (daemon_running(d))
		directory_published_each(d->directory, count_session, left);
}

uint64_t drain_age_ms(struct daemon *d)
{
	static struct kernel_address_away away[KERNEL_ADDRESSES_AWAY_MAX];
	size_t count = daemon_running(d)
			       ? kernel_addresses_away(d->kernel, away, KERNEL_ADDRESSES_AWAY_MAX)
			       : 0;
	uint64_t age_ms = clock_ms() - d->drain.since_ms, wall_ms = clock_wall_ms();

	/* An earlier fpmd began it. */
	for (size_t i = 0; i < count && i < KERNEL_ADDRESSES_AWAY_MAX; i++)
		if (wall_ms / 1000 >= away[i].since_s &&
		    wall_ms - away[i].since_s * 1000 > age_ms + 1000)
			age_ms = wall_ms - away[i].since_s * 1000;
	return age_ms;
}
