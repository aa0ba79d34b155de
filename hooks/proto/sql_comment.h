/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_COMMENT_H
#define SQL_COMMENT_H
/*
 * A comment that tells the database of its caller (D67-D71), as sqlcommenter writes it.  Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "sql_lex.h"

#define SQL_COMMENT_MAX 700u /* what of tracestate is longer stays away */

/*
 * May sql have one, and where?  It is one statement that reads or changes rows, wholly understood,
 * and has no comment of its own; a semicolon stays the last of it.
 */
bool sql_comment_place(struct bytes sql, enum sql_backslash b, size_t *ret_at);

/* In to, SQL_COMMENT_MAX bytes, with the blank ahead of it; tracestate may be empty. */
size_t sql_comment_write(char *to, struct bytes traceparent, struct bytes tracestate);

#endif
