/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_H
#define RULE_H
/* Which of the user's sampling rules decides about a request, if it begins a trace? */
#include "compiler.h"
#include "head.h"
#include "keep.h"
#include "sampler.h"

unsigned rule_of_head(const struct head *h, const char *text, bool is_server);

/* For span_start_by(); 0: none, as nearly always. */
static ALWAYS_INLINE unsigned rule_of(const struct head *h, const char *text, bool is_server)
{
	return UNLIKELY(sampler_has_rules) ? rule_of_head(h, text, is_server) : 0;
}

/* The same for what is kept for its end (keep.h). */
void keep_rule_of_head(struct span *s, const struct head *h, const char *text);

static ALWAYS_INLINE void keep_rule_of(struct span *s, const struct head *h, const char *text)
{
	if (UNLIKELY(keep_has_rules))
		keep_rule_of_head(s, h, text);
}

#endif
