/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client of Valkey alone, driven through standard input, for topotests/valkey. Each command
 * answers with one line. Runs one event loop.
 *
 *   put N COUNT OWNER VERSION [AHEAD [TRIES]]     records number N and on, again until confirmed;
 *                         "stored done=.. superseded=.. full=.. given_up=.. sent=.. us=.."
 *   delete N COUNT OWNER VERSION [AHEAD [TRIES]]  likewise
 *   get N COUNT [AHEAD]   "got record=.. miss=.. failed=.. twice=.. refused=.. owner=.. version=..
 * us=.. p50=..us p99=..us"; owner and version of the last record page OWNER            "page
 * records=.. different=.. pages=.. failed=.. us=.." wait STATE            "state STATE MS" epoch N,
 * status, nodes, counter NAME, lost (how often records may have been lost), quit
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fpmd/directory/valkey.h"

#define RECORDS_MAX (1u << 20)
#define RETRY_US 20000
#define EPOCH 1700000000000

enum progress { NOT_SENT, SENT, CONFIRMED };

struct driver {
	struct event_base *base;
	struct valkey *valkey;
	struct bufferevent *input;
	struct event *retry;
	unsigned int lost;
	unsigned int epoch; /* above EPOCH */
	char wait_state[32];
	uint64_t start_us;

	/* `put`, `delete` */
	bool storing, ending;
	uint8_t progress[RECORDS_MAX];
	unsigned int first, count, ahead, tries, next, open, sent;
	bool progressed;	    /* since the last look */
	unsigned int pause, paused; /* looks until it is all sent again; it doubles */
	unsigned int statuses[ACK_STATUSES], given_up;
	struct in6_addr owner;
	uint64_t version;

	/* `get` */
	bool getting;
	uint8_t answered[RECORDS_MAX];
	uint64_t asked_us[RECORDS_MAX];
	uint64_t *time_us;
	unsigned int times, records, misses, failures, twice, refused;
	struct record last;

	/* `page` */
	bool paging;
	uint8_t seen[RECORDS_MAX];
	unsigned int pages, paged, different, page_failures;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A number's key: the number itself, and a hash of it in front, as keys are. */
static struct record_key key_make(unsigned int number)
{
	static const uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct record_key key;

	crypto_shorthash(key.bytes, (const uint8_t *)&number, sizeof(number), hash_key);
	memset(key.bytes + 8, 0, 8);
	memcpy(key.bytes + 12, &number, sizeof(number));
	return key;
}

static unsigned int key_number(const struct record_key *key)
{
	unsigned int number;

	memcpy(&number, key->bytes + 12, sizeof(number));
	return number % RECORDS_MAX;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void store_more(struct driver *driver)
{
	while (driver->next < driver->count && driver->open < driver->ahead) {
		unsigned int number = driver->first + driver->next;
		struct record record = {.key = key_make(number),
					.owner = driver->owner,
					.version = driver->version,
					.owner_epoch = EPOCH + driver->epoch};
		int result;

		if (driver->progress[number] != NOT_SENT) {
			driver->next++;
			continue;
		}
		if (driver->ending)
			result = valkey_delete(driver->valkey, &record.key, &record.owner,
					       record.owner_epoch, record.version);
		else
			result = valkey_put(driver->valkey, &record);
		if (result != 0)
			return;
		driver->progress[number] = SENT;
		driver->sent++;
		driver->next++;
		driver->open++;
	}
}

static void end_storing(struct driver *driver)
{
	driver->storing = false;
	printf("stored done=%u superseded=%u full=%u given_up=%u sent=%u us=%llu\n",
	       driver->statuses[ACK_DONE], driver->statuses[ACK_SUPERSEDED],
	       driver->statuses[ACK_FULL], driver->given_up, driver->sent,
	       (unsigned long long)(now_us() - driver->start_us));
}

static void on_stored(void *arg, const struct record_key *key, uint64_t version, bool ending,
		      enum ack_status status)
{
	unsigned int number = key_number(key);
	struct driver *driver = arg;

	if (!driver->storing || ending != driver->ending || version != driver->version ||
	    driver->progress[number] == CONFIRMED)
		return; /* of an earlier try */
	driver->open -= driver->progress[number] == SENT;
	driver->progress[number] = CONFIRMED;
	driver->progressed = true;
	driver->statuses[status]++;
	if (driver->statuses[ACK_DONE] + driver->statuses[ACK_SUPERSEDED] +
		    driver->statuses[ACK_FULL] ==
	    driver->count)
		end_storing(driver);
	else
		store_more(driver);
}

static void begin_storing(struct driver *driver, bool ending)
{
	if (driver->count > RECORDS_MAX - driver->first)
		driver->count = RECORDS_MAX - driver->first;
	memset(driver->progress, NOT_SENT, sizeof(driver->progress));
	memset(driver->statuses, 0, sizeof(driver->statuses));
	driver->storing = true;
	driver->progressed = false;
	driver->pause = 1;
	driver->paused = 0;
	driver->ending = ending;
	driver->next = driver->open = driver->sent = driver->given_up = 0;
	driver->start_us = now_us();
	store_more(driver);
}

/* Again what was not confirmed, when nothing was for 20 ms, then 40 ms ... */
static void store_again(struct driver *driver)
{
	if (driver->progressed) {
		driver->progressed = false;
		driver->pause = 1;
		driver->paused = 0;
		return;
	}
	if (++driver->paused < driver->pause)
		return;
	driver->paused = 0;
	driver->pause = driver->pause < 64 ? driver->pause * 2 : 64;
	if (driver->tries-- == 0) {
		for (unsigned int i = 0; i < driver->count; i++)
			driver->given_up += driver->progress[driver->first + i] != CONFIRMED;
		end_storing(driver);
		return;
	}
	if (driver->next == driver->count || driver->open >= driver->ahead) {
		for (unsigned int i = 0; i < driver->count; i++) {
			if (driver->progress[driver->first + i] == SENT)
				driver->progress[driver->first + i] = NOT_SENT;
		}
		driver->open = 0;
		driver->next = 0;
	}
	store_more(driver);
}

static void get_more(struct driver *driver)
{
	char text[ADDRESS_TEXT_SIZE] = "none";

	while (driver->next < driver->count && driver->open < driver->ahead) {
		unsigned int number = driver->first + driver->next++;
		struct record_key key = key_make(number);

		driver->asked_us[number] = now_us();
		if (valkey_get(driver->valkey, &key, number) == 0)
			driver->open++;
		else
			driver->refused++;
	}
	if (driver->open > 0)
		return;
	driver->getting = false;
	qsort(driver->time_us, driver->times, sizeof(*driver->time_us), compare_times);
	if (driver->records > 0)
		address_text(&driver->last.owner, text);
	printf("got record=%u miss=%u failed=%u twice=%u refused=%u owner=%s version=%llu us=%llu p50=%lluus p99=%lluus\n",
	       driver->records, driver->misses, driver->failures, driver->twice, driver->refused,
	       text, (unsigned long long)(driver->records > 0 ? driver->last.version : 0),
	       (unsigned long long)(now_us() - driver->start_us),
	       (unsigned long long)driver->time_us[driver->times / 2],
	       (unsigned long long)driver->time_us[(uint64_t)driver->times * 99 / 100]);
	free(driver->time_us);
	driver->time_us = NULL;
}

static void begin_getting(struct driver *driver)
{
	if (driver->count > RECORDS_MAX - driver->first)
		driver->count = RECORDS_MAX - driver->first;
	memset(driver->answered, 0, sizeof(driver->answered));
	driver->time_us = calloc(driver->count + 1, sizeof(*driver->time_us));
	if (driver->time_us == NULL)
		exit(1);
	driver->getting = true;
	driver->next = driver->open = driver->times = driver->records = driver->misses = 0;
	driver->failures = driver->twice = driver->refused = 0;
	driver->start_us = now_us();
	get_more(driver);
}

/* Each request is answered once. */
static bool take_answer(struct driver *driver, uint64_t request)
{
	if (!driver->getting || request < driver->first ||
	    request >= driver->first + driver->count || driver->answered[request]++ > 0) {
		driver->twice++;
		return false;
	}
	driver->time_us[driver->times++] = now_us() - driver->asked_us[request];
	driver->open--;
	return true;
}

static void on_got(void *arg, uint64_t request, enum get_status status, const struct record *record)
{
	struct driver *driver = arg;

	if (!take_answer(driver, request))
		return;
	if (status == GET_RECORD && key_number(&record->key) == request) {
		driver->records++;
		driver->last = *record;
	} else {
		driver->misses++;
	}
	get_more(driver);
}

static void end_paging(struct driver *driver)
{
	driver->paging = false;
	printf("page records=%u different=%u pages=%u failed=%u us=%llu\n", driver->paged,
	       driver->different, driver->pages, driver->page_failures,
	       (unsigned long long)(now_us() - driver->start_us));
}

static void on_failed(void *arg, uint64_t request)
{
	struct driver *driver = arg;

	if (request == RECORDS_MAX) {
		driver->page_failures++;
		end_paging(driver);
	} else if (take_answer(driver, request)) {
		driver->failures++;
		get_more(driver);
	}
}

static void ask_page(struct driver *driver, uint64_t cursor)
{
	if (valkey_owner_page(driver->valkey, &driver->owner, cursor, RECORDS_MAX) != 0) {
		driver->page_failures++;
		end_paging(driver);
	}
}

static void on_page(void *arg, uint64_t request, const struct record *records, size_t count,
		    uint64_t cursor, bool more)
{
	struct driver *driver = arg;

	driver->pages++;
	driver->paged += (unsigned int)count;
	for (size_t i = 0; i < count; i++) {
		unsigned int number = key_number(&records[i].key);

		driver->different += driver->seen[number] == 0;
		driver->seen[number] = 1;
	}
	if (more)
		ask_page(driver, cursor);
	else
		end_paging(driver);
}

static void check_state(struct driver *driver)
{
	struct valkey_status status;

	valkey_status(driver->valkey, &status);
	if (driver->wait_state[0] == '\0' ||
	    strcmp(driver->wait_state, valkey_state_text(status.state)) != 0)
		return;
	printf("state %s %llu\n", driver->wait_state,
	       (unsigned long long)(now_us() - driver->start_us) / 1000);
	driver->wait_state[0] = '\0';
}

static void on_changed(void *arg, enum valkey_state state, bool records_lost)
{
	struct driver *driver = arg;

	driver->lost += records_lost;
	check_state(driver);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct driver *driver = arg;

	if (driver->storing)
		store_again(driver);
}

static void print_status(struct driver *driver)
{
	struct valkey_status status;

	valkey_status(driver->valkey, &status);
	printf("status state=%s cluster=%d served=%u nodes=%zu ready=%zu outstanding=%zu error=%s\n",
	       valkey_state_text(status.state), status.cluster, status.slots_served, status.nodes,
	       status.nodes_ready, status.outstanding, status.error);
}

static void print_nodes(struct driver *driver)
{
	static struct valkey_node_status nodes[VALKEY_NODES_MAX];
	size_t count = valkey_nodes(driver->valkey, nodes, VALKEY_NODES_MAX);

	printf("nodes");
	for (size_t i = 0; i < count; i++)
		printf(" %s/%u/%s/%s/%u", nodes[i].host, nodes[i].port,
		       valkey_role_text(nodes[i].role), valkey_node_state_text(nodes[i].state),
		       nodes[i].slots);
	printf("\n");
}

static void print_counter(struct driver *driver, const char *name)
{
	struct valkey_status status;
	const struct valkey_counters *counters;

	valkey_status(driver->valkey, &status);
	counters = status.counters;
#define COUNTER(field)                                                                             \
	if (strcmp(name, #field) == 0) {                                                           \
		printf("counter %llu\n", (unsigned long long)counters->field);                     \
		return;                                                                            \
	}
	COUNTER(commands)
	COUNTER(replies)
	COUNTER(moved)
	COUNTER(asked)
	COUNTER(try_again)
	COUNTER(scripts_loaded)
	COUNTER(replica_reads)
	COUNTER(connects)
	COUNTER(connect_failed)
	COUNTER(lost)
	COUNTER(timeouts)
	COUNTER(garbage)
	COUNTER(refused)
	COUNTER(full)
	COUNTER(overflow)
	COUNTER(topologies)
	COUNTER(node_limit)
#undef COUNTER
	printf("what? %s\n", name);
}

static void run_command(struct driver *driver, const char *line)
{
	char word[64] = "", name[64] = "";
	unsigned long long version = 0;

	sscanf(line, "%63s", word);
	driver->ahead = 1000;
	driver->tries = UINT32_MAX;
	if (sscanf(line, "put %u %u %63s %llu %u %u", &driver->first, &driver->count, name,
		   &version, &driver->ahead, &driver->tries) >= 4 &&
	    address_parse(name, &driver->owner) == 0) {
		driver->version = version;
		begin_storing(driver, false);
	} else if (sscanf(line, "delete %u %u %63s %llu %u %u", &driver->first, &driver->count,
			  name, &version, &driver->ahead, &driver->tries) >= 4 &&
		   address_parse(name, &driver->owner) == 0) {
		driver->version = version;
		begin_storing(driver, true);
	} else if (sscanf(line, "get %u %u %u", &driver->first, &driver->count, &driver->ahead) >=
		   2) {
		begin_getting(driver);
	} else if (sscanf(line, "page %63s", name) == 1 &&
		   address_parse(name, &driver->owner) == 0) {
		memset(driver->seen, 0, sizeof(driver->seen));
		driver->pages = driver->paged = driver->different = driver->page_failures = 0;
		driver->paging = true;
		driver->start_us = now_us();
		ask_page(driver, 0);
	} else if (sscanf(line, "wait %31s", driver->wait_state) == 1) {
		driver->start_us = now_us();
		check_state(driver);
	} else if (sscanf(line, "epoch %u", &driver->epoch) == 1) {
		printf("done\n");
	} else if (strcmp(word, "status") == 0) {
		print_status(driver);
	} else if (strcmp(word, "nodes") == 0) {
		print_nodes(driver);
	} else if (sscanf(line, "counter %63s", name) == 1) {
		print_counter(driver, name);
	} else if (strcmp(word, "lost") == 0) {
		printf("lost %u\n", driver->lost);
	} else if (strcmp(word, "quit") == 0) {
		event_base_loopbreak(driver->base);
	} else {
		printf("what? %s\n", line);
	}
}

static void on_input(struct bufferevent *input, void *arg)
{
	struct evbuffer *buffer = bufferevent_get_input(input);
	struct driver *driver = arg;
	char *line;

	while ((line = evbuffer_readln(buffer, NULL, EVBUFFER_EOL_LF)) != NULL) {
		run_command(driver, line);
		free(line);
	}
}

static void on_input_end(struct bufferevent *input, short what, void *arg)
{
	struct driver *driver = arg;

	event_base_loopbreak(driver->base);
}

/* NAME=VALUE; returns whether there is such an option. */
static bool take_option(struct valkey_options *options, const char *word)
{
	static const struct {
		const char *name;
		size_t offset, size;
	} texts[] = {
#define TEXT(name, field)                                                                          \
	{name, offsetof(struct valkey_options, field), sizeof(((struct valkey_options *)0)->field)}
		TEXT("user=", user),
		TEXT("password-file=", password_file),
		TEXT("ca-file=", ca_file),
		TEXT("certificate=", certificate_file),
		TEXT("key=", private_key_file),
		TEXT("server-name=", server_name),
		TEXT("prefix=", prefix),
#undef TEXT
	};

	if (strcmp(word, "tls") == 0) {
		options->tls = true;
		return true;
	}
	if (sscanf(word, "lifetime=%u", &options->record_lifetime_s) == 1)
		return true;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t length = strlen(texts[i].name);

		if (strncmp(word, texts[i].name, length) != 0)
			continue;
		snprintf((char *)options + texts[i].offset, texts[i].size, "%s", word + length);
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	const struct valkey_handlers handlers = {
		.stored = on_stored,
		.got = on_got,
		.failed = on_failed,
		.page = on_page,
		.changed = on_changed,
	};
	const struct timeval retry = {.tv_usec = RETRY_US};
	struct valkey_options options = {.record_lifetime_s = 600};
	struct driver *driver = calloc(1, sizeof(*driver));
	struct error error;

	for (int i = 3; i < argc; i++) {
		if (!take_option(&options, argv[i]))
			argc = 0;
	}
	if (argc < 3 || driver == NULL) {
		fprintf(stderr, "usage: valkey_driver HOST PORT [tls] [NAME=VALUE ...]\n");
		return 2;
	}
	snprintf(options.host, sizeof(options.host), "%s", argv[1]);
	options.port = (uint16_t)atoi(argv[2]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	driver->base = event_base_new();
	if (driver->base == NULL)
		return 1;
	if (valkey_open(driver->base, &options, &handlers, driver, &driver->valkey, &error) != 0) {
		printf("%s\n", error.text);
		event_base_free(driver->base);
		free(driver);
		return 1;
	}
	driver->input = bufferevent_socket_new(driver->base, 0, 0);
	driver->retry = event_new(driver->base, -1, EV_PERSIST, on_retry, driver);
	if (driver->input == NULL || driver->retry == NULL || event_add(driver->retry, &retry) != 0)
		return 1;
	evutil_make_socket_nonblocking(0);
	bufferevent_setcb(driver->input, on_input, NULL, on_input_end, driver);
	bufferevent_enable(driver->input, EV_READ);
	printf("ready\n");
	event_base_dispatch(driver->base);
	valkey_close(driver->valkey);
	event_del(driver->retry);
	bufferevent_free(driver->input);
	event_base_loop(driver->base, EVLOOP_NONBLOCK);
	event_base_loop(driver->base, EVLOOP_NONBLOCK);
	event_free(driver->retry);
	event_base_free(driver->base);
	free(driver->time_us);
	free(driver);
	return 0;
}
