// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines that outlive fpmd, as comments of the elements of the set `notes`: `nft list set` shows
 * them. Runs on fpmd's loop. Invariant: the elements are numbered from 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>

#include "fpmd/kernel/nft_private.h"

int nft_note_put(struct nftnl_set_elem *element, const char *note)
{
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	int result = -1;

	if (data && nftnl_udata_put_strz(data, NFTNL_UDATA_SET_ELEM_COMMENT, note) &&
	    nftnl_set_elem_set(element, NFTNL_SET_ELEM_USERDATA, nftnl_udata_buf_data(data),
			       nftnl_udata_buf_len(data)) == 0)
		result = 0;
	if (data)
		nftnl_udata_buf_free(data);
	return result;
}

int nft_notes_set(struct nft *nft, const char (*notes)[NFT_NOTE_SIZE], size_t count,
		  struct error *error)
{
	struct nft_family *family = &nft->families[nft->families[0].used ? 0 : 1];
	struct nft_set content = {.told = true, .count = count};

	if (count > NFT_NOTES_MAX)
		return error_set(error, "nftables: %d notes at most", NFT_NOTES_MAX);
	content.keys = calloc(count + 1, sizeof(*content.keys));
	content.notes = calloc(count + 1, sizeof(*content.notes));
	if (!content.keys || !content.notes) {
		free(content.keys);
		free(content.notes);
		return error_set(error, "nftables: out of memory");
	}
	for (uint32_t i = 0; i < count; i++) {
		memcpy(content.keys[i], &i, sizeof(i));
		memcpy(content.notes[i], notes[i], NFT_NOTE_SIZE - 1);
	}
	return nft_set_replace(nft, family, NFT_NOTES, &content, error);
}

struct notes_dump {
	char (*notes)[NFT_NOTE_SIZE];
	size_t count;
};

static int take_comment(const struct nftnl_udata *attribute, void *arg)
{
	char *note = arg;
	size_t length = nftnl_udata_len(attribute);

	if (nftnl_udata_type(attribute) == NFTNL_UDATA_SET_ELEM_COMMENT && length &&
	    length <= NFT_NOTE_SIZE)
		memcpy(note, nftnl_udata_get(attribute), length);
	note[NFT_NOTE_SIZE - 1] = '\0';
	return 0;
}

static int take_note(struct nftnl_set_elem *element, void *arg)
{
	struct notes_dump *dump = arg;
	uint32_t size;
	const void *data = nftnl_set_elem_get(element, NFTNL_SET_ELEM_USERDATA, &size);

	if (!data || dump->count == NFT_NOTES_MAX)
		return 0;
	memset(dump->notes[dump->count], 0, NFT_NOTE_SIZE);
	if (nftnl_udata_parse(data, size, take_comment, dump->notes[dump->count]) >= 0 &&
	    dump->notes[dump->count][0])
		dump->count++;
	return 0;
}

int nft_notes_get(struct nft *nft, nft_note_fn *fn, void *arg, struct error *error)
{
	struct notes_dump dump = {.notes = calloc(NFT_NOTES_MAX, sizeof(*dump.notes))};
	int status = dump.notes ? 0 : error_set(error, "nftables: out of memory");

	for (int i = 0; i < 2 && !status; i++)
		status = nft_set_elements(nft, &nft->families[i], NFT_NOTES, take_note, &dump,
					  &dump.count, error);
	for (size_t i = 0; i < dump.count && !status; i++)
		fn(arg, dump.notes[i]);
	free(dump.notes);
	return status;
}
