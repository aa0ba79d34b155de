/* SPDX-License-Identifier: Apache-2.0 */
#include "name_table.h"

#include <stdlib.h>

static uint64_t hash_of(struct bytes s)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.ptr[i]) * 1099511628211u;
	return h ^ h >> 29;
}

bool name_table_init(struct name_table *t, uint32_t max)
{
	*t = (struct name_table){ .max = max, .size = 16 };
	while (t->size < max * 2)
		t->size *= 2;
	t->names = calloc(max, sizeof(*t->names));
	t->slots = calloc(t->size, sizeof(*t->slots));
	if (t->names && t->slots)
		return true;
	name_table_done(t);
	return false;
}

void name_table_done(struct name_table *t)
{
	arena_done(&t->arena);
	free(t->names);
	free(t->slots);
	*t = (struct name_table){ 0 };
}

/* The slot of the name, or the free one where it would be: half of all are. */
static uint32_t *slot_of(const struct name_table *t, struct bytes name)
{
	uint32_t i = (uint32_t)hash_of(name) & (t->size - 1);

	while (t->slots[i] && !bytes_equal(t->names[t->slots[i] - 1], name))
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

uint32_t name_table_find(const struct name_table *t, struct bytes name)
{
	uint32_t number = *slot_of(t, name);

	return number ? number - 1 : NAME_NONE;
}

uint32_t name_table_get(struct name_table *t, struct bytes name)
{
	uint32_t *slot = slot_of(t, name);
	struct bytes copy;

	if (*slot)
		return *slot - 1;
	copy = t->count < t->max ? arena_copy(&t->arena, name) : (struct bytes){ NULL, 0 };
	if (!copy.ptr) {
		t->refused++;
		return NAME_NONE;
	}
	t->names[t->count] = copy;
	*slot = ++t->count;
	return *slot - 1;
}
