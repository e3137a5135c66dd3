/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's own table of TCP sockets, asked through SOCK_DIAG. */
#ifndef HOLDFAST_KERNEL_SOCK_DIAG_H
#define HOLDFAST_KERNEL_SOCK_DIAG_H

#include "fpmd/kernel/kernel.h"
#include "fpmd/kernel/rtnl.h"

/* As kernel_session_state(). *rtnl* is of NETLINK_SOCK_DIAG. */
int sock_diag_state(struct rtnl *rtnl, const struct flow *flow);

/*
 * 1 with the *user* whose socket has the 4-tuple, 0: there is none, or a negative errno. Only one
 * that is ESTABLISHED tells (else -ENOTCONN): the kernel calls those that were closed root's.
 */
int sock_diag_user(struct rtnl *rtnl, const struct flow *flow, uid_t *user);

/* As kernel_sessions_dump(), of all sessions whose local address *is_vip* accepts. */
typedef bool sock_diag_vip_fn(void *arg, const struct in6_addr *address);
int sock_diag_dump(struct rtnl *rtnl, sock_diag_vip_fn *is_vip, void *vip_arg,
		   kernel_session_fn *fn, void *arg, struct error *error);

/* Does this kernel tell about TCP sockets (modules inet_diag and tcp_diag)? Costs no walk. */
int sock_diag_check(struct rtnl *rtnl, struct error *error);

#endif
