/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINES_H
#define LINES_H
/*
 * Where in the application's bytes are the header lines that we may have to change?  The parser
 * says that there are some; their places are looked for only then, in what is still in front of us.
 * Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "conn.h"
#include "tag.h"

#define LINES_MAX (EDITS_MAX - 1) /* and an insertion */

struct line_place {
	uint64_t at;    /* of its name in the stream */
	uint64_t value; /* behind the blanks that follow the colon */
	bool is_tracestate;
	bool is_other; /* a header of format.h, which is other */
	uint8_t other; /* enum format_line */
};

struct lines {
	struct line_place list[LINES_MAX];
	uint8_t count;
	uint8_t traceparents;
	uint8_t tracestates;
	uint8_t others;
	bool is_full; /* there are more */
};

/* Lines of a head in [from, to) of the stream.  is_start: the first byte there begins a line. */
void lines_find(const struct arrival *a, uint64_t from, uint64_t to, bool is_start,
		struct lines *ret);

/* Is this what lies there, in any case? */
bool lines_is_at(const struct arrival *a, uint64_t at, const char *text, size_t len);

#endif
