/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Valkey engine: a server or cluster keeps the records instead of the ring's members. Own
 * sessions are put there, again before they expire, and look-ups ask there first. All else is the
 * one-hop engine's: members, what they say of their own sessions, refusals. Runs in the event loop.
 */
#include "fpmd/directory/onehop.h"

#include <string.h>

#include "fpmd/log.h"

/*
 * How many puts are under way is found out by how long answers take: all hosts may have all their
 * sessions to put at once, and look-ups wait in the same queue of the server.
 */
#define WINDOW_START 256
#define WINDOW_MIN 32
#define WINDOW_MAX 8192
#define ANSWER_LATE_MS 40
/* What was sent waits 1.6 s before it is sent again: a connection loses nothing while it lasts, and
 * an answer takes 1 s at most. */
#define PATIENCE 6

static bool usable(enum valkey_state state)
{
	return state == VALKEY_READY || state == VALKEY_DEGRADED;
}

bool valkey_records_usable(const struct directory *directory)
{
	return member_bits_has(&directory->members.ring, MEMBER_KEEPER);
}

static void log_state(const struct directory *directory, enum valkey_state state)
{
	const struct engine_valkey *configured = &directory->options.valkey;
	struct valkey_status status;

	valkey_status(directory->valkey, &status);
	if (state == VALKEY_READY)
		log_info("directory: the %s at %s port %u keeps the records",
			 status.cluster ? "cluster" : "server", configured->host, configured->port);
	else if (state == VALKEY_DEGRADED)
		log_warn(
			"directory: %u of 16384 slots of the cluster at %s port %u have no primary "
			"that answers: their look-ups ask all members: %s",
			16384u - status.slots_served, configured->host, configured->port,
			status.error);
	else
		log_warn(
			"directory: no server at %s port %u keeps the records now: look-ups ask all "
			"members, sessions are published when it is back: %s",
			configured->host, configured->port, status.error);
}

static void on_changed(void *arg, enum valkey_state state, bool records_lost)
{
	struct directory *directory = arg;

	if (usable(state))
		member_bits_set(&directory->members.ring, MEMBER_KEEPER);
	else
		member_bits_clear(&directory->members.ring, MEMBER_KEEPER);
	if (state != directory->keeper_state)
		log_state(directory, state);
	directory->keeper_state = state;
	if (records_lost) {
		log_info(
			"directory: a server started anew or a replica took over: all %zu sessions "
			"are published again",
			directory->published.live);
		directory->counters.keeper_restarts++;
		published_repeat(&directory->published, MEMBER_KEEPER);
	}
	if (usable(state)) {
		published_hurry(&directory->published);
		onehop_pump_soon(directory);
	}
}

/* As TCP's congestion window: twice as much in each round trip, half of it when answers are late.
 */
static void follow_answers(struct directory *directory, uint64_t age_ms, uint64_t now_ms)
{
	if (age_ms > ANSWER_LATE_MS) {
		if (now_ms < directory->put_window_cut_ms + age_ms)
			return;
		directory->put_window_cut_ms = now_ms;
		directory->put_window /= 2;
		if (directory->put_window < WINDOW_MIN)
			directory->put_window = WINDOW_MIN;
	} else if (age_ms <= ANSWER_LATE_MS / 2 && directory->put_window_full &&
		   directory->put_window < WINDOW_MAX) {
		directory->put_window++;
	}
}

/*
 * Something newer is there. Usually our session has ended by then; but clocks differ a little, and
 * a session that this host's kernel knows is newer than any other. It is put again after its pause,
 * and once more; if that which is there is further ahead, not before it is refreshed.
 */
static bool still_lives(struct directory *directory, struct published_entry *entry)
{
	if (entry->tries > PATIENCE + 1 || directory->handlers.has_session == NULL ||
	    directory->handlers.has_session(directory->arg, &entry->flow) != 1)
		return false;
	entry->version = onehop_version(directory);
	directory->counters.again++;
	return true;
}

static void on_stored(void *arg, const struct record_key *key, uint64_t version, bool ending,
		      enum ack_status status)
{
	struct directory *directory = arg;
	struct published_entry *entry = published_find(&directory->published, key);
	uint64_t now_ms = clock_ms();

	if (entry == NULL || entry->version != version || entry->ending != ending)
		return;
	if (published_sent_ms(entry) != 0)
		follow_answers(directory, now_ms - published_sent_ms(entry), now_ms);
	if (status == ACK_FULL) {
		directory->counters.keeper_full++;
		return;
	}
	directory->counters.keeper_superseded += status == ACK_SUPERSEDED;
	if (status == ACK_SUPERSEDED && !ending && still_lives(directory, entry))
		return;
	directory->counters.confirmed +=
		published_confirm(&directory->published, key, version, MEMBER_KEEPER, ending);
}

static void on_got(void *arg, uint64_t request, enum get_status status, const struct record *record)
{
	struct directory *directory = arg;
	struct get_answer answer = {.request = request, .status = (uint8_t)status};

	if (record != NULL)
		answer.record = *record;
	directory->counters.keeper_hits += status == GET_RECORD;
	onehop_take_keeper_answer(directory, &answer);
}

static void on_failed(void *arg, uint64_t request)
{
	struct directory *directory = arg;
	const struct get_answer miss = {.request = request, .status = GET_MISS};

	directory->counters.keeper_failed++;
	onehop_take_keeper_answer(directory, &miss);
}

static struct valkey_options options_make(const struct directory_options *options)
{
	const struct engine_valkey *from = &options->valkey;
	struct valkey_options to = {
		.port = from->port,
		.tls = from->tls,
		.record_lifetime_s = options->record_lifetime_s,
	};

	_Static_assert(sizeof(to.host) >= sizeof(from->host) &&
			       sizeof(to.user) >= sizeof(from->user) &&
			       sizeof(to.password_file) >= sizeof(from->password_file) &&
			       sizeof(to.ca_file) >= sizeof(from->ca_file) &&
			       sizeof(to.certificate_file) >= sizeof(from->certificate_file) &&
			       sizeof(to.private_key_file) >= sizeof(from->private_key_file) &&
			       sizeof(to.prefix) >= sizeof(from->prefix),
		       "what may be configured fits");
	memcpy(to.host, from->host, sizeof(from->host));
	memcpy(to.user, from->user, sizeof(from->user));
	memcpy(to.password_file, from->password_file, sizeof(from->password_file));
	memcpy(to.ca_file, from->ca_file, sizeof(from->ca_file));
	memcpy(to.certificate_file, from->certificate_file, sizeof(from->certificate_file));
	memcpy(to.private_key_file, from->private_key_file, sizeof(from->private_key_file));
	memcpy(to.prefix, from->prefix, sizeof(from->prefix));
	return to;
}

int valkey_records_check(const struct directory_options *options, struct error *error)
{
	const struct valkey_options wanted = options_make(options);

	if (engine_valkey_check(&options->valkey, error) != 0)
		return -1;
	return valkey_check(&wanted, error);
}

int valkey_records_open(struct directory *directory, struct error *error)
{
	static const struct valkey_handlers handlers = {
		.stored = on_stored,
		.got = on_got,
		.failed = on_failed,
		.changed = on_changed,
	};
	const struct valkey_options options = options_make(&directory->options);

	directory->published.patience = PATIENCE;
	directory->put_window = WINDOW_START;
	directory->keeper_state = VALKEY_CONNECTING;
	directory->refreshed_ms = clock_ms();
	return valkey_open(directory->base, &options, &handlers, directory, &directory->valkey,
			   error);
}

void valkey_records_send(struct directory *directory, const struct published_entry *entry)
{
	const struct record record = onehop_record(directory, entry);
	int sent;

	if (entry->ending)
		sent = valkey_delete(directory->valkey, &record.key, &record.owner,
				     record.owner_epoch, record.version);
	else
		sent = valkey_put(directory->valkey, &record);
	/* Its slot has no primary now: the entry stays in its queue. */
	if (sent != 0)
		return;
	if (entry->ending)
		directory->counters.deletes_sent++;
	else
		directory->counters.puts_sent++;
}

size_t valkey_records_room(const struct directory *directory)
{
	struct valkey_status status;

	if (!valkey_records_usable(directory))
		return 0;
	valkey_status(directory->valkey, &status);
	return status.outstanding < directory->put_window
		       ? directory->put_window - status.outstanding
		       : 0;
}

int valkey_records_get(struct directory *directory, const struct record_key *key, uint64_t request)
{
	directory->counters.keeper_gets++;
	if (valkey_get(directory->valkey, key, request) == 0)
		return 0;
	directory->counters.keeper_failed++;
	return -1;
}

void valkey_records_tick(struct directory *directory, uint64_t now_ms)
{
	uint64_t every_ms = (uint64_t)directory->options.record_lifetime_s * 1000 / 2;
	uint64_t passed_ms = now_ms - directory->refreshed_ms;

	directory->refreshed_ms = now_ms;
	if (!valkey_records_usable(directory)) {
		directory->refresh_owed = 0;
		return;
	}
	/* In units of 1/every_ms sessions: all of them in this time, evenly. */
	directory->refresh_owed +=
		(passed_ms < every_ms ? passed_ms : every_ms) * directory->published.live;
	published_refresh(&directory->published, MEMBER_KEEPER,
			  (size_t)(directory->refresh_owed / every_ms));
	directory->counters.refreshed += directory->refresh_owed / every_ms;
	if (directory->refresh_owed >= every_ms)
		onehop_pump_soon(directory);
	directory->refresh_owed %= every_ms;
}

size_t valkey_records_counters(const struct directory *directory, struct directory_counter *out,
			       size_t max)
{
	struct valkey_status status;
	const struct valkey_counters *client;

	if (directory->valkey == NULL)
		return 0;
	valkey_status(directory->valkey, &status);
	client = status.counters;
	{
		const struct directory_counter all[] = {
			{"server-gets", "look-ups that asked the server",
			 directory->counters.keeper_gets},
			{"server-hits", "of them answered with a record",
			 directory->counters.keeper_hits},
			{"server-gets-failed",
			 "of them without an answer, as a connection was lost or missing",
			 directory->counters.keeper_failed},
			{"server-refreshed", "records put again before they expire",
			 directory->counters.refreshed},
			{"server-superseded",
			 "puts and deletes that the server refused: a newer record is there",
			 directory->counters.keeper_superseded},
			{"server-full", "puts that the server had no memory for",
			 directory->counters.keeper_full},
			{"server-restarts", "times a server started anew or a replica took over",
			 directory->counters.keeper_restarts},
			{"server-outstanding", "commands without an answer yet",
			 status.outstanding},
			{"server-commands", "commands sent, repeated ones included",
			 client->commands},
			{"server-replies", "answers to them", client->replies},
			{"server-moved", "answers that named another node", client->moved},
			{"server-asked", "answers that named another node this once",
			 client->asked},
			{"server-try-again", "answers that a slot is being moved",
			 client->try_again},
			{"server-scripts", "times the script was sent to a server without it",
			 client->scripts_loaded},
			{"server-replica-reads", "look-ups that a replica was asked for",
			 client->replica_reads},
			{"server-connects", "connections that became ready", client->connects},
			{"server-connects-failed", "connections that did not",
			 client->connect_failed},
			{"server-connections-lost", "connections that ended", client->lost},
			{"server-timeouts", "commands without an answer in time", client->timeouts},
			{"server-garbage", "answers that nobody could read", client->garbage},
			{"server-refused", "answers with any other error", client->refused},
			{"server-overflow", "commands not sent, as too many had no answer",
			 client->overflow},
		};
		size_t count = sizeof(all) / sizeof(all[0]);

		for (size_t i = 0; i < count && i < max; i++)
			out[i] = all[i];
		return count < max ? count : max;
	}
}

static uint64_t ms_ago(uint64_t now_ms, uint64_t then_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

bool directory_server(struct directory *directory, struct directory_server *out)
{
	uint64_t now_ms = clock_ms();
	struct valkey_status status;

	memset(out, 0, sizeof(*out));
	if (directory->valkey == NULL)
		return false;
	valkey_status(directory->valkey, &status);
	out->state = valkey_state_text(status.state);
	out->asked = valkey_records_usable(directory);
	out->since_ms_ago = ms_ago(now_ms, status.since_ms);
	out->cluster = status.cluster;
	out->slots_served = status.slots_served;
	out->nodes = status.nodes;
	out->nodes_ready = status.nodes_ready;
	memcpy(out->error, status.error, sizeof(out->error));
	out->error_ms_ago = status.error[0] != '\0' ? ms_ago(now_ms, status.error_ms) : 0;
	return true;
}

size_t directory_server_nodes(struct directory *directory, struct directory_server_node *out,
			      size_t max)
{
	static struct valkey_node_status nodes[VALKEY_NODES_MAX];
	size_t count;

	if (directory->valkey == NULL)
		return 0;
	count = valkey_nodes(directory->valkey, nodes, VALKEY_NODES_MAX);
	for (size_t i = 0; i < count && i < max && i < VALKEY_NODES_MAX; i++) {
		_Static_assert(sizeof(out[i].host) == sizeof(nodes[i].host), "the same");
		memcpy(out[i].host, nodes[i].host, sizeof(out[i].host));
		out[i].port = nodes[i].port;
		out[i].role = valkey_role_text(nodes[i].role);
		out[i].state = valkey_node_state_text(nodes[i].state);
		out[i].slots = nodes[i].slots;
	}
	return count;
}
