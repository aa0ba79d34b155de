/* SPDX-License-Identifier: Apache-2.0 */
#include "statements.h"

#include <string.h>

#include "compiler.h"
#include "copy.h"
#include "pool.h"
#include "sql_text.h"
#include "stats.h"
#include "store.h"

/* Two sizes, since most texts are short: 4096 and 256 of them in a process, 4 and 2.2 MiB. */
#define SHORT_BYTES 1024u
#define LONG_BYTES (sizeof(struct statement) + STATEMENT_NAME_MAX + SQL_SUMMARY_BYTES + 8192u)
#define SHORT_CHUNKS 64u
#define LONG_CHUNKS 4u
#define LONG_BIT 0x80000000u

static struct pool short_ones, long_ones;

static struct statement *at(uint32_t number)
{
	if (number & LONG_BIT)
		return pool_at(&long_ones, LONG_BYTES, (number & ~LONG_BIT) - 1);
	return pool_at(&short_ones, SHORT_BYTES, number - 1);
}

static struct statement *take(size_t bytes)
{
	struct statement *s = NULL;
	uint32_t index;

	if (bytes <= SHORT_BYTES)
		s = pool_get(&short_ones, SHORT_BYTES, SHORT_CHUNKS, &index);
	if (s) {
		s->number = index + 1;
	} else {
		s = pool_get(&long_ones, LONG_BYTES, LONG_CHUNKS, &index);
		if (!s)
			return NULL;
		s->number = (index + 1) | LONG_BIT;
	}
	s->pool_index = index;
	return s;
}

void statement_free(uint32_t number)
{
	if (number)
		pool_put(number & LONG_BIT ? &long_ones : &short_ones, at(number)->pool_index);
}

static struct bytes cut(struct bytes name)
{
	name.len = name.len < STATEMENT_NAME_MAX ? name.len : STATEMENT_NAME_MAX;
	return name;
}

static unsigned int chain_of(struct bytes name)
{
	uint32_t h = 0;

	for (size_t i = 0; i < name.len; i++)
		h = h * 31 + (unsigned char)name.ptr[i];
	return h % STATEMENT_CHAINS;
}

static uint32_t *find(struct statements *all, struct bytes name)
{
	uint32_t *link = &all->first[chain_of(name)];

	while (*link) {
		struct statement *s = at(*link);

		if (bytes_equal((struct bytes){ s->bytes, s->name_len }, name))
			break;
		link = &s->next;
	}
	return link;
}

static void insert(struct statements *all, struct bytes name, struct statement *s)
{
	uint32_t *first = &all->first[chain_of(name)];

	s->next = *first;
	*first = s->number;
}

/* Returns its number; 0: there is none. */
static uint32_t unlink_one(struct statements *all, struct bytes name)
{
	uint32_t *link = find(all, name);
	uint32_t number = *link;

	all->last = 0;
	if (number)
		*link = at(number)->next;
	return number;
}

uint32_t statements_put(struct statements *all, struct bytes name, struct bytes text,
			struct bytes summary)
{
	uint32_t replaced;
	struct statement *s;

	name = cut(name);
	replaced = unlink_one(all, name);
	s = take(sizeof(*s) + name.len + summary.len + text.len);
	if (!s) {
		stats_inc(STAT_STATEMENTS_LOST);
		return replaced;
	}
	s->name_len = (uint8_t)name.len;
	s->summary_len = (uint8_t)summary.len;
	s->text_len = (uint16_t)text.len;
	memcpy(s->bytes, name.ptr, name.len);
	memcpy(s->bytes + name.len, summary.ptr, summary.len);
	memcpy(s->bytes + name.len + summary.len, text.ptr, text.len);
	insert(all, name, s);
	return replaced;
}

void statements_put_back(struct statements *all, struct bytes name, uint32_t replaced)
{
	name = cut(name);
	statement_free(unlink_one(all, name));
	if (replaced)
		insert(all, name, at(replaced));
}

const struct statement *statements_get(struct statements *all, struct bytes name)
{
	const struct statement *s = all->last ? at(all->last) : NULL;

	name = cut(name);
	if (s && s->name_len == name.len && copy_is_same(s->bytes, name.ptr, name.len))
		return s;
	all->last = *find(all, name);
	return all->last ? at(all->last) : NULL;
}

void statements_clear(struct statements *all)
{
	all->last = 0;
	for (unsigned int i = 0; i < STATEMENT_CHAINS; i++) {
		uint32_t number = all->first[i];

		while (number) {
			uint32_t next = at(number)->next;

			statement_free(number);
			number = next;
		}
		all->first[i] = 0;
	}
}
