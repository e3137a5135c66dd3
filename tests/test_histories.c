/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random histories of the whole one-hop engine, see tests/history.h. A history that fails is told
 * by its seed and played once more with all that happens in it.
 *
 *   tests/test_histories                  as `make check` does it
 *   HISTORIES=200000 tests/test_histories more of them
 *   HISTORY=SEED tests/test_histories     that one, with all that happens in it
 */
#include "tests/unit.h"

#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/history.h"
#include "tests/simulation.h"

#define HISTORIES 10000
#define PARTS 10
#define PART_TIMEOUT_S 3600

/* Sanitizers make it several times slower. */
#ifdef __SANITIZE_ADDRESS__
#define SLOWNESS 5
#else
#define SLOWNESS 1
#endif

static char key_path[] = "/tmp/holdfast-history-XXXXXX";

static void key_write(void)
{
	int fd = mkstemp(key_path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "1 %064d\n", 5), 67);
	close(fd);
}

static void play(uint64_t seed)
{
	char failure[512] = "";

	if (history_play(seed, key_path, failure, sizeof(failure)))
		return;
	if (!simulation_verbose) {
		fprintf(stderr, "History %llu: %s\nThis is what happens in it:\n",
			(unsigned long long)seed, failure);
		simulation_verbose = true;
		history_play(seed, key_path, failure, sizeof(failure));
	}
	unlink(key_path);
	ck_abort_msg("history %llu: %s", (unsigned long long)seed, failure);
}

static void print_totals(void)
{
	const struct history_totals *t = &history_totals;

	printf("%llu histories, %llu actions, %llu datagrams; found %llu (at a host that was down "
	       "%llu), absent %llu, timed out %llu; %llu pages, %llu refusals, %llu boots, puts "
	       "superseded %llu, ahead %llu, without room %llu\n",
	       (unsigned long long)t->histories, (unsigned long long)t->actions,
	       (unsigned long long)t->datagrams, (unsigned long long)t->found,
	       (unsigned long long)t->found_dead, (unsigned long long)t->absent,
	       (unsigned long long)t->timed_out, (unsigned long long)t->pages,
	       (unsigned long long)t->refusals, (unsigned long long)t->boots,
	       (unsigned long long)t->superseded, (unsigned long long)t->ahead,
	       (unsigned long long)t->full);
}

START_TEST(no_wrong_owner_is_found)
{
	const char *one = getenv("HISTORY"), *many = getenv("HISTORIES");
	uint64_t count = many != NULL ? strtoull(many, NULL, 10) : HISTORIES / SLOWNESS;

	key_write();
	if (one != NULL) {
		simulation_verbose = true;
		if (_i == 0)
			play(strtoull(one, NULL, 10));
	} else {
		for (uint64_t seed = count * (uint64_t)_i / PARTS;
		     seed < count * ((uint64_t)_i + 1) / PARTS; seed++)
			play(seed);
		/* It would prove nothing if little of it happened. */
		ck_assert_uint_gt(history_totals.found, history_totals.histories);
		ck_assert_uint_gt(history_totals.absent, history_totals.histories);
		print_totals();
	}
	unlink(key_path);
}
END_TEST

/* The same seed is the same history, to the datagram. */
START_TEST(a_seed_is_a_history)
{
	struct history_totals first;
	char failure[512];

	key_write();
	ck_assert(history_play(7, key_path, failure, sizeof(failure)));
	first = history_totals;
	memset(&history_totals, 0, sizeof(history_totals));
	ck_assert(history_play(8, key_path, failure, sizeof(failure)));
	ck_assert_mem_ne(&first, &history_totals, sizeof(first));
	memset(&history_totals, 0, sizeof(history_totals));
	ck_assert(history_play(7, key_path, failure, sizeof(failure)));
	ck_assert_mem_eq(&first, &history_totals, sizeof(first));
	unlink(key_path);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("histories");

	tcase_set_timeout(tcase, PART_TIMEOUT_S);
	tcase_add_test(tcase, a_seed_is_a_history);
	tcase_add_loop_test(tcase, no_wrong_owner_is_found, 0, PARTS);
	return unit_run("histories", tcase);
}
