// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the BPF programs, their maps and where they are attached. Runs on fpmd's event loop.
 * Invariant: both programs know the same VIPs.
 */
#include "fpmd/kernel/bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fpmd/kernel/bpf_program.h"
#include "fpmd/kernel/bpf_shared.h"
#include "fpmd/kernel/classifier.skel.h"
#include "fpmd/kernel/filter.h"
#include "fpmd/kernel/sessions.skel.h"

_Static_assert(sizeof(struct bpf_address) == sizeof(struct in6_addr), "keys are in6_addr");

struct bpf {
	struct rtnl *rtnl;
	struct classifier_bpf *classifier;
	struct sessions_bpf *sessions;
	struct bpf_ring ring;
	bpf_session_fn *session;
	void (*lost)(void *arg);
	void *arg;
	uint64_t events;
};

static int load_classifier(struct bpf *bpf, const struct kernel_options *options,
			   struct error *error)
{
	int status;

	bpf_program_prepare();
	bpf->classifier = classifier_bpf__open();
	if (!bpf->classifier)
		return bpf_program_error(-errno, "BPF classifier", error);
	bpf->classifier->rodata->owner_mask = options->mark_owner_mask;
	bpf->classifier->rodata->stray_bit = options->mark_stray_bit;
	bpf->classifier->rodata->tunnel_bit = options->mark_tunnel_bit;
	bpf->classifier->rodata->tunnel_vni = options->tunnel_vni;
	status = classifier_bpf__load(bpf->classifier);
	return status ? bpf_program_error(status, "BPF classifier", error) : 0;
}

static int load_sessions(struct bpf *bpf, struct error *error)
{
	struct stat namespace;
	int status;

	if (stat("/proc/self/ns/net", &namespace) < 0)
		return error_set(error, "BPF session events: /proc/self/ns/net: %s",
				 strerror(errno));
	bpf_program_prepare();
	bpf->sessions = sessions_bpf__open();
	if (!bpf->sessions)
		return bpf_program_error(-errno, "BPF session events", error);
	bpf->sessions->rodata->network_namespace = (uint32_t) namespace.st_ino;
	status = bpf_map__reuse_fd(bpf->sessions->maps.vips,
				   bpf_map__fd(bpf->classifier->maps.vips));
	if (!status)
		status = sessions_bpf__load(bpf->sessions);
	return status ? bpf_program_error(status, "BPF session events", error) : 0;
}

int bpf_load(const struct kernel_options *options, struct rtnl *rtnl, struct bpf **bpf,
	     struct error *error)
{
	struct bpf *loaded = calloc(1, sizeof(*loaded));

	if (!loaded)
		return error_set(error, "BPF: out of memory");
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
	bpf_ring_stop(&bpf->ring);
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

	__atomic_store_n(&bpf->classifier->bss->any_vip, true, __ATOMIC_RELEASE);
	return map_set(bpf->classifier->maps.vips, vip, &one, sizeof(one), "VIPs", error);
}

int bpf_vip_remove(struct bpf *bpf, const struct in6_addr *vip, struct error *error)
{
	struct in6_addr left;

	if (map_remove(bpf->classifier->maps.vips, vip, "VIPs", error) < 0)
		return -1;
	if (bpf_map__get_next_key(bpf->classifier->maps.vips, NULL, &left, sizeof(left)) == -ENOENT)
		__atomic_store_n(&bpf->classifier->bss->any_vip, false, __ATOMIC_RELEASE);
	return 0;
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

int bpf_attach(struct bpf *bpf, int device, enum bpf_classifier classifier, struct error *error)
{
	return filter_attach(device, FILTER_CLASSIFIER,
			     classifier == BPF_TUNNEL ? bpf->classifier->progs.classify_tunnel
						      : bpf->classifier->progs.classify_uplink,
			     error);
}

void bpf_detach(struct bpf *bpf, int device)
{
	filter_detach(bpf->rtnl, device, FILTER_CLASSIFIER);
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

static void tell_lost(void *arg)
{
	struct bpf *bpf = arg;

	bpf->lost(bpf->arg);
}

int bpf_sessions_start(struct bpf *bpf, struct event_base *base, bpf_session_fn *session,
		       void (*lost)(void *arg), void *arg, struct error *error)
{
	int status;

	bpf->session = session;
	bpf->lost = lost;
	bpf->arg = arg;
	status = sessions_bpf__attach(bpf->sessions);
	if (status < 0)
		return bpf_program_error(status, "BPF session events", error);
	status = bpf_ring_start(&bpf->ring, base, bpf->sessions->maps.events,
				&bpf->sessions->bss->lost, take_event, tell_lost, bpf);
	if (status < 0)
		return error_set(error, "BPF session events: ring buffer: %s", strerror(-status));
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
				counter_words[i].name, counter_words[i].help,
				bpf_program_counter(bpf->classifier->maps.counters, i)};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++, count++)
		if (count < max)
			out[count] = own[i];
	return count;
}
