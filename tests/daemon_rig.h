/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole daemon without a network: zebra's side of the FPM socket is here, kernel and directory
 * are those in memory. Time goes on as the test says (clock_gettime is wrapped), but for libevent's
 * timers. Link with -Wl,--wrap=clock_gettime.
 */
#ifndef HOLDFAST_TEST_DAEMON_RIG_H
#define HOLDFAST_TEST_DAEMON_RIG_H

#include <json-c/json.h>

#include "fpmd/daemon.h"
#include "tests/good_config.h"
#include "tests/kernel_mock.h"
#include "tests/memory_directory.h"
#include "tests/unit.h"

#define OWNER_1 "10.255.0.1"
#define OWNER_2 "10.255.0.2"
#define LOCAL "10.255.0.3"
#define VIP "192.0.2.80"
#define VIP_2 "192.0.2.81"

extern struct event_base *base;
extern struct daemon *d;
extern char path[64];	       /* of fpmd's socket */
extern int zebra;	       /* zebra's end of it */
extern char status_text[4096]; /* the problems of the last status, a line each */
extern unsigned int log_lines; /* how many were told, and the last of them */
extern char log_line[256];

/* begin_running: with two members, OWNER_1 and OWNER_2, and no more to come. */
void begin(void);
void begin_running(void);
void end(void);

/* The loop runs for a moment; pass: after *ms* went by, for two ticks. */
void run(void);
void run_ms(unsigned int ms);
void pass(uint64_t ms);
/* From now on only pass() lets time go by. */
void clock_stop(void);

void zebra_connect(void);
void zebra_write(const void *bytes, size_t size);
void zebra_send(const Holdfast__Frame *message);
bool zebra_read(void); /* false: fpmd closed the connection */
void config_send(void);
void config_empty(void);
void route_send(const char *address, bool there);
/* Through *count* next hops: 10.0.0.1 on eth0, 10.0.0.2 on eth1 ... */
void route_send_by(const char *address, unsigned int count);
/* Through next hops named by letters: A is 10.0.65.1 on upA ... "": there is no route. */
void route_send_via(const char *address, const char *letters);
void replay_end_send(void);
const char *show(uint32_t topic, bool json);
json_object *show_json(uint32_t topic);
/* `clear holdfast pins`, of the owner, of the flow with that client's port, or (NULL, 0) all. */
const char *clear_pins_of(const char *owner, uint16_t client_port, bool json);
/* What the last show command was answered with, as far as it has come. */
const char *last_reply(void);
void forget_reply(void);
/* `show holdfast flow`: as show(). */
const char *show_flow_of(const char *client, uint32_t client_port, const char *vip,
			 uint32_t vip_port, bool json);

/* Flows are told apart by their client's port, see unit_flow(). */
void member_add(const char *text);
uint16_t owner_id(const char *text);
void answer(uint16_t port, enum directory_answer what, const char *owner);
uint32_t stray(uint16_t port);
uint16_t pin_of(uint16_t port);
void expect(uint32_t id, enum kernel_verdict wanted, uint16_t wanted_owner);
/* One more segment of the flow meets no session, and has this verdict a moment later. */
void expect_stray(uint16_t port, enum kernel_verdict wanted, uint16_t wanted_owner);
/* Makes a flow with a pin to *owner*. */
void detour(uint16_t port, const char *owner);

#endif
