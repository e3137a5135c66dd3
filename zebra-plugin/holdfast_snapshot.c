/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_snapshot.h. `asking` belongs to the FPM pthread. What came is handed over under the
 * mutex; the main pthread alone has what it took, so nothing is freed that it is walking through.
 */
#include "zebra-plugin/compat.h"

#include <pthread.h>

#include "lib/json.h"
#include "lib/monotime.h"
#include "zebra/zebra_router.h"

#include "fpm/holdfast.pb-c.h"
#include "zebra-plugin/holdfast_counters.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_snapshot.h"
#include "zebra-plugin/holdfast_wire.h"

#define FIRST_MS 500
#define INTERVAL_MS 5000
#define TEXT_MAX ((size_t)1024 * 1024)
/* Those of `show` count up from 1: see holdfast_show.c. */
#define FIRST_ID 0x80000000u

static struct {
	uint32_t id; /* of the answer that is awaited; 0: none */
	uint32_t last_id;
	char *text;
	size_t size, capacity;
	holdfast_event *t_ask;
} asking;

static struct {
	pthread_mutex_t mutex;
	json_object *came; /* not taken yet */
} handed = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct {
	json_object *state;
	struct timeval since;
	holdfast_event *t_take;
} taken;

static void asking_end(void)
{
	asking.id = 0;
	free(asking.text);
	asking.text = NULL;
	asking.size = asking.capacity = 0;
}

static void ask(holdfast_event *event)
{
	uint8_t frame[HOLDFAST_SMALL_FRAME_SIZE];
	uint32_t id = FIRST_ID | ++asking.last_id;
	const struct holdfast_question question = {.topic = HOLDFAST__SHOW_REQUEST__TOPIC__STATE,
						   .json = true};
	size_t size = holdfast_wire_show_request(id, &question, frame, sizeof(frame));

	holdfast_add_timer_ms(holdfast_fpm_loop(), ask, NULL, INTERVAL_MS, &asking.t_ask);
	asking_end();
	if (size && !holdfast_fpm_send(frame, size))
		asking.id = id;
}

void holdfast_snapshot_connected(void)
{
	holdfast_add_timer_ms(holdfast_fpm_loop(), ask, NULL, FIRST_MS, &asking.t_ask);
}

void holdfast_snapshot_disconnected(void)
{
	holdfast_event_off(asking.t_ask);
	asking_end();
}

/* Room for as many bytes more, and a 0. Returns 0, or -1: too much, or no memory. */
static int text_grow(size_t size)
{
	size_t capacity = asking.capacity ? asking.capacity : 65536;
	char *text;

	if (asking.size + size >= TEXT_MAX)
		return -1;
	while (capacity <= asking.size + size)
		capacity *= 2;
	if (capacity == asking.capacity)
		return 0;
	text = realloc(asking.text, capacity);
	if (!text)
		return -1;
	asking.text = text;
	asking.capacity = capacity;
	return 0;
}

static void add_counter(json_object *list, const char *group, const char *name, uint64_t value)
{
	json_object *counter = json_object_new_object();

	json_object_object_add(counter, "group", json_object_new_string(group));
	json_object_object_add(counter, "name", json_object_new_string(name));
	json_object_object_add(counter, "value", json_object_new_int64((int64_t)value));
	json_object_array_add(list, counter);
}

/* fpmd's are one object for each group. */
static json_object *counters_listed(json_object *groups)
{
	json_object *list = json_object_new_array(), *counters = json_object_new_object();
	struct holdfast_fpm_state state;
	const char *name, *help;
	uint64_t value;
	size_t i;

	if (json_object_is_type(groups, json_type_object)) {
		json_object_object_foreach(groups, group, values)
		{
			if (!json_object_is_type(values, json_type_object))
				continue;
			json_object_object_foreach(values, key, number) add_counter(
				list, group, key, (uint64_t)json_object_get_int64(number));
		}
	}
	for (i = 0; (name = holdfast_counter_get(i, &help, &value)); i++)
		add_counter(list, "module", name, value);
	holdfast_fpm_state_get(&state);
	add_counter(list, "module", "queue-overflows", state.overflows);
	add_counter(list, "module", "frames-dropped", state.dropped);
	json_object_object_add(counters, "counters", list);
	return counters;
}

/* Main pthread. */
static void take(holdfast_event *event)
{
	json_object *came;

	pthread_mutex_lock(&handed.mutex);
	came = handed.came;
	handed.came = NULL;
	pthread_mutex_unlock(&handed.mutex);
	if (!came)
		return;
	json_object_put(taken.state);
	taken.state = came;
	monotime(&taken.since);
}

static void hand_over(json_object *state)
{
	json_object *old, *counters = NULL;

	json_object_object_get_ex(state, "counters", &counters);
	json_object_object_add(state, "counters", counters_listed(counters));
	pthread_mutex_lock(&handed.mutex);
	old = handed.came;
	handed.came = state;
	pthread_mutex_unlock(&handed.mutex);
	json_object_put(old);
	holdfast_add_event(zrouter.master, take, NULL, 0, &taken.t_take);
}

bool holdfast_snapshot_reply(uint32_t id, const char *text, bool last)
{
	size_t size = strlen(text);
	json_object *state;

	if (!(id & FIRST_ID))
		return false;
	if (id != asking.id)
		return true;
	if (text_grow(size)) {
		asking_end();
		return true;
	}
	memcpy(asking.text + asking.size, text, size + 1);
	asking.size += size;
	if (!last)
		return true;
	state = json_tokener_parse(asking.text);
	asking_end();
	if (json_object_is_type(state, json_type_object))
		hand_over(state);
	else
		json_object_put(state);
	return true;
}

json_object *holdfast_snapshot(uint64_t *age_ms)
{
	if (taken.state)
		*age_ms = (uint64_t)monotime_since(&taken.since, NULL) / 1000;
	return taken.state;
}

void holdfast_snapshot_stop(void)
{
	holdfast_event_off(taken.t_take);
	asking_end();
	json_object_put(handed.came);
	json_object_put(taken.state);
	handed.came = taken.state = NULL;
}
