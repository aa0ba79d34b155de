/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_SHAPES_H
#define SQL_SHAPES_H
/*
 * The shapes of the statements that this process has run (sql_shape.h).  A shape is kept when it
 * comes for the second time, for ever; there is room for some hundreds, and what comes when it is
 * full is taken apart each time.  Any thread, async-signal-safe, no lock.
 */
#include "sql_shape.h"

/* NULL: none is known.  *ret_key: for sql_shapes_add(). */
const struct sql_shape *sql_shapes_find(struct bytes sql, enum sql_backslash b, bool has_parameters,
					uint64_t *ret_key);

/* text and summary: what sql_describe() has said of sql, of which none was found. */
void sql_shapes_add(uint64_t key, struct bytes sql, enum sql_backslash b, bool has_parameters,
		    struct bytes text, struct bytes summary);

#endif
