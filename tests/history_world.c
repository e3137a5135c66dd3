/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hosts of a history. */
#include "tests/history_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 7939
#define DAY_MS INT64_C(86400000)
#define TODAY_MS (20000 * DAY_MS) /* 2024 */

struct world world;

void world_say(const char *format, ...)
{
	va_list arguments;

	if (!simulation_verbose)
		return;
	fprintf(stderr, "%10.6f ", (double)simulation_us() / 1e6);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

struct flow world_flow(unsigned int flow)
{
	return (struct flow){
		.client = address_from_ipv4(htonl(0xc6336407u)),
		.vip = address_from_ipv4(htonl(0xc0000250u)),
		.client_port = (uint16_t)(1024 + flow),
		.vip_port = 80,
		.protocol = IPPROTO_TCP,
	};
}

/* What a call in some time needs to know, as a pointer. */
static void *pair(unsigned int a, unsigned int b)
{
	return (void *)(uintptr_t)(a << 8 | b);
}

static unsigned int pair_first(void *arg)
{
	return (unsigned int)((uintptr_t)arg >> 8);
}

static unsigned int pair_second(void *arg)
{
	return (unsigned int)((uintptr_t)arg & 0xff);
}

bool world_published(unsigned int host, unsigned int flow)
{
	const struct flow which = world_flow(flow);

	return world.host[host].directory != NULL &&
	       directory_published(world.host[host].directory, &which);
}

bool world_answers_for(unsigned int host, unsigned int flow, uint64_t us)
{
	const struct world_session *session = &world.host[host].session[flow];

	return session->held || world_published(host, flow) ||
	       (session->ever && session->answered_us >= us);
}

bool world_in_reach(unsigned int a, unsigned int b, uint64_t us)
{
	const struct world_host *left = &world.host[a], *right = &world.host[b];

	return left->directory != NULL && left->started_us <= us && left->ran_us <= us &&
	       right->directory != NULL && right->started_us <= us && right->ran_us <= us &&
	       left->routed[b] && left->routed_us[b] <= us && right->routed[a] &&
	       right->routed_us[a] <= us && left->clean_us[b] <= us && right->clean_us[a] <= us;
}

bool world_calm(uint64_t us)
{
	for (unsigned int a = 0; a < world.hosts; a++) {
		for (unsigned int b = 0; b < a; b++) {
			if (world.host[a].directory != NULL && world.host[b].directory != NULL &&
			    !world_in_reach(a, b, us))
				return false;
		}
	}
	return world.amiss_us <= us;
}

static void amiss(void)
{
	world.amiss_us = simulation_us();
}

/* fpmd looks whether the kernel has the session. */
static void notice(void *arg)
{
	unsigned int host = pair_first(arg), flow = pair_second(arg);
	struct world_session *session = &world.host[host].session[flow];
	struct directory *directory = world.host[host].directory;
	const struct flow which = world_flow(flow);

	if (directory == NULL || session->held == directory_published(directory, &which))
		return;
	if (world_stalled(host)) {
		simulation_after(simulation_host[host].stalled_until_us - simulation_us(), notice,
				 arg);
		return;
	}
	simulation_enter(host);
	if (session->held) {
		world_say("host %u publishes %u", host, flow);
		directory_publish(directory, &which);
		session->published_us = simulation_us();
	} else {
		world_say("host %u withdraws %u", host, flow);
		session->answered_us = simulation_us();
		directory_withdraw(directory, &which);
	}
}

/* fpmd sees that a session begins, also one that follows another at once. */
static void notice_begin(void *arg)
{
	unsigned int host = pair_first(arg), flow = pair_second(arg);
	struct world_session *session = &world.host[host].session[flow];
	const struct flow which = world_flow(flow);

	if (world.host[host].directory == NULL || !session->held)
		return;
	if (world_stalled(host)) {
		simulation_after(simulation_host[host].stalled_until_us - simulation_us(),
				 notice_begin, arg);
		return;
	}
	world_say("host %u publishes %u", host, flow);
	simulation_enter(host);
	directory_publish(world.host[host].directory, &which);
	session->published_us = simulation_us();
}

void world_session_begins(unsigned int host, unsigned int flow, uint64_t notice_us)
{
	struct world_session *session = &world.host[host].session[flow];

	world_say("session %u begins at host %u", flow, host);
	session->held = session->ever = true;
	session->held_us = simulation_us();
	simulation_after(notice_us, notice_begin, pair(host, flow));
}

void world_session_ends(unsigned int host, unsigned int flow, uint64_t notice_us)
{
	struct world_session *session = &world.host[host].session[flow];

	world_say("session %u ends at host %u", flow, host);
	session->held = false;
	session->answered_us = simulation_us();
	simulation_after(notice_us, notice, pair(host, flow));
}

bool world_stalled(unsigned int host)
{
	return simulation_host[host].stalled_until_us > simulation_us();
}

static void give_routes(unsigned int host);

static int has_session(void *arg, const struct flow *flow)
{
	const struct world_host *host = arg;

	if (host->blind)
		return -1;
	return host->session[flow->client_port - 1024].held;
}

static void learn_all_routes(void *arg)
{
	give_routes(pair_first(arg));
}

/* In any order, as they come from the routing table. */
static void give_routes(unsigned int host)
{
	struct in6_addr hosts[SIMULATION_HOSTS];
	size_t count = 0;

	if (world.host[host].directory == NULL)
		return;
	if (world_stalled(host)) {
		simulation_after(simulation_host[host].stalled_until_us - simulation_us(),
				 learn_all_routes, pair(host, 0));
		return;
	}
	for (unsigned int to = 0; to < world.hosts; to++) {
		if (world.host[host].routed[to]) {
			size_t at = simulation_random(count + 1);

			hosts[count++] = hosts[at];
			hosts[at] = simulation_address(to);
		}
	}
	simulation_enter(host);
	directory_reachable_set(world.host[host].directory, hosts, count);
}

static void set_route(unsigned int host, unsigned int to, bool routed)
{
	if (world.host[host].routed[to] == routed)
		return;
	world_say("host %u %s the route to host %u", host, routed ? "gets" : "loses", to);
	amiss();
	world.host[host].routed[to] = routed;
	world.routes_went = world.routes_went || !routed;
	world.host[host].routed_us[to] = simulation_us();
	give_routes(host);
}

/* BGP tells *host* whether *to* is there. */
static void learn_route(void *arg)
{
	unsigned int host = pair_first(arg), to = pair_second(arg);

	set_route(host, to, world.host[to].up);
}

static void tell_routes(unsigned int about)
{
	for (unsigned int host = 0; host < world.hosts; host++) {
		if (host != about)
			simulation_after(simulation_random(1000000), learn_route,
					 pair(host, about));
	}
}

void world_fpmd_starts(unsigned int host)
{
	static const struct directory_handlers handlers = {.has_session = has_session};
	struct world_host *self = &world.host[host];
	struct directory_options options = world.options;
	struct error error;

	if (self->directory != NULL || !self->up)
		return;
	world_say("fpmd of host %u starts", host);
	amiss();
	options.local = simulation_address(host);
	simulation_enter(host);
	simulation_host[host].unplugged = false;
	if (directory_open(NULL, &options, &handlers, self, &self->directory, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	self->life++;
	self->started_us = simulation_us();
	simulation_after(simulation_random(200000), learn_all_routes, pair(host, 0));
	for (unsigned int flow = 0; flow < world.flows; flow++) {
		if (self->session[flow].held)
			simulation_after(simulation_random(300000), notice, pair(host, flow));
	}
}

void world_fpmd_dies(unsigned int host)
{
	struct world_host *self = &world.host[host];

	if (self->directory == NULL)
		return;
	world_say("fpmd of host %u dies", host);
	amiss();
	for (unsigned int flow = 0; flow < world.flows; flow++) {
		if (world_published(host, flow))
			self->session[flow].answered_us = simulation_us();
	}
	world.life_ends(host);
	simulation_host[host].unplugged = true;
	simulation_enter(host);
	directory_close(self->directory);
	self->directory = NULL;
}

void world_host_dies(unsigned int host)
{
	struct world_host *self = &world.host[host];

	if (!self->up)
		return;
	world_say("host %u dies", host);
	world_fpmd_dies(host);
	self->up = false;
	for (unsigned int flow = 0; flow < world.flows; flow++) {
		if (self->session[flow].held)
			self->session[flow].answered_us = simulation_us();
		self->session[flow].held = false;
	}
	tell_routes(host);
}

/* Its clock is right, a little wrong, an hour off, or begins in 1970. */
static int64_t draw_clock(void)
{
	switch (simulation_random(8)) {
	case 0:
		return TODAY_MS - 3600000;
	case 1:
		return TODAY_MS + 3600000;
	case 2:
		return (int64_t)simulation_random(60000) - (int64_t)(simulation_us() / 1000);
	case 3:
	case 4:
		return TODAY_MS + (int64_t)simulation_random(6000) - 3000;
	default:
		return TODAY_MS + (int64_t)simulation_random(20);
	}
}

void world_host_starts(unsigned int host)
{
	struct world_host *self = &world.host[host];

	if (self->up)
		return;
	self->up = true;
	if (simulation_random(4) == 0)
		simulation_host[host].wall_ms = draw_clock();
	world_say("host %u starts, its clock is %lld ms ahead", host,
		  (long long)(simulation_host[host].wall_ms - TODAY_MS));
	tell_routes(host);
	world_fpmd_starts(host);
}

void world_host_stalls(unsigned int host, uint64_t us)
{
	if (world_stalled(host))
		return;
	world_say("host %u stalls for %llu ms", host, (unsigned long long)us / 1000);
	amiss();
	simulation_host[host].stalled_until_us = simulation_us() + us;
	if (!world.host[host].blind)
		world.host[host].ran_us = simulation_us() + us;
}

void world_host_blind(unsigned int host, bool blind)
{
	if (world.host[host].blind == blind)
		return;
	world_say("the kernel of host %u can%s be asked", host, blind ? "not" : "");
	amiss();
	world.host[host].blind = blind;
	world.host[host].ran_us = blind			? UINT64_MAX
				  : world_stalled(host) ? simulation_host[host].stalled_until_us
							: simulation_us();
}

void world_clock_jumps(unsigned int host, int64_t ms)
{
	world_say("the clock of host %u jumps by %lld ms", host, (long long)ms);
	simulation_host[host].wall_ms += ms;
}

void world_route_goes(unsigned int host, unsigned int to, uint64_t back_us)
{
	if (host == to)
		return;
	set_route(host, to, false);
	simulation_after(back_us, learn_route, pair(host, to));
}

void world_cut(unsigned int from, unsigned int to, bool cut)
{
	if (from == to || simulation_link[from][to].cut == cut)
		return;
	world_say("the link from host %u to host %u %s", from, to, cut ? "breaks" : "is mended");
	amiss();
	simulation_link[from][to].cut = cut;
	world.host[from].clean_us[to] =
		cut || simulation_link[from][to].loss > 0 ? UINT64_MAX : simulation_us();
}

void world_losses(unsigned int loss)
{
	world_say("the network loses %u of 1000", loss);
	world.lossy = world.lossy || loss > 0;
	amiss();
	for (unsigned int from = 0; from < world.hosts; from++) {
		for (unsigned int to = 0; to < world.hosts; to++) {
			struct simulation_link *link = &simulation_link[from][to];

			world.host[from].clean_us[to] = loss > 0 || link->cut ? UINT64_MAX
							: link->loss > 0
								? simulation_us()
								: world.host[from].clean_us[to];
			link->loss = loss;
		}
	}
}

void world_mend(bool hosts)
{
	world_say("all is mended");
	amiss();
	world_losses(0);
	for (unsigned int host = 0; host < world.hosts; host++) {
		struct world_host *self = &world.host[host];

		world_host_blind(host, false);
		simulation_host[host].stalled_until_us = 0;
		if (self->ran_us > simulation_us())
			self->ran_us = simulation_us();
		for (unsigned int to = 0; to < world.hosts; to++)
			world_cut(host, to, false);
		if (hosts)
			world_host_starts(host);
		world_fpmd_starts(host);
	}
	for (unsigned int host = 0; host < world.hosts; host++) {
		for (unsigned int to = 0; to < world.hosts; to++) {
			if (to != host)
				simulation_after(simulation_random(300000), learn_route,
						 pair(host, to));
		}
		for (unsigned int flow = 0; flow < world.flows; flow++)
			simulation_after(simulation_random(300000), notice, pair(host, flow));
	}
}

static void draw_options(const char *key_path)
{
	world.hosts = 2 + (unsigned int)simulation_random(4);
	if (simulation_random(20) == 0)
		world.hosts = SIMULATION_HOSTS;
	world.flows = 1 + (unsigned int)simulation_random(WORLD_FLOWS);
	world.options = (struct directory_options){
		.port = PORT,
		.replicas = (uint8_t)(1 + simulation_random(RING_REPLICAS_MAX)),
		.ring_members = 48,
		.record_lifetime_s = simulation_random(4) == 0 ? 10 : 600,
		.records_max =
			simulation_random(8) == 0 ? 1 + (uint32_t)simulation_random(3) : 10000,
	};
	if (simulation_random(4) == 0)
		world.options.ring_members =
			(uint16_t)(world.options.replicas + simulation_random(3));
	snprintf(world.options.key_file, sizeof(world.options.key_file), "%s", key_path);
}

void world_begin(const char *key_path)
{
	bool clocks = simulation_random(3) == 0;

	memset(&world, 0, sizeof(world));
	draw_options(key_path);
	world_say("%u hosts, %u flows, %u replicas, %u in the ring, %u records, lifetime %u s",
		  world.hosts, world.flows, world.options.replicas, world.options.ring_members,
		  world.options.records_max, world.options.record_lifetime_s);
	for (unsigned int from = 0; from < world.hosts; from++) {
		simulation_host[from].uptime_us = simulation_random(UINT64_C(1) << 40);
		simulation_host[from].wall_ms =
			clocks ? draw_clock() : TODAY_MS + (int64_t)simulation_random(100);
		simulation_host[from].unplugged = true;
		for (unsigned int to = 0; to < world.hosts; to++) {
			simulation_link[from][to] = (struct simulation_link){
				.duplicate = (unsigned int)simulation_random(100),
				.late = 100,
				.delay_us = 20 + (unsigned int)simulation_random(500),
				.jitter_us = simulation_random(4) == 0 ? 20000 : 500,
			};
		}
	}
	for (unsigned int host = 0; host < world.hosts; host++)
		world_host_starts(host);
}

void world_end(void)
{
	for (unsigned int host = 0; host < world.hosts; host++)
		world_fpmd_dies(host);
}
