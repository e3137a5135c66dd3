// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the forwarding settings that Holdfast changed. Runs on fpmd's event loop. Invariant: a
 * device is in nftables' set `uplinks` before forwarding is switched on there, and leaves it after.
 */
#include "fpmd/kernel/forwarding.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpmd/kernel/sysctl.h"
#include "fpmd/log.h"

/* What switches forwarding on for a device alone: with IPv6 that is possible since Linux 6.17. */
static const struct {
	int number;
	const char *name, *setting;
} families[FORWARDING_FAMILIES] = {
	{AF_INET, "ipv4", "forwarding"},
	{AF_INET6, "ipv6", "force_forwarding"},
};

int forwarding_take_over(struct forwarding *forwarding, struct nft *nft,
			 const bool used[FORWARDING_FAMILIES], struct error *error)
{
	memset(forwarding, 0, sizeof(*forwarding));
	forwarding->nft = nft;
	memcpy(forwarding->used, used, sizeof(forwarding->used));
	for (int i = 0; i < FORWARDING_FAMILIES; i++)
		if (nft_uplinks_get(nft, families[i].number, &forwarding->uplinks[i].items,
				    &forwarding->uplinks[i].count, error) < 0)
			return -1;
	return 0;
}

static bool contains(const struct uplinks *uplinks, unsigned int device)
{
	for (size_t i = 0; i < uplinks->count; i++)
		if (uplinks->items[i] == device)
			return true;
	return false;
}

static bool host_forwards(int family)
{
	return sysctl_read(families[family].name, "all", "forwarding") > 0;
}

/* The devices where forwarding is on because of us; *chosen* has room for all. */
static void choose_uplinks(const struct forwarding *forwarding, int family,
			   const struct device_list *devices, struct uplinks *chosen)
{
	if (!forwarding->used[family] || host_forwards(family))
		return;
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->items[i];

		if (contains(&forwarding->uplinks[family], (unsigned int)device->index) ||
		    sysctl_read(families[family].name, device->name, families[family].setting) == 0)
			chosen->items[chosen->count++] = (unsigned int)device->index;
	}
}

static bool same_uplinks(const struct uplinks *a, const struct uplinks *b)
{
	return a->count == b->count &&
	       (!a->count || memcmp(a->items, b->items, a->count * sizeof(*a->items)) == 0);
}

static int switch_on(const struct forwarding *forwarding, int family,
		     const struct device_list *devices, size_t *changed, struct error *error)
{
	const char *name = families[family].name, *setting = families[family].setting;

	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->items[i];
		int status;

		if (!contains(&forwarding->uplinks[family], (unsigned int)device->index) ||
		    sysctl_read(name, device->name, setting) == 1)
			continue;
		status = sysctl_write(name, device->name, setting, 1);
		if (status == -ENOENT) /* the device has just gone */
			continue;
		if (status < 0)
			return sysctl_error(status, name, device->name, setting, error);
		(*changed)++;
	}
	return 0;
}

/* Devices that have become something else, say ports of a bridge, are as they were before us. */
static void release(const struct forwarding *forwarding, int family, const struct uplinks *chosen)
{
	const struct uplinks *before = &forwarding->uplinks[family];
	char name[IF_NAMESIZE];

	if (host_forwards(family))
		return;
	for (size_t i = 0; i < before->count; i++)
		if (!contains(chosen, before->items[i]) && if_indextoname(before->items[i], name))
			sysctl_write(families[family].name, name, families[family].setting, 0);
}

static int ensure_family(struct forwarding *forwarding, int family,
			 const struct device_list *devices, size_t *changed, struct error *error)
{
	struct uplinks *uplinks = &forwarding->uplinks[family];
	struct uplinks chosen = {.items = calloc(devices->count + 1, sizeof(*chosen.items))};
	bool same;

	if (!chosen.items)
		return error_set(error, "forwarding: out of memory");
	choose_uplinks(forwarding, family, devices, &chosen);
	same = same_uplinks(uplinks, &chosen);
	if (!same)
		release(forwarding, family, &chosen);
	/* The first time also what was found: a set that others remove is made again from what was
	 * told here. */
	if ((!forwarding->told || !same) &&
	    nft_uplinks_set(forwarding->nft, families[family].number, chosen.items, chosen.count,
			    error) < 0) {
		free(chosen.items);
		return -1;
	}
	free(uplinks->items);
	*uplinks = chosen;
	return switch_on(forwarding, family, devices, changed, error);
}

int forwarding_ensure(struct forwarding *forwarding, const struct device_list *devices,
		      size_t *changed, struct error *error)
{
	*changed = 0;
	for (int i = 0; i < FORWARDING_FAMILIES; i++)
		if (ensure_family(forwarding, i, devices, changed, error) < 0)
			return -1;
	if (!forwarding->told && forwarding->used[1] && !host_forwards(1) &&
	    sysctl_read("ipv6", "all", families[1].setting) < 0)
		log_warn("IPv6 detours need net.ipv6.conf.all.forwarding=1 on this kernel");
	forwarding->told = true;
	return 0;
}

int forwarding_tunnel(const char *device, struct error *error)
{
	int status = sysctl_write("ipv4", device, "forwarding", 0);

	if (status < 0)
		return sysctl_error(status, "ipv4", device, "forwarding", error);
	status = sysctl_write("ipv4", device, "rp_filter", 2);
	return status < 0 ? sysctl_error(status, "ipv4", device, "rp_filter", error) : 0;
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
	for (int f = 0; f < FORWARDING_FAMILIES; f++)
		for (size_t i = 0; i < devices->count; i++) {
			const struct device *device = &devices->items[i];
			int status;

			if (!contains(&forwarding->uplinks[f], (unsigned int)device->index))
				continue;
			status = sysctl_write(families[f].name, device->name, families[f].setting,
					      0);
			if (status < 0 && status != -ENOENT)
				log_warn("net.%s.conf.%s.%s cannot be set back to 0: %s",
					 families[f].name, device->name, families[f].setting,
					 strerror(-status));
		}
}

void forwarding_free(struct forwarding *forwarding)
{
	for (int i = 0; i < FORWARDING_FAMILIES; i++)
		free(forwarding->uplinks[i].items);
	memset(forwarding, 0, sizeof(*forwarding));
}
