/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORCE_H
#define FORCE_H
/*
 * Requests whose sender wants them traced, whatever the sampler says: by a header that the user has
 * named (OTEL_INTERSPAN_FORCE_HEADER: `X-Trace-Me`, or with the one value that counts:
 * `X-Trace-Me: secret`), or by a member of the baggage (OTEL_INTERSPAN_FORCE_BAGGAGE: `key`, or
 * `key=value`), which a sender that is not trusted has no say in.  Off until named.
 * Any thread, async-signal-safe.
 */
#include <stdbool.h>

#include "bytes.h"
#include "compiler.h"
#include "config.h"
#include "head.h"

/* Is that the header? */
bool force_by_header(struct bytes name, struct bytes value);

bool force_by_baggage(const struct head *h, const char *text);

static ALWAYS_INLINE bool force_has(const struct head *h, const char *text)
{
	return UNLIKELY(h->is_forced) ||
	       (UNLIKELY(config.force_baggage.len) && force_by_baggage(h, text));
}

#endif
