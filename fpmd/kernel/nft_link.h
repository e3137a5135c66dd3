/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nfnetlink socket: transactions and dumps. libnftnl fills the messages, libnl-3 is the socket.
 * The kernel works synchronously: when a send returns, its errors are there to be read.
 */
#ifndef HOLDFAST_NFT_LINK_H
#define HOLDFAST_NFT_LINK_H

#include <libmnl/libmnl.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "fpmd/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFT_MESSAGE_MAX (72 * 1024) /* what one message of a batch may need */

struct nft_link {
	struct nl_sock *socket;
	uint32_t port; /* ours, as the notifications name it */
	uint32_t seq;
	size_t send_max; /* bytes of the largest transaction */
	char *receive;	 /* buffer */
	size_t receive_size;
};

/* Sets all fields; on error nothing is left open. */
int nft_link_open(struct nft_link *link, struct error *error);
void nft_link_close(struct nft_link *link);

/* A transaction: all of it or nothing. Begin, then for each message put and end, then send. */
struct nft_batch {
	struct nft_link *link;
	char *bytes;
	size_t length, size;
	uint32_t first_seq;
	char (*labels)[64]; /* what each message is about, for errors */
	size_t messages, labels_size;
	bool no_memory;
};

/* Which message the kernel refused. */
struct nft_failure {
	int error;	/* negative errno */
	char label[64]; /* of the message, "" if unknown */
	char text[128]; /* the kernel's own words, or "" */
};

void nft_batch_begin(struct nft_batch *batch, struct nft_link *link);

/* The header of a new message with NFT_MESSAGE_MAX bytes behind it; never NULL: after a failed
 * allocation the send fails. *label* is a format for the error text. */
struct nlmsghdr *nft_batch_put(struct nft_batch *batch, uint16_t type, uint16_t family,
			       uint16_t flags, const char *label, ...)
	__attribute__((format(printf, 5, 6)));
void nft_batch_end(struct nft_batch *batch, const struct nlmsghdr *message);

/* Commits and frees. Returns 0, or a negative errno (also in *failure*, which may be NULL). */
int nft_batch_send(struct nft_batch *batch, struct nft_failure *failure);
void nft_batch_free(struct nft_batch *batch);

/* -1 with *error* = "<doing>: <cause and remedy>". */
int nft_failure_error(const struct nft_failure *failure, const char *doing, struct error *error);

/*
 * Sends *request* (NLM_F_DUMP or not) and calls *each* with every answer; a non-zero result of
 * *each* is remembered and given back when the dump is over. Returns 0 or a negative errno; -EINTR:
 * the tables changed meanwhile, ask again.
 */
typedef int nft_message_fn(const struct nlmsghdr *message, void *arg);
int nft_link_dump(struct nft_link *link, struct nlmsghdr *request, nft_message_fn *each, void *arg);

#endif
