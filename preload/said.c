/* SPDX-License-Identifier: Apache-2.0 */
#include "said.h"

#include "clock.h"
#include "context.h"
#include "guard.h"
#include "keep.h"
#include "origin.h"
#include "process.h"
#include "store.h"
#include "traceparent.h"
#include "tracestate.h"

static const struct span_ref none;

static bool is_same(struct span_ref a, struct span_ref b)
{
	return a.slot == b.slot && a.generation == b.generation;
}

static uint64_t word_of(struct span_ref ref)
{
	return (uint64_t)ref.generation << 32 | ref.slot;
}

/* This process's: a child has a copy of what its parent's thread had. */
static struct span *mine(struct span_ref ref)
{
	struct span *s = span_get(ref);

	return s && s->pid == process_pid() ? s : NULL;
}

/* --- which one is current --- */

struct span_ref said_parent(struct span_ref request)
{
	const struct thread *t = &thread_self;

	if (LIKELY(!t->said.slot) || !is_same(t->said_for, request))
		return request;
	/* Where no request tells, the next task of an event loop is not the one that started it. */
	if (!request.slot && (t->said_in_doubt || !context_is_plain()))
		return request;
	return span_get(t->said) ? t->said : request;
}

static bool current_context(struct span_context *ret, char *state, size_t cap)
{
	return span_ref_context(said_parent(context_current()), ret, state, cap) ||
	       origin_context(ret);
}

/* The span that may be changed: of its own, or of the request that this very thread has read. */
static struct span *current(void)
{
	struct span_ref request = context_current();
	struct span_ref ref = said_parent(request);

	if (is_same(ref, request) && is_same(request, thread_self.inherited))
		return NULL;
	return mine(ref);
}

/* --- what is said of it --- */

static size_t id_text(char *to, const uint8_t *id, size_t len)
{
	hex_encode(to, id, len);
	to[2 * len] = '\0';
	return 2 * len;
}

size_t said_trace_id(char *to)
{
	struct span_context c;

	return current_context(&c, NULL, 0) ? id_text(to, c.trace.bytes, sizeof(c.trace)) : 0;
}

size_t said_span_id(char *to)
{
	struct span_context c;

	return current_context(&c, NULL, 0) ? id_text(to, c.span.bytes, sizeof(c.span)) : 0;
}

static bool is_key(struct bytes key)
{
	return key.len && key.len <= ITEM_NAMED_KEY_MAX;
}

void said_attribute(struct bytes key, struct bytes value)
{
	if (is_key(key))
		span_set_own(current(), key, value);
}

void said_int(struct bytes key, int64_t value)
{
	if (is_key(key))
		span_set_own_int(current(), key, value);
}

void said_double(struct bytes key, double value)
{
	if (is_key(key))
		span_set_own_double(current(), key, value);
}

void said_error(struct bytes type)
{
	span_set_error(current(), type.len ? type : BYTES("_OTHER"));
}

void said_event(struct bytes name)
{
	span_add_own_event(current(), name, clock_monotonic_ns());
}

/* Those that are kept; how many there are. */
static size_t pairs_read(struct span_pair *to, const char *const *from, size_t n)
{
	for (size_t i = 0; i < n && i < SPAN_PAIRS_MAX; i++) {
		if (!from || !from[2 * i] || !from[2 * i + 1])
			return i;
		to[i] = (struct span_pair){ bytes_from_str(from[2 * i]),
					    bytes_from_str(from[2 * i + 1]) };
	}
	return n;
}

void said_event_with(struct bytes name, const char *const *attributes, size_t n)
{
	struct span_pair pairs[SPAN_PAIRS_MAX];

	span_add_event_with(current(), name, clock_monotonic_ns(), pairs,
			    pairs_read(pairs, attributes, n));
}

void said_link(struct bytes traceparent, struct bytes tracestate, const char *const *attributes,
	       size_t n)
{
	struct span_pair pairs[SPAN_PAIRS_MAX];
	struct span_context to = { .is_remote = true, .tracestate = tracestate };

	if (traceparent_parse(traceparent, &to.trace, &to.span, &to.flags) != TRACEPARENT_INVALID)
		span_add_link(current(), &to, pairs, pairs_read(pairs, attributes, n));
}

void said_force(void)
{
	struct span *s = current();

	if (s && s->root.slot)
		s = mine(s->root);
	keep_force(s);
}

/* --- spans of its own --- */

static void leave(struct thread *t, struct span *s)
{
	t->said = s->outer;
	if (!t->said.slot)
		t->said_for = none;
}

/* Those that were started for another request, and never ended: how long they took is unknown. */
static void abandon(struct thread *t)
{
	while (t->said.slot) {
		struct span *s = mine(t->said);

		if (!s) {
			t->said = t->said_for = none;
			return;
		}
		leave(t, s);
		span_discard(s);
	}
}

uint64_t said_span_start(struct bytes name)
{
	struct thread *t = &thread_self;
	struct span_ref request = context_current();
	struct span_context parent;
	char state[TRACESTATE_BYTES];
	bool has_parent;
	struct span *s;

	if (!request.slot && !context_is_plain())
		return 0;
	if (t->said.slot && (!is_same(t->said_for, request) || !mine(t->said)))
		abandon(t);
	if (!t->said.slot)
		t->said_in_doubt = 0;
	has_parent = current_context(&parent, state, sizeof(state));
	s = span_start(SPAN_INTERNAL, has_parent ? &parent : NULL);
	if (!s)
		return 0;
	span_set_name(s, name);
	s->outer = t->said;
	t->said = span_ref(s);
	t->said_for = request;
	return word_of(t->said);
}

static bool is_started_here(const struct thread *t, uint64_t word)
{
	struct span_ref at = t->said;

	while (at.slot) {
		const struct span *s = mine(at);

		if (word_of(at) == word)
			return s != NULL;
		at = s ? s->outer : none;
	}
	return false;
}

void said_span_end(uint64_t span)
{
	struct thread *t = &thread_self;
	bool is_last = !is_started_here(t, span);

	while (!is_last) {
		struct span *s = mine(t->said);

		is_last = word_of(t->said) == span;
		leave(t, s);
		span_end(s);
	}
}
