/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a directory of many members costs, by simulation with the engine's own ring, member set,
 * table of own sessions, store and datagram sizes: for tools/bench scale. No network; the same
 * numbers each time but for what is measured in ms.
 *
 *   directory_scale [MEMBERS...]   lines `TABLE NAME=VALUE ...`
 */
#include <arpa/inet.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fpmd/directory/onehop.h"
#include "fpmd/directory/peer.h"
#include "tests/ring_moved.h"

#define HOSTS_MAX 60000
#define REPLICAS 3
#define LIMIT 48 /* the default of `directory ring-members` */
#define RECORDS 1000000
#define SESSIONS 100000	    /* of the host whose re-puts are counted */
#define SESSIONS_KEPT 10000 /* of each host, for memory */
#define SAMPLES 12
#define RUNS 5
#define SIMULATED_S 2
/* IPv4 and UDP around a datagram. */
#define AROUND (20 + 8 + DATAGRAM_HEADER_SIZE + DATAGRAM_COUNT_SIZE + DATAGRAM_TAG_SIZE)
#define HELLO_BYTES (AROUND + HELLO_SIZE)
/* put, put-ack, delete, delete-ack, get, get-answer, refuse: what a busy peer has a batch of. */
#define BATCHES_BUSY 7

static struct in6_addr host[HOSTS_MAX];
static struct ring_member ring_host[HOSTS_MAX];
static struct ring ring, other;
static uint64_t random_state;

static const uint8_t hash_key[RECORD_HASH_SIZE] = {1, 2, 3};

/* Vigna's splitmix64: one stream of numbers for each seed. */
static uint64_t random_next(void)
{
	uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void *must(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "directory_scale: no memory\n");
		exit(1);
	}
	return memory;
}

static int compare_double(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void flow_make(uint32_t number, struct flow *flow, struct record_key *key)
{
	memset(flow, 0, sizeof(*flow));
	flow->protocol = IPPROTO_TCP;
	flow->vip_port = 443;
	flow->client_port = (uint16_t)(1024 + (number & 0x3fff));
	flow->client = address_from_ipv4(htonl(0xc6120000u + (number >> 14)));
	flow->vip = address_from_ipv4(htonl(0xc0000250u));
	record_key_make(hash_key, flow, key);
}

/* The ring of all hosts but one; *without* < 0: of all. */
static void build(struct ring *out, size_t hosts, long without, size_t limit)
{
	size_t count = 0;

	for (size_t i = 0; i < hosts; i++) {
		if ((long)i != without)
			ring_host[count++] =
				(struct ring_member){.address = host[i], .id = (uint16_t)i};
	}
	ring_build(out, ring_host, count, limit, REPLICAS);
}

/* The time until a host that learns all hosts at once has chosen its members. */
static double choose_ms(size_t hosts)
{
	static struct member_set set;
	double begun = now_ms();

	member_set_init(&set, &host[0], 1, 0);
	member_set_routes(&set, host, hosts, 0, NULL, NULL);
	return now_ms() - begun;
}

static double build_ms(size_t hosts, size_t limit)
{
	double run[RUNS];

	for (size_t i = 0; i < RUNS; i++) {
		double begun = now_ms();

		build(&ring, hosts, -1, limit);
		run[i] = now_ms() - begun;
	}
	qsort(run, RUNS, sizeof(run[0]), compare_double);
	return run[RUNS / 2];
}

struct balance {
	double mean, max, deviation; /* of the mean */
};

static double square_root(double x)
{
	double root = x > 1 ? x : 1;

	for (int i = 0; i < 60; i++)
		root = (root + x / root) / 2;
	return root;
}

/* Of RECORDS sessions' records, on the members of the ring. */
static struct balance balance(size_t hosts)
{
	size_t *kept = must(calloc(hosts, sizeof(*kept)));
	struct balance result = {.mean = (double)RECORDS * ring.replicas / ring.members};
	double squares = 0;

	for (uint32_t i = 0; i < RECORDS; i++) {
		struct record_key key;
		struct flow flow;

		flow_make(i, &flow, &key);
		for (uint8_t replica = 0; replica < ring.replicas; replica++)
			kept[ring.holder[ring_bucket(&key)][replica]]++;
	}
	for (size_t i = 0; i < hosts; i++) {
		double off = (double)kept[i] - result.mean;

		if (kept[i] == 0)
			continue;
		squares += off * off;
		if ((double)kept[i] > result.max)
			result.max = (double)kept[i];
	}
	result.max /= result.mean;
	result.deviation = square_root(squares / ring.members) / result.mean;
	free(kept);
	return result;
}

/* The puts that are due now, as if all holders confirmed each. */
static size_t put_all(struct published *published)
{
	struct published_entry *entry;
	size_t puts = 0;

	while ((entry = published_due(published, 0)) != NULL) {
		const struct record_key key = entry->key;
		const uint64_t version = entry->version;
		uint16_t wanted[PUBLISHED_HOLDERS];
		size_t count = 0;

		for (size_t i = 0; i < entry->holders; i++) {
			if (published_wants(entry, i))
				wanted[count++] = entry->holder[i];
		}
		published_sent(published, entry, 0);
		for (size_t i = 0; i < count; i++)
			published_confirm(published, &key, version, wanted[i], false);
		puts += count;
	}
	return puts;
}

static void publish(struct published *published, uint32_t first, uint32_t count, uint16_t local)
{
	for (uint32_t i = first; i < first + count; i++) {
		struct published_entry *entry;
		struct record_key key;
		struct flow flow;

		flow_make(i, &flow, &key);
		entry = must(published_add(published, &key, &flow, i + 1, 0));
		published_place(published, entry, &ring, local);
	}
}

/*
 * A host of the ring leaves; the same moves when it joins again. Returns the share of buckets that
 * get another set of members; *again*: of SESSIONS sessions of one owner, the puts that are sent
 * for it, for each session; *place_ms* to find out which.
 */
static double moved(size_t hosts, size_t limit, double *again, double *place_ms)
{
	size_t buckets = 0, puts = 0;

	*place_ms = 0;
	for (size_t sample = 0; sample < SAMPLES; sample++) {
		struct published published = {0};
		uint16_t gone = ring.holder[random_next() % RING_BUCKETS][0];
		uint16_t owner;
		double begun;

		do {
			owner = (uint16_t)(random_next() % hosts);
		} while (owner == gone);
		publish(&published, 0, SESSIONS, owner);
		put_all(&published);
		build(&other, hosts, gone, limit);
		buckets += ring_moved(&ring, &other);
		begun = now_ms();
		for (struct published_entry *entry = published.oldest; entry != NULL;
		     entry = entry->newer)
			published_place(&published, entry, &other, owner);
		*place_ms += (now_ms() - begun) / SAMPLES;
		puts += put_all(&published);
		published_free(&published);
	}
	*again = (double)puts / SAMPLES / SESSIONS;
	return (double)buckets / SAMPLES / RING_BUCKETS;
}

static void print_ring(size_t hosts, size_t limit)
{
	double choose = choose_ms(hosts);
	double built = build_ms(hosts, limit);
	struct balance kept = balance(hosts);
	double again, place, share;

	share = moved(hosts, limit, &again, &place);
	/* A host that is not in the ring moves nothing. */
	printf("ring hosts=%zu in_ring=%u choose_ms=%.1f build_ms=%.1f place_100000_ms=%.1f "
	       "records_mean=%.0f max/mean=%.2f deviation/mean=%.3f moved=%.2f%% "
	       "moved_by_any_host=%.2f%% puts_again_per_session=%.4f\n",
	       hosts, ring.members, choose, built, place, kept.mean, kept.max, kept.deviation,
	       share * 100, share * 100 * ring.members / (double)hosts, again);
}

struct traffic {
	double entries, datagrams, bytes;
};

static void traffic_add(struct traffic *traffic, uint8_t type, size_t entries)
{
	size_t most = datagram_entries_max(type);
	size_t datagrams = (entries + most - 1) / most;

	traffic->entries += (double)entries;
	traffic->datagrams += (double)datagrams;
	traffic->bytes += (double)(datagrams * AROUND + entries * datagram_entry_size(type));
}

/* A host publishes at this rate; what it sends in a second, and what comes back for it. */
static void send_puts(size_t hosts, uint16_t owner, uint32_t rate, struct traffic *put,
		      struct traffic *delete, struct traffic *acks)
{
	const size_t windows = SIMULATED_S * 1000 / TRANSPORT_WINDOW_MS;
	uint32_t *sessions = must(calloc(windows, sizeof(*sessions)));
	uint32_t *to = must(calloc(hosts, sizeof(*to)));
	struct published published = {0};
	struct published_entry *entry;
	uint32_t first = 0;

	*put = *delete = *acks = (struct traffic){0};
	for (uint32_t i = 0; i < rate * SIMULATED_S; i++)
		sessions[random_next() % windows]++;
	for (size_t window = 0; window < windows; window++) {
		publish(&published, first, sessions[window], owner);
		first += sessions[window];
		while ((entry = published_due(&published, 0)) != NULL) {
			for (size_t i = 0; i < entry->holders; i++)
				to[entry->holder[i]] += published_wants(entry, i);
		}
		/* As many sessions end as begin. */
		for (size_t i = 0; i < hosts; i++) {
			traffic_add(put, DATAGRAM_PUT, to[i]);
			traffic_add(acks, DATAGRAM_PUT_ACK, to[i]);
			traffic_add(delete, DATAGRAM_DELETE, to[i]);
			traffic_add(acks, DATAGRAM_DELETE_ACK, to[i]);
			to[i] = 0;
		}
	}
	published_free(&published);
	free(to);
	free(sessions);
}

/* Hellos of one host to one peer that answers, in a second, by the peer's own clock. */
static double hellos_per_second(void)
{
	struct peer peer;
	size_t sent = 0;

	peer_init(&peer, &host[1]);
	peer.fresh = true;
	for (uint64_t ms = TICK_MS; ms <= 600000; ms += TICK_MS)
		sent += peer_hello_due(&peer, ms);
	peer_clear(&peer);
	return (double)sent / 600;
}

static uint16_t host_outside(size_t hosts)
{
	for (size_t i = 0; i < hosts; i++) {
		bool inside = false;

		for (uint32_t bucket = 0; bucket < RING_BUCKETS && !inside; bucket++)
			inside = ring_holds(&ring, (uint16_t)bucket, (uint16_t)i);
		if (!inside)
			return (uint16_t)i;
	}
	return 0;
}

static void print_traffic(size_t hosts, size_t limit)
{
	static const uint32_t rates[] = {100, 1000, 10000};
	size_t members = hosts < MEMBERS_MAX ? hosts : MEMBERS_MAX;
	uint16_t owner;

	build(&ring, hosts, -1, limit);
	owner = host_outside(hosts);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct traffic put, delete, acks;
		double owners = (double)members / ring.members / SIMULATED_S;

		send_puts(hosts, owner, rates[i], &put, &delete, &acks);
		printf("sessions hosts=%zu in_ring=%u new_per_s_and_host=%u "
		       "records_per_datagram=%.1f owner_datagrams=%.0f owner_put_kB=%.1f "
		       "owner_delete_kB=%.1f owner_acks_kB=%.1f ring_member_records=%.0f "
		       "ring_member_datagrams=%.0f ring_member_kB=%.0f\n",
		       hosts, ring.members, rates[i], put.entries / put.datagrams,
		       (put.datagrams + delete.datagrams + acks.datagrams) / SIMULATED_S,
		       put.bytes / SIMULATED_S / 1e3, delete.bytes / SIMULATED_S / 1e3,
		       acks.bytes / SIMULATED_S / 1e3, put.entries * owners,
		       (put.datagrams + delete.datagrams + acks.datagrams) * owners,
		       (put.bytes + delete.bytes + acks.bytes) * owners / 1e3);
	}
}

static void print_members(size_t hosts)
{
	size_t members = hosts < MEMBERS_MAX ? hosts : MEMBERS_MAX;
	double each = hellos_per_second() * (double)(members - 1);
	double cost = onehop_ask_all_cost(members);
	double misses = (double)ASK_ALL_PER_TICK * 1000 / TICK_MS / cost;
	double asked = (double)(members - 1);
	double get = AROUND + GET_SIZE, answer = AROUND + GET_ANSWER_SIZE;

	/* Each hello has an answer, and the others say hello, too. */
	printf("members hosts=%zu members=%zu left_out=%zu hello_datagrams=%.0f hello_kB=%.1f "
	       "miss_messages=%.0f miss_kB=%.1f misses_per_s_max=%.0f misses_at_once_max=%.0f "
	       "misses_max_messages=%.0f misses_max_MB=%.1f\n",
	       hosts, members, hosts - members, 4 * each, 4 * each * HELLO_BYTES / 1e3, 2 * asked,
	       asked * (get + answer) / 1e3, misses, ASK_ALL_MAX / cost, misses * 2 * asked,
	       misses * asked * (get + answer) / 1e6);
}

/* The store of a ring member when each member has SESSIONS_KEPT sessions. */
static size_t store_bytes(size_t members, size_t *records)
{
	uint64_t sessions = (uint64_t)members * SESSIONS_KEPT;
	struct store *store;
	size_t bytes;

	*records = (size_t)(sessions * ring.replicas / ring.members);
	store = must(store_create((uint32_t)*records, 600000));
	for (size_t i = 0; i < *records; i++) {
		struct record record = {.version = i + 1, .owner_epoch = 1};
		struct flow flow;

		flow_make((uint32_t)i, &flow, &record.key);
		record.owner = host[i % members];
		if (store_put(store, &record, 0) != STORE_DONE) {
			fprintf(stderr, "directory_scale: the store does not take a record\n");
			exit(1);
		}
	}
	bytes = store_memory(store);
	store_free(store);
	return bytes;
}

static void print_memory(size_t hosts, size_t limit)
{
	size_t members = hosts < MEMBERS_MAX ? hosts : MEMBERS_MAX;
	struct published published = {0};
	size_t records, store, before, own, peers, fixed;

	build(&ring, hosts, -1, limit);
	store = store_bytes(members, &records);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	publish(&published, 0, SESSIONS_KEPT, host_outside(hosts));
	own = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	published_free(&published);
	peers = (members - 1) * (sizeof(struct peer) + BATCHES_BUSY * DATAGRAM_BODY_MAX);
	fixed = sizeof(struct directory) +
		DISBELIEFS * sizeof(*((struct directory *)0)->disbelief) +
		LOOKUPS_MAX * (sizeof(void *) + sizeof(uint16_t));
	printf("memory hosts=%zu in_ring=%u sessions_per_host=%d records=%zu store_MB=%.1f "
	       "bytes_per_record=%.1f own_sessions_MB=%.1f bytes_per_own_session=%.0f peers_MB=%.1f "
	       "fixed_MB=%.1f all_MB=%.1f bytes_per_look-up=%zu\n",
	       hosts, ring.members, SESSIONS_KEPT, records, (double)store / 1e6,
	       (double)store / (double)records, (double)own / 1e6, (double)own / SESSIONS_KEPT,
	       (double)peers / 1e6, (double)fixed / 1e6,
	       (double)(store + own + peers + fixed) / 1e6, sizeof(struct lookup));
}

static void each_size(const size_t *hosts, size_t count, void (*print)(size_t, size_t))
{
	for (size_t i = 0; i < count; i++) {
		random_state = 1;
		print(hosts[i], LIMIT);
		if (hosts[i] > LIMIT)
			print(hosts[i], RING_MEMBERS_MAX);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	size_t hosts[32] = {8, 48, 100, 1000, 10000};
	size_t count = 5;

	if (argc > 1) {
		count = 0;
		for (int i = 1; i < argc && count < 32; i++) {
			long number = atol(argv[i]);

			if (number < REPLICAS + 1 || number > HOSTS_MAX) {
				fprintf(stderr,
					"usage: directory_scale [MEMBERS...], each %d to %d\n",
					REPLICAS + 1, HOSTS_MAX);
				return 2;
			}
			hosts[count++] = (size_t)number;
		}
	}
	for (size_t i = 0; i < HOSTS_MAX; i++)
		host[i] = address_from_ipv4(htonl(0x0a000001u + (uint32_t)i));
	each_size(hosts, count, print_ring);
	each_size(hosts, count, print_traffic);
	for (size_t i = 0; i < count; i++)
		print_members(hosts[i]);
	each_size(hosts, count, print_memory);
	return 0;
}
