// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the recorder's BPF programs, their maps and what fpmd is told of flows. Runs on fpmd's event
 * loop. Invariant: fpmd never writes a record, only what tells the programs how to.
 */
#include "fpmd/kernel/recorder.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "fpmd/kernel/bpf_program.h"
#include "fpmd/kernel/layout.h"
#include "fpmd/kernel/recorder.skel.h"
#include "fpmd/kernel/recorder_hooks.h"
#include "fpmd/kernel/recorder_maps.h"
#include "fpmd/kernel/recorder_shared.h"

_Static_assert(PATHS_MAX == KERNEL_PATH_MAX + 1, "an id is an index");
_Static_assert(KERNEL_FLOW_TIME_MS == (1 << RECORDER_TIME_SHIFT) / 1000000 + 1, "rounded up");
_Static_assert(sizeof(struct bpf_address) == sizeof(struct in6_addr), "keys are in6_addr");

/* The maps that outlive fpmd. */
enum { ROUTED, FLOWS, PROBATION, PATHS, NEIGHBOURS, REGISTRY, KEPT };
enum { RECORDS_FLOWS, RECORDS_PROBATION, RECORDS };

#define SWEEP_PIECE 4000 /* records, in one call: about 1 ms */
#define REFRESHES_PER_LIFETIME 16

struct routed {
	struct in6_addr vip;
	uint32_t number;
};

struct recorder {
	struct recorder_bpf *programs;
	struct recorder_hooks hooks;
	int directory;
	int registry; /* struct kernel_path by id, 0 in those that are not used */
	struct bpf_link *sweep[RECORDS], *list[RECORDS];
	struct routed *routed; /* by number */
	size_t routed_count;
	struct bpf_ring ring;
	recorder_flow_fn *flow;
	void (*lost)(void *arg);
	void *arg;
	uint64_t events;

	/* The sweep that runs. */
	int sweeping; /* what is read, -1: none runs */
	size_t swept; /* maps */
	struct kernel_path_flows counts[PATHS_MAX];
};

static const char *const kept_names[KEPT] = {
	[ROUTED] = "routed", [FLOWS] = "flows",		  [PROBATION] = "probation",
	[PATHS] = "paths",   [NEIGHBOURS] = "neighbours", [REGISTRY] = "registry",
};

/* All seconds of the configuration are rounded up. */
static uint32_t time_units(uint64_t seconds)
{
	return (uint32_t)((seconds * 1000000000 + (1 << RECORDER_TIME_SHIFT) - 1) >>
			  RECORDER_TIME_SHIFT);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void set_options(struct recorder *recorder, const struct kernel_options *options)
{
	recorder->programs->rodata->owner_mask = options->mark_owner_mask;
	recorder->programs->rodata->stray_bit = options->mark_stray_bit;
	recorder->programs->rodata->tunnel_bit = options->mark_tunnel_bit;
	recorder->programs->rodata->path_mask = options->mark_path_mask;
	recorder->programs->rodata->path_shift = (uint32_t)ffs((int)options->mark_path_mask) - 1;
	recorder->programs->rodata->fast_path = options->flows_fast_path;
	recorder->programs->rodata->table_base = LAYOUT_TABLE_PATH_BASE;
	recorder->programs->rodata->lifetime = time_units(options->flow_lifetime_s);
	recorder->programs->rodata->refresh =
		time_units(options->flow_lifetime_s) / REFRESHES_PER_LIFETIME;
	recorder->programs->rodata->lifetime_closing =
		time_units(smaller(options->flow_lifetime_s, RECORDER_CLOSING_S));
	recorder->programs->rodata->lifetime_probation =
		time_units(smaller(options->flow_lifetime_s, RECORDER_PROBATION_S));
}

/* Gives *map* what an earlier fpmd left, or a new one that outlives us. */
static int keep_map(struct recorder *recorder, struct bpf_map *map, const char *name,
		    struct error *warning, struct error *error)
{
	struct recorder_map_shape shape = {
		.name = name,
		.type = bpf_map__type(map),
		.key_size = bpf_map__key_size(map),
		.value_size = bpf_map__value_size(map),
		.max_entries = bpf_map__max_entries(map),
		.flags = bpf_map__map_flags(map),
	};
	int kept = recorder_map_take(recorder->directory, &shape, warning, error);
	int status;

	if (kept < 0)
		return -1;
	status = bpf_map__reuse_fd(map, kept);
	close(kept);
	return status < 0 ? bpf_program_error(status, "BPF recorder", error) : 0;
}

static int keep_maps(struct recorder *recorder, struct error *warning, struct error *error)
{
	struct bpf_map *const maps[] = {
		[ROUTED] = recorder->programs->maps.routed,
		[FLOWS] = recorder->programs->maps.flows,
		[PROBATION] = recorder->programs->maps.probation,
		[PATHS] = recorder->programs->maps.paths,
		[NEIGHBOURS] = recorder->programs->maps.neighbours,
	};
	const struct recorder_map_shape registry = {
		.name = kept_names[REGISTRY],
		.type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(struct kernel_path),
		.max_entries = PATHS_MAX,
	};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (keep_map(recorder, maps[i], kept_names[i], warning, error) < 0)
			return -1;
	recorder->registry = recorder_map_take(recorder->directory, &registry, warning, error);
	return recorder->registry < 0 ? -1 : 0;
}

/* A program that runs over all elements of *map* whenever it is read. */
static struct bpf_link *iterate(const struct bpf_program *program, const struct bpf_map *map)
{
	union bpf_iter_link_info info = {.map = {.map_fd = (uint32_t)bpf_map__fd(map)}};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
		    .link_info_len = sizeof(info));

	return bpf_program__attach_iter(program, &options);
}

static int load(struct recorder *recorder, const struct kernel_options *options,
		struct error *warning, struct error *error)
{
	const struct bpf_map *maps[RECORDS];
	int status;

	bpf_program_prepare();
	recorder->programs = recorder_bpf__open();
	if (!recorder->programs)
		return bpf_program_error(-errno, "BPF recorder", error);
	set_options(recorder, options);
	bpf_map__set_max_entries(recorder->programs->maps.flows, options->flows_max);
	if (keep_maps(recorder, warning, error) < 0)
		return -1;
	status = recorder_bpf__load(recorder->programs);
	if (status < 0)
		return bpf_program_error(status, "BPF recorder", error);
	maps[RECORDS_FLOWS] = recorder->programs->maps.flows;
	maps[RECORDS_PROBATION] = recorder->programs->maps.probation;
	for (size_t i = 0; i < RECORDS; i++) {
		recorder->sweep[i] = iterate(recorder->programs->progs.sweep, maps[i]);
		recorder->list[i] = iterate(recorder->programs->progs.list, maps[i]);
		if (!recorder->sweep[i] || !recorder->list[i])
			return bpf_program_error(-errno, "BPF iterator", error);
	}
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct routed *left = a, *right = b;

	return (left->number > right->number) - (left->number < right->number);
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

/* Which VIPs an earlier fpmd left. */
static int learn_routed(struct recorder *recorder, struct error *error)
{
	int map = bpf_map__fd(recorder->programs->maps.routed);
	struct routed *next = &recorder->routed[0];
	const void *key = NULL;

	while (recorder->routed_count < VIPS_MAX &&
	       bpf_map_get_next_key(map, key, &next->vip) == 0) {
		if (bpf_map_lookup_elem(map, &next->vip, &next->number) < 0)
			return error_set(error, "routed VIPs: BPF map: %s", strerror(errno));
		key = &next->vip;
		recorder->routed_count++;
		next++;
	}
	qsort(recorder->routed, recorder->routed_count, sizeof(*recorder->routed), compare_numbers);
	return 0;
}

int recorder_open(const struct kernel_options *options, struct rtnl *rtnl,
		  struct recorder **recorder, struct error *warning, struct error *error)
{
	struct recorder *opened;

	warning->text[0] = '\0';
	if (!options->mark_path_mask || !options->flows_max || !options->flow_lifetime_s)
		return error_set(error, "recorder: no bits of the mark for paths, or no room for "
					"flows");
	opened = calloc(1, sizeof(*opened));
	if (opened)
		opened->routed = calloc(VIPS_MAX, sizeof(*opened->routed));
	if (!opened || !opened->routed) {
		free(opened);
		return error_set(error, "recorder: out of memory");
	}
	opened->registry = -1;
	opened->sweeping = -1;
	opened->directory = -1;
	if (options->bpf_directory < 0)
		error_set(warning, "what is recorded of flows is lost whenever fpmd restarts: it "
				   "has no directory on a bpffs");
	else if ((opened->directory = fcntl(options->bpf_directory, F_DUPFD_CLOEXEC, 0)) < 0)
		error_set(warning, "what is recorded of flows is lost whenever fpmd restarts: %s",
			  strerror(errno));
	if (load(opened, options, warning, error) < 0 || learn_routed(opened, error) < 0) {
		recorder_close(opened);
		return -1;
	}
	recorder_hooks_open(&opened->hooks, rtnl, opened->directory,
			    opened->programs->progs.record_ingress,
			    opened->programs->progs.record_egress);
	*recorder = opened;
	return 0;
}

void recorder_close(struct recorder *recorder)
{
	if (!recorder)
		return;
	bpf_ring_stop(&recorder->ring);
	recorder_hooks_close(&recorder->hooks);
	if (recorder->sweeping >= 0)
		close(recorder->sweeping);
	for (size_t i = 0; i < RECORDS; i++) {
		bpf_link__destroy(recorder->sweep[i]);
		bpf_link__destroy(recorder->list[i]);
	}
	recorder_bpf__destroy(recorder->programs);
	if (recorder->registry >= 0)
		close(recorder->registry);
	if (recorder->directory >= 0)
		close(recorder->directory);
	free(recorder->routed);
	free(recorder);
}

void recorder_forget(struct recorder *recorder)
{
	for (size_t i = 0; i < KEPT; i++)
		recorder_name_forget(recorder->directory, kept_names[i]);
	recorder_hooks_forget(&recorder->hooks);
}

/* Never one of another VIP, of now or of before: records may still bear that. */
static int new_number(const struct recorder *recorder, uint32_t *number)
{
	struct routed wanted;

	do {
		if (getrandom(&wanted.number, sizeof(wanted.number), 0) != sizeof(wanted.number))
			return -1;
	} while (bsearch(&wanted, recorder->routed, recorder->routed_count, sizeof(wanted),
			 compare_numbers));
	*number = wanted.number;
	return 0;
}

static int add_routed(struct recorder *recorder, const struct in6_addr *vip, struct error *error)
{
	int map = bpf_map__fd(recorder->programs->maps.routed);
	struct routed routed = {.vip = *vip};
	int status;

	if (bpf_map_lookup_elem(map, vip, &routed.number) == 0)
		return 0;
	if (new_number(recorder, &routed.number) < 0)
		return error_set(error, "routed VIPs: no random number: %s", strerror(errno));
	status = bpf_map_update_elem(map, vip, &routed.number, BPF_ANY);
	if (status < 0)
		return error_set(error, "routed VIPs: BPF map: %s", strerror(-status));
	recorder->routed[recorder->routed_count++] = routed;
	qsort(recorder->routed, recorder->routed_count, sizeof(routed), compare_numbers);
	return 0;
}

int recorder_vips_set(struct recorder *recorder, const struct in6_addr *vips, size_t count,
		      struct error *error)
{
	int map = bpf_map__fd(recorder->programs->maps.routed);
	struct in6_addr *sorted;
	size_t kept = 0;
	int result = 0;

	if (count > VIPS_MAX)
		return error_set(error, "routed VIPs: %zu, but %d at most", count, VIPS_MAX);
	sorted = calloc(count + 1, sizeof(*sorted));
	if (!sorted)
		return error_set(error, "routed VIPs: out of memory");
	if (count)
		memcpy(sorted, vips, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_addresses);
	for (size_t i = 0; i < recorder->routed_count; i++) {
		struct routed *routed = &recorder->routed[i];

		if (bsearch(&routed->vip, sorted, count, sizeof(*sorted), compare_addresses))
			recorder->routed[kept++] = *routed;
		else
			bpf_map_delete_elem(map, &routed->vip);
	}
	recorder->routed_count = kept;
	for (size_t i = 0; i < count && result == 0; i++)
		result = add_routed(recorder, &sorted[i], error);
	free(sorted);
	return result;
}

static int path_error(int status, unsigned int id, struct error *error)
{
	return error_set(error, "path %u: BPF map: %s", id, strerror(-status));
}

int recorder_path_set(struct recorder *recorder, const struct kernel_path *path,
		      struct error *error)
{
	int map = bpf_map__fd(recorder->programs->maps.paths);
	struct path_state state, old;
	uint32_t id = path->id;
	int status;

	if (!id || id > KERNEL_PATH_MAX)
		return error_set(error, "path %u: ids are 1 to %d", id, KERNEL_PATH_MAX);
	status = bpf_map_lookup_elem(map, &id, &old);
	if (status < 0)
		return path_error(status, id, error);
	state = old;
	state.flags = PATH_USED;
	state.flags |= path->shared ? PATH_SHARED : 0;
	state.flags |= path->offered ? PATH_OFFERED : 0;
	state.flags |= path->up ? PATH_UP : 0;
	status = bpf_map_update_elem(recorder->registry, &id, path, BPF_ANY);
	if (status == 0 && state.flags != old.flags)
		status = bpf_map_update_elem(map, &id, &state, BPF_ANY);
	return status < 0 ? path_error(status, id, error) : 0;
}

int recorder_path_remove(struct recorder *recorder, uint16_t id, struct error *error)
{
	static const struct kernel_path none;
	int map = bpf_map__fd(recorder->programs->maps.paths);
	struct path_state state;
	uint32_t key = id;
	int status;

	if (!key || key > KERNEL_PATH_MAX)
		return 0;
	status = bpf_map_lookup_elem(map, &key, &state);
	if (status == 0 && (state.flags & PATH_USED)) {
		state.generation++;
		state.flags = 0;
		status = bpf_map_update_elem(map, &key, &state, BPF_ANY);
	}
	if (status == 0)
		status = bpf_map_update_elem(recorder->registry, &key, &none, BPF_ANY);
	return status < 0 ? path_error(status, key, error) : 0;
}

int recorder_paths_each(struct recorder *recorder, kernel_path_fn *fn, void *arg,
			struct error *error)
{
	struct kernel_path path;
	int status;

	for (uint32_t id = 1; id < PATHS_MAX; id++) {
		status = bpf_map_lookup_elem(recorder->registry, &id, &path);
		if (status < 0)
			return path_error(status, id, error);
		if (path.id == id)
			fn(arg, &path);
	}
	return 0;
}

static int neighbour_error(int status, struct error *error)
{
	if (status == -E2BIG)
		return error_set(error, "neighbours of paths: too many of them");
	return error_set(error, "neighbours of paths: BPF map: %s", strerror(-status));
}

int recorder_neighbour_set(struct recorder *recorder, int family, int device,
			   const uint8_t address[RECORDER_LINK_ADDRESS_SIZE], uint16_t id,
			   struct error *error)
{
	int map = bpf_map__fd(recorder->programs->maps.neighbours);
	struct neighbour_key key = {.device = (uint32_t)device};
	uint32_t value = id;
	int status;

	if (id) {
		status = bpf_map_update_elem(map, &key, &value, BPF_ANY);
		if (status < 0)
			return neighbour_error(status, error);
	}
	key.family = (uint16_t)family;
	memcpy(key.address, address, sizeof(key.address));
	status = id ? bpf_map_update_elem(map, &key, &value, BPF_ANY)
		    : bpf_map_delete_elem(map, &key);
	return status < 0 && status != -ENOENT ? neighbour_error(status, error) : 0;
}

int recorder_neighbours_keep(struct recorder *recorder, recorder_neighbour_fn *keep, void *arg,
			     struct error *error)
{
	int map = bpf_map__fd(recorder->programs->maps.neighbours);
	struct neighbour_key key, next;
	bool more = bpf_map_get_next_key(map, NULL, &next) == 0;

	while (more) {
		int status;

		key = next;
		more = bpf_map_get_next_key(map, &key, &next) == 0;
		if (keep && keep(arg, key.family, (int)key.device, key.address))
			continue;
		status = bpf_map_delete_elem(map, &key);
		if (status < 0 && status != -ENOENT)
			return neighbour_error(status, error);
	}
	return 0;
}

int recorder_attach(struct recorder *recorder, int device, struct error *error)
{
	return recorder_hooks_attach(&recorder->hooks, device, error);
}

void recorder_detach(struct recorder *recorder, int device)
{
	recorder_hooks_detach(&recorder->hooks, device);
}

void recorder_device_gone(struct recorder *recorder, int device)
{
	struct neighbour_key key = {.device = (uint32_t)device};

	recorder_detach(recorder, device);
	bpf_map_delete_elem(bpf_map__fd(recorder->programs->maps.neighbours), &key);
}

/* False: of a VIP that is not routed any more. */
static bool set_flow(const struct recorder *recorder, const struct flow_key *key, struct flow *flow)
{
	struct routed wanted = {.number = key->vip};
	const struct routed *routed = bsearch(&wanted, recorder->routed, recorder->routed_count,
					      sizeof(wanted), compare_numbers);

	if (!routed)
		return false;
	memset(flow, 0, sizeof(*flow));
	memcpy(&flow->client, &key->client, sizeof(flow->client));
	flow->vip = routed->vip;
	flow->client_port = ntohs(key->client_port);
	flow->vip_port = ntohs(key->vip_port);
	flow->protocol = IPPROTO_TCP;
	return true;
}

static int take_event(void *arg, void *data, size_t size)
{
	static const enum kernel_flow_event types[] = {
		[RECORDER_EVENT_BEGAN] = KERNEL_FLOW_BEGAN,
		[RECORDER_EVENT_ADOPTED] = KERNEL_FLOW_ADOPTED,
		[RECORDER_EVENT_ENDED] = KERNEL_FLOW_ENDED,
	};
	struct recorder *recorder = arg;
	struct recorder_event event;
	struct flow flow;

	if (size < sizeof(event))
		return 0;
	memcpy(&event, data, sizeof(event));
	recorder->events++;
	if (set_flow(recorder, &event.flow, &flow))
		recorder->flow(recorder->arg, &flow, (uint16_t)event.path, types[event.type]);
	return 0;
}

static void tell_lost(void *arg)
{
	struct recorder *recorder = arg;

	recorder->lost(recorder->arg);
}

int recorder_start(struct recorder *recorder, struct event_base *base, recorder_flow_fn *flow,
		   void (*lost)(void *arg), void *arg, struct error *error)
{
	int status;

	recorder->flow = flow;
	recorder->lost = lost;
	recorder->arg = arg;
	status = bpf_ring_start(&recorder->ring, base, recorder->programs->maps.events,
				&recorder->programs->bss->lost, take_event, tell_lost, recorder);
	return status < 0 ? error_set(error, "BPF recorder: ring buffer: %s", strerror(-status))
			  : 0;
}

static int iterator_error(int status, struct error *error)
{
	return error_set(error, "BPF iterator: %s", strerror(-status));
}

/*
 * The next whole items of *size* bytes that an iterator says. Returns how many bytes, 0 at the end,
 * or a negative errno.
 */
static ssize_t read_iterator(int iterator, char *buffer, size_t size)
{
	ssize_t length;

	do
		length = read(iterator, buffer, size);
	while (length < 0 && (errno == EAGAIN || errno == EINTR));
	return length < 0 ? -errno : length;
}

/* Its number in keys; NULL: it is not routed. */
static const uint32_t *number_of(const struct recorder *recorder, const struct in6_addr *vip)
{
	for (size_t i = 0; i < recorder->routed_count; i++)
		if (address_equal(&recorder->routed[i].vip, vip))
			return &recorder->routed[i].number;
	return NULL;
}

/* As the programs see it. */
static bool is_void(const struct recorder *recorder, const struct flow_record *record, uint32_t now)
{
	const struct recorder_bpf__rodata *times = recorder->programs->rodata;
	const struct record_lifetimes lifetimes = {times->lifetime + times->refresh,
						   times->lifetime_closing,
						   times->lifetime_probation};
	int map = bpf_map__fd(recorder->programs->maps.paths);
	uint32_t id = PATH_ID(record->path);
	struct path_state state;

	return bpf_map_lookup_elem(map, &id, &state) < 0 || !(state.flags & PATH_USED) ||
	       record->path != PATH_WORD(id, state.generation) ||
	       record_is_over(record, now, &lifetimes);
}

int recorder_find(struct recorder *recorder, const struct flow *flow,
		  struct kernel_flow_record *out, struct error *error)
{
	const uint32_t *number = number_of(recorder, &flow->vip);
	struct flow_key key = {.client_port = htons(flow->client_port),
			       .vip_port = htons(flow->vip_port)};
	struct flow_record record;
	struct timespec time;
	uint32_t now;
	int status;

	if (!number)
		return 0;
	key.vip = *number;
	memcpy(&key.client, &flow->client, sizeof(key.client));
	status = bpf_map_lookup_elem(bpf_map__fd(recorder->programs->maps.flows), &key, &record);
	if (status == -ENOENT)
		status = bpf_map_lookup_elem(bpf_map__fd(recorder->programs->maps.probation), &key,
					     &record);
	if (status == -ENOENT)
		return 0;
	if (status < 0)
		return error_set(error, "records of flows: BPF map: %s", strerror(-status));
	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (uint32_t)(((uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec) >>
			 RECORDER_TIME_SHIFT);
	if (is_void(recorder, &record, now))
		return 0;
	*out = (struct kernel_flow_record){
		.path = PATH_ID(record.path),
		.probation = record.flags & RECORD_PROBATION,
		.closing = record.flags & RECORD_CLOSING,
	};
	if ((int32_t)(now - record.seen) > 0)
		out->seen_ms_ago = ((uint64_t)(now - record.seen) << RECORDER_TIME_SHIFT) / 1000000;
	return 1;
}

struct listing {
	const struct recorder *recorder;
	uint16_t path;
	kernel_flow_fn *fn;
	void *arg;
};

static void list_one(const struct listing *listing, const struct recorder_event *event)
{
	struct flow flow;

	if (listing->path && event->path != listing->path)
		return;
	if (set_flow(listing->recorder, &event->flow, &flow))
		listing->fn(listing->arg, &flow, (uint16_t)event->path);
}

int recorder_each(struct recorder *recorder, uint16_t path, kernel_flow_fn *fn, void *arg,
		  struct error *error)
{
	const struct listing listing = {recorder, path, fn, arg};
	struct recorder_event events[400];
	ssize_t length = 0;

	for (size_t i = 0; i < RECORDS && length >= 0; i++) {
		int iterator = bpf_iter_create(bpf_link__fd(recorder->list[i]));

		if (iterator < 0)
			return iterator_error(iterator, error);
		while ((length = read_iterator(iterator, (char *)events, sizeof(events))) > 0)
			for (size_t k = 0; k < (size_t)length / sizeof(events[0]); k++)
				list_one(&listing, &events[k]);
		close(iterator);
	}
	return length < 0 ? iterator_error((int)length, error) : 0;
}

static void count_word(struct recorder *recorder, uint32_t word)
{
	struct kernel_path_flows *counts = &recorder->counts[PATH_ID(word) % PATHS_MAX];

	if (word == SWEPT_REMOVED)
		return;
	if (word & SWEPT_PROBATION)
		counts->probation++;
	else
		counts->flows++;
}

/* Opens what is to be read next. Returns 1 if nothing is, or a negative errno. */
static int go_on_sweeping(struct recorder *recorder)
{
	if (recorder->sweeping >= 0)
		return 0;
	if (recorder->swept == RECORDS) {
		recorder->swept = 0;
		return 1;
	}
	if (recorder->swept == 0)
		memset(recorder->counts, 0, sizeof(recorder->counts));
	recorder->sweeping = bpf_iter_create(bpf_link__fd(recorder->sweep[recorder->swept]));
	return recorder->sweeping < 0 ? recorder->sweeping : 0;
}

int recorder_sweep(struct recorder *recorder, struct kernel_path_flows *counts, size_t count,
		   struct error *error)
{
	uint32_t words[SWEEP_PIECE];
	ssize_t length;
	int status;

	while ((status = go_on_sweeping(recorder)) == 0) {
		length = read_iterator(recorder->sweeping, (char *)words, sizeof(words));
		for (ssize_t i = 0; i < length / (ssize_t)sizeof(words[0]); i++)
			count_word(recorder, words[i]);
		if (length > 0)
			return 0;
		close(recorder->sweeping);
		recorder->sweeping = -1;
		recorder->swept++;
		status = (int)length;
		if (status < 0)
			break;
	}
	if (status < 0) {
		recorder->swept = 0;
		return iterator_error(status, error);
	}
	recorder_hooks_settle(&recorder->hooks);
	memset(counts, 0, count * sizeof(*counts));
	memcpy(counts, recorder->counts, (count < PATHS_MAX ? count : PATHS_MAX) * sizeof(*counts));
	return 1;
}

static const struct {
	const char *name, *help;
} counter_words[RECORDER_COUNTERS] = {
	[RECORDER_NOTICED] = {"flows-noticed", "flows put on probation by their first packet"},
	[RECORDER_RECORDED] = {"flows-recorded",
			       "flows whose path was recorded: their handshake was seen, or a pin "
			       "vouched for them"},
	[RECORDER_FULL] = {"flows-full", "flows that found no room for a record"},
	[RECORDER_ADOPTED] = {"flows-adopted", "flows in mid-life whose owner was asked for"},
	[RECORDER_MOVED] = {"flows-moved", "flows that left by another path than recorded"},
	[RECORDER_CLOSING] = {"flows-closing", "flows whose client sent a FIN or RST"},
	[RECORDER_REMOVED] = {"flows-removed", "records that ended, also of probation"},
	[RECORDER_FAST] = {"flows-fast", "packets of flows that went by the fast path"},
};

size_t recorder_counters(struct recorder *recorder, struct kernel_counter *out, size_t max)
{
	const struct kernel_counter own[] = {
		{"flow-events", "flows that began, were adopted or ended, as the kernel told",
		 recorder->events},
		{"flow-events-lost", "flow events that found the ring buffer full",
		 __atomic_load_n(&recorder->programs->bss->lost, __ATOMIC_RELAXED)},
	};
	size_t count = 0;

	for (uint32_t i = 0; i < RECORDER_COUNTERS; i++, count++)
		if (count < max)
			out[count] = (struct kernel_counter){
				counter_words[i].name, counter_words[i].help,
				bpf_program_counter(recorder->programs->maps.counters, i)};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++, count++)
		if (count < max)
			out[count] = own[i];
	return count;
}
