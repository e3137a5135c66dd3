// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the settings ignore_routes_with_linkdown that Holdfast changed. Runs on fpmd's event loop.
 * Invariant: a device is in nftables' set before its setting is changed.
 */
#include "fpmd/kernel/linkdown.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fpmd/kernel/sysctl.h"
#include "fpmd/log.h"

#define SETTING "ignore_routes_with_linkdown"

static const struct {
	int number;
	const char *name;
} families[2] = {{AF_INET, "ipv4"}, {AF_INET6, "ipv6"}};

int linkdown_take_over(struct linkdown *linkdown, struct nft *nft, struct error *error)
{
	linkdown->nft = nft;
	for (int i = 0; i < 2; i++)
		if (nft_linkdown_get(nft, families[i].number, &linkdown->set[i].devices,
				     &linkdown->set[i].count, error) < 0)
			return -1;
	return 0;
}

static bool contains(const struct linkdown *linkdown, int family, unsigned int device)
{
	for (size_t i = 0; i < linkdown->set[family].count; i++)
		if (linkdown->set[family].devices[i] == device)
			return true;
	return false;
}

/* Also what was found: a set that others remove is made again from what was told here. */
static int remember(struct linkdown *linkdown, int family, unsigned int device, bool add,
		    struct error *error)
{
	size_t count = linkdown->set[family].count;
	unsigned int *devices;

	if (linkdown->set[family].told && !add)
		return 0;
	devices = realloc(linkdown->set[family].devices, (count + 1) * sizeof(*devices));
	if (!devices)
		return error_set(error, SETTING ": out of memory");
	linkdown->set[family].devices = devices;
	if (add)
		devices[count++] = device;
	if (nft_linkdown_set(linkdown->nft, families[family].number, devices, count, error) < 0)
		return -1;
	linkdown->set[family].count = count;
	linkdown->set[family].told = true;
	return 0;
}

int linkdown_ensure(struct linkdown *linkdown, int number, unsigned int device, struct error *error)
{
	int family = number == AF_INET ? 0 : 1, status;
	bool ours = contains(linkdown, family, device);
	const char *name = families[family].name;
	char text[IF_NAMESIZE];

	if (!if_indextoname(device, text))
		return 0;
	if (remember(linkdown, family, device, false, error) < 0)
		return -1;
	if (sysctl_read(name, text, SETTING) == 1)
		return 0;
	if (!ours && remember(linkdown, family, device, true, error) < 0)
		return -1;
	status = sysctl_write(name, text, SETTING, 1);
	if (status == -ENOENT) /* the device has just gone, or has no such family */
		return 0;
	if (status < 0)
		return sysctl_error(status, name, text, SETTING, error);
	if (!ours)
		log_info("net.%s.conf.%s." SETTING " is 1 now: a flow whose link fails goes on at "
			 "once",
			 name, text);
	return ours;
}

void linkdown_restore(struct linkdown *linkdown)
{
	for (int family = 0; family < 2; family++)
		for (size_t i = 0; i < linkdown->set[family].count; i++) {
			const char *name = families[family].name;
			char text[IF_NAMESIZE];
			int status;

			if (!if_indextoname(linkdown->set[family].devices[i], text))
				continue;
			status = sysctl_write(name, text, SETTING, 0);
			if (status < 0 && status != -ENOENT)
				log_warn("net.%s.conf.%s." SETTING " cannot be set back to 0: %s",
					 name, text, strerror(-status));
		}
}

void linkdown_free(struct linkdown *linkdown)
{
	for (int i = 0; i < 2; i++)
		free(linkdown->set[i].devices);
	memset(linkdown, 0, sizeof(*linkdown));
}
