/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP1_ROWS_H
#define HTTP1_ROWS_H
/* Tables of streams and of what the parser has to say about them; see http1_run.h.  For cmocka. */
#include "http1_run.h"

struct http1_row {
	const char *name;
	const char *expect; /* NULL for requests */
	struct bytes in;
	const char *want;
};

/* clang-format off */
#define REQUEST(name, in, want) { name, NULL, { in, sizeof(in) - 1 }, want }
#define RESPONSE(name, expect, in, want) { name, expect, { in, sizeof(in) - 1 }, want }
/* clang-format on */

static inline void http1_row_run(struct http1_run *r, const struct http1_row *row, size_t first,
				 size_t piece)
{
	static char line[HTTP1_LINE_BYTES];

	memset(line, 0xee, sizeof(line));
	http1_run_init(r, row->expect != NULL, row->expect, line, sizeof(line));
	http1_run_pieces(r, row->in, first, piece);
	http1_run_end(r);
}

/* Whole; in two at every place; in pieces of every size down to single bytes. */
static inline void http1_row_check(const struct http1_row *row)
{
	static struct http1_run r;

	for (size_t first = 0; first <= row->in.len; first++) {
		http1_row_run(&r, row, first, row->in.len);
		if (strcmp(r.log, row->want) != 0)
			fail_msg("%s, split at %zu:\n%s--- wanted\n%s", row->name, first, r.log,
				 row->want);
	}
	for (size_t piece = 1; piece < row->in.len; piece++) {
		http1_row_run(&r, row, 0, piece);
		if (strcmp(r.log, row->want) != 0)
			fail_msg("%s, in pieces of %zu:\n%s--- wanted\n%s", row->name, piece, r.log,
				 row->want);
	}
}

/*
 * Parses ahead from every place, in pieces, goes back, feeds again up to every other place and then
 * the rest.  Costs the square of the input's length.
 */
static inline void http1_row_check_ahead(const struct http1_row *row)
{
	static struct http1_run r, ahead;
	static char line[HTTP1_LINE_BYTES];

	for (size_t at = 0; at < row->in.len; at++) {
		for (size_t k = 0; at + k <= row->in.len; k++) {
			struct bytes begin = { row->in.ptr, at };
			struct bytes rest = bytes_skip(row->in, at);

			http1_run_init(&r, row->expect != NULL, row->expect, line, sizeof(line));
			http1_run_pieces(&r, begin, 0, begin.len);
			ahead = r;
			ahead.p = http1_ahead(&r.p);
			/* In pieces of some bytes, so that many lines are cut, or in one. */
			http1_run_pieces(&ahead, rest, 0, k % 5 ? k % 5 : rest.len);
			http1_run_end(&ahead);
			http1_run_pieces(&r, rest, k, rest.len);
			http1_run_end(&r);
			if (strcmp(r.log, row->want) != 0 || strcmp(ahead.log, row->want) != 0)
				fail_msg("%s, ahead from %zu, %zu taken:\n%s---\n%s--- wanted\n%s",
					 row->name, at, k, r.log, ahead.log, row->want);
		}
	}
}

#endif
