/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of devices below /proc/sys/net. */
#ifndef HOLDFAST_KERNEL_SYSCTL_H
#define HOLDFAST_KERNEL_SYSCTL_H

#include "fpmd/error.h"

/* *family*: "ipv4" or "ipv6"; *device*: its name, or "all". The value, or a negative errno. */
int sysctl_read(const char *family, const char *device, const char *name);
/* Returns 0 or a negative errno. That it is so already is no error. */
int sysctl_write(const char *family, const char *device, const char *name, int value);
/* -1 with *error* = why *status*, as sysctl_write() gave it, and the remedy. */
int sysctl_error(int status, const char *family, const char *device, const char *name,
		 struct error *error);

#endif
