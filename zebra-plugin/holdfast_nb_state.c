/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_nb.h. The state is read from the JSON that fpmd gave (holdfast_snapshot.h), by the
 * names of the model: state/paths/records-outlive-fpmd is the key recordsOutliveFpmd of the object
 * paths, the entries of a list state/paths/path are those of the array paths in it. An entry of a
 * list is its JSON object.
 */
#include "zebra-plugin/compat.h"

#include "lib/json.h"
#include "lib/northbound.h"

#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_nb.h"
#include "zebra-plugin/holdfast_snapshot.h"

#define STATE_XPATH HOLDFAST_XPATH "/state/"
#define KEYS_MAX 2

static json_object *snapshot(void)
{
	uint64_t age_ms;

	return holdfast_snapshot(&age_ms);
}

/* The value behind the name from *begin* to *end*, which has words with dashes. */
static json_object *value_named(json_object *object, const char *begin, const char *end)
{
	char key[64];
	size_t length = 0;
	json_object *value;

	for (; begin < end && length + 1 < sizeof(key); begin++) {
		bool dash = *begin == '-' && begin + 1 < end;

		if (dash)
			begin++;
		key[length++] = (char)(dash ? toupper((unsigned char)*begin) : *begin);
	}
	key[length] = '\0';
	return json_object_is_type(object, json_type_object) &&
			       json_object_object_get_ex(object, key, &value)
		       ? value
		       : NULL;
}

static struct yang_data *data_new(const char *xpath, json_object *value)
{
	return value ? yang_data_new(xpath, json_object_get_string(value)) : NULL;
}

struct yang_data *holdfast_nb_state_get(struct nb_cb_get_elem_args *args)
{
	const char *name = strrchr(args->xpath, '/') + 1, *end;
	json_object *object;

	if (args->list_entry)
		return data_new(args->xpath, value_named((json_object *)args->list_entry, name,
							 name + strlen(name)));
	if (strncmp(args->xpath, STATE_XPATH, strlen(STATE_XPATH)))
		return NULL;
	object = snapshot();
	for (name = args->xpath + strlen(STATE_XPATH); object; name = end + 1) {
		end = strchrnul(name, '/');
		object = value_named(object, name, end);
		if (!*end)
			break;
	}
	return data_new(args->xpath, object);
}

struct yang_data *holdfast_nb_state_connected_get(struct nb_cb_get_elem_args *args)
{
	return yang_data_new_bool(args->xpath, holdfast_fpm_connected());
}

struct yang_data *holdfast_nb_state_age_get(struct nb_cb_get_elem_args *args)
{
	uint64_t age_ms;

	return holdfast_snapshot(&age_ms) ? yang_data_new_uint64(args->xpath, age_ms) : NULL;
}

/* Entries are those of one copy, made when the walk begins. */
const void *holdfast_nb_state_problem_next(struct nb_cb_get_next_args *args)
{
	static struct holdfast_fpm_state state;
	const struct error *next = state.problems;

	if (args->list_entry)
		next = (const struct error *)args->list_entry + 1;
	else
		holdfast_fpm_state_get(&state);
	return next < state.problems + state.problem_count ? next : NULL;
}

struct yang_data *holdfast_nb_state_problem_get(struct nb_cb_get_elem_args *args)
{
	return yang_data_new_string(args->xpath, ((const struct error *)args->list_entry)->text);
}

struct state_list {
	const char *topic, *array; /* names in the JSON */
	const char *keys[KEYS_MAX];
};

static json_object *list_array(const struct state_list *list)
{
	json_object *topic = NULL, *array = NULL;

	if (json_object_object_get_ex(snapshot(), list->topic, &topic) &&
	    json_object_object_get_ex(topic, list->array, &array) &&
	    json_object_is_type(array, json_type_array))
		return array;
	return NULL;
}

static const char *key_text(json_object *entry, const char *key)
{
	json_object *value = NULL;

	json_object_object_get_ex(entry, key, &value);
	return value ? json_object_get_string(value) : "";
}

static const void *list_next(const struct state_list *list, const void *entry)
{
	json_object *array = list_array(list);
	size_t count = array ? json_object_array_length(array) : 0, i = 0;

	if (entry)
		while (i < count && json_object_array_get_idx(array, i++) != entry)
			;
	return i < count ? json_object_array_get_idx(array, i) : NULL;
}

static int list_keys(const struct state_list *list, const void *entry, struct yang_list_keys *keys)
{
	keys->num = 0;
	while (keys->num < KEYS_MAX && list->keys[keys->num]) {
		strlcpy(keys->key[keys->num], key_text((json_object *)entry, list->keys[keys->num]),
			sizeof(keys->key[0]));
		keys->num++;
	}
	return NB_OK;
}

static const void *list_lookup(const struct state_list *list, const struct yang_list_keys *keys)
{
	json_object *entry = NULL;
	size_t i;

	while ((entry = (json_object *)list_next(list, entry))) {
		for (i = 0; i < KEYS_MAX && list->keys[i]; i++)
			if (strcmp(keys->key[i], key_text(entry, list->keys[i])))
				break;
		if (i == KEYS_MAX || !list->keys[i])
			return entry;
	}
	return NULL;
}

/* FRR tells a callback the entry, but not the list. */
#define STATE_LIST(name, ...)                                                                      \
	static const struct state_list name##_list = {__VA_ARGS__};                                \
	const void *holdfast_nb_state_##name##_next(struct nb_cb_get_next_args *args)              \
	{                                                                                          \
		return list_next(&name##_list, args->list_entry);                                  \
	}                                                                                          \
	int holdfast_nb_state_##name##_keys(struct nb_cb_get_keys_args *args)                      \
	{                                                                                          \
		return list_keys(&name##_list, args->list_entry, args->keys);                      \
	}                                                                                          \
	const void *holdfast_nb_state_##name##_lookup(struct nb_cb_lookup_entry_args *args)        \
	{                                                                                          \
		return list_lookup(&name##_list, args->keys);                                      \
	}

STATE_LIST(vip, "summary", "vips", {"prefix"})
STATE_LIST(member, "members", "members", {"address"})
STATE_LIST(owner, "pins", "owners", {"ownerId"})
STATE_LIST(path, "paths", "paths", {"id"})
STATE_LIST(counter, "counters", "counters", {"group", "name"})
