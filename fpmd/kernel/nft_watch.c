/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notices when others change our tables. Runs on fpmd's loop, on a socket of its own. Our own
 * changes are filtered out in the kernel by their port, so that they cannot flood it; and while a
 * large transaction of ours runs, nobody listens at all, as the kernel makes a notification for
 * each element, which takes longer than all the rest.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <libnftnl/common.h>

#include "fpmd/clock.h"
#include "fpmd/kernel/nft_private.h"

#define DELAY_MS 10	 /* others change several things at once */
#define INTERVAL_MS 1000 /* between two calls of the caller's function, unless a table is gone */
#define READS_MAX 256	 /* datagrams at once */

/* *urgent*: strays have nowhere to go. */
static void change_note(struct nft *nft, bool urgent, const char *what, const char *name,
			const char *done)
{
	uint64_t now = clock_ms(), wait = DELAY_MS;
	struct timeval delay;

	if (!urgent && evtimer_pending(nft->watch_timer, NULL))
		return;
	snprintf(nft->changed_what, sizeof(nft->changed_what), "%s%s%s %s", what, *name ? " " : "",
		 name, done);
	if (!urgent && nft->changed_ms && now < nft->changed_ms + INTERVAL_MS)
		wait = nft->changed_ms + INTERVAL_MS - now;
	delay.tv_sec = (time_t)(wait / 1000);
	delay.tv_usec = (suseconds_t)(wait % 1000) * 1000;
	evtimer_add(nft->watch_timer, &delay);
}

static void change_tell(evutil_socket_t fd, short events, void *arg)
{
	struct nft *nft = arg;

	/* In vain, unless nft_watch_resume() could not. */
	(void)nl_socket_add_membership(nft->watch.socket, NFNLGRP_NFTABLES);
	nft->changed_ms = clock_ms();
	nft->changed(nft->changed_arg, nft->changed_what);
}

static int name_attribute(const struct nlattr *attribute, void *arg)
{
	const char **names = arg;
	uint16_t type = mnl_attr_get_type(attribute);

	if ((type == 1 || type == 2) && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		names[type - 1] = mnl_attr_get_str(attribute);
	return MNL_CB_OK;
}

/* Attribute 1 names the table, attribute 2 (but in a table's own message) the thing or its chain.
 */
static void watch_message(struct nft *nft, const struct nlmsghdr *message)
{
	static const char *const things[] = {
		[NFT_MSG_NEWTABLE] = "table",
		[NFT_MSG_DELTABLE] = "table",
		[NFT_MSG_NEWCHAIN] = "chain",
		[NFT_MSG_DELCHAIN] = "chain",
		[NFT_MSG_NEWRULE] = "rule in",
		[NFT_MSG_DELRULE] = "rule in",
		[NFT_MSG_NEWSET] = "set",
		[NFT_MSG_DELSET] = "set",
		[NFT_MSG_NEWSETELEM] = "element of",
		[NFT_MSG_DELSETELEM] = "element of",
		[NFT_MSG_NEWOBJ] = "counter",
		[NFT_MSG_DELOBJ] = "counter",
	};
	unsigned int type = message->nlmsg_type & 0xff;
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const char *names[2] = {"", ""};
	bool ours = false;

	if (message->nlmsg_pid == nft->link.port ||
	    message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    type >= sizeof(things) / sizeof(*things) || !things[type] ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return;
	for (int i = 0; i < 2; i++)
		ours |= nft->families[i].used && nft->families[i].protocol == header->nfgen_family;
	mnl_attr_parse(message, sizeof(*header), name_attribute, names);
	if (!ours || strcmp(names[0], NFT_TABLE) != 0)
		return;
	if (type == NFT_MSG_NEWTABLE || type == NFT_MSG_DELTABLE)
		names[1] = "";
	switch (type) {
	case NFT_MSG_DELTABLE:
		change_note(nft, true, things[type], "", "deleted by another program");
		break;
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELRULE:
	case NFT_MSG_DELSET:
	case NFT_MSG_DELSETELEM:
	case NFT_MSG_DELOBJ:
		change_note(nft, false, things[type], names[1], "deleted by another program");
		break;
	default:
		change_note(nft, false, things[type], names[1], "changed by another program");
	}
}

static void watch_read(evutil_socket_t fd, short events, void *arg)
{
	struct nft *nft = arg;
	const struct nlmsghdr *message;
	ssize_t size;
	int left;

	for (int i = 0; i < READS_MAX; i++) {
		size = recv(fd, nft->watch.receive, nft->watch.receive_size, MSG_DONTWAIT);
		if (size < 0 && errno == ENOBUFS) {
			change_note(nft, false, "notifications", "", "were lost");
			continue;
		}
		if (size < 0)
			break;
		left = (int)size;
		for (message = (void *)nft->watch.receive; mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			watch_message(nft, message);
	}
}

static int generation_message(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_GEN_ID ||
		    mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
			continue;
		*(uint32_t *)arg = ntohl(mnl_attr_get_u32(attribute));
		return 0;
	}
	return -EBADMSG;
}

/* How many transactions the kernel has taken, from anybody. */
static int generation_ask(struct nft *nft, uint32_t *generation)
{
	_Alignas(8) char bytes[64];
	struct nlmsghdr *request =
		nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETGEN, AF_UNSPEC, NLM_F_REQUEST, 0);

	return nft_link_dump(&nft->link, request, generation_message, generation);
}

bool nft_watch_pause(struct nft *nft, uint32_t *generation)
{
	if (!nft->watch_event || generation_ask(nft, generation))
		return false;
	return nl_socket_drop_membership(nft->watch.socket, NFNLGRP_NFTABLES) >= 0;
}

void nft_watch_resume(struct nft *nft, uint32_t generation, unsigned int own)
{
	int result = nl_socket_add_membership(nft->watch.socket, NFNLGRP_NFTABLES);
	uint32_t now = 0;

	if (result < 0 || generation_ask(nft, &now) || now != generation + own)
		change_note(nft, false, "notifications", "", "were missed");
}

/* All messages of a datagram come from one transaction: look at the first one's port. */
static int watch_filter(int fd, uint32_t port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int nft_watch(struct nft *nft, struct event_base *base, nft_changed_fn *changed, void *arg,
	      struct error *error)
{
	int fd, result;

	nft_watch_stop(nft);
	if (nft_link_open(&nft->watch, error))
		return -1;
	fd = nl_socket_get_fd(nft->watch.socket);
	nft->changed = changed;
	nft->changed_arg = arg;
	if (watch_filter(fd, nft->link.port)) {
		error_set(error, "nftables: cannot filter notifications: %s", strerror(errno));
		goto fail;
	}
	result = nl_socket_add_membership(nft->watch.socket, NFNLGRP_NFTABLES);
	if (result < 0) {
		error_set(error, "nftables: no notifications: %s", nl_geterror(result));
		goto fail;
	}
	nft->watch_event = event_new(base, fd, EV_READ | EV_PERSIST, watch_read, nft);
	nft->watch_timer = evtimer_new(base, change_tell, nft);
	if (!nft->watch_event || !nft->watch_timer || event_add(nft->watch_event, NULL)) {
		error_set(error, "nftables: out of memory");
		goto fail;
	}
	return 0;
fail:
	nft_watch_stop(nft);
	return -1;
}

void nft_watch_stop(struct nft *nft)
{
	if (nft->watch_event)
		event_free(nft->watch_event);
	if (nft->watch_timer)
		event_free(nft->watch_timer);
	nft->watch_event = nft->watch_timer = NULL;
	if (nft->watch.socket)
		nft_link_close(&nft->watch);
}
