/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server in memory behind fpmd/directory/valkey.h, one for all clients of the process. */
#ifndef HOLDFAST_TEST_VALKEY_MEMORY_H
#define HOLDFAST_TEST_VALKEY_MEMORY_H

#include "fpmd/directory/valkey.h"

/* What all clients are told from the next turn of the loop on. */
void valkey_memory_state(enum valkey_state state, bool records_lost);

/* What comes in is not answered until false; then all of it is. */
void valkey_memory_hold(bool hold);

/* Each answer takes so many turns of the test's clock. */
void valkey_memory_delay(unsigned int ms);

/* All that was asked and not answered fails, as if the connections broke. */
void valkey_memory_break(void);

/* All records go, as by FLUSHALL: nobody is told. */
void valkey_memory_flush(void);

/* The memory is full: puts are refused. */
void valkey_memory_full(bool full);

/* What is stored under the key; NULL: nothing. */
const struct record *valkey_memory_record(const struct record_key *key);
void valkey_memory_store(const struct record *record);

/* How often one was asked for. */
unsigned int valkey_memory_puts(void);

#endif
