/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_cli.h. The commands of vtysh are generated from this file. A change is handed to
 * fpmd once the lines have stopped coming, so that a file that is being read counts as a whole.
 */
#include "zebra-plugin/compat.h"

#include <fcntl.h>

#include "lib/command.h"
#include "lib/if.h"
#include "lib/prefix.h"
#include "lib/sockunion.h"
#include "lib/vrf.h"
#include "zebra/debug.h"

#include "fpm/holdfast.pb-c.h"
#include "zebra-plugin/holdfast_cli.h"
#include "zebra-plugin/holdfast_config.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_key.h"
#include "zebra-plugin/holdfast_node.h"
#include "zebra-plugin/holdfast_routes.h"
#include "zebra-plugin/holdfast_show.h"
#include "zebra-plugin/holdfast_write.h"

#define APPLY_MS 100
/* Without a line of ours for so long after zebra's start there is no configuration any more. */
#define UNCONFIGURED_MS 60000

static holdfast_loop *main_loop;
static struct holdfast_config config, defaults;
static uint32_t debug_saved, debug_terminal; /* set in configuration mode, or only until the end */
static holdfast_event *t_apply;
static bool stopped;

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

static void apply(holdfast_event *event)
{
	struct error problems[HOLDFAST_PROBLEMS_MAX];
	size_t count = holdfast_config_problems(&config, problems, array_size(problems));

	config.debug = debug_saved | debug_terminal;
	holdfast_fpm_config_problems(problems, count);
	holdfast_routes_config(&config);
	holdfast_fpm_enable(); /* never before: fpmd would take an empty configuration for the truth
				*/
}

static void changed(void)
{
	if (stopped)
		return;
	holdfast_event_off(t_apply);
	holdfast_add_timer_ms(main_loop, apply, NULL, APPLY_MS, &t_apply);
}

static int refuse(struct vty *vty, const struct error *error)
{
	vty_out(vty, "%% %s\n", error->text);
	return CMD_WARNING_CONFIG_FAILED;
}

static void warn_and_keep(struct vty *vty, const struct error *error)
{
	vty_out(vty, "%% warning: %s\n", error->text);
	zlog_warn("Holdfast: %s", error->text);
}

static int accept_or_refuse(struct vty *vty, int result, const struct error *error)
{
	if (result)
		return refuse(vty, error);
	changed();
	return CMD_SUCCESS;
}

static void prefix_convert(struct holdfast_prefix *out, const struct prefix *prefix)
{
	memset(out, 0, sizeof(*out));
	out->family = prefix->family;
	out->length = (uint8_t)prefix->prefixlen;
	memcpy(out->address, &prefix->u.prefix, holdfast_host_length(prefix->family) / 8);
}

static void address_convert(struct holdfast_prefix *out, const union sockunion *address)
{
	memset(out, 0, sizeof(*out));
	out->family = (uint8_t)sockunion_family(address);
	out->length = holdfast_host_length(out->family);
	memcpy(out->address, sockunion_get_addr(address), out->length / 8);
}

#include "zebra-plugin/holdfast_cli_clippy.c"

DEFPY_NOSH(holdfast, holdfast_cmd, "holdfast", HOLDFAST_STR)
{
	vty->node = HOLDFAST_NODE;
	if (!config.enabled) {
		config.enabled = true;
		changed();
	}
	return CMD_SUCCESS;
}

DEFPY(no_holdfast, no_holdfast_cmd, "no holdfast", NO_STR HOLDFAST_STR)
{
	if (!config.enabled)
		return CMD_SUCCESS;
	holdfast_config_init(&config);
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_prefix, holdfast_prefix_cmd, "[no$no] prefix <A.B.C.D/M|X:X::X:X/M>$prefix",
      NO_STR "A VIP: an anycast address whose sessions are kept\n"
	     "The address, with /32\n"
	     "The address, with /128\n")
{
	struct holdfast_prefix vip;
	struct error error;

	prefix_convert(&vip, prefix);
	return accept_or_refuse(vty,
				no ? holdfast_vip_remove(&config, &vip, &error)
				   : holdfast_vip_add(&config, &vip, &error),
				&error);
}

DEFPY(holdfast_member_range, holdfast_member_range_cmd,
      "[no$no] member-range <A.B.C.D/M|X:X::X:X/M>$prefix",
      NO_STR "A host route inside says that there is a member\n"
	     "Prefix of the members' own addresses\n"
	     "Prefix of the members' own addresses\n")
{
	struct holdfast_prefix range;
	struct error error;

	prefix_convert(&range, prefix);
	return accept_or_refuse(vty,
				no ? holdfast_range_remove(&config, &range, &error)
				   : holdfast_range_add(&config, &range, &error),
				&error);
}

DEFPY(holdfast_local_member, holdfast_local_member_cmd,
      "[no$no] local-member <A.B.C.D|X:X::X:X>$address",
      NO_STR "This host's own address, one of each family\n"
	     "Address inside a member range\n"
	     "Address inside a member range\n")
{
	struct holdfast_prefix member;
	struct error error;
	char text[HOLDFAST_PREFIX_TEXT_SIZE];

	address_convert(&member, address);
	if (no)
		return accept_or_refuse(vty, holdfast_member_remove(&config, &member, &error),
					&error);
	if (holdfast_member_set(&config, &member, &error))
		return refuse(vty, &error);
	if (!if_address_is_local(member.address, member.family, VRF_DEFAULT)) {
		error_set(&error, "local-member %s is no address of this host (yet)",
			  holdfast_address_text(&member, text));
		warn_and_keep(vty, &error);
	}
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_key_file, holdfast_key_file_cmd, "[no$no] directory key-file ![PATH$path]",
      NO_STR DIRECTORY_STR "File with the key that all members share\n"
			   "Absolute path\n")
{
	struct error error;

	if (no) {
		config.key_file[0] = '\0';
		changed();
		return CMD_SUCCESS;
	}
	if (holdfast_key_file_set(&config, path, &error))
		return refuse(vty, &error);
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS)) {
		error_set(&error, "key-file %.150s: %s", path, safe_strerror(errno));
		warn_and_keep(vty, &error);
	}
	changed();
	return CMD_SUCCESS;
}

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

DEFPY(holdfast_directory_port, holdfast_directory_port_cmd,
      "[no$no] directory port ![(1-65535)$port]", NO_STR DIRECTORY_STR PORT_STR PORT_STR)
{
	config.directory_port = no ? defaults.directory_port : (uint16_t)port;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_replicas, holdfast_replicas_cmd, "[no$no] directory replicas ![(1-3)$replicas]",
      NO_STR DIRECTORY_STR "Members that hold each record\n"
			   "Their number\n")
{
	config.directory_replicas = no ? defaults.directory_replicas : (uint8_t)replicas;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_ring_members, holdfast_ring_members_cmd,
      "[no$no] directory ring-members ![(3-1024)$members]",
      NO_STR DIRECTORY_STR "Members that keep records, the same on all hosts\n"
			   "At most so many\n")
{
	config.ring_members = no ? defaults.ring_members : (uint16_t)members;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_record_lifetime, holdfast_record_lifetime_cmd,
      "[no$no] directory record-lifetime ![(5-86400)$seconds]",
      NO_STR DIRECTORY_STR "How long records of a silent owner count\n" SECONDS_STR)
{
	config.record_lifetime_s = no ? defaults.record_lifetime_s : (uint32_t)seconds;
	changed();
	return CMD_SUCCESS;
}

/* A path that is not given stays empty. One that cannot be read now is taken all the same. */
static int engine_path_take(struct vty *vty, char out[ENGINE_PATH_SIZE], const char *name,
			    const char *path, struct error *error)
{
	if (!path)
		return 0;
	if (engine_path_set(out, name, path, error))
		return -1;
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS)) {
		error_set(error, "%s %.150s: %s", name, path, safe_strerror(errno));
		warn_and_keep(vty, error);
	}
	return 0;
}

DEFPY(holdfast_engine, holdfast_engine_cmd,
      "[no$no] directory engine ![<one-hop$one_hop|valkey HOST$server (1-65535)$port"
      " [{user WORD$user|password-file PATH$password|tls$tls|ca-file PATH$authority"
      "|certificate PATH$certificate key PATH$key|prefix WORD$prefix}]>]",
      NO_STR DIRECTORY_STR "What keeps the records\n"
			   "The members themselves\n"
			   "A Valkey or Redis server or cluster\n"
			   "Address or name of the server, or of one of the cluster's\n"
			   "TCP port\n"
			   "Who this host is for the server (ACL)\n"
			   "Name of the account\n"
			   "File with the password alone\n"
			   "Absolute path\n"
			   "Encrypted, and the server's certificate is checked\n"
			   "Authority that signed the server's certificate\n"
			   "Absolute path of a PEM file\n"
			   "This host's own certificate, for servers that ask for one\n"
			   "Absolute path of a PEM file\n"
			   "Its private key\n"
			   "Absolute path of a PEM file\n"
			   "What the names of all keys in the server begin with\n"
			   "The same on all members\n")
{
	struct engine_valkey valkey;
	struct error error;

	engine_valkey_init(&valkey);
	if (!no && server) {
		valkey.port = (uint16_t)port;
		valkey.tls = tls;
		if (engine_text_set(valkey.host, sizeof(valkey.host), "engine valkey", server,
				    &error) ||
		    (user &&
		     engine_text_set(valkey.user, sizeof(valkey.user), "user", user, &error)) ||
		    (prefix && engine_text_set(valkey.prefix, sizeof(valkey.prefix), "prefix",
					       prefix, &error)) ||
		    engine_path_take(vty, valkey.password_file, "password-file", password,
				     &error) ||
		    engine_path_take(vty, valkey.ca_file, "ca-file", authority, &error) ||
		    engine_path_take(vty, valkey.certificate_file, "certificate", certificate,
				     &error) ||
		    engine_path_take(vty, valkey.private_key_file, "key", key, &error) ||
		    engine_valkey_check(&valkey, &error))
			return refuse(vty, &error);
	}
	config.valkey = valkey;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_tunnel, holdfast_tunnel_cmd,
      "[no$no] tunnel ![port (1-65535)$port [vni (1-16777215)$vni]]",
      NO_STR TUNNEL_STR PORT_STR PORT_STR "VXLAN network identifier\n"
					  "VXLAN network identifier\n")
{
	config.tunnel_port = no ? defaults.tunnel_port : (uint16_t)port;
	config.tunnel_vni = no || !vni_str ? defaults.tunnel_vni : (uint32_t)vni;
	changed();
	return CMD_SUCCESS;
}

/* Sets *value to what *text* says, to the default if the form is `no` with or without it. */
static int mark_take(const char *no, bool all, const char *text, uint32_t fallback, uint32_t *value,
		     struct error *error)
{
	if (no && (all || text))
		*value = fallback;
	return no || !text ? 0 : holdfast_mark_parse(text, value, error);
}

DEFPY(holdfast_mark, holdfast_mark_cmd,
      "[no$no] mark ![{owner-mask HEX$owner|stray-bit HEX$stray|tunnel-bit HEX$tunnel"
      "|path-mask HEX$path}]",
      NO_STR MARK_STR "Field that holds the owner's id\n"
		      "Contiguous mask, hexadecimal\n"
		      "Bit of a segment that met no session\n"
		      "One bit, hexadecimal\n"
		      "Bit of a segment that came through the tunnel\n"
		      "One bit, hexadecimal\n"
		      "Field that holds the path's id; 0: this host is no director\n"
		      "Contiguous mask, hexadecimal\n")
{
	uint32_t owner_mask = config.mark_owner_mask, stray_bit = config.mark_stray_bit,
		 tunnel_bit = config.mark_tunnel_bit, path_mask = config.mark_path_mask;
	bool all = !owner && !stray && !tunnel && !path;
	struct error error;

	if (mark_take(no, all, owner, defaults.mark_owner_mask, &owner_mask, &error) ||
	    mark_take(no, all, stray, defaults.mark_stray_bit, &stray_bit, &error) ||
	    mark_take(no, all, tunnel, defaults.mark_tunnel_bit, &tunnel_bit, &error) ||
	    mark_take(no, all, path, defaults.mark_path_mask, &path_mask, &error) ||
	    holdfast_marks_set(&config, owner_mask, path_mask, stray_bit, tunnel_bit, &error))
		return refuse(vty, &error);
	if (config.mark_path_mask && !holdfast_path_mask(&config)) {
		error_set(&error,
			  "the default path-mask 0x%08x overlaps: this host is no director"
			  " until a path-mask is given",
			  config.mark_path_mask);
		warn_and_keep(vty, &error);
	}
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_role, holdfast_role_cmd, "[no$no] role ![<auto|server|director>$role]",
      NO_STR "What this host does for the VIPs\n"
	     "Serves those that are its own, directs those that it routes\n"
	     "Serves VIPs, directs none\n"
	     "Directs VIPs, serves none\n")
{
	if (no || !strcmp(role, "auto"))
		config.role = HOLDFAST_ROLE_AUTO;
	else
		config.role =
			!strcmp(role, "server") ? HOLDFAST_ROLE_SERVER : HOLDFAST_ROLE_DIRECTOR;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_queue, holdfast_queue_cmd, "[no$no] queue ![(0-65535)$queue]",
      NO_STR "NFQUEUE that holds strays while their owner is looked up\n"
	     "Queue number\n")
{
	config.queue = no ? defaults.queue : (uint16_t)queue;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_pins_max, holdfast_pins_max_cmd, "[no$no] pins max ![(1-16777216)$max]",
      NO_STR PINS_STR "Size of the pin map in the kernel\n"
		      "Pins\n")
{
	config.pins_max = no ? defaults.pins_max : (uint32_t)max;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_pins_check, holdfast_pins_check_cmd,
      "[no$no] pins check-interval ![(1-86400)$seconds]",
      NO_STR PINS_STR "How often it is checked whether a pin is still needed\n" SECONDS_STR)
{
	config.pin_check_s = no ? defaults.pin_check_s : (uint32_t)seconds;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_flows_max, holdfast_flows_max_cmd, "[no$no] flows max ![(1000-10000000)$max]",
      NO_STR FLOWS_STR "Flows that are recorded, at most\n"
		       "Flows\n")
{
	config.flows_max = no ? defaults.flows_max : (uint32_t)max;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_flows_lifetime, holdfast_flows_lifetime_cmd,
      "[no$no] flows lifetime ![(5-86400)$seconds]",
      NO_STR FLOWS_STR "A flow without a packet for so long is forgotten\n" SECONDS_STR)
{
	config.flow_lifetime_s = no ? defaults.flow_lifetime_s : (uint32_t)seconds;
	changed();
	return CMD_SUCCESS;
}

DEFPY(holdfast_flows_fast_path, holdfast_flows_fast_path_cmd, "[no$no] flows fast-path",
      NO_STR FLOWS_STR "Recorded flows go past netfilter: no firewall rule sees them\n")
{
	config.flows_fast_path = !no;
	changed();
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
	if (config.enabled)
		changed();
	return CMD_SUCCESS;
}

static int show_unconnected(struct vty *vty, enum holdfast_topic topic, bool json);

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
	enum holdfast_topic wanted = SHOW_SUMMARY;
	size_t i;

	for (i = 0; topic && i < array_size(words); i++)
		if (words[i] && !strcmp(topic, words[i]))
			wanted = (enum holdfast_topic)i;
	if (holdfast_fpm_connected())
		return holdfast_show_begin(vty, wanted, NULL, !!json);
	return show_unconnected(vty, wanted, !!json);
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
	struct holdfast_flow flow = {.client_port = (uint16_t)client_port,
				     .vip_port = (uint16_t)vip_port};

	address_convert(&flow.client, client);
	address_convert(&flow.vip, vip);
	if (holdfast_fpm_connected())
		return holdfast_show_begin(vty, SHOW_FLOW, &flow, !!json);
	return show_unconnected(vty, SHOW_FLOW, !!json);
}

static int write_config(struct vty *vty)
{
	uint32_t all = 0;
	size_t i;

	for (i = 0; i < array_size(debug_topics); i++)
		all |= debug_topics[i].bit;
	if (debug_saved == all)
		vty_out(vty, "debug holdfast\n");
	else
		for (i = 0; i < array_size(debug_topics); i++)
			if (debug_saved & debug_topics[i].bit)
				vty_out(vty, "debug holdfast %s\n", debug_topics[i].word);
	if (!config.enabled)
		return debug_saved ? 1 : 0;
	vty_out(vty, "holdfast\n");
	holdfast_write_block(vty, &config);
	vty_out(vty, "exit\n!\n");
	return 1;
}

/* fpmd is not there: the reason, and for the summary what the module knows by itself. */
static int show_unconnected(struct vty *vty, enum holdfast_topic topic, bool json)
{
	int result = holdfast_show_unconnected(vty, config.enabled, json);

	if (json || topic != SHOW_SUMMARY)
		return result;
	if (config.enabled) {
		vty_out(vty, "configuration:\n");
		holdfast_write_block(vty, &config);
	}
	vty_out(vty, "host routes of VIPs and members at the last replay: %" PRIu64 "\n",
		holdfast_routes_count());
	holdfast_show_module(vty);
	return result;
}

static int show_debugging(struct vty *vty)
{
	size_t i;

	for (i = 0; i < array_size(debug_topics); i++)
		if ((debug_saved | debug_terminal) & debug_topics[i].bit)
			vty_out(vty, "  Holdfast %s debugging is on\n", debug_topics[i].word);
	return 0;
}

static struct cmd_node holdfast_node = {
	.name = "holdfast",
	.node = HOLDFAST_NODE,
	.parent_node = CONFIG_NODE,
	.prompt = HOLDFAST_PROMPT,
	.config_write = write_config,
};

void holdfast_cli_init(holdfast_loop *loop)
{
	main_loop = loop;
	holdfast_config_init(&config);
	holdfast_config_init(&defaults);

	holdfast_add_timer_ms(main_loop, apply, NULL, UNCONFIGURED_MS, &t_apply);
	install_node(&holdfast_node);
	install_default(HOLDFAST_NODE);
	install_element(CONFIG_NODE, &holdfast_cmd);
	install_element(CONFIG_NODE, &no_holdfast_cmd);
	install_element(HOLDFAST_NODE, &holdfast_prefix_cmd);
	install_element(HOLDFAST_NODE, &holdfast_member_range_cmd);
	install_element(HOLDFAST_NODE, &holdfast_local_member_cmd);
	install_element(HOLDFAST_NODE, &holdfast_key_file_cmd);
	install_element(HOLDFAST_NODE, &holdfast_directory_port_cmd);
	install_element(HOLDFAST_NODE, &holdfast_replicas_cmd);
	install_element(HOLDFAST_NODE, &holdfast_ring_members_cmd);
	install_element(HOLDFAST_NODE, &holdfast_record_lifetime_cmd);
	install_element(HOLDFAST_NODE, &holdfast_engine_cmd);
	install_element(HOLDFAST_NODE, &holdfast_tunnel_cmd);
	install_element(HOLDFAST_NODE, &holdfast_mark_cmd);
	install_element(HOLDFAST_NODE, &holdfast_queue_cmd);
	install_element(HOLDFAST_NODE, &holdfast_pins_max_cmd);
	install_element(HOLDFAST_NODE, &holdfast_pins_check_cmd);
	install_element(HOLDFAST_NODE, &holdfast_role_cmd);
	install_element(HOLDFAST_NODE, &holdfast_flows_max_cmd);
	install_element(HOLDFAST_NODE, &holdfast_flows_lifetime_cmd);
	install_element(HOLDFAST_NODE, &holdfast_flows_fast_path_cmd);
	install_element(ENABLE_NODE, &generate_holdfast_key_cmd);
	install_element(ENABLE_NODE, &debug_holdfast_cmd);
	install_element(CONFIG_NODE, &debug_holdfast_cmd);
	install_element(VIEW_NODE, &show_holdfast_cmd);
	install_element(VIEW_NODE, &show_holdfast_flow_cmd);
	hook_register(zebra_debug_show_debugging, show_debugging);
}

void holdfast_cli_stop(void)
{
	stopped = true;
	holdfast_event_off(t_apply);
}
