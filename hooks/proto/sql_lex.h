/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_LEX_H
#define SQL_LEX_H
/*
 * The tokens of PostgreSQL's SQL, as its own scanner takes a text apart; only what is needed to
 * tell values from the rest.  Never reads outside the text; any bytes are a text.  Pure.
 *
 * Where a text has two readings, which depend on a setting that we do not know, the rest of it is
 * one token, SQL_UNSURE: it may be all values.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

enum sql_kind {
	SQL_STOP,
	SQL_SPACE,
	SQL_COMMENT, /* nested ones, too; up to the end if it has none */
	SQL_NAME,    /* keyword or name */
	SQL_QUOTED,  /* "name", U&"name" */
	SQL_STRING,  /* '', E'', U&'', N'', B'', X'', $$, $tag$; parts on several lines are one */
	SQL_NUMBER,
	SQL_PARAM,  /* $1 */
	SQL_SIGN,   /* any other byte */
	SQL_UNSURE, /* the rest: it does not end, or can be read in two ways */
};

/* standard_conforming_strings: is a backslash in '' a backslash? */
enum sql_backslash { SQL_BACKSLASH_UNKNOWN, SQL_BACKSLASH_PLAIN, SQL_BACKSLASH_ESCAPES };

struct sql_token {
	enum sql_kind kind;
	struct bytes text; /* borrowed */
};

struct sql_lexer {
	const char *at, *end;
	enum sql_backslash backslash;
};

static inline struct sql_lexer sql_lexer(struct bytes text, enum sql_backslash b)
{
	return (struct sql_lexer){ text.ptr, text.ptr + text.len, b };
}

/* Tokens never overlap and leave nothing out: together they are the text. */
struct sql_token sql_next(struct sql_lexer *l);

#endif
