/* SPDX-License-Identifier: Apache-2.0 */
#include "tracestate.h"

#define KEY_MAX 256u
#define VALUE_MAX 256u

/* --- one member --- */

/* Level 2 (C34): a-z 0-9, and behind the first also _ - * / @. */
static bool is_key(struct bytes key)
{
	if (key.len == 0 || key.len > KEY_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = key.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (i == 0 || !c || !strchr("_-*/@", c))
			return false;
	}
	return true;
}

/* C37; commas cannot be in here, and blanks at the end were taken as those around the member. */
static bool is_value(struct bytes value)
{
	if (value.len == 0 || value.len > VALUE_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (c < 0x20 || c > 0x7e || c == '=' || c == ',')
			return false;
	}
	return true;
}

static struct bytes key_of(struct bytes member)
{
	return bytes_split(&member, '=');
}

static bool is_member(struct bytes member)
{
	struct bytes value = member;
	struct bytes key = bytes_split(&value, '=');

	return value.ptr && is_key(key) && is_value(value);
}

/* --- the list --- */

static struct bytes list_of(const struct tracestate *t)
{
	return (struct bytes){ t->len ? t->to : NULL, t->len };
}

static bool has_key(const struct tracestate *t, struct bytes key)
{
	struct bytes rest = list_of(t);

	while (rest.ptr)
		if (bytes_equal(key_of(bytes_split(&rest, ',')), key))
			return true;
	return false;
}

static bool has_room(const struct tracestate *t, size_t n)
{
	return n + (t->len ? 1 : 0) <= t->cap - t->len;
}

static void append(struct tracestate *t, struct bytes member)
{
	if (t->len)
		t->to[t->len++] = ',';
	memmove(t->to + t->len, member.ptr, member.len);
	t->len += member.len;
}

/* Rebuilds the list in place, without what is_out says; returns how many went. */
static uint16_t remove_if(struct tracestate *t,
			  bool (*is_out)(struct bytes member, struct bytes arg), struct bytes arg)
{
	struct bytes rest = list_of(t);
	uint16_t n = 0;

	t->len = 0;
	while (rest.ptr) {
		struct bytes member = bytes_split(&rest, ',');

		/* What is written is never ahead of what is read. */
		if (is_out(member, arg))
			n++;
		else
			append(t, member);
	}
	return n;
}

static bool is_long(struct bytes member, struct bytes arg)
{
	(void)arg;
	return member.len > TRACESTATE_LONG;
}

static bool is_of_key(struct bytes member, struct bytes key)
{
	return bytes_equal(key_of(member), key);
}

/*
 * C44.  Once room is short no long member is let in, so that it does not matter which came first;
 * once the right end is cut off nothing comes behind the gap.
 */
static void keep(struct tracestate *t, struct bytes member)
{
	if (!t->is_short && !has_room(t, member.len)) {
		t->truncated = (uint16_t)(t->truncated + remove_if(t, is_long, member));
		t->is_short = true;
	}
	if (t->is_short && member.len > TRACESTATE_LONG) {
		t->truncated++;
	} else if (t->is_full || !has_room(t, member.len)) {
		t->is_full = true;
		t->truncated++;
	} else {
		append(t, member);
	}
}

void tracestate_init(struct tracestate *t, char *to, size_t cap)
{
	*t = (struct tracestate){ .to = to, .cap = cap };
}

void tracestate_add(struct tracestate *t, struct bytes line)
{
	struct bytes rest = line;

	while (rest.ptr && !t->is_void) {
		/*
		 * Blanks at the left end too are those around the member: a key has none, and in a
		 * value they are behind the "=".
		 */
		struct bytes member = bytes_trim(bytes_split(&rest, ','));

		if (!member.len)
			continue;
		if (!is_member(member) || ++t->received > TRACESTATE_MEMBERS)
			t->is_void = true;
		else if (!has_key(t, key_of(member)))
			keep(t, member);
	}
}

static uint16_t count(const struct tracestate *t)
{
	struct bytes rest = list_of(t);
	uint16_t n = 0;

	for (; rest.ptr; n++)
		bytes_split(&rest, ',');
	return n;
}

static void remove_last(struct tracestate *t)
{
	while (t->len && t->to[t->len - 1] != ',')
		t->len--;
	if (t->len)
		t->len--;
}

bool tracestate_put(struct tracestate *t, struct bytes member)
{
	if (!is_member(member) || member.len > t->cap)
		return false;
	if (t->is_void)
		t->len = 0;
	t->is_void = false;
	remove_if(t, is_of_key, key_of(member));
	while (count(t) >= TRACESTATE_MEMBERS)
		remove_last(t);
	if (!has_room(t, member.len))
		t->truncated = (uint16_t)(t->truncated + remove_if(t, is_long, member));
	for (; !has_room(t, member.len); t->truncated++)
		remove_last(t);
	memmove(t->to + member.len + (t->len != 0), t->to, t->len);
	memcpy(t->to, member.ptr, member.len);
	if (t->len)
		t->to[member.len] = ',';
	t->len += member.len + (t->len != 0);
	return true;
}
