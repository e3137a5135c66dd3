/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A history: what happens, at random, and what must hold of each answer and in the end. */
#include "tests/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/history_world.h"

#define LOOKUPS 512
#define SECOND_US UINT64_C(1000000)
/* After so long a member that can be reached was heard of, and is known to be one. */
#define REACH_US (3 * SECOND_US)
/* After so long all that had to be repeated was. */
#define CALM_US (8 * SECOND_US)
#define MENDED_US (10 * SECOND_US)
/* A clock is known to half of what the two ways differ, 10 ms; two of them. */
#define CLOCKS_US 25000
/* Links are never slower than 20.5 ms: so long a look-up hears everybody. */
#define PATIENT_MS 200

struct history_totals history_totals;

/* A look-up, and what was the case when it began. */
struct question {
	bool open;
	bool final; /* all is mended */
	unsigned int asker, flow, deadline_ms, number;
	unsigned int life[SIMULATION_HOSTS];
	uint64_t epoch[SIMULATION_HOSTS];
	uint64_t begun_us;
	bool in_ring[SIMULATION_HOSTS]; /* the asker's */
	bool settled[SIMULATION_HOSTS]; /* it had the session, and its replicas had confirmed */
};

static struct question questions[LOOKUPS];
static unsigned int asked;
static bool failed;
static char *failure_text;
static size_t failure_size;

static void __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;
	size_t length;

	if (failed)
		return;
	failed = true;
	length = (size_t)snprintf(failure_text, failure_size,
				  "at %.6f s: ", (double)simulation_us() / 1e6);
	va_start(arguments, format);
	vsnprintf(failure_text + length, failure_size - length, format, arguments);
	va_end(arguments);
	world_say("FAILED %s", failure_text);
}

static bool in_ring_of(unsigned int asker, unsigned int host)
{
	const struct in6_addr address = simulation_address(host);

	return directory_is_member(world.host[asker].directory, &address);
}

/* Did fpmd run all the time since the question, in one epoch? */
static bool lived(const struct question *question, unsigned int host)
{
	const struct world_host *self = &world.host[host];

	return self->directory != NULL && self->life == question->life[host] &&
	       self->directory->boot.epoch == question->epoch[host];
}

static bool held_throughout(const struct question *question, unsigned int host)
{
	const struct world_session *session = &world.host[host].session[question->flow];

	return session->held && session->held_us <= question->begun_us;
}

static bool held_within(const struct question *question, unsigned int host)
{
	const struct world_session *session = &world.host[host].session[question->flow];

	return session->held || (session->ever && session->answered_us >= question->begun_us);
}

/* Began the session at *host* after that at *other*, as far as their clocks can tell? */
static bool is_newer(unsigned int host, unsigned int other, unsigned int flow)
{
	return world.host[host].session[flow].held_us >
	       world.host[other].session[flow].held_us + CLOCKS_US;
}

static bool could_be_asked(const struct question *question, unsigned int host)
{
	return question->in_ring[host] && lived(question, host) &&
	       question->deadline_ms >= PATIENT_MS && question->begun_us > REACH_US &&
	       world_in_reach(question->asker, host, question->begun_us - REACH_US);
}

static void check_found(const struct question *question, const struct in6_addr *owner)
{
	int host = simulation_host_of(owner);

	if (host < 0 || (unsigned int)host >= world.hosts ||
	    !world.host[host].session[question->flow].ever) {
		fail("question %u: session %u was never at host %d", question->number,
		     question->flow, host);
		return;
	}
	history_totals.found_dead += world.host[host].directory == NULL;
	if (!world_answers_for((unsigned int)host, question->flow, question->begun_us)) {
		if ((unsigned int)host == question->asker)
			fail("question %u: host %d found session %u at itself, which it does not have",
			     question->number, host, question->flow);
		else if (could_be_asked(question, (unsigned int)host))
			fail("question %u: session %u was found at host %d, which would have denied it",
			     question->number, question->flow, host);
	}
	if (held_within(question, (unsigned int)host) || question->begun_us < CALM_US ||
	    !world_calm(question->begun_us - CALM_US))
		return;
	/* One whose socket is in TIME_WAIT is heard first if the look-up has no time for others. */
	if (question->deadline_ms < PATIENT_MS &&
	    world_published((unsigned int)host, question->flow))
		return;
	for (unsigned int other = 0; other < world.hosts; other++) {
		if (is_newer(other, (unsigned int)host, question->flow) &&
		    question->settled[other] && held_throughout(question, other) &&
		    lived(question, other))
			fail("question %u: session %u was found at its former owner, host %d, "
			     "though it is at host %u",
			     question->number, question->flow, host, other);
	}
}

static void check_absent(const struct question *question)
{
	for (unsigned int host = 0; host < world.hosts; host++) {
		bool member = host == question->asker ||
			      (question->in_ring[host] && in_ring_of(question->asker, host) &&
			       world.host[question->asker].routed_us[host] <= question->begun_us);

		if (!held_throughout(question, host) || world.host[host].directory == NULL ||
		    world.host[host].life != question->life[host])
			continue;
		if (member)
			fail("question %u: session %u is not absent, it is at member %u",
			     question->number, question->flow, host);
		else if (question->begun_us > REACH_US &&
			 world_in_reach(question->asker, host, question->begun_us - REACH_US))
			fail("question %u: session %u is not absent, it is at host %u, within reach",
			     question->number, question->flow, host);
	}
}

/* All is mended: the answer has to be the right one, not only no wrong one. */
static void check_final(const struct question *question, const struct directory_result *result)
{
	int found = result->answer == DIRECTORY_FOUND ? simulation_host_of(&result->owner) : -1;
	bool held = false;

	/* Half of a session may be left on a host that had it before the one that is down. */
	for (unsigned int host = 0; host < world.hosts; host++)
		held = held || (world.host[host].session[question->flow].held &&
				(found < 0 || world.host[found].directory != NULL ||
				 is_newer(host, (unsigned int)found, question->flow)));
	if (result->answer == DIRECTORY_TIMED_OUT)
		fail("question %u: no answer, though all is mended", question->number);
	else if (held && (found < 0 || !world.host[found].session[question->flow].held))
		fail("question %u: session %u lives, but the answer is host %d", question->number,
		     question->flow, found);
	else if (!held && found >= 0 && world.host[found].directory != NULL)
		fail("question %u: session %u ended, but was found at host %d", question->number,
		     question->flow, found);
}

static void deliver(void *arg);

static void on_answer(void *arg, const struct directory_result *result)
{
	static const char *const names[] = {"found", "absent", "timed out"};
	struct question *question = arg;
	const struct world_host *asker = &world.host[question->asker];
	uint64_t limit_us = question->begun_us + question->deadline_ms * UINT64_C(1000) + 1000;

	world_say("question %u: %s %d", question->number, names[result->answer],
		  result->answer == DIRECTORY_FOUND ? simulation_host_of(&result->owner) : -1);
	if (!question->open) {
		fail("question %u was answered twice, or after its asker's end", question->number);
		return;
	}
	question->open = false;
	if (simulation_us() > limit_us && asker->ran_us <= question->begun_us)
		fail("question %u was answered %llu us too late", question->number,
		     (unsigned long long)(simulation_us() - limit_us));
	switch (result->answer) {
	case DIRECTORY_FOUND:
		history_totals.found++;
		check_found(question, &result->owner);
		if (simulation_random(2) == 0)
			simulation_after(
				1000 + simulation_random(2000), deliver,
				(void *)(uintptr_t)(question->asker << 16 |
						    (unsigned int)simulation_host_of(&result->owner)
							    << 8 |
						    question->flow));
		break;
	case DIRECTORY_ABSENT:
		history_totals.absent++;
		check_absent(question);
		break;
	case DIRECTORY_TIMED_OUT:
		history_totals.timed_out++;
		break;
	}
	if (question->final)
		check_final(question, result);
}

/* A segment came through the detour: the owner refuses it if it has no such session. */
static void deliver(void *arg)
{
	unsigned int asker = (unsigned int)((uintptr_t)arg >> 16);
	unsigned int owner = (unsigned int)((uintptr_t)arg >> 8 & 0xff);
	unsigned int flow = (unsigned int)((uintptr_t)arg & 0xff);
	const struct in6_addr address = simulation_address(asker);
	const struct flow which = world_flow(flow);

	if (asker == owner || world.host[owner].directory == NULL || world_stalled(owner) ||
	    world_answers_for(owner, flow, simulation_us() + 1))
		return;
	world_say("host %u refuses a segment of session %u from host %u", owner, flow, asker);
	history_totals.refusals++;
	simulation_enter(owner);
	directory_refuse(world.host[owner].directory, &address, &which);
}

static void ask(unsigned int asker, unsigned int flow, unsigned int deadline_ms, bool final)
{
	struct question *question = &questions[asked % LOOKUPS];
	const struct flow which = world_flow(flow);

	if (world.host[asker].directory == NULL || world_stalled(asker) || question->open)
		return;
	*question = (struct question){
		.open = true,
		.final = final,
		.asker = asker,
		.flow = flow,
		.deadline_ms = deadline_ms,
		.number = asked++,
		.begun_us = simulation_us(),
	};
	for (unsigned int host = 0; host < world.hosts; host++) {
		const struct world_host *self = &world.host[host];

		question->life[host] = self->life;
		if (self->directory == NULL)
			continue;
		question->epoch[host] = self->directory->boot.epoch;
		question->in_ring[host] = in_ring_of(asker, host);
		question->settled[host] =
			self->session[flow].held && world_published(host, flow) &&
			self->session[flow].published_us >= self->session[flow].held_us &&
			self->session[flow].published_us + SECOND_US < question->begun_us &&
			self->directory->published.waiting == 0;
	}
	world_say("question %u: host %u looks session %u up, %u ms", question->number, asker, flow,
		  deadline_ms);
	simulation_enter(asker);
	if (directory_get(world.host[asker].directory, &which, deadline_ms, on_answer, question) !=
	    0)
		fail("question %u was not taken", question->number);
	if (!question->open)
		fail("question %u was answered inside the call", question->number);
}

static void on_life_ends(unsigned int host)
{
	for (unsigned int i = 0; i < LOOKUPS; i++) {
		if (questions[i].asker == host)
			questions[i].open = false;
	}
	history_totals.full += world.host[host].directory->counters.full;
	history_totals.ahead += world.host[host].directory->counters.ahead;
	history_totals.superseded += world.host[host].directory->counters.superseded;
	history_totals.boots += world.host[host].directory->counters.boots;
	if (store_records(world.host[host].directory->store) > world.options.records_max)
		fail("host %u keeps more records than it may", host);
}

/* -- what happens -- */

static unsigned int draw_host(void)
{
	return (unsigned int)simulation_random(world.hosts);
}

static unsigned int draw_flow(void)
{
	return (unsigned int)simulation_random(world.flows);
}

/* How long fpmd takes to see that a session ended: until TIME_WAIT is over. */
static uint64_t draw_end_us(void)
{
	return simulation_random(3) == 0 ? simulation_random(20 * SECOND_US)
					 : simulation_random(20000);
}

static void begin_or_end_session(void)
{
	unsigned int flow = draw_flow(), to = draw_host();
	bool held = false;

	for (unsigned int host = 0; host < world.hosts; host++) {
		if (!world.host[host].session[flow].held)
			continue;
		held = true;
		/* Now and then a half of a session survives on its former host. */
		if (simulation_random(20) != 0)
			world_session_ends(host, flow, draw_end_us());
	}
	/* Its port may be used again at once, on any host. */
	if (world.host[to].up && (!held || simulation_random(2) == 0))
		world_session_begins(to, flow, simulation_random(10000));
}

static void ask_some(void)
{
	static const unsigned int deadlines_ms[] = {5, 50, 200, 500, 1000};
	unsigned int flow = draw_flow(), count = 1 + (unsigned int)simulation_random(4);

	while (count-- > 0)
		ask(draw_host(), flow, deadlines_ms[simulation_random(5)], false);
}

static void change_links(void)
{
	unsigned int a = draw_host(), b = draw_host();
	unsigned int side = (unsigned int)simulation_random(UINT64_C(1) << world.hosts);

	switch (simulation_random(6)) {
	case 0: /* one way */
		world_cut(a, b, true);
		break;
	case 1: /* a partition */
		for (unsigned int from = 0; from < world.hosts; from++) {
			for (unsigned int to = 0; to < world.hosts; to++)
				world_cut(from, to, (side >> from & 1) != (side >> to & 1));
		}
		break;
	case 2:
		world_losses((unsigned int)simulation_random(400));
		break;
	case 3:
		world_losses(0);
		break;
	default:
		for (unsigned int from = 0; from < world.hosts; from++) {
			for (unsigned int to = 0; to < world.hosts; to++)
				world_cut(from, to, false);
		}
	}
}

static void change_host(void)
{
	unsigned int host = draw_host();

	switch (simulation_random(6)) {
	case 0:
		world_host_dies(host);
		break;
	case 1:
	case 2:
		world_host_starts(host);
		world_fpmd_starts(host);
		break;
	case 3:
		world_fpmd_dies(host);
		if (simulation_random(2) == 0)
			world_fpmd_starts(host);
		break;
	case 4:
		world_host_stalls(host, simulation_random(5 * SECOND_US));
		break;
	default:
		world_host_blind(host, !world.host[host].blind);
	}
}

static void on_page(void *arg, const struct directory_page *page)
{
	history_totals.pages += page->answer == DIRECTORY_FOUND;
	for (size_t i = 0; i < page->count; i++) {
		unsigned int flow = page->flows[i].client_port - 1024u;
		unsigned int host = (unsigned int)(uintptr_t)arg;

		if (flow >= world.flows || !world.host[host].session[flow].ever)
			fail("host %u never had session %u that is on its page", host, flow);
	}
}

static void change_else(void)
{
	static const int64_t jumps_ms[] = {-3600000, -3000, -10, 10, 3000, 3600000};
	unsigned int host = draw_host(), other = draw_host();
	const struct in6_addr address = simulation_address(other);

	switch (simulation_random(4)) {
	case 0:
		world_clock_jumps(host, jumps_ms[simulation_random(6)]);
		break;
	case 1:
	case 2:
		world_route_goes(host, other, simulation_random(2 * SECOND_US));
		break;
	default:
		if (world.host[host].directory == NULL || world_stalled(host))
			break;
		simulation_enter(host);
		directory_bulk(world.host[host].directory, &address, 0, 100, on_page,
			       (void *)(uintptr_t)other);
	}
}

static void act(void)
{
	uint64_t kind = simulation_random(100);

	history_totals.actions++;
	if (kind < 35)
		begin_or_end_session();
	else if (kind < 80)
		ask_some();
	else if (kind < 88)
		change_links();
	else if (kind < 95)
		change_host();
	else
		change_else();
}

/* From a turn of the loop to longer than all that is repeated; now and then than a tombstone. */
static uint64_t draw_pause_us(void)
{
	switch (simulation_random(20)) {
	case 0:
		return simulation_random(simulation_random(20) == 0 ? 70 * SECOND_US
								    : 9 * SECOND_US);
	case 1:
	case 2:
	case 3:
		return simulation_random(SECOND_US);
	default:
		return simulation_random(20000);
	}
}

/* Nobody keeps a record of a session that its owner, which is there, ended. */
static void check_records(unsigned int host)
{
	const struct directory *directory = world.host[host].directory;

	for (unsigned int flow = 0; flow < world.flows; flow++) {
		const struct flow which = world_flow(flow);
		struct record record;
		unsigned int owners = 0;
		int owner;

		for (unsigned int other = 0; other < world.hosts; other++)
			owners += world.host[other].session[flow].ever;
		/* A deletion that overtakes its record leaves older ones of others as they are. */
		if (owners > 1)
			continue;
		record_key_make(directory->keys.record_hash, &which, &record.key);
		if (!store_get(directory->store, &record.key, &record))
			continue;
		owner = simulation_host_of(&record.owner);
		if (world.host[owner].directory != NULL && !world.host[owner].session[flow].held)
			fail("host %u has a record of session %u, which ended at host %d", host,
			     flow, owner);
	}
}

static void check_end(void)
{
	for (unsigned int host = 0; host < world.hosts; host++) {
		struct directory *directory = world.host[host].directory;
		size_t held = 0;

		if (directory == NULL)
			continue;
		for (unsigned int flow = 0; flow < world.flows; flow++)
			held += world.host[host].session[flow].held;
		if (directory->published.live != held)
			fail("host %u publishes %zu sessions and has %zu", host,
			     directory->published.live, held);
		if (directory->free_count != LOOKUPS_MAX || directory->bulk_count != 0)
			fail("host %u has questions open", host);
		/* A deletion is not sent to a member whose route is gone, nor later; nor to one
		 * that was silent for half of a record's lifetime. */
		if (!world.routes_went && !world.lossy && world.options.records_max > 100 &&
		    world.options.record_lifetime_s > 100)
			check_records(host);
		/* Where the stores are full, records go on trying. */
		if (directory->published.waiting != 0 && world.options.records_max > 100)
			fail("host %u still waits for %zu confirmations", host,
			     directory->published.waiting);
		for (unsigned int other = 0; other < world.hosts; other++) {
			if (world.host[other].directory != NULL && !in_ring_of(host, other))
				fail("host %u is not in the ring of host %u", other, host);
		}
	}
}

static void play(const char *key_path)
{
	unsigned int actions = 10 + (unsigned int)simulation_random(50);

	memset(questions, 0, sizeof(questions));
	asked = 0;
	world_begin(key_path);
	world.life_ends = on_life_ends;
	simulation_run(simulation_random(2 * SECOND_US));
	while (actions-- > 0 && !failed) {
		act();
		simulation_run(draw_pause_us());
	}
	world_mend(simulation_random(3) != 0);
	simulation_run(MENDED_US);
	for (unsigned int host = 0; host < world.hosts && !failed; host++) {
		for (unsigned int flow = 0; flow < world.flows; flow++)
			ask(host, flow, 1000, true);
	}
	simulation_run(1100000);
	for (unsigned int i = 0; i < LOOKUPS; i++) {
		if (questions[i].open)
			fail("question %u was never answered", questions[i].number);
	}
	if (!failed)
		check_end();
	world_end();
	if (simulation_events() != 0)
		fail("%zu events are left", simulation_events());
	history_totals.histories++;
	history_totals.datagrams += simulation_datagrams();
}

bool history_play(uint64_t seed, const char *key_path, char *failure, size_t size)
{
	failed = false;
	failure_text = failure;
	failure_size = size;
	simulation_begin(seed);
	play(key_path);
	simulation_end();
	return !failed;
}
