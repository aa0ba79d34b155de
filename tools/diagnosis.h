/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DIAGNOSIS_H
#define DIAGNOSIS_H
/* What the doctor has found: each finding says what, by which evidence, and what to do. */
#include "arena.h"
#include "term.h"

enum finding_level {
	LEVEL_OK,
	LEVEL_NOTE, /* explains what one may miss, and may be meant */
	LEVEL_BAD,  /* this is why there is no data, or not all */
};

struct diagnosed {
	enum finding_level level;
	const char *id;           /* a literal: for programs */
	struct bytes what;        /* unsafe texts, in the arena */
	struct bytes seen;        /* may be empty */
	struct bytes remedy;      /* may be empty */
	struct bytes connections; /* JSON; may be empty */
};

#define DIAGNOSIS_MAX 64u

struct diagnosis {
	struct arena arena;
	struct diagnosed list[DIAGNOSIS_MAX];
	uint32_t count;
	bool is_bad;
};

/* Adds a finding; the formats are our own, what goes into them is copied. */
void diagnose(struct diagnosis *d, enum finding_level level, const char *id, const char *what);
/* Of the last one added. */
__attribute__((format(printf, 2, 3))) void diagnosis_seen(struct diagnosis *d, const char *format,
							  ...);
__attribute__((format(printf, 2, 3))) void diagnosis_remedy(struct diagnosis *d, const char *format,
							    ...);

/* The connections that it is about, as JSON: copied, and printed as such alone. */
void diagnosis_details(struct diagnosis *d, struct bytes connections);

void diagnosis_print(struct text *to, const struct style *st, const struct diagnosis *d);
/* One object a line: {level, finding, what, seen, remedy}, and connections where it has some. */
void diagnosis_print_json(struct text *to, const struct diagnosis *d);

void diagnosis_done(struct diagnosis *d);

#endif
