/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of the one-hop engine: open, close, members, ring, ticks. Runs in the event loop. */
#include "fpmd/directory/onehop.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/log.h"

uint64_t onehop_version(struct directory *directory)
{
	return hlc_next(&directory->hlc, group_clock_ms(&directory->clock, clock_ms()));
}

bool onehop_version_ahead(struct directory *directory, uint64_t version)
{
	return !hlc_observe(&directory->hlc, version,
			    group_clock_ms(&directory->clock, clock_ms()));
}

/* A boot that is newer than those up to *known_epoch*, whatever the clock says. */
static struct boot boot_make(uint64_t clock_epoch, uint64_t known_epoch)
{
	return (struct boot){
		.epoch = clock_epoch > known_epoch ? clock_epoch : known_epoch + 1,
		.salt = randombytes_random(),
	};
}

static void apply_changes(struct directory *directory, unsigned int changed)
{
	if (changed & MEMBER_CHANGED_RING)
		directory->ring_changed = true;
	if (changed & MEMBER_CHANGED_STATE)
		directory->members_changed = true;
	if (changed) {
		directory->incomplete_ms = 0;
		event_active(directory->work, EV_TIMEOUT, 1);
	}
}

static void rebuild_ring(struct directory *directory)
{
	struct ring_member members[MEMBERS_MAX];
	size_t count = 0;

	if (directory->valkey != NULL) {
		/* Of the server alone, whatever members there are. */
		members[0] = (struct ring_member){.id = MEMBER_KEEPER};
		ring_build(&directory->ring, members, 1, 1, 1);
		return;
	}
	for (uint16_t id = 0; id < directory->members.count; id++) {
		if (!member_in_ring(&directory->members, id))
			continue;
		members[count].address = directory->members.member[id].address;
		members[count++].id = id;
	}
	ring_build(&directory->ring, members, count, directory->options.ring_members,
		   directory->options.replicas);
	directory->ring_ms = clock_ms();
	directory->sweep_left = SIZE_MAX;
	directory->counters.ring_changes++;
	log_debug(TOPIC_DIRECTORY, "directory: ring of %zu members", count);
	onehop_place_all(directory);
}

/* That of the moment when it was published: the sessions that a port had stay in their order. */
static uint64_t version_again(void *arg, const struct published_entry *entry)
{
	const struct directory *directory = arg;

	return group_clock_ms(&directory->clock, entry->since_ms) << 16;
}

/*
 * Begins a new boot as if fpmd had restarted: it voids all that was published, which is published
 * again. So versions may begin anew, too.
 */
static void boot_again(struct directory *directory, uint64_t known_epoch)
{
	uint64_t now_ms = group_clock_ms(&directory->clock, clock_ms());

	directory->boot = boot_make(now_ms, known_epoch);
	directory->hlc.last = now_ms << 16;
	directory->members.member[MEMBER_LOCAL].epoch = directory->boot.epoch;
	directory->counters.boots++;
	/* The others take us for restarted: they put their records again, and do not delete those
	 * that we were no replica for any more. */
	store_clear(directory->store);
	transport_set_boot(directory->transport, directory->boot);
	published_renew(&directory->published, version_again, directory);
	onehop_pump_soon(directory);
	apply_changes(directory, MEMBER_CHANGED_STATE);
}

/* Members came or went, or told what time it is. */
static void follow_clock(struct directory *directory)
{
	int64_t distance[MEMBERS_MAX] = {directory->clock.own_ms};
	int64_t before_ms = directory->clock.group_ms;
	size_t count = 1;

	for (uint16_t id = 1; id < directory->members.count; id++) {
		if (member_in_ring(&directory->members, id))
			distance[count++] = directory->members.member[id].clock_ms;
	}
	/* Alone it keeps the time that it learned. */
	if (count == 1 || !group_clock_follow(&directory->clock, distance, count))
		return;
	directory->counters.clock_steps++;
	log_info("directory: the members' clock, and what is made of it here, moved by %lld ms",
		 (long long)(directory->clock.group_ms - before_ms));
	boot_again(directory, directory->boot.epoch);
}

/* Says when this host's clock becomes wrong, wrong in another way, or right. */
static void tell_clock(struct directory *directory, uint64_t now_ms)
{
	int64_t error_ms = group_clock_error(&directory->clock, clock_wall_ms(), now_ms);
	struct error warning;

	if (llabs(error_ms) <= GROUP_CLOCK_ERROR_MS)
		error_ms = 0;
	if (llabs(error_ms - directory->clock_told_ms) <= GROUP_CLOCK_ERROR_MS &&
	    (error_ms != 0 || directory->clock_told_ms == 0))
		return;
	directory->clock_told_ms = error_ms;
	if (directory_warning(directory, &warning))
		log_warn("%s", warning.text);
	else
		log_info("directory: this host's clock is right again");
}

static void on_second(struct directory *directory, uint64_t now_ms)
{
	for (uint16_t id = 1; id < directory->members.count; id++) {
		const struct member *member = &directory->members.member[id];

		if (member->epoch != 0)
			store_owner_heard(directory->store, &member->address, member->epoch,
					  member->heard_ms);
	}
	follow_clock(directory);
	tell_clock(directory, now_ms);
}

/* Nothing waits for members that left the ring: not before it is built, or it may again. */
static void forget_lost(struct directory *directory)
{
	for (uint16_t id = 1; id < directory->members.count; id++) {
		if (member_bits_has(&directory->lost, id) &&
		    !member_in_ring(&directory->members, id))
			published_forget(&directory->published, id, true);
	}
	memset(&directory->lost, 0, sizeof(directory->lost));
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct directory *directory = arg;

	if (directory->ring_changed || directory->clock_moved) {
		directory->clock_moved = false;
		follow_clock(directory);
	}
	if (directory->ring_changed) {
		directory->ring_changed = false;
		rebuild_ring(directory);
		forget_lost(directory);
		onehop_get_advance(directory);
	}
	onehop_get_work(directory);
	if (directory->members_changed) {
		directory->members_changed = false;
		if (directory->handlers.members_changed != NULL)
			directory->handlers.members_changed(directory->arg);
	}
}

static bool keep_record(void *arg, const struct record_key *key)
{
	const struct directory *directory = arg;

	return ring_holds(&directory->ring, ring_bucket(key), MEMBER_LOCAL);
}

static void sweep_moved(struct directory *directory, uint64_t now_ms)
{
	size_t budget;

	if (directory->sweep_left == 0 || now_ms < directory->ring_ms + SWEEP_AFTER_MS)
		return;
	if (directory->sweep_left > directory->options.records_max)
		directory->sweep_left = directory->options.records_max;
	budget = directory->sweep_left < SWEEP_SLOTS ? directory->sweep_left : SWEEP_SLOTS;
	directory->counters.swept += store_sweep(directory->store, keep_record, directory, budget);
	directory->sweep_left -= budget;
}

static void tell_silent(struct directory *directory, uint64_t now_ms)
{
	const struct member_bits before = directory->members.silent;
	unsigned int changed = member_set_tick(&directory->members, now_ms);
	char text[ADDRESS_TEXT_SIZE];

	for (uint16_t id = 1; changed != 0 && id < directory->members.count; id++) {
		if (member_bits_has(&directory->members.silent, id) &&
		    !member_bits_has(&before, id))
			log_warn(
				"directory: member %s does not answer: until it does, nobody can be told "
				"that a session does not exist",
				address_text(&directory->members.member[id].address, text));
	}
	apply_changes(directory, changed);
}

static void tell_full(struct directory *directory)
{
	size_t records = store_records(directory->store);
	uint32_t max = directory->options.records_max;

	if (!directory->full_told && records >= max)
		log_warn(
			"directory: %zu records of other hosts' sessions: the table is full. The "
			"clients with the most sessions lose theirs first; what is not kept is asked "
			"of all members. More hosts in the ring (`directory ring-members`) or fewer "
			"`directory replicas` help",
			records);
	else if (directory->full_told && records < max - max / 10)
		log_info("directory: the table of records has room again");
	else
		return;
	directory->full_told = !directory->full_told;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct directory *directory = arg;
	uint64_t now_ms = clock_ms();

	directory->ask_all_left += ASK_ALL_PER_TICK;
	if (directory->ask_all_left > ASK_ALL_MAX)
		directory->ask_all_left = ASK_ALL_MAX;
	transport_tick(directory->transport, now_ms);
	tell_silent(directory, now_ms);
	if (now_ms >= directory->second_ms + 1000) {
		directory->second_ms = now_ms;
		on_second(directory, now_ms);
	}
	store_expire(directory->store, now_ms, 4096);
	sweep_moved(directory, now_ms);
	tell_full(directory);
	if (directory->valkey != NULL)
		valkey_records_tick(directory, now_ms);
}

static void on_message(void *arg, uint16_t member, uint8_t type, const uint8_t *entries,
		       size_t count)
{
	struct directory *directory = arg;
	size_t size = datagram_entry_size(type);

	/* Records and acknowledgements begin with their key. */
	if (type == DATAGRAM_PUT || type == DATAGRAM_DELETE)
		store_prefetch(directory->store, entries, size, count);
	else if (type == DATAGRAM_PUT_ACK || type == DATAGRAM_DELETE_ACK)
		published_prefetch(&directory->published, entries, size, count);
	if (type == DATAGRAM_GET) {
		onehop_take_gets(directory, member, entries, count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const uint8_t *wire = entries + i * size;

		switch (type) {
		case DATAGRAM_PUT:
			onehop_take_put(directory, member, wire);
			break;
		case DATAGRAM_DELETE:
			onehop_take_delete(directory, member, wire);
			break;
		case DATAGRAM_PUT_ACK:
			onehop_take_ack(directory, member, wire, false);
			break;
		case DATAGRAM_DELETE_ACK:
			onehop_take_ack(directory, member, wire, true);
			break;
		case DATAGRAM_GET_ANSWER:
			onehop_take_answer(directory, member, wire);
			break;
		case DATAGRAM_REFUSE:
		case DATAGRAM_ENDED:
			onehop_take_refuse(directory, member, wire, type == DATAGRAM_ENDED);
			break;
		case DATAGRAM_BULK:
			onehop_take_bulk(directory, member, wire);
			break;
		case DATAGRAM_BULK_FLOW:
			onehop_take_bulk_flow(directory, member, wire);
			break;
		case DATAGRAM_BULK_END:
			onehop_take_bulk_end(directory, member, wire);
			break;
		default:
			directory->counters.malformed++;
		}
	}
}

/* What the member kept for us may be void: it was silent for long. */
static void note_silence_end(struct directory *directory, uint16_t id, uint64_t now_ms)
{
	const struct member *member = &directory->members.member[id];
	char text[ADDRESS_TEXT_SIZE];

	if (!member->silent)
		return;
	log_info("directory: member %s answers again", address_text(&member->address, text));
	if (now_ms - member->heard_ms > (uint64_t)directory->options.record_lifetime_s * 500)
		published_forget(&directory->published, id, false);
	published_hurry(&directory->published);
	onehop_pump_soon(directory);
}

static void on_heard(void *arg, uint16_t id)
{
	struct directory *directory = arg;
	uint64_t now_ms = clock_ms();

	note_silence_end(directory, id, now_ms);
	apply_changes(directory, member_set_heard(&directory->members, id, now_ms));
}

static void on_proven(void *arg, uint16_t id, const struct transport_proof *proof)
{
	struct directory *directory = arg;
	uint64_t now_ms = clock_ms();
	int64_t before_ms;
	unsigned int changed;
	char text[ADDRESS_TEXT_SIZE];

	note_silence_end(directory, id, now_ms);
	before_ms = directory->members.member[id].clock_ms;
	directory->members.member[id].clock_ms =
		group_clock_distance(proof->clock_ms, proof->asked_ms, now_ms);
	/* It started again with another clock: what is published from now on has to know. */
	if (member_in_ring(&directory->members, id) &&
	    llabs(directory->members.member[id].clock_ms - before_ms) > GROUP_CLOCK_STEP_MS) {
		directory->clock_moved = true;
		event_active(directory->work, EV_TIMEOUT, 1);
	}
	if (proof->restarted) {
		log_debug(TOPIC_MEMBERS, "directory: member %s, epoch %llu",
			  address_text(&directory->members.member[id].address, text),
			  (unsigned long long)proof->epoch);
		published_forget(&directory->published, id, false);
		store_owner_heard(directory->store, &directory->members.member[id].address,
				  proof->epoch, now_ms);
		onehop_pump_soon(directory);
	}
	changed = member_set_proven(&directory->members, id, proof->epoch, now_ms);
	if (directory->members.member[id].director != proof->director ||
	    directory->members.member[id].draining != proof->draining)
		changed |= MEMBER_CHANGED_STATE;
	directory->members.member[id].director = proof->director;
	directory->members.member[id].draining = proof->draining;
	if (changed & MEMBER_CHANGED_RING)
		log_info("directory: member %s joins the ring",
			 address_text(&directory->members.member[id].address, text));
	apply_changes(directory, changed);
}

static void on_outdated(void *arg, uint64_t known_epoch)
{
	struct directory *directory = arg;

	boot_again(directory, known_epoch);
	log_warn("directory: the clock went back since the last start, or two members use this "
		 "host's address; took epoch %llu",
		 (unsigned long long)directory->boot.epoch);
}

int directory_check(const struct directory_options *options, struct error *error)
{
	struct directory_keys keys;
	int status;

	if (options->port == 0)
		return error_set(error, "directory: the port is 0; set `directory port`");
	if (options->replicas < 1 || options->replicas > RING_REPLICAS_MAX)
		return error_set(error, "directory: %u replicas; 1 to %u are possible",
				 options->replicas, RING_REPLICAS_MAX);
	if (options->ring_members < options->replicas)
		return error_set(error, "directory: a ring of %u members cannot hold %u replicas",
				 options->ring_members, options->replicas);
	if (options->record_lifetime_s == 0 || options->records_max == 0)
		return error_set(error, "directory: record lifetime and table size must not be 0");
	if (IN6_IS_ADDR_UNSPECIFIED(&options->local) || IN6_IS_ADDR_MULTICAST(&options->local))
		return error_set(error, "directory: no local member address; set `local-member`");
	status = directory_key_load(options->key_file, &keys, error);
	sodium_memzero(&keys, sizeof(keys));
	if (status == 0 && options->valkey.host[0] != '\0')
		status = valkey_records_check(options, error);
	return status;
}

int directory_open(struct event_base *base, const struct directory_options *options,
		   const struct directory_handlers *handlers, void *arg, struct directory **out,
		   struct error *error)
{
	static const struct transport_handlers transport_handlers = {
		.message = on_message,
		.proven = on_proven,
		.heard = on_heard,
		.outdated = on_outdated,
	};
	struct timeval period = {.tv_usec = TICK_MS * 1000};
	struct directory *directory;

	if (directory_check(options, error) != 0)
		return -1;
	directory = calloc(1, sizeof(*directory));
	if (directory == NULL)
		return error_set(error, "directory: no memory");
	directory->base = base;
	directory->options = *options;
	directory->handlers = *handlers;
	directory->arg = arg;
	if (directory_key_load(options->key_file, &directory->keys, error) != 0) {
		directory_close(directory);
		return -1;
	}
	directory->ask_all_left = ASK_ALL_MAX;
	group_clock_start(&directory->clock, clock_wall_ms(), clock_ms());
	directory->boot = boot_make(clock_wall_ms(), 0);
	member_set_init(&directory->members, &options->local, directory->boot.epoch, clock_ms());
	directory->store =
		store_create(options->records_max, (uint64_t)options->record_lifetime_s * 1000);
	directory->tick = event_new(base, -1, EV_PERSIST, on_tick, directory);
	directory->work = event_new(base, -1, 0, on_work, directory);
	directory->pump = event_new(base, -1, 0, onehop_on_pump, directory);
	if (directory->store == NULL || directory->tick == NULL || directory->work == NULL ||
	    directory->pump == NULL || onehop_get_open(directory) != 0 ||
	    event_add(directory->tick, &period) != 0) {
		directory_close(directory);
		return error_set(error, "directory: no memory for %u records",
				 options->records_max);
	}
	if (transport_open(base, &options->local, options->port, &directory->keys,
			   &directory->members, &directory->clock, directory->boot,
			   &transport_handlers, directory, &directory->transport, error) != 0) {
		directory_close(directory);
		return -1;
	}
	if (options->valkey.host[0] != '\0' && valkey_records_open(directory, error) != 0) {
		directory_close(directory);
		return -1;
	}
	rebuild_ring(directory);
	*out = directory;
	return 0;
}

void directory_close(struct directory *directory)
{
	if (directory == NULL)
		return;
	transport_close(directory->transport);
	valkey_close(directory->valkey);
	onehop_get_close(directory);
	onehop_bulk_close(directory);
	if (directory->tick != NULL)
		event_free(directory->tick);
	if (directory->work != NULL)
		event_free(directory->work);
	if (directory->pump != NULL)
		event_free(directory->pump);
	published_free(&directory->published);
	store_free(directory->store);
	directory_key_clear(&directory->keys);
	free(directory);
}

static void on_replaced(void *arg, uint16_t id)
{
	struct directory *directory = arg;

	transport_forget(directory->transport, id);
	published_forget(&directory->published, id, true);
}

static void tell_left_out(struct directory *directory)
{
	size_t left_out = directory->members.left_out;

	if (left_out > 0 && directory->counters.members_left_out == 0)
		log_warn(
			"directory: more than %d hosts in the member range; %zu are left out%s, and "
			"nobody can be told that a session does not exist; make `member-range` "
			"narrower",
			MEMBERS_MAX, left_out,
			directory->members.local_left_out ? ", this host by all others" : "");
	else if (left_out == 0 && directory->counters.members_left_out > 0)
		log_info("directory: all hosts in the member range have room again");
	directory->counters.members_left_out = left_out;
}

void directory_reachable_set(struct directory *directory, const struct in6_addr *hosts,
			     size_t count)
{
	struct member_bits before = directory->members.ring;
	uint64_t now_ms = clock_ms();
	unsigned int changed;

	changed = member_set_routes(&directory->members, hosts, count, now_ms, on_replaced,
				    directory);
	tell_left_out(directory);
	for (uint16_t id = 1; id < directory->members.count; id++) {
		if (directory->members.member[id].routed)
			continue;
		transport_unroute(directory->transport, id);
		if (member_bits_has(&before, id))
			member_bits_set(&directory->lost, id);
	}
	transport_tick(directory->transport, now_ms);
	directory->incomplete_ms = 0;
	apply_changes(directory, changed);
}

size_t directory_members(struct directory *directory, struct directory_member *out, size_t max)
{
	uint64_t now_ms = clock_ms();
	size_t count = 0;

	for (uint16_t id = 0; id < directory->members.count; id++) {
		const struct member *member = &directory->members.member[id];

		if (!member->routed)
			continue;
		if (count < max) {
			out[count] = (struct directory_member){
				.address = member->address,
				.epoch = member->epoch,
				.local = id == MEMBER_LOCAL,
				.director = member->director,
				.draining = member->draining,
			};
			out[count].state = member->silent   ? MEMBER_SILENT
					   : member->proven ? MEMBER_IN_RING
							    : MEMBER_ROUTED;
			if (id == MEMBER_LOCAL)
				out[count].records = directory->published.live;
			else {
				out[count].records =
					store_owner_records(directory->store, &member->address);
				out[count].heard_ms_ago =
					member->epoch == 0 ? UINT64_MAX : now_ms - member->heard_ms;
			}
		}
		count++;
	}
	return count;
}

void directory_director_set(struct directory *directory, bool director)
{
	directory->members.member[MEMBER_LOCAL].director = director;
	transport_director_set(directory->transport, director);
}

void directory_draining_set(struct directory *directory, bool draining)
{
	directory->members.member[MEMBER_LOCAL].draining = draining;
	transport_draining_set(directory->transport, draining);
}

bool directory_warning(struct directory *directory, struct error *warning)
{
	int64_t error_ms = group_clock_error(&directory->clock, clock_wall_ms(), clock_ms());

	if (llabs(error_ms) <= GROUP_CLOCK_ERROR_MS)
		return false;
	error_set(
		warning,
		"directory: this host's clock is %lld s %s that of the members when they started; "
		"records follow the latter, set this clock (NTP)",
		llabs(error_ms) / 1000, error_ms > 0 ? "ahead of" : "behind");
	return true;
}

bool directory_is_member(struct directory *directory, const struct in6_addr *address)
{
	int id = member_find(&directory->members, address);

	return id >= 0 && member_in_ring(&directory->members, (uint16_t)id);
}

size_t directory_counters(struct directory *directory, struct directory_counter *out, size_t max)
{
	const struct transport_counters *wire = transport_counters(directory->transport);
	int64_t error_ms = group_clock_error(&directory->clock, clock_wall_ms(), clock_ms());
	const struct directory_counter all[] = {
		{"gets", "look-ups begun", directory->counters.gets},
		{"gets-found", "look-ups that found an owner", directory->counters.found},
		{"gets-absent", "look-ups that every member answered with no",
		 directory->counters.absent},
		{"gets-timed-out", "look-ups without an answer in time",
		 directory->counters.timed_out},
		{"gets-limited", "of them at once, as too many had to ask all members",
		 directory->counters.limited},
		{"gets-refused", "look-ups not begun: too many at a time",
		 directory->counters.overload},
		{"get-requests", "requests sent for look-ups", directory->counters.requests},
		{"get-answers-late", "answers to look-ups that were over",
		 directory->counters.answers_late},
		{"get-answers-given", "requests of others answered",
		 directory->counters.answers_given},
		{"pages-asked", "pages of others' sessions asked for",
		 directory->counters.pages_asked},
		{"pages-repeated", "of them again, as some of it was lost",
		 directory->counters.pages_repeated},
		{"pages-given", "pages of own sessions given", directory->counters.pages_given},
		{"published", "sessions published", directory->counters.published},
		{"withdrawn", "sessions withdrawn", directory->counters.withdrawn},
		{"publish-waiting", "sessions that not all replicas confirmed yet",
		 directory->published.waiting},
		{"puts-sent", "records sent to replicas", directory->counters.puts_sent},
		{"deletes-sent", "deletions sent to replicas", directory->counters.deletes_sent},
		{"confirmed", "records and deletions confirmed", directory->counters.confirmed},
		{"puts-taken", "records of others stored", directory->counters.puts_taken},
		{"deletes-taken", "records of others deleted", directory->counters.deletes_taken},
		{"superseded", "puts and deletes that came after a newer record",
		 directory->counters.superseded},
		{"published-again", "records that an older session's record had superseded",
		 directory->counters.again},
		{"version-ahead", "puts with a version too far ahead: a clock is wrong",
		 directory->counters.ahead},
		{"store-full", "puts that found no room", directory->counters.full},
		{"store-evicted", "records dropped for a client that has fewer",
		 store_evicted(directory->store)},
		{"not-owner", "puts, deletes and claims for a session of somebody else",
		 directory->counters.not_owner},
		{"other-engine", "puts and deletes refused: only a server keeps records here",
		 directory->counters.other_engine},
		{"swept", "records dropped after the ring moved them", directory->counters.swept},
		{"records", "records of others in the store", store_records(directory->store)},
		{"tombstones", "deleted records remembered", store_tombstones(directory->store)},
		{"store-bytes", "memory of the store", store_memory(directory->store)},
		{"refuses-sent", "negative acknowledgements sent",
		 directory->counters.refuses_sent},
		{"refuses-taken", "negative acknowledgements received",
		 directory->counters.refuses_taken},
		{"ends-sent", "members told that a session ended which they watch",
		 directory->counters.ends_sent},
		{"ends-taken", "watched sessions that ended", directory->counters.ends_taken},
		{"ring-changes", "times the ring was built", directory->counters.ring_changes},
		{"epoch-changes", "epochs taken as others knew a newer one, or the clock moved",
		 directory->counters.boots},
		{"clock-steps", "times the clock for versions moved to that of the members",
		 directory->counters.clock_steps},
		{"clock-ahead-ms", "by which this host's clock is ahead of the members' now",
		 error_ms > 0 ? (uint64_t)error_ms : 0},
		{"clock-behind-ms", "by which it is behind",
		 error_ms < 0 ? (uint64_t)-error_ms : 0},
		{"members-left-out", "reachable hosts beyond the limit",
		 directory->counters.members_left_out},
		{"datagrams-received", "datagrams received", wire->received},
		{"datagrams-sent", "datagrams sent", wire->sent},
		{"send-failed", "datagrams that the kernel did not take", wire->send_failed},
		{"from-stranger", "datagrams whose source is no reachable member",
		 wire->from_stranger},
		{"malformed", "datagrams of a wrong size, version, type or content",
		 wire->malformed + directory->counters.malformed},
		{"unknown-key", "datagrams sealed with a key id that is not ours",
		 wire->unknown_key},
		{"unknown-boot", "datagrams of a member's start that is not proven yet",
		 wire->unknown_boot},
		{"replayed", "datagrams seen before, or too old", wire->replayed},
		{"not-authentic", "datagrams that a key did not open", wire->not_authentic},
		{"hello-stale", "hello answers to no challenge, or of an older start",
		 wire->hello_stale},
		{"hello-limited", "hellos beyond the rate limit", wire->hello_limited},
	};
	size_t count = sizeof(all) / sizeof(all[0]);

	for (size_t i = 0; i < count && i < max; i++)
		out[i] = all[i];
	if (count >= max)
		return max;
	return count + valkey_records_counters(directory, out + count, max - count);
}
