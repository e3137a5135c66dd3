/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/director_rig.h"

const struct kernel_path *path_of(char letter)
{
	for (uint16_t id = 1; id <= KERNEL_PATH_MAX; id++) {
		const struct kernel_path *found = kernel_mock_path(id);

		if (found && found->offered && found->hop.interface[2] == letter)
			return found;
	}
	return NULL;
}

uint16_t id_of(char letter)
{
	ck_assert_ptr_nonnull(path_of(letter));
	return path_of(letter)->id;
}

void member_via(const char *text, const char *letters)
{
	struct in6_addr address = unit_address(text);

	route_send_via(text, letters);
	run();
	memory_directory_member(d->directory, &address, MEMBER_IN_RING, 5);
	run();
}

void routes(const char *vip, const char *first, const char *second)
{
	route_send_via(VIP, vip);
	route_send_via(OWNER_1, first);
	route_send_via(OWNER_2, second);
	run_ms(80);
}

void begin_director(const char *vip_hops, const char *first, const char *second)
{
	struct in6_addr vip = unit_address(VIP);

	begin();
	config.pins_max = 2000;
	kernel_mock_address(&vip, false);
	config_send();
	replay_end_send();
	ck_assert(daemon_running(d));
	member_via(OWNER_1, first);
	member_via(OWNER_2, second);
	route_send_via(VIP, vip_hops);
	run();
	pass(REACH_LEARN_MS);
	clock_stop();
}

uint16_t begin_shared(void)
{
	begin_director("AB", "AB", "AB");
	return id_of(A);
}

void flow_event(uint16_t port, uint16_t recorded, enum kernel_flow_event event)
{
	struct flow flow = unit_flow(port);

	kernel_mock_flow(&flow, recorded, event);
}

void flow_began(uint16_t port, uint16_t recorded)
{
	flow_event(port, recorded, KERNEL_FLOW_BEGAN);
	run_ms(5);
	pass(60);
}

uint16_t raw_pin(uint16_t port)
{
	struct flow flow = unit_flow(port);
	struct pin *pin = pin_find(&d->pins, &flow);
	uint16_t target = kernel_mock_pin(&flow);

	ck_assert_int_eq(!!pin, !!target);
	if (pin)
		ck_assert_uint_eq(target, pin->owner | (pin->direct ? KERNEL_PIN_DIRECT : 0));
	return target;
}
