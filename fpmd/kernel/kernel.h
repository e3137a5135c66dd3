/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that Holdfast asks of the kernel, and all that the kernel tells it. Two implementations,
 * chosen when linking: kernel_linux.c (netlink and tc-bpf) and tests/kernel_mock.c.
 *
 * Nothing here waits: calls are single netlink transactions that the kernel answers at once; events
 * come through the handlers from the event loop, never from inside a call.
 *
 * What a server's kernel does with a segment for a VIP, in this order:
 *   SYN, or the kernel knows a socket for it                 local
 *   came through the tunnel, no socket                       handler `stray`, tunnelled = true
 *   has a pin                                                detour to the pin's owner
 *   else                                                     handler `stray`
 */
#ifndef HOLDFAST_KERNEL_H
#define HOLDFAST_KERNEL_H

#include <event2/event.h>
#include <sys/types.h>

#include "fpmd/error.h"
#include "fpmd/flow.h"

struct kernel;

#define KERNEL_OWNER_NONE 0

/*
 * What a pin may lead to beside an owner's id. An owner's id alone: a recorded path comes first,
 * the owner when the path is withdrawn. With this bit: the owner at once, the path is not looked
 * at. The bit alone: neither, the flow goes by the routing table like one that nobody knows.
 */
#define KERNEL_PIN_DIRECT 0x4000
#define KERNEL_INTERFACE_SIZE 16 /* a device's name, with its end */

/* How we mark packets and name our devices. Changing any of it takes a new kernel_open(). */
struct kernel_options {
	uint32_t mark_owner_mask; /* contiguous; its value is the owner's id, 0 is none */
	uint32_t mark_stray_bit;  /* one bit, outside of the owner mask */
	uint32_t mark_tunnel_bit; /* one bit, outside of the others */
	uint32_t mark_path_mask;  /* contiguous, outside of the others; its value is a path's id, 0
				     is none */
	uint32_t flows_max;	  /* flows whose path is recorded, at most */
	uint32_t flow_lifetime_s; /* a record without a packet for so long is void */
	bool flows_fast_path;	  /* packets of recorded flows leave from ingress, past netfilter */
	int bpf_directory;    /* descriptor of a directory on a bpffs, where maps outlive fpmd; -1:
				 none */
	uint16_t tunnel_port; /* UDP, VXLAN-GPE: 4790 by default */
	uint32_t tunnel_vni;
	uint16_t queue;	   /* NFQUEUE number */
	uint32_t pins_max; /* size of the pin map */
	struct in6_addr
		local_members[2]; /* outer source, by family: [0] IPv4, [1] IPv6; :: is none */
};

/* A segment that the kernel holds until kernel_stray_verdict(). */
struct kernel_stray {
	uint32_t id;
	struct flow flow;
	bool tunnelled;	    /* it came through the tunnel */
	uint16_t sender_id; /* then: owner id of the member that sent it; KERNEL_OWNER_NONE
			     * when that is not known any more */
	uint32_t length;    /* of the IP packet, after GRO */
	bool reset;	    /* the segment is a RST */
	char interface[KERNEL_INTERFACE_SIZE]; /* it came in by; "" when that is not known */
};

enum kernel_verdict {
	KERNEL_LOCAL,  /* go on to local delivery (no socket there: the kernel answers RST) */
	KERNEL_DETOUR, /* go on to the owner given */
	KERNEL_DROP,
};

enum kernel_session_event {
	KERNEL_SESSION_ESTABLISHED,
	KERNEL_SESSION_CLOSED, /* the socket is gone; TIME_WAIT may live on: verify */
};

enum kernel_flow_event {
	KERNEL_FLOW_BEGAN,   /* its handshake is done, on a path that leads to several members */
	KERNEL_FLOW_ADOPTED, /* seen in mid-life, or on another path than recorded: who owns it? */
	KERNEL_FLOW_ENDED,   /* one of those above: closed, or its record is void */
};

struct kernel_handlers {
	/*
	 * A flow to a routed VIP; *path* is the id that is recorded for it. Flows on a path with
	 * one member behind it are told only when they are adopted. Comes in batches, never more
	 * than the kernel has room for: those that found none are told as lost.
	 */
	void (*flow)(void *arg, const struct flow *flow, uint16_t path,
		     enum kernel_flow_event event);
	/* Flow events were lost: kernel_flows_each() tells what there is. */
	void (*flows_lost)(void *arg);
	void (*session)(void *arg, const struct flow *flow, enum kernel_session_event event);
	/* Session events were lost: dump the sessions again. */
	void (*sessions_lost)(void *arg);
	void (*stray)(void *arg, const struct kernel_stray *stray);
	/* Local addresses changed: ask kernel_address_is_local() again. */
	void (*addresses_changed)(void *arg);
	/* Something of ours that others changed cannot be put right and is tried again; NULL: all
	 * is right. Also called when nothing is new. */
	void (*problem)(void *arg, const char *text);
};

/*
 * Prepares this network namespace: tunnel device, rules, tables, nftables table, classifier on
 * every Ethernet-like device (also on those that appear later), session events, queue. What an
 * earlier fpmd left (pins, owners) is taken over, not flushed; a packet in between sees either the
 * old rules or the new ones. Strays are held only after kernel_start(); until then they are
 * dropped. What others remove later is repaired and logged. On error nothing stays behind that was
 * not there before, and *error* names the cause and remedy (no CAP_BPF, no NFQUEUE, the queue
 * number in use, a device of that name that is not ours ...).
 */
int kernel_open(struct event_base *base, const struct kernel_options *options,
		const struct kernel_handlers *handlers, void *arg, struct kernel **kernel,
		struct error *error);

/* Begins to deliver events and strays. */
int kernel_start(struct kernel *kernel, struct error *error);

enum kernel_keep {
	KERNEL_KEEP_ALL, /* restart, upgrade: everything stays; strays are dropped until the next
			    fpmd */
	KERNEL_KEEP_DETOURS, /* orderly stop: only the queue rules go (strays are answered by the
			      * kernel, as without Holdfast); pins and owners live on */
	KERNEL_KEEP_NOTHING, /* removed from the configuration: all that is ours goes, and what was
			      * changed (rule order, forwarding) is as before */
};

/* Frees *kernel*. Held strays are dropped. */
void kernel_close(struct kernel *kernel, enum kernel_keep keep);

/*
 * The whole set of VIPs (host addresses). While a VIP is in the set, a `local` route with a
 * metric of ours stands behind the one of the address itself, so that sessions outlive the removal
 * of the address; see kernel_vip_hold().
 */
int kernel_vips_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		    struct error *error);

/* hold = false: takes away the VIP's own `local` route (no session needs it any more). */
int kernel_vip_hold(struct kernel *kernel, const struct in6_addr *vip, bool hold,
		    struct error *error);

/*
 * Takes the address away from all devices, so that it is announced no more; the `local` route of
 * kernel_vip_hold() keeps its sessions. What is needed to put it back as it was is kept in the
 * kernel, also when fpmd is killed, and until the address is back. Returns on how many devices it
 * was, or -1: *error* says why that cannot be done. The handler addresses_changed follows.
 */
int kernel_address_withdraw(struct kernel *kernel, const struct in6_addr *address,
			    struct error *error);

/*
 * Puts back what was taken away, but for those that *stays* takes (NULL: none). -1: some cannot be
 * put back now, *error* names one of them; they stay noted. kernel_close(KERNEL_KEEP_NOTHING) puts
 * back all.
 */
typedef bool kernel_address_fn(void *arg, const struct in6_addr *address);
int kernel_addresses_return(struct kernel *kernel, kernel_address_fn *stays, void *arg,
			    struct error *error);

#define KERNEL_ADDRESS_WORDS_SIZE 240
struct kernel_address_away {
	struct in6_addr address;
	uint64_t since_s;		       /* of 1970 */
	char words[KERNEL_ADDRESS_WORDS_SIZE]; /* what `ip address add` takes: "192.0.2.80/32 dev lo
						  scope global" */
};
/* Up to *max* that are taken away; returns how many there are. */
#define KERNEL_ADDRESSES_AWAY_MAX 200
size_t kernel_addresses_away(struct kernel *kernel, struct kernel_address_away *out, size_t max);

/* Is the address configured on a device here? Routes of ours do not count. */
bool kernel_address_is_local(struct kernel *kernel, const struct in6_addr *address);

/*
 * Does this host translate connections to the VIP to somewhere else (Docker, kube-proxy: DNAT rules
 * that match it, translated conntrack entries)? 1: yes, *error* says by what; 0: no.
 */
int kernel_vip_translated(struct kernel *kernel, const struct in6_addr *vip, struct error *error);

/*
 * An owner: mark id, rule, table with one encapsulating route per VIP, chain, right to send to us
 * through the tunnel. Setting an id again with another address replaces it at once.
 * Removing an owner needs its pins to be gone first.
 */
int kernel_owner_set(struct kernel *kernel, uint16_t id, const struct in6_addr *address,
		     struct error *error);
int kernel_owner_remove(struct kernel *kernel, uint16_t id, struct error *error);

/*
 * Sends the tunnel packets to an owner over one next hop, whatever the routing table says of its
 * address: *gateway* (of either family) on *interface*. NULL: by the routing table again, no error
 * if they are already. While the interface is down they go by the routing table too. It ends with
 * kernel_close(); what a killed fpmd left ends with the next kernel_open().
 */
int kernel_owner_steer(struct kernel *kernel, const struct in6_addr *owner,
		       const struct in6_addr *gateway, const char *interface, struct error *error);

/*
 * Paths: the ECMP next hops of VIPs that are routed out of this host. The kernel records for each
 * TCP flow to a routed VIP which path it took, in tc-bpf programs of their own (recorder.h), and
 * sends what follows the same way. For each path there is a rule `mark -> table` and a table with,
 * for each routed VIP of its family, the path itself, as long as it is not withdrawn, and behind it
 * (a greater metric) the backup, which the kernel takes by itself when the path's link fails. With
 * neither a flow goes on to its owner, if a pin names one, else by the routing table.
 */
#define KERNEL_BACKUP_HOPS_MAX 16

struct kernel_next_hop {
	struct in6_addr gateway; /* of either family */
	char interface[KERNEL_INTERFACE_SIZE];
};

struct kernel_path {
	uint16_t id; /* 1.. what fits the path mask, KERNEL_PATH_MAX at most */
	int family;  /* AF_INET or AF_INET6: of the VIPs; that of the gateway may be another */
	struct kernel_next_hop
		hop; /* the key, with the family; a path without a gateway is not possible */
	struct in6_addr
		member; /* the only one it leads to; ::, there are several or none is known */
	bool shared;	/* several members: new flows are told and pins are looked for */
	bool offered;	/* new flows that the routing table sends by this next hop are recorded with
			 * this id; false:   another id has taken its place, or it is withdrawn */
	bool up;	/* false: withdrawn, its flows go by the backup or to their owners */
	/* Backup: encapsulated to this owner, or (::) by these next hops; none: there is none. */
	struct in6_addr backup_owner;
	struct kernel_next_hop backup[KERNEL_BACKUP_HOPS_MAX];
	size_t backup_count;
};
#define KERNEL_PATH_MAX 4095

/*
 * The whole set of VIPs that are routed out of this host; none: nothing of all this is attached. A
 * VIP is either here or in kernel_vips_set(), or in neither.
 */
int kernel_routed_set(struct kernel *kernel, const struct in6_addr *vips, size_t count,
		      struct error *error);

/*
 * Makes or changes a path. What can be one step is one: *up* going false takes one route away. An
 * id that was removed and is set again is another path: what was recorded with it before does not
 * follow it.
 */
int kernel_path_set(struct kernel *kernel, const struct kernel_path *path, struct error *error);
/* Records with this id are void from now on. No such path is no error. */
int kernel_path_remove(struct kernel *kernel, uint16_t id, struct error *error);

/* What an earlier fpmd left: with kernel_open() they are taken over as they are. */
typedef void kernel_path_fn(void *arg, const struct kernel_path *path);
int kernel_paths_each(struct kernel *kernel, kernel_path_fn *fn, void *arg, struct error *error);

/* What the kernel has recorded for a flow. Its times are in units of so many ms. */
#define KERNEL_FLOW_TIME_MS 1074
struct kernel_flow_record {
	uint16_t path;	      /* its id */
	bool probation;	      /* neither its handshake was seen nor its owner found */
	bool closing;	      /* its client sent a FIN or RST */
	uint64_t seen_ms_ago; /* the last packet that was noted: not every one is, of busy flows */
};
/* Returns 1: *record* is filled in; 0: there is none that counts; -1: an error. */
int kernel_flow_find(struct kernel *kernel, const struct flow *flow,
		     struct kernel_flow_record *record, struct error *error);

/* The flows recorded on one path (0: on all) that have been told or would be told, now. */
typedef void kernel_flow_fn(void *arg, const struct flow *flow, uint16_t path);
int kernel_flows_each(struct kernel *kernel, uint16_t path, kernel_flow_fn *fn, void *arg,
		      struct error *error);

struct kernel_path_flows {
	uint32_t flows;	    /* recorded: their handshake was seen, or an owner was found */
	uint32_t probation; /* not yet */
};
/*
 * Removes what is void and counts what is left, piece by piece, as a million records take a large
 * part of a second. Returns 1: the sweep is complete, counts[id] is filled in for *count* ids; 0:
 * there is more, call again in some milliseconds; -1: an error, the next call begins anew. A sweep
 * begins with the first call after a complete one: counts are from no earlier than that.
 */
int kernel_flows_sweep(struct kernel *kernel, struct kernel_path_flows *counts, size_t count,
		       struct error *error);

typedef void kernel_owner_fn(void *arg, uint16_t id, const struct in6_addr *address);
int kernel_owners_dump(struct kernel *kernel, kernel_owner_fn *fn, void *arg, struct error *error);

struct kernel_pin_change {
	struct flow flow;
	uint16_t old_owner; /* KERNEL_OWNER_NONE: there is no pin yet */
	uint16_t new_owner; /* KERNEL_OWNER_NONE: remove it */
	int status;	    /* out: 0 or a negative errno, e.g. -ENFILE: the map is full */
};

/*
 * Installs and removes pins, in transactions as large as the kernel takes. A transaction that fails
 * for one element is taken apart until only the faulty ones are left out; a pin that others removed
 * (ENOENT) or added is overwritten, so that in the end the map says what the change says. Returns
 * how many changes have a status other than 0.
 */
size_t kernel_pins_change(struct kernel *kernel, struct kernel_pin_change *changes, size_t count);

typedef void kernel_pin_fn(void *arg, const struct flow *flow, uint16_t owner);
int kernel_pins_dump(struct kernel *kernel, kernel_pin_fn *fn, void *arg, struct error *error);

/* All sessions of the VIPs that the kernel knows: every TCP state but LISTEN, SYN_SENT, SYN_RECV,
 * TIME_WAIT. */
typedef void kernel_session_fn(void *arg, const struct flow *flow);
int kernel_sessions_dump(struct kernel *kernel, kernel_session_fn *fn, void *arg,
			 struct error *error);

/*
 * Which of the addresses have sessions here, VIPs or not: sets sessions[i], and nothing else.
 */
int kernel_sessions_of(struct kernel *kernel, const struct in6_addr *addresses, size_t count,
		       bool *sessions, struct error *error);

/*
 * Does the kernel know the 4-tuple? 1: a socket in any state but LISTEN and TIME_WAIT; 2:
 * TIME_WAIT; 0: no; or -errno.
 */
int kernel_session_known(struct kernel *kernel, const struct flow *flow);

/* The TCP state of the 4-tuple's socket, LISTEN left out, as TCP_ESTABLISHED of netinet/tcp.h and
 * so on, or KERNEL_TCP_NEW_SYN_RECV; 0: there is no socket; or -errno. */
#define KERNEL_TCP_NEW_SYN_RECV 12 /* a handshake under way: net/tcp_states.h of Linux */
int kernel_session_state(struct kernel *kernel, const struct flow *flow);

/*
 * Who has the other end of a TCP connection of this host with itself: *flow*'s VIP is that end's
 * address, its client ours. Needs no open kernel. Returns 1 with *user*, 0: no socket of this host
 * has that end, or -1 with *error*.
 */
int kernel_peer_user(const struct flow *flow, uid_t *user, struct error *error);

/* Lets a held stray go on. *owner* counts for KERNEL_DETOUR. Each id takes one verdict. */
void kernel_stray_verdict(struct kernel *kernel, uint32_t id, enum kernel_verdict verdict,
			  uint16_t owner);

struct kernel_counter {
	const char *name; /* "queue-dropped", JSON key and CLI word */
	const char *help;
	uint64_t value;
};

/* Up to *max* counters; returns how many there are. */
size_t kernel_counters(struct kernel *kernel, struct kernel_counter *out, size_t max);

#endif
