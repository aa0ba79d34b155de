/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAN_H
#define SPAN_H
/*
 * A span: what the hooks' side opens, fills and ends.  It lives in the shared store (store.h) from
 * the first moment, so that who outlives this process can still tell of it.
 *
 * Every function here: any thread, async-signal-safe, no allocation, no lock, no system call but
 * that which wakes a sleeping exporter, or maps the store for the first span of all.  A NULL span
 * is accepted and ignored, a full one counts what it could not take (O44): callers do not branch.
 * One span is filled by one thread at a time; who holds the exchange holds the span.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"
#include "trace_id.h"

enum attr {
#define ATTR(name, key) ATTR_##name,
#include "attr.def"
#undef ATTR
	ATTRS
};

/* What may happen within a span. */
enum span_event {
#define EVENT(name, text) EVENT_##name,
#include "event.def"
#undef EVENT
	EVENTS
};

/* Numbers of OTLP (O54). */
enum span_kind {
	SPAN_INTERNAL = 1,
	SPAN_SERVER = 2,
	SPAN_CLIENT = 3,
};

/* Numbers of OTLP (O56); OK is not ours to set (H20). */
enum span_status {
	SPAN_STATUS_UNSET = 0,
	SPAN_STATUS_ERROR = 2,
};

/* The sampler's verdicts (E45).  Whatever the verdict, the ids are propagated. */
enum verdict {
	VERDICT_DROP,   /* not recorded: attributes are ignored, nothing is handed over */
	VERDICT_RECORD, /* recorded, forgotten at the end unless something selects it */
	VERDICT_SAMPLE, /* recorded and exported */
};

/*
 * A reference that may outlive its span, also in a forked child: 0 is none.  span_get() returns
 * NULL once the span has ended.
 */
struct span_ref {
	uint32_t slot; /* index + 1 */
	uint32_t generation;
};

/* The same as a word, for who exchanges it at once. */
static inline uint64_t span_ref_word(struct span_ref ref)
{
	return (uint64_t)ref.generation << 32 | ref.slot;
}

/* What travels: W3C Trace Context.  Texts are borrowed. */
struct span_context {
	struct trace_id trace;
	struct span_id span;
	uint8_t flags;           /* TRACE_FLAG_* */
	bool is_remote;          /* came over the wire (C14) */
	bool is_other;           /* came in a format that is not the W3C's */
	bool is_deferred;        /* the caller has left it to us whether it is sampled (C83) */
	bool is_debug;           /* B3's and Jaeger's: sampled, whoever is asked (C78) */
	struct span_ref local;   /* of span_ref_context(): whose it is in this process tree */
	struct bytes tracestate; /* the list as it goes out, empty if none */
};

struct span;

/*
 * Opens a span below parent, or a root when parent is NULL.  Ids, flags and trace state follow from
 * the parent and the sampler (E43, E44).  NULL: the store is full or absent; counted.
 */
struct span *span_start(enum span_kind kind, const struct span_context *parent);

/*
 * As span_start(), for work that began at monotonic_ns (CLOCK_MONOTONIC, not in the future); 0:
 * now, by a clock that is read only if somebody will see it.
 */
struct span *span_start_at(enum span_kind kind, const struct span_context *parent,
			   uint64_t monotonic_ns);

/* The same; rule: the number of the user's sampling rule that fits the request, 0: none. */
struct span *span_start_by(enum span_kind kind, const struct span_context *parent,
			   uint64_t monotonic_ns, unsigned rule);

/* The context to propagate from s.  tracestate is left empty: see span_tracestate(). */
struct span_context span_get_context(const struct span *s);
enum verdict span_verdict(const struct span *s);
bool span_is_recording(const struct span *s);

/*
 * The trace state / the inbound baggage kept in s: copies what fits in cap bytes, whole list
 * members only, and returns the number of bytes copied.
 */
size_t span_tracestate(const struct span *s, char *to, size_t cap);
size_t span_baggage(const struct span *s, char *to, size_t cap);
void span_keep_baggage(struct span *s, struct bytes raw);

/* The caller wants this to be told of to whoever is called (C78). */
void span_set_debug(struct span *s);
bool span_is_debug(const struct span *s);

/* Somebody has asked for it (force.h): said by an attribute, and counted. */
void span_set_forced(struct span *s);

/* Is its trace state, or that there is none, another one than that of its parent? */
bool span_state_is_own(const struct span *s);

/*
 * A caller that s does not have for its parent, since it is not trusted: kept to know its header
 * when the application passes that on, never exported.
 */
void span_keep_caller(struct span *s, const struct trace_id *trace, const struct span_id *id);

/* The ids that the caller of s sent, trusted or not; false: none.  As span_get_context(). */
bool span_caller(const struct span *s, struct trace_id *ret_trace, struct span_id *ret_id);

/* Copied.  A value longer than 8 KiB is cut on a character boundary. */
void span_set_name(struct span *s, struct bytes name);
void span_set_str(struct span *s, enum attr key, struct bytes value);
void span_set_int(struct span *s, enum attr key, int64_t value);
void span_set_bool(struct span *s, enum attr key, bool value);

/* The same of a value in n pieces; false: it does not fit easily, nothing was set. */
MUST_USE bool span_set_joined(struct span *s, enum attr key, const struct bytes *pieces, size_t n);

/*
 * Attributes and name that many spans have in common: taken from where they were set one by one,
 * and added to others as they lie there.
 */
#define SPAN_BLOCK_BYTES 448u
struct span_block {
	uint16_t len;
	uint16_t attrs;
	uint16_t begun; /* bytes behind them, with which one more attribute begins; 0: none does */
	unsigned char items[SPAN_BLOCK_BYTES];
};

struct span_mark {
	uint32_t used;
	uint16_t attrs;
};
struct span_mark span_mark(const struct span *s);

/* What was set since then; false: too much, or some was dropped. */
MUST_USE bool span_block_take(struct span_block *ret, const struct span *s, struct span_mark since);
void span_block_add(struct span *s, const struct span_block *b);

/*
 * From now on what is added is, but for what is of one connection alone, once in the store
 * (store_block.h), if there is room for it.  Of spans of that kind; they may lie in another order.
 */
void span_block_share(struct span_block *b, enum span_kind kind);

/* With what a text begins that will follow them, in n pieces, if there is room. */
void span_block_begin(struct span_block *b, enum attr key, const struct bytes *pieces, size_t n);

/* Those, and then that text with this end, of a span that is recorded; false: as above. */
MUST_USE bool span_set_block_and(struct span *s, const struct span_block *b, struct bytes end);

/* A text, and then those, of a span that is recorded; false: as span_set_joined(). */
MUST_USE bool span_set_with_block(struct span *s, enum attr key, struct bytes text,
				  const struct span_block *b);

/*
 * An attribute whose key is that of `prefix` and a name of the application's behind it; packed as
 * store.h says of ITEM_ELEMENT.  Elements of one name become one array of strings (H35).
 */
void span_add_element(struct span *s, enum attr prefix, struct bytes packed);
void span_set_named(struct span *s, enum attr prefix, struct bytes packed);

/*
 * What has been set of these keys, texts and numbers as they lie there; ptr NULL: not there, or not
 * in the first slot.  Valid until the span ends.
 */
void span_find(const struct span *s, const enum attr *keys, struct bytes *ret_values, size_t n);

/*
 * The text of that key which was set at span_mark().used, as far as it lies in the first slot; ptr
 * NULL: it does not begin there, or another is there.
 */
struct bytes span_text_at(const struct span *s, uint32_t at, enum attr key);

/* Is that perhaps not all of it? */
bool span_text_is_cut(const struct span *s, struct bytes text);

/*
 * The same with a key that is all the application's, of ITEM_NAMED_KEY_MAX at most; and an event.
 */
void span_set_own(struct span *s, struct bytes key, struct bytes value);
void span_set_own_int(struct span *s, struct bytes key, int64_t value);
void span_set_own_double(struct span *s, struct bytes key, double value);
void span_add_own_event(struct span *s, struct bytes name, uint64_t monotonic_ns);

/*
 * The same with attributes, texts all of them: a key of ITEM_NAMED_KEY_MAX at most.  What is beyond
 * SPAN_PAIRS_MAX, and not looked at, or beyond 8 KiB in all, is counted there.
 */
#define SPAN_PAIRS_MAX 16u
struct span_pair {
	struct bytes key;
	struct bytes text;
};
void span_add_event_with(struct span *s, struct bytes name, uint64_t monotonic_ns,
			 const struct span_pair *pairs, size_t n);

/*
 * Another span that s has to do with, though it is not its parent; both ids are valid.  Of its
 * trace state SPAN_LINK_STATE_MAX bytes are kept, whole members only (C43).
 */
#define SPAN_LINK_STATE_MAX 512u
void span_add_link(struct span *s, const struct span_context *to, const struct span_pair *pairs,
		   size_t n);

/* n more attributes that there was no room for (O44). */
void span_count_dropped(struct span *s, uint32_t n);

void span_add_event_at(struct span *s, enum span_event event, uint64_t monotonic_ns);

/* Status Error with error.type = type, a low-cardinality name (H21).  The first one stays. */
void span_set_error(struct span *s, struct bytes type);
bool span_has_error(const struct span *s);

/*
 * What happens below s is not recorded either, here and downstream: it is as if the sampler had
 * dropped it.  Right after the start.
 */
void span_exclude(struct span *s);

/* Closes s, always: it is handed to the exporter, or dropped, and counted.  s is gone. */
void span_end(struct span *s);
void span_end_at(struct span *s, uint64_t monotonic_ns); /* 0: now */

/*
 * Closes s: it is told of together with others (calls.h).  And what stands for them, whose root, of
 * which it is known that it is told of, is about to end.
 */
void span_fold(struct span *s);
void span_end_with_root(struct span *s, uint64_t monotonic_ns);

/* Closes s without a trace of it: the work it stood for never happened. */
void span_discard(struct span *s);

struct span_ref span_ref(const struct span *s);
struct span *span_get(struct span_ref ref);

/*
 * The context of a span that another thread or process may be ending right now: whole, or false (it
 * has ended).  Its trace state is copied to state, and cut at cap: ret->tracestate borrows that.
 * With span_get() and span_get_context() one could see half of a successor in the same slot.
 */
MUST_USE bool span_ref_context(struct span_ref ref, struct span_context *ret, char *state,
			       size_t cap);

/* Is it open, and are these the ids of its caller? */
bool span_ref_is_called_by(struct span_ref ref, const struct trace_id *trace,
			   const struct span_id *id);

#endif
