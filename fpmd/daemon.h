/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's state, shared by the files that act on it (daemon.c, members.c, vips.c, sessions.c,
 * rescue.c, pinning.c, director.c, director_flows.c, show*.c). One thread, one event loop. It
 * serves (kernel and directory open) or it does not, never half.
 */
#ifndef HOLDFAST_DAEMON_H
#define HOLDFAST_DAEMON_H

#include <event2/event.h>

#include "fpmd/clock.h"
#include "fpmd/closing.h"
#include "fpmd/director.h"
#include "fpmd/directory/directory.h"
#include "fpmd/fpm_server.h"
#include "fpmd/kernel/kernel.h"
#include "fpmd/owner.h"
#include "fpmd/pin.h"
#include "fpmd/reach.h"
#include "fpmd/routes.h"
#include "fpmd/settings.h"
#include "fpmd/stock.h"
#include "fpmd/stray.h"

/* name in JSON (camel case of the words), words in the CLI, meaning */
#define DAEMON_COUNTERS(COUNTER)                                                                   \
	COUNTER(strays, "strays", "segments that met no session and no pin here")                  \
	COUNTER(strays_tunnelled, "strays-tunnelled",                                              \
		"segments that came by a detour and met no session")                               \
	COUNTER(strays_unexpected, "strays-unexpected",                                            \
		"held segments that can belong to no session of a prefix")                         \
	COUNTER(lookups, "lookups", "look-ups for strays")                                         \
	COUNTER(lookup_messages, "lookup-messages", "datagrams sent for them")                     \
	COUNTER(lookups_found, "lookups-found", "answered with an owner")                          \
	COUNTER(lookups_absent, "lookups-absent", "answered with: nobody has it")                  \
	COUNTER(lookups_timed_out, "lookups-timed-out", "without an answer in time")               \
	COUNTER(lookups_refused, "lookups-refused", "not begun: too many outstanding")             \
	COUNTER(segments_detoured, "segments-detoured", "held segments sent on to their owner")    \
	COUNTER(segments_local, "segments-local",                                                  \
		"held segments given back to this host's kernel")                                  \
	COUNTER(segments_dropped, "segments-dropped",                                              \
		"held segments dropped (the client sends them again)")                             \
	COUNTER(detours, "detours", "pins installed")                                              \
	COUNTER(detours_steered, "detours-steered",                                                \
		"times detours to an owner took another next hop than the strays came by")         \
	COUNTER(pins_full, "pins-full", "detours without a pin: the table is full")                \
	COUNTER(pins_failed, "pins-failed", "pins that the kernel did not take")                   \
	COUNTER(pins_moved, "pins-moved", "pins that a check gave another owner")                  \
	COUNTER(pins_ended, "pins-ended", "pins removed: a check found no such session")           \
	COUNTER(pins_accepted, "pins-accepted",                                                    \
		"pins removed: a new connection of the same 4-tuple was accepted here")            \
	COUNTER(pins_refused, "pins-refused", "pins removed: the owner had no such session")       \
	COUNTER(pins_told, "pins-told", "pins removed: the owner told that the session ended")     \
	COUNTER(pins_owner_gone, "pins-owner-gone", "pins removed: the owner's host is gone")      \
	COUNTER(pins_cleared, "pins-cleared", "pins removed by clear holdfast pins")               \
	COUNTER(pins_taken_over, "pins-taken-over", "pins found in the kernel at the start")       \
	COUNTER(pin_checks, "pin-checks", "look-ups that verify a pin")                            \
	COUNTER(refusals_sent, "refusals-sent", "negative acknowledgements sent")                  \
	COUNTER(refusals_received, "refusals-received", "negative acknowledgements received")      \
	COUNTER(ends_received, "ends-received", "sessions looked up here that ended elsewhere")    \
	COUNTER(sessions_begun, "sessions-begun",                                                  \
		"connections accepted, and those found at the start")                              \
	COUNTER(sessions_ended, "sessions-ended", "sessions whose end the kernel confirmed")       \
	COUNTER(sessions_resynced, "sessions-resynced",                                            \
		"times the socket table was read again after lost events")                         \
	COUNTER(isolations, "isolations", "times all members vanished at once")                    \
	COUNTER(owners_exhausted, "owners-exhausted", "owners for which no mark id was free")      \
	COUNTER(paths_failed, "paths-failed", "paths withdrawn, as no route had them")             \
	COUNTER(path_ids_reused, "path-ids-reused", "path ids taken from flows, as none was free") \
	COUNTER(flows_began, "flows-began", "flows told that began on a path to several members")  \
	COUNTER(flows_adopted, "flows-adopted", "flows told that were seen in mid-life")           \
	COUNTER(flows_left_out, "flows-left-out",                                                  \
		"flows that can have no owner here, or found no room to wait for one")             \
	COUNTER(flow_events_lost, "flow-events-lost", "times flow events were lost")               \
	COUNTER(flow_lookups, "flow-lookups", "look-ups for flows")                                \
	COUNTER(flow_lookup_messages, "flow-lookup-messages", "datagrams sent for them")           \
	COUNTER(flow_lookups_found, "flow-lookups-found", "answered with an owner")                \
	COUNTER(flow_lookups_given_up, "flow-lookups-given-up", "flows that nobody knew so often") \
	COUNTER(flow_pins, "flow-pins", "pins installed for flows")                                \
	COUNTER(pins_flow_ended, "pins-flow-ended", "pins removed: the kernel saw the flow end")   \
	COUNTER(flows_reset, "flows-reset",                                                        \
		"flows that their member disowned, sent to any server so that it resets them")

struct daemon_counters {
#define COUNTER(field, words, help) uint64_t field;
	DAEMON_COUNTERS(COUNTER)
#undef COUNTER
};

enum problem {
	PROBLEM_CONFIG,
	PROBLEM_DIRECTORY,
	PROBLEM_KERNEL,
	PROBLEM_VIP,
	PROBLEM_VIP_KERNEL,
	PROBLEM_DRAIN,
	PROBLEM_OWNER,
	PROBLEM_PINS,
	PROBLEM_PATHS,
	PROBLEM_PATH_IDS,
	PROBLEM_FLOWS,
	PROBLEM_SWEEP,
	PROBLEM_STOCK,
	PROBLEM_ROUTES,
	PROBLEM_GROUPS,
	PROBLEM_COUNT,
};

struct vip {
	struct in6_addr address;
	bool local;	/* the address is on a device here */
	bool served;	/* in the kernel's set: local, or held for sessions that are left */
	bool routed;	/* sent on by this host */
	bool had_route; /* out of this host, since its address was here last */
	uint64_t sessions;
	uint64_t left_ms;      /* when the address went from here; 0: it did not */
	uint64_t checked_ms;   /* when it was last looked at whether the host translates it */
	uint64_t withdrawn_ms; /* when the drain that is on took its address away; 0: it did not */
	struct error refused;  /* why it is not served; empty: nothing speaks against it */
};

struct decision {
	struct stray *stray;
	enum kernel_verdict verdict;
	uint16_t owner;
	bool timed_out;
};

#define DECISIONS_MAX 256

struct daemon {
	struct event_base *base;
	uint64_t started_ms;
	int bpf_directory; /* main.c's; -1: none */
	struct daemon_counters counters;

	/* What zebra told (fpm events). */
	struct fpm_server *fpm;
	struct settings settings;
	bool configured; /* settings are complete */
	bool replayed;	 /* routes are complete: a replay ended since the start */
	uint64_t replayed_ms;
	struct routes routes;
	struct event *remove_timer; /* pending: the configuration is empty */
	struct stock stock;

	/* What is running; both or none. */
	struct kernel *kernel;
	struct directory *directory;
	struct settings running; /* what they were opened with */

	/* Members (members.c). */
	struct reach reach;
	struct owners owners;
	struct event *settle_timer;
	uint64_t settle_since_ms; /* 0: not pending */
	bool steer_failed;	  /* and said so */
	bool owners_left;	  /* of some that are gone the kernel did not take all pins */

	/* VIPs (vips.c). */
	struct vip vips[SETTINGS_VIPS_MAX];
	size_t vip_count;
	bool vips_due; /* the kernel has not taken them */

	/* Drain (drain.c). */
	struct drain {
		bool on; /* as drain_look() knew it last */
		uint64_t since_ms;
		uint64_t done_ms; /* when no session was left; 0: there are some */
	} drain;

	/* Sessions (sessions.c). */
	struct closings closings;

	/* Pins (pinning.c). */
	struct pins pins;
	struct check *checks;

	/* Strays (rescue.c). */
	struct strays strays;
	struct question *questions;
	struct decision decisions[DECISIONS_MAX];
	size_t decision_count;
	struct event *decide_event;

	struct director director;

	/* Flows that are being explained (show_flow.c). */
	struct flow_question *flow_questions;
	size_t flow_question_count;

	/* What zebra was told of `debug holdfast` (debug_tell.c). */
	struct {
		uint64_t second_ms; /* when this second began */
		unsigned int told;  /* in it */
		uint64_t left_out;
	} debug_lines;

	struct event *tick_timer;
	uint64_t slow_tick_ms;
	char problems[PROBLEM_COUNT][ERROR_TEXT_SIZE];
};

/* daemon.c */
/* *bpf_directory*: as in struct kernel_options; stays the caller's. */
int daemon_open(struct event_base *base, const char *socket_path, int bpf_directory,
		struct daemon **daemon, struct error *error);
void daemon_close(struct daemon *daemon, enum kernel_keep keep);
static inline bool daemon_running(const struct daemon *d)
{
	return d->kernel;
}
/* Sets or clears (format NULL) what stops us; logs it and tells zebra when it changed. */
void daemon_problem(struct daemon *d, enum problem problem, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What zebra tells, in whichever way: its configuration begins a replay. */
void daemon_config(struct daemon *d, const Holdfast__Config *config);
void daemon_route(struct daemon *d, const struct prefix_address *prefix, bool connected,
		  const struct route_next_hop *next_hops, size_t count);
void daemon_replay_end(struct daemon *d);

/* members.c */
void members_routes_changed(struct daemon *d);
/* The route of one prefix changed. */
void members_route_changed(struct daemon *d, const struct prefix_address *prefix);
/* A stray whose session *owner* has came in by *interface*. */
void members_steer(struct daemon *d, uint16_t owner, const char *interface);
/* Detours to all owners go by the routing table again. */
void members_steer_end(struct daemon *d);
void members_apply(struct daemon *d);
void members_adopt_owner(void *d, uint16_t id, const struct in6_addr *address);
uint16_t members_owner(struct daemon *d, const struct in6_addr *address);
/* The members that have a route, up to *max*; returns how many. */
size_t members_routed(const struct daemon *d, struct in6_addr *out, size_t max);
/* What an answer of the directory is worth. */
enum directory_answer members_answer(const struct daemon *d, const struct directory_result *result);
/* Might there be members that this host has not heard of yet? */
bool members_are_unknown(const struct daemon *d);
bool members_is_local(const struct daemon *d, const struct in6_addr *address);
void members_tick(struct daemon *d);

/* vips.c */
enum vips_reason {
	VIPS_START,	 /* sessions are not known yet */
	VIPS_CONFIGURED, /* the list may be another */
	VIPS_CHANGED,	 /* addresses of this host */
	VIPS_LOOK,	 /* time passed: did the last session of a VIP end? */
};
int vips_apply(struct daemon *d, enum vips_reason reason, struct error *error);
/* The same while running: what fails is a problem that is told, and tried again. */
void vips_look(struct daemon *d, enum vips_reason reason);
struct vip *vips_find(struct daemon *d, const struct in6_addr *address);

/* drain.c */
/*
 * Puts the configured drain into effect, or takes it back. To be called with every look at the
 * VIPs, also when nothing changed: what failed is tried again.
 */
void drain_look(struct daemon *d);
/* fpmd stops for good: the log says how what was taken away comes back. */
void drain_stopping(struct daemon *d);
#define DRAIN_AGES 5
#define DRAIN_AGES_MS                                                                              \
	{                                                                                          \
		60000, 600000, 3600000, 86400000                                                   \
	}
struct drain_sessions {
	uint64_t count;
	uint64_t oldest_ms;	   /* since it was published, by this fpmd */
	uint64_t ages[DRAIN_AGES]; /* younger than DRAIN_AGES_MS, each without those before; rest */
};
void drain_sessions(struct daemon *d, struct drain_sessions *left);
/* How long ago it began, also if that was under an earlier fpmd. */
uint64_t drain_age_ms(struct daemon *d);

/* sessions.c */
int sessions_read(struct daemon *d, struct error *error);
void sessions_event(void *d, const struct flow *flow, enum kernel_session_event event);
void sessions_lost(void *d);
int sessions_has(void *d, const struct flow *flow);
void sessions_tick(struct daemon *d);
/* All published flows, to be freed. NULL: no memory. */
struct flow *sessions_published(struct daemon *d, size_t *count);
/* Withdraws the sessions of addresses that are no VIP any more. */
void sessions_forget_foreign(struct daemon *d);

/* rescue.c */
void rescue_stray(void *d, const struct kernel_stray *stray);
void rescue_refused(void *d, const struct in6_addr *member, const struct flow *flow);
void rescue_ended(void *d, const struct in6_addr *member, const struct flow *flow);
void rescue_accepted(struct daemon *d, const struct flow *flow);
/* Removes its pins. False: the kernel has not taken all yet. */
bool rescue_owner_gone(struct daemon *d, uint16_t owner);
void rescue_decide(evutil_socket_t fd, short what, void *d);
/* Drops all held segments and forgets all questions: the directory or the kernel is about to be
 * closed. */
void rescue_abandon(struct daemon *d);
void rescue_tick(struct daemon *d);

/* pinning.c */
struct pin_wish {
	struct flow flow;
	uint16_t owner;
	bool direct;
	uint16_t path; /* 0: not known */
	bool done;     /* out: the flow has that pin */
};
/* Installs pins, or changes them. Returns how many of those that were not there are now. */
size_t pinning_put(struct daemon *d, struct pin_wish *wishes, size_t count);
/* *counter* counts it, if the kernel took it. */
void pinning_remove(struct daemon *d, struct pin *pin, uint64_t *counter);
/* Of those among the flows that have one; returns how many were removed. */
size_t pinning_remove_flows(struct daemon *d, const struct flow *flows, size_t count);
/* Removes its pins. False: the kernel has not taken all yet. */
bool pinning_owner_gone(struct daemon *d, uint16_t owner);
/* Removes the pins of addresses that are no VIP any more. */
void pinning_forget_foreign(struct daemon *d);
/* Pins of an earlier fpmd become ours; those that cannot are removed. */
int pinning_take_over(struct daemon *d, struct error *error);
void pinning_adopt(void *d, const struct flow *flow, uint16_t owner);
/* The directory or the kernel is about to be closed. */
void pinning_abandon(struct daemon *d);
void pinning_tick(struct daemon *d);

/* show.c: the text of a show command, to be freed. NULL: no memory. */
char *show_render(struct daemon *d, Holdfast__ShowRequest__Topic topic, bool json);

/* debug_tell.c: a line of the log for zebra; see log_set_listener(). */
void debug_tell(void *d, const char *line);

/* clear_pins.c: answers `clear holdfast pins`. */
void clear_pins(struct daemon *d, const Holdfast__ShowRequest *request);

/*
 * show_flow.c: answers `show holdfast flow` as soon as the directory has answered, at once if it
 * need not be asked.
 */
void show_flow(struct daemon *d, const Holdfast__ShowRequest *request);
/* The directory is about to be closed: those that wait are told so. */
void show_flow_abandon(struct daemon *d);

#endif
