/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_wire.h. */
#include <string.h>

#include "fpm/frame.h"
#include "fpm/holdfast.pb-c.h"
#include "zebra-plugin/holdfast_wire.h"

static size_t frame_write(const Holdfast__Frame *frame, uint8_t *out, size_t size)
{
	size_t payload = holdfast__frame__get_packed_size(frame);

	if (payload > FRAME_PAYLOAD_MAX || payload + FRAME_HEADER_SIZE > size)
		return 0;
	if (frame_header_write(out, FRAME_PROTOBUF, payload))
		return 0;
	return FRAME_HEADER_SIZE + holdfast__frame__pack(frame, out + FRAME_HEADER_SIZE);
}

static ProtobufCBinaryData address_bytes(const struct holdfast_prefix *prefix)
{
	return (ProtobufCBinaryData){.data = (uint8_t *)prefix->address,
				     .len = holdfast_host_length(prefix->family) / 8u};
}

static void prefix_fill(Holdfast__Prefix *out, const struct holdfast_prefix *prefix)
{
	holdfast__prefix__init(out);
	out->address = address_bytes(prefix);
	out->length = prefix->length;
}

static void valkey_fill(Holdfast__Valkey *out, const struct engine_valkey *valkey)
{
	holdfast__valkey__init(out);
	out->host = (char *)valkey->host;
	out->port = valkey->port;
	out->user = (char *)valkey->user;
	out->password_file = (char *)valkey->password_file;
	out->tls = valkey->tls;
	out->ca_file = (char *)valkey->ca_file;
	out->certificate_file = (char *)valkey->certificate_file;
	out->private_key_file = (char *)valkey->private_key_file;
	out->prefix = (char *)valkey->prefix;
}

size_t holdfast_wire_config(const struct holdfast_config *config, uint8_t *out, size_t size)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	Holdfast__Config message = HOLDFAST__CONFIG__INIT;
	Holdfast__Prefix vips[HOLDFAST_VIPS_MAX], *vip_list[HOLDFAST_VIPS_MAX];
	Holdfast__Prefix ranges[HOLDFAST_RANGES_MAX], *range_list[HOLDFAST_RANGES_MAX];
	Holdfast__Valkey valkey;
	ProtobufCBinaryData members[2];
	size_t i;

	for (i = 0; i < config->vip_count; i++) {
		prefix_fill(&vips[i], &config->vips[i]);
		vip_list[i] = &vips[i];
	}
	for (i = 0; i < config->range_count; i++) {
		prefix_fill(&ranges[i], &config->ranges[i]);
		range_list[i] = &ranges[i];
	}
	for (i = 0; i < 2; i++)
		if (config->local_members[i].family)
			members[message.n_local_members++] =
				address_bytes(&config->local_members[i]);
	message.n_vips = config->vip_count;
	message.vips = vip_list;
	message.n_member_ranges = config->range_count;
	message.member_ranges = range_list;
	message.local_members = members;
	message.directory_key_file = (char *)config->key_file;
	message.directory_port = config->directory_port;
	message.directory_replicas = config->directory_replicas;
	message.ring_members = config->ring_members;
	message.tunnel_port = config->tunnel_port;
	message.tunnel_vni = config->tunnel_vni;
	message.mark_owner_mask = config->mark_owner_mask;
	message.mark_stray_bit = config->mark_stray_bit;
	message.mark_tunnel_bit = config->mark_tunnel_bit;
	message.queue = config->queue;
	message.record_lifetime_s = config->record_lifetime_s;
	message.pin_check_s = config->pin_check_s;
	message.pins_max = config->pins_max;
	message.role = (Holdfast__Role)config->role;
	message.drain = config->drain;
	message.mark_path_mask = holdfast_path_mask(config);
	message.flows_max = config->flows_max;
	message.flow_lifetime_s = config->flow_lifetime_s;
	message.flows_fast_path = config->flows_fast_path;
	message.debug = config->debug;
	if (config->valkey.host[0]) {
		valkey_fill(&valkey, &config->valkey);
		message.valkey = &valkey;
	}
	frame.body_case = HOLDFAST__FRAME__BODY_CONFIG;
	frame.config = &message;
	return frame_write(&frame, out, size);
}

size_t holdfast_wire_route(const struct holdfast_route *route, uint8_t *out, size_t size)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	Holdfast__Route message = HOLDFAST__ROUTE__INIT;
	Holdfast__Prefix prefix;
	Holdfast__NextHop hops[HOLDFAST_NEXT_HOPS_MAX], *hop_list[HOLDFAST_NEXT_HOPS_MAX];
	size_t i;

	if (route->count > HOLDFAST_NEXT_HOPS_MAX)
		return 0;
	prefix_fill(&prefix, &route->prefix);
	for (i = 0; i < route->count; i++) {
		const struct holdfast_next_hop *hop = &route->next_hops[i];

		holdfast__next_hop__init(&hops[i]);
		hops[i].gateway.data = (uint8_t *)hop->gateway;
		hops[i].gateway.len = hop->gateway_size;
		hops[i].interface = (char *)hop->interface;
		hops[i].weight = hop->weight;
		hop_list[i] = &hops[i];
	}
	message.prefix = &prefix;
	message.n_next_hops = route->count;
	message.next_hops = hop_list;
	message.connected = route->connected;
	frame.body_case = HOLDFAST__FRAME__BODY_ROUTE;
	frame.route = &message;
	return frame_write(&frame, out, size);
}

size_t holdfast_wire_replay_end(uint8_t *out, size_t size)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	Holdfast__ReplayEnd message = HOLDFAST__REPLAY_END__INIT;

	frame.body_case = HOLDFAST__FRAME__BODY_REPLAY_END;
	frame.replay_end = &message;
	return frame_write(&frame, out, size);
}

size_t holdfast_wire_show_request(uint32_t id, const struct holdfast_question *question,
				  uint8_t *out, size_t size)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	Holdfast__ShowRequest message = HOLDFAST__SHOW_REQUEST__INIT;
	Holdfast__Flow wire = HOLDFAST__FLOW__INIT;

	const struct holdfast_flow *flow = &question->flow;

	if (flow->client.family) {
		wire.client = address_bytes(&flow->client);
		wire.client_port = flow->client_port;
		wire.vip = address_bytes(&flow->vip);
		wire.vip_port = flow->vip_port;
		message.flow = &wire;
	}
	if (question->owner.family)
		message.owner = address_bytes(&question->owner);
	message.id = id;
	message.topic = (Holdfast__ShowRequest__Topic)question->topic;
	message.json = question->json;
	frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REQUEST;
	frame.show_request = &message;
	return frame_write(&frame, out, size);
}
