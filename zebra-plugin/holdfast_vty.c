/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_vty.h. The commands that configure nothing, and debug, which FRR keeps apart from
 * all models. The commands of vtysh are generated from this file, too. Main pthread.
 */
#include "zebra-plugin/compat.h"

#include "lib/command.h"
#include "lib/json.h"
#include "lib/sockunion.h"
#include "zebra/debug.h"

#include "fpm/holdfast.pb-c.h"
#include "zebra-plugin/holdfast_active.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_key.h"
#include "zebra-plugin/holdfast_node.h"
#include "zebra-plugin/holdfast_routes.h"
#include "zebra-plugin/holdfast_show.h"
#include "zebra-plugin/holdfast_vty.h"
#include "zebra-plugin/holdfast_write.h"

static uint32_t debug_saved, debug_terminal; /* set in configuration mode, or only until the end */

static const struct {
	const char *word;
	uint32_t bit;
} debug_topics[] = {
	{"fpm", HOLDFAST__DEBUG_TOPIC__DEBUG_FPM},
	{"members", HOLDFAST__DEBUG_TOPIC__DEBUG_MEMBERS},
	{"sessions", HOLDFAST__DEBUG_TOPIC__DEBUG_SESSIONS},
	{"strays", HOLDFAST__DEBUG_TOPIC__DEBUG_STRAYS},
	{"directory", HOLDFAST__DEBUG_TOPIC__DEBUG_DIRECTORY},
	{"kernel", HOLDFAST__DEBUG_TOPIC__DEBUG_KERNEL},
	{"paths", HOLDFAST__DEBUG_TOPIC__DEBUG_PATHS},
};

static void address_convert(struct holdfast_prefix *out, const union sockunion *address)
{
	memset(out, 0, sizeof(*out));
	out->family = (uint8_t)sockunion_family(address);
	out->length = holdfast_host_length(out->family);
	memcpy(out->address, sockunion_get_addr(address), out->length / 8);
}

static void flow_convert(struct holdfast_flow *out, const union sockunion *client, long client_port,
			 const union sockunion *vip, long vip_port)
{
	address_convert(&out->client, client);
	address_convert(&out->vip, vip);
	out->client_port = (uint16_t)client_port;
	out->vip_port = (uint16_t)vip_port;
}

#include "zebra-plugin/holdfast_vty_clippy.c"

DEFPY(generate_holdfast_key, generate_holdfast_key_cmd,
      "generate holdfast key-file PATH$path [id (1-4294967295)$id]",
      "Make something new\n" HOLDFAST_STR "File with a fresh key for all members\n"
      "Absolute path of a file that does not exist yet\n"
      "Number that tells the key from others\n"
      "Number that tells the key from others\n")
{
	struct error error;

	if (holdfast_key_file_create(path, id_str ? (uint32_t)id : 1, &error)) {
		vty_out(vty, "%% %s\n", error.text);
		return CMD_WARNING;
	}
	vty_out(vty,
		"%s was made. Copy it to all members, for FRR's user only, and then give each\n"
		"`directory key-file %s`.\n",
		path, path);
	return CMD_SUCCESS;
}

DEFPY(debug_holdfast, debug_holdfast_cmd,
      "[no$no] debug holdfast [<fpm|members|sessions|strays|directory|kernel|paths>$topic]",
      NO_STR DEBUG_STR HOLDFAST_STR "Messages from and to zebra\n"
				    "Members: host routes and hellos\n"
				    "Sessions and their ends\n"
				    "Strays: segments without a session here\n"
				    "Look-ups and records\n"
				    "What is asked of the kernel\n"
				    "Paths, and the owners of the flows on them (director)\n")
{
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < array_size(debug_topics); i++)
		if (!topic || !strcmp(topic, debug_topics[i].word))
			bits |= debug_topics[i].bit;
	if (no) {
		debug_terminal &= ~bits;
		debug_saved &= ~bits;
	} else if (vty->node == ENABLE_NODE) {
		debug_terminal |= bits;
	} else {
		debug_saved |= bits;
	}
	holdfast_active_set_debug(debug_saved | debug_terminal);
	return CMD_SUCCESS;
}

static int show_unconnected(struct vty *vty, unsigned int topic, bool json);

static int ask_fpmd(struct vty *vty, const struct holdfast_question *question)
{
	if (holdfast_fpm_connected())
		return holdfast_show_begin(vty, question);
	return show_unconnected(vty, question->topic, question->json);
}

/* fpmd is not there: the reason, and for the summary what the module knows by itself. */
static int show_unconnected(struct vty *vty, unsigned int topic, bool json)
{
	int result = holdfast_show_unconnected(vty, holdfast_active()->enabled, json);

	if (json || topic != SHOW_SUMMARY)
		return result;
	if (holdfast_active()->enabled) {
		vty_out(vty, "configuration:\n");
		holdfast_write_block(vty, holdfast_active());
	}
	vty_out(vty, "host routes of VIPs and members at the last replay: %" PRIu64 "\n",
		holdfast_routes_count());
	holdfast_show_module(vty);
	return result;
}

DEFPY(show_holdfast, show_holdfast_cmd,
      "show holdfast [<members|paths|pins|sessions|directory|counters>$topic] [json$json]",
      SHOW_STR HOLDFAST_STR "Hosts that may own sessions\n"
			    "Next hops of VIPs that this host routes, and the flows on them\n"
			    "Flows that are sent to their owner\n"
			    "Sessions that this host owns\n"
			    "Records that this host holds\n"
			    "Counters of fpmd and of zebra's module\n" JSON_STR)
{
	static const char *const words[] = {
		[SHOW_MEMBERS] = "members",   [SHOW_PINS] = "pins",
		[SHOW_SESSIONS] = "sessions", [SHOW_DIRECTORY] = "directory",
		[SHOW_COUNTERS] = "counters", [SHOW_PATHS] = "paths",
	};
	struct holdfast_question question = {.topic = SHOW_SUMMARY, .json = json};
	size_t i;

	for (i = 0; topic && i < array_size(words); i++)
		if (words[i] && !strcmp(topic, words[i]))
			question.topic = (unsigned int)i;
	return ask_fpmd(vty, &question);
}

DEFPY(show_holdfast_flow, show_holdfast_flow_cmd,
      "show holdfast flow <A.B.C.D|X:X::X:X>$client (0-65535)$client_port"
      " <A.B.C.D|X:X::X:X>$vip (0-65535)$vip_port [json$json]",
      SHOW_STR HOLDFAST_STR "Where the segments of one flow go on this host, and why\n"
			    "Address of the client\n"
			    "Address of the client\n"
			    "TCP port of the client\n"
			    "The VIP\n"
			    "The VIP\n"
			    "TCP port of the service\n" JSON_STR)
{
	struct holdfast_question question = {.topic = SHOW_FLOW, .json = json};

	flow_convert(&question.flow, client, client_port, vip, vip_port);
	return ask_fpmd(vty, &question);
}

DEFPY(clear_holdfast_pins, clear_holdfast_pins_cmd,
      "clear holdfast pins [<all|owner <A.B.C.D|X:X::X:X>$owner"
      "|flow <A.B.C.D|X:X::X:X>$client (0-65535)$client_port"
      " <A.B.C.D|X:X::X:X>$vip (0-65535)$vip_port>] [json$json]",
      CLEAR_STR HOLDFAST_STR "Pins: the next segment of each flow is looked up anew\n"
			     "All of them\n"
			     "Those that lead to one member\n"
			     "Address of the member\n"
			     "Address of the member\n"
			     "That of one flow\n"
			     "Address of the client\n"
			     "Address of the client\n"
			     "TCP port of the client\n"
			     "The VIP\n"
			     "The VIP\n"
			     "TCP port of the service\n" JSON_STR)
{
	struct holdfast_question question = {.topic = SHOW_CLEAR_PINS, .json = json};

	if (owner)
		address_convert(&question.owner, owner);
	if (client)
		flow_convert(&question.flow, client, client_port, vip, vip_port);
	return ask_fpmd(vty, &question);
}

/* As the commands of holdfast_cli.c that name a VRF. */
DEFPY(show_holdfast_vrf, show_holdfast_vrf_cmd, "show holdfast vrf NAME$name",
      SHOW_STR HOLDFAST_STR VRF_REFUSED_STR "Name of the VRF\n")
{
	vty_out(vty, VRF_REFUSED_FORMAT, name, name);
	return CMD_WARNING;
}

/* The debug lines of running-config. */
static int write_debug(struct vty *vty)
{
	uint32_t all = 0;
	size_t i;

	for (i = 0; i < array_size(debug_topics); i++)
		all |= debug_topics[i].bit;
	if (debug_saved == all)
		vty_out(vty, "debug holdfast\n");
	for (i = 0; debug_saved != all && i < array_size(debug_topics); i++)
		if (debug_saved & debug_topics[i].bit)
			vty_out(vty, "debug holdfast %s\n", debug_topics[i].word);
	return debug_saved != 0;
}

static struct cmd_node debug_node = {
	.name = "debug holdfast",
	.node = HOLDFAST_DEBUG_NODE,
	.prompt = "",
	.config_write = write_debug,
};

static int show_debugging(struct vty *vty)
{
	size_t i;

	for (i = 0; i < array_size(debug_topics); i++)
		if ((debug_saved | debug_terminal) & debug_topics[i].bit)
			vty_out(vty, "  Holdfast %s debugging is on\n", debug_topics[i].word);
	return 0;
}

void holdfast_vty_init(void)
{
	install_node(&debug_node);
	install_element(ENABLE_NODE, &generate_holdfast_key_cmd);
	install_element(ENABLE_NODE, &debug_holdfast_cmd);
	install_element(CONFIG_NODE, &debug_holdfast_cmd);
	install_element(VIEW_NODE, &show_holdfast_cmd);
	install_element(VIEW_NODE, &show_holdfast_flow_cmd);
	install_element(ENABLE_NODE, &clear_holdfast_pins_cmd);
	install_element(VIEW_NODE, &show_holdfast_vrf_cmd);
	hook_register(zebra_debug_show_debugging, show_debugging);
}
