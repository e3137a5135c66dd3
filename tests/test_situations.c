/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What random histories (tests/history.h) found once, each alone: hosts in the simulation. */
#include "tests/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/history_world.h"

#define SECOND_US UINT64_C(1000000)

static char key_path[] = "/tmp/holdfast-situation-XXXXXX";
static struct directory_result answer;
static unsigned int answers;

static void on_life_ends(unsigned int host)
{
}

static void begin(unsigned int hosts, uint8_t replicas)
{
	int fd = mkstemp(key_path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "1 %064d\n", 5), 67);
	close(fd);
	simulation_begin(1);
	memset(&world, 0, sizeof(world));
	world.hosts = hosts;
	world.flows = WORLD_FLOWS;
	world.life_ends = on_life_ends;
	world.options = (struct directory_options){
		.port = 7939,
		.replicas = replicas,
		.ring_members = 48,
		.record_lifetime_s = 600,
		.records_max = 100,
	};
	snprintf(world.options.key_file, sizeof(world.options.key_file), "%s", key_path);
	for (unsigned int host = 0; host < hosts; host++) {
		simulation_host[host].wall_ms = INT64_C(1728000000000);
		for (unsigned int to = 0; to < hosts; to++)
			simulation_link[host][to].delay_us = 100;
	}
}

static void start_all(void)
{
	for (unsigned int host = 0; host < world.hosts; host++) {
		world.host[host].up = true;
		world_fpmd_starts(host);
	}
	world_mend(false);
	simulation_run(5 * SECOND_US);
}

static void end(void)
{
	world_end();
	ck_assert_uint_eq(simulation_events(), 0);
	simulation_end();
	unlink(key_path);
}

static void on_answer(void *arg, const struct directory_result *result)
{
	answer = *result;
	answers++;
}

static void expect_found(unsigned int asker, unsigned int flow, unsigned int owner)
{
	const struct flow which = world_flow(flow);
	unsigned int before = answers;

	simulation_enter(asker);
	ck_assert_int_eq(directory_get(world.host[asker].directory, &which, 500, on_answer, NULL),
			 0);
	simulation_run(SECOND_US);
	ck_assert_uint_eq(answers, before + 1);
	ck_assert_int_eq(answer.answer, DIRECTORY_FOUND);
	ck_assert_int_eq(simulation_host_of(&answer.owner), (int)owner);
}

/* A flow whose only replica is none of the two hosts. */
static unsigned int flow_kept_elsewhere(unsigned int a, unsigned int b)
{
	struct directory *directory = world.host[a].directory;
	const struct in6_addr other = simulation_address(b);
	int id = member_find(&directory->members, &other);

	for (unsigned int flow = 0; flow < world.flows; flow++) {
		const struct flow which = world_flow(flow);
		struct record_key key;

		record_key_make(directory->keys.record_hash, &which, &key);
		if (!ring_holds(&directory->ring, ring_bucket(&key), MEMBER_LOCAL) &&
		    !ring_holds(&directory->ring, ring_bucket(&key), (uint16_t)id))
			return flow;
	}
	ck_abort_msg("no such flow");
	return 0;
}

/* Its versions are 3 s ahead of the members' clock from now on. */
static void set_ahead(unsigned int host)
{
	struct directory *directory = world.host[host].directory;

	simulation_enter(host);
	directory->hlc.last = (group_clock_ms(&directory->clock, clock_ms()) + 3000) << 16;
}

START_TEST(a_port_comes_back_before_its_first_end_is_noticed)
{
	begin(4, 1);
	start_all();
	world_session_begins(0, 0, 0);
	simulation_run(SECOND_US);
	world_session_ends(0, 0, 20 * SECOND_US);
	world_session_begins(1, 0, 0);
	simulation_run(SECOND_US);
	world_session_ends(1, 0, 0);
	world_session_begins(0, 0, 0);
	world_host_dies(1);
	simulation_run(5 * SECOND_US);
	for (unsigned int asker = 0; asker < 4; asker++) {
		if (asker != 1)
			expect_found(asker, 0, 0);
	}
	end();
}
END_TEST

/* The former owner's clock was ahead, but not so much that anybody refused it. */
START_TEST(a_living_session_is_not_superseded)
{
	unsigned int flow;

	begin(4, 1);
	start_all();
	flow = flow_kept_elsewhere(0, 1);
	set_ahead(0);
	world_session_begins(0, flow, 0);
	simulation_run(SECOND_US / 10);
	world_session_ends(0, flow, 20 * SECOND_US);
	/* For a moment its kernel cannot say whether it still has the session. */
	world_host_blind(1, true);
	world_session_begins(1, flow, 0);
	simulation_run(SECOND_US / 10);
	ck_assert_uint_eq(world.host[1].directory->counters.again, 0);
	world_host_blind(1, false);
	simulation_run(SECOND_US);
	ck_assert_uint_eq(world.host[1].directory->counters.again, 1);
	world_host_dies(0);
	simulation_run(5 * SECOND_US);
	for (unsigned int asker = 1; asker < 4; asker++)
		expect_found(asker, flow, 1);
	ck_assert_uint_eq(world.host[1].directory->published.waiting, 0);
	end();
}
END_TEST

/* The former owner is a replica itself, its socket is in TIME_WAIT. */
START_TEST(a_living_session_is_not_superseded_by_its_replica)
{
	begin(2, 2);
	start_all();
	set_ahead(0);
	world_session_begins(0, 0, 0);
	world.host[1].directory->hlc.last = 0;
	simulation_link[0][1].cut = true;
	simulation_run(1000);
	world_session_ends(0, 0, 20 * SECOND_US);
	world_session_begins(1, 0, 0);
	simulation_run(1000);
	simulation_link[0][1].cut = false;
	simulation_run(SECOND_US);
	expect_found(0, 0, 1);
	expect_found(1, 0, 1);
	end();
}
END_TEST

/* But one that ended is, or two hosts would go on for ever. */
START_TEST(a_session_that_ended_is_superseded)
{
	unsigned int flow;

	begin(4, 1);
	start_all();
	flow = flow_kept_elsewhere(0, 1);
	set_ahead(0);
	world_session_begins(0, flow, 0);
	simulation_run(SECOND_US / 10);
	world_session_begins(1, flow, 0);
	world_session_ends(1, flow, 20 * SECOND_US);
	simulation_run(SECOND_US / 10);
	ck_assert_uint_eq(world.host[1].directory->counters.again, 0);
	ck_assert_uint_eq(world.host[1].directory->published.waiting, 0);
	expect_found(2, flow, 0);
	end();
}
END_TEST

static void cut_off(unsigned int host, bool cut)
{
	for (unsigned int other = 2; other < world.hosts; other++) {
		world_cut(host, other, cut);
		world_cut(other, host, cut);
	}
}

/* A new epoch takes sessions in TIME_WAIT along; their ports live elsewhere by then. */
START_TEST(a_new_epoch_keeps_the_order)
{
	begin(5, 1);
	world.host[0].up = world.host[1].up = true;
	for (unsigned int host = 2; host < 5; host++)
		simulation_host[host].wall_ms += 3600000;
	world_fpmd_starts(0);
	world_fpmd_starts(1);
	world_route_goes(0, 1, 0);
	world_route_goes(1, 0, 0);
	simulation_run(5 * SECOND_US);
	for (unsigned int flow = 0; flow < world.flows; flow++)
		world_session_begins(0, flow, 0);
	simulation_run(SECOND_US);
	for (unsigned int flow = 0; flow < world.flows; flow++) {
		world_session_ends(0, flow, 60 * SECOND_US);
		world_session_begins(1, flow, 0);
	}
	simulation_run(SECOND_US);
	/* More members come, an hour ahead; host 0 meets them last. */
	cut_off(0, true);
	for (unsigned int host = 2; host < 5; host++) {
		world.host[host].up = true;
		world_fpmd_starts(host);
	}
	for (unsigned int host = 0; host < 5; host++) {
		for (unsigned int to = 0; to < 5; to++)
			world_route_goes(host, to, 0);
	}
	simulation_run(5 * SECOND_US);
	ck_assert_uint_eq(world.host[0].directory->counters.clock_steps, 0);
	ck_assert_uint_eq(world.host[1].directory->counters.clock_steps, 1);
	cut_off(0, false);
	simulation_run(10 * SECOND_US);
	ck_assert_uint_eq(world.host[0].directory->counters.clock_steps, 1);
	for (unsigned int flow = 0; flow < world.flows; flow++) {
		for (unsigned int asker = 2; asker < 5; asker++)
			expect_found(asker, flow, 1);
	}
	end();
}
END_TEST

/* In the turn of the loop in which a route goes the ring is still the one before. */
START_TEST(nothing_waits_for_a_member_that_left)
{
	struct directory *directory;
	struct in6_addr left;
	struct flow flow = world_flow(0);

	begin(3, 3);
	start_all();
	directory = world.host[0].directory;
	left = simulation_address(1);
	world_fpmd_dies(2);
	simulation_enter(0);
	directory_reachable_set(directory, &left, 1);
	ck_assert(directory_publish(directory, &flow));
	directory_withdraw(directory, &flow);
	simulation_run(SECOND_US);
	ck_assert_uint_eq(directory->published.ending, 0);
	ck_assert_uint_eq(directory->published.waiting, 0);
	end();
}
END_TEST

START_TEST(alone_a_member_keeps_the_time_that_it_learned)
{
	begin(3, 3);
	simulation_host[2].wall_ms = 60000;
	start_all();
	ck_assert_uint_eq(world.host[2].directory->counters.clock_steps, 1);
	world_host_dies(0);
	world_host_dies(1);
	simulation_run(5 * SECOND_US);
	ck_assert_uint_eq(world.host[2].directory->counters.clock_steps, 1);
	simulation_enter(2);
	ck_assert_uint_gt(group_clock_ms(&world.host[2].directory->clock, clock_ms()),
			  UINT64_C(1728000000000));
	end();
}
END_TEST

UNIT_MAIN("situations", a_port_comes_back_before_its_first_end_is_noticed,
	  a_living_session_is_not_superseded, a_session_that_ended_is_superseded,
	  a_living_session_is_not_superseded_by_its_replica, a_new_epoch_keeps_the_order,
	  nothing_waits_for_a_member_that_left, alone_a_member_keeps_the_time_that_it_learned)
