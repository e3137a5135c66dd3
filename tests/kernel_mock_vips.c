/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel in memory: addresses and VIPs, served and routed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/clock.h"
#include "tests/kernel_mock_world.h"

struct mock_address *mock_address_find(const struct in6_addr *address)
{
	struct mock_address *found;

	HASH_FIND(hh, world.addresses, address, sizeof(*address), found);
	return found;
}

struct mock_address *mock_address_get(const struct in6_addr *address)
{
	struct mock_address *found = mock_address_find(address);

	if (!found) {
		found = mock_allocate(sizeof(*found));
		found->address = *address;
		HASH_ADD(hh, world.addresses, address, sizeof(found->address), found);
	}
	return found;
}

void mock_addresses_clear(void)
{
	struct mock_address *address, *next;

	HASH_ITER (hh, world.addresses, address, next) {
		HASH_DEL(world.addresses, address);
		free(address);
	}
}

void mock_vips_clear(void)
{
	struct mock_address *address, *next;

	HASH_ITER (hh, world.addresses, address, next)
		address->vip = address->held = address->routed = false;
}

void kernel_mock_fail_vips(const char *text)
{
	strncpy(world.fail_vips, text ? text : "", sizeof(world.fail_vips) - 1);
}

void kernel_mock_address(const struct in6_addr *address, bool local)
{
	mock_address_get(address)->local = local;
}

void kernel_mock_addresses_changed(void)
{
	if (kernel_mock_started() && world.open->handlers.addresses_changed)
		world.open->handlers.addresses_changed(world.open->arg);
}

void kernel_mock_translate(const struct in6_addr *vip, const char *text)
{
	struct mock_address *address = mock_address_get(vip);

	strncpy(address->translated, text ? text : "", sizeof(address->translated) - 1);
}

size_t kernel_mock_vips(void)
{
	struct mock_address *address, *next;
	size_t count = 0;

	HASH_ITER (hh, world.addresses, address, next)
		count += address->vip;
	return count;
}

bool kernel_mock_vip(const struct in6_addr *vip)
{
	const struct mock_address *address = mock_address_find(vip);

	return address && address->vip;
}

bool kernel_mock_ever_vip(const struct in6_addr *vip)
{
	const struct mock_address *address = mock_address_find(vip);

	return address && address->ever_vip;
}

bool kernel_mock_vip_held(const struct in6_addr *vip)
{
	const struct mock_address *address = mock_address_find(vip);

	return address && address->held;
}

bool kernel_mock_routed(const struct in6_addr *vip)
{
	const struct mock_address *address = mock_address_find(vip);

	return address && address->routed;
}

int kernel_routed_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		      struct error *error)
{
	struct mock_address *address, *next;

	if (world.fail_paths[0])
		return error_set(error, "%s", world.fail_paths);
	if (count && !kernel->options.mark_path_mask)
		return error_set(error, "there are no path ids");
	HASH_ITER (hh, world.addresses, address, next)
		address->routed = false;
	for (size_t i = 0; i < count; i++) {
		address = mock_address_get(&vips[i]);
		if (address->vip)
			abort();
		address->routed = true;
	}
	return 0;
}

int kernel_vips_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		    struct error *error)
{
	struct mock_address *address, *next;
	bool was;

	if (world.fail_vips[0])
		return error_set(error, "%s", world.fail_vips);
	HASH_ITER (hh, world.addresses, address, next) {
		was = address->vip;
		address->vip = false;
		for (size_t i = 0; i < count; i++)
			address->vip |= address_equal(&vips[i], &address->address);
		if (address->vip && address->routed)
			abort();
		if (address->vip != was)
			address->held = address->vip;
	}
	for (size_t i = 0; i < count; i++) {
		address = mock_address_get(&vips[i]);
		if (!address->vip)
			address->vip = address->held = true;
		address->ever_vip = true;
	}
	return 0;
}

int kernel_vip_hold(struct kernel *kernel, const struct in6_addr *vip, bool hold,
		    struct error *error)
{
	struct mock_address *address = mock_address_find(vip);

	if (!address || !address->vip)
		return error_set(error, "not a VIP");
	address->held = hold;
	return 0;
}

bool kernel_address_is_local(struct kernel *kernel, const struct in6_addr *address)
{
	const struct mock_address *found = mock_address_find(address);

	return found && found->local;
}

int kernel_vip_translated(struct kernel *kernel, const struct in6_addr *vip, struct error *error)
{
	const struct mock_address *found = mock_address_find(vip);

	if (!found || !found->translated[0])
		return 0;
	error_set(error, "%s", found->translated);
	return 1;
}

int kernel_address_withdraw(struct kernel *kernel, const struct in6_addr *address,
			    struct error *error)
{
	struct mock_address *found = mock_address_get(address);

	if (world.fail_addresses[0])
		return error_set(error, "%s", world.fail_addresses);
	/* Its sessions would go with it. */
	if (found->local && (!found->vip || !found->held))
		abort();
	if (!found->local)
		return 0;
	found->local = false;
	found->away = true;
	found->away_since_s = clock_wall_ms() / 1000;
	return 1;
}

int kernel_addresses_return(struct kernel *kernel, kernel_address_fn *stays, void *arg,
			    struct error *error)
{
	struct mock_address *address, *next;

	HASH_ITER (hh, world.addresses, address, next) {
		if (!address->away || (stays && stays(arg, &address->address)))
			continue;
		if (world.fail_addresses[0])
			return error_set(error, "%s", world.fail_addresses);
		address->away = false;
		address->local = true;
	}
	return 0;
}

size_t kernel_addresses_away(struct kernel *kernel, struct kernel_address_away *out, size_t max)
{
	struct mock_address *address, *next;
	char text[ADDRESS_TEXT_SIZE];
	size_t count = 0;

	HASH_ITER (hh, world.addresses, address, next) {
		if (!address->away)
			continue;
		if (count < max) {
			out[count] = (struct kernel_address_away){.address = address->address,
								  .since_s = address->away_since_s};
			snprintf(out[count].words, sizeof(out[count].words), "%s/32 dev lo",
				 address_text(&address->address, text));
		}
		count++;
	}
	return count;
}

void kernel_mock_fail_addresses(const char *text)
{
	strncpy(world.fail_addresses, text ? text : "", sizeof(world.fail_addresses) - 1);
}

bool kernel_mock_away(const struct in6_addr *address)
{
	const struct mock_address *found = mock_address_find(address);

	return found && found->away;
}
