// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses that Holdfast takes away from their devices, and puts back. Runs on fpmd's event loop.
 * Invariant: an address is noted in nftables before it goes, and its note goes after it is back, so
 * that it is never lost when fpmd is killed in between.
 */
#include "fpmd/kernel/kernel_private.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>

#include "fpmd/clock.h"
#include "fpmd/log.h"

_Static_assert(ADDRESS_NOTE_SIZE == NFT_NOTE_SIZE, "a note is a line");

/* What is said of it without the time. */
static const char *words(const struct address_note *note, char line[ADDRESS_NOTE_SIZE])
{
	address_note_write(note, line);
	line[strcspn(line, ";")] = '\0';
	return line;
}

static void take_note(void *arg, const char *line)
{
	struct kernel *kernel = arg;
	struct address_note note;

	if (kernel->notes_count == NOTES_MAX)
		return;
	if (address_note_read(line, &note))
		log_warn("nftables: a note of an address that was taken away makes no sense: %s",
			 line);
	else
		kernel->notes[kernel->notes_count++] = note;
}

int addresses_take_over(struct kernel *kernel, struct error *error)
{
	return nft_notes_get(kernel->nft, take_note, kernel, error);
}

int addresses_tell(struct kernel *kernel, struct error *error)
{
	static char lines[NOTES_MAX][NFT_NOTE_SIZE];

	for (size_t i = 0; i < kernel->notes_count; i++)
		address_note_write(&kernel->notes[i], lines[i]);
	return nft_notes_set(kernel->nft, (const char(*)[NFT_NOTE_SIZE])lines, kernel->notes_count,
			     error);
}

/* -- what is there -- */

#define FOUND_MAX 16

struct found {
	const struct in6_addr *wanted;
	struct address_note notes[FOUND_MAX];
	size_t count;
	char no_host[IF_NAMESIZE]; /* a device on which it has a shorter prefix, or a peer */
	char mortal[IF_NAMESIZE];  /* ... on which it has a lifetime */
	bool too_many;
};

static void take_string(char out[IF_NAMESIZE], struct nlattr *attribute)
{
	if (attribute)
		nla_strlcpy(out, attribute, IF_NAMESIZE);
}

static bool is_mortal(struct nlattr *attribute)
{
	struct ifa_cacheinfo life;

	if (!attribute || nla_len(attribute) < (int)sizeof(life))
		return false;
	memcpy(&life, nla_data(attribute), sizeof(life));
	return life.ifa_valid != UINT32_MAX;
}

static void take_found(void *arg, const struct nlmsghdr *message)
{
	struct found *found = arg;
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1], *local, *peer;
	struct address_note note = {0};
	struct in6_addr other;
	char device[IF_NAMESIZE] = "";

	if (message->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
		return;
	peer = attributes[IFA_ADDRESS];
	local = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : peer;
	if (!local ||
	    address_from_bytes(nla_data(local), (size_t)nla_len(local), &note.address) < 0 ||
	    !address_equal(&note.address, found->wanted) ||
	    !if_indextoname(header->ifa_index, device))
		return;
	if (header->ifa_prefixlen != (header->ifa_family == AF_INET ? 32 : 128) ||
	    (peer && address_from_bytes(nla_data(peer), (size_t)nla_len(peer), &other) == 0 &&
	     !address_equal(&other, &note.address))) {
		memcpy(found->no_host, device, sizeof(device));
		return;
	}
	if (is_mortal(attributes[IFA_CACHEINFO])) {
		memcpy(found->mortal, device, sizeof(device));
		return;
	}
	if (found->count == FOUND_MAX) {
		found->too_many = true;
		return;
	}
	memcpy(note.device, device, sizeof(device));
	take_string(note.label, attributes[IFA_LABEL]);
	if (!strcmp(note.label, note.device))
		memset(note.label, 0, sizeof(note.label));
	if (attributes[IFA_BROADCAST])
		address_from_bytes(nla_data(attributes[IFA_BROADCAST]),
				   (size_t)nla_len(attributes[IFA_BROADCAST]), &note.broadcast);
	note.scope = header->ifa_scope;
	note.flags =
		(attributes[IFA_FLAGS] ? nla_get_u32(attributes[IFA_FLAGS]) : header->ifa_flags) &
		ADDRESS_NOTE_FLAGS;
	if (attributes[IFA_RT_PRIORITY])
		note.metric = nla_get_u32(attributes[IFA_RT_PRIORITY]);
	if (attributes[IFA_PROTO])
		note.protocol = nla_get_u8(attributes[IFA_PROTO]);
	found->notes[found->count++] = note;
}

static int find(struct kernel *kernel, struct found *found, struct error *error)
{
	struct ifaddrmsg header = {0};
	int status = -EINTR;

	for (int i = 0; i < RTNL_DUMP_TRIES && status == -EINTR; i++) {
		*found = (struct found){.wanted = found->wanted};
		status =
			rtnl_request(&kernel->rtnl,
				     rtnl_message(RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header)),
				     take_found, found);
	}
	return status < 0 ? rtnl_error(&kernel->rtnl, status, error, "list of addresses") : 0;
}

/* -- away and back -- */

static bool put_address(struct nl_msg *message, int type, const struct in6_addr *address)
{
	bool ipv4 = address_is_ipv4(address);

	return nla_put(message, type, ipv4 ? 4 : 16, address->s6_addr + (ipv4 ? 12 : 0)) == 0;
}

static struct nl_msg *address_message(const struct address_note *note, int type, int flags,
				      unsigned int device)
{
	bool ipv4 = address_is_ipv4(&note->address), add = type == RTM_NEWADDR;
	struct ifaddrmsg header = {.ifa_family = ipv4 ? AF_INET : AF_INET6,
				   .ifa_prefixlen = ipv4 ? 32 : 128,
				   .ifa_scope = note->scope,
				   .ifa_index = device};
	struct nl_msg *message = rtnl_message(type, flags, &header, sizeof(header));

	return rtnl_whole(
		message,
		message && put_address(message, IFA_LOCAL, &note->address) &&
			put_address(message, IFA_ADDRESS, &note->address) &&
			(!note->label[0] || nla_put_string(message, IFA_LABEL, note->label) == 0) &&
			(!add || (nla_put_u32(message, IFA_FLAGS, note->flags) == 0 &&
				  (IN6_IS_ADDR_UNSPECIFIED(&note->broadcast) ||
				   put_address(message, IFA_BROADCAST, &note->broadcast)) &&
				  (!note->metric ||
				   nla_put_u32(message, IFA_RT_PRIORITY, note->metric) == 0) &&
				  (!note->protocol ||
				   nla_put_u8(message, IFA_PROTO, note->protocol) == 0))));
}

/* One that is there (when adding), or gone (when removing), is no error. */
static int change(struct kernel *kernel, const struct address_note *note, bool add,
		  struct error *error)
{
	unsigned int device = if_nametoindex(note->device);
	char line[ADDRESS_NOTE_SIZE], doing[ADDRESS_NOTE_SIZE + 64];
	int status;

	if (!device && !add)
		return 0;
	if (!device)
		return error_set(error, "%s cannot be put back: there is no such device",
				 words(note, line));
	status = rtnl_request(&kernel->rtnl,
			      address_message(note, add ? RTM_NEWADDR : RTM_DELADDR,
					      NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0),
					      device),
			      NULL, NULL);
	if (!status || status == (add ? -EEXIST : -EADDRNOTAVAIL))
		return 0;
	snprintf(doing, sizeof(doing), "%s %s", words(note, line),
		 add ? "cannot be put back" : "cannot be taken away");
	return rtnl_error(&kernel->rtnl, status, error, doing);
}

static struct address_note *noted(struct kernel *kernel, const struct address_note *note)
{
	for (size_t i = 0; i < kernel->notes_count; i++)
		if (address_note_equal(&kernel->notes[i], note))
			return &kernel->notes[i];
	return NULL;
}

static int check_found(const struct found *found, struct error *error)
{
	char text[ADDRESS_TEXT_SIZE];

	address_text(found->wanted, text);
	if (found->no_host[0])
		return error_set(error,
				 "%s on %s has more than a host prefix: without it the subnet is "
				 "out of reach; give the VIP as a host prefix",
				 text, found->no_host);
	if (found->mortal[0])
		return error_set(error,
				 "%s on %s has a lifetime: whoever renews it would put it back",
				 text, found->mortal);
	if (found->too_many)
		return error_set(error, "%s is on more than %d devices", text, FOUND_MAX);
	return 0;
}

int kernel_address_withdraw(struct kernel *kernel, const struct in6_addr *address,
			    struct error *error)
{
	struct found found = {.wanted = address};
	size_t before = kernel->notes_count;
	char line[ADDRESS_NOTE_SIZE];

	if (find(kernel, &found, error) < 0 || check_found(&found, error) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		if (noted(kernel, &found.notes[i]))
			continue;
		if (kernel->notes_count == NOTES_MAX)
			return error_set(error, "%d addresses are taken away at most", NOTES_MAX);
		found.notes[i].since_s = clock_wall_ms() / 1000;
		kernel->notes[kernel->notes_count++] = found.notes[i];
	}
	if (kernel->notes_count != before && addresses_tell(kernel, error) < 0) {
		kernel->notes_count = before;
		return -1;
	}
	for (size_t i = 0; i < found.count; i++) {
		if (change(kernel, &found.notes[i], false, error) < 0)
			return -1;
		log_info("%s: taken away", words(&found.notes[i], line));
	}
	return (int)found.count;
}

static int put_back(struct kernel *kernel, kernel_address_fn *stays, void *arg, struct error *error)
{
	size_t kept = 0, count = kernel->notes_count;
	char line[ADDRESS_NOTE_SIZE];
	struct error why;
	int result = 0;

	for (size_t i = 0; i < count; i++) {
		struct address_note *note = &kernel->notes[i];
		bool stay = stays && stays(arg, &note->address);

		if (!stay && change(kernel, note, true, &why) == 0) {
			log_info("%s: put back", words(note, line));
			continue;
		}
		if (!stay && !result)
			result = error_set(error, "%s", why.text);
		kernel->notes[kept++] = *note;
	}
	kernel->notes_count = kept;
	if (kept != count && addresses_tell(kernel, &why) < 0 && !result)
		result = error_set(error, "%s", why.text);
	return result;
}

int kernel_addresses_return(struct kernel *kernel, kernel_address_fn *stays, void *arg,
			    struct error *error)
{
	return kernel->notes_count ? put_back(kernel, stays, arg, error) : 0;
}

size_t kernel_addresses_away(struct kernel *kernel, struct kernel_address_away *out, size_t max)
{
	char line[ADDRESS_NOTE_SIZE];

	for (size_t i = 0; i < kernel->notes_count && i < max; i++) {
		out[i] = (struct kernel_address_away){.address = kernel->notes[i].address,
						      .since_s = kernel->notes[i].since_s};
		memcpy(out[i].words, words(&kernel->notes[i], line), sizeof(out[i].words));
	}
	return kernel->notes_count;
}
