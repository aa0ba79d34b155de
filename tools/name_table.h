/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NAME_TABLE_H
#define NAME_TABLE_H
/*
 * Names, numbered in the order in which they came, up to a limit: names are anybody's, and there
 * may be any number of them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "compiler.h"

#define NAME_NONE UINT32_MAX

struct name_table {
	struct arena arena;
	struct bytes *names; /* by number */
	uint32_t *slots;     /* number + 1; 0: free */
	uint32_t size;       /* of slots, a power of two */
	uint32_t count;
	uint32_t max;
	uint64_t refused; /* how often a name was not taken */
};

/* Zeroed caller's storage; false: no memory. */
MUST_USE bool name_table_init(struct name_table *t, uint32_t max);
void name_table_done(struct name_table *t);

/* The number of a name, which is copied if it is new; NAME_NONE: there is no room for it. */
uint32_t name_table_get(struct name_table *t, struct bytes name);

/* NAME_NONE: it is not there. */
uint32_t name_table_find(const struct name_table *t, struct bytes name);

#endif
