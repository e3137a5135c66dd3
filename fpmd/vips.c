// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VIPs: which of them this host serves. A VIP is served while its address is here, and after that
 * until its last session ended; one that the host translates to somewhere else is refused.
 */
#include "fpmd/daemon.h"
#include "fpmd/log.h"

struct vip *vips_find(struct daemon *d, const struct in6_addr *address)
{
	for (size_t i = 0; i < d->vip_count; i++)
		if (address_equal(&d->vips[i].address, address))
			return &d->vips[i];
	return NULL;
}

/* Is a VIP of the list not configured any more? */
static bool lost_any(const struct daemon *d)
{
	for (size_t i = 0; i < d->vip_count; i++)
		if (!settings_is_vip(&d->settings, &d->vips[i].address))
			return true;
	return false;
}

/* Takes over the configured list, keeping what is known of those that stay. */
static void copy_list(struct daemon *d)
{
	struct vip list[SETTINGS_VIPS_MAX];

	for (size_t i = 0; i < d->settings.vip_count; i++) {
		struct vip *known = vips_find(d, &d->settings.vips[i]);

		list[i] = known ? *known : (struct vip){.address = d->settings.vips[i]};
	}
	d->vip_count = d->settings.vip_count;
	for (size_t i = 0; i < d->vip_count; i++)
		d->vips[i] = list[i];
}

/* Reading conntrack and rules costs time: not at every look. */
#define TRANSLATED_CHECK_MS 30000

static void check_translated(struct daemon *d, bool now)
{
	bool any = false;

	if (!now && daemon_now_ms() < d->translated_checked_ms + TRANSLATED_CHECK_MS)
		return;
	d->translated_checked_ms = daemon_now_ms();
	for (size_t i = 0; i < d->vip_count; i++) {
		struct vip *vip = &d->vips[i];
		char text[ADDRESS_TEXT_SIZE];
		struct error error;

		vip->translated = kernel_vip_translated(d->kernel, &vip->address, &error) == 1;
		if (!vip->translated || any)
			continue;
		any = true;
		daemon_problem(d, PROBLEM_VIP, "prefix %s is not served: %s",
			       address_text(&vip->address, text), error.text);
	}
	if (!any)
		daemon_problem(d, PROBLEM_VIP, NULL);
}

static void tell_moved(const struct vip *vip, bool was_local)
{
	char text[ADDRESS_TEXT_SIZE];

	if (was_local != vip->local)
		log_info("vips: %s is %s", address_text(&vip->address, text),
			 vip->local	 ? "on this host"
			 : vip->sessions ? "gone from this host, its sessions are kept"
					 : "not on this host");
}

int vips_apply(struct daemon *d, enum vips_reason reason, struct error *error)
{
	struct in6_addr served[SETTINGS_VIPS_MAX];
	bool changed = reason != VIPS_LOOK, more = false;
	size_t count = 0;

	if (reason == VIPS_START) {
		d->vip_count = 0;
	} else if (lost_any(d)) {
		sessions_forget_foreign(d);
		rescue_forget_foreign(d);
	}
	copy_list(d);
	check_translated(d, reason != VIPS_LOOK);

	for (size_t i = 0; i < d->vip_count; i++) {
		struct vip *vip = &d->vips[i];
		bool was_local = vip->local, was_served = vip->served;

		vip->local = kernel_address_is_local(d->kernel, &vip->address);
		/* At the start sessions are not known yet: look at every VIP once. */
		vip->served =
			!vip->translated && (vip->local || vip->sessions || reason == VIPS_START);
		if (vip->served)
			served[count++] = vip->address;
		changed |= vip->served != was_served;
		more |= vip->served && !was_served;
		tell_moved(vip, was_local);
	}
	if (!changed)
		return 0;
	if (kernel_vips_set(d->kernel, served, count, error))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (kernel_vip_hold(d->kernel, &served[i], true, error))
			return -1;
	/* What was accepted before the kernel told of this VIP's sessions. */
	return more && reason != VIPS_START ? sessions_read(d, error) : 0;
}
