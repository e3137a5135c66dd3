/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the tables, takes over older ones, repairs and deletes them; owners and counters. Runs on
 * fpmd's loop. Invariant: rules are only ever replaced in one transaction, so that a packet sees
 * the old ones or the new ones.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

#include "fpmd/kernel/nft_private.h"

#define TRIES_MAX 5
#define XT_REVISION 3 /* the newest that we know */
#define NAMES_MAX (NFT_OWNER_MAX + 64)
#define NAME_SIZE 64
#define SETS_FOUND_MAX 16

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

/* What is there of a family before we change it. */
struct found {
	const struct nft_family *family;
	bool table, dormant, pins;
	bool fits[NFT_SETS], pins_fit;
	char sets[SETS_FOUND_MAX][NAME_SIZE];
	size_t sets_count;
	char (*chains)[NAME_SIZE]; /* those that are not an owner's */
	size_t chains_count;
	uint8_t owners[(NFT_OWNER_MAX + 8) / 8];
};

static bool bit_get(const uint8_t *bits, uint16_t id)
{
	return bits[id / 8] >> (id % 8) & 1;
}

static void bit_set(uint8_t *bits, uint16_t id, bool on)
{
	bits[id / 8] =
		(uint8_t)(on ? bits[id / 8] | 1u << (id % 8) : bits[id / 8] & ~(1u << (id % 8)));
}

int nft_open(const struct kernel_options *options, const char *tunnel_device, struct nft **out,
	     struct error *error)
{
	uint32_t owners = options->mark_owner_mask;
	struct nft *nft;

	*out = NULL;
	if (!owners || (owners & options->mark_stray_bit) || (owners & options->mark_tunnel_bit) ||
	    options->mark_stray_bit == options->mark_tunnel_bit ||
	    __builtin_popcount(options->mark_stray_bit) != 1 ||
	    __builtin_popcount(options->mark_tunnel_bit) != 1)
		return error_set(error, "the mark's owner mask, stray bit and tunnel bit overlap");
	if (!*tunnel_device || strlen(tunnel_device) >= IFNAMSIZ)
		return error_set(error, "bad name of a tunnel device: %s", tunnel_device);
	if (!options->pins_max)
		return error_set(error, "the pin map needs a size of at least 1");
	nft = calloc(1, sizeof(*nft));
	if (!nft)
		return error_set(error, "nftables: out of memory");
	nft->options = *options;
	nft->owner_shift = (unsigned int)__builtin_ctz(owners);
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
		for (int j = 0; j < NFT_SETS; j++)
			free(nft->families[i].sets[j].keys);
	nft_link_close(&nft->link);
	free(nft);
}

static int found_set(const struct nlmsghdr *message, void *arg)
{
	struct found *found = arg;
	struct nftnl_set *set = nftnl_set_alloc();
	const char *table, *name;
	bool fits;

	if (!set)
		return -ENOMEM;
	if (nftnl_set_nlmsg_parse(message, set) < 0)
		goto out;
	table = nftnl_set_get_str(set, NFTNL_SET_TABLE);
	name = nftnl_set_get_str(set, NFTNL_SET_NAME);
	if (!table || !name || strcmp(table, NFT_TABLE) != 0 ||
	    found->sets_count >= SETS_FOUND_MAX - 1) /* one place is kept for the pins */
		goto out;
	fits = nft_set_fits(found->family, set, name);
	if (strcmp(name, NFT_PINS) == 0) {
		found->pins = true;
		found->pins_fit = fits;
	}
	for (int i = 0; i < NFT_SETS; i++)
		if (strcmp(name, nft_set_names[i]) == 0)
			found->fits[i] = fits;
	if (!fits)
		snprintf(found->sets[found->sets_count++], NAME_SIZE, "%s", name);
out:
	nftnl_set_free(set);
	return 0;
}

static int found_chain(const struct nlmsghdr *message, void *arg)
{
	struct found *found = arg;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	const char *table, *name;
	uint16_t owner;

	if (!chain)
		return -ENOMEM;
	if (nftnl_chain_nlmsg_parse(message, chain) < 0)
		goto out;
	table = nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE);
	name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
	if (!table || !name || strcmp(table, NFT_TABLE) != 0)
		goto out;
	owner = nft_owner_of_chain(name);
	if (owner)
		bit_set(found->owners, owner, true);
	else if (found->chains_count < NAMES_MAX)
		snprintf(found->chains[found->chains_count++], NAME_SIZE, "%s", name);
out:
	nftnl_chain_free(chain);
	return 0;
}

static int found_table(const struct nlmsghdr *message, void *arg)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct found *found = arg;

	if (!table)
		return -ENOMEM;
	found->table = true;
	if (nftnl_table_nlmsg_parse(message, table) == 0)
		found->dormant =
			nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS) & NFT_TABLE_F_DORMANT;
	nftnl_table_free(table);
	return 0;
}

static struct nlmsghdr *table_message(char *bytes, uint16_t type, const struct nft_family *family,
				      uint16_t flags)
{
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(bytes, type, family->protocol, flags, 0);

	/* Attribute 1 names the table in all messages of nf_tables. */
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE);
	return message;
}

/* Returns 0 or a negative errno. Frees found->chains itself on error. */
static int family_look(struct nft *nft, const struct nft_family *family, struct found *found)
{
	_Alignas(8) char bytes[512];
	int result = -EINTR;

	for (int i = 0; i < TRIES_MAX && result == -EINTR; i++) {
		free(found->chains);
		memset(found, 0, sizeof(*found));
		found->family = family;
		found->chains = calloc(NAMES_MAX, NAME_SIZE);
		if (!found->chains)
			return -ENOMEM;
		result =
			nft_link_dump(&nft->link, table_message(bytes, NFT_MSG_GETTABLE, family, 0),
				      found_table, found);
		/* EAFNOSUPPORT and the like: the table, if wanted, will fail with a better text. */
		if (result && result != -EINTR) {
			result = 0;
			break;
		}
		if (!result)
			result = nft_link_dump(
				&nft->link,
				table_message(bytes, NFT_MSG_GETSET, family, NLM_F_DUMP), found_set,
				found);
		if (!result)
			result = nft_link_dump(
				&nft->link,
				table_message(bytes, NFT_MSG_GETCHAIN, family, NLM_F_DUMP),
				found_chain, found);
	}
	if (result) {
		free(found->chains);
		found->chains = NULL;
	}
	return result;
}

static void table_put(const struct nft_family *family, struct nft_batch *batch, uint16_t type,
		      uint16_t flags, const char *label)
{
	struct nlmsghdr *message;

	message = nft_batch_put(batch, type, family->protocol, flags, "%s", label);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE);
	if (type == NFT_MSG_NEWTABLE)
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, 0);
	nft_batch_end(batch, message);
}

static void old_chains_put(const struct found *found, struct nft_batch *batch)
{
	struct nlmsghdr *message;

	table_put(found->family, batch, NFT_MSG_DELRULE, 0, "old rules");
	for (size_t i = 0; i < found->chains_count; i++) {
		message = nft_batch_put(batch, NFT_MSG_DELCHAIN, found->family->protocol, 0,
					"old chain %.48s", found->chains[i]);
		mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, NFT_TABLE);
		mnl_attr_put_strz(message, NFTA_CHAIN_NAME, found->chains[i]);
		nft_batch_end(batch, message);
	}
	for (size_t i = 0; i < found->sets_count; i++)
		nft_set_drop_put(found->family, batch, found->sets[i]);
}

/* All that we believe is pinned, as far as one transaction takes it; returns how many. */
static size_t known_pins_put(struct nft *nft, const struct nft_family *family,
			     struct nft_batch *batch)
{
	struct nft_element elements[NFT_ELEMENTS_MAX];
	struct nft_pin *pin, *next;
	size_t used = 0, total = 0;

	HASH_ITER (hh, nft->pins, pin, next) {
		if (nft_family_of(nft, &pin->flow.vip) != family)
			continue;
		elements[used++] = (struct nft_element){&pin->flow, pin->owner};
		if (used < NFT_ELEMENTS_MAX)
			continue;
		if (batch->length + 2 * NFT_MESSAGE_MAX > nft->link.send_max)
			return total;
		nft_elements_put(nft, family, batch, false, elements, used);
		total += used;
		used = 0;
	}
	if (used)
		nft_elements_put(nft, family, batch, false, elements, used);
	return total + used;
}

static size_t family_put(struct nft *nft, const struct found *found, struct nft_batch *batch)
{
	const struct nft_family *family = found->family;

	if (found->table)
		old_chains_put(found, batch);
	table_put(family, batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "table " NFT_TABLE);
	for (int i = 0; i < NFT_SETS; i++) {
		if (!found->fits[i])
			nft_set_create_put(nft, family, batch, i);
		nft_set_fill_put(nft, family, batch, i);
	}
	if (!found->pins_fit)
		nft_pins_create_put(nft, family, batch);
	for (uint16_t id = 1; id <= NFT_OWNER_MAX; id++)
		if (bit_get(nft->owners, id))
			nft_owner_put(nft, family, batch, id);
	nft_rules_put(nft, family, batch);
	return found->pins_fit ? 0 : known_pins_put(nft, family, batch);
}

static int tables_send(struct nft *nft, const struct found *found, size_t *pins,
		       struct nft_failure *failure)
{
	struct nft_batch batch;

	*pins = 0;
	nft_batch_begin(&batch, &nft->link);
	for (int i = 0; i < 2; i++) {
		if (nft->families[i].used)
			*pins += family_put(nft, &found[i], &batch);
		else if (found[i].table)
			table_put(&nft->families[i], &batch, NFT_MSG_DELTABLE, 0, "old table");
	}
	return nft_batch_send(&batch, failure);
}

static bool queue_is_missing(const struct nft_failure *failure)
{
	return strncmp(failure->label, "queue rule", 10) == 0 &&
	       (failure->error == -ENOENT || failure->error == -EOPNOTSUPP ||
		failure->error == -EINVAL || failure->error == -EPROTONOSUPPORT);
}

/* The kernel refuses to wake a table in the transaction that changes its chains. */
static int tables_wake(struct nft *nft, const struct found *found, struct error *error)
{
	struct nft_failure failure;
	struct nft_batch batch;

	if (!found[0].dormant && !found[1].dormant)
		return 0;
	nft_batch_begin(&batch, &nft->link);
	for (int i = 0; i < 2; i++)
		if (found[i].dormant)
			table_put(&nft->families[i], &batch, NFT_MSG_NEWTABLE, 0,
				  "table " NFT_TABLE);
	if (nft_batch_send(&batch, &failure))
		return nft_failure_error(&failure, "cannot wake", error);
	return 0;
}

/* One transaction for all tables; tries the ways to queue until the kernel has one. */
static int tables_apply(struct nft *nft, const struct found *found, size_t *pins,
			struct error *error)
{
	struct nft_failure failure;

	if (tables_wake(nft, found, error))
		return -1;
	if (nft->queue_off) {
		nft->queue_kind = NFT_QUEUE_NONE;
		snprintf(nft->queue_text, sizeof(nft->queue_text), "off");
	}
	if (nft->queue_known || nft->queue_off) {
		if (tables_send(nft, found, pins, &failure))
			return nft_failure_error(&failure, "cannot set up", error);
		return 0;
	}
	for (int revision = XT_REVISION + 1; revision >= 0; revision--) {
		nft->queue_kind = revision > XT_REVISION ? NFT_QUEUE_NATIVE : NFT_QUEUE_XT;
		nft->queue_revision = revision;
		if (!tables_send(nft, found, pins, &failure)) {
			nft->queue_known = true;
			if (nft->queue_kind == NFT_QUEUE_NATIVE)
				snprintf(nft->queue_text, sizeof(nft->queue_text), "queue");
			else
				snprintf(nft->queue_text, sizeof(nft->queue_text),
					 "xt NFQUEUE revision %d", revision);
			return 0;
		}
		if (!queue_is_missing(&failure))
			return nft_failure_error(&failure, "cannot set up", error);
	}
	nft->queue_kind = NFT_QUEUE_NONE;
	return error_set(error,
			 "nftables: the kernel cannot queue packets: it needs module nft_queue "
			 "(CONFIG_NFT_QUEUE), or xt_NFQUEUE and nft_compat");
}

static int tables_look(struct nft *nft, struct found found[2], struct error *error)
{
	int result;

	for (int i = 0; i < 2; i++) {
		result = family_look(nft, &nft->families[i], &found[i]);
		if (result) {
			for (int j = 0; j < i; j++)
				free(found[j].chains);
			return error_set(error, "nftables: cannot read the tables: %s",
					 strerror(-result));
		}
	}
	return 0;
}

/* Owners and pins that an earlier fpmd left. */
static int tables_take_over(struct nft *nft, struct found found[2], struct error *error)
{
	int result;

	for (int i = 0; i < 2; i++) {
		struct nft_family *family = &nft->families[i];

		if (!family->used)
			continue;
		for (size_t j = 0; j < sizeof(nft->owners); j++)
			nft->owners[j] |= found[i].owners[j];
		if (!found[i].pins)
			continue;
		result = nft_pins_load(nft, family);
		if (result)
			return error_set(error, "nftables: cannot read the pins: %s",
					 strerror(-result));
		if (family->pins_count > family->pins_size) {
			family->pins_size = (uint32_t)family->pins_count;
			found[i].pins_fit = false;
		}
	}
	return 0;
}

/* The map is among the sets to be replaced also when it has become too small. */
static void pins_replace_if_misfit(struct found *found)
{
	if (!found->pins || found->pins_fit)
		return;
	for (size_t i = 0; i < found->sets_count; i++)
		if (strcmp(found->sets[i], NFT_PINS) == 0)
			return;
	snprintf(found->sets[found->sets_count++], NAME_SIZE, NFT_PINS);
}

int nft_setup(struct nft *nft, struct error *error)
{
	struct found found[2] = {0};
	size_t pins;
	int result;

	if (tables_look(nft, found, error))
		return -1;
	result = tables_take_over(nft, found, error);
	if (!result) {
		pins_replace_if_misfit(&found[0]);
		pins_replace_if_misfit(&found[1]);
		result = tables_apply(nft, found, &pins, error);
	}
	free(found[0].chains);
	free(found[1].chains);
	return result;
}

int nft_repair(struct nft *nft, size_t *restored, struct error *error)
{
	struct found found[2] = {0};
	long wrong;
	size_t pins = 0;
	int result;

	if (tables_look(nft, found, error))
		return -1;
	result = tables_apply(nft, found, &pins, error);
	for (int i = 0; i < 2; i++)
		free(found[i].chains);
	if (result)
		return -1;
	wrong = nft_pins_reconcile(nft);
	if (wrong < 0)
		return error_set(error, "nftables: cannot restore all pins: %s",
				 strerror((int)-wrong));
	if (restored)
		*restored = pins + (size_t)wrong;
	return 0;
}

enum nft_queue_kind nft_queue_kind(const struct nft *nft)
{
	return nft->queue_kind;
}

const char *nft_queue_text(const struct nft *nft)
{
	return nft->queue_text;
}

int nft_queue_off(struct nft *nft, struct error *error)
{
	nft->queue_off = true;
	return nft_repair(nft, NULL, error);
}

int nft_teardown(struct nft *nft, struct error *error)
{
	struct found found[2] = {0};
	struct nft_failure failure;
	struct nft_batch batch;
	int result;

	if (tables_look(nft, found, error))
		return -1;
	nft_watch_stop(nft);
	nft_batch_begin(&batch, &nft->link);
	for (int i = 0; i < 2; i++) {
		if (found[i].table)
			table_put(&nft->families[i], &batch, NFT_MSG_DELTABLE, 0,
				  "table " NFT_TABLE);
		free(found[i].chains);
	}
	if (!found[0].table && !found[1].table) {
		nft_batch_free(&batch);
		result = 0;
	} else {
		result = nft_batch_send(&batch, &failure);
	}
	if (result && result != -ENOENT)
		return nft_failure_error(&failure, "cannot remove", error);
	nft_pins_forget(nft);
	memset(nft->owners, 0, sizeof(nft->owners));
	return 0;
}

bool nft_owner_known(const struct nft *nft, uint16_t id)
{
	return id && id <= NFT_OWNER_MAX && bit_get(nft->owners, id);
}

size_t nft_owners(const struct nft *nft, uint16_t *ids, size_t max)
{
	size_t count = 0;

	for (uint16_t id = 1; id <= NFT_OWNER_MAX; id++) {
		if (!bit_get(nft->owners, id))
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

	if (!id || id > NFT_OWNER_MAX || id > nft->options.mark_owner_mask >> nft->owner_shift)
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
	bit_set(nft->owners, id, true);
	return 0;
}

int nft_owner_remove(struct nft *nft, uint16_t id, struct error *error)
{
	struct nft_failure failure;
	struct nft_batch batch;
	int result;

	if (!nft_owner_known(nft, id))
		return 0;
	nft_batch_begin(&batch, &nft->link);
	for (int i = 0; i < 2; i++)
		if (nft->families[i].used)
			nft_owner_drop_put(nft, &nft->families[i], &batch, id);
	result = nft_batch_send(&batch, &failure);
	if (result == -EBUSY)
		return error_set(error, "nftables: pins still point to owner id %u", id);
	/* ENOENT: others removed part of it; nft_repair() makes the rest as we want it. */
	bit_set(nft->owners, id, false);
	if (result == -ENOENT)
		return nft_repair(nft, NULL, error);
	if (result) {
		bit_set(nft->owners, id, true);
		return nft_failure_error(&failure, "cannot remove an owner", error);
	}
	return 0;
}

struct counted {
	const char *name; /* the only one wanted, or NULL */
	uint64_t packets, bytes;
	uint64_t values[NFT_COUNTERS_MAX];
};

static int counted_object(const struct nlmsghdr *message, void *arg)
{
	struct counted *counted = arg;
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
	packets = nftnl_obj_get_u64(object, NFTNL_OBJ_CTR_PKTS);
	if (counted->name ? strcmp(name, counted->name) == 0
			  : nft_owner_of_chain(name) != KERNEL_OWNER_NONE) {
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

static int count(struct nft *nft, struct counted *counted)
{
	_Alignas(8) char bytes[512];
	const struct counted before = *counted;
	struct nlmsghdr *request;
	int result = -EINTR;

	for (int i = 0; i < TRIES_MAX && result == -EINTR; i++) {
		*counted = before;
		result = 0;
		for (int j = 0; j < 2 && !result; j++) {
			if (!nft->families[j].used)
				continue;
			request = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETOBJ,
							nft->families[j].protocol, NLM_F_DUMP, 0);
			mnl_attr_put_strz(request, NFTA_OBJ_TABLE, NFT_TABLE);
			mnl_attr_put_u32(request, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
			result = nft_link_dump(&nft->link, request, counted_object, counted);
		}
	}
	return result;
}

int nft_owner_counter(struct nft *nft, uint16_t id, uint64_t *packets, uint64_t *bytes,
		      struct error *error)
{
	char name[32];
	struct counted counted = {.name = name};
	int result;

	snprintf(name, sizeof(name), NFT_OWNER_CHAIN "%u", id);
	result = count(nft, &counted);
	if (result)
		return error_set(error, "nftables: cannot read counters: %s", strerror(-result));
	*packets = counted.packets;
	*bytes = counted.bytes;
	return 0;
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
	struct counted counted = {0};
	size_t used = 0;

	if (count(nft, &counted))
		return 0;
	for (size_t i = 0; i < nft_counters_count; i++)
		counter_add(out, max, &used, nft_counter_names[i], nft_counter_help[i],
			    counted.values[i]);
	counter_add(out, max, &used, "detoured-packets", "Packets sent to their owners",
		    counted.packets);
	counter_add(out, max, &used, "detoured-bytes", "Bytes sent to their owners", counted.bytes);
	return used;
}
