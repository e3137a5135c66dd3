/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nfnetlink socket. Used from fpmd's event loop only; after each call nothing is left unread in
 * the socket.
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <libnftnl/common.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fpmd/kernel/list.h"
#include "fpmd/kernel/nft_link.h"

#define SEND_BUFFER_WANTED (256 << 20)
#define RECEIVE_BUFFER (4 << 20)

int nft_link_open(struct nft_link *link, struct error *error)
{
	int fd, result, wanted = SEND_BUFFER_WANTED, got = 0, receive = RECEIVE_BUFFER, on = 1;
	socklen_t size = sizeof(got);
	struct timeval timeout = {.tv_sec = 5};

	memset(link, 0, sizeof(*link));
	link->receive_size = 1 << 18;
	link->receive = malloc(link->receive_size);
	link->socket = nl_socket_alloc();
	if (!link->receive || !link->socket) {
		nft_link_close(link);
		return error_set(error, "nftables: out of memory");
	}
	result = nl_connect(link->socket, NETLINK_NETFILTER);
	if (result < 0) {
		nft_link_close(link);
		return error_set(error,
				 "nftables: no nfnetlink socket (%s): the kernel needs nf_tables",
				 nl_geterror(result));
	}
	fd = nl_socket_get_fd(link->socket);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	/* Without these two the texts of errors are poorer, nothing else. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &size)) {
		result = errno;
		nft_link_close(link);
		return error_set(error, "nftables: socket options: %s", strerror(result));
	}
	link->send_max = (size_t)got - 1024;
	link->port = nl_socket_get_local_port(link->socket);
	link->seq = 1;
	return 0;
}

void nft_link_close(struct nft_link *link)
{
	if (link->socket)
		nl_socket_free(link->socket);
	free(link->receive);
	memset(link, 0, sizeof(*link));
}

static bool batch_reserve(struct nft_batch *batch, size_t bytes)
{
	size_t size = batch->size ? batch->size : 2 * NFT_MESSAGE_MAX;
	char *grown;

	if (batch->length + bytes <= batch->size)
		return true;
	while (size < batch->length + bytes)
		size *= 2;
	grown = realloc(batch->bytes, size);
	if (!grown)
		return false;
	batch->bytes = grown;
	batch->size = size;
	return true;
}

static bool batch_label_reserve(struct nft_batch *batch)
{
	void *labels = list_room(batch->labels, batch->messages, &batch->labels_size,
				 sizeof(*batch->labels));

	if (!labels)
		return false;
	batch->labels = labels;
	return true;
}

void nft_batch_begin(struct nft_batch *batch, struct nft_link *link)
{
	const struct nlmsghdr *begin;

	memset(batch, 0, sizeof(*batch));
	batch->link = link;
	if (!batch_reserve(batch, NFT_MESSAGE_MAX)) {
		batch->no_memory = true;
		return;
	}
	begin = nftnl_batch_begin(batch->bytes, link->seq++);
	batch->length = MNL_ALIGN(begin->nlmsg_len);
	batch->first_seq = link->seq;
}

struct nlmsghdr *nft_batch_put(struct nft_batch *batch, uint16_t type, uint16_t family,
			       uint16_t flags, const char *label, ...)
{
	/* Where messages go that have no place: they are never sent. */
	static _Alignas(8) char spill[NFT_MESSAGE_MAX];
	va_list arguments;

	if (batch->no_memory || !batch_reserve(batch, NFT_MESSAGE_MAX) ||
	    !batch_label_reserve(batch)) {
		batch->no_memory = true;
		return nftnl_nlmsg_build_hdr(spill, type, family, flags, 0);
	}
	va_start(arguments, label);
	vsnprintf(batch->labels[batch->messages], sizeof(*batch->labels), label, arguments);
	va_end(arguments);
	batch->messages++;
	return nftnl_nlmsg_build_hdr(batch->bytes + batch->length, type, family, flags,
				     batch->link->seq++);
}

void nft_batch_end(struct nft_batch *batch, const struct nlmsghdr *message)
{
	if (!batch->no_memory)
		batch->length += MNL_ALIGN(message->nlmsg_len);
}

void nft_batch_free(struct nft_batch *batch)
{
	free(batch->bytes);
	free(batch->labels);
	memset(batch, 0, sizeof(*batch));
}

static int extended_text(const struct nlattr *attribute, void *arg)
{
	struct nft_failure *failure = arg;

	if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(failure->text, sizeof(failure->text), "%s", mnl_attr_get_str(attribute));
	return MNL_CB_OK;
}

/* The first refusal counts: later ones may only follow from it. */
static void read_error(const struct nft_batch *batch, const struct nlmsghdr *message,
		       struct nft_failure *failure)
{
	const struct nlmsgerr *refusal = mnl_nlmsg_get_payload(message);
	size_t index, offset = sizeof(*refusal);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*refusal) || !refusal->error ||
	    failure->error)
		return;
	failure->error = refusal->error;
	index = message->nlmsg_seq - batch->first_seq;
	if (index < batch->messages)
		memcpy(failure->label, batch->labels[index], sizeof(failure->label));
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(message) > offset + refusal->msg.nlmsg_len
				  ? refusal->msg.nlmsg_len - sizeof(refusal->msg)
				  : 0;
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(message, (unsigned int)MNL_ALIGN(offset), extended_text, failure);
}

int nft_batch_send(struct nft_batch *batch, struct nft_failure *failure)
{
	struct nft_failure unused;
	int fd = nl_socket_get_fd(batch->link->socket), result;
	struct nlmsghdr *message;
	ssize_t size;
	int left;

	if (!failure)
		failure = &unused;
	memset(failure, 0, sizeof(*failure));
	if (batch->no_memory || !batch_reserve(batch, NFT_MESSAGE_MAX)) {
		failure->error = -ENOMEM;
		goto out;
	}
	message = nftnl_batch_end(batch->bytes + batch->length, batch->link->seq++);
	batch->length += MNL_ALIGN(message->nlmsg_len);
	if (batch->length > batch->link->send_max) {
		failure->error = -EMSGSIZE;
		goto out;
	}
	result = nl_sendto(batch->link->socket, batch->bytes, batch->length);
	if (result < 0) {
		failure->error = errno ? -errno : -EIO;
		snprintf(failure->text, sizeof(failure->text), "%s", nl_geterror(result));
	}
	for (;;) {
		size = recv(fd, batch->link->receive, batch->link->receive_size, MSG_DONTWAIT);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (size < 0) { /* ENOBUFS: there were too many errors to hold */
			if (!failure->error)
				failure->error = -errno;
			if (errno == ENOBUFS)
				continue;
			break;
		}
		left = (int)size;
		for (message = (void *)batch->link->receive; mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			if (message->nlmsg_type == NLMSG_ERROR)
				read_error(batch, message, failure);
	}
out:
	nft_batch_free(batch);
	return failure->error;
}

int nft_failure_error(const struct nft_failure *failure, const char *doing, struct error *error)
{
	int number = -failure->error;
	const char *remedy = "";

	if (number == EPERM || number == EACCES)
		remedy = " (is CAP_NET_ADMIN missing?)";
	else if (number == EOPNOTSUPP || number == EAFNOSUPPORT)
		remedy = " (the kernel needs nf_tables for this address family)";
	else if (number == EMSGSIZE)
		remedy =
			" (the socket takes no transaction of that size; is CAP_NET_ADMIN missing?)";
	return error_set(error, "nftables: %s%s%s: %s%s%s%s", doing, failure->label[0] ? ": " : "",
			 failure->label, strerror(number), failure->text[0] ? ", " : "",
			 failure->text, remedy);
}

int nft_link_dump(struct nft_link *link, struct nlmsghdr *request, nft_message_fn *each, void *arg)
{
	int fd = nl_socket_get_fd(link->socket), result = 0, left;
	bool dump = request->nlmsg_flags & NLM_F_DUMP, interrupted = false;
	const struct nlmsghdr *message;
	const int *code;
	ssize_t size;

	request->nlmsg_seq = link->seq++;
	if (nl_sendto(link->socket, request, request->nlmsg_len) < 0)
		return errno ? -errno : -EIO;
	for (;;) {
		size = recv(fd, link->receive, link->receive_size, 0);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		left = (int)size;
		for (message = (void *)link->receive; mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left)) {
			if (message->nlmsg_seq != request->nlmsg_seq)
				continue;
			if (message->nlmsg_flags & NLM_F_DUMP_INTR)
				interrupted = true;
			if (message->nlmsg_type == NLMSG_DONE ||
			    message->nlmsg_type == NLMSG_ERROR) {
				code = mnl_nlmsg_get_payload(message);
				if (mnl_nlmsg_get_payload_len(message) >= sizeof(*code) &&
				    *code < 0)
					return *code;
				if (interrupted)
					return -EINTR;
				return result;
			}
			if (!result)
				result = each(message, arg);
			if (!dump || result == -ECANCELED)
				return result;
		}
	}
}
