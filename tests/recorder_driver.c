// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drives recorder.h alone, for topotests/recorder. Prints one line for each flow event; commands
 * come on standard input, and "done COMMAND" ends the answer to each:
 *
 *   recorder_driver [--directory BPFFS] [--flows-max N] [--lifetime SECONDS]
 *
 *   start                                         begin to print events
 *   vips [VIP]...
 *   path ID 4|6 DEVICE [shared] [idle] [down]     idle: not offered
 *   remove ID
 *   neighbour 4|6 DEVICE ADDRESS|none ID
 *   attach DEVICE, detach DEVICE, clear, forget
 *   paths, flows ID, sweep, counters
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fpmd/kernel/recorder.h"
#include "fpmd/log.h"

#define WORDS_MAX 8
#define COUNTERS_MAX 32

struct driver {
	struct event_base *base;
	struct rtnl rtnl;
	struct recorder *recorder;
	size_t listed;
};

static void fail(const char *what, const struct error *error)
{
	fprintf(stderr, "%s: %s\n", what, error->text);
	exit(1);
}

static void on_flow(void *arg, const struct flow *flow, uint16_t path, enum kernel_flow_event event)
{
	static const char *const words[] = {"began", "adopted", "ended"};
	char text[FLOW_TEXT_SIZE];

	printf("flow %s %s path %u\n", words[event], flow_text(flow, text), path);
}

static void on_lost(void *arg)
{
	puts("lost");
}

static void print_flow(void *arg, const struct flow *flow, uint16_t path)
{
	struct driver *driver = arg;
	char text[FLOW_TEXT_SIZE];

	if (driver->listed++ < 1000)
		printf("has %s path %u\n", flow_text(flow, text), path);
}

static void print_path(void *arg, const struct kernel_path *path)
{
	printf("path %u family %d interface %s shared %d offered %d up %d\n", path->id,
	       path->family, path->hop.interface, path->shared, path->offered, path->up);
}

static int family_of(const char *word)
{
	return strcmp(word, "6") == 0 ? AF_INET6 : AF_INET;
}

static int set_vips(struct driver *driver, char **words, size_t count, struct error *error)
{
	struct in6_addr vips[WORDS_MAX];

	for (size_t i = 1; i < count; i++)
		if (address_parse(words[i], &vips[i - 1]) < 0)
			return error_set(error, "bad address %s", words[i]);
	return recorder_vips_set(driver->recorder, vips, count - 1, error);
}

static int set_path(struct driver *driver, char **words, size_t count, struct error *error)
{
	struct kernel_path path = {0};

	if (count < 4)
		return error_set(error, "path ID FAMILY DEVICE");
	path.id = (uint16_t)atoi(words[1]);
	path.family = family_of(words[2]);
	snprintf(path.hop.interface, sizeof(path.hop.interface), "%.15s", words[3]);
	path.offered = true;
	path.up = true;
	for (size_t i = 4; i < count; i++) {
		path.shared |= strcmp(words[i], "shared") == 0;
		path.offered &= strcmp(words[i], "idle") != 0;
		path.up &= strcmp(words[i], "down") != 0;
	}
	return recorder_path_set(driver->recorder, &path, error);
}

static int set_neighbour(struct driver *driver, char **words, size_t count, struct error *error)
{
	uint8_t address[RECORDER_LINK_ADDRESS_SIZE] = {0};
	unsigned int bytes[RECORDER_LINK_ADDRESS_SIZE];

	if (count != 5)
		return error_set(error, "neighbour FAMILY DEVICE ADDRESS ID");
	if (sscanf(words[3], "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
		   &bytes[4], &bytes[5]) == RECORDER_LINK_ADDRESS_SIZE)
		for (size_t i = 0; i < RECORDER_LINK_ADDRESS_SIZE; i++)
			address[i] = (uint8_t)bytes[i];
	return recorder_neighbour_set(driver->recorder, family_of(words[1]),
				      (int)if_nametoindex(words[2]), address,
				      (uint16_t)atoi(words[4]), error);
}

static int sweep(struct driver *driver, struct error *error)
{
	static struct kernel_path_flows counts[KERNEL_PATH_MAX + 1];
	struct timespec begin, end;
	int status, pieces = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		status = recorder_sweep(driver->recorder, counts, KERNEL_PATH_MAX + 1, error);
		pieces++;
	} while (status == 0);
	if (status < 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	for (size_t id = 0; id <= KERNEL_PATH_MAX; id++)
		if (counts[id].flows || counts[id].probation)
			printf("count %zu flows %u probation %u\n", id, counts[id].flows,
			       counts[id].probation);
	printf("took %ld us in %d pieces\n",
	       (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000,
	       pieces);
	return 0;
}

static void print_counters(struct driver *driver)
{
	struct kernel_counter counters[COUNTERS_MAX];
	size_t count = recorder_counters(driver->recorder, counters, COUNTERS_MAX);

	for (size_t i = 0; i < count && i < COUNTERS_MAX; i++)
		printf("counter %s %llu\n", counters[i].name,
		       (unsigned long long)counters[i].value);
}

static int list_flows(struct driver *driver, uint16_t path, struct error *error)
{
	driver->listed = 0;
	if (recorder_each(driver->recorder, path, print_flow, driver, error) < 0)
		return -1;
	printf("listed %zu\n", driver->listed);
	return 0;
}

static int attach(struct driver *driver, const char *device, struct error *error)
{
	int status = recorder_attach(driver->recorder, (int)if_nametoindex(device), error);

	if (status >= 0)
		printf("attached %d\n", status);
	return status;
}

static int run_command(struct driver *driver, char **words, size_t count, struct error *error)
{
	if (strcmp(words[0], "start") == 0)
		return recorder_start(driver->recorder, driver->base, on_flow, on_lost, driver,
				      error);
	if (strcmp(words[0], "vips") == 0)
		return set_vips(driver, words, count, error);
	if (strcmp(words[0], "path") == 0)
		return set_path(driver, words, count, error);
	if (strcmp(words[0], "remove") == 0 && count == 2)
		return recorder_path_remove(driver->recorder, (uint16_t)atoi(words[1]), error);
	if (strcmp(words[0], "neighbour") == 0)
		return set_neighbour(driver, words, count, error);
	if (strcmp(words[0], "attach") == 0 && count == 2)
		return attach(driver, words[1], error);
	if (strcmp(words[0], "clear") == 0)
		return recorder_neighbours_keep(driver->recorder, NULL, NULL, error);
	if (strcmp(words[0], "paths") == 0)
		return recorder_paths_each(driver->recorder, print_path, driver, error);
	if (strcmp(words[0], "flows") == 0 && count == 2)
		return list_flows(driver, (uint16_t)atoi(words[1]), error);
	if (strcmp(words[0], "sweep") == 0)
		return sweep(driver, error);
	if (strcmp(words[0], "counters") == 0)
		print_counters(driver);
	else if (strcmp(words[0], "forget") == 0)
		recorder_forget(driver->recorder);
	else if (strcmp(words[0], "detach") == 0 && count == 2)
		recorder_detach(driver->recorder, (int)if_nametoindex(words[1]));
	else
		return error_set(error, "what is %s?", words[0]);
	return 0;
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
	struct driver *driver = arg;
	struct error error;
	char line[1024], *words[WORDS_MAX], *rest = line;
	size_t count = 0;

	if (!fgets(line, sizeof(line), stdin)) {
		event_base_loopbreak(driver->base);
		return;
	}
	while (count < WORDS_MAX && (words[count] = strtok_r(rest, " \n", &rest)))
		count++;
	if (!count)
		return;
	if (run_command(driver, words, count, &error) < 0)
		printf("error %s\n", error.text);
	printf("done %s\n", words[0]);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static void parse_options(struct kernel_options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{"directory", required_argument, NULL, 'd'},
		{"flows-max", required_argument, NULL, 'f'},
		{"lifetime", required_argument, NULL, 'l'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'd')
			options->bpf_directory = open(optarg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		else if (option == 'f')
			options->flows_max = (uint32_t)atoi(optarg);
		else if (option == 'l')
			options->flow_lifetime_s = (uint32_t)atoi(optarg);
		else
			exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct driver driver;
	struct kernel_options options = {
		.mark_owner_mask = 0x00000fff,
		.mark_path_mask = 0x00fff000,
		.mark_stray_bit = 0x80000000,
		.mark_tunnel_bit = 0x40000000,
		.flows_max = 65536,
		.flow_lifetime_s = 300,
		.bpf_directory = -1,
	};
	struct event *input, *end;
	struct error warning, error;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_open(true);
	parse_options(&options, argc, argv);
	driver.base = event_base_new();
	if (!driver.base || rtnl_open(&driver.rtnl, NETLINK_ROUTE, &error) < 0)
		return 1;
	if (recorder_open(&options, &driver.rtnl, &driver.recorder, &warning, &error) < 0)
		fail("open", &error);
	printf("warning %s\n", warning.text);
	input = event_new(driver.base, 0, EV_READ | EV_PERSIST, on_input, &driver);
	end = evsignal_new(driver.base, SIGTERM, on_signal, driver.base);
	if (!input || !end || event_add(input, NULL) < 0 || event_add(end, NULL) < 0)
		return 1;
	puts("ready");
	event_base_dispatch(driver.base);
	event_free(input);
	event_free(end);
	recorder_close(driver.recorder);
	rtnl_close(&driver.rtnl);
	event_base_free(driver.base);
	puts("closed");
	return 0;
}
