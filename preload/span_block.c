/* SPDX-License-Identifier: Apache-2.0 */
/* Items of a span that are written as they are, several at once. */
#include "copy.h"
#include "span_items.h"
#include "store_block.h"

/* Is there room in the first slot, so that all of it lies in one piece? */
static ALWAYS_INLINE bool has_room(const struct span *s, size_t len, uint32_t attrs)
{
	return s->used + len <= SPAN_DATA_BYTES && !s->last && s->attrs + attrs <= STORE_ATTRS_MAX;
}

/* Counted when it is there: who reads the span of a dead process sees whole items. */
static ALWAYS_INLINE void count(struct span *s, size_t len, uint32_t attrs)
{
	__atomic_store_n(&s->used, s->used + (uint32_t)len, __ATOMIC_RELEASE);
	s->attrs = (uint16_t)(s->attrs + attrs);
}

bool span_set_joined(struct span *s, enum attr key, const struct bytes *pieces, size_t n)
{
	struct item_head head = { .type = ITEM_STR, .key = (uint16_t)key };
	unsigned char *to;

	if (!span_is_recording(s))
		return true;
	for (size_t i = 0; i < n; i++)
		head.len += (uint32_t)pieces[i].len;
	if (head.len > STORE_VALUE_MAX || !has_room(s, sizeof(head) + head.len, 1))
		return false;
	to = span_data(s) + s->used;
	memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	for (size_t i = 0; i < n; to += pieces[i++].len)
		copy_short(to, pieces[i].ptr, pieces[i].len);
	count(s, sizeof(head) + head.len, 1);
	return true;
}

bool span_set_with_block(struct span *s, enum attr key, struct bytes text,
			 const struct span_block *b)
{
	uint64_t head = ITEM_STR | (uint64_t)key << 16 | (uint64_t)text.len << 32;
	size_t len = sizeof(head) + text.len;
	unsigned char *to = span_data(s) + s->used;

	_Static_assert(sizeof(struct item_head) == sizeof(head), "as it lies there (head_put())");
	if (UNLIKELY(text.len > STORE_VALUE_MAX) ||
	    UNLIKELY(!has_room(s, len + b->len, b->attrs + 1u)))
		return false;
	memcpy(to, &head, sizeof(head));
	copy_short(to + sizeof(head), text.ptr, text.len);
	copy_short(to + len, b->items, b->len);
	count(s, len + b->len, b->attrs + 1u);
	return true;
}

struct span_mark span_mark(const struct span *s)
{
	return s ? (struct span_mark){ s->used, s->attrs } : (struct span_mark){ 0, 0 };
}

bool span_block_take(struct span_block *ret, const struct span *s, struct span_mark since)
{
	size_t len = s ? s->used - since.used : 0;
	struct cursor c;

	if (!s || s->dropped_attrs || len > sizeof(ret->items))
		return false;
	c = (struct cursor){ span_data(s), SPAN_DATA_BYTES, s->next, 0 };
	if (!cursor_read(&c, NULL, since.used) || !cursor_read(&c, ret->items, len))
		return false;
	ret->len = (uint16_t)len;
	ret->attrs = (uint16_t)(s->attrs - since.attrs);
	ret->begun = 0;
	return true;
}

void span_block_begin(struct span_block *b, enum attr key, const struct bytes *pieces, size_t n)
{
	struct item_head head = { .type = ITEM_STR, .key = (uint16_t)key };
	unsigned char *to = b->items + b->len;
	size_t len = sizeof(head);

	for (size_t i = 0; i < n; i++)
		len += pieces[i].len;
	b->begun = 0;
	if (len > sizeof(b->items) - b->len)
		return;
	memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	for (size_t i = 0; i < n; to += pieces[i++].len)
		memcpy(to, pieces[i].ptr, pieces[i].len);
	b->begun = (uint16_t)len;
}

bool span_set_block_and(struct span *s, const struct span_block *b, struct bytes end)
{
	uint32_t text = (uint32_t)(b->begun - sizeof(struct item_head) + end.len);
	size_t len = b->len + (size_t)b->begun;
	unsigned char *to = span_data(s) + s->used;

	if (UNLIKELY(!b->begun) || UNLIKELY(end.len > STORE_VALUE_MAX) ||
	    UNLIKELY(!has_room(s, len + end.len, b->attrs + 1u)))
		return false;
	copy_short(to, b->items, len);
	memcpy(to + b->len + offsetof(struct item_head, len), &text, sizeof(text));
	copy_short(to + len, end.ptr, end.len);
	count(s, len + end.len, b->attrs + 1u);
	return true;
}

/* --- what is once in the store --- */

#define OWN_MAX 96u /* of an item that is moved: an address */

/* Of one connection alone, so that it is nobody else's, too. */
static bool is_own(const struct item_head *h, enum span_kind kind)
{
	switch (h->key) {
	case ATTR_NETWORK_PEER_ADDRESS:
	case ATTR_NETWORK_PEER_PORT:
		return kind == SPAN_SERVER;
	case ATTR_CLIENT_ADDRESS:
	case ATTR_CLIENT_PORT:
	case ATTR_NETWORK_LOCAL_PORT:
		return true;
	default:
		return false;
	}
}

/* Moves those behind the others; returns the length of the others. */
static size_t own_apart(struct span_block *b, enum span_kind kind)
{
	struct bytes left = { (const char *)b->items, b->len };
	unsigned char own[OWN_MAX];
	struct item_head head;
	struct bytes value;

	while (items_next(&left, &head, &value)) {
		size_t len = sizeof(head) + value.len;
		size_t at = (size_t)((const unsigned char *)left.ptr - b->items) - len;

		if (head.type >= ITEM_NAME || len > sizeof(own) || !is_own(&head, kind))
			continue;
		memcpy(own, b->items + at, len);
		memmove(b->items + at, b->items + at + len, b->len - at - len);
		memcpy(b->items + b->len - len, own, len);
		left.ptr -= len; /* the next one is there now */
	}
	return (size_t)((const unsigned char *)left.ptr - b->items);
}

void span_block_share(struct span_block *b, enum span_kind kind)
{
	size_t len = own_apart(b, kind);
	struct item_head head = { .type = ITEM_BLOCK };
	uint32_t number;

	if (len <= sizeof(head))
		return;
	number =
		store_block_share(store_get(), kind, (struct bytes){ (const char *)b->items, len });
	if (number == NO_BLOCK)
		return;
	head.key = (uint16_t)number;
	memmove(b->items + sizeof(head), b->items + len, b->len + (size_t)b->begun - len);
	memcpy(b->items, &head, sizeof(head));
	b->len = (uint16_t)(b->len - len + sizeof(head));
}

/* Set again one by one, as they were the first time; of a block what it says. */
static NO_INLINE void add_slowly(struct span *s, struct bytes items, bool is_block)
{
	struct item_head head;
	struct bytes value;

	while (items_next(&items, &head, &value)) {
		int64_t number;

		if (head.type == ITEM_STR)
			span_set_str(s, (enum attr)head.key, value);
		if (head.type == ITEM_NAME)
			span_set_name(s, value);
		if (head.type == ITEM_BLOCK && !is_block)
			add_slowly(s, store_block_items(store_get(), head.key), true);
		if (head.type != ITEM_INT || head.len != sizeof(number))
			continue;
		memcpy(&number, value.ptr, sizeof(number));
		span_set_int(s, (enum attr)head.key, number);
	}
}

void span_block_add(struct span *s, const struct span_block *b)
{
	if (!span_is_recording(s))
		return;
	if (UNLIKELY(!has_room(s, b->len, b->attrs))) {
		add_slowly(s, (struct bytes){ (const char *)b->items, b->len }, false);
		return;
	}
	copy_short(span_data(s) + s->used, b->items, b->len);
	count(s, b->len, b->attrs);
}
