/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what is kept in a span: its trace state, its baggage, its caller. */
#include <string.h>

#include "span_items.h"
#include "store_block.h"

__attribute__((no_sanitize("thread"))) bool cursor_read(struct cursor *c, void *to, size_t len)
{
	char *p = to;

	while (len) {
		size_t n = len < c->room ? len : c->room;

		for (size_t i = 0; p && i < n; i++)
			*p++ = (char)((volatile unsigned char *)c->at)[i];
		c->at += n;
		c->room -= n;
		len -= n;
		if (len && !cursor_hop(c))
			return false;
	}
	return true;
}

__attribute__((no_sanitize("thread"))) static NO_INLINE size_t list_copy_kept(const struct span *s,
									      enum item_type type,
									      bool only_first,
									      char *to, size_t cap)
{
	struct cursor c = { span_data(s), SPAN_DATA_BYTES, *(volatile uint32_t *)&s->next, 0 };
	size_t left = *(volatile uint32_t *)&s->used;
	struct item_head head;
	size_t found = 0;

	while (left >= sizeof(head) && cursor_read(&c, &head, sizeof(head))) {
		struct cursor value = c;
		size_t n = head.len < cap ? head.len : cap;

		left -= sizeof(head);
		if (head.len > left)
			break;
		if (head.type == type && cursor_read(&value, to, n)) {
			char after = ',';

			if (n < head.len && cursor_read(&value, &after, 1) && after != ',')
				n = n ? list_cut(to, n, n - 1) : 0;
			found = n;
		}
		if (only_first || !cursor_read(&c, NULL, head.len))
			break;
		left -= head.len;
	}
	return found;
}

/* Copies the last kept list of that type; 0: there is none. */
__attribute__((no_sanitize("thread"))) static inline size_t
list_copy(const struct span *s, enum item_type type, bool only_first, char *to, size_t cap)
{
	if (LIKELY(!(*(const volatile uint8_t *)&s->lists & LIST_OF(type))))
		return 0;
	return list_copy_kept(s, type, only_first, to, cap);
}

/* What is looked for, and what was found. */
struct wanted {
	const enum attr *keys;
	struct bytes *values;
	size_t n;
	uint64_t perhaps; /* a bit for each key, modulo 64 */
};

static ALWAYS_INLINE void find(const struct wanted *w, const struct item_head *h,
			       struct bytes value)
{
	for (size_t i = 0; w->perhaps >> h->key % 64 & 1 && i < w->n; i++)
		if (h->type < ITEM_ELEMENT && h->key == w->keys[i])
			w->values[i] = value;
}

static void find_in(const struct wanted *w, struct bytes items, bool is_block)
{
	struct item_head head;
	struct bytes value;

	while (items_next(&items, &head, &value)) {
		find(w, &head, value);
		if (head.type == ITEM_BLOCK && !is_block)
			find_in(w, store_block_items(store_get(), head.key), true);
	}
}

void span_find(const struct span *s, const enum attr *keys, struct bytes *ret_values, size_t n)
{
	struct wanted w = { keys, ret_values, n, 0 };

	for (size_t i = 0; i < n; i++) {
		ret_values[i] = (struct bytes){ NULL, 0 };
		w.perhaps |= UINT64_C(1) << keys[i] % 64;
	}
	if (!s)
		return;
	find_in(&w,
		(struct bytes){ (const char *)span_data(s),
				s->used < SPAN_DATA_BYTES ? s->used : SPAN_DATA_BYTES },
		false);
}

struct bytes span_text_at(const struct span *s, uint32_t at, enum attr key)
{
	size_t end = s->used < SPAN_DATA_BYTES ? s->used : SPAN_DATA_BYTES;
	size_t value = at + sizeof(struct item_head);
	struct item_head head;

	if (value > end)
		return (struct bytes){ NULL, 0 };
	memcpy(&head, span_data(s) + at, sizeof(head));
	if (head.type != ITEM_STR || head.key != key)
		return (struct bytes){ NULL, 0 };
	return (struct bytes){ (const char *)span_data(s) + value,
			       head.len < end - value ? head.len : end - value };
}

bool span_text_is_cut(const struct span *s, struct bytes text)
{
	return text.ptr &&
	       (const unsigned char *)text.ptr + text.len == span_data(s) + SPAN_DATA_BYTES;
}

size_t span_tracestate(const struct span *s, char *to, size_t cap)
{
	return s ? list_copy(s, ITEM_TRACESTATE, true, to, cap) : 0;
}

size_t span_baggage(const struct span *s, char *to, size_t cap)
{
	return s ? list_copy(s, ITEM_BAGGAGE, false, to, cap) : 0;
}

__attribute__((no_sanitize("thread"))) bool
span_caller(const struct span *s, struct trace_id *ret_trace, struct span_id *ret_id)
{
	unsigned char kept[sizeof(*ret_trace) + sizeof(*ret_id)];

	if (!s)
		return false;
	if (((const volatile struct span *)s)->has_parent) {
		span_peek(kept, s->trace.bytes, sizeof(s->trace.bytes));
		span_peek(kept + sizeof(*ret_trace), s->parent.bytes, sizeof(s->parent.bytes));
	} else if (list_copy(s, ITEM_CALLER, false, (char *)kept, sizeof(kept)) != sizeof(kept)) {
		return false;
	}
	memcpy(ret_trace, kept, sizeof(*ret_trace));
	memcpy(ret_id, kept + sizeof(*ret_trace), sizeof(*ret_id));
	return true;
}
