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

/* Reading conntrack and rules costs time: one VIP at a look, and not often. */
#define TRANSLATED_CHECK_MS 30000
/* BGP withdraws a VIP everywhere in that time; until then detours of others may cross this host. */
#define LEFT_MS 5000

/* Finds out why the VIP cannot be served, if so. */
static void check(struct daemon *d, struct vip *vip)
{
	struct in6_addr member = settings_local_member(&d->settings);
	char text[ADDRESS_TEXT_SIZE];

	vip->checked_ms = clock_ms();
	if (address_is_ipv4(&vip->address) != address_is_ipv4(&member))
		error_set(&vip->refused,
			  "%s is not served: only VIPs of the local-member's address family are",
			  address_text(&vip->address, text));
	else if (kernel_vip_translated(d->kernel, &vip->address, &vip->refused) != 1)
		vip->refused.text[0] = '\0';
}

static void check_all(struct daemon *d, bool at_once)
{
	uint64_t now = clock_ms();
	struct vip *due = NULL;

	for (size_t i = 0; i < d->vip_count; i++) {
		struct vip *vip = &d->vips[i];

		if (at_once || !vip->checked_ms)
			check(d, vip);
		else if (now >= vip->checked_ms + TRANSLATED_CHECK_MS &&
			 (!due || vip->checked_ms < due->checked_ms))
			due = vip;
	}
	if (due)
		check(d, due);
	for (size_t i = 0; i < d->vip_count; i++)
		if (d->vips[i].refused.text[0]) {
			daemon_problem(d, PROBLEM_VIP, "%s", d->vips[i].refused.text);
			return;
		}
	daemon_problem(d, PROBLEM_VIP, NULL);
}

static void tell_moved(const struct vip *vip)
{
	char text[ADDRESS_TEXT_SIZE];

	log_info("vips: %s is %s", address_text(&vip->address, text),
		 vip->local	 ? "on this host"
		 : vip->sessions ? "gone from this host, its sessions are kept"
				 : "not on this host");
}

/* Finds out whether the VIP's address is here. */
static void look_at_address(struct daemon *d, struct vip *vip)
{
	bool was_local = vip->local;

	vip->local = kernel_address_is_local(d->kernel, &vip->address);
	if (vip->local == was_local)
		return;
	vip->left_ms = was_local ? clock_ms() : 0;
	tell_moved(vip);
}

int vips_apply(struct daemon *d, enum vips_reason reason, struct error *error)
{
	struct in6_addr served[SETTINGS_VIPS_MAX];
	uint64_t now = clock_ms();
	bool changed = reason != VIPS_LOOK || d->vips_due, more = d->vips_due;
	size_t count = 0;

	if (reason == VIPS_START) {
		for (size_t i = 0; i < d->vip_count; i++)
			d->vips[i].sessions = d->vips[i].checked_ms = 0;
	} else if (lost_any(d)) {
		sessions_forget_foreign(d);
		rescue_forget_foreign(d);
	}
	copy_list(d);
	check_all(d, reason == VIPS_START || reason == VIPS_CONFIGURED);

	for (size_t i = 0; i < d->vip_count; i++) {
		struct vip *vip = &d->vips[i];
		bool was_served = vip->served;

		look_at_address(d, vip);
		/* At the start sessions are not known yet: look at every VIP once. */
		vip->served = !vip->refused.text[0] &&
			      (vip->local || vip->sessions || reason == VIPS_START ||
			       (vip->left_ms && now < vip->left_ms + LEFT_MS));
		if (vip->served)
			served[count++] = vip->address;
		changed |= vip->served != was_served;
		more |= vip->served && !was_served;
	}
	if (!changed)
		return 0;
	d->vips_due = true;
	if (kernel_vips_set(d->kernel, served, count, error))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (kernel_vip_hold(d->kernel, &served[i], true, error))
			return -1;
	/* What was accepted before the kernel told of this VIP's sessions. */
	if (more && reason != VIPS_START && sessions_read(d, error))
		return -1;
	d->vips_due = false;
	return 0;
}

void vips_look(struct daemon *d, enum vips_reason reason)
{
	struct error error;

	if (vips_apply(d, reason, &error))
		daemon_problem(d, PROBLEM_VIP_KERNEL, "vips: %s; tried again every 2 s",
			       error.text);
	else
		daemon_problem(d, PROBLEM_VIP_KERNEL, NULL);
}
