/* SPDX-License-Identifier: Apache-2.0 */
/* interspan.h: what a program may say of itself.  The only names we export that are no hooks. */
#include "hook.h"

#define INTERSPAN_API EXPORT
#define INTERSPAN_NO_MACROS
#include "interspan.h"
#include "said.h"

static bool enter(int *ret_errno)
{
	*ret_errno = errno;
	host_start();
	return host_is_observed() && guard_enter();
}

static void leave(int error)
{
	guard_leave();
	errno = error;
}

EXPORT size_t interspan_trace_id(char to[INTERSPAN_TRACE_ID_BYTES])
{
	size_t len = 0;
	int error;

	*to = '\0';
	if (enter(&error)) {
		len = said_trace_id(to);
		leave(error);
	}
	return len;
}

EXPORT size_t interspan_span_id(char to[INTERSPAN_SPAN_ID_BYTES])
{
	size_t len = 0;
	int error;

	*to = '\0';
	if (enter(&error)) {
		len = said_span_id(to);
		leave(error);
	}
	return len;
}

EXPORT void interspan_set_attribute(const char *key, const char *value)
{
	int error;

	if (key && value && enter(&error)) {
		said_attribute(bytes_from_str(key), bytes_from_str(value));
		leave(error);
	}
}

EXPORT void interspan_set_int(const char *key, int64_t value)
{
	int error;

	if (key && enter(&error)) {
		said_int(bytes_from_str(key), value);
		leave(error);
	}
}

EXPORT void interspan_set_double(const char *key, double value)
{
	int error;

	if (key && enter(&error)) {
		said_double(bytes_from_str(key), value);
		leave(error);
	}
}

EXPORT void interspan_set_error(const char *type)
{
	int error;

	if (type && enter(&error)) {
		said_error(bytes_from_str(type));
		leave(error);
	}
}

EXPORT void interspan_add_event(const char *name)
{
	int error;

	if (name && enter(&error)) {
		said_event(bytes_from_str(name));
		leave(error);
	}
}

EXPORT void interspan_add_event_with(const char *name, const char *const *attributes, size_t n)
{
	int error;

	if (name && enter(&error)) {
		said_event_with(bytes_from_str(name), attributes, n);
		leave(error);
	}
}

EXPORT void interspan_add_link(const char *traceparent, const char *tracestate,
			       const char *const *attributes, size_t n)
{
	int error;

	if (traceparent && enter(&error)) {
		said_link(bytes_from_str(traceparent), bytes_from_str(tracestate ? tracestate : ""),
			  attributes, n);
		leave(error);
	}
}

EXPORT void interspan_force(void)
{
	int error;

	if (enter(&error)) {
		said_force();
		leave(error);
	}
}

EXPORT uint64_t interspan_start_span(const char *name)
{
	uint64_t span = 0;
	int error;

	if (name && enter(&error)) {
		span = said_span_start(bytes_from_str(name));
		leave(error);
	}
	return span;
}

EXPORT void interspan_end_span(uint64_t span)
{
	int error;

	if (span && enter(&error)) {
		said_span_end(span);
		leave(error);
	}
}
