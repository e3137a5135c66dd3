/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host address of a device, and the line in which it is noted while it is away. Pure. The line is
 * what `ip address add` takes, and after a semicolon when it was written, and the address's
 * protocol (IFA_PROTO), which not every ip(8) knows: 192.0.2.80/32 dev lo scope global label lo:1
 * noprefixroute; since 1795390000 proto 18
 */
#ifndef HOLDFAST_KERNEL_ADDRESS_NOTE_H
#define HOLDFAST_KERNEL_ADDRESS_NOTE_H

#include <net/if.h>

#include "fpmd/flow.h"

/* With its end. Fits the user data of an element of an nftables set. */
#define ADDRESS_NOTE_SIZE 240

struct address_note {
	struct in6_addr address;   /* with the length of a host prefix */
	struct in6_addr broadcast; /* :: none */
	char device[IF_NAMESIZE];
	char label[IF_NAMESIZE]; /* "": as the device */
	uint8_t scope;		 /* RT_SCOPE_UNIVERSE ... of linux/rtnetlink.h */
	uint8_t protocol;	 /* IFA_PROTO; 0: none */
	uint32_t flags;		 /* ADDRESS_NOTE_FLAGS */
	uint32_t metric;	 /* IFA_RT_PRIORITY; 0: none */
	uint64_t since_s;	 /* of 1970, when it was taken away */
};

/* Those of IFA_F_* (linux/if_addr.h) that whoever adds an address chooses. */
#define ADDRESS_NOTE_FLAGS 0x712

/* Returns *line*. */
const char *address_note_write(const struct address_note *note, char line[ADDRESS_NOTE_SIZE]);
/* Returns 0, or -1: it is no such line. */
int address_note_read(const char *line, struct address_note *note);

/* The same but for the time. */
bool address_note_equal(const struct address_note *a, const struct address_note *b);

#endif
