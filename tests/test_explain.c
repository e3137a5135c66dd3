// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a flow goes and why, from what is known of it. */
#include <errno.h>
#include <netinet/tcp.h>

#include "fpmd/explain.h"
#include "tests/unit.h"

static struct explanation out;

/* What an idle server knows whose directory says that *owner* has it (NULL: nobody). */
static struct explain_facts served(const char *owner)
{
	struct explain_facts facts = {.flow = unit_flow(40312), .role = EXPLAIN_SERVED};

	facts.directory.asked = true;
	facts.directory.messages = 2;
	facts.directory.facts.answer = owner ? DIRECTORY_FOUND : DIRECTORY_ABSENT;
	if (owner) {
		facts.directory.owner = unit_address(owner);
		facts.directory.facts.owner_is_reachable = true;
	}
	return facts;
}

static void pin(struct explain_facts *facts, const char *owner)
{
	facts->pin.known = true;
	facts->pin.age_ms = 192000;
	facts->pin.has_owner = owner;
	if (owner)
		facts->pin.owner = unit_address(owner);
	facts->pin.owner_reachable = true;
	facts->pin.next_hops = 1;
	facts->pin.gateway = unit_address("10.0.0.1");
	strcpy(facts->pin.interface, "eth0");
}

static struct explain_facts directed(const char *owner)
{
	struct explain_facts facts = served(owner);

	facts.role = EXPLAIN_ROUTED;
	facts.routed_next_hops = 2;
	facts.recorded.known = facts.recorded.path_known = true;
	facts.recorded.record.path = facts.recorded.path.id = 3;
	facts.recorded.path.up = facts.recorded.path.shared = true;
	facts.recorded.path.hop.gateway = unit_address("10.0.0.9");
	strcpy(facts.recorded.path.hop.interface, "up0");
	facts.recorded.members = 2;
	facts.recorded.state = PATH_IN_USE;
	return facts;
}

static bool says(const char *part)
{
	for (size_t i = 0; i < out.count; i++)
		if (strstr(out.line[i], part))
			return true;
	return false;
}

#define expect(part) ck_assert_msg(says(part), "nothing says: %s; first: %s", part, out.line[0])

static void expect_goes(enum explain_goes goes, const char *to)
{
	struct in6_addr address = {0};

	if (to)
		address = unit_address(to);
	ck_assert_str_eq(explain_goes_text(out.goes), explain_goes_text(goes));
	ck_assert(address_equal(&out.to, &address));
}

START_TEST(a_socket_comes_before_all)
{
	struct explain_facts facts = served("10.255.0.1");

	facts.socket_state = TCP_ESTABLISHED;
	facts.published = true;
	pin(&facts, "10.255.0.2");
	explain(&facts, &out);
	expect_goes(EXPLAIN_HERE, NULL);
	expect("a socket for it, in state ESTABLISHED");
	expect("The socket comes first: the pin has no effect.");
	expect("% Two hosts have it");
	facts.pin.known = false;
	facts.directory.facts.owner_is_local = true;
	facts.published = false;
	explain(&facts, &out);
	expect("10.255.0.1, this host owns it");
	expect("% It is not published yet");
	ck_assert(!says("Two hosts"));
	facts.socket_state = TCP_TIME_WAIT;
	explain(&facts, &out);
	expect_goes(EXPLAIN_HERE, NULL);
	expect("TIME-WAIT");
	expect("The session has ended");
	ck_assert(!says("not published"));
}
END_TEST

START_TEST(a_pin_comes_before_the_directory)
{
	struct explain_facts facts = served("10.255.0.1");

	pin(&facts, "10.255.0.2");
	explain(&facts, &out);
	expect_goes(EXPLAIN_OWNER, "10.255.0.2");
	expect("a pin, known for 192 s, to 10.255.0.2: through the tunnel, by 10.0.0.1 on eth0");
	expect("The directory: 10.255.0.1 owns it (2 messages, 0 ms).");
	expect("% The pin has another owner");
	facts.directory.owner = facts.pin.owner;
	facts.pin.owner_reachable = false;
	facts.pin.interface[0] = '\0';
	facts.pin.next_hops = 4;
	explain(&facts, &out);
	ck_assert(!says("another owner"));
	expect("by any of 4 next hops");
	expect("% 10.255.0.2 is not reachable.");
	facts.directory.facts.answer = DIRECTORY_ABSENT;
	explain(&facts, &out);
	expect_goes(EXPLAIN_OWNER, "10.255.0.2");
	expect("The session has ended: the pin goes");
}
END_TEST

START_TEST(a_stray_goes_where_the_directory_says)
{
	struct explain_facts facts = served("10.255.0.1");

	explain(&facts, &out);
	expect_goes(EXPLAIN_OWNER, "10.255.0.1");
	expect("gets a pin");
	facts.directory.facts.owner_is_reachable = false;
	explain(&facts, &out);
	expect_goes(EXPLAIN_RESET, NULL);
	expect("10.255.0.1, which is out of reach owns it");
	facts.directory.facts.owner_is_in_doubt = true;
	explain(&facts, &out);
	expect_goes(EXPLAIN_DROPPED, NULL);
	facts = served(NULL);
	explain(&facts, &out);
	expect_goes(EXPLAIN_RESET, NULL);
	expect("no member has it");
	facts.directory.facts.answer = DIRECTORY_TIMED_OUT;
	facts.directory.took_ms = 1000;
	explain(&facts, &out);
	expect_goes(EXPLAIN_DROPPED, NULL);
	expect("% The directory: no answer in 1000 ms");
	facts.directory.asked = false;
	explain(&facts, &out);
	expect_goes(EXPLAIN_DROPPED, NULL);
	expect("could not be asked");
	facts.stray.known = facts.stray.asking = true;
	facts.stray.segments = 3;
	facts.stray.asked_ms_ago = 12;
	explain(&facts, &out);
	expect_goes(EXPLAIN_HELD, NULL);
	expect("looked up since 12 ms: 3 segments are held");
	facts.stray.asking = false;
	explain(&facts, &out);
	expect_goes(EXPLAIN_DROPPED, NULL);
	expect("looked up 12 ms ago without an answer");
}
END_TEST

START_TEST(a_recorded_flow_keeps_its_path)
{
	struct explain_facts facts = directed("10.255.0.1");

	explain(&facts, &out);
	expect_goes(EXPLAIN_PATH, NULL);
	expect("Path 3 is recorded for it: 10.0.0.9 on up0, in-use.");
	expect("leads to 2 members");
	expect("If the path fails, it goes by the routing table until");
	ck_assert(!says("fast path"));
	ck_assert(!says("probation"));
	facts.owner_wanted = true;
	facts.owner_tries = 2;
	facts.recorded.fast_path = true;
	explain(&facts, &out);
	expect("looked for beforehand (asked 2 times in vain)");
	expect("takes the fast path, past netfilter");
	facts.recorded.record.probation = true;
	explain(&facts, &out);
	expect("It is on probation");
	ck_assert(!says("fast path"));
	facts.owner_wanted = false;
	pin(&facts, "10.255.0.1");
	explain(&facts, &out);
	expect_goes(EXPLAIN_PATH, NULL);
	expect("If the path fails, it goes at once through the tunnel to 10.255.0.1");
	facts.recorded.path.backup_count = 2;
	explain(&facts, &out);
	expect("at once by 2 other next hops");
	facts.recorded.path.backup_owner = unit_address("10.255.0.7");
	explain(&facts, &out);
	expect("at once through the tunnel to 10.255.0.7.");
}
END_TEST

START_TEST(past_a_withdrawn_path)
{
	struct explain_facts facts = directed("10.255.0.1");

	facts.recorded.path.up = false;
	facts.recorded.state = PATH_FAILED;
	explain(&facts, &out);
	expect_goes(EXPLAIN_ROUTING, NULL);
	expect("The path is withdrawn.");
	expect("% It goes by the routing table until the directory has named its owner.");
	pin(&facts, "10.255.0.1");
	explain(&facts, &out);
	expect_goes(EXPLAIN_OWNER, "10.255.0.1");
	facts.recorded.path.backup_count = 1;
	explain(&facts, &out);
	expect_goes(EXPLAIN_BACKUP, NULL);
	facts.recorded.path.backup_owner = unit_address("10.255.0.7");
	explain(&facts, &out);
	expect_goes(EXPLAIN_BACKUP, "10.255.0.7");
}
END_TEST

START_TEST(a_direct_pin_comes_before_the_path)
{
	struct explain_facts facts = directed("10.255.0.1");

	pin(&facts, "10.255.0.1");
	facts.pin.direct = true;
	explain(&facts, &out);
	expect_goes(EXPLAIN_OWNER, "10.255.0.1");
	expect("The pin comes before the path");
	pin(&facts, NULL);
	explain(&facts, &out);
	expect_goes(EXPLAIN_ROUTING, NULL);
	expect("its member disowned it, any server is to reset it");
}
END_TEST

START_TEST(without_a_record)
{
	struct explain_facts facts = directed(NULL);

	facts.recorded.known = false;
	explain(&facts, &out);
	expect_goes(EXPLAIN_ROUTING, NULL);
	expect("No path is recorded for it.");
	expect("chooses one of 2 next hops");
	facts.routed_next_hops = 0;
	explain(&facts, &out);
	expect("% The VIP has no route now");
	pin(&facts, "10.255.0.1");
	explain(&facts, &out);
	expect_goes(EXPLAIN_OWNER, "10.255.0.1");
}
END_TEST

START_TEST(vips_that_are_left_alone)
{
	struct explain_facts facts = served(NULL);

	facts.role = EXPLAIN_NEITHER;
	explain(&facts, &out);
	expect_goes(EXPLAIN_ROUTING, NULL);
	expect("no address of this host, and no route");
	facts.role = EXPLAIN_REFUSED;
	strcpy(facts.refused, "it is translated by a rule");
	explain(&facts, &out);
	expect_goes(EXPLAIN_ROUTING, NULL);
	expect("leaves this VIP alone: it is translated by a rule.");
}
END_TEST

START_TEST(questions_without_sense)
{
	struct flow flow = unit_flow(1);
	struct error error;

	ck_assert_int_eq(explain_check(&flow, &error), 0);
	flow.client_port = 0;
	ck_assert_int_eq(explain_check(&flow, &error), -1);
	ck_assert_str_eq(error.text, "port 0 is no port of a TCP session");
	flow = unit_flow(1);
	flow.vip_port = 0;
	ck_assert_int_eq(explain_check(&flow, &error), -1);
	flow = unit_flow(1);
	flow.client = unit_address("2001:db8::1");
	ck_assert_int_eq(explain_check(&flow, &error), -1);
	ck_assert_str_eq(error.text, "client and VIP are of different address families");
	flow.client = unit_address("224.0.0.1");
	ck_assert_int_eq(explain_check(&flow, &error), -1);
	ck_assert_str_eq(error.text, "224.0.0.1 is no address that a client can have");
}
END_TEST

START_TEST(states_of_sockets)
{
	ck_assert_str_eq(explain_socket_text(0), "none");
	ck_assert_str_eq(explain_socket_text(-1), "unknown");
	ck_assert_str_eq(explain_socket_text(99), "unknown");
	ck_assert_str_eq(explain_socket_text(TCP_LAST_ACK), "LAST-ACK");
	ck_assert_str_eq(explain_socket_text(KERNEL_TCP_NEW_SYN_RECV), "SYN-RECV");
}
END_TEST

START_TEST(what_the_kernel_does_not_tell_is_not_guessed)
{
	struct explain_facts facts = served(NULL);

	facts.socket_state = -EPERM;
	explain(&facts, &out);
	ck_assert_int_eq(out.goes, EXPLAIN_UNKNOWN);
	ck_assert(says("% This host's sockets cannot be read"));
	ck_assert(says("The directory: no member has it"));
	ck_assert(!says("has no socket"));

	facts = directed("10.255.0.1");
	pin(&facts, "10.255.0.1");
	facts.recorded.known = false;
	facts.recorded.unreadable = true;
	explain(&facts, &out);
	ck_assert_int_eq(out.goes, EXPLAIN_UNKNOWN);
	ck_assert(says("% This host's records of flows cannot be read"));
	ck_assert(says("It has a pin"));
	ck_assert(!says("No path is recorded"));
}
END_TEST

UNIT_MAIN("explain", what_the_kernel_does_not_tell_is_not_guessed, a_socket_comes_before_all,
	  a_pin_comes_before_the_directory, a_stray_goes_where_the_directory_says,
	  a_recorded_flow_keeps_its_path, past_a_withdrawn_path, a_direct_pin_comes_before_the_path,
	  without_a_record, vips_that_are_left_alone, questions_without_sense, states_of_sockets)
