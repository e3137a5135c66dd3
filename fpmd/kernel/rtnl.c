// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns a request socket of netlink. Runs on fpmd's event loop. Invariant: when rtnl_request()
 * returns, no answer of that request is left in the socket.
 */
#include "fpmd/kernel/rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <netlink/attr.h>
#include <netlink/handlers.h>
#include <netlink/socket.h>

#define RECEIVE_BUFFER 32768
#define ANSWER_SECONDS 5 /* the kernel answers at once; this only ends an impossible wait */

struct request {
	struct rtnl *rtnl;
	rtnl_each_fn *each;
	void *arg;
	int status;
	bool done;
};

int rtnl_open(struct rtnl *rtnl, int protocol, struct error *error)
{
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	int one = 1, status, fd;

	memset(rtnl, 0, sizeof(*rtnl));
	rtnl->socket = nl_socket_alloc();
	if (!rtnl->socket)
		return error_set(error, "netlink: out of memory");
	status = nl_connect(rtnl->socket, protocol);
	if (status < 0) {
		error_set(error, "netlink: cannot open a socket of protocol %d: %s", protocol,
			  nl_geterror(status));
		rtnl_close(rtnl);
		return -1;
	}
	fd = nl_socket_get_fd(rtnl->socket);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	nl_socket_set_msg_buf_size(rtnl->socket, RECEIVE_BUFFER);
	return 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (rtnl->socket)
		nl_socket_free(rtnl->socket);
	rtnl->socket = NULL;
}

struct nl_msg *rtnl_message(int type, int flags, const void *payload, size_t size)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	return rtnl_whole(message, message && nlmsg_append(message, (void *)payload, size,
							   NLMSG_ALIGNTO) == 0);
}

struct nl_msg *rtnl_whole(struct nl_msg *message, bool whole)
{
	if (whole)
		return message;
	nlmsg_free(message);
	return NULL;
}

static int take_answer(struct nl_msg *message, void *arg)
{
	struct request *request = arg;

	if (request->each)
		request->each(request->arg, nlmsg_hdr(message));
	return NL_OK;
}

static int take_end(struct nl_msg *message, void *arg)
{
	struct request *request = arg;
	const struct nlmsghdr *header = nlmsg_hdr(message);
	int status;

	request->done = true;
	/* A dump that the kernel gave up ends with the cause. */
	if (header->nlmsg_type == NLMSG_DONE && nlmsg_datalen(header) >= (int)sizeof(status)) {
		memcpy(&status, nlmsg_data(header), sizeof(status));
		if (status < 0)
			request->status = status;
	}
	return NL_OK;
}

static int take_interruption(struct nl_msg *message, void *arg)
{
	struct request *request = arg;

	request->status = -EINTR;
	return NL_OK;
}

static int take_error(struct sockaddr_nl *from, struct nlmsgerr *failure, void *arg)
{
	const struct nlmsghdr *header =
		(const struct nlmsghdr *)((const char *)failure - NLMSG_HDRLEN);
	struct request *request = arg;
	struct nlattr *text;
	int offset = sizeof(*failure);

	request->status = failure->error;
	request->done = true;
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		offset += (int)failure->msg.nlmsg_len - NLMSG_HDRLEN;
	text = nlmsg_find_attr((struct nlmsghdr *)header, offset, NLMSGERR_ATTR_MSG);
	if (text)
		nla_strlcpy(request->rtnl->text, text, sizeof(request->rtnl->text));
	return NL_STOP;
}

int rtnl_request(struct rtnl *rtnl, struct nl_msg *message, rtnl_each_fn *each, void *arg)
{
	struct request request = {.rtnl = rtnl, .each = each, .arg = arg};
	struct nl_cb *callbacks;
	int status;

	rtnl->text[0] = '\0';
	if (!message)
		return -ENOMEM;
	callbacks = nl_cb_alloc(NL_CB_DEFAULT);
	if (!callbacks) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, take_answer, &request);
	nl_cb_set(callbacks, NL_CB_FINISH, NL_CB_CUSTOM, take_end, &request);
	nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, take_end, &request);
	nl_cb_set(callbacks, NL_CB_DUMP_INTR, NL_CB_CUSTOM, take_interruption, &request);
	nl_cb_err(callbacks, NL_CB_CUSTOM, take_error, &request);
	status = nl_send_auto(rtnl->socket, message);
	nlmsg_free(message);
	if (status < 0)
		request.status = -EIO;
	while (status >= 0 && !request.done) {
		status = nl_recvmsgs(rtnl->socket, callbacks);
		if (status < 0 && !request.done)
			request.status = status == -NLE_AGAIN ? -ETIMEDOUT : -EIO;
	}
	nl_cb_put(callbacks);
	return request.status;
}

int rtnl_error(const struct rtnl *rtnl, int status, struct error *error, const char *doing)
{
	if (status == -EPERM)
		return error_set(error,
				 "%s: no CAP_NET_ADMIN: start fpmd as root or with "
				 "AmbientCapabilities=CAP_NET_ADMIN CAP_BPF CAP_PERFMON",
				 doing);
	return error_set(error, "%s: %s%s%s%s", doing, strerror(-status), rtnl->text[0] ? " (" : "",
			 rtnl->text, rtnl->text[0] ? ")" : "");
}
