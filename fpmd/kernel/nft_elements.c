/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pins as elements of the map: flow to key and back, owner to chain and back. Messages and dumps
 * only. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <libnftnl/set.h>

#include "fpmd/kernel/nft_private.h"

/* Client, client port, VIP, VIP port: each on a boundary of four bytes. Returns the size. */
static size_t key_build(const struct nft_family *family, const struct flow *flow, uint8_t key[40])
{
	size_t size = family->address_size;
	uint16_t port;
	const uint8_t *client = flow->client.s6_addr + 16 - size;
	const uint8_t *vip = flow->vip.s6_addr + 16 - size;

	memset(key, 0, 40);
	memcpy(key, client, size);
	port = htons(flow->client_port);
	memcpy(key + size, &port, 2);
	memcpy(key + size + 4, vip, size);
	port = htons(flow->vip_port);
	memcpy(key + 2 * size + 4, &port, 2);
	return 2 * (size + 4);
}

static bool key_parse(const struct nft_family *family, const uint8_t *key, size_t length,
		      struct flow *flow)
{
	size_t size = family->address_size;
	uint16_t port;

	memset(flow, 0, sizeof(*flow));
	if (length != 2 * (size + 4) || address_from_bytes(key, size, &flow->client) ||
	    address_from_bytes(key + size + 4, size, &flow->vip))
		return false;
	memcpy(&port, key + size, 2);
	flow->client_port = ntohs(port);
	memcpy(&port, key + 2 * size + 4, 2);
	flow->vip_port = ntohs(port);
	flow->protocol = IPPROTO_TCP;
	return true;
}

static bool chain_number(const char *text, uint16_t *number)
{
	unsigned long id;
	char *end;

	if (*text < '0' || *text > '9' || (*text == '0' && text[1]))
		return false;
	id = strtoul(text, &end, 10);
	*number = (uint16_t)id;
	return !*end && id <= NFT_OWNER_MAX;
}

uint16_t nft_owner_of_chain(const char *chain)
{
	uint16_t id;

	if (strncmp(chain, NFT_OWNER_CHAIN, sizeof(NFT_OWNER_CHAIN) - 1) == 0 &&
	    chain_number(chain + sizeof(NFT_OWNER_CHAIN) - 1, &id))
		return id;
	if (strncmp(chain, NFT_DIRECT_CHAIN, sizeof(NFT_DIRECT_CHAIN) - 1) == 0 &&
	    chain_number(chain + sizeof(NFT_DIRECT_CHAIN) - 1, &id))
		return KERNEL_PIN_DIRECT | id;
	return KERNEL_OWNER_NONE;
}

void nft_chain_of_owner(char name[32], uint16_t owner)
{
	bool direct = owner & KERNEL_PIN_DIRECT;

	snprintf(name, 32, "%s%u", direct ? NFT_DIRECT_CHAIN : NFT_OWNER_CHAIN,
		 owner & ~(unsigned int)KERNEL_PIN_DIRECT);
}

/* The key or the data of an element. */
static void value_put(struct nlmsghdr *message, uint16_t type, const void *bytes, size_t size)
{
	struct nlattr *part = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
	mnl_attr_nest_end(message, part);
}

/* The list is open until elements_end(). */
static struct nlmsghdr *elements_begin(const struct nft_family *family, struct nft_batch *batch,
				       const char *map, bool remove, struct nlattr **list)
{
	struct nlmsghdr *message = nft_batch_put(
		batch, remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM, family->protocol,
		remove ? 0 : NLM_F_CREATE, "%s %s", remove ? "old" : "new", map);

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, map);
	*list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	return message;
}

static void elements_end(struct nft_batch *batch, struct nlmsghdr *message, struct nlattr *list)
{
	mnl_attr_nest_end(message, list);
	nft_batch_end(batch, message);
}

void nft_owner_element_put(const struct nft_family *family, struct nft_batch *batch, bool remove,
			   uint16_t pin)
{
	struct nlattr *list, *element, *part, *verdict;
	struct nlmsghdr *message = elements_begin(family, batch, NFT_OWNERS, remove, &list);
	const uint32_t number = pin;
	char chain[32];

	element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	value_put(message, NFTA_SET_ELEM_KEY, &number, sizeof(number));
	if (!remove) {
		nft_chain_of_owner(chain, pin);
		part = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
		verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
		mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, chain);
		mnl_attr_nest_end(message, verdict);
		mnl_attr_nest_end(message, part);
	}
	mnl_attr_nest_end(message, element);
	elements_end(batch, message, list);
}

/* Without libnftnl's objects, which take twice the time of the rest. */
void nft_elements_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
		      bool remove, const struct nft_element *elements, size_t count)
{
	struct nlattr *list, *element;
	struct nlmsghdr *message = elements_begin(family, batch, NFT_PINS, remove, &list);
	uint8_t key[40];

	for (size_t i = 0; i < count; i++) {
		const uint32_t number = elements[i].owner;

		element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
		value_put(message, NFTA_SET_ELEM_KEY, key,
			  key_build(family, elements[i].flow, key));
		if (!remove)
			value_put(message, NFTA_SET_ELEM_DATA, &number, sizeof(number));
		mnl_attr_nest_end(message, element);
	}
	elements_end(batch, message, list);
}

struct element_dump {
	const struct nft *nft;
	const struct nft_family *family;
	nft_element_fn *fn;
	void *arg;
};

/* What a pin leads to; KERNEL_OWNER_NONE: it is none of ours. */
static uint16_t element_owner(const struct nft *nft, struct nftnl_set_elem *element)
{
	uint32_t number, size = 0;
	const void *data;

	if (nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_CHAIN) &&
	    nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_VERDICT) &&
	    (int)nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_VERDICT) == NFT_GOTO)
		return nft_owner_of_chain(nftnl_set_elem_get_str(element, NFTNL_SET_ELEM_CHAIN));
	data = nftnl_set_elem_get(element, NFTNL_SET_ELEM_DATA, &size);
	if (!data || size != sizeof(number))
		return KERNEL_OWNER_NONE;
	memcpy(&number, data, sizeof(number));
	if (number == KERNEL_PIN_DIRECT)
		return KERNEL_PIN_DIRECT;
	if (number > UINT16_MAX || !nft_owner_known(nft, (uint16_t)(number & ~KERNEL_PIN_DIRECT)))
		return KERNEL_OWNER_NONE;
	return (uint16_t)number;
}

static int element_each(struct nftnl_set_elem *element, void *arg)
{
	struct element_dump *dump = arg;
	struct flow flow;
	const void *key;
	uint32_t size = 0;

	key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
	if (!key || !key_parse(dump->family, key, size, &flow))
		return 0;
	return dump->fn(dump->arg, &flow, element_owner(dump->nft, element)) ? -1 : 0;
}

static int elements_message(const struct nlmsghdr *message, void *arg)
{
	struct nftnl_set *set = nftnl_set_alloc();
	int result = 0;

	if (!set)
		return -ENOMEM;
	if (nftnl_set_elems_nlmsg_parse(message, set) < 0)
		result = -EBADMSG;
	else if (nftnl_set_elem_foreach(set, element_each, arg) < 0)
		result = -ENOMEM;
	nftnl_set_free(set);
	return result;
}

int nft_elements_dump(struct nft *nft, const struct nft_family *family, nft_element_fn *fn,
		      void *arg)
{
	struct element_dump dump = {nft, family, fn, arg};
	struct nftnl_set *set = nftnl_set_alloc();
	_Alignas(8) char bytes[512];
	struct nlmsghdr *request;

	if (!set || nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE) ||
	    nftnl_set_set_str(set, NFTNL_SET_NAME, NFT_PINS)) {
		if (set)
			nftnl_set_free(set);
		return -ENOMEM;
	}
	request = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSETELEM, family->protocol, NLM_F_DUMP, 0);
	nftnl_set_elems_nlmsg_build_payload(request, set);
	nftnl_set_free(set);
	return nft_link_dump(&nft->link, request, elements_message, &dump);
}
