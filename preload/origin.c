/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

#include <string.h>

#include "stats.h"
#include "traceparent.h"
#include "tracestate.h"

_Atomic enum origin origin_state;

static struct {
	struct trace_id trace;
	struct span_id span;
} named; /* by the environment */
static bool is_adopted;

/* Copies: programs such as nginx overwrite their environment (law 6). */
static struct span_context origin;
static char state_text[TRACESTATE_BYTES];

/* The value if that is the entry's name; the first of two wins, as in getenv(). */
static void value_take(const char *entry, struct bytes name, struct bytes *value)
{
	if (!value->ptr && strncmp(entry, name.ptr, name.len) == 0)
		*value = bytes_from_str(entry + name.len);
}

void origin_init(char *const *envp)
{
	struct bytes parent = { NULL, 0 }, state = { NULL, 0 };
	struct tracestate list;

	for (; envp && *envp; envp++) {
		/* Every process of the system runs this: see config_parse(). */
		if ((*envp)[0] != 'T' || (*envp)[1] != 'R')
			continue;
		value_take(*envp, BYTES("TRACEPARENT="), &parent);
		value_take(*envp, BYTES("TRACESTATE="), &state);
	}
	if (!parent.len) /* also an empty one (C111) */
		return;
	if (traceparent_parse(parent, &origin.trace, &origin.span, &origin.flags) ==
	    TRACEPARENT_INVALID) {
		stats_inc(STAT_INBOUND_INVALID);
		return;
	}
	tracestate_init(&list, state_text, sizeof(state_text));
	if (state.len)
		tracestate_add(&list, state);
	stats_add(STAT_TRACESTATE_INVALID, list.is_void);
	stats_add(STAT_LIST_LOST, list.truncated);
	origin.tracestate = tracestate_list(&list);
	origin.is_remote = true; /* C14 */
	named.trace = origin.trace;
	named.span = origin.span;
	atomic_store(&origin_state, ORIGIN_LIVE);
}

bool origin_context(struct span_context *ret)
{
	if (LIKELY(atomic_load_explicit(&origin_state, memory_order_acquire) != ORIGIN_LIVE))
		return false;
	*ret = origin;
	return true;
}

bool origin_is(const struct trace_id *trace, const struct span_id *span)
{
	return memcmp(&named.trace, trace, sizeof(*trace)) == 0 &&
	       memcmp(&named.span, span, sizeof(*span)) == 0;
}

void origin_adopt(const struct span_context *own)
{
	origin = *own;
	is_adopted = true;
	atomic_store(&origin_state, ORIGIN_LIVE);
}

bool origin_own(struct span_context *ret)
{
	if (LIKELY(!is_adopted))
		return false;
	*ret = origin;
	return true;
}
