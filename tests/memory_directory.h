/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a unit test tells the directory in memory to answer, and what it looks at afterwards. */
#ifndef HOLDFAST_TEST_MEMORY_DIRECTORY_H
#define HOLDFAST_TEST_MEMORY_DIRECTORY_H

#include "fpmd/directory/directory.h"

#define MEMORY_FLOWS 256

/* directory_open() fails with *text*: from now on (NULL: no more), or the next time only. */
void memory_directory_fail_open(const char *text);
void memory_directory_fail_once(const char *text);
/* So does directory_check(), alone. */
void memory_directory_fail_check(const char *text);

/* What directory_get() answers for *flow* from now on; without it: absent. */
void memory_directory_answer(struct directory *directory, const struct flow *flow,
			     enum directory_answer answer, const struct in6_addr *owner);

/* Answers wait until memory_directory_release(). */
void memory_directory_hold(struct directory *directory);
void memory_directory_release(struct directory *directory);

/* A reachable host said hello, or fell silent: calls members_changed from the event loop. */
void memory_directory_member(struct directory *directory, const struct in6_addr *address,
			     enum directory_member_state state, uint64_t epoch);

/* A member says that it is a director: calls members_changed from the event loop. */
void memory_directory_director(struct directory *directory, const struct in6_addr *address);
void memory_directory_draining(struct directory *directory, const struct in6_addr *address);

/* A member's negative acknowledgement; has_session of this host. Called at once. */
void memory_directory_refused(struct directory *directory, const struct in6_addr *member,
			      const struct flow *flow);
void memory_directory_ended(struct directory *directory, const struct in6_addr *member,
			    const struct flow *flow);
bool memory_directory_has_session(struct directory *directory, const struct flow *flow);

/* How often directory_refuse() and directory_get() were called, and the last refusal. */
unsigned int memory_directory_refusals(struct directory *directory, struct in6_addr *member,
				       struct flow *flow);
unsigned int memory_directory_gets(struct directory *directory);
/* Those among them of directory_get_record(). */
unsigned int memory_directory_record_gets(struct directory *directory);
/* directory_get_record() fails: too many are outstanding. */
void memory_directory_busy(struct directory *directory, bool busy);

/* How often one was opened. */
unsigned int memory_directory_opened(void);

/* What directory_server() says from now on; there is one node then. */
void memory_directory_server(struct directory *directory, const struct directory_server *server);

#endif
