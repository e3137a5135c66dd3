/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_cli.h. The commands of vtysh are generated from this file. What a value's YANG type
 * would refuse is refused here, in words; how values fit together is the northbound's to say.
 * Nothing here may be zebra's or mgmtd's own.
 */
#include "zebra-plugin/compat.h"

#include "lib/command.h"
#include "lib/northbound_cli.h"
#include "lib/prefix.h"

#include "zebra-plugin/holdfast_cli.h"
#include "zebra-plugin/holdfast_config.h"
#include "zebra-plugin/holdfast_nb.h"
#include "zebra-plugin/holdfast_node.h"

static int refuse(struct vty *vty, const struct error *error)
{
	vty_out(vty, "%% %s\n", error->text);
	return CMD_WARNING_CONFIG_FAILED;
}

static void warn(struct vty *vty, const struct error *error)
{
	vty_out(vty, "%% warning: %s\n", error->text);
	zlog_warn("Holdfast: %s", error->text);
}

/* One leaf: set to *value*, or with `no` back to its default, or away. */
static int change(struct vty *vty, const char *no, const char *xpath, const char *value)
{
	nb_cli_enqueue_change(vty, xpath, no ? NB_OP_DESTROY : NB_OP_MODIFY, no ? NULL : value);
	return holdfast_cli_apply(vty);
}

static bool is_there(struct vty *vty, const char *xpath)
{
	return yang_dnode_exists(vty->candidate_config->dnode, xpath);
}

/* An entry of a leaf-list of prefixes. */
static int change_prefix(struct vty *vty, const char *no, const char *name,
			 const struct prefix *prefix)
{
	struct prefix masked = *prefix;
	char text[PREFIX_STRLEN], leaf[32 + PREFIX_STRLEN], xpath[XPATH_MAXLEN];
	struct error error;

	apply_mask(&masked);
	prefix2str(&masked, text, sizeof(text));
	snprintf(xpath, sizeof(xpath), HOLDFAST_XPATH "/%s[.='%s']", name, text);
	if (no && !is_there(vty, xpath)) {
		error_set(&error, "%s %s is not configured", name, text);
		return refuse(vty, &error);
	}
	/* FRR 8 adds the entry to the path by itself, 10 does not; twice is as good as once. */
	snprintf(leaf, sizeof(leaf), no ? "./%s[.='%s']" : "./%s", name, text);
	nb_cli_enqueue_change(vty, leaf, no ? NB_OP_DESTROY : NB_OP_CREATE, text);
	return holdfast_cli_apply(vty);
}

#include "zebra-plugin/holdfast_cli_clippy.c"

DEFPY_YANG_NOSH(holdfast, holdfast_cmd, "holdfast", HOLDFAST_STR)
{
	int result;

	nb_cli_enqueue_change(vty, HOLDFAST_XPATH, NB_OP_CREATE, NULL);
	result = holdfast_cli_apply(vty);
	if (result == CMD_SUCCESS)
		VTY_PUSH_XPATH(HOLDFAST_NODE, HOLDFAST_XPATH);
	return result;
}

DEFPY_YANG(no_holdfast, no_holdfast_cmd, "no holdfast", NO_STR HOLDFAST_STR)
{
	nb_cli_enqueue_change(vty, HOLDFAST_XPATH, NB_OP_DESTROY, NULL);
	return holdfast_cli_apply(vty);
}

DEFPY_YANG(holdfast_prefix, holdfast_prefix_cmd, "[no$no] prefix <A.B.C.D/M|X:X::X:X/M>$prefix",
	   NO_STR "A VIP: an anycast address whose sessions are kept\n"
		  "The address, with /32\n"
		  "The address, with /128\n")
{
	return change_prefix(vty, no, "prefix", prefix);
}

DEFPY_YANG(holdfast_member_range, holdfast_member_range_cmd,
	   "[no$no] member-range <A.B.C.D/M|X:X::X:X/M>$prefix",
	   NO_STR "A host route inside says that there is a member\n"
		  "Prefix of the members' own addresses\n"
		  "Prefix of the members' own addresses\n")
{
	return change_prefix(vty, no, "member-range", prefix);
}

DEFPY_YANG(holdfast_local_member, holdfast_local_member_cmd,
	   "[no$no] local-member <A.B.C.D|X:X::X:X>$address",
	   NO_STR "This host's own address, one of each family\n"
		  "Address inside a member range\n"
		  "Address inside a member range\n")
{
	bool ipv4 = sockunion_family(address) == AF_INET;
	const char *leaf = ipv4 ? "./local-member/ipv4" : "./local-member/ipv6";
	char text[SU_ADDRSTRLEN], xpath[XPATH_MAXLEN];
	struct error error;
	int result;

	sockunion2str(address, text, sizeof(text));
	snprintf(xpath, sizeof(xpath), HOLDFAST_XPATH "%s[.='%s']", leaf + 1, text);
	if (no && !is_there(vty, xpath)) {
		error_set(&error, "local-member %s is not configured", text);
		return refuse(vty, &error);
	}
	result = change(vty, no, leaf, text);
	if (no || result != CMD_SUCCESS)
		return result;
	if (!holdfast_cli_address_is_local(address)) {
		error_set(&error, "local-member %s is no address of this host (yet)", text);
		warn(vty, &error);
	}
	return CMD_SUCCESS;
}

DEFPY_YANG(holdfast_key_file, holdfast_key_file_cmd, "[no$no] directory key-file ![PATH$path]",
	   NO_STR DIRECTORY_STR "File with the key that all members share\n"
				"Absolute path\n")
{
	struct holdfast_config scratch;
	struct error error;

	/* Whether it can be read is fpmd's to find out: zebra would wait for a file system that
	 * hangs. */
	if (!no && holdfast_key_file_set(&scratch, path, &error))
		return refuse(vty, &error);
	return change(vty, no, "./directory/key-file", path);
}

DEFPY_YANG(holdfast_directory_port, holdfast_directory_port_cmd,
	   "[no$no] directory port ![(1-65535)$port]", NO_STR DIRECTORY_STR PORT_STR PORT_STR)
{
	return change(vty, no, "./directory/port", port_str);
}

DEFPY_YANG(holdfast_replicas, holdfast_replicas_cmd, "[no$no] directory replicas ![(1-3)$replicas]",
	   NO_STR DIRECTORY_STR "Members that hold each record\n"
				"Their number\n")
{
	return change(vty, no, "./directory/replicas", replicas_str);
}

DEFPY_YANG(holdfast_ring_members, holdfast_ring_members_cmd,
	   "[no$no] directory ring-members ![(3-1024)$members]",
	   NO_STR DIRECTORY_STR "Members that keep records, the same on all hosts\n"
				"At most so many\n")
{
	return change(vty, no, "./directory/ring-members", members_str);
}

DEFPY_YANG(holdfast_record_lifetime, holdfast_record_lifetime_cmd,
	   "[no$no] directory record-lifetime ![(5-86400)$seconds]",
	   NO_STR DIRECTORY_STR "How long records of a silent owner count\n" SECONDS_STR)
{
	return change(vty, no, "./directory/record-lifetime", seconds_str);
}

/* A path that is not given stays empty. */
static int engine_path_take(char out[ENGINE_PATH_SIZE], const char *name, const char *path,
			    struct error *error)
{
	return path ? engine_path_set(out, name, path, error) : 0;
}

static void change_file(struct vty *vty, const char *name, const char *path)
{
	char leaf[64];

	if (!path)
		return;
	snprintf(leaf, sizeof(leaf), "./directory/valkey/%s", name);
	nb_cli_enqueue_change(vty, leaf, NB_OP_MODIFY, path);
}

DEFPY_YANG(holdfast_engine, holdfast_engine_cmd,
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

	nb_cli_enqueue_change(vty, "./directory/valkey", NB_OP_DESTROY, NULL);
	if (no || !server)
		return holdfast_cli_apply(vty);
	engine_valkey_init(&valkey);
	valkey.port = (uint16_t)port;
	valkey.tls = tls;
	if (engine_text_set(valkey.host, sizeof(valkey.host), "engine valkey", server, &error) ||
	    (user && engine_text_set(valkey.user, sizeof(valkey.user), "user", user, &error)) ||
	    (prefix &&
	     engine_text_set(valkey.prefix, sizeof(valkey.prefix), "prefix", prefix, &error)) ||
	    engine_path_take(valkey.password_file, "password-file", password, &error) ||
	    engine_path_take(valkey.ca_file, "ca-file", authority, &error) ||
	    engine_path_take(valkey.certificate_file, "certificate", certificate, &error) ||
	    engine_path_take(valkey.private_key_file, "key", key, &error) ||
	    engine_valkey_check(&valkey, &error))
		return refuse(vty, &error);
	nb_cli_enqueue_change(vty, "./directory/valkey/host", NB_OP_MODIFY, server);
	nb_cli_enqueue_change(vty, "./directory/valkey/port", NB_OP_MODIFY, port_str);
	if (user)
		nb_cli_enqueue_change(vty, "./directory/valkey/user", NB_OP_MODIFY, user);
	if (tls)
		nb_cli_enqueue_change(vty, "./directory/valkey/tls", NB_OP_MODIFY, "true");
	if (prefix)
		nb_cli_enqueue_change(vty, "./directory/valkey/prefix", NB_OP_MODIFY, prefix);
	change_file(vty, "password-file", password);
	change_file(vty, "ca-file", authority);
	change_file(vty, "certificate", certificate);
	change_file(vty, "key", key);
	return holdfast_cli_apply(vty);
}

DEFPY_YANG(holdfast_tunnel, holdfast_tunnel_cmd,
	   "[no$no] tunnel ![port (1-65535)$port [vni (1-16777215)$vni]]",
	   NO_STR TUNNEL_STR PORT_STR PORT_STR "VXLAN network identifier\n"
					       "VXLAN network identifier\n")
{
	nb_cli_enqueue_change(vty, "./tunnel/vni", no || !vni_str ? NB_OP_DESTROY : NB_OP_MODIFY,
			      no ? NULL : vni_str);
	return change(vty, no, "./tunnel/port", port_str);
}

struct mark_text {
	char text[sizeof("0xffffffff")];
};

/* Returns 0, or -1 with *error*: *word* is no mark. */
static int change_mark(struct vty *vty, const char *no, bool all, const char *leaf,
		       const char *word, struct mark_text *text, struct error *error)
{
	uint32_t mark;

	if (no && (all || word))
		nb_cli_enqueue_change(vty, leaf, NB_OP_DESTROY, NULL);
	if (no || !word)
		return 0;
	if (holdfast_mark_parse(word, &mark, error))
		return -1;
	snprintf(text->text, sizeof(text->text), "0x%08x", mark);
	nb_cli_enqueue_change(vty, leaf, NB_OP_MODIFY, text->text);
	return 0;
}

/* The default path-mask gives way to other fields, and says so. */
static void warn_path_mask(struct vty *vty)
{
	struct holdfast_config config;
	struct error error;
	const struct lyd_node *block = holdfast_nb_block(vty->candidate_config);

	if (!block || holdfast_nb_config_read(block, &config, &error))
		return;
	if (!config.mark_path_mask || holdfast_path_mask(&config))
		return;
	error_set(&error,
		  "the default path-mask 0x%08x overlaps: this host is no director"
		  " until a path-mask is given",
		  config.mark_path_mask);
	warn(vty, &error);
}

DEFPY_YANG(holdfast_mark, holdfast_mark_cmd,
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
	struct mark_text owner_text, stray_text, tunnel_text, path_text;
	bool all = !owner && !stray && !tunnel && !path;
	struct error error;
	int result;

	if (change_mark(vty, no, all, "./mark/owner-mask", owner, &owner_text, &error) ||
	    change_mark(vty, no, all, "./mark/stray-bit", stray, &stray_text, &error) ||
	    change_mark(vty, no, all, "./mark/tunnel-bit", tunnel, &tunnel_text, &error) ||
	    change_mark(vty, no, all, "./mark/path-mask", path, &path_text, &error))
		return refuse(vty, &error);
	result = holdfast_cli_apply(vty);
	if (result == CMD_SUCCESS)
		warn_path_mask(vty);
	return result;
}

DEFPY_YANG(holdfast_role, holdfast_role_cmd, "[no$no] role ![<auto|server|director>$role]",
	   NO_STR "What this host does for the VIPs\n"
		  "Serves those that are its own, directs those that it routes\n"
		  "Serves VIPs, directs none\n"
		  "Directs VIPs, serves none\n")
{
	return change(vty, no, "./role", role);
}

DEFPY_YANG(holdfast_drain, holdfast_drain_cmd, "[no$no] drain",
	   NO_STR
	   "Take no new sessions, keep those there are: the VIPs' addresses are taken away\n")
{
	return change(vty, no, "./drain", "true");
}

DEFPY_YANG(holdfast_queue, holdfast_queue_cmd, "[no$no] queue ![(0-65535)$queue]",
	   NO_STR "NFQUEUE that holds strays while their owner is looked up\n"
		  "Queue number\n")
{
	return change(vty, no, "./queue", queue_str);
}

DEFPY_YANG(holdfast_pins_max, holdfast_pins_max_cmd, "[no$no] pins max ![(1-16777216)$max]",
	   NO_STR PINS_STR "Size of the pin map in the kernel\n"
			   "Pins\n")
{
	return change(vty, no, "./pins/max", max_str);
}

DEFPY_YANG(holdfast_pins_check, holdfast_pins_check_cmd,
	   "[no$no] pins check-interval ![(1-86400)$seconds]",
	   NO_STR PINS_STR "How often it is checked whether a pin is still needed\n" SECONDS_STR)
{
	return change(vty, no, "./pins/check-interval", seconds_str);
}

DEFPY_YANG(holdfast_flows_max, holdfast_flows_max_cmd, "[no$no] flows max ![(1000-10000000)$max]",
	   NO_STR FLOWS_STR "Flows that are recorded, at most\n"
			    "Flows\n")
{
	return change(vty, no, "./flows/max", max_str);
}

DEFPY_YANG(holdfast_flows_lifetime, holdfast_flows_lifetime_cmd,
	   "[no$no] flows lifetime ![(5-86400)$seconds]",
	   NO_STR FLOWS_STR "A flow without a packet for so long is forgotten\n" SECONDS_STR)
{
	return change(vty, no, "./flows/lifetime", seconds_str);
}

DEFPY_YANG(holdfast_flows_fast_path, holdfast_flows_fast_path_cmd, "[no$no] flows fast-path",
	   NO_STR FLOWS_STR "Recorded flows go past netfilter: no firewall rule sees them\n")
{
	return change(vty, no, "./flows/fast-path", "true");
}

/* What is asked of another VRF is refused in words, not as a command that nobody knows. */
static int refuse_vrf(struct vty *vty, const char *name)
{
	vty_out(vty, VRF_REFUSED_FORMAT, name, name);
	return CMD_WARNING_CONFIG_FAILED;
}

DEFPY_YANG(holdfast_vrf, holdfast_vrf_cmd, "[no] holdfast vrf NAME$name",
	   NO_STR HOLDFAST_STR VRF_REFUSED_STR "Name of the VRF\n")
{
	return refuse_vrf(vty, name);
}

DEFPY_YANG(holdfast_line_vrf, holdfast_line_vrf_cmd,
	   "[no] <prefix <A.B.C.D/M|X:X::X:X/M>|member-range <A.B.C.D/M|X:X::X:X/M>"
	   "|local-member <A.B.C.D|X:X::X:X>> vrf NAME$name",
	   NO_STR "A VIP: an anycast address whose sessions are kept\n"
		  "The address, with /32\n"
		  "The address, with /128\n"
		  "A host route inside says that there is a member\n"
		  "Prefix of the members' own addresses\n"
		  "Prefix of the members' own addresses\n"
		  "This host's own address, one of each family\n"
		  "Address inside a member range\n"
		  "Address inside a member range\n" VRF_REFUSED_STR "Name of the VRF\n")
{
	return refuse_vrf(vty, name);
}

static struct cmd_node holdfast_node = {
	.name = "holdfast",
	.node = HOLDFAST_NODE,
	.parent_node = CONFIG_NODE,
	.prompt = HOLDFAST_PROMPT,
};

void holdfast_cli_init(int (*write)(struct vty *vty), int (*leave)(struct vty *vty))
{
	holdfast_node.config_write = write;
	holdfast_node.node_exit = leave;
	install_node(&holdfast_node);
	install_default(HOLDFAST_NODE);
	install_element(CONFIG_NODE, &holdfast_cmd);
	install_element(CONFIG_NODE, &no_holdfast_cmd);
	install_element(CONFIG_NODE, &holdfast_vrf_cmd);
	install_element(HOLDFAST_NODE, &holdfast_line_vrf_cmd);
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
	install_element(HOLDFAST_NODE, &holdfast_drain_cmd);
	install_element(HOLDFAST_NODE, &holdfast_flows_max_cmd);
	install_element(HOLDFAST_NODE, &holdfast_flows_lifetime_cmd);
	install_element(HOLDFAST_NODE, &holdfast_flows_fast_path_cmd);
}
