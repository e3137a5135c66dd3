/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dplane_fpm_nl may send: frames, their netlink messages, and what is kept of them. */
#include "fpm/frame.h"
#include "fpmd/netlink_routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *arg, const struct prefix_address *prefix, bool by_kernel,
		 const struct netlink_hop *hops, size_t count)
{
	if (count > NETLINK_HOPS_MAX || prefix->length > 128)
		__builtin_trap();
	for (size_t i = 0; i < count; i++)
		if (!hops[i].weight)
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct netlink_message message;
	struct netlink_routes routes = {0};
	struct frame frame;

	while (frame_parse(data, size, &frame) == FRAME_COMPLETE) {
		size_t at = 0, last = 0;

		while (frame.type == FRAME_NETLINK &&
		       netlink_frame_next(frame.payload, frame.payload_size, &at, &message) > 0) {
			if (at <= last || at > frame.payload_size)
				__builtin_trap();
			last = at;
			netlink_routes_take(&routes, &message);
		}
		netlink_routes_settle(&routes, look, NULL);
		data += frame.size;
		size -= frame.size;
	}
	netlink_routes_unknown(&routes);
	netlink_routes_clear(&routes);
	if (routes.hop_total)
		__builtin_trap();
	return 0;
}
