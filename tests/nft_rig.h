/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of nftables and of the stray queue share. They run against a real kernel, each in a
 * process and a network namespace of its own, which vanish with it: a server with the VIP, and its
 * client behind device hfin. Without root the program says "skipped".
 */
#ifndef HOLDFAST_TEST_NFT_RIG_H
#define HOLDFAST_TEST_NFT_RIG_H

#include <check.h>

#include "fpmd/kernel/nft.h"
#include "fpmd/kernel/queue.h"

#define VIP "192.0.2.80"
#define CLIENT "198.51.100.7"
#define OTHER "198.51.100.8"
#define VIP6 "2001:db8::80"
#define CLIENT6 "2001:db8:1::7"
#define STRAY 0x80000000u
#define TUNNEL 0x40000000u

extern struct kernel_options options;
extern struct event_base *base;
extern struct nft *nft;
extern struct queue *queue; /* closed by the rig, as nft is */
extern struct error error;

int run(const char *format, ...);
#define run_ok(...) ck_assert_int_eq(run(__VA_ARGS__), 0)

/* The number that a shell pipeline prints. */
long ask(const char *format, ...);

/* How many packets the rule with that comment counted, in chain `after` of the test's own table. */
long packets(const char *family, const char *comment);

#define ok(call) ck_assert_msg((call) == 0, "%s", error.text)

double seconds(void);
void open_it(void);
void loop(int milliseconds);
uint64_t counter(const char *name);

/* *count* changes of pins of flows that differ, from flow number *first* on. */
struct kernel_pin_change *changes_make(unsigned int first, size_t count, uint16_t old_owner,
				       uint16_t new_owner);

/* Makes these changes; returns how many failed. */
size_t change(unsigned int first, size_t count, uint16_t old_owner, uint16_t new_owner);

struct seen {
	size_t count;
	size_t by_owner[16];
	size_t direct[16]; /* the same with KERNEL_PIN_DIRECT */
};

struct seen dump(void);

/* For nft_watch(); *arg* is char[96]. */
void changed(void *arg, const char *what);

/* A socket in the client's namespace. */
int peer_socket(int family, int type);

/* From an address of the client. */
void udp_send(const char *from, const char *to, uint16_t port, size_t count);

int nft_main(const char *name, const TTest *const cases[], size_t count);

#define NFT_MAIN(name, ...)                                                                        \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *const cases[] = {__VA_ARGS__};                                        \
                                                                                                   \
		return nft_main(name, cases, sizeof(cases) / sizeof(cases[0]));                    \
	}

#endif
