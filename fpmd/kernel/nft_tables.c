/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the tables, takes over older ones, repairs and deletes them. Runs on fpmd's loop.
 * Invariant: rules are only ever replaced in one transaction, so that a packet sees the old ones or
 * the new ones.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

#include "fpmd/kernel/nft_private.h"

#define XT_REVISION 3 /* the newest that we know */
#define NAMES_MAX (NFT_OWNER_MAX + 64)
#define NAME_SIZE 64
#define SETS_FOUND_MAX 16

/* What is there of a family before we change it. */
struct found {
	const struct nft_family *family;
	bool table, dormant, pins;
	bool fits[NFT_SETS], pins_fit, owners_fit;
	char sets[SETS_FOUND_MAX][NAME_SIZE];
	size_t sets_count;
	char (*chains)[NAME_SIZE]; /* those that no pin leads to */
	size_t chains_count;
	uint8_t owners[(NFT_OWNER_MAX + 8) / 8];
};

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
	if (strcmp(name, NFT_OWNERS) == 0)
		found->owners_fit = fits;
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
	if (owner == KERNEL_PIN_DIRECT)
		goto out;
	if (owner)
		nft_owner_bit_set(found->owners, owner & ~KERNEL_PIN_DIRECT, true);
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
	if (!found->owners_fit)
		nft_owners_create_put(nft, family, batch);
	nft_owners_clear_put(family, batch);
	for (uint16_t id = 1; id <= NFT_OWNER_MAX; id++)
		if (nft_owner_bit(nft->owners, id))
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

int nft_find(struct nft *nft, bool *table, struct error *error)
{
	struct found found[2] = {0};

	if (tables_look(nft, found, error))
		return -1;
	for (int i = 0; i < 2; i++) {
		*table |= found[i].table;
		free(found[i].chains);
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
