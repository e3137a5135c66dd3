/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layout of the sets and of the pin map, and the contents of the small sets. Builds messages
 * into a batch, sends nothing; nft_vips_set() and its like live here too.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nf_tables.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>

#include "fpmd/kernel/list.h"
#include "fpmd/kernel/nft_private.h"

/* nft's own numbers of the types: only for its listing, the kernel does not look. */
#define TYPE_IPV4_ADDR 7u
#define TYPE_IPV6_ADDR 8u
#define TYPE_INET_SERVICE 13u
#define TYPE_MARK 19u
#define TYPE_IFACE_INDEX 20u
#define TYPE_BITS 6
#define BYTEORDER_HOST 1

#define SET_SIZE_MAX 65536 /* of the small ones */

const char *const nft_set_names[NFT_SETS] = {"vips",   "members",  "uplinks",
					     "routed", "linkdown", "notes"};

static uint32_t address_type(const struct nft_family *family)
{
	return family->address_size == 4 ? TYPE_IPV4_ADDR : TYPE_IPV6_ADDR;
}

static uint32_t pins_type(const struct nft_family *family)
{
	uint32_t address = address_type(family);

	return ((address << TYPE_BITS | TYPE_INET_SERVICE) << TYPE_BITS | address) << TYPE_BITS |
	       TYPE_INET_SERVICE;
}

static bool has_devices(enum nft_set_name name)
{
	return name == NFT_UPLINKS || name == NFT_LINKDOWN;
}

static uint32_t key_type(const struct nft_family *family, enum nft_set_name name)
{
	if (name == NFT_NOTES)
		return TYPE_MARK;
	return has_devices(name) ? TYPE_IFACE_INDEX : address_type(family);
}

static uint32_t key_size(const struct nft_family *family, enum nft_set_name name)
{
	return name == NFT_NOTES || has_devices(name) ? sizeof(uint32_t) : family->address_size;
}

static struct nftnl_set *set_alloc(struct nft_batch *batch, const char *name)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set || nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE) ||
	    nftnl_set_set_str(set, NFTNL_SET_NAME, name)) {
		batch->no_memory = true;
		if (set)
			nftnl_set_free(set);
		return NULL;
	}
	return set;
}

/* Numbers are listed as they are. *which*: NFTNL_UDATA_SET_KEYBYTEORDER or ..._DATABYTEORDER. */
static void host_order_put(struct nft_batch *batch, struct nftnl_set *set, uint8_t which)
{
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	if (!data || !nftnl_udata_put_u32(data, which, BYTEORDER_HOST) ||
	    nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(data),
			       nftnl_udata_buf_len(data)))
		batch->no_memory = true;
	if (data)
		nftnl_udata_buf_free(data);
}

static void create_put(const struct nft_family *family, struct nft_batch *batch,
		       struct nftnl_set *set, const char *name)
{
	struct nlmsghdr *message;

	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, family->protocol);
	/* Numbers within the transaction; rules name their sets, so nobody asks for it. */
	nftnl_set_set_u32(set, NFTNL_SET_ID, batch->link->seq);
	message = nft_batch_put(batch, NFT_MSG_NEWSET, family->protocol, NLM_F_CREATE, "set %s",
				name);
	nftnl_set_nlmsg_build_payload(message, set);
	nft_batch_end(batch, message);
	nftnl_set_free(set);
}

void nft_set_create_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
			enum nft_set_name name)
{
	struct nftnl_set *set = set_alloc(batch, nft_set_names[name]);

	if (!set)
		return;
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, key_type(family, name));
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, key_size(family, name));
	if (name == NFT_NOTES)
		host_order_put(batch, set, NFTNL_UDATA_SET_KEYBYTEORDER);
	nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, SET_SIZE_MAX);
	create_put(family, batch, set, nft_set_names[name]);
}

void nft_pins_create_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch)
{
	struct nftnl_set *set = set_alloc(batch, NFT_PINS);

	if (!set)
		return;
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_MAP);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, pins_type(family));
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, 2u * (family->address_size + 4u));
	nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, TYPE_MARK);
	nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, sizeof(uint32_t));
	host_order_put(batch, set, NFTNL_UDATA_SET_DATABYTEORDER);
	nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, family->pins_size);
	create_put(family, batch, set, NFT_PINS);
}

void nft_owners_create_put(struct nft *nft, const struct nft_family *family,
			   struct nft_batch *batch)
{
	struct nftnl_set *set = set_alloc(batch, NFT_OWNERS);

	if (!set)
		return;
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_MAP);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, TYPE_MARK);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, sizeof(uint32_t));
	nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
	nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, 0);
	host_order_put(batch, set, NFTNL_UDATA_SET_KEYBYTEORDER);
	nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, NFT_OWNERS_SIZE);
	create_put(family, batch, set, NFT_OWNERS);
}

void nft_set_drop_put(const struct nft_family *family, struct nft_batch *batch, const char *name)
{
	struct nftnl_set *set = set_alloc(batch, name);
	struct nlmsghdr *message;

	if (!set)
		return;
	message = nft_batch_put(batch, NFT_MSG_DELSET, family->protocol, 0, "old set %s", name);
	nftnl_set_nlmsg_build_payload(message, set);
	nft_batch_end(batch, message);
	nftnl_set_free(set);
}

bool nft_set_fits(const struct nft_family *family, const struct nftnl_set *set, const char *name)
{
	uint32_t flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS);
	uint32_t key = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN);
	uint32_t size = nftnl_set_get_u32(set, NFTNL_SET_DESC_SIZE);

	if (strcmp(name, NFT_PINS) == 0)
		return flags == NFT_SET_MAP && key == 2u * (family->address_size + 4u) &&
		       nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE) == TYPE_MARK &&
		       nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN) == sizeof(uint32_t) &&
		       size == family->pins_size;
	if (strcmp(name, NFT_OWNERS) == 0)
		return flags == NFT_SET_MAP && key == sizeof(uint32_t) &&
		       nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE) == NFT_DATA_VERDICT &&
		       size == NFT_OWNERS_SIZE;
	for (int i = 0; i < NFT_SETS; i++)
		if (strcmp(name, nft_set_names[i]) == 0)
			return flags == 0 && size == SET_SIZE_MAX && key == key_size(family, i);
	return false;
}

/* Elements of set->keys from *start*, up to NFT_ELEMENTS_MAX. */
static void keys_put(const struct nft_family *family, struct nft_batch *batch,
		     enum nft_set_name name, size_t start)
{
	const struct nft_set *content = &family->sets[name];
	struct nftnl_set *set = set_alloc(batch, nft_set_names[name]);
	size_t end = content->count - start > NFT_ELEMENTS_MAX ? start + NFT_ELEMENTS_MAX
							       : content->count;
	struct nftnl_set_elem *element;
	struct nlmsghdr *message;

	if (!set)
		return;
	for (size_t i = start; i < end; i++) {
		element = nftnl_set_elem_alloc();
		if (!element) {
			batch->no_memory = true;
			break;
		}
		if (nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, content->keys[i],
				       key_size(family, name)) < 0 ||
		    (content->notes && nft_note_put(element, content->notes[i])))
			batch->no_memory = true;
		nftnl_set_elem_add(set, element);
	}
	message = nft_batch_put(batch, NFT_MSG_NEWSETELEM, family->protocol, NLM_F_CREATE,
				"elements of %s", nft_set_names[name]);
	nftnl_set_elems_nlmsg_build_payload(message, set);
	nft_batch_end(batch, message);
	nftnl_set_free(set);
}

static void clear_put(const struct nft_family *family, struct nft_batch *batch, const char *name)
{
	struct nlmsghdr *message = nft_batch_put(batch, NFT_MSG_DELSETELEM, family->protocol, 0,
						 "old elements of %s", name);

	/* No element named: all of them. */
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, name);
	nft_batch_end(batch, message);
}

void nft_owners_clear_put(const struct nft_family *family, struct nft_batch *batch)
{
	clear_put(family, batch, NFT_OWNERS);
}

void nft_set_fill_put(struct nft *nft, const struct nft_family *family, struct nft_batch *batch,
		      enum nft_set_name name)
{
	if (!family->sets[name].told)
		return;
	clear_put(family, batch, nft_set_names[name]);
	for (size_t i = 0; i < family->sets[name].count; i += NFT_ELEMENTS_MAX)
		keys_put(family, batch, name, i);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void keys_sort(struct nft_set *set)
{
	size_t kept = 0;

	if (!set->count || set->notes)
		return;
	qsort(set->keys, set->count, sizeof(*set->keys), compare_keys);
	for (size_t i = 1; i < set->count; i++)
		if (memcmp(set->keys[i], set->keys[kept], 16) != 0)
			memcpy(set->keys[++kept], set->keys[i], 16);
	set->count = kept + 1;
}

int nft_set_replace(struct nft *nft, struct nft_family *family, enum nft_set_name name,
		    struct nft_set *content, struct error *error)
{
	struct nft_failure failure;
	struct nft_batch batch;

	keys_sort(content);
	if (content->count > SET_SIZE_MAX) {
		free(content->keys);
		free(content->notes);
		return error_set(error, "nftables: set %s takes at most %d entries",
				 nft_set_names[name], SET_SIZE_MAX);
	}
	free(family->sets[name].keys);
	free(family->sets[name].notes);
	family->sets[name] = *content;
	nft_batch_begin(&batch, &nft->link);
	nft_set_fill_put(nft, family, &batch, name);
	nft_batch_send(&batch, &failure);
	/* ENOENT: others removed the set, a repair is due. No forwarding without its guard, though.
	 */
	if (!failure.error || (failure.error == -ENOENT && name != NFT_UPLINKS))
		return 0;
	return nft_failure_error(&failure, "cannot replace a set", error);
}

static int addresses_set(struct nft *nft, enum nft_set_name name, const struct in6_addr *addresses,
			 size_t count, struct error *error)
{
	for (int i = 0; i < 2; i++) {
		struct nft_family *family = &nft->families[i];
		struct nft_set content = {.told = true};
		uint32_t ipv4;

		if (!family->used)
			continue;
		content.keys = calloc(count ? count : 1, sizeof(*content.keys));
		if (!content.keys)
			return error_set(error, "nftables: out of memory");
		for (size_t j = 0; j < count; j++) {
			if (nft_family_of(nft, &addresses[j]) != family)
				continue;
			if (i == 0) {
				ipv4 = address_to_ipv4(&addresses[j]);
				memcpy(content.keys[content.count++], &ipv4, sizeof(ipv4));
			} else {
				memcpy(content.keys[content.count++], &addresses[j], 16);
			}
		}
		if (nft_set_replace(nft, family, name, &content, error))
			return -1;
	}
	return 0;
}

int nft_vips_set(struct nft *nft, const struct in6_addr *vips, size_t count, struct error *error)
{
	return addresses_set(nft, NFT_VIPS, vips, count, error);
}

int nft_members_set(struct nft *nft, const struct in6_addr *members, size_t count,
		    struct error *error)
{
	return addresses_set(nft, NFT_MEMBERS, members, count, error);
}

int nft_routed_set(struct nft *nft, const struct in6_addr *vips, size_t count, struct error *error)
{
	return addresses_set(nft, NFT_ROUTED, vips, count, error);
}

static struct nft_family *family_numbered(struct nft *nft, int family)
{
	return &nft->families[family == AF_INET ? 0 : 1];
}

static int devices_set(struct nft *nft, int family, enum nft_set_name name,
		       const unsigned int *ifindexes, size_t count, struct error *error)
{
	struct nft_family *set_family = family_numbered(nft, family);
	struct nft_set content = {.told = true, .count = count};

	if (!set_family->used)
		return 0;
	content.keys = calloc(count ? count : 1, sizeof(*content.keys));
	if (!content.keys)
		return error_set(error, "nftables: out of memory");
	for (size_t i = 0; i < count; i++)
		memcpy(content.keys[i], &ifindexes[i], sizeof(uint32_t));
	return nft_set_replace(nft, set_family, name, &content, error);
}

int nft_uplinks_set(struct nft *nft, int family, const unsigned int *ifindexes, size_t count,
		    struct error *error)
{
	return devices_set(nft, family, NFT_UPLINKS, ifindexes, count, error);
}

int nft_linkdown_set(struct nft *nft, int family, const unsigned int *ifindexes, size_t count,
		     struct error *error)
{
	return devices_set(nft, family, NFT_LINKDOWN, ifindexes, count, error);
}

struct keys_dump {
	uint32_t key_size;
	uint8_t (*keys)[16];
	size_t count, size;
	bool no_memory;
};

static int take_key(struct nftnl_set_elem *element, void *arg)
{
	struct keys_dump *dump = arg;
	uint32_t size;
	const void *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
	void *keys;

	if (!key || size != dump->key_size || dump->count == SET_SIZE_MAX)
		return 0;
	keys = list_room(dump->keys, dump->count, &dump->size, sizeof(*dump->keys));
	if (!keys) {
		dump->no_memory = true;
		return 0;
	}
	dump->keys = keys;
	memcpy(dump->keys[dump->count++], key, size);
	return 0;
}

struct elements_dump {
	int (*fn)(struct nftnl_set_elem *element, void *arg);
	void *arg;
};

static int take_elements(const struct nlmsghdr *message, void *arg)
{
	const struct elements_dump *dump = arg;
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		return -ENOMEM;
	if (nftnl_set_elems_nlmsg_parse(message, set) == 0)
		nftnl_set_elem_foreach(set, dump->fn, dump->arg);
	nftnl_set_free(set);
	return 0;
}

int nft_set_elements(struct nft *nft, const struct nft_family *family, enum nft_set_name name,
		     int (*fn)(struct nftnl_set_elem *element, void *arg), void *arg, size_t *count,
		     struct error *error)
{
	struct elements_dump dump = {fn, arg};
	size_t before = *count;
	int status = -EINTR;

	for (int i = 0; i < TRIES_MAX && status == -EINTR; i++) {
		_Alignas(8) char bytes[256];
		struct nlmsghdr *request = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSETELEM,
								 family->protocol, NLM_F_DUMP, 0);

		mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
		mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, nft_set_names[name]);
		*count = before;
		status = nft_link_dump(&nft->link, request, take_elements, &dump);
	}
	if (status == 0 || status == -ENOENT || status == -EAFNOSUPPORT)
		return 0;
	return error_set(error, "nftables: cannot read the set %s: %s", nft_set_names[name],
			 strerror(-status));
}

/* What is in the kernel's set. Free dump->keys, on errors too. */
static int keys_get(struct nft *nft, int number, enum nft_set_name name, struct keys_dump *dump,
		    struct error *error)
{
	const struct nft_family *family = family_numbered(nft, number);

	*dump = (struct keys_dump){.key_size = key_size(family, name)};
	if (nft_set_elements(nft, family, name, take_key, dump, &dump->count, error) < 0)
		return -1;
	return dump->no_memory ? error_set(error, "nftables: out of memory") : 0;
}

static int devices_get(struct nft *nft, int family, enum nft_set_name name,
		       unsigned int **ifindexes, size_t *count, struct error *error)
{
	struct keys_dump dump;
	int status = keys_get(nft, family, name, &dump, error);

	*count = status == 0 ? dump.count : 0;
	*ifindexes = calloc(*count + 1, sizeof(**ifindexes));
	if (status == 0 && !*ifindexes)
		status = error_set(error, "nftables: out of memory");
	for (size_t i = 0; status == 0 && i < *count; i++)
		memcpy(&(*ifindexes)[i], dump.keys[i], sizeof(uint32_t));
	free(dump.keys);
	return status;
}

int nft_uplinks_get(struct nft *nft, int family, unsigned int **ifindexes, size_t *count,
		    struct error *error)
{
	return devices_get(nft, family, NFT_UPLINKS, ifindexes, count, error);
}

int nft_linkdown_get(struct nft *nft, int family, unsigned int **ifindexes, size_t *count,
		     struct error *error)
{
	return devices_get(nft, family, NFT_LINKDOWN, ifindexes, count, error);
}

int nft_routed_get(struct nft *nft, int family, nft_address_fn *fn, void *arg, struct error *error)
{
	struct keys_dump dump;
	struct in6_addr address;
	int status = keys_get(nft, family, NFT_ROUTED, &dump, error);

	for (size_t i = 0; status == 0 && i < dump.count; i++)
		if (address_from_bytes(dump.keys[i], dump.key_size, &address) == 0)
			fn(arg, &address);
	free(dump.keys);
	return status;
}
