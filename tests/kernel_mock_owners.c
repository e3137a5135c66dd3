/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel in memory: owners, the ways to them, and the pins that lead there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernel_mock_world.h"

void mock_owners_clear(void)
{
	mock_flows_clear(&world.pins);
	memset(world.owners, 0, sizeof(world.owners));
}

void kernel_mock_fail_owners(const char *text)
{
	strncpy(world.fail_owners, text ? text : "", sizeof(world.fail_owners) - 1);
}

void kernel_mock_fail_pins(int status)
{
	world.fail_pins = status;
}

bool kernel_mock_owner(uint16_t id, struct in6_addr *address)
{
	if (!world.owners[id].used)
		return false;
	if (address)
		*address = world.owners[id].address;
	return true;
}

struct mock_way kernel_mock_way(uint16_t id)
{
	return world.owners[id].way;
}

void kernel_mock_owner_put(uint16_t id, const struct in6_addr *address)
{
	world.owners[id].used = true;
	world.owners[id].address = *address;
}

uint16_t kernel_mock_pin(const struct flow *flow)
{
	const struct mock_flow *pin = mock_flow_find(world.pins, flow);

	return pin ? pin->owner : KERNEL_OWNER_NONE;
}

size_t kernel_mock_pins(void)
{
	return HASH_COUNT(world.pins);
}

void kernel_mock_pin_put(const struct flow *flow, uint16_t owner)
{
	mock_flow_get(&world.pins, flow)->owner = owner;
}

unsigned int kernel_mock_pin_batches(void)
{
	return world.pin_batches;
}

int kernel_owner_set(struct kernel *kernel, uint16_t id, const struct in6_addr *address,
		     struct error *error)
{
	if (world.fail_owners[0])
		return error_set(error, "%s", world.fail_owners);
	if (id == KERNEL_OWNER_NONE)
		return error_set(error, "owner id 0 is none");
	kernel_mock_owner_put(id, address);
	return 0;
}

int kernel_owner_remove(struct kernel *kernel, uint16_t id, struct error *error)
{
	struct mock_flow *pin, *next;

	HASH_ITER (hh, world.pins, pin, next)
		if ((pin->owner & ~KERNEL_PIN_DIRECT) == id)
			return error_set(error, "pins still point to owner id %u", id);
	world.owners[id].used = false;
	return 0;
}

int kernel_owner_steer(struct kernel *kernel, const struct in6_addr *owner,
		       const struct in6_addr *gateway, const char *interface, struct error *error)
{
	if (world.fail_owners[0])
		return error_set(error, "%s", world.fail_owners);
	for (size_t id = 1; id < OWNERS; id++) {
		struct mock_way *way = &world.owners[id].way;

		if (!world.owners[id].used || !address_equal(&world.owners[id].address, owner))
			continue;
		way->changes++;
		way->gateway = gateway ? *gateway : (struct in6_addr){0};
		memset(way->interface, 0, sizeof(way->interface));
		if (gateway)
			strncpy(way->interface, interface, sizeof(way->interface) - 1);
	}
	return 0;
}

int kernel_owners_dump(struct kernel *kernel, kernel_owner_fn *fn, void *arg, struct error *error)
{
	for (size_t id = 1; id < OWNERS; id++)
		if (world.owners[id].used)
			fn(arg, (uint16_t)id, &world.owners[id].address);
	return 0;
}

size_t kernel_pins_change(struct kernel *kernel, struct kernel_pin_change *changes, size_t count)
{
	size_t failed = 0;

	world.pin_batches++;
	for (size_t i = 0; i < count; i++) {
		struct kernel_pin_change *change = &changes[i];
		const struct mock_flow *pin = mock_flow_find(world.pins, &change->flow);
		uint16_t owner = change->new_owner & (uint16_t)~KERNEL_PIN_DIRECT;

		if ((pin ? pin->owner : KERNEL_OWNER_NONE) != change->old_owner)
			abort();
		change->status = world.fail_pins;
		if (!change->status && owner && !world.owners[owner].used)
			change->status = -ENOENT;
		if (!change->status && change->new_owner &&
		    kernel->options.pins_max <= HASH_COUNT(world.pins) &&
		    !mock_flow_find(world.pins, &change->flow))
			change->status = -ENFILE;
		if (change->status)
			failed++;
		else if (change->new_owner)
			kernel_mock_pin_put(&change->flow, change->new_owner);
		else
			mock_flow_remove(&world.pins, &change->flow);
	}
	return failed;
}

int kernel_pins_dump(struct kernel *kernel, kernel_pin_fn *fn, void *arg, struct error *error)
{
	struct mock_flow *pin, *next;

	HASH_ITER (hh, world.pins, pin, next)
		fn(arg, &pin->flow, pin->owner);
	return 0;
}
