// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/show_private.h"

void show_add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

void show_add_number(json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)value));
}

void show_add_bool(json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void show_add_address(json_object *o, const char *key, const struct in6_addr *address)
{
	char text[ADDRESS_TEXT_SIZE];

	show_add_text(o, key, address_text(address, text));
}

const char *show_text(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : "";
}

uint64_t show_number(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? (uint64_t)json_object_get_int64(value)
							 : 0;
}

json_object *show_value(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? value : NULL;
}

void show_duration(FILE *f, uint64_t ms)
{
	if (ms < 1000)
		fprintf(f, "%llums", (unsigned long long)ms);
	else if (ms < 3600000)
		fprintf(f, "%llu.%llus", (unsigned long long)ms / 1000,
			(unsigned long long)ms % 1000 / 100);
	else
		fprintf(f, "%lluh%02llum", (unsigned long long)ms / 3600000,
			(unsigned long long)ms / 60000 % 60);
}
