// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the BPF programs, their maps and where they are attached. Runs on fpmd's event loop.
 * Invariant: both programs know the same VIPs.
 */
#include "fpmd/kernel/bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "fpmd/kernel/bpf_shared.h"
#include "fpmd/kernel/classifier.skel.h"
#include "fpmd/kernel/sessions.skel.h"
#include "fpmd/log.h"

/*
 * Where our filter hangs: before those of others. The handle says, also to a later fpmd, whose
 * the qdisc is: one that was there before us stays.
 */
#define FILTER_PRIORITY 1
#define FILTER_HANDLE 7939 /* we made the qdisc */
#define FILTER_HANDLE_GUEST 7940

#define POLL_MICROSECONDS 5000

_Static_assert(sizeof(struct bpf_address) == sizeof(struct in6_addr), "keys are in6_addr");

struct bpf {
	struct rtnl *rtnl;
	struct classifier_bpf *classifier;
	struct sessions_bpf *sessions;
	struct ring_buffer *ring;
	struct event *timer, *full;
	bpf_session_fn *session;
	void (*lost)(void *arg);
	void *arg;
	uint64_t lost_told;
	uint64_t events;
};

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

static int load_error(int status, const char *what, struct error *error)
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

static int load_classifier(struct bpf *bpf, const struct kernel_options *options,
			   struct error *error)
{
	int status;

	bpf->classifier = classifier_bpf__open();
	if (!bpf->classifier)
		return load_error(-errno, "BPF classifier", error);
	bpf->classifier->rodata->owner_mask = options->mark_owner_mask;
	bpf->classifier->rodata->stray_bit = options->mark_stray_bit;
	bpf->classifier->rodata->tunnel_bit = options->mark_tunnel_bit;
	bpf->classifier->rodata->tunnel_vni = options->tunnel_vni;
	last_message[0] = '\0';
	status = classifier_bpf__load(bpf->classifier);
	return status ? load_error(status, "BPF classifier", error) : 0;
}

static int load_sessions(struct bpf *bpf, struct error *error)
{
	struct stat namespace;
	int status;

	if (stat("/proc/self/ns/net", &namespace) < 0)
		return error_set(error, "BPF session events: /proc/self/ns/net: %s",
				 strerror(errno));
	bpf->sessions = sessions_bpf__open();
	if (!bpf->sessions)
		return load_error(-errno, "BPF session events", error);
	bpf->sessions->rodata->network_namespace = (uint32_t) namespace.st_ino;
	last_message[0] = '\0';
	status = bpf_map__reuse_fd(bpf->sessions->maps.vips,
				   bpf_map__fd(bpf->classifier->maps.vips));
	if (!status)
		status = sessions_bpf__load(bpf->sessions);
	return status ? load_error(status, "BPF session events", error) : 0;
}

int bpf_load(const struct kernel_options *options, struct rtnl *rtnl, struct bpf **bpf,
	     struct error *error)
{
	struct bpf *loaded = calloc(1, sizeof(*loaded));

	if (!loaded)
		return error_set(error, "BPF: out of memory");
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(keep_message);
	loaded->rtnl = rtnl;
	if (load_classifier(loaded, options, error) < 0 || load_sessions(loaded, error) < 0) {
		bpf_free(loaded);
		return -1;
	}
	*bpf = loaded;
	return 0;
}

void bpf_free(struct bpf *bpf)
{
	if (!bpf)
		return;
	if (bpf->timer)
		event_free(bpf->timer);
	if (bpf->full)
		event_free(bpf->full);
	ring_buffer__free(bpf->ring);
	sessions_bpf__destroy(bpf->sessions);
	classifier_bpf__destroy(bpf->classifier);
	free(bpf);
}

static int map_error(int status, const char *what, struct error *error)
{
	if (status == -E2BIG)
		return error_set(error, "%s: too many of them", what);
	return error_set(error, "%s: BPF map: %s", what, strerror(-status));
}

static int map_set(struct bpf_map *map, const struct in6_addr *key, const void *value, size_t size,
		   const char *what, struct error *error)
{
	int status = bpf_map__update_elem(map, key, sizeof(*key), value, size, BPF_ANY);

	return status < 0 ? map_error(status, what, error) : 0;
}

static int map_remove(struct bpf_map *map, const struct in6_addr *key, const char *what,
		      struct error *error)
{
	int status = bpf_map__delete_elem(map, key, sizeof(*key), 0);

	return status < 0 && status != -ENOENT ? map_error(status, what, error) : 0;
}

int bpf_vip_add(struct bpf *bpf, const struct in6_addr *vip, struct error *error)
{
	uint8_t one = 1;

	return map_set(bpf->classifier->maps.vips, vip, &one, sizeof(one), "VIPs", error);
}

int bpf_vip_remove(struct bpf *bpf, const struct in6_addr *vip, struct error *error)
{
	return map_remove(bpf->classifier->maps.vips, vip, "VIPs", error);
}

int bpf_sender_set(struct bpf *bpf, const struct in6_addr *sender, uint32_t owner_mark,
		   struct error *error)
{
	return map_set(bpf->classifier->maps.senders, sender, &owner_mark, sizeof(owner_mark),
		       "members that may use the tunnel", error);
}

int bpf_sender_remove(struct bpf *bpf, const struct in6_addr *sender, struct error *error)
{
	return map_remove(bpf->classifier->maps.senders, sender, "members that may use the tunnel",
			  error);
}

/* libbpf refuses structures whose padding is not zero. */
static struct bpf_tc_hook ingress_of(int device)
{
	struct bpf_tc_hook hook;

	memset(&hook, 0, sizeof(hook));
	hook.sz = sizeof(hook);
	hook.ifindex = device;
	hook.attach_point = BPF_TC_INGRESS;
	return hook;
}

static void set_filter(struct bpf_tc_opts *filter, uint32_t handle)
{
	memset(filter, 0, sizeof(*filter));
	filter->sz = sizeof(*filter);
	filter->handle = handle;
	filter->priority = FILTER_PRIORITY;
}

static uint32_t program_id(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) ? 0 : info.id;
}

/* Returns 0 with *handle* and *filter* if there is one of ours. */
static int find_filter(const struct bpf_tc_hook *hook, uint32_t *handle, struct bpf_tc_opts *filter)
{
	static const uint32_t handles[] = {FILTER_HANDLE, FILTER_HANDLE_GUEST};
	int status = -ENOENT;

	for (size_t i = 0; i < 2 && status < 0; i++) {
		*handle = handles[i];
		set_filter(filter, *handle);
		status = bpf_tc_query(hook, filter);
	}
	return status;
}

int bpf_attach(struct bpf *bpf, int device, enum bpf_classifier classifier, struct error *error)
{
	struct bpf_program *program = classifier == BPF_TUNNEL
					      ? bpf->classifier->progs.classify_tunnel
					      : bpf->classifier->progs.classify_uplink;
	struct bpf_tc_hook hook = ingress_of(device);
	struct bpf_tc_opts filter;
	uint32_t handle = FILTER_HANDLE;
	int status;

	status = find_filter(&hook, &handle, &filter);
	if (status == 0 && filter.prog_id == program_id(program))
		return 0;
	if (status < 0) {
		status = bpf_tc_hook_create(&hook);
		if (status < 0 && status != -EEXIST)
			return error_set(error, "interface %d: clsact qdisc: %s", device,
					 strerror(-status));
		handle = status == -EEXIST ? FILTER_HANDLE_GUEST : FILTER_HANDLE;
	}
	set_filter(&filter, handle);
	filter.prog_fd = bpf_program__fd(program);
	filter.flags = BPF_TC_F_REPLACE;
	status = bpf_tc_attach(&hook, &filter);
	if (status < 0)
		return error_set(error,
				 "interface %d: the classifier cannot be attached at ingress, "
				 "priority %d: %s",
				 device, FILTER_PRIORITY, strerror(-status));
	return 1;
}

static void count_filter(void *arg, const struct nlmsghdr *message)
{
	size_t *filters = arg;

	if (message->nlmsg_type == RTM_NEWTFILTER)
		(*filters)++;
}

/* True when in doubt. */
static bool has_filters(struct bpf *bpf, int device, uint32_t minor)
{
	struct tcmsg header = {.tcm_family = AF_UNSPEC,
			       .tcm_ifindex = device,
			       .tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor)};
	size_t filters = 0;
	int status = rtnl_request(bpf->rtnl,
				  rtnl_message(RTM_GETTFILTER, NLM_F_DUMP, &header, sizeof(header)),
				  count_filter, &filters);

	return status < 0 || filters;
}

void bpf_detach(struct bpf *bpf, int device)
{
	struct bpf_tc_hook hook = ingress_of(device);
	struct bpf_tc_opts filter;
	uint32_t handle;

	if (find_filter(&hook, &handle, &filter) < 0)
		return;
	set_filter(&filter, handle);
	if (bpf_tc_detach(&hook, &filter) < 0 || handle == FILTER_HANDLE_GUEST)
		return;
	if (has_filters(bpf, device, TC_H_MIN_INGRESS) || has_filters(bpf, device, TC_H_MIN_EGRESS))
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

static int take_event(void *arg, void *data, size_t size)
{
	struct bpf *bpf = arg;
	const struct session_event *event = data;
	struct flow flow = {0};

	if (size < sizeof(*event))
		return 0;
	bpf->events++;
	memcpy(&flow.client, &event->client, sizeof(flow.client));
	memcpy(&flow.vip, &event->vip, sizeof(flow.vip));
	flow.client_port = event->client_port;
	flow.vip_port = event->vip_port;
	flow.protocol = IPPROTO_TCP;
	bpf->session(bpf->arg, &flow,
		     event->type == SESSION_EVENT_ESTABLISHED ? KERNEL_SESSION_ESTABLISHED
							      : KERNEL_SESSION_CLOSED);
	return 0;
}

static void poll_events(evutil_socket_t fd, short what, void *arg)
{
	struct bpf *bpf = arg;
	uint64_t lost;

	ring_buffer__consume(bpf->ring);
	lost = __atomic_load_n(&bpf->sessions->bss->lost, __ATOMIC_RELAXED);
	if (lost == bpf->lost_told)
		return;
	bpf->lost_told = lost;
	bpf->lost(bpf->arg);
}

int bpf_sessions_start(struct bpf *bpf, struct event_base *base, bpf_session_fn *session,
		       void (*lost)(void *arg), void *arg, struct error *error)
{
	struct timeval interval = {.tv_usec = POLL_MICROSECONDS};
	int status;

	bpf->session = session;
	bpf->lost = lost;
	bpf->arg = arg;
	bpf->ring =
		ring_buffer__new(bpf_map__fd(bpf->sessions->maps.events), take_event, bpf, NULL);
	if (!bpf->ring)
		return error_set(error, "BPF session events: ring buffer: %s", strerror(errno));
	status = sessions_bpf__attach(bpf->sessions);
	if (status < 0)
		return load_error(status, "BPF session events", error);
	bpf->timer = event_new(base, -1, EV_PERSIST, poll_events, bpf);
	bpf->full = event_new(base, ring_buffer__epoll_fd(bpf->ring), EV_READ | EV_PERSIST,
			      poll_events, bpf);
	if (!bpf->timer || !bpf->full || event_add(bpf->timer, &interval) < 0 ||
	    event_add(bpf->full, NULL) < 0)
		return error_set(error, "BPF session events: no event");
	return 0;
}

static const struct {
	const char *name, *help;
} counter_words[CLASSIFIER_COUNTERS] = {
	[CLASSIFIER_STRAYS] = {"classifier-strays", "segments for a VIP without a session here"},
	[CLASSIFIER_COOKIES] = {"classifier-cookies",
				"segments that completed a SYN cookie of this host"},
	[CLASSIFIER_TUNNEL_DELIVERED] = {"tunnel-delivered",
					 "packets from the tunnel for a session here"},
	[CLASSIFIER_TUNNEL_NO_SOCKET] = {"tunnel-no-socket",
					 "segments from the tunnel without a session here"},
	[CLASSIFIER_TUNNEL_BAD_SENDER] = {"tunnel-bad-sender",
					  "packets to the tunnel port not from a member: dropped"},
	[CLASSIFIER_TUNNEL_BAD_VNI] = {"tunnel-bad-vni", "packets with another VNI: dropped"},
	[CLASSIFIER_TUNNEL_NOT_VIP] = {"tunnel-not-vip",
				       "tunnelled packets not for a VIP: dropped"},
	[CLASSIFIER_TUNNEL_BAD_PROTOCOL] = {"tunnel-bad-protocol",
					    "tunnelled packets neither TCP nor ICMP: dropped"},
	[CLASSIFIER_TUNNEL_SYN] = {"tunnel-syn", "tunnelled SYNs: dropped"},
	[CLASSIFIER_TUNNEL_MALFORMED] = {"tunnel-malformed",
					 "tunnelled fragments and malformed packets: dropped"},
};

static uint64_t read_counter(struct bpf *bpf, uint32_t index)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values, sum = 0;

	if (cpus <= 0)
		return 0;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return 0;
	if (bpf_map__lookup_elem(bpf->classifier->maps.counters, &index, sizeof(index), values,
				 (size_t)cpus * sizeof(*values), 0) == 0)
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	free(values);
	return sum;
}

size_t bpf_counters(struct bpf *bpf, struct kernel_counter *out, size_t max)
{
	struct kernel_counter own[] = {
		{"session-events", "sessions that began or ended, as the kernel told", bpf->events},
		{"session-events-lost", "session events that found the ring buffer full",
		 __atomic_load_n(&bpf->sessions->bss->lost, __ATOMIC_RELAXED)},
	};
	size_t count = 0;

	for (uint32_t i = 0; i < CLASSIFIER_COUNTERS; i++, count++)
		if (count < max)
			out[count] = (struct kernel_counter){
				counter_words[i].name, counter_words[i].help, read_counter(bpf, i)};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++, count++)
		if (count < max)
			out[count] = own[i];
	return count;
}
