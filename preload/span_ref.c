/* SPDX-License-Identifier: Apache-2.0 */
/* References to spans that somebody else may be ending. */
#include <stdatomic.h>

#include "barrier.h"
#include "shake.h"
#include "span.h"
#include "span_items.h"
#include "store.h"

struct span_ref span_ref(const struct span *s)
{
	if (!s)
		return (struct span_ref){ 0, 0 };
	return store_ref(s);
}

struct span *span_get(struct span_ref ref)
{
	return store_span(ref);
}

/* As span_get_context(), of a slot that may be changing. */
__attribute__((no_sanitize("thread"))) static void context_peek(const struct span *s,
								struct span_context *ret)
{
	const volatile struct span *v = s;

	*ret = (struct span_context){ .is_remote = false };
	span_peek(ret->trace.bytes, s->trace.bytes, sizeof(s->trace.bytes));
	span_peek(ret->span.bytes, s->id.bytes, sizeof(s->id.bytes));
	ret->flags = v->flags;
}

bool span_ref_context(struct span_ref ref, struct span_context *ret, char *state, size_t cap)
{
	const struct span *s = store_span(ref);
	struct span_context seen;

	if (UNLIKELY(!s))
		return false;
	context_peek(s, &seen);
	seen.local = ref;
	SHAKE();
	seen.tracestate = (struct bytes){ state, span_tracestate(s, state, cap) };
	/*
	 * Whoever writes the slot for another span has raised the generation before (slot_take()):
	 * if it is still the same, none of what we read was theirs.
	 */
	read_barrier();
	if (UNLIKELY(store_span(ref) != s))
		return false;
	*ret = seen;
	return true;
}

bool span_ref_is_called_by(struct span_ref ref, const struct trace_id *trace,
			   const struct span_id *id)
{
	const struct span *s = span_get(ref);
	struct trace_id caller_trace;
	struct span_id caller;

	if (!span_caller(s, &caller_trace, &caller))
		return false;
	read_barrier(); /* as above */
	return span_get(ref) == s && memcmp(&caller_trace, trace, sizeof(*trace)) == 0 &&
	       memcmp(&caller, id, sizeof(*id)) == 0;
}
