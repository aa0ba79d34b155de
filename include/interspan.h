/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTERSPAN_H
#define INTERSPAN_H
/*
 * interspan for programs that can change a line: the ids of the current trace for logs and error
 * pages, attributes, errors, events and spans of their own.  Optional, and nothing to link with:
 * under the preload these functions are there, without it each is a no-op that answers 0.
 *
 * "Current" is what outgoing calls of the calling thread are parented to: the innermost span that
 * it has started with interspan_start_span(), else the request that it serves.  Where that is not
 * proven (event loops of runtimes, greenlets, threads of a pool that got their work from another)
 * there is none, and these functions do nothing: never is anything said of another request.  For
 * that reason a span that was started outside of all requests is current until the thread waits for
 * several descriptors at once, as an event loop does.
 *
 * All functions: any thread, async-signal-safe, no allocation, no lock; errno is kept.  Texts are
 * copied, need a NUL and should be UTF-8; keys longer than 255 bytes are ignored, values longer
 * than 8 KiB are cut.  Nothing is redacted: what you say is what is sent.
 *
 * C99 and C++98 with gcc or clang.  By ctypes in Python: ctypes.CDLL(None).interspan_force(); by
 * FFI in PHP: FFI::cdef("void interspan_force(void);")->interspan_force().  There a missing
 * function is an exception of theirs.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef INTERSPAN_API
#define INTERSPAN_API __attribute__((weak)) extern
#endif

#define INTERSPAN_TRACE_ID_BYTES 33 /* 32 hexadecimal digits and a NUL */
#define INTERSPAN_SPAN_ID_BYTES 17

/*
 * The ids of the current span, as in traceparent.  Returns the length without the NUL, 0 if there
 * is none: then to is an empty string.
 */
INTERSPAN_API size_t interspan_trace_id(char to[INTERSPAN_TRACE_ID_BYTES]);
INTERSPAN_API size_t interspan_span_id(char to[INTERSPAN_SPAN_ID_BYTES]);

/* A text attribute of the current span. */
INTERSPAN_API void interspan_set_attribute(const char *key, const char *value);

/* The same with a number. */
INTERSPAN_API void interspan_set_int(const char *key, int64_t value);
INTERSPAN_API void interspan_set_double(const char *key, double value);

/*
 * The current span has failed: status Error, and error.type, which should have few different
 * values.  The first one counts.
 */
INTERSPAN_API void interspan_set_error(const char *type);

/* Something has happened, now. */
INTERSPAN_API void interspan_add_event(const char *name);

/*
 * The same with n attributes, which are 2 * n texts: a key, its value, the next key.  16 of them
 * are kept at most, and 8 KiB in all; the rest is counted on the event.
 */
INTERSPAN_API void interspan_add_event_with(const char *name, const char *const *attributes,
					    size_t n);

/*
 * The current span has to do with another one, which is not its parent, such as that by which a
 * message was sent that is worked on now: its traceparent, its tracestate or NULL, and attributes
 * as above.  A traceparent that is none is ignored.
 */
INTERSPAN_API void interspan_add_link(const char *traceparent, const char *tracestate,
				      const char *const *attributes, size_t n);

/*
 * Keep this request, whatever the sampler says and however it ends; takes a setting of
 * OTEL_INTERSPAN_KEEP (or the mode `production`), without which what is not sampled is not
 * recorded either.
 */
INTERSPAN_API void interspan_force(void);

/*
 * An INTERNAL span below the current one, which is current from here on, until it is ended by the
 * thread that started it.  Spans end in the opposite order: with it end those inside it.  0: none
 * was started; ending 0, or a span a second time, does nothing.
 */
INTERSPAN_API uint64_t interspan_start_span(const char *name);
INTERSPAN_API void interspan_end_span(uint64_t span);

#ifdef __cplusplus
}
#endif

#ifndef INTERSPAN_NO_MACROS
/* Without the preload the weak names are NULL. */
#define interspan_trace_id(to) \
	(interspan_trace_id ? (interspan_trace_id)(to) : (size_t)(*(to) = '\0'))
#define interspan_span_id(to) (interspan_span_id ? (interspan_span_id)(to) : (size_t)(*(to) = '\0'))
#define interspan_set_attribute(key, value) \
	(interspan_set_attribute ? (interspan_set_attribute)(key, value) : (void)0)
#define interspan_set_int(key, value) \
	(interspan_set_int ? (interspan_set_int)(key, value) : (void)0)
#define interspan_set_double(key, value) \
	(interspan_set_double ? (interspan_set_double)(key, value) : (void)0)
#define interspan_set_error(type) (interspan_set_error ? (interspan_set_error)(type) : (void)0)
#define interspan_add_event(name) (interspan_add_event ? (interspan_add_event)(name) : (void)0)
#define interspan_add_event_with(name, attributes, n) \
	(interspan_add_event_with ? (interspan_add_event_with)(name, attributes, n) : (void)0)
#define interspan_add_link(traceparent, tracestate, attributes, n)                           \
	(interspan_add_link ? (interspan_add_link)(traceparent, tracestate, attributes, n) : \
			      (void)0)
#define interspan_force() (interspan_force ? (interspan_force)() : (void)0)
#define interspan_start_span(name) \
	(interspan_start_span ? (interspan_start_span)(name) : (uint64_t)0)
#define interspan_end_span(span) (interspan_end_span ? (interspan_end_span)(span) : (void)0)
#endif

#endif
