/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATEMENTS_H
#define STATEMENTS_H
/*
 * Prepared statements of a database connection: what is told of them, by their names, since a call
 * that runs one has its name only.  Texts are masked before they come here.
 *
 * The memory is bounded for the process; a statement for which there is none is counted, and run
 * without a text.  One connection is one thread's at a time; async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

#define STATEMENT_CHAINS 16u
#define STATEMENT_NAME_MAX 63u /* the server cuts names there */

/* Of one connection; zeroed: none. */
struct statements {
	uint32_t first[STATEMENT_CHAINS]; /* number of a statement, 0: none */
	uint32_t last;                    /* the one that was asked for last; 0: none */
};

struct statement {
	uint32_t next;
	uint32_t number;
	uint32_t pool_index;
	uint8_t name_len;
	uint8_t summary_len;
	uint16_t text_len;
	char bytes[]; /* name, summary, text */
};

static inline struct bytes statement_summary(const struct statement *s)
{
	return (struct bytes){ s->bytes + s->name_len, s->summary_len };
}

static inline struct bytes statement_text(const struct statement *s)
{
	return (struct bytes){ s->bytes + s->name_len + s->summary_len, s->text_len };
}

/*
 * The statement of that name is this from now on.  Returns the number of the one that it replaces,
 * which is the caller's then: to be put back, or freed.  0: there was none.
 */
uint32_t statements_put(struct statements *all, struct bytes name, struct bytes text,
			struct bytes summary);

/* What was replaced comes back: the new one is an error to the server.  0: there was none. */
void statements_put_back(struct statements *all, struct bytes name, uint32_t replaced);
void statement_free(uint32_t number); /* 0: nothing */

/* NULL: not known. */
const struct statement *statements_get(struct statements *all, struct bytes name);
void statements_clear(struct statements *all);

#endif
