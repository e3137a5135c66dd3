// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VIPs: which of them this host serves, and which it sends on, as a director. A VIP is served while
 * its address is here, and after that until its last session ended; one that the host translates to
 * somewhere else is refused. It is routed when its address is not here and a route is.
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

		if (vip->routed || d->settings.role == SETTINGS_ROLE_DIRECTOR) {
			vip->refused.text[0] = '\0';
			vip->checked_ms = 0;
		} else if (at_once || !vip->checked_ms)
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

/* A route that leaves this host. */
static bool has_route(const struct daemon *d, const struct vip *vip)
{
	struct prefix_address prefix = {.address = vip->address, .length = 128};
	const struct route *route = routes_find(&d->routes, &prefix);

	return route && !route->connected && route->next_hop_count;
}

/* May sessions and detours of the time when its address was here still be on their way? */
static bool is_left_behind(const struct vip *vip)
{
	return vip->sessions || (vip->left_ms && clock_ms() < vip->left_ms + LEFT_MS);
}

/* A VIP that lost its route stays routed: its flows are to be known when the route comes back. */
static bool is_routed(const struct daemon *d, struct vip *vip)
{
	vip->had_route = !vip->local && (vip->had_route || has_route(d, vip));
	if (!director_is_possible(&d->settings) || vip->local ||
	    (d->settings.role == SETTINGS_ROLE_AUTO && is_left_behind(vip)))
		return false;
	return vip->had_route || d->director.presume;
}

static bool is_served(const struct daemon *d, const struct vip *vip)
{
	return d->settings.role != SETTINGS_ROLE_DIRECTOR && !vip->routed &&
	       !vip->refused.text[0] && (vip->local || is_left_behind(vip));
}

/* At the start it is not known yet which VIPs have sessions, but no longer an address, here. */
static int look_at_sessions(struct daemon *d, struct error *error)
{
	struct in6_addr addresses[SETTINGS_VIPS_MAX];
	bool sessions[SETTINGS_VIPS_MAX] = {false};

	for (size_t i = 0; i < d->vip_count; i++)
		addresses[i] = d->vips[i].address;
	if (kernel_sessions_of(d->kernel, addresses, d->vip_count, sessions, error))
		return -1;
	for (size_t i = 0; i < d->vip_count; i++)
		if (sessions[i])
			d->vips[i].left_ms = clock_ms();
	return 0;
}

static bool is_in(const struct in6_addr *list, size_t count, const struct in6_addr *address)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&list[i], address))
			return true;
	return false;
}

/* Tells the kernel both sets; a VIP that changes from one to the other is in neither between. */
static int tell(struct daemon *d, const struct in6_addr *served, size_t served_count,
		const struct in6_addr *routed, size_t routed_count, struct error *error)
{
	struct in6_addr staying[SETTINGS_VIPS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < d->director.routed_count; i++)
		if (is_in(routed, routed_count, &d->director.routed[i]))
			staying[count++] = d->director.routed[i];
	if (d->director.routed_told && director_routed_set(d, staying, count, error))
		return -1;
	if (kernel_vips_set(d->kernel, served, served_count, error))
		return -1;
	for (size_t i = 0; i < served_count; i++)
		if (kernel_vip_hold(d->kernel, &served[i], true, error))
			return -1;
	return director_routed_set(d, routed, routed_count, error);
}

int vips_apply(struct daemon *d, enum vips_reason reason, struct error *error)
{
	struct in6_addr served[SETTINGS_VIPS_MAX], routed[SETTINGS_VIPS_MAX];
	bool changed = reason != VIPS_LOOK || d->vips_due, more = d->vips_due;
	size_t served_count = 0, routed_count = 0;
	bool moved = false;

	if (reason == VIPS_START) {
		for (size_t i = 0; i < d->vip_count; i++)
			d->vips[i].sessions = d->vips[i].checked_ms = 0;
	} else if (lost_any(d)) {
		sessions_forget_foreign(d);
		pinning_forget_foreign(d);
	}
	copy_list(d);
	if (reason == VIPS_START && look_at_sessions(d, error))
		return -1;
	for (size_t i = 0; i < d->vip_count; i++) {
		struct vip *vip = &d->vips[i];
		bool was_routed = vip->routed;

		look_at_address(d, vip);
		vip->routed = is_routed(d, vip);
		moved |= vip->routed != was_routed;
	}
	check_all(d, reason == VIPS_START || reason == VIPS_CONFIGURED);

	for (size_t i = 0; i < d->vip_count; i++) {
		struct vip *vip = &d->vips[i];
		bool was_served = vip->served;

		vip->served = is_served(d, vip);
		if (vip->served)
			served[served_count++] = vip->address;
		if (vip->routed)
			routed[routed_count++] = vip->address;
		changed |= vip->served != was_served;
		more |= vip->served && !was_served;
	}
	directory_director_set(d->directory, routed_count && !served_count);
	if (!changed && !moved)
		return 0;
	d->vips_due = true;
	if (tell(d, served, served_count, routed, routed_count, error))
		return -1;
	/* What was accepted before the kernel told of this VIP's sessions. */
	if (more && reason != VIPS_START && sessions_read(d, error))
		return -1;
	d->vips_due = false;
	if (moved)
		members_routes_changed(d);
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
	drain_look(d);
}
