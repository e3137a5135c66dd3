/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens and closes; owners and counters. Runs on fpmd's loop. Invariant: an owner is known if and
 * only if its chain is in every table that is used.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/object.h>

#include "fpmd/kernel/nft_private.h"

static const struct nft_family families[2] = {
	{.protocol = NFPROTO_IPV4,
	 .address_size = 4,
	 .source_offset = 12,
	 .destination_offset = 16,
	 .icmp = IPPROTO_ICMP},
	{.protocol = NFPROTO_IPV6,
	 .address_size = 16,
	 .source_offset = 8,
	 .destination_offset = 24,
	 .icmp = IPPROTO_ICMPV6},
};

int nft_open(const struct kernel_options *options, const char *tunnel_device, struct nft **out,
	     struct error *error)
{
	struct nft *nft;

	*out = NULL;
	if (!*tunnel_device || strlen(tunnel_device) >= IFNAMSIZ)
		return error_set(error, "bad name of a tunnel device: %s", tunnel_device);
	if (!options->pins_max)
		return error_set(error, "the pin map needs a size of at least 1");
	nft = calloc(1, sizeof(*nft));
	if (!nft)
		return error_set(error, "nftables: out of memory");
	nft->options = *options;
	snprintf(nft->tunnel_device, sizeof(nft->tunnel_device), "%s", tunnel_device);
	for (int i = 0; i < 2; i++) {
		nft->families[i] = families[i];
		nft->families[i].used = !IN6_IS_ADDR_UNSPECIFIED(&options->local_members[i]);
		nft->families[i].pins_size = options->pins_max;
	}
	if (nft_link_open(&nft->link, error)) {
		free(nft);
		return -1;
	}
	*out = nft;
	return 0;
}

void nft_close(struct nft *nft)
{
	if (!nft)
		return;
	nft_watch_stop(nft);
	nft_pins_forget(nft);
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < NFT_SETS; j++) {
			free(nft->families[i].sets[j].keys);
			free(nft->families[i].sets[j].notes);
		}
	nft_link_close(&nft->link);
	free(nft);
}

enum nft_queue_kind nft_queue_kind(const struct nft *nft)
{
	return nft->queue_kind;
}

const char *nft_queue_text(const struct nft *nft)
{
	return nft->queue_text;
}

bool nft_owner_known(const struct nft *nft, uint16_t id)
{
	return id && id <= NFT_OWNER_MAX && nft_owner_bit(nft->owners, id);
}

size_t nft_owners(const struct nft *nft, uint16_t *ids, size_t max)
{
	size_t count = 0;

	for (uint16_t id = 1; id <= NFT_OWNER_MAX; id++) {
		if (!nft_owner_bit(nft->owners, id))
			continue;
		if (count < max)
			ids[count] = id;
		count++;
	}
	return count;
}

int nft_owner_add(struct nft *nft, uint16_t id, struct error *error)
{
	struct nft_failure failure;
	struct nft_batch batch;

	if (!id || id > NFT_OWNER_MAX || id > layout_owner_max(&nft->options))
		return error_set(error, "owner id %u does not fit the owner mask 0x%08x", id,
				 nft->options.mark_owner_mask);
	if (nft_owner_known(nft, id))
		return 0;
	nft_batch_begin(&batch, &nft->link);
	for (int i = 0; i < 2; i++)
		if (nft->families[i].used)
			nft_owner_put(nft, &nft->families[i], &batch, id);
	if (nft_batch_send(&batch, &failure))
		return nft_failure_error(&failure, "cannot add an owner", error);
	nft_owner_bit_set(nft->owners, id, true);
	return 0;
}

int nft_owner_remove(struct nft *nft, uint16_t id, struct error *error)
{
	struct nft_failure failure;
	struct nft_batch batch;
	int result;

	if (!nft_owner_known(nft, id))
		return 0;
	if (nft_pins_point_to(nft, id))
		return error_set(error, "nftables: pins still point to owner id %u", id);
	nft_batch_begin(&batch, &nft->link);
	for (int i = 0; i < 2; i++)
		if (nft->families[i].used)
			nft_owner_drop_put(nft, &nft->families[i], &batch, id);
	result = nft_batch_send(&batch, &failure);
	/* ENOENT: others removed it. */
	nft_owner_bit_set(nft->owners, id, false);
	if (result == -ENOENT)
		return nft_repair(nft, NULL, error);
	if (result) {
		nft_owner_bit_set(nft->owners, id, true);
		return nft_failure_error(&failure, "cannot remove an owner", error);
	}
	return 0;
}

static int counted_object(const struct nlmsghdr *message, void *arg)
{
	struct nft_counted *counted = arg;
	struct nftnl_obj *object = nftnl_obj_alloc();
	const char *table, *name;
	uint64_t packets;
	int index;

	if (!object)
		return -ENOMEM;
	if (nftnl_obj_nlmsg_parse(message, object) < 0)
		goto out;
	table = nftnl_obj_get_str(object, NFTNL_OBJ_TABLE);
	name = nftnl_obj_get_str(object, NFTNL_OBJ_NAME);
	if (!table || !name || strcmp(table, NFT_TABLE) != 0 ||
	    nftnl_obj_get_u32(object, NFTNL_OBJ_TYPE) != NFT_OBJECT_COUNTER)
		goto out;
	counted->objects++;
	packets = nftnl_obj_get_u64(object, NFTNL_OBJ_CTR_PKTS);
	if (nft_owner_of_chain(name) != KERNEL_OWNER_NONE) {
		counted->packets += packets;
		counted->bytes += nftnl_obj_get_u64(object, NFTNL_OBJ_CTR_BYTES);
	}
	index = nft_counter_index(name);
	if (index >= 0)
		counted->values[index] += packets;
out:
	nftnl_obj_free(object);
	return 0;
}

/* While others change tables all the time, or have removed ours, the last values stay. */
static void count(struct nft *nft)
{
	_Alignas(8) char bytes[512];
	struct nft_counted counted;
	struct nlmsghdr *request;
	int result = -EINTR;

	for (int i = 0; i < TRIES_MAX && result == -EINTR; i++) {
		memset(&counted, 0, sizeof(counted));
		result = 0;
		for (int j = 0; j < 2 && !result; j++) {
			if (!nft->families[j].used)
				continue;
			request = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETOBJ,
							nft->families[j].protocol, NLM_F_DUMP, 0);
			mnl_attr_put_strz(request, NFTA_OBJ_TABLE, NFT_TABLE);
			mnl_attr_put_u32(request, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
			result = nft_link_dump(&nft->link, request, counted_object, &counted);
		}
	}
	if (!result && counted.objects)
		nft->counted = counted;
}

static void counter_add(struct kernel_counter *out, size_t max, size_t *used, const char *name,
			const char *help, uint64_t value)
{
	if (*used < max)
		out[*used] = (struct kernel_counter){name, help, value};
	(*used)++;
}

size_t nft_counters(struct nft *nft, struct kernel_counter *out, size_t max)
{
	size_t used = 0;

	count(nft);
	for (size_t i = 0; i < nft_counters_count; i++)
		counter_add(out, max, &used, nft_counter_names[i], nft_counter_help[i],
			    nft->counted.values[i]);
	counter_add(out, max, &used, "detoured-packets", "Packets sent to their owners",
		    nft->counted.packets);
	counter_add(out, max, &used, "detoured-bytes", "Bytes sent to their owners",
		    nft->counted.bytes);
	return used;
}
