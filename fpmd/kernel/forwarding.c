// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the forwarding settings that Holdfast changed. Runs on fpmd's event loop. Invariant: a
 * device is in nftables' set `uplinks` before forwarding is switched on there, and leaves it after.
 */
#include "fpmd/kernel/forwarding.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/set.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fpmd/kernel/nft_link.h"
#include "fpmd/log.h"

#define UPLINKS_SET "uplinks"

static void sysctl_path(char *path, size_t size, const char *family, const char *device,
			const char *name)
{
	snprintf(path, size, "/proc/sys/net/%s/conf/%s/%s", family, device, name);
}

/* The value, or a negative errno. */
static int sysctl_read(const char *family, const char *device, const char *name)
{
	char path[128], text[16];
	ssize_t length;
	int fd;

	sysctl_path(path, sizeof(path), family, device, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return -EIO;
	text[length] = '\0';
	return atoi(text);
}

/* Returns 0 or a negative errno. */
static int sysctl_write(const char *family, const char *device, const char *name, int value)
{
	char path[128], text[16];
	int fd, length, status = 0;

	if (sysctl_read(family, device, name) == value)
		return 0;
	sysctl_path(path, sizeof(path), family, device, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = snprintf(text, sizeof(text), "%d\n", value);
	if (write(fd, text, (size_t)length) != length)
		status = -errno;
	close(fd);
	return status;
}

static int write_error(int status, const char *device, const char *name, struct error *error)
{
	return error_set(error,
			 "net.ipv4.conf.%s.%s cannot be set: %s (is /proc/sys read-only? "
			 "fpmd's unit needs ProtectKernelTunables=no)",
			 device, name, strerror(-status));
}

struct uplinks_dump {
	unsigned int *items;
	size_t count;
	bool no_memory;
};

static int take_element(struct nftnl_set_elem *element, void *arg)
{
	struct uplinks_dump *dump = arg;
	unsigned int *grown;
	const void *key;
	uint32_t size;

	key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
	if (!key || size != sizeof(uint32_t))
		return 0;
	grown = realloc(dump->items, (dump->count + 1) * sizeof(*grown));
	if (!grown) {
		dump->no_memory = true;
		return 0;
	}
	dump->items = grown;
	memcpy(&dump->items[dump->count++], key, sizeof(uint32_t));
	return 0;
}

static int take_elements(const struct nlmsghdr *message, void *arg)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		return -ENOMEM;
	if (nftnl_set_elems_nlmsg_parse(message, set) == 0)
		nftnl_set_elem_foreach(set, take_element, arg);
	nftnl_set_free(set);
	return 0;
}

static int dump_uplinks(struct nft_link *link, struct uplinks_dump *dump)
{
	_Alignas(8) char bytes[1024];
	struct nlmsghdr *message =
		nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETSETELEM, NFPROTO_IPV4, NLM_F_DUMP, 0);
	struct nftnl_set *set = nftnl_set_alloc();
	int status = -ENOMEM;

	if (set && nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE) == 0 &&
	    nftnl_set_set_str(set, NFTNL_SET_NAME, UPLINKS_SET) == 0) {
		nftnl_set_elems_nlmsg_build_payload(message, set);
		status = nft_link_dump(link, message, take_elements, dump);
	}
	if (set)
		nftnl_set_free(set);
	return status;
}

int forwarding_take_over(struct forwarding *forwarding, struct nft *nft, bool ipv6,
			 struct error *error)
{
	struct uplinks_dump dump = {0};
	struct nft_link link;
	int status;

	memset(forwarding, 0, sizeof(*forwarding));
	forwarding->nft = nft;
	forwarding->ipv6 = ipv6;
	if (nft_link_open(&link, error) < 0)
		return -1;
	status = dump_uplinks(&link, &dump);
	nft_link_close(&link);
	if (dump.no_memory)
		status = -ENOMEM;
	if (status < 0 && status != -ENOENT) {
		free(dump.items);
		return error_set(error, "nftables: cannot read the set " UPLINKS_SET ": %s",
				 strerror(-status));
	}
	forwarding->uplinks = dump.items;
	forwarding->count = dump.count;
	return 0;
}

static bool is_ours(const struct forwarding *forwarding, int device)
{
	for (size_t i = 0; i < forwarding->count; i++)
		if (forwarding->uplinks[i] == (unsigned int)device)
			return true;
	return false;
}

/* The devices where forwarding is on because of us; an array of devices->count, or NULL. */
static unsigned int *choose_uplinks(const struct forwarding *forwarding,
				    const struct device_list *devices, size_t *count)
{
	unsigned int *chosen = calloc(devices->count + 1, sizeof(*chosen));

	*count = 0;
	if (!chosen || sysctl_read("ipv4", "all", "forwarding") > 0)
		return chosen;
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->items[i];

		if (is_ours(forwarding, device->index) ||
		    sysctl_read("ipv4", device->name, "forwarding") == 0)
			chosen[(*count)++] = (unsigned int)device->index;
	}
	return chosen;
}

static bool same_uplinks(const struct forwarding *forwarding, const unsigned int *chosen,
			 size_t count)
{
	return forwarding->count == count &&
	       (!count || memcmp(forwarding->uplinks, chosen, count * sizeof(*chosen)) == 0);
}

/* IPv6 has a switch of its own for a device since Linux 6.17. */
static void ensure_ipv6(struct forwarding *forwarding, const struct device *device)
{
	int status;

	if (!forwarding->ipv6 || sysctl_read("ipv6", "all", "forwarding") > 0)
		return;
	status = sysctl_write("ipv6", device->name, "force_forwarding", 1);
	if (status < 0 && !forwarding->told)
		log_warn("IPv6 detours need net.ipv6.conf.all.forwarding=1 on this kernel");
}

static int switch_on(struct forwarding *forwarding, const struct device_list *devices,
		     size_t *changed, struct error *error)
{
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->items[i];
		int status;

		if (!is_ours(forwarding, device->index))
			continue;
		ensure_ipv6(forwarding, device);
		if (sysctl_read("ipv4", device->name, "forwarding") == 1)
			continue;
		status = sysctl_write("ipv4", device->name, "forwarding", 1);
		if (status == -ENOENT) /* the device has just gone */
			continue;
		if (status < 0)
			return write_error(status, device->name, "forwarding", error);
		(*changed)++;
	}
	return 0;
}

/* Devices that have become something else, say ports of a bridge, are as they were before us. */
static void release(struct forwarding *forwarding, const unsigned int *chosen, size_t count)
{
	char name[IF_NAMESIZE];

	if (sysctl_read("ipv4", "all", "forwarding") > 0)
		return;
	for (size_t i = 0; i < forwarding->count; i++) {
		bool kept = false;

		for (size_t j = 0; j < count; j++)
			kept |= chosen[j] == forwarding->uplinks[i];
		if (!kept && if_indextoname(forwarding->uplinks[i], name))
			sysctl_write("ipv4", name, "forwarding", 0);
	}
}

int forwarding_ensure(struct forwarding *forwarding, const struct device_list *devices,
		      size_t *changed, struct error *error)
{
	size_t count, corrections = 0;
	unsigned int *chosen = choose_uplinks(forwarding, devices, &count);
	int status;

	if (!chosen)
		return error_set(error, "forwarding: out of memory");
	if (!same_uplinks(forwarding, chosen, count))
		release(forwarding, chosen, count);
	/* The first time also what was found: a set that others remove is made again from what was
	 * told here. */
	if ((!forwarding->told || !same_uplinks(forwarding, chosen, count)) &&
	    nft_uplinks_set(forwarding->nft, chosen, count, error) < 0) {
		free(chosen);
		return -1;
	}
	free(forwarding->uplinks);
	forwarding->uplinks = chosen;
	forwarding->count = count;
	status = switch_on(forwarding, devices, &corrections, error);
	forwarding->told = true;
	if (changed)
		*changed = corrections;
	return status;
}

int forwarding_tunnel(const char *device, struct error *error)
{
	int status = sysctl_write("ipv4", device, "forwarding", 0);

	if (status < 0)
		return write_error(status, device, "forwarding", error);
	status = sysctl_write("ipv4", device, "rp_filter", 2);
	return status < 0 ? write_error(status, device, "rp_filter", error) : 0;
}

bool forwarding_bridges_filter(void)
{
	char digit = '0';
	int fd = open("/proc/sys/net/bridge/bridge-nf-call-iptables", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &digit, 1) != 1)
		digit = '0';
	close(fd);
	return digit != '0';
}

void forwarding_restore(struct forwarding *forwarding, const struct device_list *devices)
{
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->items[i];
		int status;

		if (!is_ours(forwarding, device->index))
			continue;
		status = sysctl_write("ipv4", device->name, "forwarding", 0);
		if (status < 0 && status != -ENOENT)
			log_warn("net.ipv4.conf.%s.forwarding cannot be set back to 0: %s",
				 device->name, strerror(-status));
		if (forwarding->ipv6)
			sysctl_write("ipv6", device->name, "force_forwarding", 0);
	}
}

void forwarding_free(struct forwarding *forwarding)
{
	free(forwarding->uplinks);
	memset(forwarding, 0, sizeof(*forwarding));
}
