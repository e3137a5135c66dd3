/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One member of the directory alone, driven through standard input, for topotests/directory. Each
 * command answers with one line. Runs one event loop; the kernel's part is played by a set of
 * flows.
 *
 *   hosts ADDRESS...      the reachable hosts
 *   members               "members" and, for each, address=state/epoch/records
 *   ring COUNT            waits until so many are in the ring
 *   publish|withdraw N [COUNT]   flows number N and on begin or end, in the kernel, too; "done"
 *   settle                waits until all is confirmed; "settled MS"
 *                         (both: "waited in vain" after 30 s)
 *   session N | unsession N      what this host's kernel knows (unsession: TIME_WAIT, if published)
 *   get N [COUNT [DEADLINE_MS [AHEAD]]]   "get found=.. absent=.. timed_out=.. messages=.. max=..
 *                         owner=.. us=.. p50=..us p99=..us"; AHEAD: how many are open at a time
 *   put N COUNT AHEAD     publishes, at most AHEAD not confirmed yet; "put us=.. p50=..us p99=..us"
 *   rate N COUNT PER_SECOND      publishes at that rate; "rate us=.."
 *   pace COUNT PER_SECOND        the same, but publishes nothing: what the pace costs by itself
 *   drop SEED COUNT       COUNT replicas of each record, chosen at random by SEED (all members
 *                         choose the same), are lost: this node drops those that are its own;
 *                         "dropped N"
 *   bulk ADDRESS          "bulk found=.. flows=.. pages=.. us=.."
 *   clock OFFSET_MS       this host's wall clock is so far ahead from now on; "done"
 *   warning               "warning TEXT", TEXT is what the operator would see, or none
 *   server                "server STATE asked=0|1 nodes=READY/ALL ERROR"
 *   refuse ADDRESS N, counter NAME, refused, ended, cpu, quit
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "fpmd/clock.h"
#include "fpmd/directory/onehop.h"
#include "fpmd/log.h"
#include "fpmd/loop.h"
#include "tests/wall_clock.h"

#define FLOWS_MAX (1u << 23)
#define GETS_AHEAD 64
#define WAIT_MAX_US 30000000

struct node {
	struct event_base *base;
	struct directory *directory;
	struct bufferevent *input;
	struct event *poll;
	uint8_t sessions[FLOWS_MAX / 8];
	unsigned int refused, ended;
	unsigned int wait_ring; /* 0: not waiting */
	bool wait_settled;
	uint64_t wait_since_us;

	unsigned int next, end, open, ahead, deadline_ms;
	uint64_t start_us;
	unsigned int answers[3];
	unsigned int messages, messages_max;
	unsigned int times;
	uint64_t *time_us;
	char owner[ADDRESS_TEXT_SIZE];
	bool owners_differ;

	struct in6_addr bulk_owner;
	unsigned int bulk_flows, bulk_pages;

	/* `put` and `rate` */
	unsigned int put_next, put_end, put_ahead, put_rate;
	bool put_dry; /* `pace` */
	uint64_t put_start_us, put_last_us;
	struct event *pace; /* every ms at a rate */
};

struct question {
	struct node *node;
	uint64_t start_us;
};

static struct flow flow_make(unsigned int number)
{
	struct flow flow = {.protocol = IPPROTO_TCP, .vip_port = 80};

	flow.client = address_from_ipv4(htonl(0xc6120000u | number >> 14));
	flow.vip = address_from_ipv4(htonl(0xc0000250u));
	flow.client_port = (uint16_t)(1024 + (number & 0x3fff));
	return flow;
}

static int has_session(void *arg, const struct flow *flow)
{
	const struct node *node = arg;
	unsigned int number = (ntohl(address_to_ipv4(&flow->client)) & 0xffff) << 14 |
			      (unsigned int)(flow->client_port - 1024);

	return number < FLOWS_MAX && node->sessions[number / 8] >> (number % 8) & 1;
}

static void on_refused(void *arg, const struct in6_addr *member, const struct flow *flow)
{
	struct node *node = arg;

	node->refused++;
}

static void on_ended(void *arg, const struct in6_addr *member, const struct flow *flow)
{
	struct node *node = arg;

	node->ended++;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void ask_more(struct node *node);

static void on_answer(void *arg, const struct directory_result *result)
{
	struct question *question = arg;
	struct node *node = question->node;
	char text[ADDRESS_TEXT_SIZE];

	node->time_us[node->times++] = clock_us() - question->start_us;
	node->answers[result->answer]++;
	node->messages += result->messages;
	if (result->messages > node->messages_max)
		node->messages_max = result->messages;
	if (result->answer == DIRECTORY_FOUND) {
		address_text(&result->owner, text);
		if (node->owner[0] != '\0' && strcmp(node->owner, text) != 0)
			node->owners_differ = true;
		memcpy(node->owner, text, sizeof(text));
	}
	free(question);
	node->open--;
	ask_more(node);
}

static void ask_more(struct node *node)
{
	while (node->next < node->end && node->open < node->ahead) {
		struct flow flow = flow_make(node->next);
		struct question *question = malloc(sizeof(*question));

		if (question == NULL)
			exit(1);
		question->node = node;
		question->start_us = clock_us();
		if (directory_get(node->directory, &flow, node->deadline_ms, on_answer, question) !=
		    0) {
			free(question);
			printf("overload\n");
			return;
		}
		node->next++;
		node->open++;
	}
	if (node->open > 0)
		return;
	qsort(node->time_us, node->times, sizeof(*node->time_us), compare_times);
	printf("get found=%u absent=%u timed_out=%u messages=%u max=%u owner=%s us=%llu p50=%lluus p99=%lluus\n",
	       node->answers[0], node->answers[1], node->answers[2], node->messages,
	       node->messages_max,
	       node->owners_differ ? "several"
	       : node->owner[0]	   ? node->owner
				   : "none",
	       (unsigned long long)(clock_us() - node->start_us),
	       (unsigned long long)node->time_us[node->times / 2],
	       (unsigned long long)node->time_us[(uint64_t)node->times * 99 / 100]);
	free(node->time_us);
	node->time_us = NULL;
}

static void begin_gets(struct node *node, unsigned int first, unsigned int count,
		       unsigned int deadline_ms, unsigned int ahead)
{
	memset(node->answers, 0, sizeof(node->answers));
	node->messages = node->messages_max = node->times = 0;
	node->owner[0] = '\0';
	node->owners_differ = false;
	node->next = first;
	node->end = first + count;
	node->deadline_ms = deadline_ms;
	node->ahead = ahead;
	node->start_us = clock_us();
	node->time_us = calloc(count, sizeof(*node->time_us));
	if (node->time_us == NULL)
		exit(1);
	ask_more(node);
}

static void on_page(void *arg, const struct directory_page *page);

static void bulk_page(struct node *node, uint64_t cursor)
{
	if (directory_bulk(node->directory, &node->bulk_owner, cursor, 1000, on_page, node) != 0)
		printf("overload\n");
}

static void on_page(void *arg, const struct directory_page *page)
{
	struct node *node = arg;

	node->bulk_flows += (unsigned int)page->count;
	node->bulk_pages++;
	if (page->cursor != 0)
		bulk_page(node, page->cursor);
	else
		printf("bulk found=%d flows=%u pages=%u us=%llu\n", page->answer == DIRECTORY_FOUND,
		       node->bulk_flows, node->bulk_pages,
		       (unsigned long long)(clock_us() - node->wait_since_us));
}

static uint64_t counter(struct node *node, const char *name)
{
	struct directory_counter all[128];
	size_t count = directory_counters(node->directory, all, 128);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(all[i].name, name) == 0)
			return all[i].value;
	}
	return UINT64_MAX;
}

/* With *rate* (a second) or as soon as at most *ahead* are not confirmed. */
static void begin_puts(struct node *node, unsigned int first, unsigned int count,
		       unsigned int ahead, unsigned int rate)
{
	static const struct timeval millisecond = {.tv_usec = 1000};

	node->put_next = first;
	node->put_end = first + count;
	node->put_ahead = ahead;
	node->put_rate = rate;
	node->put_dry = false;
	node->put_start_us = node->put_last_us = clock_us();
	node->times = 0;
	node->time_us = calloc(count, sizeof(*node->time_us));
	if (node->time_us == NULL || (rate > 0 && event_add(node->pace, &millisecond) != 0))
		exit(1);
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
}

static void know(struct node *node, unsigned int number, bool known)
{
	uint8_t bit = (uint8_t)(1u << number % 8);

	if (known)
		node->sessions[number % FLOWS_MAX / 8] |= bit;
	else
		node->sessions[number % FLOWS_MAX / 8] &= (uint8_t)~bit;
}

/* What is published is in the kernel, too. */
static void publish(struct node *node, unsigned int number)
{
	struct flow flow = flow_make(number);

	know(node, number, true);
	directory_publish(node->directory, &flow);
}

static void put_one(struct node *node)
{
	if (!node->put_dry)
		publish(node, node->put_next);
	node->put_next++;
}

static void end_puts(struct node *node)
{
	unsigned long long us = clock_us() - node->put_start_us;

	qsort(node->time_us, node->times, sizeof(*node->time_us), compare_times);
	if (node->put_rate > 0)
		printf("rate us=%llu\n", us);
	else
		printf("put us=%llu p50=%lluus p99=%lluus\n", us,
		       (unsigned long long)node->time_us[node->times / 2],
		       (unsigned long long)node->time_us[(uint64_t)node->times * 99 / 100]);
	free(node->time_us);
	node->time_us = NULL;
	node->put_end = 0;
	event_del(node->pace);
}

/* After each turn of the loop. */
static void go_on_putting(struct node *node)
{
	uint64_t waiting, now;

	if (node->put_end == 0)
		return;
	now = clock_us();
	if (node->put_rate > 0) {
		uint64_t due = (now - node->put_start_us) * node->put_rate / 1000000;

		while (node->put_next < node->put_end && node->times < due) {
			put_one(node);
			node->times++;
		}
		if (node->put_next == node->put_end)
			end_puts(node);
		return;
	}
	waiting = counter(node, "publish-waiting");
	if (waiting == 0 && node->put_ahead == 1 && node->put_last_us != node->put_start_us)
		node->time_us[node->times++] = now - node->put_last_us;
	if (node->put_next == node->put_end) {
		if (waiting == 0)
			end_puts(node);
		return;
	}
	if (waiting < node->put_ahead)
		node->put_last_us = clock_us();
	for (; waiting < node->put_ahead && node->put_next < node->put_end; waiting++)
		put_one(node);
}

static void print_members(struct node *node)
{
	static const char *const states[] = {"routed", "in-ring", "silent"};
	struct directory_member members[128];
	size_t count = directory_members(node->directory, members, 128);
	char text[ADDRESS_TEXT_SIZE];

	printf("members");
	for (size_t i = 0; i < count; i++)
		printf(" %s=%s/%llu/%llu", address_text(&members[i].address, text),
		       states[members[i].state], (unsigned long long)members[i].epoch,
		       (unsigned long long)members[i].records);
	printf("\n");
}

struct losses {
	const struct ring *ring;
	uint32_t seed, count;
};

static bool is_kept(void *arg, const struct record_key *key)
{
	const struct losses *losses = arg;
	const uint16_t *holder = losses->ring->holder[ring_bucket(key)];
	uint32_t random, replicas = losses->ring->replicas;

	/* The store and the ring go by the other bytes. */
	memcpy(&random, key->bytes + 12, sizeof(random));
	random = (random ^ losses->seed) * UINT32_C(2654435761) >> 16;
	for (uint32_t place = 0; place < replicas; place++) {
		if (holder[place] == MEMBER_LOCAL)
			return (place + random) % replicas >= losses->count;
	}
	return true;
}

static void set_hosts(struct node *node, char *words)
{
	struct in6_addr hosts[128];
	size_t count = 0;
	char *save = NULL;

	for (char *word = strtok_r(words, " ", &save); word != NULL && count < 128;
	     word = strtok_r(NULL, " ", &save)) {
		if (address_parse(word, &hosts[count]) == 0)
			count++;
	}
	directory_reachable_set(node->directory, hosts, count);
	printf("done\n");
}

static void run_command(struct node *node, char *line)
{
	unsigned int number = 0, count = 1, deadline_ms = 1000, ahead = GETS_AHEAD, rate = 0;
	char word[64] = "", name[64] = "";
	struct in6_addr address;
	struct error warning;
	struct rusage usage;
	long long offset_ms;
	struct flow flow;

	sscanf(line, "%63s", word);
	if (strcmp(word, "hosts") == 0) {
		set_hosts(node, line + 5);
	} else if (strcmp(word, "members") == 0) {
		print_members(node);
	} else if (sscanf(line, "ring %u", &node->wait_ring) == 1 || strcmp(word, "settle") == 0) {
		node->wait_settled = strcmp(word, "settle") == 0;
		node->wait_since_us = clock_us();
		event_active(node->poll, EV_TIMEOUT, 1);
	} else if (sscanf(line, "publish %u %u", &number, &count) >= 1) {
		for (unsigned int i = number; i < number + count; i++) {
			publish(node, i);
		}
		printf("done\n");
	} else if (sscanf(line, "withdraw %u %u", &number, &count) >= 1) {
		for (unsigned int i = number; i < number + count; i++) {
			know(node, i, false);
			flow = flow_make(i);
			directory_withdraw(node->directory, &flow);
		}
		printf("done\n");
	} else if (sscanf(line, "session %u", &number) == 1) {
		know(node, number, true);
		printf("done\n");
	} else if (sscanf(line, "unsession %u", &number) == 1) {
		know(node, number, false);
		printf("done\n");
	} else if (sscanf(line, "get %u %u %u %u", &number, &count, &deadline_ms, &ahead) >= 1) {
		begin_gets(node, number, count, deadline_ms, ahead);
	} else if (sscanf(line, "put %u %u %u", &number, &count, &ahead) == 3) {
		begin_puts(node, number, count, ahead, 0);
	} else if (sscanf(line, "rate %u %u %u", &number, &count, &rate) == 3 && rate > 0) {
		begin_puts(node, number, count, 0, rate);
	} else if (sscanf(line, "pace %u %u", &count, &rate) == 2 && rate > 0) {
		begin_puts(node, 0, count, 0, rate);
		node->put_dry = true;
	} else if (sscanf(line, "bulk %63s", name) == 1 && address_parse(name, &address) == 0) {
		node->bulk_flows = node->bulk_pages = 0;
		node->bulk_owner = address;
		node->wait_since_us = clock_us();
		bulk_page(node, 0);
	} else if (sscanf(line, "drop %u %u", &number, &count) == 2) {
		struct losses losses = {&node->directory->ring, number, count};

		printf("dropped %zu\n", store_sweep(node->directory->store, is_kept, &losses,
						    node->directory->options.records_max));
	} else if (sscanf(line, "refuse %63s %u", name, &number) == 2 &&
		   address_parse(name, &address) == 0) {
		flow = flow_make(number);
		directory_refuse(node->directory, &address, &flow);
		printf("done\n");
	} else if (sscanf(line, "counter %63s", name) == 1) {
		printf("counter %llu\n", (unsigned long long)counter(node, name));
	} else if (sscanf(line, "clock %lld", &offset_ms) == 1) {
		wall_clock_offset_s = (time_t)(offset_ms / 1000);
		printf("done\n");
	} else if (strcmp(word, "warning") == 0) {
		printf("warning %s\n",
		       directory_warning(node->directory, &warning) ? warning.text : "none");
	} else if (strcmp(word, "server") == 0) {
		struct directory_server server;

		if (directory_server(node->directory, &server))
			printf("server %s asked=%d nodes=%zu/%zu %s\n", server.state, server.asked,
			       server.nodes_ready, server.nodes, server.error);
		else
			printf("server none\n");
	} else if (strcmp(word, "refused") == 0) {
		printf("refused %u\n", node->refused);
	} else if (strcmp(word, "ended") == 0) {
		printf("ended %u\n", node->ended);
	} else if (strcmp(word, "cpu") == 0 && getrusage(RUSAGE_SELF, &usage) == 0) {
		printf("cpu %llu\n",
		       (unsigned long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
				       1000000 +
			       (unsigned long long)(usage.ru_utime.tv_usec +
						    usage.ru_stime.tv_usec));
	} else if (strcmp(word, "quit") == 0) {
		event_base_loopbreak(node->base);
	} else {
		printf("what? %s\n", line);
	}
}

static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct timeval pause = {.tv_usec = 2000};
	struct node *node = arg;
	struct directory_member members[128];
	size_t count, in_ring = 0;

	if (node->wait_settled) {
		if (counter(node, "publish-waiting") == 0) {
			node->wait_settled = false;
			printf("settled %llu\n",
			       (unsigned long long)(clock_us() - node->wait_since_us) / 1000);
			return;
		}
	} else {
		count = directory_members(node->directory, members, 128);
		for (size_t i = 0; i < count; i++)
			in_ring += members[i].state != MEMBER_ROUTED;
		if (in_ring == node->wait_ring) {
			printf("ring %llu\n",
			       (unsigned long long)(clock_us() - node->wait_since_us) / 1000);
			return;
		}
	}
	if (clock_us() > node->wait_since_us + WAIT_MAX_US) {
		node->wait_settled = false;
		printf("waited in vain\n");
		return;
	}
	event_add(node->poll, &pause);
}

static void on_input(struct bufferevent *input, void *arg)
{
	struct evbuffer *buffer = bufferevent_get_input(input);
	struct node *node = arg;
	char *line;

	while ((line = evbuffer_readln(buffer, NULL, EVBUFFER_EOL_LF)) != NULL) {
		run_command(node, line);
		free(line);
	}
}

static void on_input_end(struct bufferevent *input, short what, void *arg)
{
	struct node *node = arg;

	event_base_loopbreak(node->base);
}

int main(int argc, char **argv)
{
	const struct directory_handlers handlers = {
		.refused = on_refused,
		.ended = on_ended,
		.has_session = has_session,
	};
	struct directory_options options = {
		.port = 7939,
		.replicas = 3,
		.ring_members = 48,
		.record_lifetime_s = 600,
		.records_max = 1000000,
	};
	static struct node node;
	struct error error;

	engine_valkey_init(&options.valkey);
	if ((argc < 3 || argc > 5) && argc != 7) {
		fprintf(stderr, "usage: directory_node ADDRESS KEY-FILE [RECORD-LIFETIME-SECONDS "
				"[CLOCK-OFFSET-MS [VALKEY-HOST PORT]]]\n");
		return 2;
	}
	if (address_parse(argv[1], &options.local) != 0)
		return 2;
	if (argc > 6) {
		snprintf(options.valkey.host, sizeof(options.valkey.host), "%s", argv[5]);
		options.valkey.port = (uint16_t)atoi(argv[6]);
	}
	if (argc > 4)
		wall_clock_offset_s = (time_t)(atoll(argv[4]) / 1000);
	if (argc > 3)
		options.record_lifetime_s = (uint32_t)atoi(argv[3]);
	snprintf(options.key_file, sizeof(options.key_file), "%s", argv[2]);
	log_open(true);
	setvbuf(stdout, NULL, _IOLBF, 0);
	node.base = loop_new();
	if (node.base == NULL)
		return 1;
	if (directory_open(node.base, &options, &handlers, &node, &node.directory, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	node.poll = evtimer_new(node.base, on_poll, &node);
	node.input = bufferevent_socket_new(node.base, 0, 0);
	node.pace = event_new(node.base, -1, EV_PERSIST, on_pace, &node);
	if (node.poll == NULL || node.input == NULL || node.pace == NULL)
		return 1;
	evutil_make_socket_nonblocking(0);
	bufferevent_setcb(node.input, on_input, NULL, on_input_end, &node);
	bufferevent_enable(node.input, EV_READ);
	printf("ready\n");
	while (!event_base_got_break(node.base)) {
		event_base_loop(node.base, EVLOOP_ONCE);
		go_on_putting(&node);
	}
	event_free(node.pace);
	bufferevent_free(node.input);
	event_free(node.poll);
	directory_close(node.directory);
	event_base_free(node.base);
	return 0;
}
