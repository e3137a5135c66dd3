// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole daemon: sessions of this host, from the kernel into the directory. */
#include <errno.h>

#include "tests/daemon_rig.h"

START_TEST(sessions_are_published_until_the_kernel_forgot_them)
{
	struct flow old = unit_flow(1), first = unit_flow(2), second = unit_flow(3);

	begin();
	kernel_mock_session_put(&old);
	config_send();
	ck_assert(directory_published(d->directory, &old));
	kernel_mock_session_open(&first);
	kernel_mock_session_open(&second);
	ck_assert_uint_eq(directory_published_count(d->directory), 3);
	ck_assert(memory_directory_has_session(d->directory, &first));

	kernel_mock_session_close(&first, MOCK_END_GONE);
	ck_assert(!directory_published(d->directory, &first));
	kernel_mock_session_close(&second, MOCK_END_TIME_WAIT);
	ck_assert(directory_published(d->directory, &second));
	ck_assert(!memory_directory_has_session(d->directory, &second));
	ck_assert_uint_eq(closings_count(&d->closings), 1);
	kernel_mock_session_take(&second);
	pass(CLOSING_WAIT_MAX_MS);
	ck_assert(!directory_published(d->directory, &second));
	ck_assert_uint_eq(d->counters.sessions_begun, 3);
	ck_assert_uint_eq(d->counters.sessions_ended, 2);
	end();
}
END_TEST

START_TEST(a_port_that_lives_again_stays_published)
{
	struct flow flow = unit_flow(1);

	begin_running();
	kernel_mock_session_open(&flow);
	kernel_mock_session_close(&flow, MOCK_END_TIME_WAIT);
	kernel_mock_session_open(&flow);
	ck_assert_uint_eq(closings_count(&d->closings), 0);
	pass(CLOSING_WAIT_MAX_MS);
	ck_assert(directory_published(d->directory, &flow));
	end();
}
END_TEST

START_TEST(a_session_that_cannot_be_looked_up_is_kept)
{
	struct flow flow = unit_flow(1);

	begin_running();
	kernel_mock_session_open(&flow);
	kernel_mock_fail_sessions(-ENOBUFS);
	kernel_mock_session_close(&flow, MOCK_END_GONE);
	ck_assert(directory_published(d->directory, &flow));
	ck_assert(!memory_directory_has_session(d->directory, &flow));
	kernel_mock_fail_sessions(0);
	pass(CLOSING_WAIT_MAX_MS);
	ck_assert(!directory_published(d->directory, &flow));
	end();
}
END_TEST

START_TEST(lost_events_are_made_good)
{
	struct flow gone = unit_flow(1), stays = unit_flow(2), new = unit_flow(3);

	begin_running();
	kernel_mock_session_open(&gone);
	kernel_mock_session_open(&stays);
	kernel_mock_session_take(&gone);
	kernel_mock_session_put(&new);
	kernel_mock_events_lost();
	ck_assert(!directory_published(d->directory, &gone));
	ck_assert(directory_published(d->directory, &stays));
	ck_assert(directory_published(d->directory, &new));
	ck_assert_uint_eq(d->counters.sessions_resynced, 1);
	end();
}
END_TEST

UNIT_MAIN("sessions", sessions_are_published_until_the_kernel_forgot_them,
	  a_port_that_lives_again_stays_published, a_session_that_cannot_be_looked_up_is_kept,
	  lost_events_are_made_good)
