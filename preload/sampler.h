/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLER_H
#define SAMPLER_H
/*
 * Is a span recorded, is it exported?  Asked once, before the span exists; any thread,
 * async-signal-safe, pure.  The seam behind which samplers other than parent-based always-on come.
 */
#include <stdint.h>

#include "span.h"
#include "trace_id.h"

/*
 * parent: NULL for a root.  *flags: TRACE_FLAG_* to propagate; in: those of the parent, or of a
 * fresh trace, without SAMPLED.  SAMPLED is set exactly when the verdict is VERDICT_SAMPLE (E45).
 */
enum verdict sampler_decide(const struct span_context *parent, const struct trace_id *trace,
			    uint8_t *flags);

#endif
