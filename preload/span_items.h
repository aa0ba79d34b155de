/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAN_ITEMS_H
#define SPAN_ITEMS_H
/* How the items of a span lie in its slots: for those who write them and those who read them. */
#include <stdbool.h>
#include <stddef.h>

#include "span.h"
#include "store.h"

/* Takes the first item off items that lie in one piece.  False: there is none that is whole. */
static ALWAYS_INLINE bool items_next(struct bytes *items, struct item_head *ret_head,
				     struct bytes *ret_value)
{
	struct item_head head;

	if (items->len < sizeof(head))
		return false;
	memcpy(&head, items->ptr, sizeof(head));
	if (head.len > items->len - sizeof(head))
		return false;
	*ret_head = head;
	*ret_value = (struct bytes){ items->ptr + sizeof(head), head.len };
	*items = bytes_skip(*items, sizeof(head) + head.len);
	return true;
}

/* A place in the items of a record that is being written or read. */
struct cursor {
	unsigned char *at;
	size_t room;   /* bytes from here to the end of the slot */
	uint32_t next; /* slot index + 1 that follows */
	uint32_t hops;
};

/* Goes on to the next slot of the chain; false: there is none, or what it says is nonsense. */
static inline bool cursor_hop(struct cursor *c)
{
	struct slot_more *m;

	if (c->next - 1 >= store_slots() || ++c->hops >= STORE_RECORD_SLOTS)
		return false;
	m = (struct slot_more *)store_slot(store_get(), c->next - 1);
	c->at = more_data(m);
	c->room = MORE_DATA_BYTES;
	c->next = *(volatile uint32_t *)&m->next;
	return true;
}

/*
 * Reads len bytes, or skips them when to is NULL.  The slot may be somebody else's by now, being
 * written: see span_ref_context().  So no memcpy(), which the thread sanitizer would look into.
 */
bool cursor_read(struct cursor *c, void *to, size_t len);

/* Ids of a slot that may be changing; whether they were whole is for the generation to say. */
__attribute__((no_sanitize("thread"))) static ALWAYS_INLINE void
span_peek(unsigned char *to, const uint8_t *from, size_t n)
{
	typedef uint64_t word __attribute__((may_alias, aligned(1)));

	for (size_t i = 0; i < n; i += sizeof(word))
		*(word *)(to + i) = *(const volatile word *)(from + i);
}

/* Longest prefix of at most max bytes of a list that ends with a whole member. */
static inline size_t list_cut(const char *list, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max && list[max] != ',')
		max--;
	return max;
}

/* Longest prefix of at most max bytes that does not end inside a UTF-8 character. */
size_t span_text_cut(struct bytes value, size_t max);

/*
 * The trace state of a new span, as the sampler wants it: th set to that threshold, or taken out
 * when it is OT_ALL; false: no room.
 */
bool span_state_keep(struct span *s, struct bytes list, uint64_t threshold);

/* One item of several pieces, of STORE_VALUE_MAX bytes at most; false: no room. */
bool span_item_add(struct span *s, enum item_type type, const struct bytes *pieces, size_t n);

#endif
