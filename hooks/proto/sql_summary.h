/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_SUMMARY_H
#define SQL_SUMMARY_H
/*
 * `SELECT orders customers`: operations and what they are about, as the text has them, in its
 * order.  It knows no grammar, only where names of tables stand; what it takes for none is left
 * out, and a value is never taken for one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "sql_lex.h"
#include "sql_out.h"
#include "sql_word.h"

enum sql_want {
	SQL_WANT_NOTHING,
	SQL_WANT_NAME,
	SQL_WANT_TABLE, /* unless it is a function's name */
	SQL_WANT_KIND,  /* of what is created, altered or dropped */
};

/* What of a statement is looked at. */
enum sql_part { SQL_ALL, SQL_FROM_AS_ON, SQL_NO_MORE };

struct sql_summary {
	struct sql_out *out;
	struct bytes name;   /* one that may go on: a.b */
	struct bytes held;   /* an operation, if the next word confirms it */
	uint32_t takes_from; /* bit for each depth of parentheses: FROM is that of an operation */
	uint32_t in_list;    /* the same: a comma is followed by another table */
	uint32_t depth;
	uint8_t want;      /* enum sql_want */
	uint8_t name_want; /* what name was wanted as */
	uint8_t part;      /* enum sql_part */
	bool has_dot;      /* behind name */
	bool is_first;     /* no word of the statement yet */
	bool can_start;    /* a statement may begin here */
	bool uses;         /* USING is followed by a table */
	uint8_t last;      /* enum sql_word: the word before */
};

static inline struct sql_summary sql_summary(struct sql_out *out)
{
	return (struct sql_summary){ .out = out, .is_first = true, .can_start = true };
}

/* All tokens in their order; SQL_STOP at the end. */
void sql_summary_take(struct sql_summary *s, const struct sql_token *t, enum sql_word w);

#endif
