/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_TEXT_H
#define SQL_TEXT_H
/*
 * What is told of a statement: its text without values (D25-D28), and a summary (D29-D38).
 *
 * Values (strings, numbers, booleans) become `?`, a list of them behind IN one `?`, comments
 * blanks.  A text that has parameters ($1) and came through a call that has them is kept as it is,
 * but for comments.  What follows PASSWORD is masked in either.  Where the lexer is unsure, `?`
 * stands for all the rest.  Masking what has been masked changes nothing.
 */
#include <stdbool.h>

#include "sql_lex.h"
#include "sql_out.h"

#define SQL_INPUT_MAX 32768u   /* more of a statement is not looked at */
#define SQL_TEXT_BYTES 8192u   /* STORE_VALUE_MAX */
#define SQL_SUMMARY_BYTES 255u /* D31 */

/* Both are cut between tokens, if they are.  Pure. */
void sql_describe(struct bytes sql, enum sql_backslash b, bool has_parameters,
		  struct sql_out *ret_text, struct sql_out *ret_summary);

#endif
