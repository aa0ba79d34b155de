/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USUAL_IMPL_H
#define USUAL_IMPL_H
/* What usual.c and usual_call.c share. */
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "conn.h"
#include "context.h"
#include "usual.h"

/* Does no setting ask for more, as far as it matters here; and to requests of the program's own? */
extern HIDDEN bool usual_is_default, usual_calls_are_default;

/* Has it that role, and is looked at? */
static ALWAYS_INLINE bool is_usual(const struct conn *c, enum conn_role role)
{
	uint32_t usual = atomic_load_explicit(&c->usual, memory_order_relaxed);

	/* All but its layer. */
	return LIKELY(usual_is_default) && LIKELY((usual & 0xffffff) == (uint32_t)role);
}

/* Does this program act on an event by touching its descriptor, and nobody trace in it but us? */
static ALWAYS_INLINE bool is_plain_loop(void)
{
	uint32_t flags = context_flags();

	return LIKELY(flags & RUNTIME_LOOPS) &&
	       LIKELY(!(flags & (RUNTIME_MANY_TASKS | RUNTIME_TRACER)));
}

#endif
