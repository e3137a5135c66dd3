/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arrays that grow. */
#ifndef HOLDFAST_KERNEL_LIST_H
#define HOLDFAST_KERNEL_LIST_H

#include <stdlib.h>

/*
 * The array with room for one more than the *count* it has, *size* in items; NULL: out of memory,
 * it stays as it was.
 */
static inline void *list_room(void *items, size_t count, size_t *size, size_t item_size)
{
	size_t wanted = *size ? *size * 2 : 32;
	void *grown;

	if (count < *size)
		return items;
	grown = realloc(items, wanted * item_size);
	if (grown)
		*size = wanted;
	return grown;
}

#endif
