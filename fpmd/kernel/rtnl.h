/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One netlink socket for requests that the kernel answers at once. libnl-3 builds and reads the
 * messages; here the errno and the kernel's own words survive.
 */
#ifndef HOLDFAST_KERNEL_RTNL_H
#define HOLDFAST_KERNEL_RTNL_H

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>

#include "fpmd/error.h"

#define RTNL_DUMP_TRIES 5 /* of a dump that others disturb */

struct rtnl {
	struct nl_sock *socket;
	char text[128]; /* the kernel's words on the last error, or "" */
};

/* *protocol*: NETLINK_ROUTE, NETLINK_SOCK_DIAG. On error nothing is left open. */
int rtnl_open(struct rtnl *rtnl, int protocol, struct error *error);
void rtnl_close(struct rtnl *rtnl);

/* A message with *payload* copied into it; NULL when out of memory. */
struct nl_msg *rtnl_message(int type, int flags, const void *payload, size_t size);

/* *message* if it is *whole*; else it is freed, NULL. NULL stays NULL. */
struct nl_msg *rtnl_whole(struct nl_msg *message, bool whole);

typedef void rtnl_each_fn(void *arg, const struct nlmsghdr *message);

/*
 * Sends *message* (NULL: out of memory) and frees it; *each* (may be NULL) gets the answers.
 * Returns 0 or a negative errno. -EINTR: a dump that changed meanwhile, ask again.
 */
int rtnl_request(struct rtnl *rtnl, struct nl_msg *message, rtnl_each_fn *each, void *arg);

/* -1 with *error* = "<doing>: <cause>", *status* as given by rtnl_request(). */
int rtnl_error(const struct rtnl *rtnl, int status, struct error *error, const char *doing);

#endif
