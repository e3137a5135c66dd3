/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/good_config.h"

uint8_t vip_bytes[2][4] = {{192, 0, 2, 80}, {192, 0, 2, 81}}, range_bytes[4] = {10, 255, 0, 0},
	local_bytes[4] = {10, 255, 0, 3};
Holdfast__Prefix vips[2], range, *vip_list[2], *range_list[1];
ProtobufCBinaryData local_list[1];
Holdfast__Config config;

void prefix_set(Holdfast__Prefix *prefix, uint8_t *bytes, uint32_t length)
{
	*prefix = (Holdfast__Prefix)HOLDFAST__PREFIX__INIT;
	prefix->address.data = bytes;
	prefix->address.len = 4;
	prefix->length = length;
}

void config_good(void)
{
	prefix_set(&vips[0], vip_bytes[0], 32);
	prefix_set(&vips[1], vip_bytes[1], 32);
	prefix_set(&range, range_bytes, 24);
	vip_list[0] = &vips[0];
	vip_list[1] = &vips[1];
	range_list[0] = &range;
	local_list[0].data = local_bytes;
	local_list[0].len = 4;
	config = (Holdfast__Config)HOLDFAST__CONFIG__INIT;
	config.n_vips = 1;
	config.vips = vip_list;
	config.n_member_ranges = 1;
	config.member_ranges = range_list;
	config.n_local_members = 1;
	config.local_members = local_list;
	config.directory_key_file = (char *)"/etc/frr/holdfast.key";
	config.directory_port = 7939;
	config.directory_replicas = 3;
	config.ring_members = 48;
	config.tunnel_port = 4790;
	config.tunnel_vni = 77;
	config.mark_owner_mask = 0xfff;
	config.mark_stray_bit = 0x80000000;
	config.mark_tunnel_bit = 0x40000000;
	config.queue = 7939;
	config.record_lifetime_s = 600;
	config.pin_check_s = 60;
	config.pins_max = 1000;
	config.mark_path_mask = 0x0ff00000;
	config.flows_max = 100000;
	config.flow_lifetime_s = 900;
}
