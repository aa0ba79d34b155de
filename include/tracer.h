/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACER_H
#define TRACER_H
/*
 * Does another tracer, an SDK or an agent, work in this process?  Then the requests that it serves
 * have a SERVER span already, and its own headers are on those that leave: a second span for the
 * same request would be one too many, so we open none, and leave what comes in as it is.
 *
 * Known by how a runtime was told to load it (-javaagent, NODE_OPTIONS, PYTHONPATH ...), by a
 * library of it, or by what it does: requests leave with a traceparent that no request brought and
 * that is not ours.  Like all of runtime.h it is only ever raised.
 *
 * All functions but tracer_is_asked_for(): any thread, async-signal-safe, no lock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "runtime.h"

/* OTEL_INTERSPAN_YIELD_TO_SDK is for the caller to ask. */
static ALWAYS_INLINE bool tracer_is_here(void)
{
	return runtime_flags() & RUNTIME_TRACER;
}

/* A SERVER span was opened: this process serves requests. */
void tracer_saw_request(void);

/*
 * A request leaves with a valid traceparent of which nobody knows.  is_served: while a request that
 * this process serves is known to be its cause; that is proof.  Without, several are wanted, and
 * those of a proxy prove nothing.
 */
void tracer_saw_header(bool is_served);

/* Did whoever started this program want an agent in a runtime of these flags (enum runtime)? */
bool tracer_is_asked_for(uint32_t runtimes, char *const *envp, char *const *argv, size_t argc);

#endif
