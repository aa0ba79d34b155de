/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_SHAPE_H
#define SQL_SHAPE_H
/*
 * What is told of a statement, for the next one that differs from it in values only: a program has
 * few statements and runs them often.
 *
 * A shape is the text between the values, and for each value its kind and how it begins.  Another
 * text fits if it has the same bytes between values that the lexer takes for the same kinds.  Then
 * sql_describe() says the same of it: no token but a value depends on what is in a value, except
 * for that one's first byte, which may be another digit and nothing else; and of a value nothing is
 * told but its kind.  Texts that are kept with their values (D25) fit byte by byte.
 *
 * There is none of a text that the lexer is unsure of, or that speaks of a password.  Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "sql_lex.h"
#include "sql_out.h"

#define SQL_SHAPE_VALUES 32u

struct sql_shape {
	uint8_t backslash; /* enum sql_backslash */
	bool has_parameters;
	uint8_t values;
	uint8_t summary_len;
	uint16_t fixed_len; /* of all between the values */
	uint16_t text_len;
	struct {
		uint16_t gap; /* bytes ahead of it */
		uint8_t kind; /* enum sql_kind */
		char first;
	} value[SQL_SHAPE_VALUES];
	char bytes[]; /* fixed, text, summary */
};

static inline struct bytes sql_shape_text(const struct sql_shape *s)
{
	return (struct bytes){ s->bytes + s->fixed_len, s->text_len };
}

static inline struct bytes sql_shape_summary(const struct sql_shape *s)
{
	return (struct bytes){ s->bytes + s->fixed_len + s->text_len, s->summary_len };
}

/* A number that all texts of a shape have in common. */
uint64_t sql_shape_key(struct bytes sql);

/*
 * How many bytes the shape of sql takes; 0: it has none.  text and summary: what sql_describe() has
 * said of it.
 */
size_t sql_shape_bytes(struct bytes sql, enum sql_backslash b, struct bytes text,
		       struct bytes summary);

/* Of that sql, in sql_shape_bytes(). */
void sql_shape_make(struct sql_shape *to, struct bytes sql, enum sql_backslash b,
		    bool has_parameters, struct bytes text, struct bytes summary);

bool sql_shape_fits(const struct sql_shape *s, struct bytes sql, enum sql_backslash b,
		    bool has_parameters);

#endif
