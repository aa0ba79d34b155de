/* SPDX-License-Identifier: Apache-2.0 */
#include "sampler.h"

/* parentbased_always_on (E43): whoever began the trace has decided; we begin only sampled ones. */
enum verdict sampler_decide(const struct span_context *parent, const struct trace_id *trace,
			    uint8_t *flags)
{
	(void)trace; /* what a ratio is taken of */
	if (parent && !(parent->flags & TRACE_FLAG_SAMPLED))
		return VERDICT_DROP;
	*flags |= TRACE_FLAG_SAMPLED;
	return VERDICT_SAMPLE;
}
