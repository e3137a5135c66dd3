/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_nb.h. What the RPCs do that the model has. */
#include "zebra-plugin/compat.h"

#include "lib/northbound.h"
#include "lib/prefix.h"
#include "lib/yang.h"

#include "fpm/holdfast.pb-c.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_frontend.h"
#include "zebra-plugin/holdfast_nb.h"
#include "zebra-plugin/holdfast_wire.h"

static int drain_set(bool drain, char *errmsg, size_t errmsg_len)
{
	if (holdfast_nb_block(running_config))
		return holdfast_frontend_drain(drain, errmsg, errmsg_len);
	strlcpy(errmsg, "Holdfast is not configured on this host", errmsg_len);
	return NB_ERR;
}

int holdfast_nb_rpc_drain(struct nb_cb_rpc_args *args)
{
	return drain_set(true, args->errmsg, args->errmsg_len);
}

int holdfast_nb_rpc_undrain(struct nb_cb_rpc_args *args)
{
	return drain_set(false, args->errmsg, args->errmsg_len);
}

/* Returns 0, also if the input was not given: family 0; or -1. */
static int address_input(const struct nb_cb_rpc_args *args, const char *name,
			 struct holdfast_prefix *out)
{
	const char *text = holdfast_rpc_input(args, name);
	struct prefix address;

	if (!text)
		return 0;
	if (!str2prefix(text, &address))
		return -1;
	out->family = address.family;
	out->length = (uint8_t)address.prefixlen;
	memcpy(out->address, &address.u.prefix, out->length / 8);
	return 0;
}

static uint16_t port_input(const struct nb_cb_rpc_args *args, const char *name)
{
	const char *text = holdfast_rpc_input(args, name);

	return text ? (uint16_t)strtoul(text, NULL, 10) : 0;
}

/* FRR 8 does not check the inputs against the model, and half a flow is not all pins. */
static int pins_input(const struct nb_cb_rpc_args *args, struct holdfast_question *question)
{
	struct holdfast_flow *flow = &question->flow;
	unsigned int given;

	if (address_input(args, "owner", &question->owner) ||
	    address_input(args, "flow/client", &flow->client) ||
	    address_input(args, "flow/vip", &flow->vip))
		return -1;
	flow->client_port = port_input(args, "flow/client-port");
	flow->vip_port = port_input(args, "flow/vip-port");
	given = !!flow->client.family + !!flow->client_port + !!flow->vip.family + !!flow->vip_port;
	return given == 0 || (given == 4 && !question->owner.family) ? 0 : -1;
}

/* fpmd's answer, how many there were, is for nobody: nothing waits for the id 0. */
int holdfast_nb_rpc_clear_pins(struct nb_cb_rpc_args *args)
{
	struct holdfast_question question = {.topic = HOLDFAST__SHOW_REQUEST__TOPIC__CLEAR_PINS};
	uint8_t frame[HOLDFAST_SMALL_FRAME_SIZE];
	enum holdfast_push result = HOLDFAST_CLOSED;
	size_t size;

	if (pins_input(args, &question)) {
		strlcpy(args->errmsg,
			"give no input, or owner, or flow with client, client-port, vip and vip-port",
			args->errmsg_len);
		return NB_ERR;
	}
	size = holdfast_wire_show_request(0, &question, frame, sizeof(frame));
	if (size)
		result = holdfast_fpm_push(frame, size);
	if (result == HOLDFAST_PUSHED || result == HOLDFAST_PUSHED_FIRST)
		return NB_OK;
	strlcpy(args->errmsg, "fpmd is not connected, or does not read", args->errmsg_len);
	return NB_ERR;
}
