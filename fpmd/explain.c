// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/explain.h"

#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(struct explanation *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct explanation *out, const char *format, ...)
{
	va_list args;

	if (out->count == EXPLAIN_LINES_MAX)
		return;
	va_start(args, format);
	vsnprintf(out->line[out->count++], EXPLAIN_LINE_SIZE, format, args);
	va_end(args);
}

int explain_check(const struct flow *flow, struct error *error)
{
	char text[ADDRESS_TEXT_SIZE];

	if (!flow->client_port || !flow->vip_port)
		return error_set(error, "port 0 is no port of a TCP session");
	if (address_is_ipv4(&flow->client) != address_is_ipv4(&flow->vip))
		return error_set(error, "client and VIP are of different address families");
	if (!address_is_unicast(&flow->client))
		return error_set(error, "%s is no address that a client can have",
				 address_text(&flow->client, text));
	return 0;
}

const char *explain_goes_text(enum explain_goes goes)
{
	static const char *const words[] = {
		[EXPLAIN_UNKNOWN] = "unknown",
		[EXPLAIN_HERE] = "here",
		[EXPLAIN_RESET] = "reset",
		[EXPLAIN_OWNER] = "owner",
		[EXPLAIN_PATH] = "path",
		[EXPLAIN_BACKUP] = "backup",
		[EXPLAIN_ROUTING] = "routing-table",
		[EXPLAIN_HELD] = "held",
		[EXPLAIN_DROPPED] = "dropped",
	};

	return words[goes];
}

const char *explain_socket_text(int state)
{
	static const char *const words[] = {
		[0] = "none",
		[TCP_ESTABLISHED] = "ESTABLISHED",
		[TCP_SYN_SENT] = "SYN-SENT",
		[TCP_SYN_RECV] = "SYN-RECV",
		[TCP_FIN_WAIT1] = "FIN-WAIT-1",
		[TCP_FIN_WAIT2] = "FIN-WAIT-2",
		[TCP_TIME_WAIT] = "TIME-WAIT",
		[TCP_CLOSE] = "CLOSED",
		[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
		[TCP_LAST_ACK] = "LAST-ACK",
		[TCP_LISTEN] = "LISTEN",
		[TCP_CLOSING] = "CLOSING",
		[KERNEL_TCP_NEW_SYN_RECV] = "SYN-RECV",
	};

	if (state < 0 || (size_t)state >= sizeof(words) / sizeof(words[0]))
		return "unknown";
	return words[state];
}

static const char *duration(uint64_t ms, char text[32])
{
	if (ms < 10000)
		snprintf(text, 32, "%llu ms", (unsigned long long)ms);
	else if (ms < 600000)
		snprintf(text, 32, "%llu s", (unsigned long long)ms / 1000);
	else
		snprintf(text, 32, "%llu min", (unsigned long long)ms / 60000);
	return text;
}

static const char *next_hop(const struct in6_addr *gateway, const char *interface, char text[80])
{
	char address[ADDRESS_TEXT_SIZE];

	if (IN6_IS_ADDR_UNSPECIFIED(gateway))
		snprintf(text, 80, "%s", interface);
	else
		snprintf(text, 80, "%s on %s", address_text(gateway, address), interface);
	return text;
}

static void say_pin(const struct explain_facts *facts, struct explanation *out)
{
	char owner[ADDRESS_TEXT_SIZE], age[32], hop[80];

	if (!facts->pin.has_owner) {
		say(out,
		    "A pin, known for %s, sends it by the routing table: its member disowned it, "
		    "any server is to reset it.",
		    duration(facts->pin.age_ms, age));
		return;
	}
	address_text(&facts->pin.owner, owner);
	if (facts->pin.interface[0])
		next_hop(&facts->pin.gateway, facts->pin.interface, hop);
	else if (facts->pin.next_hops)
		snprintf(hop, sizeof(hop), "any of %zu next hops", facts->pin.next_hops);
	else
		snprintf(hop, sizeof(hop), "no route that is known");
	say(out, "It has a pin, known for %s, to %s: through the tunnel, by %s.",
	    duration(facts->pin.age_ms, age), owner, hop);
	if (!facts->pin.owner_reachable)
		say(out, "%% %s is not reachable.", owner);
}

static void goes_to_owner(const struct explain_facts *facts, struct explanation *out)
{
	out->goes = EXPLAIN_OWNER;
	out->to = facts->pin.owner;
}

/* What the directory answered; whose answer is no owner says nothing of other members. */
static void say_directory(const struct explain_facts *facts, struct explanation *out)
{
	const struct stray_facts *answer = &facts->directory.facts;
	char owner[ADDRESS_TEXT_SIZE];
	const char *state;

	if (!facts->directory.asked) {
		say(out, "The directory could not be asked: too many look-ups are under way.");
		return;
	}
	switch (answer->answer) {
	case DIRECTORY_ABSENT:
		say(out, "The directory: no member has it (%u messages, %llu ms).",
		    facts->directory.messages, (unsigned long long)facts->directory.took_ms);
		return;
	case DIRECTORY_TIMED_OUT:
		say(out,
		    "%% The directory: no answer in %llu ms (%u messages). Some member did not "
		    "answer, or this host does not know all of them: see show holdfast members.",
		    (unsigned long long)facts->directory.took_ms, facts->directory.messages);
		return;
	case DIRECTORY_FOUND:
		break;
	}
	state = answer->owner_is_local	     ? ", this host"
		: answer->owner_is_reachable ? ""
		: answer->owner_is_in_doubt  ? ", which went out of reach just now"
					     : ", which is out of reach";
	say(out, "The directory: %s%s owns it (%u messages, %llu ms).",
	    address_text(&facts->directory.owner, owner), state, facts->directory.messages,
	    (unsigned long long)facts->directory.took_ms);
}

/* Does the directory name somebody else than *owner*? */
static bool names_another(const struct explain_facts *facts, const struct in6_addr *owner)
{
	return facts->directory.asked && facts->directory.facts.answer == DIRECTORY_FOUND &&
	       !address_equal(&facts->directory.owner, owner);
}

static bool names_nobody(const struct explain_facts *facts)
{
	return facts->directory.asked && facts->directory.facts.answer == DIRECTORY_ABSENT;
}

/* Whatever the directory says, and whether there is a pin: nothing follows from that. */
static void unknown(const char *what, const struct explain_facts *facts, struct explanation *out)
{
	out->goes = EXPLAIN_UNKNOWN;
	say(out, "%% This host's %s cannot be read: what becomes of it is not known.", what);
	if (facts->pin.known)
		say_pin(facts, out);
	say_directory(facts, out);
}

/* -- the VIP is served -- */

static void socket_here(const struct explain_facts *facts, struct explanation *out)
{
	const struct stray_facts *answer = &facts->directory.facts;

	out->goes = EXPLAIN_HERE;
	say(out, "This host's kernel has a socket for it, in state %s.",
	    explain_socket_text(facts->socket_state));
	if (facts->pin.known) {
		say_pin(facts, out);
		say(out, "The socket comes first: the pin has no effect.");
	}
	say_directory(facts, out);
	if (facts->socket_state == TCP_TIME_WAIT)
		say(out, "The session has ended: the kernel answers what is still under way.");
	else if (!facts->published && facts->socket_state == TCP_ESTABLISHED)
		say(out, "%% It is not published yet: the directory has no record of it.");
	if (facts->directory.asked && answer->answer == DIRECTORY_FOUND && !answer->owner_is_local)
		say(out, "%% Two hosts have it: the client may have used its port again.");
}

static void pin_here(const struct explain_facts *facts, struct explanation *out)
{
	say(out, "This host's kernel has no socket for it.");
	say_pin(facts, out);
	say_directory(facts, out);
	if (!facts->pin.has_owner) {
		out->goes = EXPLAIN_ROUTING;
		return;
	}
	goes_to_owner(facts, out);
	if (names_another(facts, &facts->pin.owner))
		say(out, "%% The pin has another owner: it is put right when it is checked, or "
			 "when its owner refuses a segment.");
	else if (names_nobody(facts))
		say(out, "The session has ended: the pin goes when it is checked, or when its "
			 "owner refuses a segment.");
}

/* Neither socket nor pin: what the next segment would meet. */
static void stray_here(const struct explain_facts *facts, struct explanation *out)
{
	const struct stray_facts *answer = &facts->directory.facts;
	char age[32];

	say(out, "This host's kernel has no socket for it, and it has no pin.");
	if (facts->stray.known && facts->stray.asking) {
		say(out, "It is being looked up since %s: %u segments are held.",
		    duration(facts->stray.asked_ms_ago, age), facts->stray.segments);
		out->goes = EXPLAIN_HELD;
	} else if (facts->stray.known) {
		say(out, "%% It was looked up %s ago without an answer: its segments were dropped.",
		    duration(facts->stray.asked_ms_ago, age));
	}
	say_directory(facts, out);
	if (out->goes == EXPLAIN_HELD)
		return;
	if (!facts->directory.asked) {
		out->goes = EXPLAIN_DROPPED;
		return;
	}
	switch (stray_decide(answer)) {
	case KERNEL_DETOUR:
		out->goes = EXPLAIN_OWNER;
		out->to = facts->directory.owner;
		say(out, "The next segment is looked up, gets a pin, and goes through the tunnel.");
		break;
	case KERNEL_DROP:
		out->goes = EXPLAIN_DROPPED;
		say(out, "The next segment is dropped; the client sends it again, and it is looked "
			 "up again.");
		break;
	case KERNEL_LOCAL:
		out->goes = EXPLAIN_RESET;
		say(out, "The next segment goes to this host's kernel, which answers RST; a SYN "
			 "begins a new session here.");
		break;
	}
}

/* -- the VIP is routed -- */

static void say_path(const struct explain_facts *facts, struct explanation *out)
{
	const struct kernel_path *path = &facts->recorded.path;
	const struct kernel_flow_record *record = &facts->recorded.record;
	char hop[80], member[ADDRESS_TEXT_SIZE], age[32];

	say(out, "Path %u is recorded for it: %s, %s.", path->id,
	    next_hop(&path->hop.gateway, path->hop.interface, hop),
	    path_state_text(facts->recorded.state));
	if (!IN6_IS_ADDR_UNSPECIFIED(&path->member))
		say(out, "That path leads to %s alone.", address_text(&path->member, member));
	else if (facts->recorded.members)
		say(out, "That path leads to %u members.", facts->recorded.members);
	else
		say(out, "It is not known whom that path leads to.");
	say(out, "Its last packet is %s old at most%s.",
	    duration(record->seen_ms_ago + KERNEL_FLOW_TIME_MS, age),
	    record->closing ? ", its client has closed it" : "");
	if (record->probation)
		say(out, "It is on probation: its handshake was not seen here, and its owner is "
			 "not known.");
}

static void say_owner_lookup(const struct explain_facts *facts, struct explanation *out)
{
	if (facts->owner_wanted)
		say(out, "Its owner is being looked for beforehand (asked %u times in vain).",
		    facts->owner_tries);
}

/* What would become of it. */
static void say_failure(const struct explain_facts *facts, struct explanation *out)
{
	const struct kernel_path *path = &facts->recorded.path;
	char owner[ADDRESS_TEXT_SIZE];

	if (!IN6_IS_ADDR_UNSPECIFIED(&path->backup_owner))
		say(out, "If the path fails, it goes at once through the tunnel to %s.",
		    address_text(&path->backup_owner, owner));
	else if (path->backup_count)
		say(out,
		    "If the path fails, it goes at once by %zu other next hops to the same "
		    "server.",
		    path->backup_count);
	else if (facts->pin.known && facts->pin.has_owner)
		say(out,
		    "If the path fails, it goes at once through the tunnel to %s, its pin's "
		    "owner.",
		    address_text(&facts->pin.owner, owner));
	else
		say(out, "If the path fails, it goes by the routing table until the directory has "
			 "named its owner.");
}

static void path_up(const struct explain_facts *facts, struct explanation *out)
{
	out->goes = EXPLAIN_PATH;
	if (facts->recorded.fast_path && !facts->recorded.record.probation)
		say(out, "It takes the fast path, past netfilter, if this host can forward it so.");
	say_owner_lookup(facts, out);
	say_failure(facts, out);
}

static void path_withdrawn(const struct explain_facts *facts, struct explanation *out)
{
	const struct kernel_path *path = &facts->recorded.path;
	char owner[ADDRESS_TEXT_SIZE];

	say(out, "The path is withdrawn.");
	if (!IN6_IS_ADDR_UNSPECIFIED(&path->backup_owner)) {
		out->goes = EXPLAIN_BACKUP;
		out->to = path->backup_owner;
		say(out, "It goes through the tunnel to %s, the only member behind the path.",
		    address_text(&path->backup_owner, owner));
	} else if (path->backup_count) {
		out->goes = EXPLAIN_BACKUP;
		say(out, "It goes by %zu other next hops to the same server.", path->backup_count);
	} else if (facts->pin.known && facts->pin.has_owner) {
		goes_to_owner(facts, out);
	} else {
		out->goes = EXPLAIN_ROUTING;
		say_owner_lookup(facts, out);
		say(out, "%% It goes by the routing table until the directory has named its "
			 "owner.");
	}
}

static void routed(const struct explain_facts *facts, struct explanation *out)
{
	bool direct = facts->pin.known && facts->pin.direct;

	if (facts->recorded.unreadable) {
		unknown("records of flows", facts, out);
		return;
	}
	if (facts->recorded.known && facts->recorded.path_known)
		say_path(facts, out);
	else
		say(out, "No path is recorded for it.");
	if (facts->pin.known)
		say_pin(facts, out);
	say_directory(facts, out);
	if (direct && facts->pin.has_owner) {
		say(out, "The pin comes before the path: it was seen in mid-life, or its path was "
			 "withdrawn, when its owner was found.");
		goes_to_owner(facts, out);
	} else if (direct) {
		out->goes = EXPLAIN_ROUTING;
	} else if (facts->recorded.known && facts->recorded.path_known) {
		if (facts->recorded.path.up)
			path_up(facts, out);
		else
			path_withdrawn(facts, out);
	} else if (facts->pin.known) {
		goes_to_owner(facts, out);
	} else {
		out->goes = EXPLAIN_ROUTING;
		say_owner_lookup(facts, out);
		say(out,
		    facts->routed_next_hops ? "The routing table chooses one of %zu next hops; "
					      "which one is recorded with its first packet."
					    : "%% The VIP has no route now (%zu next hops).",
		    facts->routed_next_hops);
	}
	if (facts->pin.known && facts->pin.has_owner && names_another(facts, &facts->pin.owner))
		say(out, "%% The pin has another owner: it is put right when it is checked.");
}

void explain(const struct explain_facts *facts, struct explanation *out)
{
	memset(out, 0, sizeof(*out));
	out->goes = EXPLAIN_ROUTING;
	switch (facts->role) {
	case EXPLAIN_REFUSED:
		say(out, "Holdfast leaves this VIP alone: %s.", facts->refused);
		return;
	case EXPLAIN_NEITHER:
		say(out, "The VIP is no address of this host, and no route to it is known: what "
			 "comes for it goes as without Holdfast.");
		return;
	case EXPLAIN_ROUTED:
		routed(facts, out);
		return;
	case EXPLAIN_SERVED:
		break;
	}
	if (facts->socket_state < 0)
		unknown("sockets", facts, out);
	else if (facts->socket_state > 0)
		socket_here(facts, out);
	else if (facts->pin.known)
		pin_here(facts, out);
	else
		stray_here(facts, out);
}
