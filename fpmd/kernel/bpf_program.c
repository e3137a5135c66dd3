// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns what libbpf said last, and how ring buffers are read. Runs on fpmd's event loop. Invariant:
 * no ring buffer keeps the loop for longer than one batch.
 */
#include "fpmd/kernel/bpf_program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "fpmd/log.h"

#define POLL_MICROSECONDS 5000
#define BATCH_MAX 8192

static char last_message[128];

static int keep_message(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];
	size_t length;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	length = strcspn(line, "\n");
	line[length] = '\0';
	if (level == LIBBPF_WARN && length && !last_message[0])
		snprintf(last_message, sizeof(last_message), "%.127s", line);
	log_debug(TOPIC_KERNEL, "%s", line);
	return 0;
}

void bpf_program_prepare(void)
{
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(keep_message);
	last_message[0] = '\0';
}

int bpf_program_error(int status, const char *what, struct error *error)
{
	struct stat file;

	if (status == -EPERM || status == -EACCES)
		return error_set(
			error,
			"%s: not permitted: start fpmd as root or with AmbientCapabilities="
			"CAP_NET_ADMIN CAP_BPF CAP_PERFMON",
			what);
	if (stat("/sys/kernel/btf/vmlinux", &file) < 0)
		return error_set(error,
				 "%s: the kernel has no BTF (/sys/kernel/btf/vmlinux): it needs "
				 "CONFIG_DEBUG_INFO_BTF",
				 what);
	return error_set(error, "%s: the kernel refuses it: %s (%s)", what, strerror(-status),
			 last_message);
}

uint64_t bpf_program_counter(const struct bpf_map *counters, uint32_t index)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values, sum = 0;

	if (cpus <= 0)
		return 0;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return 0;
	if (bpf_map_lookup_elem(bpf_map__fd(counters), &index, values) == 0)
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	free(values);
	return sum;
}

static int take_one(void *arg, void *data, size_t size)
{
	struct bpf_ring *ring = arg;

	ring->take(ring->arg, data, size);
	/* Stops libbpf, which counts the event as taken. */
	return ++ring->batch < BATCH_MAX ? 0 : -EAGAIN;
}

static void poll_ring(evutil_socket_t fd, short what, void *arg)
{
	struct bpf_ring *ring = arg;
	uint64_t lost;

	ring->batch = 0;
	ring_buffer__consume(ring->buffer);
	lost = __atomic_load_n(ring->lost, __ATOMIC_RELAXED);
	if (lost == ring->lost_told)
		return;
	ring->lost_told = lost;
	ring->tell_lost(ring->arg);
}

int bpf_ring_start(struct bpf_ring *ring, struct event_base *base, const struct bpf_map *events,
		   const unsigned long long *lost, ring_buffer_sample_fn take,
		   void (*tell_lost)(void *arg), void *arg)
{
	struct timeval interval = {.tv_usec = POLL_MICROSECONDS};

	memset(ring, 0, sizeof(*ring));
	ring->lost = lost;
	ring->take = take;
	ring->tell_lost = tell_lost;
	ring->arg = arg;
	ring->buffer = ring_buffer__new(bpf_map__fd(events), take_one, ring, NULL);
	if (!ring->buffer)
		return -errno;
	ring->timer = event_new(base, -1, EV_PERSIST, poll_ring, ring);
	ring->full = event_new(base, ring_buffer__epoll_fd(ring->buffer), EV_READ | EV_PERSIST,
			       poll_ring, ring);
	if (!ring->timer || !ring->full || event_add(ring->timer, &interval) < 0 ||
	    event_add(ring->full, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void bpf_ring_stop(struct bpf_ring *ring)
{
	if (ring->timer)
		event_free(ring->timer);
	if (ring->full)
		event_free(ring->full);
	ring_buffer__free(ring->buffer);
	memset(ring, 0, sizeof(*ring));
}
