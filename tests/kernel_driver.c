// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drives kernel.h alone, with owners and answers from its command line instead of members and a
 * directory: for the tests of the data path in namespaces. Prints one line for each thing that
 * happens.
 *
 *   kernel_driver --local ADDRESS [--vip VIP]... [--owner ID=ADDRESS]... [--default-owner ID]
 *                 [--keep all|detours|nothing] [--tunnel-port N] [--owner-mask MASK]
 *                 [--path-mask MASK [--routed VIP]... [--bpf-directory DIRECTORY] [--fast-path]]
 *
 * A stray gets a pin to the default owner; without one it is delivered locally. Lines on standard
 * input are commands: "counters", "pins", "sessions", "known CLIENT PORT VIP PORT", "hold VIP 0|1",
 * "steer ADDRESS [GATEWAY DEVICE]", "default ID"; of a director "routed [VIP]...", "path ID 4|6
 * GATEWAY%DEVICE [shared] [gone] [withdrawn] [owner=ADDRESS] [hop=GATEWAY%DEVICE]...", "unpath ID",
 * "paths", "flows [PATH]", "sweep", "pin-flows PATH OWNER" (OWNER with KERNEL_PIN_DIRECT, or 0). Of
 * addresses: "withdraw ADDRESS", "return [ADDRESS]" (all but that one), "away".
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/kernel/kernel.h"
#include "fpmd/log.h"

#define VIPS_MAX 16
#define OWNERS_MAX 16
#define PINS_MAX 65536
#define COUNTERS_MAX 64
#define FLOWS_MAX 4096

struct driver {
	struct event_base *base;
	struct kernel *kernel;
	struct in6_addr vips[VIPS_MAX];
	size_t vips_count;
	struct in6_addr routed[VIPS_MAX];
	size_t routed_count;
	struct {
		uint16_t id;
		struct in6_addr address;
	} owners[OWNERS_MAX];
	size_t owners_count;
	uint16_t default_owner;
	enum kernel_keep keep;
};

static void fail(const char *what, const struct error *error)
{
	fprintf(stderr, "%s: %s\n", what, error->text);
	exit(1);
}

static void on_session(void *arg, const struct flow *flow, enum kernel_session_event event)
{
	char text[FLOW_TEXT_SIZE];

	printf("session %s %s\n", event == KERNEL_SESSION_ESTABLISHED ? "established" : "closed",
	       flow_text(flow, text));
}

static void on_lost(void *arg)
{
	puts("lost");
}

static void on_addresses(void *arg)
{
	struct driver *driver = arg;

	printf("addresses");
	for (size_t i = 0; i < driver->vips_count; i++)
		printf(" %d", kernel_address_is_local(driver->kernel, &driver->vips[i]));
	puts("");
}

static void on_problem(void *arg, const char *text)
{
	printf("problem %s\n", text ? text : "none");
}

static void on_stray(void *arg, const struct kernel_stray *stray)
{
	struct driver *driver = arg;
	char text[FLOW_TEXT_SIZE];

	printf("stray %s length %u tunnelled %d sender %u reset %d by %s\n",
	       flow_text(&stray->flow, text), stray->length, stray->tunnelled, stray->sender_id,
	       stray->reset, stray->interface);
	if (stray->tunnelled || !driver->default_owner) {
		kernel_stray_verdict(driver->kernel, stray->id, KERNEL_LOCAL, 0);
		return;
	}
	if (!stray->reset) {
		struct kernel_pin_change change = {.flow = stray->flow,
						   .new_owner = driver->default_owner};

		if (kernel_pins_change(driver->kernel, &change, 1))
			printf("pin failed %d\n", change.status);
	}
	kernel_stray_verdict(driver->kernel, stray->id, KERNEL_DETOUR, driver->default_owner);
}

static void on_flow(void *arg, const struct flow *flow, uint16_t path, enum kernel_flow_event event)
{
	static const char *const names[] = {[KERNEL_FLOW_BEGAN] = "began",
					    [KERNEL_FLOW_ADOPTED] = "adopted",
					    [KERNEL_FLOW_ENDED] = "ended"};
	char text[FLOW_TEXT_SIZE];

	printf("flow %s %s path %u\n", names[event], flow_text(flow, text), path);
}

static const struct kernel_handlers handlers = {
	.flow = on_flow,
	.flows_lost = on_lost,
	.session = on_session,
	.sessions_lost = on_lost,
	.stray = on_stray,
	.addresses_changed = on_addresses,
	.problem = on_problem,
};

static void print_pin(void *arg, const struct flow *flow, uint16_t owner)
{
	char text[FLOW_TEXT_SIZE];

	printf("pin %s owner %u\n", flow_text(flow, text), owner);
}

static void print_session(void *arg, const struct flow *flow)
{
	char text[FLOW_TEXT_SIZE];

	printf("has %s\n", flow_text(flow, text));
}

static void print_owner(void *arg, uint16_t id, const struct in6_addr *address)
{
	char text[ADDRESS_TEXT_SIZE];

	printf("owner %u %s\n", id, address_text(address, text));
}

static void print_counters(struct driver *driver)
{
	struct kernel_counter counters[COUNTERS_MAX];
	size_t count = kernel_counters(driver->kernel, counters, COUNTERS_MAX);

	for (size_t i = 0; i < count && i < COUNTERS_MAX; i++)
		printf("counter %s %llu\n", counters[i].name,
		       (unsigned long long)counters[i].value);
}

static void parse_address(const char *text, struct in6_addr *address)
{
	if (address_parse(text, address) == 0)
		return;
	fprintf(stderr, "bad address %s\n", text);
	exit(2);
}

static void ask_known(struct driver *driver, char *arguments)
{
	struct flow flow = {.protocol = IPPROTO_TCP};
	char client[64], vip[64];
	unsigned int client_port, vip_port;

	if (sscanf(arguments, "%63s %u %63s %u", client, &client_port, vip, &vip_port) != 4)
		return;
	parse_address(client, &flow.client);
	parse_address(vip, &flow.vip);
	flow.client_port = (uint16_t)client_port;
	flow.vip_port = (uint16_t)vip_port;
	printf("known %d\n", kernel_session_known(driver->kernel, &flow));
}

static void steer(struct driver *driver, const char *arguments)
{
	struct in6_addr owner, gateway;
	struct error error;
	char texts[2][64], device[KERNEL_INTERFACE_SIZE];
	int count = sscanf(arguments, "%63s %63s %15s", texts[0], texts[1], device);

	if (count != 1 && count != 3)
		return;
	parse_address(texts[0], &owner);
	if (count == 3)
		parse_address(texts[1], &gateway);
	if (kernel_owner_steer(driver->kernel, &owner, count == 3 ? &gateway : NULL,
			       count == 3 ? device : NULL, &error) < 0)
		printf("error %s\n", error.text);
}

static void hold(struct driver *driver, const char *arguments)
{
	struct in6_addr vip;
	struct error error;
	char text[64];
	int on;

	if (sscanf(arguments, "%63s %d", text, &on) != 2)
		return;
	parse_address(text, &vip);
	if (kernel_vip_hold(driver->kernel, &vip, on, &error) < 0)
		printf("error %s\n", error.text);
}

static void withdraw(struct driver *driver, const char *text)
{
	struct in6_addr address;
	struct error error;
	int devices;

	parse_address(text, &address);
	devices = kernel_address_withdraw(driver->kernel, &address, &error);
	if (devices < 0)
		printf("error %s\n", error.text);
	else
		printf("withdrawn from %d\n", devices);
}

static bool is_same(void *arg, const struct in6_addr *address)
{
	return address_equal(arg, address);
}

static void put_back(struct driver *driver, const char *text)
{
	struct in6_addr stays;
	struct error error;

	if (*text)
		parse_address(text, &stays);
	if (kernel_addresses_return(driver->kernel, *text ? is_same : NULL, &stays, &error) < 0)
		printf("error %s\n", error.text);
}

static void print_away(struct driver *driver)
{
	static struct kernel_address_away away[KERNEL_ADDRESSES_AWAY_MAX];
	size_t count = kernel_addresses_away(driver->kernel, away, KERNEL_ADDRESSES_AWAY_MAX);

	for (size_t i = 0; i < count; i++)
		printf("away %s since %llu\n", away[i].words, (unsigned long long)away[i].since_s);
}

/* "GATEWAY%DEVICE" */
static bool parse_hop(const char *text, struct kernel_next_hop *hop)
{
	char gateway[64];

	if (sscanf(text, "%63[^%]%%%15s", gateway, hop->interface) != 2)
		return false;
	parse_address(gateway, &hop->gateway);
	return true;
}

static void set_path(struct driver *driver, char *arguments)
{
	struct kernel_path path = {.offered = true, .up = true};
	struct error error;
	char *rest = NULL, *word = strtok_r(arguments, " ", &rest);

	for (int i = 0; word; i++, word = strtok_r(NULL, " ", &rest)) {
		if (i == 0)
			path.id = (uint16_t)atoi(word);
		else if (i == 1)
			path.family = atoi(word) == 6 ? AF_INET6 : AF_INET;
		else if (i == 2 && !parse_hop(word, &path.hop))
			printf("error no next hop: %s\n", word);
		else if (strcmp(word, "shared") == 0)
			path.shared = true;
		else if (strcmp(word, "gone") == 0)
			path.offered = false;
		else if (strcmp(word, "withdrawn") == 0)
			path.offered = path.up = false;
		else if (strncmp(word, "owner=", 6) == 0)
			parse_address(word + 6, &path.backup_owner);
		else if (strncmp(word, "hop=", 4) == 0 &&
			 path.backup_count < KERNEL_BACKUP_HOPS_MAX)
			parse_hop(word + 4, &path.backup[path.backup_count++]);
	}
	if (kernel_path_set(driver->kernel, &path, &error) < 0)
		printf("error %s\n", error.text);
}

static void set_routed(struct driver *driver, char *arguments)
{
	struct error error;
	char *rest = NULL;

	driver->routed_count = 0;
	for (char *word = strtok_r(arguments, " ", &rest); word && driver->routed_count < VIPS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		parse_address(word, &driver->routed[driver->routed_count++]);
	if (kernel_routed_set(driver->kernel, driver->routed, driver->routed_count, &error) < 0)
		printf("error %s\n", error.text);
}

static void print_path(void *arg, const struct kernel_path *path)
{
	char text[ADDRESS_TEXT_SIZE];

	printf("path %u %s%%%s offered %d up %d\n", path->id,
	       address_text(&path->hop.gateway, text), path->hop.interface, path->offered,
	       path->up);
}

struct found_flows {
	struct kernel_pin_change pins[FLOWS_MAX];
	size_t count;
};

static void take_flow(void *arg, const struct flow *flow, uint16_t path)
{
	struct found_flows *found = arg;

	if (found->count < FLOWS_MAX)
		found->pins[found->count++] = (struct kernel_pin_change){.flow = *flow};
}

/* "flows" and "pin-flows": those of shared paths. */
static void use_flows(struct driver *driver, const char *arguments, bool pin)
{
	static struct found_flows found;
	unsigned int path = 0, owner = 0;
	struct error error;
	char text[FLOW_TEXT_SIZE];

	found.count = 0;
	sscanf(arguments, "%u %i", &path, (int *)&owner);
	if (kernel_flows_each(driver->kernel, (uint16_t)path, take_flow, &found, &error) < 0)
		printf("error %s\n", error.text);
	for (size_t i = 0; i < found.count; i++) {
		found.pins[i].new_owner = (uint16_t)owner;
		printf("recorded %s\n", flow_text(&found.pins[i].flow, text));
	}
	if (pin && kernel_pins_change(driver->kernel, found.pins, found.count))
		printf("error pins: %d\n", found.pins[0].status);
}

static void sweep(struct driver *driver)
{
	struct kernel_path_flows counts[8];
	struct error error;
	int status;

	do
		status = kernel_flows_sweep(driver->kernel, counts, 8, &error);
	while (status == 0);
	if (status < 0)
		printf("error %s\n", error.text);
	for (int i = 0; i < 8; i++)
		if (counts[i].flows || counts[i].probation)
			printf("count path %d flows %u probation %u\n", i, counts[i].flows,
			       counts[i].probation);
}

static void run_command(struct driver *driver, char *line)
{
	size_t length = strcspn(line, " ");
	char *arguments = line[length] ? line + length + 1 : line + length;
	struct error error;

	line[length] = '\0';
	if (strcmp(line, "counters") == 0)
		print_counters(driver);
	else if (strcmp(line, "pins") == 0)
		kernel_pins_dump(driver->kernel, print_pin, NULL, &error);
	else if (strcmp(line, "sessions") == 0)
		kernel_sessions_dump(driver->kernel, print_session, driver, &error);
	else if (strcmp(line, "known") == 0)
		ask_known(driver, arguments);
	else if (strcmp(line, "hold") == 0)
		hold(driver, arguments);
	else if (strcmp(line, "steer") == 0)
		steer(driver, arguments);
	else if (strcmp(line, "withdraw") == 0)
		withdraw(driver, arguments);
	else if (strcmp(line, "return") == 0)
		put_back(driver, arguments);
	else if (strcmp(line, "away") == 0)
		print_away(driver);
	else if (strcmp(line, "routed") == 0)
		set_routed(driver, arguments);
	else if (strcmp(line, "path") == 0)
		set_path(driver, arguments);
	else if (strcmp(line, "unpath") == 0)
		kernel_path_remove(driver->kernel, (uint16_t)atoi(arguments), &error);
	else if (strcmp(line, "paths") == 0)
		kernel_paths_each(driver->kernel, print_path, NULL, &error);
	else if (strcmp(line, "flows") == 0 || strcmp(line, "pin-flows") == 0)
		use_flows(driver, arguments, line[0] == 'p');
	else if (strcmp(line, "sweep") == 0)
		sweep(driver);
	else if (strcmp(line, "default") == 0)
		driver->default_owner = (uint16_t)atoi(arguments);
	printf("done %s\n", line);
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
	struct driver *driver = arg;
	char line[1024];

	if (!fgets(line, sizeof(line), stdin)) {
		event_base_loopbreak(driver->base);
		return;
	}
	line[strcspn(line, "\n")] = '\0';
	run_command(driver, line);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static enum kernel_keep parse_keep(const char *text)
{
	if (strcmp(text, "all") == 0)
		return KERNEL_KEEP_ALL;
	return strcmp(text, "detours") == 0 ? KERNEL_KEEP_DETOURS : KERNEL_KEEP_NOTHING;
}

static void parse_owner(struct driver *driver, const char *text)
{
	const char *equals = strchr(text, '=');

	if (!equals || driver->owners_count == OWNERS_MAX)
		exit(2);
	driver->owners[driver->owners_count].id = (uint16_t)atoi(text);
	parse_address(equals + 1, &driver->owners[driver->owners_count++].address);
}

static void parse_options(struct driver *driver, struct kernel_options *options, int argc,
			  char **argv)
{
	static const struct option names[] = {
		{"local", required_argument, NULL, 'l'},
		{"vip", required_argument, NULL, 'v'},
		{"owner", required_argument, NULL, 'o'},
		{"default-owner", required_argument, NULL, 'd'},
		{"keep", required_argument, NULL, 'k'},
		{"tunnel-port", required_argument, NULL, 'p'},
		{"owner-mask", required_argument, NULL, 'm'},
		{"path-mask", required_argument, NULL, 'a'},
		{"routed", required_argument, NULL, 'r'},
		{"bpf-directory", required_argument, NULL, 'b'},
		{"fast-path", no_argument, NULL, 'f'},
		{0},
	};
	struct in6_addr local;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'l') {
			parse_address(optarg, &local);
			options->local_members[address_is_ipv4(&local) ? 0 : 1] = local;
		} else if (option == 'v' && driver->vips_count < VIPS_MAX) {
			parse_address(optarg, &driver->vips[driver->vips_count++]);
		} else if (option == 'o') {
			parse_owner(driver, optarg);
		} else if (option == 'd') {
			driver->default_owner = (uint16_t)atoi(optarg);
		} else if (option == 'k') {
			driver->keep = parse_keep(optarg);
		} else if (option == 'p') {
			options->tunnel_port = (uint16_t)atoi(optarg);
		} else if (option == 'm') {
			options->mark_owner_mask = (uint32_t)strtoul(optarg, NULL, 0);
		} else if (option == 'a') {
			options->mark_path_mask = (uint32_t)strtoul(optarg, NULL, 0);
		} else if (option == 'r' && driver->routed_count < VIPS_MAX) {
			parse_address(optarg, &driver->routed[driver->routed_count++]);
		} else if (option == 'b') {
			options->bpf_directory = open(optarg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		} else if (option == 'f') {
			options->flows_fast_path = true;
		} else {
			exit(2);
		}
	}
}

static void run(struct driver *driver)
{
	struct event *input = event_new(driver->base, 0, EV_READ | EV_PERSIST, on_input, driver);
	struct event *end = evsignal_new(driver->base, SIGTERM, on_signal, driver->base);
	struct error error;

	if (!input || !end || event_add(input, NULL) < 0 || event_add(end, NULL) < 0)
		exit(1);
	if (kernel_owners_dump(driver->kernel, print_owner, driver, &error) < 0)
		fail("owners", &error);
	if (kernel_vips_set(driver->kernel, driver->vips, driver->vips_count, &error) < 0)
		fail("vips", &error);
	/* What was found stays until it is told. */
	if (driver->routed_count &&
	    kernel_routed_set(driver->kernel, driver->routed, driver->routed_count, &error) < 0)
		fail("routed", &error);
	for (size_t i = 0; i < driver->owners_count; i++)
		if (kernel_owner_set(driver->kernel, driver->owners[i].id,
				     &driver->owners[i].address, &error) < 0)
			fail("owner", &error);
	if (kernel_start(driver->kernel, &error) < 0)
		fail("start", &error);
	puts("ready");
	event_base_dispatch(driver->base);
	event_free(input);
	event_free(end);
}

int main(int argc, char **argv)
{
	static struct driver driver = {.keep = KERNEL_KEEP_NOTHING};
	struct kernel_options options = {
		.mark_owner_mask = 0x00000fff,
		.mark_stray_bit = 0x80000000,
		.mark_tunnel_bit = 0x40000000,
		.tunnel_port = 4790,
		.tunnel_vni = 7939,
		.queue = 7939,
		.pins_max = PINS_MAX,
		.flows_max = PINS_MAX,
		.flow_lifetime_s = 60,
		.bpf_directory = -1,
	};
	struct error error;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_open(true);
	parse_options(&driver, &options, argc, argv);
	driver.base = event_base_new();
	if (!driver.base)
		return 1;
	if (kernel_open(driver.base, &options, &handlers, &driver, &driver.kernel, &error) < 0)
		fail("open", &error);
	run(&driver);
	kernel_close(driver.kernel, driver.keep);
	event_base_free(driver.base);
	puts("closed");
	return 0;
}
