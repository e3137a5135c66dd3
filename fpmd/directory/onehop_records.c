/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Own sessions to the replicas or to the server, and others' records into the store. Runs in the
 * event loop. Only the authenticated owner puts or deletes a record.
 */
#include "fpmd/directory/onehop.h"

#include <string.h>

#include "fpmd/log.h"

void onehop_pump_soon(struct directory *directory)
{
	event_active(directory->pump, EV_TIMEOUT, 1);
}

struct record onehop_record(const struct directory *directory, const struct published_entry *entry)
{
	return (struct record){
		.key = entry->key,
		.owner = directory->options.local,
		.version = entry->version,
		.owner_epoch = directory->boot.epoch,
		.client = record_client_make(directory->keys.record_hash, &entry->flow.client),
	};
}

static void send_entry(struct directory *directory, const struct published_entry *entry)
{
	struct record record = onehop_record(directory, entry);
	struct ack ack = {.key = entry->key, .version = entry->version};
	uint8_t wire[RECORD_SIZE];

	_Static_assert(RECORD_SIZE >= ACK_SIZE, "buffer");
	if (directory->valkey != NULL) {
		valkey_records_send(directory, entry);
		return;
	}
	if (entry->ending)
		ack_encode(&ack, wire);
	else
		record_encode(&record, wire);
	for (size_t i = 0; i < entry->holders; i++) {
		if (!published_wants(entry, i))
			continue;
		transport_send(directory->transport, entry->holder[i],
			       entry->ending ? DATAGRAM_DELETE : DATAGRAM_PUT, wire);
		if (entry->ending)
			directory->counters.deletes_sent++;
		else
			directory->counters.puts_sent++;
	}
}

void onehop_on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct directory *directory = arg;
	uint64_t now_ms = clock_ms();
	struct published_entry *entry;
	struct timeval pause = {0};
	size_t budget = PUMP_ENTRIES;
	uint64_t next_ms;

	if (directory->valkey != NULL) {
		size_t room = valkey_records_room(directory);

		/* It goes on when the server is back. */
		if (!valkey_records_usable(directory))
			return;
		if (room < budget)
			budget = room;
	}
	for (size_t i = 0; i < budget; i++) {
		entry = published_due(&directory->published, now_ms);
		if (entry == NULL)
			break;
		send_entry(directory, entry);
		published_sent(&directory->published, entry, now_ms);
	}
	next_ms = published_next_ms(&directory->published);
	directory->put_window_full = budget < PUMP_ENTRIES && next_ms <= now_ms;
	if (next_ms == UINT64_MAX)
		return;
	if (next_ms <= now_ms) {
		pause.tv_usec = PUMP_PAUSE_US;
	} else {
		pause.tv_sec = (time_t)((next_ms - now_ms) / 1000);
		pause.tv_usec = (suseconds_t)((next_ms - now_ms) % 1000 * 1000);
	}
	event_add(directory->pump, &pause);
}

void onehop_place_all(struct directory *directory)
{
	struct published_entry *entry, *newer;

	for (entry = directory->published.oldest; entry != NULL; entry = newer) {
		newer = entry->newer;
		published_place(&directory->published, entry, &directory->ring, MEMBER_LOCAL);
	}
	onehop_pump_soon(directory);
}

bool directory_publish(struct directory *directory, const struct flow *flow)
{
	struct published_entry *entry;
	struct record_key key;

	record_key_make(directory->keys.record_hash, flow, &key);
	entry = published_find(&directory->published, &key);
	if (entry != NULL && !entry->ending) {
		entry->since_ms = clock_ms();
		published_again(&directory->published, entry, onehop_version(directory));
		onehop_pump_soon(directory);
		return false;
	}
	entry = published_add(&directory->published, &key, flow, onehop_version(directory),
			      clock_ms());
	if (entry == NULL)
		return false;
	directory->counters.published++;
	published_place(&directory->published, entry, &directory->ring, MEMBER_LOCAL);
	onehop_pump_soon(directory);
	return true;
}

void directory_withdraw(struct directory *directory, const struct flow *flow)
{
	struct published_entry *entry;
	struct record_key key;

	record_key_make(directory->keys.record_hash, flow, &key);
	entry = published_find(&directory->published, &key);
	if (entry == NULL || entry->ending)
		return;
	directory->counters.withdrawn++;
	/* Those that asked may have a detour to us that nothing will cross any more. */
	onehop_tell_ended(directory, entry);
	published_end(&directory->published, entry);
	onehop_pump_soon(directory);
}

bool directory_published(struct directory *directory, const struct flow *flow)
{
	const struct published_entry *entry;
	struct record_key key;

	record_key_make(directory->keys.record_hash, flow, &key);
	entry = published_find(&directory->published, &key);
	return entry != NULL && !entry->ending;
}

size_t directory_published_count(struct directory *directory)
{
	return directory->published.live;
}

void directory_published_each(struct directory *directory, directory_session_fn *fn, void *arg)
{
	uint64_t now_ms = clock_ms();
	struct published_entry *entry, *newer;

	for (entry = directory->published.oldest; entry != NULL; entry = newer) {
		newer = entry->newer;
		struct flow flow = entry->flow;

		if (!entry->ending)
			fn(arg, &flow, now_ms - entry->since_ms);
	}
}

static bool kept_elsewhere(struct directory *directory, uint16_t member)
{
	char text[ADDRESS_TEXT_SIZE];

	if (directory->valkey == NULL)
		return false;
	if (directory->counters.other_engine++ == 0)
		log_warn(
			"directory: member %s sends its records to this one, which keeps none: give "
			"all members the same `directory engine`",
			address_text(&directory->members.member[member].address, text));
	return true;
}

static void send_ack(struct directory *directory, uint16_t member, uint8_t type,
		     const struct record_key *key, uint64_t version, enum ack_status status)
{
	struct ack ack = {.key = *key, .version = version, .status = (uint8_t)status};
	uint8_t wire[ACK_SIZE];

	ack_encode(&ack, wire);
	transport_send(directory->transport, member, type, wire);
}

static enum ack_status count_status(struct directory *directory, enum store_status status)
{
	switch (status) {
	case STORE_DONE:
		return ACK_DONE;
	case STORE_SUPERSEDED:
		directory->counters.superseded++;
		return ACK_SUPERSEDED;
	case STORE_FULL:
		break;
	}
	directory->counters.full++;
	return ACK_FULL;
}

void onehop_take_put(struct directory *directory, uint16_t member, const uint8_t *wire)
{
	const struct member *sender = &directory->members.member[member];
	enum ack_status status = ACK_AHEAD;
	const struct published_entry *own;
	struct record record;

	if (record_decode(wire, &record) != 0) {
		directory->counters.malformed++;
		return;
	}
	if (!address_equal(&record.owner, &sender->address) ||
	    record.owner_epoch != sender->epoch) {
		directory->counters.not_owner++;
		return;
	}
	own = published_find(&directory->published, &record.key);
	if (kept_elsewhere(directory, member)) {
		status = ACK_FULL;
	} else if (onehop_version_ahead(directory, record.version)) {
		directory->counters.ahead++;
	} else if (own != NULL && !own->ending && own->version >= record.version) {
		/* What this host published itself stands as a record does. */
		status = count_status(directory, STORE_SUPERSEDED);
		record.version = own->version;
	} else {
		status = count_status(directory, store_put(directory->store, &record, clock_ms()));
		directory->counters.puts_taken += status == ACK_DONE;
		if (status == ACK_SUPERSEDED)
			record.version = store_version(directory->store, &record.key);
	}
	if (record.version != 0)
		send_ack(directory, member, DATAGRAM_PUT_ACK, &record.key, record.version, status);
}

void onehop_take_delete(struct directory *directory, uint16_t member, const uint8_t *wire)
{
	const struct member *sender = &directory->members.member[member];
	enum ack_status status;
	struct ack ack;

	if (ack_decode(wire, &ack) != 0 || ack.status != ACK_DONE) {
		directory->counters.malformed++;
		return;
	}
	if (kept_elsewhere(directory, member)) {
		send_ack(directory, member, DATAGRAM_DELETE_ACK, &ack.key, ack.version, ACK_DONE);
		return;
	}
	if (onehop_version_ahead(directory, ack.version)) {
		directory->counters.ahead++;
		send_ack(directory, member, DATAGRAM_DELETE_ACK, &ack.key, ack.version, ACK_AHEAD);
		return;
	}
	status = count_status(directory, store_delete(directory->store, &ack.key, &sender->address,
						      sender->epoch, ack.version, clock_ms()));
	directory->counters.deletes_taken += status == ACK_DONE;
	send_ack(directory, member, DATAGRAM_DELETE_ACK, &ack.key, ack.version, status);
}

/*
 * Another session of the flow has a newer record. Usually ours has ended by then; but clocks differ
 * a little, and a session that this host's kernel knows is newer than any other: it says so again.
 */
static bool stands_below(struct directory *directory, struct ack *ack)
{
	struct published_entry *entry = published_find(&directory->published, &ack->key);
	uint64_t standing = ack->version;
	int known = 0;

	if (entry == NULL || entry->ending || entry->version > standing)
		return true;
	ack->version = entry->version;
	if (directory->handlers.has_session != NULL)
		known = directory->handlers.has_session(directory->arg, &entry->flow);
	if (known == 0)
		return false;
	/* It is sent again, and this is asked again. */
	if (known < 0 || onehop_version_ahead(directory, standing))
		return true;
	directory->counters.again++;
	published_again(&directory->published, entry, onehop_version(directory));
	onehop_pump_soon(directory);
	return true;
}

void onehop_take_ack(struct directory *directory, uint16_t member, const uint8_t *wire, bool ending)
{
	struct ack ack;

	if (ack_decode(wire, &ack) != 0) {
		directory->counters.malformed++;
		return;
	}
	if (ack.status == ACK_SUPERSEDED && !ending && stands_below(directory, &ack))
		return;
	/* No room, or our clock is ahead: the entry stays in its queue and is sent again. Where
	 * there is no room there is no record to delete. */
	if (ack.status == ACK_AHEAD || (ack.status == ACK_FULL && !ending))
		return;
	directory->counters.confirmed +=
		published_confirm(&directory->published, &ack.key, ack.version, member, ending);
}
